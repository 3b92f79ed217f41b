"""From the Materials Project's documents to the few fields that are used: the one place that knows both.

A converted document is a flat, JSON-able row. One that cannot be used becomes ``{"id": ..., "reason": ...}``.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from pymatgen.core import Structure

from ionsieve import structures
from ionsieve.data import calculated
from ionsieve.data.files import safe_id
from ionsieve.data.network import SourceError
from ionsieve.structures import DamagedStructure

Document = Mapping[str, Any]
Row = dict[str, Any]

LICENCES = {"BY-C": "CC BY 4.0", "BY-NC": "CC BY-NC 4.0"}
# The server's name of a hull differs from the one in its documents.
THERMO_TYPE_IN_DOCUMENTS = {"R2SCAN": "r2SCAN"}
# What electrodes' documents hold of :data:`ionsieve.tables.CALCULATED`; they state no symmetry.
CALCULATED_FIELDS = (
    "capacity_grav",
    "capacity_vol",
    "energy_grav",
    "energy_vol",
    "stability_charge",
    "stability_discharge",
    "max_delta_volume",
)


@dataclass(frozen=True)
class Kind:
    """A kind of document: which resource has it, which fields are asked for, what becomes of it.

    Attributes
    ----------
    resource : the client's name.
    fields : what is asked of each document; dots lead into documents within.
    convert : one document to one row.
    optional : fields that documents may lack.
    """

    resource: str
    fields: tuple[str, ...]
    convert: Callable[[Document], Row]
    optional: tuple[str, ...] = ()

    @property
    def required(self) -> tuple[str, ...]:
        """Fields without which a document is of no use."""
        return tuple(field for field in self.fields if field not in self.optional)


def check_schema(documents: Sequence[Document], kind: Kind, stage: str) -> None:
    """Refuse a page on which not one document has a field that is needed.

    Raises
    ------
    SourceError : the documents have changed. A lone document proves nothing.
    """
    absent = [
        field for field in kind.required if not any(_has_field(document, field) for document in documents)
    ]
    if len(documents) > 1 and absent:
        versions = " and ".join(f"{name} {version(name)}" for name in ("mp-api", "emmet-core"))
        raise SourceError(
            f"Materials Project, {stage}: the documents have changed: none of {len(documents)} has the field "
            f"{', '.join(absent)}; they are read with {versions}: update IonSieve and both, or report it"
        )


def _has_field(document: Any, field: str) -> bool:
    """Whether a document has a field, null or not; dots lead into documents within."""
    for name in field.split("."):
        if not isinstance(document, Mapping) or name not in document:
            return False
        document = document[name]
    return True


def electrode(document: Document) -> Row:
    """An insertion electrode: ids, ion, voltage, ion content at both ends, steps, what else is stated."""
    ion = document.get("working_ion")
    name = _battery_id(document)
    if name is None:
        return {"id": f"unnamed_{ion}", "reason": "field material_ids or working_ion is missing or odd"}
    missing = [field for field in ELECTRODES.required if document.get(field) is None]
    if missing:
        return {"id": name, "reason": f"field {', '.join(missing)} is missing or null"}
    try:
        return {
            "id": name,
            "working_ion": str(ion),
            "material_id": legacy_id(document["id_discharge"]),
            "voltage_V": float(document["average_voltage"]),
            "fraction_charged": float(document["fracA_charge"]),
            "fraction_discharged": float(document["fracA_discharge"]),
            "n_steps": int(document.get("num_steps") or 1),
            "pairs": [
                {key: pair.get(key) for key in ("average_voltage", "fracA_charge", "fracA_discharge")}
                for pair in document.get("adj_pairs") or []
            ],
            "thermo_type": document.get("thermo_type"),
            calculated.KEY: calculated.stated(document),
        }
    except (TypeError, ValueError, AttributeError) as error:
        return {"id": name, "reason": f"not what a field should hold: {error}"}


def crystal(document: Document) -> Row:
    """A crystal: id, licence, structure columns."""
    name = material(document)
    if "reason" in name:
        return name
    stated = (document.get("builder_meta") or {}).get("license")
    if stated not in LICENCES:
        return {**name, "reason": f"no known licence: {stated!r}; known: {', '.join(LICENCES)}"}
    if document.get("structure") is None:
        return {**name, "reason": "field structure is missing or null"}
    try:
        structure = Structure.from_dict(document["structure"])
    except Exception as error:  # pymatgen raises whatever a damaged document makes it raise
        return {**name, "reason": f"unreadable structure: {type(error).__name__}: {str(error)[:200]}"}
    try:
        structures.reject_disorder(structure)
        return {**name, "licence": LICENCES[stated], **structures.to_columns(structure)}
    except DamagedStructure as damage:
        return {**name, "reason": str(damage)}


def hull_distance(document: Document) -> Row:
    """A hull distance: id, thermo type, eV/atom."""
    name = material(document)
    if "reason" in name:
        return name
    try:
        thermo_type, distance = str(document["thermo_type"]), float(document["energy_above_hull"])
    except (KeyError, TypeError, ValueError):
        return {**name, "reason": "field thermo_type or energy_above_hull is missing or null"}
    if not math.isfinite(distance):
        return {**name, "reason": f"hull distance {distance} eV/atom"}
    return {**name, "thermo_type": thermo_type, "energy_above_hull_eV_per_atom": distance}


def stable_phase(document: Document) -> Row:
    """A phase on the hull: id, formula, corrected energy in eV/atom."""
    name = material(document)
    if "reason" in name:
        return name
    try:
        formula, energy_eV_per_atom = str(document["formula_pretty"]), float(document["energy_per_atom"])
    except (KeyError, TypeError, ValueError):
        return {**name, "reason": "field formula_pretty or energy_per_atom is missing or null"}
    if not math.isfinite(energy_eV_per_atom):
        return {**name, "reason": f"energy {energy_eV_per_atom} eV/atom"}
    return {**name, "formula": formula, "energy_eV_per_atom": energy_eV_per_atom}


def material(document: Document) -> Row:
    """A material's id."""
    try:
        return {"id": legacy_id(document["material_id"])}
    except (KeyError, ValueError):
        odd = document.get("material_id")
        return {"id": safe_id(str(odd)), "reason": f"not an id of the Materials Project: {odd!r}"}


