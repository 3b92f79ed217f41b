import numpy as np
import pandas as pd
import pytest

from ionsieve.discharge.evaluation import (
    discharges,
    error_by_cycle,
    error_by_sigma,
    error_table,
    window_summary,
    with_baselines,
)
from ionsieve.errors import DataError

VOLTAGE_V = np.linspace(1.5, 4.8, 100)


def fading_cell(test_id: str, composition: str, first: float, loss: float, n_cycles: int) -> pd.DataFrame:
    """Capacity falls straight from 1.5 to 4.8 V; each cycle gives ``loss`` less of it than the one before."""
    return pd.concat(
        [
            pd.DataFrame(
                {
                    "test_id": test_id,
                    "label": "synthetic",
                    "composition": composition,
                    "rate_mA_per_g": 20.0,
                    "cycle": cycle,
                    "voltage_V": VOLTAGE_V,
                    "capacity_mAh_per_g": (first - loss * (cycle - 1)) * (4.8 - VOLTAGE_V) / 3.3,
                }
            )
            for cycle in range(1, n_cycles + 1)
        ],
        ignore_index=True,
    )


@pytest.fixture(scope="module")
def points() -> pd.DataFrame:
    return pd.concat(
        [
            fading_cell("a", "Li1.2Mn0.4Ti0.4O2", 330.0, 1.65, 60),
            fading_cell("b", "Li1.2Mn0.2Cr0.2Ti0.4O2", 297.0, 0.33, 12),
        ],
        ignore_index=True,
    )


@pytest.fixture(scope="module")
def scored(points) -> pd.DataFrame:
    """Two members, 3 and 5 % above the truth."""
    truth = points["capacity_mAh_per_g"].to_numpy()
    return with_baselines(discharges(points, np.stack([1.03 * truth, 1.05 * truth])))


def test_a_straight_discharge_gives_its_share_and_the_middle_of_the_window():
    capacity, average_V = window_summary(VOLTAGE_V, 330.0 * (4.8 - VOLTAGE_V) / 3.3)
    assert capacity == pytest.approx(240.0)
    assert average_V == pytest.approx(3.2)


def test_a_plateau_gives_its_voltage_and_several_curves_come_at_once():
    plateau = 100.0 * (VOLTAGE_V < 3.5)
    capacity, average_V = window_summary(VOLTAGE_V, np.stack([plateau, 2.0 * plateau]))
    assert capacity == pytest.approx([100.0, 200.0])
    assert average_V == pytest.approx([3.5, 3.5], abs=0.04)


def test_a_profile_that_ends_inside_the_window_is_taken_to_its_end():
    narrow_V = np.linspace(2.5, 4.0, 50)
    capacity, average_V = window_summary(narrow_V, 100.0 * (4.0 - narrow_V))
    assert (capacity, average_V) == pytest.approx((150.0, 3.25))


def test_a_profile_outside_the_window_and_one_without_capacity_have_no_value():
    high_V = np.linspace(4.5, 4.8, 5)
    assert np.isnan(window_summary(high_V, 1.0 * high_V[::-1])).all()
    capacity, average_V = window_summary(VOLTAGE_V, np.zeros(100))
    assert capacity == 0.0 and np.isnan(average_V)


def test_fifty_cycles_are_scored_and_no_more(scored):
    assert scored.groupby("test_id").size().to_dict() == {"a": 50, "b": 12}
    assert scored.set_index("test_id")["n_metals"].to_dict() == {"a": 2, "b": 3}


def test_mean_and_spread_of_the_members(scored):
    first = scored.iloc[0]
    assert first["capacity_mAh_per_g"] == pytest.approx(240.0)
    assert first["predicted_capacity_mAh_per_g"] == pytest.approx(1.04 * 240.0)
    assert first["sigma_capacity_mAh_per_g"] == pytest.approx(0.01 * 240.0)
    assert first["predicted_average_voltage_V"] == pytest.approx(first["average_voltage_V"])


