"""Lennard-Jones argon with one atom in nine called calcium, the ion: crystal, melt, and what lies between."""

import numpy as np
import pytest

from ionsieve.errors import CandidateFailed
from ionsieve.transport.analysis import displacements, motion_of, transport_of
from ionsieve.transport.anisotropy import CrystalFrame
from ionsieve.transport.dynamics import simulate
from ionsieve.transport.host import host_state
from ionsieve.transport.radial_distribution import order
from ionsieve.transport.trajectory import Trajectory

SPACING_A = 5.3 / np.sqrt(2)


@pytest.fixture(scope="module")
def crystal_sites() -> np.ndarray:
    from ase.build import bulk

    return bulk("Ar", cubic=True, a=5.3).repeat(3).positions


def trajectory_of(positions_A: np.ndarray, sites_A: np.ndarray) -> Trajectory:
    numbers = np.full(len(sites_A), 18)
    numbers[::9] = 20
    cell = np.eye(3) * 5.3 * 3
    return Trajectory(
        times_ps=np.arange(1, len(positions_A) + 1) * 0.05,
        positions_A=positions_A,
        cells_A=np.repeat(cell[None], len(positions_A), axis=0),
        numbers=numbers,
        reference_frac_coords=sites_A @ np.linalg.inv(cell),
    )


def rattling(sites_A: np.ndarray, n_frames: int = 100) -> np.ndarray:
    return sites_A + np.random.default_rng(0).normal(0, 0.3, (n_frames, *sites_A.shape))


def test_a_solid_keeps_its_host_and_a_melt_is_flagged(argon, protocol):
    solid = simulate(argon(3), protocol(temperature_K=40.0, npt_ps=0.5, nvt_ps=3.0), np.random.default_rng(0))
    moved = displacements([solid.trajectory], "Ca", SPACING_A)
    assert moved.host.failure is None
    assert moved.host.sites_kept > 0.95
    assert moved.host.lindemann < 0.15
    hot = protocol(temperature_K=500.0, npt_ps=2.0, nvt_ps=4.0, pressure_GPa=0.5)
    melt = simulate(argon(3), hot, np.random.default_rng(0))
    assert melt.stopped is None
    order_of_crystal = order(moved.host_distances.end)
    moved = displacements([melt.trajectory], "Ca", SPACING_A)
    assert moved.host.failure[0] == "host_melted"
    assert order(moved.host_distances.end) < 0.4 * order_of_crystal
    assert motion_of(moved, 12, melt.trajectory.volume_A3)["host"]["diffusivity_cm2_per_s"] > 1e-5
    with pytest.raises(CandidateFailed, match="melted") as failure:
        transport_of(moved, "Ca", 500.0, 12, melt.trajectory.volume_A3, SPACING_A, CrystalFrame.of(argon(1)))
    assert failure.value.status == "host_melted"


def test_a_rattling_crystal_holds_even_while_it_drifts(crystal_sites):
    drift = np.linspace(0, 20, 100)[:, None, None] * np.array([1.0, 0.5, 0.0])
    trajectory = trajectory_of(rattling(crystal_sites), crystal_sites)
    drifting = trajectory_of(rattling(crystal_sites) + drift, crystal_sites)
    ions = trajectory.numbers == 20
    assert host_state(trajectory, trajectory.positions_A, "Ca").failure is None
    moved = displacements([drifting], "Ca", SPACING_A)
    assert moved.host.failure is None
    assert moved.host.sites_kept == 1.0
    assert moved.hops.hops.tolist() == [0] * ions.sum()


def test_lindemann_is_the_vibration_over_the_spacing(crystal_sites):
    trajectory = trajectory_of(rattling(crystal_sites), crystal_sites)
    state = host_state(trajectory, trajectory.positions_A, "Ca")
    assert state.lindemann == pytest.approx(0.3 * np.sqrt(3) / SPACING_A, rel=0.02)


def test_host_atoms_that_swap_sites_diffuse_but_do_not_melt(crystal_sites):
    positions_A = rattling(crystal_sites)
    host = np.flatnonzero(trajectory_of(positions_A, crystal_sites).numbers == 18)
    ring = host[:30]  # a third of the host moves on to the next one's site
    positions_A[50:, ring] += (np.roll(crystal_sites[ring], -1, axis=0) - crystal_sites[ring])[None]
    trajectory = trajectory_of(positions_A, crystal_sites)
    state = host_state(trajectory, trajectory.positions_A, "Ca")
    assert state.sites_kept == 1.0
    assert state.mobile_elements == ("Ar",)
    assert state.failure[0] == "host_diffusing"


def test_ions_that_move_are_not_held_against_the_host(crystal_sites):
    positions_A = rattling(crystal_sites)
    positions_A[50:, ::9] += 4.0
    trajectory = trajectory_of(positions_A, crystal_sites)
    assert host_state(trajectory, trajectory.positions_A, "Ca").failure is None
