"""Reader of cycler exports: CSV tables of a cell's voltage against time, with what the table does not tell.

Columns are named as in the Battery Data Format (BDF) of the Battery Data Alliance, by label (``Voltage / V``)
or by machine-readable name (``voltage_volt``), or by the user's map from the names of :data:`QUANTITIES` to
those of the file. What the table does not tell, composition, active mass and window, is the :class:`Cell`.

The capacity is that of the discharge counter, which may run on or begin anew with each step or cycle, or the
integral of the current over time. Which sign of the current is a discharge shows in the voltage: it falls.
"""

import gzip
import io
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ionsieve.discharge.cycling import EXPERIMENT, CyclingError, CyclingTest, Profile, SetAside
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
# Less than this share of the usual current is none.
NO_CURRENT_SHARE = 0.02
# A cycle whose current is further from the rate than this share of it was cycled at another rate.
RATE_TOLERANCE = 0.2
# Beyond the largest of what is recorded, times since 1970 in ms, lies no number but a slip.
LARGEST_NUMBER = 1e13
SECONDS_PER_HOUR = 3600.0
MILLI = 1e-3


@dataclass(frozen=True)
class Cell:
    """What a cycler's table does not tell of its cell.

    Attributes
    ----------
    composition : formula of the active material.
    active_mass_mg : of the active material.
    voltage_low_V, voltage_high_V : the window.
    rate_mA_per_g : current per mass of active material; None takes it from the current.
    electrode_mass_mg : with carbon and binder.
    test_id : None takes the file's name.
    label : ``experiment`` or ``synthetic``.
    columns : the file's column by name of :data:`QUANTITIES`; those of the Battery Data Format are known.
    """

    composition: str
    active_mass_mg: float
    voltage_low_V: float
    voltage_high_V: float
    rate_mA_per_g: float | None = None
    electrode_mass_mg: float | None = None
    test_id: str | None = None
    label: str = EXPERIMENT
    columns: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, document: object) -> "Cell":
        """A cell from what a YAML or JSON file holds.

        Raises
        ------
        DataError : a key is missing, unknown, or has a value of another kind.
        """
        known = [item.name for item in fields(cls)]
        if not isinstance(document, Mapping):
            raise DataError(f"cell: a mapping with the keys {', '.join(known)} is needed")
        unknown = sorted(str(key) for key in document if key not in known)
        missing = [name for name in known[:4] if document.get(name) is None]
        if unknown or missing:
            raise DataError(
                f"cell: missing {', '.join(missing) or 'nothing'}; unknown {', '.join(unknown) or 'nothing'};"
                f" needed are {', '.join(known[:4])}, and allowed {', '.join(known[4:])}"
            )
        values: dict[str, Any] = {name: value for name, value in document.items() if value is not None}
        for name in (
            "active_mass_mg",
            "voltage_low_V",
            "voltage_high_V",
            "rate_mA_per_g",
            "electrode_mass_mg",
        ):
            if name in values:
                try:
                    values[name] = float(values[name])
                except (TypeError, ValueError) as error:
                    raise DataError(f"cell: {name} is {values[name]!r}, not a number") from error
        columns = values.get("columns", {})
        if not isinstance(columns, Mapping) or not set(columns) <= set(QUANTITIES):
            raise DataError(
                f"cell: columns is {columns!r}; it must map names of {', '.join(QUANTITIES)} to columns of"
                " the file"
            )
        values["columns"] = {str(key): str(value) for key, value in columns.items()}
        for name in ("composition", "test_id", "label"):
            if name in values:
                values[name] = str(values[name])
        return cls(**values)


def read(path: Path, cell: Cell) -> tuple[CyclingTest, list[SetAside]]:
    """The test of one cycler file.

    Raises
    ------
    DataError : the file cannot be read, lacks a column, holds no discharge, or the cell is impossible.
    """
    table = _table(path, cell.columns)
    usable = np.isfinite(table.to_numpy()).all(axis=1)
    test_id = cell.test_id or path.name.split(".")[0]
    set_aside = []
    if not usable.all():
        if usable.sum() < len(usable) / 2:
            raise DataError(
                f"{int((~usable).sum())} of {len(usable)} rows lack a number in {', '.join(table.columns)}"
            )
        reason = f"{int((~usable).sum())} rows lack a number in one of {', '.join(table.columns)}"
        set_aside.append(SetAside(path.name, test_id, None, reason))
    table = table.loc[usable].reset_index(drop=True)
    sign = _signs(table)
    if not np.any(sign < 0):
        raise DataError("holds no discharge: no rows in which current flows and the voltage falls")
    cycles = _cycles(table, sign)
    increments = _increments(table, sign, cell.active_mass_mg)
    rates = _rates(table, sign, cycles, cell.active_mass_mg)
    rate = cell.rate_mA_per_g
    if rate is None:
        if not rates:
            raise DataError("the rate is not given, and cannot be told without a current; give rate_mA_per_g")
        rate = float(f"{np.median(list(rates.values())):.3g}")
    profiles = []
    for cycle in sorted(set(cycles[sign < 0].tolist())):
        rows = np.flatnonzero((cycles == cycle) & (sign < 0))
        measured = rates.get(cycle, rate)
        if abs(measured - rate) > RATE_TOLERANCE * rate:
            reason = f"cycled at {measured:.3g} mA/g, the test at {rate:.3g}"
            set_aside.append(SetAside(path.name, test_id, cycle, reason))
            continue
        profiles.append(Profile(cycle, table[VOLTAGE].to_numpy()[rows], np.cumsum(increments[rows])))
    test = CyclingTest(
        test_id,
        cell.composition,
        cell.label,
        rate,
        cell.voltage_low_V,
        cell.voltage_high_V,
        tuple(profiles),
        path.name,
        cell.active_mass_mg,
        cell.electrode_mass_mg,
    )
    return test, set_aside


