"""Known random walks: does the interval hold the true diffusivity, is the bound a bound?"""

from collections.abc import Callable

import numpy as np
import pytest

from ionsieve.ions import ion_charge
from ionsieve.transport.conductivity import conductivity_mS_per_cm
from ionsieve.transport.diffusivity import Diffusivity, diffusivity, hop_bound_A2_per_ps
from ionsieve.transport.hops import ION_HOP_FRACTION, count_hops
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
    hops = count_hops(positions_A, INTERVAL_PS, THRESHOLD_A)
    return diffusivity(mean_squared_displacement_A2(positions_A), INTERVAL_PS, hops, JUMP_A)


def holds(result: Diffusivity, true_A2_per_ps: float) -> bool:
    true_cm2_per_s = true_A2_per_ps * 1e-4
    return (result.low_cm2_per_s or 0.0) <= true_cm2_per_s <= result.high_cm2_per_s


def coverage(walk: Callable[[np.random.Generator], np.ndarray], true_A2_per_ps: float, n_walks: int) -> float:
    results = [measured(walk(np.random.default_rng(seed))) for seed in range(n_walks)]
    return float(np.mean([holds(result, true_A2_per_ps) for result in results]))


def test_intervals_of_short_runs_cover_and_are_unbiased():
    results = [measured(jumping_ions(np.random.default_rng(seed), 13, 150, 0.6)) for seed in range(60)]
    assert 0.85 <= np.mean([holds(result, 0.6) for result in results]) <= 1.0
    values = [result.cm2_per_s for result in results]
    assert all(value is not None for value in values)
    assert np.mean(values) == pytest.approx(0.6e-4, rel=0.15)


@pytest.mark.slow
@pytest.mark.parametrize("true_A2_per_ps", [0.1, 0.3, 1.0])
def test_coverage_of_jumping_ions_in_a_run_of_3_ps(true_A2_per_ps):
    results = [
        measured(jumping_ions(np.random.default_rng(seed), 13, 150, true_A2_per_ps)) for seed in range(400)
    ]
    covered = np.array([holds(result, true_A2_per_ps) for result in results])
    bounds = np.array([result.kind == "upper_bound" for result in results])
    assert covered.mean() >= 0.88
    # A bound is one-sided and may hold always; an interval that does is too wide.
    if bounds.mean() < 0.5:
        assert covered[~bounds].mean() <= 0.99
    else:
        assert covered[bounds].mean() >= 0.95


@pytest.mark.slow
def test_coverage_of_brownian_ions_in_a_run_of_30_ps():
    assert 0.88 <= coverage(lambda rng: brownian_ions(rng, 16, 1500, 0.3), 0.3, 300) <= 0.99


@pytest.mark.slow
@pytest.mark.parametrize(("attempts_per_ps", "n_frames"), [(0.05, 1500), (0.5, 150)])
def test_coverage_of_a_lattice_gas_with_a_fifth_of_its_sites_empty(attempts_per_ps, n_frames):
    # Tracer correlation factor of this walk from a large lattice: D = f (1 - c) attempts a^2, c = 0.8.
    long_run = lattice_gas(np.random.default_rng(99), 8, 6000, 2.0)
    msd_A2 = mean_squared_displacement_A2(long_run).mean(axis=1)
    lags = np.arange(500, 2000)
    correlation = np.polyfit(lags * INTERVAL_PS, msd_A2[lags], 1)[0] / 6 / (0.2 * 2.0 * JUMP_A**2)
    assert 0.65 < correlation < 0.85
    true_A2_per_ps = correlation * 0.2 * attempts_per_ps * JUMP_A**2
    assert (
        0.88
        <= coverage(lambda rng: lattice_gas(rng, 3, n_frames, attempts_per_ps), true_A2_per_ps, 200)
        <= 0.99
    )


