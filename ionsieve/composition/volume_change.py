"""The volume change of a pair from its formulas: table S5 and its parity plot, without filtering the target.

Most changes are a few per cent and a few are factors: pairs whose charged cell fell apart, or is another
polymorph. A logarithmic target keeps them in without letting them rule; the error is absolute, whose optimum
does not move under a logarithm. The median of the training rows is what must be beaten.
"""

import math
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from ionsieve.composition.benchmark import fold_seed, rows_of
from ionsieve.composition.blocks import Electrodes
from ionsieve.composition.descriptors import describe
from ionsieve.composition.experiments import FRAMEWORK, RANDOM
from ionsieve.voltage.boosting import VOLTAGE_PARAMETERS, train_trees
from ionsieve.voltage.metrics import bootstrap_mae_V

# Added before the logarithm: changes below a few per cent are as good as none.
SMALL_CHANGE = 0.02
# A tree needs two leaves of five rows.
LEAST_TRAINING_ROWS = 10
PARAMETERS: dict[str, Any] = {**VOLTAGE_PARAMETERS, "objective": "regression_l1", "num_iterations": 600}
HELD_OUT = pa.schema(
    [
        *[
            pa.field(name, pa.string(), nullable=False)
            for name in ("electrode_id", "working_ion", "framework", "protocol")
        ],
        pa.field("fold", pa.int64(), nullable=False),
        *[
            pa.field(name, pa.float64(), nullable=False)
            for name in ("volume_change", "predicted_volume_change", "median_volume_change")
        ],
    ]
)


def run(electrodes: Electrodes, n_folds: int, random_splits: int, seed: int) -> pd.DataFrame:
    """Held-out volume changes by trees and by the training median: rows of :data:`HELD_OUT`.

    Electrodes whose source states none are in neither set. Folds with too few to learn from, or none to
    predict, are left out: the table may be empty.
    """
    changes = electrodes.calculated["volume_change"].to_numpy(dtype=float)
    known = np.flatnonzero(np.isfinite(changes))
    tables = []
    descriptors = describe(electrodes.pairs).to_numpy()
    for protocol, n_splits in ((RANDOM, random_splits), (FRAMEWORK, n_folds)):
        for fold in range(n_splits):
            training, held_out = (
                np.intersect1d(rows, known) for rows in rows_of(electrodes, protocol, fold, n_folds, seed)
            )
            if len(training) < LEAST_TRAINING_ROWS or not len(held_out):
                continue
            targets = np.log(changes[training] + SMALL_CHANGE)
            trees = train_trees(descriptors[training], targets, fold_seed(seed, protocol, fold), PARAMETERS)
            predicted = np.exp(trees.predict_V(descriptors[held_out])) - SMALL_CHANGE
            tables.append(
                electrodes.table.iloc[held_out][["electrode_id", "working_ion", "framework"]].assign(
                    protocol=protocol,
                    fold=fold,
                    volume_change=changes[held_out],
                    predicted_volume_change=np.maximum(predicted, 0.0),
                    median_volume_change=float(np.median(changes[training])),
                )
            )
    if not tables:
        return pd.DataFrame(columns=HELD_OUT.names).astype(
            {field.name: field.type.to_pandas_dtype() for field in HELD_OUT}
        )
    return pd.concat(tables, ignore_index=True)


def summarise(held_out: pd.DataFrame, seed: int) -> list[dict[str, Any]]:
    """MAE and median absolute error of trees and of the training median, by protocol.

    Beside them the share of the MAE that the hundredth of rows with the largest change makes.
    """
    summary = []
    for protocol, rows in held_out.groupby("protocol", sort=False):
        changes = rows["volume_change"].to_numpy(dtype=float)
        largest = np.zeros(len(rows), dtype=bool)
        if len(rows) > 1:
            largest[np.argsort(changes, kind="stable")[-math.ceil(len(rows) / 100) :]] = True
        for model, column in (("trees", "predicted_volume_change"), ("median", "median_volume_change")):
            errors = np.abs(rows[column].to_numpy(dtype=float) - changes)
            low, high = bootstrap_mae_V(errors, rows["framework"].to_numpy(), seed)
            summary.append(
                {
                    "protocol": str(protocol),
                    "model": model,
                    "count": len(rows),
                    "mae": float(errors.mean()),
                    "mae_low": low,
                    "mae_high": high,
                    "median_absolute_error": float(np.median(errors)),
                    "mae_without_the_largest_hundredth": float(errors[~largest].mean()),
                    "share_of_the_largest_hundredth": float(errors[largest].sum() / max(errors.sum(), 1e-12)),
                }
            )
    return summary
