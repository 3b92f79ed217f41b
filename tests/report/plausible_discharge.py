"""A made-up but plausible stage of discharge curves on disk: numbers of the right size, from no model."""

from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd

from ionsieve.artifacts import write_json
from ionsieve.discharge.candidates import DISCHARGE_CANDIDATES
from ionsieve.discharge.predictions import (
    CAPACITIES,
    HIGH_ENTROPY,
    HIGH_ENTROPY_CAPACITIES,
    PROFILES,
    RATES_MA_PER_G,
    WINDOWS_V,
    map_compositions,
)
from ionsieve.tables import write_table

KNOWN, UNKNOWN = "Li1.2Mn0.4Ti0.4O2", "Li1.2Ni0.4Ti0.4O2"
OUTSIDE = "no training data with Ni"
MAE = {"model": 23.4, "MAD": 36.6, "persistence": 2.7, "linear_fade": 0.64}


def write_discharge(results: Path, third_party: bool = True) -> None:
    """Write what the report reads of the stage under ``results/discharge``."""
    folder = results / "discharge"
    curve = np.linspace(1.5, 4.8, 20)
    profiles = [
        {
            **condition(composition, rate, 1, (1.5, 4.8)),
            "voltage_V": voltage_V,
            **answer(70.0 * (4.8 - voltage_V), composition),
            "dq_dv_mAh_per_g_per_V": -70.0,
        }
        for composition, rate, voltage_V in product((KNOWN, UNKNOWN), (20.0, 1000.0), curve)
    ]
    write_table(pd.DataFrame(profiles), PROFILES, folder / "predictions/profiles.parquet")
    conditions = [
        *(("cycle", name, 20.0, cycle, (1.5, 4.8)) for name in (KNOWN, UNKNOWN) for cycle in range(1, 31)),
        *(("map", name, 20.0, cycle, (1.5, 4.8)) for name in map_compositions() for cycle in (1, 30)),
        *(("rate", name, rate, 1, window)
          for name, rate, window in product(HIGH_ENTROPY.values(), RATES_MA_PER_G, WINDOWS_V)),
    ]  # fmt: skip
    capacities = [
        {"shown": shown, **condition(name, rate, cycle, window), **answer(260.0 - 0.02 * rate, name)}
        for shown, name, rate, cycle, window in conditions
    ]
    write_table(pd.DataFrame(capacities), CAPACITIES, folder / "predictions/capacities.parquet")
    enumerated = [
        {"composition": name, "n_metals": 5, "oxidation_states": "Mn2+ 0.1", **answer(250.0 + place, name)}
        for place, name in enumerate([*HIGH_ENTROPY.values(), UNKNOWN])
    ]
    write_table(
        pd.DataFrame(enumerated), HIGH_ENTROPY_CAPACITIES, folder / "predictions/high_entropy.parquet"
    )
    whose = (
        "converted from weights released with P. Zhong et al." if third_party else "trained by this workflow"
    )
    write_json(
        folder / "predictions/summary.json",
        {
            "label": "experiment", "provenance": whose, "licence": "MIT", "settings": "published",
            "members": 3, "third_party": third_party,
            "metrics": None, "refused": {"LiXx": "unknown element: Xx"},
            "training_ranges": {
                "elements": ["Li", "Mn", "Ti", "O"], "cations_per_anion": [1.0, 1.0],
                "lithium_share": [0.5, 0.667], "rate_mA_per_g": [20.0, 20.0],
                "voltage_low_V": [1.5, 2.0], "voltage_high_V": [4.0, 4.8], "cycle": [1.0, 50.0],
            },
            "rate_mA_per_g": 20.0, "window_V": [1.5, 4.8],
        },
    )  # fmt: skip
    candidates = [
        {"material_id": "c-1", "formula": "LiMnO2", "composition": "LiMnO2", "reason": "",
         "capacity_mAh_per_g": 212.0, "capacity_std_mAh_per_g": 9.0},
        {"material_id": "c-2", "formula": "LiMn2O4", "composition": None, "capacity_mAh_per_g": None,
         "capacity_std_mAh_per_g": None, "reason": "0.75 cations per anion; a rocksalt has 1"},
    ]  # fmt: skip
    asked = {"rate_mA_per_g": 20.0, "voltage_low_V": 1.5, "voltage_high_V": 4.8}
    write_table(
        pd.DataFrame([{**row, **asked} for row in candidates]),
        DISCHARGE_CANDIDATES,
        folder / "candidates.parquet",
    )
    write_json(folder / "evaluation.json", evaluation())
    write_json(folder / "forecast.json", forecast())
    transfer_row = {
        "trained_on": "2TM", "three_body": 1.0, "group": "3TM", "quantity": "capacity_mAh_per_g",
        "discharges": 240, "mae": 37.0, "mad": 58.0, "ratio": 2.3,
    }  # fmt: skip
    write_json(folder / "transfer.json", {"label": "synthetic", "rows": [transfer_row]})


