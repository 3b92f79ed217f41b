"""Known random walks: does the interval hold the true diffusivity, is the bound a bound?"""

from collections.abc import Callable

import numpy as np
import pytest

from ionsieve.ions import ion_charge
from ionsieve.transport.conductivity import conductivity_mS_per_cm
from ionsieve.transport.diffusivity import (
    Diffusivity,
    diffusivity,
    expected_events_bound,
    ion_diffusivities_A2_per_ps,
    weighted_mean,
)
from ionsieve.transport.hops import ION_HOP_FRACTION, Hops, find_hops
from ionsieve.transport.msd import mean_squared_displacement_A2

JUMP_A = 3.0
THRESHOLD_A = ION_HOP_FRACTION * JUMP_A
INTERVAL_PS = 0.02
RATTLING_A = 0.25
DIRECTIONS = np.array([[1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0], [0, 0, 1], [0, 0, -1]])


def jumping_ions(rng: np.random.Generator, n_ions: int, n_frames: int, true_A2_per_ps: float) -> np.ndarray:
    """Independent ions that jump at random times on a simple cubic lattice, and rattle."""
    rate_per_ps = 6 * true_A2_per_ps / JUMP_A**2
    jumps = np.zeros((n_frames, n_ions, 3))
    for frame, ion in np.argwhere(rng.random((n_frames, n_ions)) < rate_per_ps * INTERVAL_PS):
        jumps[frame, ion] = JUMP_A * DIRECTIONS[rng.integers(6)]
    return jumps.cumsum(axis=0) + rng.normal(0, RATTLING_A, jumps.shape)


def brownian_ions(rng: np.random.Generator, n_ions: int, n_frames: int, true_A2_per_ps: float) -> np.ndarray:
    """Continuous Brownian motion with rattling."""
    steps = rng.normal(0, np.sqrt(2 * true_A2_per_ps * INTERVAL_PS), (n_frames, n_ions, 3))
    return steps.cumsum(axis=0) + rng.normal(0, RATTLING_A, steps.shape)


def lattice_gas(rng: np.random.Generator, size: int, n_frames: int, attempts_per_ps: float) -> np.ndarray:
    """Ions on a periodic simple cubic lattice with a fifth of the sites empty; occupied ones block."""
    n_sites = size**3
    n_ions = round(0.8 * n_sites)
    sites = np.stack(np.unravel_index(rng.permutation(n_sites)[:n_ions], (size,) * 3), axis=1)
    occupied = np.zeros((size,) * 3, dtype=bool)
    occupied[tuple(sites.T)] = True
    unwrapped, frames = sites.astype(float), np.empty((n_frames, n_ions, 3))
    for frame in range(n_frames):
        for _ in range(rng.poisson(n_ions * 6 * attempts_per_ps * INTERVAL_PS)):
            ion, direction = rng.integers(n_ions), DIRECTIONS[rng.integers(6)]
            target = (sites[ion] + direction) % size
            if not occupied[tuple(target)]:
                occupied[tuple(sites[ion])], occupied[tuple(target)] = False, True
                sites[ion] = target
                unwrapped[ion] += direction
        frames[frame] = unwrapped
    return JUMP_A * frames + rng.normal(0, RATTLING_A, frames.shape)


def measured(positions_A: np.ndarray) -> Diffusivity:
    slopes = ion_diffusivities_A2_per_ps(mean_squared_displacement_A2(positions_A), INTERVAL_PS)
    observed_ps = np.full(slopes.size, (len(positions_A) - 1) * INTERVAL_PS)
    return diffusivity(slopes, observed_ps, find_hops(positions_A, INTERVAL_PS, THRESHOLD_A), JUMP_A)


def holds(result: Diffusivity, true_A2_per_ps: float) -> bool:
    true_cm2_per_s = true_A2_per_ps * 1e-4
    return (result.low_cm2_per_s or 0.0) <= true_cm2_per_s <= result.high_cm2_per_s


def two_site_ions(rng: np.random.Generator, n_ions: int, n_frames: int, hops_per_ion: float) -> np.ndarray:
    """Each ion hops between two sites of its own, at random times."""
    flips = rng.random((n_frames, n_ions)) < hops_per_ion / n_frames
    positions_A = rng.normal(0, RATTLING_A, (n_frames, n_ions, 3))
    positions_A[..., 0] += JUMP_A * (flips.cumsum(axis=0) % 2)
    return positions_A


def outcomes(
    walk: Callable[[np.random.Generator], np.ndarray], true_A2_per_ps: float, n_walks: int
) -> tuple[np.ndarray, np.ndarray]:
    """Whether each walk's statement holds, of values and of bounds."""
    results = [measured(walk(np.random.default_rng((811, seed)))) for seed in range(n_walks)]
    held = np.array([holds(result, true_A2_per_ps) for result in results])
    values = np.array([result.kind == "value" for result in results])
    return held[values], held[~values]