def _table(path: Path, columns: Mapping[str, str]) -> pd.DataFrame:
    """The columns that are needed, as numbers in the units of their names; what is no number is NaN."""
    try:
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        text = content.decode("utf-8-sig")
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror or error}") from error
    except (UnicodeDecodeError, EOFError) as error:
        raise DataError(f"is not UTF-8 text: {first_line(error)}; save it as CSV in UTF-8") from error
    lines = text.splitlines()
    head = next((line for line in lines if line.strip()), "")
    separator = max(",;\t", key=head.count)
    decimal = "," if separator != "," and "," in "".join(lines[1:3]) else "."
    try:
        table = pd.read_csv(io.StringIO(text), sep=separator, decimal=decimal, low_memory=False)
    except (ValueError, pd.errors.ParserError) as error:
        raise DataError(f"is no CSV table: {first_line(error)}") from error
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


def _shown(table: pd.DataFrame) -> str:
    return ", ".join(name[:40] for name in table.columns[:12]) + (", ..." if len(table.columns) > 12 else "")


def _counter(table: pd.DataFrame) -> np.ndarray | None:
    """The discharge counter, counted positive; None without one."""
    for name in (COUNTER_SPECIFIC, COUNTER_AH):
        if name in table:
            counter = table[name].to_numpy()
            return -counter if counter.max() <= 0 else counter
    return None


def _signs(table: pd.DataFrame) -> np.ndarray:
    """-1 while the cell is discharged, 1 while it is charged, 0 at rest; of each row, shape (R,)."""
    if CURRENT not in table:
        counter = _counter(table)
        assert counter is not None  # _table has seen to it
        grows = np.diff(counter, prepend=counter[0]) > 0
        return -grows.astype(int)
    current = table[CURRENT].to_numpy()
    flowing = np.abs(current) > NO_CURRENT_SHARE * float(np.quantile(np.abs(current), 0.95))
    sign = np.sign(current).astype(int) * flowing
    # A step of the voltage counts where the current keeps its sign: its start is a jump of the other kind.
    steps_V = np.diff(table[VOLTAGE].to_numpy())
    steady = (sign[1:] == sign[:-1]) & (sign[1:] != 0)
    rises = float(np.sum(sign[1:][steady] * steps_V[steady]))
    return sign if rises >= 0 else -sign


def _cycles(table: pd.DataFrame, sign: np.ndarray) -> np.ndarray:
    """Cycle of each row, from 1: the table's own, or a new one with every charge after a discharge."""
    if CYCLE in table:
        cycles = table[CYCLE].to_numpy()
        if np.any(cycles != np.floor(cycles)) or np.abs(cycles).max() > 1e6:
            raise DataError("the column of cycles does not hold whole numbers")
        # Some count from 0; a rest before the first cycle bears that number in files that count from 1.
        return cycles.astype(np.int64) + (1 if cycles[sign < 0].min() == 0 else 0)
    flowing = sign[sign != 0]
    starts = np.zeros(len(sign), dtype=np.int64)
    # A cycle begins where a charge follows a discharge, whatever rests lie between.
    starts[np.flatnonzero(sign != 0)[1:]] = (flowing[1:] > 0) & (flowing[:-1] < 0)
    return 1 + np.cumsum(starts)


def _increments(table: pd.DataFrame, sign: np.ndarray, active_mass_mg: float) -> np.ndarray:
    """Capacity since the row before, of rows of a discharge, in mAh/g; shape (R,)."""
    counter = _counter(table)
    if counter is not None:
        steps = np.diff(counter, prepend=counter[0])
        steps = np.where(steps < 0, np.maximum(counter, 0.0), steps)  # the counter began anew
        per_gram = steps if COUNTER_SPECIFIC in table else _specific(steps, active_mass_mg)
    else:
        current, time_s = np.abs(table[CURRENT].to_numpy()), table[TIME].to_numpy()
        passed_h = np.maximum(np.diff(time_s), 0.0) / SECONDS_PER_HOUR
        both = (sign[1:] < 0) & (sign[:-1] < 0)
        amperehours = np.concatenate([[0.0], both * passed_h * (current[1:] + current[:-1]) / 2])
        per_gram = _specific(amperehours, active_mass_mg)
    return np.where(sign < 0, per_gram, 0.0)


def _specific(amperehours: np.ndarray, active_mass_mg: float) -> np.ndarray:
    """mAh/g of Ah."""
    if not active_mass_mg > 0:
        raise CyclingError(f"active_mass_mg is {active_mass_mg}, must be positive")
    return amperehours / MILLI / (active_mass_mg * MILLI)


def _rates(
    table: pd.DataFrame, sign: np.ndarray, cycles: np.ndarray, active_mass_mg: float
) -> dict[int, float]:
    """Median current of each discharge in mA/g, by cycle; empty without a current."""
    if CURRENT not in table:
        return {}
    current = _specific(np.abs(table[CURRENT].to_numpy()), active_mass_mg)
    return {
        int(cycle): float(np.median(current[(cycles == cycle) & (sign < 0)]))
        for cycle in np.unique(cycles[sign < 0])
    }
