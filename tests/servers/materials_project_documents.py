"""Documents of a small Materials Project, built with emmet's own models from crystals in table columns."""

import random
from collections.abc import Mapping
from typing import Any

import pandas as pd
from emmet.core.electrode import InsertionElectrodeDoc
from emmet.core.types.typing import format_identifier
from pymatgen.core import Structure
from pymatgen.entries.computed_entries import ComputedEntry, ComputedStructureEntry

from ionsieve.ions import ion_charge
from ionsieve.structures import to_structure

METAL_ENERGY_EV = -1.5  # of the working ion's metal; voltages are differences, so any value does
HOST_ENERGY_EV_PER_ATOM = -6.0
THERMO_TYPE = "GGA_GGA+U_R2SCAN"
UPDATED = "2026-01-01T00:00:00"

# By collection: insertion_electrodes, summary, thermo.
Documents = dict[str, list[dict[str, Any]]]


def build_documents(
    electrodes: pd.DataFrame,
    candidates: pd.DataFrame,
    *,
    thermo_type: str = THERMO_TYPE,
    electrode_hull_eV_per_atom: float = 0.0,
) -> Documents:
    """A Materials Project that holds the given crystals.

    Parameters
    ----------
    electrodes : columns of :data:`ionsieve.tables.ELECTRODES`. Each gets its discharged and charged
        materials, mp-1, mp-2..., with energies that give ``voltage_V``; ``x_charged`` ions stay.
    candidates : columns of :data:`ionsieve.tables.CANDIDATES`; they get the ids after those, in order, and
        their own hull distances.
    thermo_type : the hull that distances refer to.
    electrode_hull_eV_per_atom : hull distance of the electrodes' materials.
    """
    documents: Documents = {"insertion_electrodes": [], "summary": [], "thermo": []}
    number = 0
    for row in electrodes.to_dict("records"):
        discharged, charged = f"mp-{number + 1}", f"mp-{number + 2}"
        number += 2
        structure = to_structure(row)
        empty = _charged(structure, row["working_ion"], row["x_charged"])
        documents["insertion_electrodes"].append(
            electrode_document(
                row["working_ion"], row["voltage_V"], {discharged: structure, charged: empty}, thermo_type
            )
        )
        for name, crystal in ((discharged, structure), (charged, empty)):
            add_material(documents, name, crystal, electrode_hull_eV_per_atom, thermo_type=thermo_type)
    for row in candidates.to_dict("records"):
        number += 1
        distance = row["energy_above_hull_eV_per_atom"]
        add_material(
            documents,
            f"mp-{number}",
            to_structure(row),
            0.0 if pd.isna(distance) else distance,
            thermo_type=thermo_type,
        )
    return documents


def electrode_document(
    ion: str, voltage_V: float, materials: Mapping[str, Structure], thermo_type: str | None = THERMO_TYPE
) -> dict[str, Any]:
    """An insertion electrode whose every step has the same voltage.

    Parameters
    ----------
    ion : working ion.
    voltage_V : average voltage.
    materials : structures of one host at two or more contents of the ion, by id.
    thermo_type : as the document states it.
    """
    entries = []
    for name, structure in materials.items():
        n_ions = structure.composition[ion]
        host_eV = HOST_ENERGY_EV_PER_ATOM * (len(structure) - n_ions)
        energy_eV = host_eV + n_ions * (METAL_ENERGY_EV - voltage_V * ion_charge(ion))
        data = {"material_id": name, "energy_above_hull": 0.0, "stability": 0.0, "decomposition_energy": 0.0}
        entries.append(ComputedStructureEntry(structure, energy_eV, entry_id=name, data=data))
    metal = ComputedEntry(ion, METAL_ENERGY_EV, entry_id="metal", data={"material_id": "mp-1000000"})
    electrode = InsertionElectrodeDoc.from_entries(entries, metal)
    if electrode is None:
        raise ValueError(f"no electrode from {', '.join(materials)}")
    electrode.thermo_type = thermo_type
    document = electrode.model_dump(mode="json", exclude={"electrode_object", "host_structure"})
    for place in (document, *document["adj_pairs"]):
        for field in ("id_charge", "id_discharge"):
            place[field] = stored_id(place[field])
    return document | {"material_ids": [stored_id(name) for name in document["material_ids"]]}


def add_material(
    documents: Documents,
    material_id: str,
    structure: Structure,
    energy_above_hull_eV_per_atom: float | None,
    *,
    thermo_type: str = THERMO_TYPE,
    licence: str = "BY-C",
    deprecated: bool = False,
) -> None:
    """Add a material to the collections summary and, with a hull distance, thermo."""
    composition = structure.composition
    common = {
        "material_id": stored_id(material_id),
        "deprecated": deprecated,
        "builder_meta": {
            "license": licence,
            "batch_id": "gnome_r2scan_statics" if licence == "BY-NC" else None,
        },
        "nsites": len(structure),
        "elements": sorted(element.symbol for element in composition.elements),
        "nelements": len(composition.elements),
        "composition_reduced": composition.reduced_composition.as_dict(),
        "formula_pretty": composition.reduced_formula,
        "chemsys": composition.chemical_system,
        "last_updated": UPDATED,
    }
    documents["summary"].append({**common, "structure": structure.as_dict()})
    if energy_above_hull_eV_per_atom is not None:
        documents["thermo"].append(
            {
                **common,
                "thermo_type": "r2SCAN" if thermo_type == "R2SCAN" else thermo_type,
                "energy_above_hull": energy_above_hull_eV_per_atom,
                "uncorrected_energy_per_atom": HOST_ENERGY_EV_PER_ATOM,
                "energy_per_atom": HOST_ENERGY_EV_PER_ATOM,
                "energy_type": "GGA",
                "entry_types": ["GGA"],
                "entries": {},
            }
        )


def document_of(documents: Documents, collection: str, material_id: str) -> dict[str, Any]:
    """The document of a material in ``summary`` or ``thermo``, to look at or to damage."""
    stored = stored_id(material_id)
    return next(document for document in documents[collection] if document["material_id"] == stored)


def withdraw(documents: Documents, material_id: str) -> None:
    """Remove a material."""
    stored = stored_id(material_id)
    for collection in ("summary", "thermo"):
        documents[collection] = [
            document for document in documents[collection] if document["material_id"] != stored
        ]


def stored_id(material_id: str) -> str:
    """An id as the server keeps it: mp-149 is mp-aaaaaaft."""
    return str(format_identifier(material_id, legacy=False))


def _charged(structure: Structure, ion: str, x_charged: float) -> Structure:
    sites = [index for index, site in enumerate(structure) if site.specie.symbol == ion]
    n_left = round(len(sites) * x_charged)
    charged = structure.copy()
    charged.remove_sites(random.Random(0).sample(sites, len(sites) - n_left))
    return charged
