"""Walks on lines, in planes and in space, in crystals whose symmetry is known."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, make_supercell
from ase.spacegroup import crystal

from ionsieve.transport.anisotropy import Anisotropy, CrystalFrame, anisotropy, diffusion_tensors_A2_per_ps
from ionsieve.transport.diffusivity import fit_lags, ion_diffusivities_A2_per_ps
from ionsieve.transport.msd import displacement_covariance_A2, mean_squared_displacement_A2

INTERVAL_PS = 0.02
REPEATED = [[1, 1, 0], [0, 1, 0], [1, 0, 1]]


@pytest.fixture(scope="module")
def rutile() -> Atoms:
    """Tetragonal: c is the third axis of the conventional cell."""
    return crystal(
        ["Ti", "O"], [(0, 0, 0), (0.305, 0.305, 0)], spacegroup=136, cellpar=[4.6, 4.6, 2.95, 90, 90, 90]
    )


@pytest.fixture(scope="module")
def layered() -> Atoms:
    return crystal(
        ["Mg", "Ti", "S"],
        [(0, 0, 0.5), (0, 0, 0), (1 / 3, 2 / 3, 0.24)],
        spacegroup=164,
        cellpar=[3.45, 3.45, 6.1, 90, 90, 120],
    )


def walk(seed: int, by_axis_A2_per_ps: tuple[float, float, float], n_ions: int = 20) -> np.ndarray:
    """Brownian ions that rattle, with a diffusivity of their own along x, y and z; shape (F, N, 3)."""
    rng = np.random.default_rng((23, seed))
    steps = rng.normal(size=(300, n_ions, 3)) * np.sqrt(2 * np.array(by_axis_A2_per_ps) * INTERVAL_PS)
    return steps.cumsum(axis=0) + rng.normal(0, 0.2, steps.shape)


def measured(positions_A: np.ndarray, atoms: Atoms) -> Anisotropy:
    lags = fit_lags(len(positions_A), INTERVAL_PS)
    tensors = diffusion_tensors_A2_per_ps(displacement_covariance_A2(positions_A), lags, INTERVAL_PS)
    return anisotropy(tensors, np.full(len(tensors), 6.0), CrystalFrame.of(atoms))


def test_the_trace_of_the_covariance_is_the_msd_and_a_third_of_the_tensors_is_d():
    positions_A = walk(0, (1.0, 2.0, 3.0), n_ions=4)
    covariance_A2, msd_A2 = displacement_covariance_A2(positions_A), mean_squared_displacement_A2(positions_A)
    np.testing.assert_allclose(np.trace(covariance_A2, axis1=2, axis2=3), msd_A2, atol=1e-9)
    tensors = diffusion_tensors_A2_per_ps(covariance_A2, fit_lags(300, INTERVAL_PS), INTERVAL_PS)
    np.testing.assert_allclose(
        np.trace(tensors, axis1=1, axis2=2) / 3, ion_diffusivities_A2_per_ps(msd_A2, INTERVAL_PS)
    )


def test_covariance_equals_the_direct_sum_over_time_origins():
    positions_A = np.random.default_rng(1).normal(size=(40, 3, 3)).cumsum(axis=0) + 20.0
    covariance_A2 = displacement_covariance_A2(positions_A)
    for lag in (1, 7, 39):
        moved_A = positions_A[lag:] - positions_A[:-lag]
        direct = np.einsum("fna,fnb->nab", moved_A, moved_A) / len(moved_A)
        np.testing.assert_allclose(covariance_A2[lag], direct, atol=1e-9)


def test_a_walk_in_the_layers_has_its_slow_axis_along_c_and_no_upper_end_of_the_ratio(layered):
    result = measured(walk(2, (2.0, 2.0, 0.0)), layered)
    in_plane, across, slow = result.diffusivities_cm2_per_s
    assert in_plane == pytest.approx(across) and in_plane == pytest.approx(2e-4, rel=0.25)
    assert abs(slow) < 3e-6
    assert result.directions[2] == (0.0, 0.0, 1.0)
    assert result.directions[0] == (1.0, 0.0, 0.0)
    assert result.p_isotropic < 1e-3
    assert result.ratio_low > 30
    assert result.dimensions == pytest.approx(2.0, rel=0.05)


def test_a_walk_along_the_channels_has_its_fast_axis_along_c(rutile):
    result = measured(walk(3, (0.0, 0.0, 3.0)), rutile)
    assert result.directions[0] == (0.0, 0.0, 1.0)
    assert result.diffusivities_cm2_per_s[0] == pytest.approx(3e-4, rel=0.35)
    assert result.dimensions == pytest.approx(1.0, rel=0.05)


def test_axes_are_those_of_the_conventional_cell_however_the_crystal_lies(layered):
    turned = make_supercell(layered, REPEATED)
    turned.rotate(37, (1, 2, 3), rotate_cell=True)
    rotation = np.linalg.solve(np.array(REPEATED) @ layered.cell.array, turned.cell.array)
    result = measured(walk(4, (2.0, 2.0, 0.2)) @ rotation, turned)
    assert np.abs(result.directions[2]).tolist() == [0.0, 0.0, 1.0]
    straight = measured(walk(4, (2.0, 2.0, 0.2)), layered)
    assert result.diffusivities_cm2_per_s == pytest.approx(straight.diffusivities_cm2_per_s)


def test_a_cubic_crystal_is_isotropic_by_symmetry():
    result = measured(walk(5, (1.0, 3.0, 0.5)), bulk("MgO", "rocksalt", a=4.21))
    assert max(result.diffusivities_cm2_per_s) == pytest.approx(min(result.diffusivities_cm2_per_s))
    assert (result.p_isotropic, result.ratio) == (1.0, None)
    assert result.directions == ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))


def test_a_crystal_without_symmetry_keeps_its_tensor():
    rng = np.random.default_rng(6)
    odd = Atoms("MgTiO2", scaled_positions=rng.random((4, 3)), cell=[4.0, 5.1, 6.3, 80, 95, 103], pbc=True)
    assert CrystalFrame.of(odd).anisotropies.shape == (5, 3, 3)
    result = measured(walk(6, (3.0, 1.0, 0.2), n_ions=60), odd)
    assert result.diffusivities_cm2_per_s == pytest.approx((3e-4, 1e-4, 0.2e-4), rel=0.35)


def test_a_single_ion_has_no_scatter_and_so_no_tensor(rutile):
    assert measured(walk(7, (1.0, 1.0, 1.0), n_ions=1), rutile) is None


@pytest.mark.slow
def test_isotropic_ions_are_seldom_called_anisotropic_and_ratios_cover(rutile, layered):
    isotropic = [measured(walk(seed, (1.0, 1.0, 1.0), 12), layered) for seed in range(500)]
    assert 0.02 <= np.mean([result.ratio_low is not None for result in isotropic]) <= 0.08
    skewed = [measured(walk(seed, (1.0, 1.0, 4.0), 12), rutile) for seed in range(500)]
    stated = [result for result in skewed if result.ratio_low is not None]
    assert len(stated) > 400  # the others are not told from isotropic
    assert 0.92 <= np.mean([r.ratio_low <= 4.0 <= (r.ratio_high or np.inf) for r in stated]) <= 0.985
