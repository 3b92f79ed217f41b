"""Errors under each split by the number of metals, from what members trained on that split predict.

Each member is trained by a job of its own, so what it says of the scored points goes through a table. Data
that a split asks in vain for (a single composition, say) give a reason in place of errors, not a failure.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from ionsieve.discharge.evaluation import (
    QUANTITIES,
    discharges,
    error_by_cycle,
    error_by_sigma,
    error_table,
    with_baselines,
)
from ionsieve.discharge.network import Discharge
from ionsieve.discharge.points import Points
from ionsieve.discharge.splits import PROTOCOLS, Split, split_by_metals
from ionsieve.discharge.training import predict_points
from ionsieve.errors import DataError

# One row per scored point, in the order of the points table.
SCORED_POINTS = pa.schema(
    [
        pa.field("row", pa.int64(), nullable=False),
        pa.field("capacity_mAh_per_g", pa.float64(), nullable=False),
    ]
)

_QUANTITIES = [
    pa.field(f"{kind}{quantity}", pa.float64(), nullable=True)  # null where a profile misses the window
    for quantity in QUANTITIES
    for kind in ("", "predicted_", "sigma_", "persistence_", "linear_fade_")
]
SCORED_DISCHARGES = pa.schema(
    [
        pa.field("protocol", pa.string(), nullable=False),
        pa.field("group", pa.string(), nullable=False),
        pa.field("test_id", pa.string(), nullable=False),
        pa.field("label", pa.string(), nullable=False),
        pa.field("composition", pa.string(), nullable=False),
        pa.field("n_metals", pa.int64(), nullable=False),
        pa.field("rate_mA_per_g", pa.float64(), nullable=False),
        pa.field("cycle", pa.int32(), nullable=False),
        *_QUANTITIES,
    ]
)


def possible_split(points: pd.DataFrame, protocol: str) -> tuple[Split | None, str]:
    """The split, or None and why the data do not allow it."""
    try:
        return split_by_metals(points, protocol), ""
    except DataError as error:
        return None, str(error)


def training_points(points: pd.DataFrame, split: Split) -> Points:
    """What a member of this split learns from."""
    return Points.from_table(points.loc[split.training])


def scored_rows(split: Split) -> np.ndarray:
    """Numbers of the rows that are scored, ascending."""
    return np.flatnonzero(np.logical_or.reduce(list(split.scored.values())))


def predicted_rows(network: Discharge, points: pd.DataFrame, split: Split) -> pd.DataFrame:
    """Rows of :data:`SCORED_POINTS`: what a member says of the points that it is scored on."""
    rows = scored_rows(split)
    capacity = predict_points(network, Points.from_table(points.iloc[rows]))
    return pd.DataFrame({"row": rows, "capacity_mAh_per_g": capacity.astype(float)})


def evaluate(
    points: pd.DataFrame, predictions: Mapping[str, Sequence[pd.DataFrame]], seed: int
) -> tuple[dict[str, Any], pd.DataFrame]:
    """Errors under each protocol, each group beside its baselines.

    Parameters
    ----------
    points : the points table that the members were trained on.
    predictions : by protocol, rows of :data:`SCORED_POINTS` of each member; empty where there is no split.
    seed : of the bootstrap over tests.

    Returns
    -------
    A JSON document, ``{"labels": [...], "protocols": {protocol: {"skipped": reason} | {"training": counts,
    "groups": {group: {"tests", "compositions", "errors", "by_cycle", "by_sigma"}}}}}``, and rows of
    :data:`SCORED_DISCHARGES`.
    """
    document: dict[str, Any] = {"labels": sorted(points["label"].unique()), "protocols": {}}
    tables = []
    for protocol in PROTOCOLS:
        split, reason = possible_split(points, protocol)
        if split is None:
            document["protocols"][protocol] = {"skipped": reason}
            continue
        found, scored = _of_split(points, split, predictions[protocol], seed)
        document["protocols"][protocol] = found
        tables.append(scored.assign(protocol=protocol))
    if not tables:
        return document, SCORED_DISCHARGES.empty_table().to_pandas()
    return document, pd.concat(tables, ignore_index=True)[SCORED_DISCHARGES.names]


def agreement(networks: Sequence[Discharge], points: pd.DataFrame, seed: int) -> dict[str, Any]:
    """Errors of an ensemble on all points of a table, whatever it was trained on, as JSON values.

    Of the points that it learned from this is the fit, and no test.
    """
    of_table = Points.from_table(points)
    predicted = np.stack([predict_points(network, of_table) for network in networks])
    return {
        "labels": sorted(points["label"].unique()),
        **_errors(with_baselines(discharges(points, predicted)), seed),
    }


def _of_split(
    points: pd.DataFrame, split: Split, members: Sequence[pd.DataFrame], seed: int
) -> tuple[dict[str, Any], pd.DataFrame]:
    predicted = np.full((len(members), len(points)), np.nan)
    for place, member in enumerate(members):
        predicted[place, member["row"].to_numpy()] = member["capacity_mAh_per_g"]
    training = points.loc[split.training]
    groups, tables = {}, []
    for group, rows in split.scored.items():
        scored = _with_baselines(points, predicted, split, rows)
        groups[group] = _errors(scored, seed)
        tables.append(scored.assign(group=group))
    counts = {
        "tests": int(training["test_id"].nunique()),
        "compositions": int(training["composition"].nunique()),
        "points": len(training),
    }
    return {"training": counts, "groups": groups}, pd.concat(tables, ignore_index=True)


def _errors(scored: pd.DataFrame, seed: int) -> dict[str, Any]:
    return {
        "tests": int(scored["test_id"].nunique()),
        "compositions": int(scored["composition"].nunique()),
        "errors": json_rows(error_table(scored, seed)),
        "by_cycle": json_rows(error_by_cycle(scored)),
        "by_sigma": json_rows(error_by_sigma(scored)),
    }


def json_rows(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows of a table as JSON values: None for what is not a number."""
    plain = table.astype(object).where(table.notna(), None)
    return [{str(name): value for name, value in row.items()} for row in plain.to_dict("records")]


def _with_baselines(
    points: pd.DataFrame, predicted: np.ndarray, split: Split, rows: np.ndarray
) -> pd.DataFrame:
    """Scored discharges of a group; baselines may read the cycles of the same tests that were trained on."""
    scored = discharges(points, predicted, rows)
    trained = split.training & points["test_id"].isin(scored["test_id"]).to_numpy()
    known = discharges(points, predicted, trained) if trained.any() else None
    return with_baselines(scored, known)
