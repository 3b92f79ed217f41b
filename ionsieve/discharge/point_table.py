"""Reader of the table that DRXNet is trained on: one row per point, columns as in its published example.

Columns: ``material_id, composition, V_low, V_high, rate, cycle, Vii, Qii`` and, not needed here since they
are made anew, ``Q0ii, dQdVii, theory_Q``; V, mA/g, mAh/g. The publishers write either one ``material_id`` per
table or a running number, so that tests are told apart by their conditions, and by the id where it is no
running number.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from ionsieve.discharge.cycling import (
    EXPERIMENT,
    CyclingError,
    CyclingTest,
    Profile,
    SetAside,
    are_cycles,
    read_each,
)
from ionsieve.discharge.profiles import SMALLEST_CAPACITY_MAH_PER_G
from ionsieve.discharge.text_table import numbers, read_text_table
from ionsieve.errors import DataError

TEST = ["composition", "V_low", "V_high", "rate"]
POINT = ["cycle", "Vii", "Qii"]
MATERIAL_ID = "material_id"
# What tells this table from a cycler's export.
SIGNATURE = ("Vii", "Qii")
# A capacity further below 0 than this share of the largest is no ringing of a smoothed curve.
NEGATIVE_SHARE = 0.02


def read(path: Path) -> tuple[list[CyclingTest], list[SetAside]]:
    """The tests of a point table, named after the file, with a number where it holds several.

    Raises
    ------
    DataError : the file cannot be read, or lacks a column.
    """
    table = read_text_table(path, ("composition", MATERIAL_ID))
    missing = [name for name in [*TEST, *POINT] if name not in table]
    if missing:
        raise DataError(
            f"lacks the columns {', '.join(missing)}; it has {', '.join(map(str, table.columns))}"
        )
    keys = list(TEST)
    if MATERIAL_ID in table and table[MATERIAL_ID].nunique() < len(table):
        keys = [MATERIAL_ID, *keys]
    for name in [*TEST[1:], *POINT]:
        table[name] = numbers(table[name])
    groups = list(table.groupby(keys, sort=True, dropna=False))
    named = (
        (path.stem if len(groups) == 1 else f"{path.stem}-{number}", rows)
        for number, (_, rows) in enumerate(groups, start=1)
    )
    return read_each(named, _test, path.name)


def _test(rows: pd.DataFrame, test_id: str, source: str) -> tuple[CyclingTest, list[SetAside]]:
    first = rows.iloc[0]
    cycles = rows["cycle"]
    whole = pd.Series(are_cycles(cycles.to_numpy()), rows.index)
    set_aside = []
    if not whole.all():
        reason = f"points without a whole cycle number: {int((~whole).sum())} of {len(rows)}"
        set_aside.append(SetAside(source, test_id, None, reason, partly=True))
    numeric = rows["Vii"].abs().lt(np.inf) & rows["Qii"].abs().lt(np.inf)
    if not numeric[whole].all():
        reason = f"points without a number in Vii or Qii: {int((~numeric[whole]).sum())} of {len(rows)}"
        set_aside.append(SetAside(source, test_id, None, reason, partly=True))
    profiles = []
    for name, points in rows[whole].groupby("cycle", sort=True):
        cycle = int(float(str(name)))
        ordered = points[numeric[points.index]].sort_values("Vii", kind="stable")
        if reason := _two_profiles(ordered) or _negative(ordered["Qii"].to_numpy(float)):
            set_aside.append(SetAside(source, test_id, cycle, reason))
        else:
            profiles.append(Profile(cycle, ordered["Vii"].to_numpy(float), ordered["Qii"].to_numpy(float)))
    if not isinstance(first["composition"], str):
        raise CyclingError("empty composition")
    test = CyclingTest(
        test_id,
        first["composition"],
        EXPERIMENT,
        float(first["rate"]),
        float(first["V_low"]),
        float(first["V_high"]),
        tuple(profiles),
        source,
    )
    return test, set_aside


def _two_profiles(points: pd.DataFrame) -> str:
    """Why the points of a cycle, by voltage, are of two profiles, in words; empty where they are not."""
    repeated = points["Vii"].duplicated() & ~points["Qii"].duplicated()
    if repeated.sum() <= len(points) / 4:
        return ""
    return f"two profiles under one cycle: {int(repeated.sum())} of {len(points)} voltages stand twice"


def _negative(capacity: np.ndarray) -> str:
    """Why capacities of both signs are no discharge, in words; empty where all count in one direction."""
    largest = float(capacity.max(initial=0.0))
    allowed = max(SMALLEST_CAPACITY_MAH_PER_G, NEGATIVE_SHARE * largest)
    if largest <= 0 or capacity.min() >= -allowed:
        return ""
    below = int(np.sum(capacity < -allowed))
    return (
        f"capacities below 0: {below} of {len(capacity)}, down to {capacity.min():.4g} mAh/g; a discharge"
        " counts from 0 upwards"
    )
