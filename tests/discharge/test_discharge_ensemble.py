"""What an ensemble answers: means, spreads, what lies outside its training, rows without an answer, files."""

import numpy as np
import pandas as pd
import pytest
import torch
from discharge_networks import LMTO, RANGES, untrained

from ionsieve.artifacts import digest, read_json
from ionsieve.discharge.compositions import parse_cathode
from ionsieve.discharge.ensemble import Ensemble, TrainingRanges, curve_conditions, model_card
from ionsieve.discharge.network import IONSIEVE, PUBLISHED, Compositions, with_slope
from ionsieve.errors import DataError


@pytest.fixture(scope="module")
def ensemble() -> Ensemble:
    """Two untrained members."""
    return Ensemble((untrained(IONSIEVE, 1), untrained(IONSIEVE, 2)), RANGES)


@pytest.fixture
def conditions() -> pd.DataFrame:
    """Two curves that the ranges hold, with an index of its own."""
    table = pd.concat(
        [
            curve_conditions(LMTO, 20.0, 1, 1.5, 4.8, points=7),
            curve_conditions("Li1.2Mn0.6Nb0.2O1.8F0.2", 500.0, 30, 2.0, 4.4, points=5),
        ]
    )
    table.index = pd.Index([f"point {number}" for number in range(12)])
    return table


def card_of(ensemble: Ensemble) -> dict:
    return model_card(
        ensemble, label="synthetic", data_digest="0" * 64, provenance="made up", licence="MIT", seed=0
    )


def test_a_curve_is_uniform_in_voltage_with_both_ends():
    curve = curve_conditions(LMTO, 20, 1, 1.5, 4.8)
    assert curve["voltage_V"].tolist() == pytest.approx(np.linspace(1.5, 4.8, 100).tolist())


def test_the_prediction_is_the_mean_and_its_spread_that_of_the_members(ensemble, conditions):
    rows = conditions.iloc[:7]
    numbers = [torch.from_numpy(rows[name].to_numpy(np.float32)) for name in rows if name != "composition"]
    members = [
        [
            values.double().numpy()
            for values in with_slope(
                member,
                Compositions.of([LMTO], IONSIEVE),
                torch.zeros(7, dtype=torch.int64),
                *numbers,
            )
        ]
        for member in ensemble.members
    ]
    found = ensemble.predict(rows)
    capacities = np.stack([member[0] for member in members])
    assert found["capacity_mAh_per_g"].to_numpy() == pytest.approx(capacities.mean(axis=0), rel=1e-6)
    assert found["capacity_std_mAh_per_g"].to_numpy() == pytest.approx(
        np.abs(capacities[0] - capacities[1]) / 2.0, rel=1e-4, abs=1e-5
    )
    assert found["dq_dv_mAh_per_g_per_V"].to_numpy() == pytest.approx(
        (members[0][2] + members[1][2]) / 2.0, rel=1e-5
    )
    assert found["first_capacity_mAh_per_g"].to_numpy() == pytest.approx(
        (members[0][1] + members[1][1]) / 2.0, rel=1e-5
    )


def test_rows_come_back_in_their_order_whatever_the_order_is(ensemble, conditions, monkeypatch):
    whole = ensemble.predict(conditions)
    assert whole.index.equals(conditions.index)
    assert (whole["error"] == "").all() and (whole["extrapolation"] == "").all()
    monkeypatch.setattr("ionsieve.discharge.ensemble.ROWS_PER_BATCH", 3)
    shuffled = conditions.sample(frac=1.0, random_state=4)
    again = ensemble.predict(shuffled).loc[conditions.index]
    numbers = list(whole.columns[:4])
    assert again[numbers].to_numpy() == pytest.approx(whole[numbers].to_numpy(), rel=1e-5, abs=1e-4)


def test_one_member_has_no_spread(conditions):
    found = Ensemble((untrained(IONSIEVE),), RANGES).predict(conditions)
    assert found["capacity_std_mAh_per_g"].isna().all()
    assert found["capacity_mAh_per_g"].notna().all()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"composition": "Li1.2Mn0.4Ru0.4O2"}, "no training data with Ru"),
        ({"composition": "Li1000MnO2"}, "cations per anion 500 outside 1 to 1; share of Li .* 0.999 outside"),
        ({"composition": "Mn2O2"}, "share of Li among the cations 0 outside 0.5 to 0.7"),
        ({"composition": "Li1.5Mn0.5O2"}, "share of Li among the cations 0.75 outside 0.5 to 0.7"),
        ({"composition": "Li1.2MnO2"}, "cations per anion 1.1 outside 1 to 1"),
        ({"rate_mA_per_g": 5.0}, "rate 5 mA/g outside 10 to 1000 mA/g"),
        ({"cycle": 51}, "cycle 51 outside 1 to 50"),
        ({"voltage_low_V": 1.0}, "lower voltage 1 V outside 1.5 to 2 V"),
        ({"voltage_high_V": 5.0}, "upper voltage 5 V outside 4.4 to 4.8 V"),
        ({"rate_mA_per_g": 5.0, "cycle": 60}, "rate 5 mA/g .*; cycle 60 outside"),
    ],
)
def test_what_lies_outside_is_answered_and_named(ensemble, conditions, change, words):
    found = ensemble.predict(conditions.iloc[1:6].assign(**change))
    assert found["extrapolation"].str.fullmatch(f".*{words}.*").all()
    assert (found["error"] == "").all() and np.isfinite(found["capacity_mAh_per_g"]).all()


