import numpy as np
import pytest

from ionsieve.transport.cells import shape_change, without_rotation
from ionsieve.transport.dynamics import simulate

REFERENCE = np.array([[8.0, 0.0, 0.0], [1.0, 9.0, 0.0], [-2.0, 0.5, 10.0]])


def rotation(seed: int) -> np.ndarray:
    matrix = np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))[0]
    return matrix * np.sign(np.linalg.det(matrix))


def test_a_rotation_is_undone_and_a_symmetric_strain_stays():
    strain = np.eye(3) + 0.05 * np.array([[1, 0.3, -0.2], [0.3, -0.5, 0.1], [-0.2, 0.1, 0.4]])
    turned = REFERENCE @ strain @ rotation(1)
    np.testing.assert_allclose(without_rotation(turned, REFERENCE), REFERENCE @ strain, atol=1e-12)


def test_shape_change_is_blind_to_volume_and_rotation_and_measures_elongation():
    assert shape_change(1.2 * REFERENCE @ rotation(2), REFERENCE) == pytest.approx(0.0, abs=1e-12)
    assert shape_change(REFERENCE @ np.diag([1.1**2, 1 / 1.1, 1 / 1.1]), REFERENCE) == pytest.approx(0.21)


@pytest.mark.slow
def test_full_cell_npt_brings_a_strained_crystal_to_its_own_shape(argon, protocol):
    """fcc argon, 6 % too long along one axis, is cubic again; the volume alone would keep it long."""
    axes = {}
    for npt_cell in ("isotropic", "full"):
        atoms = argon(2)
        atoms.set_cell(atoms.cell.array @ np.diag([1.06, 0.97, 0.97]), scale_atoms=True)
        settings = protocol(npt_cell=npt_cell, npt_ps=12.0, nvt_ps=0.5, barostat_fs=200.0, temperature_K=20.0)
        cell = simulate(atoms, settings, np.random.default_rng(0)).trajectory.cells_A[-1]
        axes[npt_cell] = np.linalg.norm(cell, axis=1)
        cosines = (cell @ cell.T) / np.outer(axes[npt_cell], axes[npt_cell])
        np.testing.assert_allclose(cosines, np.eye(3), atol=0.02)
    assert axes["isotropic"][0] / axes["isotropic"][1] == pytest.approx(1.06 / 0.97, rel=1e-6)
    assert axes["full"].max() / axes["full"].min() < 1.02


def test_a_cell_that_shears_away_stops_the_run(argon, protocol):
    simulation = simulate(
        argon(2), protocol(npt_cell="full", max_shape_change=0.001), np.random.default_rng(0)
    )
    assert "shape changed" in simulation.stopped
    assert len(simulation.trajectory.times_ps) > 0