def test_intervals_of_short_runs_cover_and_are_unbiased():
    results = [measured(jumping_ions(np.random.default_rng(seed), 13, 150, 1.0)) for seed in range(60)]
    values = [result for result in results if result.cm2_per_s is not None]
    assert len(values) > 50
    assert np.mean([holds(result, 1.0) for result in values]) >= 0.85
    assert np.mean([result.cm2_per_s for result in values]) == pytest.approx(1e-4, rel=0.15)


# The whole table: benchmarks/diffusivity_coverage.py. 500 walks know a coverage of 95 % to 2 % (two sigma).
# With few hops per ion intervals allow for returns that were not seen, so that they cover more than 98 %
# where there are none.
@pytest.mark.slow
@pytest.mark.parametrize(
    ("n_ions", "n_frames", "true_A2_per_ps", "most"),
    [
        (12, 300, 5.0, 0.98),
        (12, 300, 1.0, 0.98),
        (12, 300, 0.4, 1.0),
        (8, 300, 0.6, 1.0),
        (100, 300, 2.5, 0.98),
    ],
)
def test_intervals_of_jumping_ions_cover_95_percent(n_ions, n_frames, true_A2_per_ps, most):
    values, _ = outcomes(lambda rng: jumping_ions(rng, n_ions, n_frames, true_A2_per_ps), true_A2_per_ps, 500)
    assert values.size > 450
    assert 0.92 <= values.mean() <= most


@pytest.mark.slow
@pytest.mark.parametrize("true_A2_per_ps", [0.02, 0.1])
def test_bounds_of_slow_ions_hold(true_A2_per_ps):
    _, bounds = outcomes(lambda rng: jumping_ions(rng, 12, 300, true_A2_per_ps), true_A2_per_ps, 500)
    assert bounds.size > 250
    assert bounds.mean() >= 0.95


@pytest.mark.slow
def test_intervals_of_brownian_ions_cover_95_percent():
    values, _ = outcomes(lambda rng: brownian_ions(rng, 12, 300, 2.5), 2.5, 500)
    assert values.size == 500
    assert 0.92 <= values.mean() <= 0.98


@pytest.mark.slow
@pytest.mark.parametrize("attempts_per_ps", [0.3, 2.0])
def test_intervals_of_a_lattice_gas_with_a_fifth_of_its_sites_empty_cover(attempts_per_ps):
    # Tracer correlation factor of 22 ions on 27 sites from runs of 100 hops per ion, by the benchmark.
    true_A2_per_ps = 0.785 * (5 / 26) * attempts_per_ps * JUMP_A**2
    values, _ = outcomes(lambda rng: lattice_gas(rng, 3, 300, attempts_per_ps), true_A2_per_ps, 500)
    assert values.size > 450
    assert 0.90 <= values.mean() <= 0.98


@pytest.mark.slow
@pytest.mark.parametrize("hops_per_ion", [0.5, 1, 3, 10, 40])
def test_ions_between_two_sites_never_get_a_value(hops_per_ion):
    values, _ = outcomes(lambda rng: two_site_ions(rng, 12, 300, hops_per_ion), 0.0, 500)
    assert values.size <= 5


def test_rattling_alone_is_no_hop():
    positions_A = np.random.default_rng(0).normal(0, 0.4, size=(500, 20, 3))
    assert find_hops(positions_A, INTERVAL_PS, THRESHOLD_A).hops.sum() == 0


def test_hops_are_counted_one_by_one():
    path_A = np.zeros((400, 2, 3))
    path_A[100:, 0, 0] += JUMP_A  # there,
    path_A[200:, 0, 1] += JUMP_A  # on,
    path_A[300:, 0, 1] -= JUMP_A  # and back
    path_A += np.random.default_rng(0).normal(0, RATTLING_A, path_A.shape)
    found = find_hops(path_A, INTERVAL_PS, THRESHOLD_A)
    assert found.hops.tolist() == [3, 0]
    assert found.sites.tolist() == [3, 1]
    assert found.returns.tolist() == [1, 0]
    assert (found.second_hops, found.onward_hops) == (2, 1)


def test_an_excursion_that_comes_back_at_once_is_no_hop():
    path_A = np.zeros((400, 1, 3))
    path_A[200:206, 0, 0] = JUMP_A  # 0.12 ps
    assert find_hops(path_A, INTERVAL_PS, THRESHOLD_A).hops.sum() == 0


def test_counted_hops_of_jumping_ions_match_their_rate():
    positions_A = jumping_ions(np.random.default_rng(3), 200, 500, 0.15)
    expected = 200 * 500 * INTERVAL_PS * 6 * 0.15 / JUMP_A**2  # 200
    assert find_hops(positions_A, INTERVAL_PS, THRESHOLD_A).hops.sum() == pytest.approx(expected, rel=0.15)


