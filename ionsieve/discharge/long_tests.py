"""Which tests of a data set are forecast, and from which of their cycles."""

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from ionsieve.discharge.evaluation import LAST_CYCLE
from ionsieve.discharge.forecast import by_horizon, by_origin, rolling_forecast, verdict
from ionsieve.discharge.split_evaluation import json_rows

# Fewer cycles leave nothing to choose a method by.
FEWEST_CYCLES = 6
# Every origin costs the training of a few networks.
MOST_ORIGINS = 9
FORECASTS = pa.schema(
    [
        pa.field("test_id", pa.string(), nullable=False),
        pa.field("label", pa.string(), nullable=False),
        pa.field("origin", pa.int64(), nullable=False),  # last measured cycle
        pa.field("cycle", pa.int64(), nullable=False),
        pa.field("horizon", pa.int64(), nullable=False),
        pa.field("method", pa.string(), nullable=False),
        pa.field("mae_mAh_per_g", pa.float64(), nullable=False),
    ]
)


def long_test(points: pd.DataFrame, rank: int) -> pd.DataFrame:
    """The points, up to cycle 50, of the test with the most cycles (rank 0), the next one, ...

    Tests of equally many cycles come by name. Empty where no further test has enough cycles.
    """
    early = points[points["cycle"] <= LAST_CYCLE]
    cycles = early.groupby("test_id", sort=True)["cycle"].nunique()
    longest = cycles[cycles >= FEWEST_CYCLES].sort_values(ascending=False, kind="stable")
    if rank >= len(longest):
        return early.iloc[:0]
    return early[early["test_id"] == longest.index[rank]].reset_index(drop=True)


def origins(cycles: np.ndarray) -> list[int]:
    """At most :data:`MOST_ORIGINS` of a test's cycles to forecast from, evenly from the first to the last but
    one.
    """
    measured = np.unique(cycles)[:-1]
    places = np.linspace(0, len(measured) - 1, min(MOST_ORIGINS, len(measured)))
    return [int(cycle) for cycle in measured[np.unique(places.round().astype(int))]]


def forecast_of_rank(points: pd.DataFrame, rank: int, seed: int) -> pd.DataFrame:
    """Rows of :data:`FORECASTS` of one test; none where there is no such test."""
    test = long_test(points, rank)
    if test.empty:
        return FORECASTS.empty_table().to_pandas()
    return rolling_forecast(test, origins=origins(test["cycle"].to_numpy()), seed=seed)


def forecast_document(forecasts: list[pd.DataFrame]) -> dict[str, Any]:
    """Errors of every forecast test by horizon and origin, and the verdict, as JSON values."""
    return {
        "fewest_cycles": FEWEST_CYCLES,
        "tests": [
            {
                "test_id": table["test_id"].iloc[0],
                "label": table["label"].iloc[0],
                "last_cycle": int(table["cycle"].max()),
                "verdict": json_rows(verdict(table)),
                "by_horizon": json_rows(by_horizon(table)),
                "by_origin": json_rows(by_origin(table)),
            }
            for table in forecasts
            if not table.empty
        ],
    }