def test_rattling_alone_is_no_hop():
    positions_A = np.random.default_rng(0).normal(0, 0.4, size=(500, 20, 3))
    assert count_hops(positions_A, INTERVAL_PS, THRESHOLD_A).sum() == 0


def test_hops_are_counted_one_by_one():
    path_A = np.zeros((400, 2, 3))
    path_A[100:, 0, 0] += JUMP_A  # there,
    path_A[200:, 0, 1] += JUMP_A  # on,
    path_A[300:, 0, 1] -= JUMP_A  # and back
    path_A += np.random.default_rng(0).normal(0, RATTLING_A, path_A.shape)
    assert count_hops(path_A, INTERVAL_PS, THRESHOLD_A).tolist() == [3, 0]


def test_an_excursion_that_comes_back_at_once_is_no_hop():
    path_A = np.zeros((400, 1, 3))
    path_A[200:206, 0, 0] = JUMP_A  # 0.12 ps
    assert count_hops(path_A, INTERVAL_PS, THRESHOLD_A).sum() == 0


def test_counted_hops_of_jumping_ions_match_their_rate():
    positions_A = jumping_ions(np.random.default_rng(3), 200, 500, 0.15)
    expected = 200 * 500 * INTERVAL_PS * 6 * 0.15 / JUMP_A**2  # 200
    assert count_hops(positions_A, INTERVAL_PS, THRESHOLD_A).sum() == pytest.approx(expected, rel=0.15)


def test_without_hops_the_bound_is_three_hop_lengths_squared_over_six_n_t():
    n_ions, n_frames = 13, 151
    positions_A = np.random.default_rng(0).normal(0, 0.2, size=(n_frames, n_ions, 3))
    result = measured(positions_A)
    assert result.kind == "upper_bound"
    assert result.cm2_per_s is None
    assert result.low_cm2_per_s is None
    assert result.high_cm2_per_s == pytest.approx(1e-4 * 3 * JUMP_A**2 / (6 * n_ions * 3.0), rel=2e-3)


def test_the_bound_of_few_hops_is_the_poisson_limit():
    # 95 % limits of a Poisson mean for 0, 1, 2 counts: 3.00, 4.74, 6.30 (Particle Data Group).
    for n_hops, limit in ((0, 2.996), (1, 4.744), (2, 6.296)):
        bound = hop_bound_A2_per_ps(n_hops, 10, 3.0, 3.0)
        assert bound == pytest.approx(limit * 9.0 / (6 * 10 * 3.0), rel=1e-3)


def test_bounds_hold_for_slow_ions():
    results = [measured(jumping_ions(np.random.default_rng(seed), 13, 150, 0.03)) for seed in range(60)]
    bounds = [result for result in results if result.kind == "upper_bound"]
    assert len(bounds) > 50
    assert np.mean([holds(result, 0.03) for result in bounds]) > 0.95


def test_ions_that_hop_to_and_fro_get_no_value():
    rng = np.random.default_rng(5)
    positions_A = np.zeros((160, 10, 3))  # either of two sites, for 0.4 ps each time
    positions_A[..., 0] = JUMP_A * np.repeat(rng.integers(0, 2, size=(8, 10)), 20, axis=0)
    positions_A += rng.normal(0, RATTLING_A, positions_A.shape)
    assert count_hops(positions_A, INTERVAL_PS, THRESHOLD_A).sum() > 10
    result = measured(positions_A)
    assert result.kind == "upper_bound"


@pytest.mark.parametrize(("n_moved", "kind"), [(3, "upper_bound"), (8, "value")])
def test_a_value_rests_on_five_ions_that_moved(n_moved, kind):
    rng = np.random.default_rng(3)
    positions_A = rng.normal(0, RATTLING_A, (300, 40, 3))
    for ion in range(n_moved):
        positions_A[20 + 30 * ion :, ion, 0] += JUMP_A
        positions_A[60 + 30 * ion :, ion, 1] += JUMP_A
    assert measured(positions_A).kind == kind


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
