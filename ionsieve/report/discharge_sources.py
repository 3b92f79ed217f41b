"""What the report shows of discharge curves, read from the files of that stage; every part may be missing."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from ionsieve.artifacts import read_json
from ionsieve.tables import read_table

# Below the folder of results, by name.
FILES = {
    "summary": "discharge/predictions/summary.json",
    "profiles": "discharge/predictions/profiles.parquet",
    "capacities": "discharge/predictions/capacities.parquet",
    "high_entropy": "discharge/predictions/high_entropy.parquet",
    "candidates": "discharge/candidates.parquet",
    "data": "discharge/data/provenance.json",
    "comparison": "discharge/comparison.json",
    "evaluation": "discharge/evaluation.json",
    "forecast": "discharge/forecast.json",
    "transfer": "discharge/transfer.json",
}


@dataclass(frozen=True, kw_only=True)
class DischargeSources:
    """Loaded parts; None for what there is not.

    Attributes
    ----------
    summary : whose predictions these are (:func:`ionsieve.discharge.predictions.summary`).
    profiles, capacities, high_entropy : tables of :mod:`ionsieve.discharge.predictions`.
    candidates : rows of :data:`ionsieve.discharge.candidates.DISCHARGE_CANDIDATES`.
    data : provenance of the cycling tests.
    comparison, evaluation : errors, of a ready model on the tests and under splits by the number of metals
        (:mod:`ionsieve.discharge.split_evaluation`).
    forecast, transfer : documents of the rolling forecasts and of the experiment with synthetic cells.
    """

    summary: Mapping[str, Any] | None = None
    profiles: pd.DataFrame | None = None
    capacities: pd.DataFrame | None = None
    high_entropy: pd.DataFrame | None = None
    candidates: pd.DataFrame | None = None
    data: Mapping[str, Any] | None = None
    comparison: Mapping[str, Any] | None = None
    evaluation: Mapping[str, Any] | None = None
    forecast: Mapping[str, Any] | None = None
    transfer: Mapping[str, Any] | None = None


def existing(results: Path) -> dict[str, Path]:
    """The files of the stage that a run has left, by name."""
    return {name: results / path for name, path in FILES.items() if (results / path).exists()}


def load(files: Mapping[str, Path]) -> DischargeSources | None:
    """Read the parts that are there; None where there is none."""
    if not files:
        return None
    # The schemas live with what fills them, behind imports that most reports have no use for.
    from ionsieve.discharge.candidates import DISCHARGE_CANDIDATES
    from ionsieve.discharge.predictions import CAPACITIES, HIGH_ENTROPY_CAPACITIES, PROFILES

    schemas = {
        "profiles": PROFILES,
        "capacities": CAPACITIES,
        "high_entropy": HIGH_ENTROPY_CAPACITIES,
        "candidates": DISCHARGE_CANDIDATES,
    }
    loaded: dict[str, Any] = {
        name: read_table(path, schemas[name]) if name in schemas else read_json(path)
        for name, path in files.items()
    }
    return DischargeSources(**loaded)
