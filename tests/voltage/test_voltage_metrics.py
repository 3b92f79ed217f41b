import numpy as np
import pandas as pd
import pytest

from ionsieve.voltage.metrics import (
    GroupBootstrap,
    bootstrap_mae_V,
    coverage_metrics,
    interval,
    ion_mean_predictions_V,
    protocol_metrics,
    scores,
)


def test_scores_of_known_errors():
    result = scores(np.array([1.0, 2.0, 3.0, 4.0]), np.array([1.0, 2.0, 3.0, 2.0]))
    assert result["count"] == 4
    assert result["mae_V"] == 0.5
    assert result["rmse_V"] == 1.0
    assert result["median_absolute_error_V"] == 0.0
    assert result["r2"] == pytest.approx(1 - 4 / 5)


def test_r2_is_unknown_where_labels_do_not_vary():
    assert scores(np.array([2.0]), np.array([2.5]))["r2"] is None
    assert scores(np.array([]), np.array([]))["mae_V"] is None


def test_the_bootstrap_draws_whole_frameworks():
    """A thousand copies of one framework's electrode say no more than one of each."""
    errors_V = np.random.default_rng(0).exponential(0.3, 40)
    once = bootstrap_mae_V(errors_V, np.arange(40), seed=0)
    repeated = bootstrap_mae_V(np.repeat(errors_V, 50), np.repeat(np.arange(40), 50), seed=0)
    assert repeated == pytest.approx(once)
    assert once[0] < errors_V.mean() < once[1]


def test_the_bootstrap_covers_the_true_mean():
    random = np.random.default_rng(1)
    hits = 0
    for trial in range(200):
        low_V, high_V = bootstrap_mae_V(random.exponential(0.3, 60), np.arange(60), seed=trial)
        hits += low_V <= 0.3 <= high_V
    assert hits / 200 == pytest.approx(0.93, abs=0.05)


def test_the_same_draws_serve_all_columns_so_that_differences_are_paired():
    """Two models that differ by a constant differ by it in every draw, however noisy each of them is."""
    errors_V = np.random.default_rng(2).exponential(0.3, 50)
    draws_V = GroupBootstrap(np.arange(50) // 2, seed=0).means(
        np.stack([errors_V, errors_V + 0.05], axis=1), np.ones(50, dtype=bool)
    )
    assert interval(draws_V[:, 1] - draws_V[:, 0]) == pytest.approx([0.05, 0.05])
    assert np.ptp(draws_V[:, 0]) > 0.1


def test_the_bootstrap_of_a_subset_reads_the_subset_alone():
    values = np.array([[1.0], [1.0], [9.0], [9.0]])
    groups = np.array(["a", "b", "b", "c"])
    draws = GroupBootstrap(groups, seed=0).means(values, np.array([True, True, False, False]))
    # A draw of nothing but the third group holds no row of the subset.
    assert np.isnan(draws).any()
    assert interval(draws[:, 0]) == [1.0, 1.0]


def test_the_baseline_is_the_mean_of_the_ion_among_training_rows():
    voltages_V = np.array([1.0, 3.0, 10.0, 99.0, 99.0, 99.0])
    ions = np.array(["Li", "Li", "Na", "Li", "Na", "K"])
    baseline_V = ion_mean_predictions_V(voltages_V, ions, np.array([0, 1, 2]), np.array([3, 4, 5]))
    np.testing.assert_allclose(baseline_V, [2.0, 10.0, 14.0 / 3])


@pytest.fixture
def held_out() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "working_ion": ["Li", "Li", "Mg", "Mg"],
            "framework": ["CoO2", "MnO2", "Mn2O4", "Cr2O4"],
            "voltage_V": [3.9, 3.5, 2.9, 3.3],
            "predicted_voltage_V": [3.8, 3.9, 3.1, 2.9],
            "x_charged": [0.0, 0.5, 0.0, 0.0],
        }
    )


def test_errors_are_reported_by_ion_and_for_full_extraction(held_out):
    metrics = protocol_metrics(held_out, seed=0)
    assert metrics["all"]["mae_V"] == pytest.approx((0.1 + 0.4 + 0.2 + 0.4) / 4)
    assert metrics["by_ion"]["Li"]["mae_V"] == pytest.approx(0.25)
    assert metrics["by_ion"]["Mg"]["count"] == 2
    assert metrics["full_extraction"]["count"] == 3
    assert metrics["all"]["n_frameworks"] == 4


def test_coverage_is_reported_among_predictions_above_3_V(held_out):
    predictions_V = held_out["predicted_voltage_V"]
    metrics = coverage_metrics(
        held_out.assign(
            voltage_low_V=predictions_V - 0.3,
            voltage_high_V=predictions_V + 0.3,
            distance=[0.4, 0.1, 0.2, 0.3],
        )
    )
    assert metrics["all"]["coverage"] == 0.5
    assert metrics["by_ion"]["Li"] == {
        "count": 2,
        "coverage": 0.5,
        "mean_width_V": pytest.approx(0.6),
        "median_half_width_V": pytest.approx(0.3),
    }
    high = metrics["predicted_high"]
    assert high["count"] == 3
    assert high["coverage"] == pytest.approx(2 / 3)
    # Predicted 3.1 V, labelled 2.9 V: one of three was selected wrongly.
    assert high["precision"] == pytest.approx(2 / 3)


def test_coverage_by_distance_runs_from_the_nearest_to_the_farthest(held_out):
    """Only the nearest electrode, the second, is predicted badly."""
    labels_V = held_out["voltage_V"]
    metrics = coverage_metrics(
        held_out.assign(
            voltage_low_V=labels_V + np.array([-0.1, 0.1, -0.1, -0.1]),
            voltage_high_V=labels_V + 0.2,
            distance=[0.4, 0.1, 0.2, 0.3],
        )
    )
    assert metrics["by_distance"][0]["coverage"] == 0.0
    assert metrics["by_distance"][4]["coverage"] is None or metrics["by_distance"][4]["coverage"] == 1.0
    assert sum(fifth["count"] for fifth in metrics["by_distance"]) == 4
