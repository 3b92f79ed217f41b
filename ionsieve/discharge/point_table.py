"""Reader of the table that DRXNet is trained on: one row per point, columns as in its published example.

Columns: ``material_id, composition, V_low, V_high, rate, cycle, Vii, Qii`` and, not needed here since they
are made anew, ``Q0ii, dQdVii, theory_Q``; V, mA/g, mAh/g. The publishers write either one ``material_id`` per
table or a running number, so that tests are told apart by their conditions, and by the id where it is no
running number.
"""

import zlib
from pathlib import Path

import numpy as np
import pandas as pd

from ionsieve.discharge.cycling import EXPERIMENT, CyclingError, CyclingTest, Profile, SetAside, read_each
from ionsieve.errors import DataError, first_line

TEST = ["composition", "V_low", "V_high", "rate"]
POINT = ["cycle", "Vii", "Qii"]
MATERIAL_ID = "material_id"
# What tells this table from a cycler's export.
SIGNATURE = ("Vii", "Qii")


def read(path: Path) -> tuple[list[CyclingTest], list[SetAside]]:
    """The tests of a point table, named after the file, with a number where it holds several.

    Raises
    ------
    DataError : the file cannot be read, or lacks a column.
    """
    try:
        table = pd.read_csv(path, dtype={"composition": str, MATERIAL_ID: str}, encoding="utf-8-sig")
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"cannot be read: {first_line(error)}") from error
    except (ValueError, pd.errors.ParserError) as error:
        raise DataError(f"is no CSV table: {first_line(error)}") from error
    table.columns = table.columns.str.strip()
    missing = [name for name in [*TEST, *POINT] if name not in table]
    if missing:
        raise DataError(
            f"lacks the columns {', '.join(missing)}; it has {', '.join(map(str, table.columns))}"
        )
    keys = list(TEST)
    if MATERIAL_ID in table and table[MATERIAL_ID].nunique() < len(table):
        keys = [MATERIAL_ID, *keys]
    for name in [*TEST[1:], *POINT]:
        table[name] = pd.to_numeric(table[name], errors="coerce")
    groups = list(table.groupby(keys, sort=True, dropna=False))
    named = (
        (path.stem if len(groups) == 1 else f"{path.stem}-{number}", rows)
        for number, (_, rows) in enumerate(groups, start=1)
    )
    return read_each(named, _test, path.name)


def _test(rows: pd.DataFrame, test_id: str, source: str) -> tuple[CyclingTest, list[SetAside]]:
    first = rows.iloc[0]
    cycles = rows["cycle"]
    whole = np.isfinite(cycles) & (cycles == np.floor(cycles)) & (cycles.abs() < 1e6)
    set_aside = []
    if not whole.all():
        reason = f"{int((~whole).sum())} points without a whole cycle number"
        set_aside.append(SetAside(source, test_id, None, reason, partly=True))
    profiles = []
    for cycle, points in rows[whole].groupby("cycle", sort=True):
        ordered = points.sort_values("Vii", kind="stable")
        repeated = ordered["Vii"].duplicated() & ~ordered["Qii"].duplicated()
        if repeated.sum() > len(ordered) / 4:
            reason = f"{int(repeated.sum())} of {len(ordered)} voltages twice: two profiles under one cycle"
            set_aside.append(SetAside(source, test_id, int(float(str(cycle))), reason))
            continue
        profiles.append(
            Profile(int(float(str(cycle))), ordered["Vii"].to_numpy(float), ordered["Qii"].to_numpy(float))
        )
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
