"""The columns of a cycler's CSV export, as numbers in the units of their names.

Columns are named as in the Battery Data Format (BDF) of the Battery Data Alliance, by label (``Voltage / V``)
or by machine-readable name (``voltage_volt``), or by the user's map from the names of :data:`QUANTITIES` to
those of the file.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from ionsieve.discharge.text_table import numbers, read_text_table
from ionsieve.errors import DataError

VOLTAGE, TIME, CURRENT, CYCLE = "voltage_V", "time_s", "current_A", "cycle"
COUNTER_AH, COUNTER_SPECIFIC = "discharge_capacity_Ah", "discharge_capacity_mAh_per_g"
# By quantity: the one it is turned into, and its size in that one's unit.
QUANTITIES: dict[str, tuple[str, float]] = {
    "voltage_V": (VOLTAGE, 1.0),
    "voltage_mV": (VOLTAGE, 1e-3),
    "time_s": (TIME, 1.0),
    "time_h": (TIME, 3600.0),
    "current_A": (CURRENT, 1.0),
    "current_mA": (CURRENT, 1e-3),
    "cycle": (CYCLE, 1.0),
    "discharge_capacity_Ah": (COUNTER_AH, 1.0),
    "discharge_capacity_mAh": (COUNTER_AH, 1e-3),
    "discharge_capacity_mAh_per_g": (COUNTER_SPECIFIC, 1.0),
}
BATTERY_DATA_FORMAT = {
    "voltage_V": ("Voltage / V", "voltage_volt"),
    "time_s": ("Test Time / s", "test_time_second"),
    "current_A": ("Current / A", "current_ampere"),
    "cycle": ("Cycle Count / 1", "Cycle / 1", "cycle_count", "cycle_dimensionless"),
    "discharge_capacity_Ah": ("Discharging Capacity / Ah", "discharging_capacity_ah"),
}
# Beyond the largest of what is recorded, times since 1970 in ms, lies no number but a slip.
LARGEST_NUMBER = 1e13


def read_columns(path: Path, columns: Mapping[str, str]) -> pd.DataFrame:
    """The columns that are needed, as numbers in the units of their names; what is no number is NaN.

    Raises
    ------
    DataError : the file cannot be read, its numbers are not clear, or a column that is needed is missing.
    """
    table = read_text_table(path)
    found: dict[str, np.ndarray] = {}
    for quantity, (target, scale) in QUANTITIES.items():
        if quantity in columns:
            name: str | None = columns[quantity]
            if name not in table:
                raise DataError(
                    f"has no column {name!r}, which is named for {quantity}; it has {_shown(table)}"
                )
        else:
            name = next((label for label in BATTERY_DATA_FORMAT.get(quantity, ()) if label in table), None)
        if name is not None and target not in found:
            values = numbers(table[name]).to_numpy(dtype=float)
            found[target] = np.where(np.abs(values) <= LARGEST_NUMBER, values, np.nan) * scale
    counted = COUNTER_AH in found or COUNTER_SPECIFIC in found
    needed = [VOLTAGE] + ([] if counted else [CURRENT, TIME]) + ([] if CURRENT in found else [CYCLE])
    missing = [name for name in needed if name not in found]
    if missing:
        raise DataError(
            f"lacks {', '.join(missing)}; it has {_shown(table)}; name its columns in the cell's columns, by"
            f" {', '.join(QUANTITIES)}. Needed are the voltage, and a discharge counter with the cycle, or"
            " current and time"
        )
    if table.empty:
        raise DataError("holds no row below its first line")
    return pd.DataFrame(found)


def _shown(table: pd.DataFrame) -> str:
    return ", ".join(name[:40] for name in table.columns[:12]) + (", ..." if len(table.columns) > 12 else "")
