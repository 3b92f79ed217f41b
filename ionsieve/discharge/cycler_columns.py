"""The columns of a cycler's CSV export, as numbers; what makes a file unreadable, with the way out.

Columns are named as in the Battery Data Format (BDF) of the Battery Data Alliance, by label (``Voltage / V``)
or by machine-readable name (``voltage_volt``), or by the user's map from the names of :data:`QUANTITIES` to
those of the file.
"""

import gzip
import io
import re
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ionsieve.errors import DataError, first_line

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
_EC_LAB_HEADER = re.compile(rb"Nb header lines\s*:\s*(\d+)")
_HEAD_BYTES = 4096
_COMMAS = (
    "numbers may have a decimal comma only where semicolons or tabs separate the values and no number has a"
    " point; else write them all with a decimal point"
)


def read_columns(path: Path, columns: Mapping[str, str]) -> pd.DataFrame:
    """The columns that are needed, as numbers in the units of their names; what is no number is NaN.

    Raises
    ------
    DataError : the file cannot be read, its numbers are not clear, or a column that is needed is missing.
    """
    try:
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        if header := _EC_LAB_HEADER.search(content[:_HEAD_BYTES]):
            raise DataError(_ec_lab_hint(path.name, int(header[1])))
        text = content.decode("utf-8-sig")
    except (OSError, zlib.error) as error:
        raise DataError(f"cannot be read: {first_line(error)}") from error
    except (UnicodeDecodeError, EOFError) as error:
        raise DataError(f"is not UTF-8 text: {first_line(error)}; save it as CSV in UTF-8") from error
    rows = [line for line in text.splitlines() if line.strip()][:2]
    separator = next((mark for mark in "\t;," if all(mark in row for row in rows)), ",")
    decimal = "," if _has_decimal(",", text, separator) and not _has_decimal(".", text, separator) else "."
    options: dict[str, Any] = {"sep": separator, "decimal": decimal, "low_memory": False}
    try:
        table = pd.read_csv(io.StringIO(text), **options)
        if not isinstance(table.index, pd.RangeIndex):
            # More values than names: pandas takes the first ones for names of rows.
            if not table.iloc[:, -table.index.nlevels :].isna().all(axis=None):
                raise DataError(
                    f"has more values in a row than names in its first line, {len(table.columns)}; {_COMMAS}"
                )
            table = pd.read_csv(io.StringIO(text), index_col=False, **options)
    except (ValueError, pd.errors.ParserError) as error:
        raise DataError(
            f"is no CSV table: {first_line(error)}; the first line must name the columns, and {_COMMAS}"
        ) from error
    table.columns = table.columns.astype(str).str.strip()
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
            _check_commas(table[name])
            values = pd.to_numeric(table[name], errors="coerce").to_numpy(dtype=float)
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


def _ec_lab_hint(name: str, header_lines: int) -> str:
    return (
        f"begins with a header of EC-Lab ('Nb header lines : {header_lines}'), and the first line must name"
        f" the columns; cut it off with `tail -n +{header_lines} {name} | iconv -f latin1 -t utf8 > NEW.txt`,"
        " or export without it"
    )


def _has_decimal(mark: str, text: str, separator: str) -> bool:
    """Whether a value of a table has a decimal comma or point; the comma separates no values then."""
    if separator == ",":
        return mark == "."
    number = rf"[+-]?\d*{re.escape(mark)}\d+(?:[eE][+-]?\d+)?"
    return re.search(rf'(?m)(?:^|{separator}) *"?{number}"? *(?={separator}|\r|$)', text) is not None


def _check_commas(column: pd.Series) -> None:
    """Raise DataError where numbers of a column have a decimal comma that reading the file did not allow."""
    if pd.api.types.is_numeric_dtype(column):
        return
    texts = column.dropna().astype(str).str.strip()
    commas = texts[texts.str.fullmatch(r"[+-]?\d*,\d+(?:[eE][+-]?\d+)?")]
    if not commas.empty:
        raise DataError(f"column {column.name!r} holds {commas.iloc[0]!r}; {_COMMAS}")


def _shown(table: pd.DataFrame) -> str:
    return ", ".join(name[:40] for name in table.columns[:12]) + (", ..." if len(table.columns) > 12 else "")
