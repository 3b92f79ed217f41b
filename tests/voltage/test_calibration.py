import numpy as np
import pytest

from ionsieve.voltage.calibration import Residuals, cv_plus_interval, gaussian_sigma_V, out_of_fold_intervals


def intervals_of_all_folds(residuals: Residuals, difficulties_V: np.ndarray | None = None):
    """Out-of-fold intervals about zero of all electrodes, at a coverage of 0.9."""
    low_V, high_V = np.empty((2, len(residuals.folds)))
    for fold in np.unique(residuals.folds):
        rows = residuals.folds == fold
        low_V[rows], high_V[rows] = out_of_fold_intervals(
            np.zeros(rows.sum()),
            residuals,
            0.9,
            fold,
            None if difficulties_V is None else difficulties_V[rows],
        )
    return low_V, high_V


def folds_with_framework_errors(n_frameworks: int, seed: int) -> tuple[Residuals, np.ndarray]:
    """Errors that share a part within a framework, as electrodes of one host do."""
    random = np.random.default_rng(seed)
    frameworks = np.repeat(np.arange(n_frameworks), random.integers(1, 10, n_frameworks))
    errors_V = 0.3 * random.normal(size=n_frameworks)[frameworks] + 0.2 * random.normal(size=len(frameworks))
    return Residuals(np.abs(errors_V), frameworks % 5, frameworks), errors_V


@pytest.mark.parametrize("coverage", [0.5, 0.8, 0.9, 0.95])
def test_intervals_hold_the_asked_share_of_new_frameworks(coverage):
    """One electrode of each of 20,000 new frameworks, with residuals of 500 known ones."""
    residuals, _ = folds_with_framework_errors(500, seed=1)
    random = np.random.default_rng(2)
    truth_V = np.hypot(0.3, 0.2) * random.normal(size=20_000)
    low_V, high_V = cv_plus_interval(np.zeros((5, 20_000)), residuals, coverage)
    assert ((truth_V >= low_V) & (truth_V <= high_V)).mean() == pytest.approx(coverage, abs=0.03)


def test_out_of_fold_intervals_hold_the_asked_share():
    residuals, errors_V = folds_with_framework_errors(2000, seed=3)
    low_V, high_V = intervals_of_all_folds(residuals)
    assert ((errors_V >= low_V) & (errors_V <= high_V)).mean() == pytest.approx(0.9, abs=0.02)


def test_a_fold_does_not_calibrate_itself():
    """A fold with huge errors gets the narrow intervals of the others, and they its wide ones."""
    folds = np.repeat([0, 1], 100)
    residuals = Residuals(np.where(folds == 0, 100.0, 0.1), folds, np.arange(200))
    low_V, high_V = intervals_of_all_folds(residuals)
    np.testing.assert_allclose((high_V - low_V)[folds == 0], 0.2)
    np.testing.assert_allclose((high_V - low_V)[folds == 1], 200.0)


def test_widths_follow_the_expected_errors_and_beat_one_width_for_all():
    """Errors of which half are ten times larger, and a difficulty that knows which."""
    random = np.random.default_rng(5)
    difficulties_V = np.where(np.arange(4000) % 2 == 0, 0.1, 1.0)
    errors_V = difficulties_V * random.normal(size=4000)
    folds, frameworks = np.arange(4000) // 2 % 5, np.arange(4000)
    knowing = Residuals(np.abs(errors_V), folds, frameworks, difficulties_V)
    low_V, high_V = intervals_of_all_folds(knowing, difficulties_V)
    inside = (errors_V >= low_V) & (errors_V <= high_V)
    assert inside[::2].mean() == pytest.approx(0.9, abs=0.02)
    assert inside[1::2].mean() == pytest.approx(0.9, abs=0.02)
    np.testing.assert_allclose((high_V - low_V)[1::2], 10.0 * (high_V - low_V)[::2], rtol=0.1)
    flat_low_V, flat_high_V = intervals_of_all_folds(Residuals(np.abs(errors_V), folds, frameworks))
    assert np.mean(high_V - low_V) < 0.8 * np.mean(flat_high_V - flat_low_V)


def test_a_framework_weighs_the_same_however_many_electrodes_it_has():
    absolute_V = np.concatenate([np.linspace(0.1, 1.0, 99), np.full(10_000, 5.0)])
    frameworks = np.concatenate([np.arange(99), np.full(10_000, 99)])
    residuals = Residuals(absolute_V, np.zeros(len(absolute_V), dtype=int), frameworks)
    _, high_V = cv_plus_interval(np.zeros((1, 1)), residuals, 0.9)
    assert high_V[0] < 1.0


def test_the_quantile_is_that_of_split_conformal_prediction():
    """With one member and single electrodes: the ceil((n + 1) coverage)-th smallest residual."""
    residuals = Residuals(np.arange(1.0, 20.0), np.zeros(19, dtype=int), np.arange(19))
    low_V, high_V = cv_plus_interval(np.full((1, 1), 3.0), residuals, 0.9)
    assert (low_V[0], high_V[0]) == pytest.approx((3.0 - 18.0, 3.0 + 18.0))


def test_too_few_frameworks_give_the_largest_residual_and_not_infinity():
    residuals = Residuals(np.array([0.1, 0.4]), np.array([0, 1]), np.array([0, 1]))
    low_V, high_V = cv_plus_interval(np.zeros((2, 1)), residuals, 0.99)
    assert (low_V[0], high_V[0]) == pytest.approx((-0.4, 0.4))


def test_the_interval_is_that_of_sorting_all_shifted_residuals():
    residuals, _ = folds_with_framework_errors(60, seed=6)
    members_V = np.random.default_rng(7).normal(3.0, 0.5, (5, 8))
    low_V, high_V = cv_plus_interval(members_V, residuals, 0.9)
    for candidate in range(8):
        shifts_V = members_V[residuals.folds, candidate]
        for end_V, sign in ((high_V, 1), (low_V, -1)):
            values = sign * shifts_V + residuals.absolute_V
            order = np.argsort(values)
            expected = values[order][np.cumsum(residuals.weights()[order]) >= 0.9 - 1e-12][0]
            assert sign * end_V[candidate] == pytest.approx(expected)


def test_members_that_disagree_widen_the_interval():
    residuals, _ = folds_with_framework_errors(200, seed=4)
    agreeing = np.full((5, 1), 2.0)
    disagreeing = agreeing + np.array([[-1.0], [-0.5], [0.0], [0.5], [1.0]])
    widths = [
        np.subtract(*cv_plus_interval(members, residuals, 0.9)[::-1]) for members in (agreeing, disagreeing)
    ]
    assert widths[1] > widths[0]


def test_sigma_is_that_of_the_gaussian_with_the_same_interval():
    assert gaussian_sigma_V(np.array([-1.959964]), np.array([1.959964]), 0.95)[0] == pytest.approx(
        1.0, abs=1e-6
    )