def condition(composition: str, rate: float, cycle: int, window_V: tuple[float, float]) -> dict:
    """Columns of a condition."""
    return {
        "composition": composition,
        "rate_mA_per_g": rate,
        "cycle": cycle,
        "voltage_low_V": window_V[0],
        "voltage_high_V": window_V[1],
    }


def answer(capacity: float, composition: str) -> dict:
    """Columns of a prediction; nickel is what the model has not seen."""
    outside = OUTSIDE if "Ni" in composition else ""
    return {"capacity_mAh_per_g": capacity, "capacity_std_mAh_per_g": 12.0, "extrapolation": outside}


def evaluation() -> dict:
    """One split that is scored and two that the data do not hold."""
    errors = [
        {"quantity": "capacity_mAh_per_g", "rows": rows, "method": method, "count": 40, "tests": 4,
         "mae": mae, "mae_low": 0.8 * mae, "mae_high": 1.2 * mae, "rmse": 1.3 * mae}
        for rows in ("all", "after_known_cycles")
        for method, mae in MAE.items()
        if rows == "after_known_cycles" or method in ("model", "MAD")
    ]  # fmt: skip
    group = {
        "tests": 4, "compositions": 4, "errors": errors,
        "by_cycle": [{"quantity": "capacity_mAh_per_g", "first_cycle": 1, "last_cycle": 1, "mae": 20.0}],
        "by_sigma": [{"quantity": "capacity_mAh_per_g", "sigma": 8.0, "mae": 20.0}],
    }  # fmt: skip
    skipped = {"skipped": "it needs tests of three metals"}
    training = {"tests": 9, "compositions": 7, "points": 900}
    return {
        "labels": ["experiment"],
        "protocols": {
            "2TM": {"training": training, "groups": {"3TM": group}},
            "2TM+first_cycles": skipped,
            "2+3TM": skipped,
        },
    }


def forecast() -> dict:
    """One cell on which the network does not match the straight line."""
    errors = {
        "linear_fade": 3.1,
        "selected": 3.4,
        "persistence": 5.0,
        "ionsieve": 6.0,
        "ionsieve_anchored": 5.5,
    }
    verdict = [
        {"method": method, "mae_mAh_per_g": mae, "better_baseline": "linear_fade",
         "baseline_mae_mAh_per_g": 3.1, "matches": mae <= 3.1, "origins_matched": 4, "origins": 9}
        for method, mae in errors.items()
    ]  # fmt: skip
    by_horizon = [{"horizon": ahead, "forecasts": 9 - ahead, **errors} for ahead in range(1, 9)]
    test = {"test_id": "LMTO", "label": "experiment", "last_cycle": 10, "verdict": verdict, "by_origin": []}
    return {"fewest_cycles": 6, "tests": [{**test, "by_horizon": by_horizon}]}
