"""What a source calculated for the pair of an electrode: for the audit of leaks, never for a screening model.

Such numbers need the charged crystal, which nobody has of a candidate. They lie in a raw table of their own,
that no other stage reads, so that they cannot slip into descriptors.
"""

import math
from collections.abc import Iterable, Mapping
from numbers import Real
from pathlib import Path
from typing import Any

import pandas as pd

from ionsieve.tables import CALCULATED, read_table

TABLE = "calculated.parquet"
# Key of an electrode's record that holds what its source states, by column.
KEY = "calculated"
KEYS = ["source", "electrode_id"]

# With the number of the last space group in each; see International Tables for Crystallography, volume A.
CRYSTAL_SYSTEMS = {
    "triclinic": 2,
    "monoclinic": 15,
    "orthorhombic": 74,
    "tetragonal": 142,
    "trigonal": 167,
    "hexagonal": 194,
    "cubic": 230,
}
SPACE_GROUPS = range(1, 231)
NOT_NEGATIVE = frozenset(("volume_change", "capacity_grav_mAh_per_g", "capacity_vol_Ah_per_L"))

# Columns and what the Materials Project's documents call them. Their mAh/cm3 are Ah/L.
_FIELDS = {
    "charged_space_group": "charge_space_group_number",
    "discharged_space_group": "discharge_space_group_number",
    "charged_crystal_system": "charge_crystal_system",
    "discharged_crystal_system": "discharge_crystal_system",
    "capacity_grav_mAh_per_g": "capacity_grav",
    "capacity_vol_Ah_per_L": "capacity_vol",
    "energy_grav_Wh_per_kg": "energy_grav",
    "energy_vol_Wh_per_L": "energy_vol",
    "stability_charged_eV_per_atom": "stability_charge",
    "stability_discharged_eV_per_atom": "stability_discharge",
}


def crystal_system(space_group: int) -> str:
    """The crystal system of a space group's number."""
    return next(name for name, last in CRYSTAL_SYSTEMS.items() if space_group <= last)


def stated(document: Mapping[str, Any]) -> dict[str, Any]:
    """What an electrode's document states, by column of :data:`ionsieve.tables.CALCULATED`; not checked.

    The documents are those of the Materials Project's Battery Explorer. Their ``max_delta_volume`` is the
    larger volume over the smaller, minus 1. ``volume_change`` is the largest of all steps; only where none
    states one it is that of the document itself, which goes over all of them.
    """
    columns = {column: document.get(field) for column, field in _FIELDS.items()}
    pairs = document.get("adj_pairs")
    changes = [
        change
        for pair in (pairs if isinstance(pairs, list) else [])
        if isinstance(pair, Mapping) and (change := pair.get("max_delta_volume")) is not None
    ]
    odd = [change for change in changes if not _is_number(change)]
    # Of steps that are partly odd the largest is not known: the odd one makes the cell null.
    largest = [odd[0]] if odd else sorted(changes)[-1:]
    return columns | {"volume_change": largest[0] if largest else document.get("max_delta_volume")}


def checked(columns: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """The cells of :data:`ionsieve.tables.CALCULATED` beside its keys, and the columns that were set null.

    A value that cannot be (text for a number, NaN, a negative capacity, space group 0) costs its cell alone.
    What is not stated is null, too, and not listed.
    """
    cells: dict[str, Any] = {}
    odd: list[str] = []
    for column in CALCULATED.names:
        if column in KEYS:
            continue
        value = columns.get(column)
        cells[column] = None if value is None else _cell(column, value)
        if value is not None and cells[column] is None:
            odd.append(column)
    return cells, odd


def read_calculated(paths: Iterable[Path | str]) -> pd.DataFrame:
    """What all sources calculated, by (source, electrode_id).

    Of electrodes that a source states twice the first is kept, as the catalogue keeps it. Space groups are
    nullable integers.

    Raises
    ------
    DataError : a table is not there, or lacks a column.
    """
    integers = dict.fromkeys(("charged_space_group", "discharged_space_group"), "Int64")
    tables = [read_table(path, CALCULATED).astype(integers) for path in paths]
    joined = pd.concat(tables, ignore_index=True)
    return joined.drop_duplicates(KEYS).set_index(KEYS)


def _cell(column: str, value: Any) -> int | float | str | None:
    """A value as its column takes it; None where it cannot be."""
    if column.endswith("crystal_system"):
        name = value.strip().lower() if isinstance(value, str) else None
        return name if name in CRYSTAL_SYSTEMS else None
    if not _is_number(value) or (column in NOT_NEGATIVE and value < 0):
        return None
    if column.endswith("space_group"):
        return int(value) if value in SPACE_GROUPS else None
    return float(value)


def _is_number(value: Any) -> bool:
    try:
        return isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)
    except OverflowError:  # an integer beyond floats
        return False