@pytest.mark.parametrize("edge", ["rate_mA_per_g", "cycle", "voltage_low_V", "voltage_high_V"])
def test_the_ends_of_a_range_belong_to_it(ensemble, conditions, edge):
    for number in getattr(RANGES, edge):
        found = ensemble.predict(conditions.iloc[2:5].assign(**{edge: number}))
        assert (found["extrapolation"] == "").all()


@pytest.mark.parametrize("formula", ["Li1.33Mn0.67O2", "Li1.2Mn0.41Ti0.4O2", "Li2.4Mn0.8Ti0.8O4", "LiMnO2"])
def test_rounded_formulas_and_multiples_of_them_are_inside(ensemble, conditions, formula):
    found = ensemble.predict(conditions.iloc[:3].assign(composition=formula))
    assert (found["extrapolation"] == "").all()


def test_a_network_that_does_not_normalise_says_so_of_other_formulas(conditions):
    released = Ensemble((untrained(PUBLISHED),), RANGES)
    found = released.predict(conditions.iloc[:3].assign(composition="Li2.4Mn0.8Ti0.8O4"))
    assert (found["extrapolation"] == "4 anions per formula, and this model knows formulas with two").all()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"composition": "LiMn2F4"}, "no oxygen"),
        ({"composition": "LiMn-2O4"}, "not a formula"),
        ({"composition": None}, "empty formula"),
        ({"composition": 7}, "not a formula"),
        ({"rate_mA_per_g": 0.0}, "rate 0 mA/g; it must be above 0, and at most 1,000,000"),
        ({"rate_mA_per_g": np.nan}, "rate nan mA/g"),
        ({"rate_mA_per_g": np.inf}, "rate inf mA/g"),
        ({"rate_mA_per_g": "fast"}, "rate nan mA/g"),
        ({"cycle": 0}, "cycle 0; cycles are counted from 1"),
        ({"cycle": 1.5}, "cycle 1.5; .* whole numbers"),
        ({"voltage_low_V": 4.8}, "window 4.8 to 4.8 V; the first voltage must be below the second"),
        ({"voltage_high_V": np.nan}, "window 1.5 to nan V"),
        ({"voltage_V": 4.9}, "voltage 4.9 outside the window 1.5 to 4.8 V"),
        ({"voltage_V": np.nan}, "voltage nan outside the window"),
    ],
)
def test_a_row_without_an_answer_says_why_and_stops_no_other(ensemble, conditions, change, reason):
    first = conditions.iloc[:1].assign(**change)
    found = ensemble.predict(pd.concat([first, conditions.iloc[1:]]))
    assert pd.Series(found["error"].iloc[:1]).str.contains(reason, regex=True).all(), found["error"].iloc[0]
    assert found.iloc[0, :4].isna().all() and found["extrapolation"].iloc[0] == ""
    assert (found["error"].iloc[1:] == "").all() and found.iloc[1:, :4].notna().all(axis=None)


def test_a_missing_column_is_named(ensemble, conditions):
    with pytest.raises(DataError, match="the conditions lack cycle; they need composition"):
        ensemble.predict(conditions.drop(columns="cycle"))


def test_no_rows_give_no_rows(ensemble, conditions):
    assert len(ensemble.predict(conditions.iloc[:0])) == 0


def test_ranges_are_those_of_the_points(conditions):
    ranges = TrainingRanges.of_points(conditions)
    assert ranges.elements == ("F", "Li", "Mn", "Nb", "O", "Ti")
    assert (ranges.rate_mA_per_g, ranges.cycle) == ((20.0, 500.0), (1.0, 30.0))
    assert (ranges.voltage_low_V, ranges.voltage_high_V) == ((1.5, 2.0), (4.4, 4.8))
    assert ranges.cations_per_anion == pytest.approx((1.0, 1.0))
    assert ranges.lithium_share == pytest.approx((0.6, 0.6))
    assert ranges.outside(parse_cathode(LMTO), conditions.iloc[0]) == []
    assert TrainingRanges.from_dict(ranges.to_dict()) == ranges


def test_a_saved_ensemble_predicts_the_same_and_has_the_same_bytes(ensemble, conditions, tmp_path):
    ensemble.save(tmp_path / "one", card_of(ensemble))
    loaded = Ensemble.load(tmp_path / "one")
    loaded.save(tmp_path / "two", card_of(loaded))
    for name in ("state.pt", "card.json"):
        assert digest(tmp_path / "one" / name) == digest(tmp_path / "two" / name)
    pd.testing.assert_frame_equal(loaded.predict(conditions), ensemble.predict(conditions))
    assert loaded.ranges == ensemble.ranges and loaded.settings == IONSIEVE


def test_the_card_says_what_the_model_is(ensemble, tmp_path):
    ensemble.save(tmp_path, card_of(ensemble))
    card = read_json(tmp_path / "card.json")
    assert (card["settings"], card["label"], card["licence"]) == ("ionsieve", "synthetic", "MIT")
    assert (card["members"], card["seed"]) == (2, 0)
    assert card["training_ranges"]["rate_mA_per_g"] == [10.0, 1000.0]


def test_members_of_different_settings_make_no_ensemble():
    with pytest.raises(ValueError, match="same settings"):
        Ensemble((untrained(IONSIEVE), untrained(PUBLISHED)), RANGES)
    with pytest.raises(ValueError, match="at least one"):
        Ensemble((), RANGES)
