"""The audit of a fold of pairs: no host on both sides, and no column that knows the held-out voltages."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from ionsieve.composition.blocks import Electrodes
from ionsieve.composition.experiments import RANDOM
from ionsieve.voltage.leakage import LeakageError, refuse_answers
from ionsieve.voltage.splits import groups


def overlaps(
    electrodes: Electrodes, training_rows: np.ndarray, held_out_rows: np.ndarray
) -> dict[str, int | float]:
    """How many held-out rows have something in training too: their host, formula pair, crystal.

    Returns
    -------
    ``held_out``, and of these ``same_framework``, ``same_formula_pair`` (host, ion and both contents) and
    ``same_material`` (the discharged crystal's id).
    """
    table = electrodes.table
    pairs = electrodes.pairs
    keys = {
        "same_framework": table["framework"].astype(str),
        "same_formula_pair": table["framework"].astype(str)
        + "|"
        + table["working_ion"].astype(str)
        + "|"
        + pd.Series(np.round(pairs.ions_discharged, 4).astype(str), index=table.index)
        + "|"
        + pd.Series(np.round(pairs.ions_charged, 4).astype(str), index=table.index),
        "same_material": table["material_id"].astype(str),
    }
    return {
        "held_out": len(held_out_rows),
        **{
            name: int(key.iloc[held_out_rows].isin(set(key.iloc[training_rows])).sum())
            for name, key in keys.items()
        },
    }


def audit(
    electrodes: Electrodes,
    protocol: str,
    training_rows: np.ndarray,
    held_out_rows: np.ndarray,
    columns: pd.DataFrame,
    honest: bool,
) -> dict[str, Any]:
    """Check one fold before a model is trained on it.

    Parameters
    ----------
    columns : what the model reads, S rows.
    honest : whether the columns must be free of the answer; those of the leakage audit are not.

    Returns
    -------
    The overlaps of both sides, and how near the columns come to the answer.

    Raises
    ------
    LeakageError : rows on both sides, groups on both sides of a grouped protocol, or honest columns that
        carry the answer.
    """
    if len(np.intersect1d(training_rows, held_out_rows)):
        raise LeakageError("rows are in training and held out at once")
    if protocol != RANDOM:
        group = groups(protocol, electrodes.table["framework"].tolist())
        shared = sorted(set(group[training_rows]) & set(group[held_out_rows]))
        if shared:
            raise LeakageError(
                f"{len(shared)} groups of protocol {protocol} are on both sides of the split, for one"
                f" {shared[0]}"
            )
    closeness: dict[str, float | None] = {}
    if honest and columns.shape[1]:
        closeness = check_columns(electrodes, columns, training_rows, held_out_rows)
    return {
        **overlaps(electrodes, training_rows, held_out_rows),
        "training": len(training_rows),
        "columns": columns.shape[1],
        "largest_r2_of_columns_with_the_answer": closeness,
    }


def check_columns(
    electrodes: Electrodes,
    columns: pd.DataFrame,
    training_rows: np.ndarray,
    held_out_rows: Sequence[int] | np.ndarray,
) -> dict[str, float | None]:
    """R2 with which columns give the held-out voltages away, by the way they do it.

    Raises
    ------
    LeakageError : by name, or by a linear combination; see :func:`ionsieve.voltage.leakage.answer_r2`.
    """
    return refuse_answers(
        columns,
        electrodes.voltages_V,
        electrodes.pairs.working_ions.astype(str),
        np.asarray(training_rows),
        np.asarray(held_out_rows),
        uses_energy_model=False,
    )