def legacy_id(identifier: Any) -> str:
    """An id as papers and files write it, ``mp-149``, however the server stores it (``mp-aaaaaaft``).

    Raises
    ------
    ValueError : it is no id of the Materials Project.
    """
    from emmet.core.mpid import AlphaID

    try:
        return AlphaID(identifier).string
    except (TypeError, AttributeError) as error:
        raise ValueError(f"not an id of the Materials Project: {identifier!r}") from error


def _battery_id(document: Document) -> str | None:
    """The id that emmet gives an insertion electrode, with its material id as :func:`legacy_id`.

    The server computes it and does not let clients ask for it.
    """
    from emmet.core.electrode import InsertionElectrodeDoc
    from emmet.core.types.typing import format_compound_identifier

    try:
        named = InsertionElectrodeDoc.model_validate(
            {field: document.get(field) for field in ("material_ids", "working_ion")}
        )
        return format_compound_identifier(named.battery_id, legacy=True)
    except (ValueError, AttributeError):  # AttributeError: an id that emmet leaves as a string
        return None


ELECTRODES = Kind(
    "insertion_electrodes",
    (
        "material_ids",
        "working_ion",
        "id_discharge",
        "average_voltage",
        "fracA_charge",
        "fracA_discharge",
        "num_steps",
        "adj_pairs",
        "thermo_type",
        *CALCULATED_FIELDS,
    ),
    electrode,
    # Older releases state no thermo type, and a document without steps still has its average voltage.
    optional=("num_steps", "adj_pairs", "thermo_type", *CALCULATED_FIELDS),
)
MATERIALS = Kind("summary", ("material_id",), material)
CRYSTALS = Kind("summary", ("material_id", "structure", "builder_meta.license"), crystal)
HULL_DISTANCES = Kind("thermo", ("material_id", "thermo_type", "energy_above_hull"), hull_distance)
STABLE_PHASES = Kind("thermo", ("material_id", "formula_pretty", "energy_per_atom"), stable_phase)