def test_without_hops_the_bound_is_three_hop_lengths_squared_over_six_n_t():
    n_ions, n_frames = 13, 151
    positions_A = np.random.default_rng(0).normal(0, 0.2, size=(n_frames, n_ions, 3))
    result = measured(positions_A)
    assert result.kind == "upper_bound"
    assert result.cm2_per_s is None
    assert result.low_cm2_per_s is None
    assert result.high_cm2_per_s == pytest.approx(1e-4 * 3 * JUMP_A**2 / (6 * n_ions * 3.0), rel=2e-3)


def test_the_bound_of_few_events_is_the_poisson_limit():
    # Limits of a Poisson mean: 95 % for 0 counts, 97.5 % for 1 and 2 (Garwood's central 95 % intervals).
    for n_events, limit in ((0, 2.996), (1, 5.572), (2, 7.225)):
        assert expected_events_bound(n_events) == pytest.approx(limit, rel=1e-3)


def test_a_hop_forth_and_back_is_one_event():
    n_ions, n_frames = 10, 301
    positions_A = np.random.default_rng(0).normal(0, 0.05, size=(n_frames, n_ions, 3))
    positions_A[100:200, 0, 0] += JUMP_A
    hops = find_hops(positions_A, INTERVAL_PS, THRESHOLD_A)
    assert (hops.hops.sum(), hops.sites.sum() - n_ions) == (2, 1)
    result = diffusivity(np.zeros(n_ions), np.full(n_ions, 6.0), hops, JUMP_A)
    assert result.high_cm2_per_s == pytest.approx(1e-4 * 5.572 * JUMP_A**2 / (6 * n_ions * 6.0), rel=1e-3)


def test_bounds_hold_for_slow_ions():
    results = [measured(jumping_ions(np.random.default_rng(seed), 13, 150, 0.03)) for seed in range(60)]
    bounds = [result for result in results if result.kind == "upper_bound"]
    assert len(bounds) > 50
    assert np.mean([holds(result, 0.03) for result in bounds]) > 0.95


@pytest.mark.parametrize("hops_per_ion", [1, 4, 16])
def test_ions_that_hop_to_and_fro_get_no_value(hops_per_ion):
    positions_A = two_site_ions(np.random.default_rng(5), 12, 300, hops_per_ion)
    assert find_hops(positions_A, INTERVAL_PS, THRESHOLD_A).hops.sum() > 6
    assert measured(positions_A).kind == "upper_bound"


def test_hops_by_a_few_ions_get_an_interval_as_wide_as_few_ions_deserve():
    rng = np.random.default_rng(3)
    positions_A = rng.normal(0, RATTLING_A, (300, 40, 3))
    for ion in range(3):
        for hop in range(4):
            positions_A[30 + 10 * ion + 60 * hop :, ion, hop % 3] += JUMP_A
    result = measured(positions_A)
    assert result.high_cm2_per_s / result.cm2_per_s > 2.5


def test_an_ion_watched_twice_as_long_weighs_twice():
    mean, error = weighted_mean(np.array([1.0, 4.0]), np.array([2.0, 1.0]))
    assert mean == pytest.approx(2.0)
    assert error == pytest.approx(np.sqrt((4 / 9 * 1 + 1 / 9 * 4) * 2))


def test_pooled_runs_know_more_than_each():
    runs = [jumping_ions(np.random.default_rng(seed), 12, 300, 0.6) for seed in range(4)]
    slopes = [ion_diffusivities_A2_per_ps(mean_squared_displacement_A2(run), INTERVAL_PS) for run in runs]
    hops = [find_hops(run, INTERVAL_PS, THRESHOLD_A) for run in runs]
    pooled = diffusivity(np.concatenate(slopes), np.full(48, 5.98), Hops.pooled(hops), JUMP_A)
    widths = [single.high_cm2_per_s / single.cm2_per_s for single in map(measured, runs)]
    assert pooled.high_cm2_per_s / pooled.cm2_per_s < min(widths)
    assert pooled.cm2_per_s == pytest.approx(np.mean([measured(run).cm2_per_s for run in runs]))


def test_one_ion_alone_gets_a_bound():
    positions_A = jumping_ions(np.random.default_rng(1), 1, 1500, 1.0)
    result = measured(positions_A)
    assert result.kind == "upper_bound" and np.isfinite(result.high_cm2_per_s)


def test_conductivity_of_a_mole_per_litre_by_hand():
    # 1 mol/L of a 2+ ion with 1e-5 cm2/s at 298.15 K: sigma = z^2 F^2 c D / (R T)
    by_hand = 4 * 96485.332**2 * 1e-3 * 1e-5 / (8.314462618 * 298.15) * 1e3
    volume_A3 = 1e27 / 6.02214076e23
    assert conductivity_mS_per_cm(1e-5, 1, volume_A3, ion_charge("Mg"), 298.15) == pytest.approx(
        by_hand, rel=1e-7
    )
    assert conductivity_mS_per_cm(1e-5, 2, volume_A3, ion_charge("Al"), 298.15) == pytest.approx(
        by_hand * 2 * 9 / 4, rel=1e-7
    )
