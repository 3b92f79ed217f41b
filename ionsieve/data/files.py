"""The `files` source: electrodes and structures from the user's own disk.

Structures: what :mod:`ionsieve.data.structure_files` reads. Electrodes: JSON Lines in the shape of the
Materials Project's Battery Explorer, or Parquet with the columns of :data:`ionsieve.tables.ELECTRODES`.

A record that cannot be used is yielded as a :class:`Reject` with its reason and stops nothing; a file
that cannot be read as a whole raises :class:`~ionsieve.errors.DataError`.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pymatgen.core import Composition

from ionsieve import structures
from ionsieve.data import calculated
from ionsieve.data.formats import is_json_lines
from ionsieve.data.records import Pulled, Record, Reject, check_candidate, check_electrode, unknown_ion
from ionsieve.data.steps import voltage_steps
from ionsieve.data.structure_files import SOURCE, Crystal, json_documents, parquet_rows, read_structures
from ionsieve.electrochemistry import framework_formula
from ionsieve.errors import DataError
from ionsieve.ions import WORKING_IONS
from ionsieve.structures import DamagedStructure
from ionsieve.tables import ELECTRODES


def safe_id(name: str) -> str:
    """An id that can name a folder: everything but letters, digits, '.', '_' and '-' becomes '_'."""
    return re.sub(r"[^A-Za-z0-9._-]", "_", name).lstrip(".") or "unnamed"


def pull(
    electrode_paths: Sequence[Path],
    structure_paths: Sequence[Path],
    working_ion: str,
    label_kind: str,
    licence: str,
) -> Pulled:
    """What the user's files give: electrodes, and every crystal with the working ion as a candidate."""
    return Pulled(
        electrode_rows(electrode_paths, structure_paths, label_kind, licence),
        candidate_rows(structure_paths, working_ion, licence),
        {
            "source": SOURCE,
            "version": None,
            "licences": [licence],
            "cite": [],
            "query": {"working_ion": working_ion, "label_kind": label_kind, "licence": licence},
        },
    )


def candidate_rows(paths: Iterable[Path], working_ion: str, licence: str) -> Iterator[Record]:
    """Rows of :data:`~ionsieve.tables.CANDIDATES` for every usable crystal with the working ion."""
    for crystal in _with_safe_ids(read_structures(paths)):
        if isinstance(crystal, Reject):
            yield crystal
            continue
        row = {
            "material_id": crystal.material_id,
            "source": SOURCE,
            "licence": str(crystal.licence or licence),
            "energy_above_hull_eV_per_atom": crystal.energy_above_hull_eV_per_atom,
            "hull_reference": crystal.hull_reference,
            **crystal.columns,
        }
        yield check_candidate(row, working_ion)


def electrode_rows(
    electrode_paths: Iterable[Path], structure_paths: Iterable[Path], label_kind: str, licence: str
) -> Iterator[Record]:
    """Rows of :data:`~ionsieve.tables.ELECTRODES`, of JSON Lines with what they state of the pair.

    Compositions come from the structures, never from formulas in the electrode file: some of the
    Materials Project's discharge formulas lack a digit.
    """
    documents: list[dict[str, Any]] = []
    for path in electrode_paths:
        if not path.exists():
            raise DataError(f"{path} does not exist (seen from {Path.cwd()}); mend data.files.electrodes")
        if path.suffix == ".parquet":
            yield from _read_parquet_electrodes(path)
        elif is_json_lines(path):
            documents.extend(document for _, document in json_documents(path))
        else:
            raise DataError(
                f"{path}: unknown format {path.suffix!r}; allowed for electrodes: .jsonl, .jsonl.gz, .parquet"
            )
    if not documents:
        return
    wanted = {
        safe_id(str(doc[key])) for doc in documents for key in ("id_discharge", "id_charge") if doc.get(key)
    }
    found: dict[str, dict[str, Any]] = {}
    reasons: dict[str, str] = {}
    for crystal in _with_safe_ids(read_structures(structure_paths)):
        if crystal.material_id in wanted:
            if isinstance(crystal, Reject):
                reasons[crystal.material_id] = crystal.reason
            else:
                found[crystal.material_id] = crystal.columns
    for document in documents:
        yield _electrode_row(document, found, reasons, label_kind, licence)


