"""What the workflow makes of the splits, the longest tests and the predictions for the report."""

import numpy as np
import pandas as pd
import pytest

from ionsieve.discharge.dataset import build
from ionsieve.discharge.long_tests import FEWEST_CYCLES, MOST_ORIGINS, long_test, origins
from ionsieve.discharge.predictions import map_compositions
from ionsieve.discharge.split_evaluation import (
    SCORED_DISCHARGES,
    evaluate,
    json_rows,
    possible_split,
    scored_rows,
)
from ionsieve.discharge.splits import PROTOCOLS
from ionsieve.discharge.synthetic import Recipe, cells
from ionsieve.tables import to_arrow


@pytest.fixture(scope="module")
def points() -> pd.DataFrame:
    """Seven cycles each of nine synthetic cells of one to four metals."""
    recipes = [Recipe(n, 3 if n != 3 else 2, n_cycles=7, n_points=60) for n in (1, 2, 3, 4)]
    return build([test for recipe in recipes for test in cells(recipe)]).points


def offset_predictions(points: pd.DataFrame, *slopes: float) -> dict[str, list[pd.DataFrame]]:
    """Members that are wrong by so many per cent everywhere."""
    found = {}
    for protocol in PROTOCOLS:
        split, _ = possible_split(points, protocol)
        rows = scored_rows(split)
        capacity = points["capacity_mAh_per_g"].to_numpy()[rows]
        found[protocol] = [
            pd.DataFrame({"row": rows, "capacity_mAh_per_g": (1 + slope) * capacity}) for slope in slopes
        ]
    return found


def test_the_error_of_known_predictions_comes_out_in_every_group(points):
    document, scored = evaluate(points, offset_predictions(points, 0.1, 0.3), seed=0)
    to_arrow(scored, SCORED_DISCHARGES)
    assert document["labels"] == ["synthetic"]
    assert set(document["protocols"]["2TM"]["groups"]) == {"3TM", "HE"}
    assert set(document["protocols"]["2+3TM"]["groups"]) == {"HE"}
    ratio = scored["predicted_capacity_mAh_per_g"] / scored["capacity_mAh_per_g"]
    np.testing.assert_allclose(ratio, 1.2)
    np.testing.assert_allclose(scored["sigma_capacity_mAh_per_g"], 0.1 * scored["capacity_mAh_per_g"])


def test_baselines_stand_beside_the_model_in_every_group(points):
    document, _ = evaluate(points, offset_predictions(points, 0.2), seed=0)
    for protocol in PROTOCOLS:
        for group in document["protocols"][protocol]["groups"].values():
            assert {row["method"] for row in group["errors"]} == {
                "model",
                "MAD",
                "persistence",
                "linear_fade",
            }


def test_data_without_the_split_give_a_reason(points):
    few = points[points["test_id"].str.contains("1M")]
    document, scored = evaluate(few, {}, seed=0)
    assert scored.empty and SCORED_DISCHARGES.names == list(scored)
    assert all("needs tests of" in found["skipped"] for found in document["protocols"].values())


def test_what_is_no_number_is_null_in_json():
    assert json_rows(pd.DataFrame({"a": [1.5, np.nan]})) == [{"a": 1.5}, {"a": None}]


def test_the_longest_test_comes_first_and_short_ones_not_at_all(points):
    short = points[(points["test_id"] != points["test_id"].iloc[0]) | (points["cycle"] < FEWEST_CYCLES)]
    tests = [long_test(short, rank) for rank in range(12)]
    named = [test["test_id"].iloc[0] for test in tests if not test.empty]
    assert len(named) == len(set(named)) == points["test_id"].nunique() - 1
    assert points["test_id"].iloc[0] not in named


def test_forecasts_start_from_cycles_that_have_a_next_one():
    assert origins(np.arange(1, 11).repeat(3)) == list(range(1, 10))
    many = origins(np.arange(1, 51))
    assert len(many) == MOST_ORIGINS and many[0] == 1 and many[-1] == 49


def test_the_map_holds_the_papers_best_composition_and_only_charges_that_manganese_has():
    formulas = map_compositions()
    assert "Li1.333Mn0.667O2" in formulas and len(formulas) == len(set(formulas))
    assert not any(formula.startswith("Li1.4Mn0.6O2") for formula in formulas)
