"""Ions whose correlation is known: independent, moving as one, moving against each other."""

import numpy as np
import pytest

from ionsieve.transport.collective import HavenRatio, brownian_variance, haven_ratio
from ionsieve.transport.msd import mean_squared_displacement_A2

JUMP_A, INTERVAL_PS = 3.0, 0.1
DIRECTIONS = np.array([[1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0], [0, 0, 1], [0, 0, -1]])


def jumping(rng: np.random.Generator, n_ions: int, n_frames: int, residence_ps: float) -> np.ndarray:
    """Independent ions on a simple cubic lattice, shape (F, N, 3)."""
    hops = rng.random((n_frames, n_ions)) < INTERVAL_PS / residence_ps
    steps = hops[..., None] * JUMP_A * DIRECTIONS[rng.integers(6, size=hops.shape)]
    return steps.cumsum(axis=0)


def rattling(rng: np.random.Generator, positions_A: np.ndarray) -> np.ndarray:
    return positions_A + rng.normal(0, 0.25, positions_A.shape)


def ratio_of(positions_A: np.ndarray, residence_ps: float, dimensions: float = 3.0) -> HavenRatio:
    n_ions = positions_A.shape[1]
    together_A2 = mean_squared_displacement_A2(positions_A.sum(axis=1, keepdims=True))[:, 0] / n_ions
    ions_A2 = mean_squared_displacement_A2(positions_A).mean(axis=1)
    return haven_ratio(ions_A2, together_A2, INTERVAL_PS, residence_ps, 1, dimensions)


def coverage(true: float, n_together: int, n_columns: int, n_walks: int) -> tuple[float, float]:
    """Share of intervals that hold the true ratio, and the median ratio."""
    ratios = []
    for seed in range(n_walks):
        rng = np.random.default_rng((17, n_together, seed))
        columns = jumping(rng, n_columns, 600, 1.0)
        ratios.append(ratio_of(rattling(rng, np.repeat(columns, n_together, axis=1)), 1.0))
    assert all(ratio.unknown_because is None for ratio in ratios)
    return np.mean([r.low <= true <= r.high for r in ratios]), float(np.median([r.value for r in ratios]))


def test_independent_ions_have_ratio_one():
    covered, middle = coverage(1.0, n_together=1, n_columns=12, n_walks=25)
    assert covered >= 0.84
    assert middle == pytest.approx(1.0, abs=0.12)


def test_ions_that_move_in_columns_have_one_over_the_length_of_a_column():
    covered, middle = coverage(0.25, n_together=4, n_columns=5, n_walks=25)
    assert covered >= 0.84
    assert middle == pytest.approx(0.25, abs=0.03)


@pytest.mark.slow
@pytest.mark.parametrize(("n_together", "n_columns"), [(1, 12), (1, 40), (4, 5)])
def test_intervals_of_the_ratio_cover_95_percent(n_together, n_columns):
    covered, _ = coverage(1 / n_together, n_together, n_columns, 500)
    assert 0.92 <= covered <= 0.98


def test_a_rigid_body_of_ions_has_exactly_one_over_their_number():
    path_A = jumping(np.random.default_rng(0), 1, 600, 1.0)
    assert ratio_of(np.repeat(path_A, 8, axis=1), 1.0).value == pytest.approx(1 / 8)


def test_ions_that_move_against_each_other_have_no_ratio():
    rng = np.random.default_rng(1)
    path_A = jumping(rng, 6, 600, 1.0)
    ratio = ratio_of(rattling(rng, np.concatenate([path_A, -path_A], axis=1)), 1.0)
    assert ratio.value is None and "rattle" in ratio.unknown_because


@pytest.mark.parametrize(("residence_ps", "why"), [(30.0, "hop 10 times"), (4.0, "factor of")])
def test_too_few_hops_give_no_ratio_but_a_reason(residence_ps, why):
    ratio = ratio_of(jumping(np.random.default_rng(2), 12, 600, residence_ps), residence_ps)
    assert (ratio.value, ratio.low, ratio.high) == (None, None, None)
    assert why in ratio.unknown_because


def test_ions_on_lines_leave_fewer_independent_steps_and_a_wider_interval():
    path_A = jumping(np.random.default_rng(3), 12, 1200, 1.0)
    in_space, on_lines = ratio_of(path_A, 1.0), ratio_of(path_A, 1.0, dimensions=1.0)
    widths = [np.log(ratio.high / ratio.low) for ratio in (in_space, on_lines)]
    assert widths[1] / widths[0] == pytest.approx(np.sqrt(3), rel=0.05)


def test_variance_of_a_line_through_the_msd_is_that_of_simulated_walks():
    lags = np.arange(15, 31)
    weights = (lags - lags.mean()) / ((lags - lags.mean()) ** 2).sum()
    walks = np.random.default_rng(4).normal(size=(300, 4000, 1)).cumsum(axis=0)
    slopes = weights @ mean_squared_displacement_A2(walks)[lags]
    assert slopes.mean() == pytest.approx(1.0, rel=0.03)
    assert brownian_variance(lags, weights, 300) == pytest.approx(slopes.var(), rel=0.1)