def test_baselines_read_the_known_cycles_only(scored, points):
    assert scored[scored["cycle"] <= 4]["persistence_capacity_mAh_per_g"].isna().all()
    later = scored[scored["cycle"] > 4]
    assert later["linear_fade_capacity_mAh_per_g"].to_numpy() == pytest.approx(
        later["capacity_mAh_per_g"].to_numpy()
    )
    fourth = scored.query("cycle == 4").set_index("test_id")["capacity_mAh_per_g"]
    assert later["persistence_capacity_mAh_per_g"].to_numpy() == pytest.approx(
        fourth[later["test_id"]].to_numpy()
    )


def test_baselines_start_from_trained_first_cycles_that_are_not_scored(points):
    truth = points["capacity_mAh_per_g"].to_numpy()[None]
    first = (points["cycle"] <= 2).to_numpy()
    known, rest = discharges(points, truth, first), discharges(points, truth, ~first)
    table = with_baselines(rest, known, n_known=2)
    assert table["linear_fade_capacity_mAh_per_g"].to_numpy() == pytest.approx(
        table["capacity_mAh_per_g"].to_numpy()
    )


def test_errors_beside_their_baselines(scored):
    table = error_table(scored, seed=0).set_index(["quantity", "rows", "method"])
    capacity = table.loc["capacity_mAh_per_g"]
    everything = capacity.loc["all", "model"]
    assert everything["count"] == 62 and everything["tests"] == 2 and everything["not_scored"] == 0
    assert everything["mae"] == pytest.approx(0.04 * scored["capacity_mAh_per_g"].mean())
    assert everything["mae_low"] <= everything["mae"] <= everything["mae_high"] <= everything["rmse"] * 1.2
    values = scored["capacity_mAh_per_g"]
    assert capacity.loc["all", "MAD"]["mae"] == pytest.approx((values - values.mean()).abs().mean())
    later = capacity.loc["after_known_cycles"]
    assert later["count"].tolist() == [54] * 4
    assert later.loc["linear_fade"]["mae"] == pytest.approx(0.0, abs=1e-9)
    assert later.loc["persistence"]["mae"] > 5.0


def test_error_against_cycle_has_its_sign(scored):
    table = error_by_cycle(scored).query("quantity == 'capacity_mAh_per_g'").set_index("first_cycle")
    assert table["last_cycle"].to_dict() == {1: 1, 2: 5, 6: 10, 11: 20, 21: 30, 31: 50}
    assert table["count"].tolist() == [2, 8, 10, 12, 10, 20]
    assert table["bias"].to_numpy() == pytest.approx(table["mae"].to_numpy())
    assert table["mae"].loc[1] == pytest.approx(0.04 * (240.0 + 216.0) / 2.0)


def test_a_spread_that_follows_the_error_ranks_it(scored):
    table = error_by_sigma(scored).query("quantity == 'capacity_mAh_per_g'")
    assert table["mae"].is_monotonic_increasing and table["sigma"].is_monotonic_increasing
    assert table["rank_correlation"].to_numpy() == pytest.approx(1.0)
    alone = scored.assign(sigma_capacity_mAh_per_g=np.nan, sigma_average_voltage_V=np.nan)
    assert error_by_sigma(alone).empty


def test_discharges_without_a_value_are_counted(points):
    high = points[(points["test_id"] == "a") & (points["voltage_V"] > 4.45)]
    mixed = pd.concat([points, high.assign(test_id="never below 4.45 V")], ignore_index=True)
    table = error_table(
        with_baselines(discharges(mixed, mixed["capacity_mAh_per_g"].to_numpy()[None])), seed=0
    )
    assert set(table["not_scored"]) == {50} and set(table["tests"]) == {2}


def test_wrong_shapes_and_nothing_to_score_are_refused(points):
    with pytest.raises(DataError, match=r"shape \(3,\) do not fit 7200 points"):
        discharges(points, np.zeros(3))
    with pytest.raises(DataError, match="no point to score"):
        discharges(points, np.zeros((1, len(points))), np.zeros(len(points), dtype=bool))
