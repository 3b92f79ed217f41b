"""Reader of cycler exports: CSV tables of a cell's voltage against time, with what the table does not tell.

How its columns are found is told in :mod:`~ionsieve.discharge.cycler_columns`. What the table does not tell,
composition, active mass and window, is the :class:`Cell`.

The capacity is that of the discharge counter, which may run on or begin anew with each step or cycle, or the
integral of the current over time. Which sign of the current is a discharge shows in the voltage: it falls.
Rows that are not in the order of time are sorted by it. Cycles at another rate are another test.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ionsieve.discharge.cycler_columns import (
    COUNTER_AH,
    COUNTER_SPECIFIC,
    CURRENT,
    CYCLE,
    QUANTITIES,
    TIME,
    VOLTAGE,
    read_columns,
)
from ionsieve.discharge.cycling import (
    EXPERIMENT,
    CyclingError,
    CyclingTest,
    Profile,
    SetAside,
    are_cycles,
    at_another_rate,
)
from ionsieve.discharge.profiles import LIMIT_REACHED_V
from ionsieve.errors import DataError

# Less than this share of the usual current is none.
NO_CURRENT_SHARE = 0.02
# Cycles whose currents differ by no more than this share are of one test, where its rate is not given.
SAME_RATE_SHARE = 0.1
# A discharge that passes more than this share of its capacity at another current is one of two rates.
OTHER_CURRENT_SHARE = 0.1
# Rows that are put in an order in which the voltage goes up and down so many times as much are put in a wrong
# one: the times of several steps count from 0 each.
WORSE_ORDER = 2.0
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


def read(path: Path, cell: Cell) -> tuple[list[CyclingTest], list[SetAside]]:
    """The tests of one cycler file: one, or one for each rate where the cell does not tell the rate.

    Where it does, cycles at another rate are set aside. Without a current the rate shows in the counter and
    the time; without these either, all cycles are taken to be at the given rate.

    Raises
    ------
    DataError : the file cannot be read, lacks a column, holds no discharge, is not in the order of time and
        cannot be put into it, or the cell is impossible.
    """
    table = read_columns(path, cell.columns)
    usable = np.isfinite(table.to_numpy()).all(axis=1)
    test_id = cell.test_id or path.name.split(".")[0]
    set_aside = []
    if not usable.all():
        lacking = f"{int((~usable).sum())} of {len(usable)}"
        if usable.sum() < len(usable) / 2:
            raise DataError(
                f"rows without a number in one of {', '.join(table.columns)}: {lacking}, more than half"
            )
        reason = f"rows without a number in one of {', '.join(table.columns)}: {lacking}"
        set_aside.append(SetAside(path.name, test_id, None, reason, partly=True))
    table, sorting = _in_order(table.loc[usable].reset_index(drop=True))
    if sorting:
        set_aside.append(SetAside(path.name, test_id, None, sorting, partly=True))
    sign = _signs(table)
    if not np.any(sign < 0):
        raise DataError("holds no discharge: no rows in which current flows and the voltage falls")
    cycles = _cycles(table, sign)
    increments = _increments(table, sign, cycles, cell.active_mass_mg)
    rates = _rates(table, sign, cycles, increments, cell.active_mass_mg)
    if cell.rate_mA_per_g is None and not rates:
        raise DataError(
            "the rate is not given, and cannot be told without a current, or a counter and the time; give"
            " rate_mA_per_g"
        )
    profiles: dict[int, Profile] = {}
    for cycle in sorted(set(cycles[sign < 0].tolist())):
        rows = np.flatnonzero((cycles == cycle) & (sign < 0))
        reason = "" if cycle in rates or cell.rate_mA_per_g else "its rate cannot be told; give rate_mA_per_g"
        reason = reason or _other_rate(rates.get(cycle), cell.rate_mA_per_g)
        reason = reason or _two_rates(table, rows, increments, cell) or _disorder(table, rows)
        if reason:
            set_aside.append(SetAside(path.name, test_id, cycle, reason))
        else:
            voltage_V = table[VOLTAGE].to_numpy()[rows]
            profiles[cycle] = Profile(cycle, voltage_V, np.cumsum(increments[rows]))
    groups = _by_rate(rates) if cell.rate_mA_per_g is None else [(cell.rate_mA_per_g, sorted(profiles))]
    tests = [
        CyclingTest(
            test_id if len(groups) == 1 else f"{test_id}-{rate:g}mA_per_g",
            cell.composition,
            cell.label,
            rate,
            cell.voltage_low_V,
            cell.voltage_high_V,
            tuple(profiles[cycle] for cycle in members if cycle in profiles),
            path.name,
            cell.active_mass_mg,
            cell.electrode_mass_mg,
        )
        for rate, members in groups
    ]
    return tests, set_aside


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
        assert counter is not None  # read_columns has seen to it
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
        if not are_cycles(cycles).all():
            raise DataError("the column of cycles does not hold whole numbers")
        # Some count from 0; a rest before the first cycle bears that number in files that count from 1.
        return cycles.astype(np.int64) + (1 if cycles[sign < 0].min() == 0 else 0)
    flowing = sign[sign != 0]
    starts = np.zeros(len(sign), dtype=np.int64)
    # A cycle begins where a charge follows a discharge, whatever rests lie between.
    starts[np.flatnonzero(sign != 0)[1:]] = (flowing[1:] > 0) & (flowing[:-1] < 0)
    return 1 + np.cumsum(starts)


def _increments(
    table: pd.DataFrame, sign: np.ndarray, cycles: np.ndarray, active_mass_mg: float
) -> np.ndarray:
    """Capacity since the row before, of rows of a discharge, in mAh/g; shape (R,)."""
    counter = _counter(table)
    if counter is not None:
        steps = np.diff(counter, prepend=counter[0])
        steps = np.where(steps < 0, np.maximum(counter, 0.0), steps)  # the counter began anew
        per_gram = steps if COUNTER_SPECIFIC in table else _specific(steps, active_mass_mg)
    else:
        current, time_s = np.abs(table[CURRENT].to_numpy()), table[TIME].to_numpy()
        passed_h = np.maximum(np.diff(time_s), 0.0) / SECONDS_PER_HOUR
        # An export of the discharges alone has a gap between two cycles, in which no current passed.
        both = (sign[1:] < 0) & (sign[:-1] < 0) & (cycles[1:] == cycles[:-1])
        amperehours = np.concatenate([[0.0], both * passed_h * (current[1:] + current[:-1]) / 2])
        per_gram = _specific(amperehours, active_mass_mg)
    return np.where(sign < 0, per_gram, 0.0)


def _specific(amperehours: np.ndarray, active_mass_mg: float) -> np.ndarray:
    """mAh/g of Ah."""
    if not active_mass_mg > 0:
        raise CyclingError(f"active_mass_mg is {active_mass_mg}, must be positive")
    return amperehours / MILLI / (active_mass_mg * MILLI)


def _rates(
    table: pd.DataFrame, sign: np.ndarray, cycles: np.ndarray, increments: np.ndarray, active_mass_mg: float
) -> dict[int, float]:
    """Rate of each discharge in mA/g, by cycle: the median current, else what the counter tells of the whole.

    Empty where neither a current nor a time is there.
    """
    rates = {}
    if CURRENT not in table and TIME not in table:
        return {}
    for cycle in np.unique(cycles[sign < 0]).tolist():
        rows = np.flatnonzero((cycles == cycle) & (sign < 0))
        if CURRENT in table:
            rate = float(np.median(_specific(np.abs(table[CURRENT].to_numpy()[rows]), active_mass_mg)))
        else:
            time_s = table[TIME].to_numpy()
            # The row before counts the first increment in, unless it is of the discharge before.
            alone = rows[0] == 0 or sign[rows[0] - 1] < 0
            passed_h = (time_s[rows[-1]] - time_s[rows[0] - (0 if alone else 1)]) / SECONDS_PER_HOUR
            passed = float(increments[rows[1:] if alone else rows].sum())
            rate = passed / passed_h if passed_h > 0 else 0.0
        if rate > 0:
            rates[cycle] = rate
    return rates


def _by_rate(rates: Mapping[int, float]) -> list[tuple[float, list[int]]]:
    """Rates, rising, to three digits, and the cycles at each."""
    groups: list[list[int]] = []
    for cycle in sorted(rates, key=lambda cycle: (rates[cycle], cycle)):
        if groups and rates[cycle] <= rates[groups[-1][0]] * (1 + SAME_RATE_SHARE):
            groups[-1].append(cycle)
        else:
            groups.append([cycle])
    return [(float(f"{np.median([rates[cycle] for cycle in group]):.3g}"), sorted(group)) for group in groups]


def _other_rate(measured: float | None, given: float | None) -> str:
    """What is wrong with the rate of a cycle, in words; empty where nothing is, or nothing tells."""
    if measured is None or given is None or not at_another_rate(measured, given):
        return ""
    return f"cycled at {measured:.3g} mA/g, the test at {given:.3g}"


def _two_rates(table: pd.DataFrame, rows: np.ndarray, increments: np.ndarray, cell: Cell) -> str:
    """Why a discharge is at no single rate, in words; empty where it is. A hold at the lower limit is cut."""
    if CURRENT not in table:
        return ""
    rows = rows[table[VOLTAGE].to_numpy()[rows] > cell.voltage_low_V + LIMIT_REACHED_V]
    if not increments[rows].sum() > 0:
        return ""
    current = np.abs(table[CURRENT].to_numpy()[rows])
    usual = float(np.median(current))
    other = at_another_rate(current, usual)
    share = float(increments[rows][other].sum() / increments[rows].sum())
    if share <= OTHER_CURRENT_SHARE:
        return ""
    usual = float(_specific(np.array(usual), cell.active_mass_mg))
    return f"two rates in one discharge: {share:.0%} of it passed at another current than {usual:.3g} mA/g"


def _in_order(table: pd.DataFrame) -> tuple[pd.DataFrame, str]:
    """The rows in the order of time, and what was done, in words; as they are where time counts from 0 again.

    Raises
    ------
    DataError : different rows that are not neighbours have the same time, so that no order is told.
    """
    if TIME not in table:
        return table, ""
    time_s = table[TIME].to_numpy()
    steps_s = np.diff(time_s)
    falls = int(np.sum(steps_s < 0))
    if not falls:
        return table, ""
    # A file from the last row to the first has its rows of one time in that order too.
    backwards = bool(np.all(steps_s <= 0))
    order = np.arange(len(table))[::-1] if backwards else np.argsort(time_s, kind="stable")
    ordered = table.iloc[order].reset_index(drop=True)
    if _changes(ordered) > _changes(table) or _wandering_V(ordered) > WORSE_ORDER * _wandering_V(table):
        return table, ""
    values = table.to_numpy()[order]
    apart = (np.diff(time_s[order]) == 0) & (np.diff(order) != 1) & (values[1:] != values[:-1]).any(axis=1)
    if apart.any() and not backwards:
        raise DataError(
            "rows are not in the order of time, and of those that share their time with another"
            f" ({int(apart.sum())}) it is not told which came first; export the file in the order of the"
            " record"
        )
    return ordered, f"rows were sorted by time: {falls} of {len(table)} stood after a later one"


def _changes(table: pd.DataFrame) -> int:
    """How often the cycle changes, or between charge, discharge and rest, from row to row."""
    changes = np.zeros(len(table) - 1, dtype=bool)
    if CYCLE in table:
        changes |= np.diff(table[CYCLE].to_numpy()) != 0
    if CURRENT in table:
        changes |= np.diff(_signs(table)) != 0
    return int(changes.sum())


def _wandering_V(table: pd.DataFrame) -> float:
    """How far the voltage goes up and down in all, from row to row."""
    return float(np.abs(np.diff(table[VOLTAGE].to_numpy())).sum())


def _disorder(table: pd.DataFrame, rows: np.ndarray) -> str:
    """Why the rows of a discharge are in no order, in words; empty where they are.

    Where the time counts from 0 again, a step of the discharge starts; any other fall is of mixed-up rows.
    """
    if TIME not in table:
        return ""
    start = 0
    time_s = table[TIME].to_numpy()[rows]
    for fall in np.flatnonzero((np.diff(time_s) < 0) & (np.diff(rows) == 1)).tolist():
        if time_s[fall + 1] > time_s[min(start + 1, fall)]:
            return (
                "rows are not in the order of time, which counts from 0 more than once: they cannot be sorted"
            )
        start = fall + 1
    return ""