def _with_safe_ids(crystals: Iterable[Crystal | Reject]) -> Iterator[Crystal | Reject]:
    for crystal in crystals:
        yield replace(crystal, material_id=safe_id(crystal.material_id))


def _electrode_row(
    document: Mapping[str, Any],
    found: Mapping[str, dict[str, Any]],
    reasons: Mapping[str, str],
    label_kind: str,
    licence: str,
) -> Record:
    electrode_id = str(document.get("battery_id", "unnamed"))

    def rejected(reason: str) -> Reject:
        return Reject(electrode_id, SOURCE, "electrodes", reason)

    missing = [key for key in ("id_discharge", "working_ion", "average_voltage") if document.get(key) is None]
    if missing:
        return rejected(f"field {', '.join(missing)} is missing or null, or the line is not JSON")
    try:
        voltage_V, n_steps = float(document["average_voltage"]), int(document.get("num_steps") or 1)
    except (TypeError, ValueError):
        return rejected(
            f"not a number: average_voltage {document['average_voltage']!r} or num_steps "
            f"{document.get('num_steps')!r}"
        )
    if document["working_ion"] not in WORKING_IONS:
        return rejected(unknown_ion(document["working_ion"]))
    material_id, ion = safe_id(str(document["id_discharge"])), str(document["working_ion"])
    if material_id not in found:
        return rejected(reasons.get(material_id, f"no such structure among the files: {material_id}"))
    columns = found[material_id]
    composition = structures.composition_of(columns["numbers"])
    x_charged = 0.0
    if document.get("id_charge"):
        charged = found.get(safe_id(str(document["id_charge"])))
        if charged is None:
            return rejected(f"no such structure among the files: {document['id_charge']} (charged)")
        try:
            x_charged = charged_content(composition, structures.composition_of(charged["numbers"]), ion)
        except DamagedStructure as damage:
            return rejected(str(damage))
    step_voltage_V, step_x = voltage_steps(document.get("adj_pairs") or [])
    row = {
        "electrode_id": electrode_id,
        "material_id": material_id,
        "source": SOURCE,
        "licence": str(document.get("licence") or licence),
        "label_kind": label_kind,
        "working_ion": ion,
        "formula": composition.reduced_formula,
        "framework": framework_formula(composition, ion),
        "voltage_V": voltage_V,
        "x_charged": x_charged,
        "n_steps": n_steps,
        "step_voltage_V": step_voltage_V,
        "step_x": step_x,
        **columns,
        calculated.KEY: calculated.stated(document),
    }
    return check_electrode(row)


def charged_content(discharged: Composition, charged: Composition, ion: str) -> float:
    """Working ions that stay when charged, as a fraction of those in the discharged cell.

    Raises
    ------
    DamagedStructure : the two hosts differ, or the charged cell holds as many ions or more.
    """
    host_charged, host_discharged = framework_formula(charged, ion), framework_formula(discharged, ion)
    if host_charged != host_discharged:
        raise DamagedStructure(f"charged and discharged hosts differ: {host_charged}, {host_discharged}")
    hosts = [composition.num_atoms - composition[ion] for composition in (discharged, charged)]
    if not discharged[ion] or not all(hosts):
        raise DamagedStructure(f"discharged cell {discharged.reduced_formula} has no {ion} or no host")
    fraction = (charged[ion] / hosts[1]) / (discharged[ion] / hosts[0])
    if fraction >= 1 - 1e-6:
        raise DamagedStructure(f"charged cell holds {fraction:.2f} times the {ion} of the discharged cell")
    return fraction


def _read_parquet_electrodes(path: Path) -> Iterator[Record]:
    for number, row in enumerate(parquet_rows(path, ELECTRODES.names), start=1):
        if any(row[key] is None for key in ELECTRODES.names):
            name = str(row["electrode_id"] or f"{path.stem}-{number}")
            yield Reject(name, SOURCE, "electrodes", f"empty cell: row {number} of {path.name}")
            continue
        yield check_electrode({**row, "source": SOURCE, "material_id": safe_id(row["material_id"])})
