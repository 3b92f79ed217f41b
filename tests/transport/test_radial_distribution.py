"""Radial distributions of an ideal lattice and of an ideal gas."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk

from ionsieve.transport.radial_distribution import (
    DISTANCES_A,
    EDGES_A,
    host_distances,
    order,
    radial_distribution,
)
from ionsieve.transport.trajectory import Trajectory

A_A = 5.33


def trajectory_of(atoms: Atoms, positions_A: np.ndarray) -> Trajectory:
    return Trajectory(
        times_ps=np.arange(1, len(positions_A) + 1) * 0.05,
        positions_A=positions_A,
        cells_A=np.repeat(atoms.cell.array[None], len(positions_A), axis=0),
        numbers=atoms.numbers,
        reference_frac_coords=atoms.get_scaled_positions(),
    )


def test_shells_of_an_fcc_lattice_hold_12_6_and_24_neighbours():
    atoms = bulk("Ar", cubic=True, a=A_A).repeat(4)
    g = radial_distribution(atoms.positions[None], atoms.cell.array[None])
    density_per_A3 = (len(atoms) - 1) / atoms.get_volume()
    neighbours = g * density_per_A3 * 4 / 3 * np.pi * np.diff(EDGES_A**3)
    shells = {round(float(DISTANCES_A[i]), 2): neighbours[i] for i in np.flatnonzero(neighbours > 1e-9)}
    expected = {A_A * np.sqrt(n / 2): count for n, count in ((1, 12), (2, 6), (3, 24), (4, 12))}
    for (found_A, found), (true_A, count) in zip(shells.items(), expected.items(), strict=True):
        assert found_A == pytest.approx(true_A, abs=0.051)
        assert found == pytest.approx(count)


def test_an_ideal_gas_has_no_order():
    rng = np.random.default_rng(0)
    g = radial_distribution(rng.random((20, 300, 3)) * 15, np.repeat(np.eye(3)[None] * 15, 20, axis=0))
    np.testing.assert_allclose(g[DISTANCES_A > 2], 1.0, atol=0.1)
    assert order(g) < 0.05


def test_host_distances_leave_the_ions_out_and_see_the_host_dissolve():
    atoms = bulk("Ar", cubic=True, a=A_A).repeat(3)
    atoms.numbers[::9] = 20
    rng = np.random.default_rng(1)
    solid_A = atoms.positions + rng.normal(0, 0.2, (100, len(atoms), 3))
    solid_A[:, ::9] += rng.normal(0, 5.0, (100, 12, 3))
    melting_A = solid_A.copy()
    melting_A[50:, atoms.numbers == 18] += rng.normal(0, 3.0, (1, 96, 3))
    solid = host_distances([trajectory_of(atoms, solid_A)], "Ca")
    assert order(solid.crystal) > order(solid.start) > 0.2
    assert order(solid.end) == pytest.approx(order(solid.start), rel=0.1)
    melting = host_distances([trajectory_of(atoms, melting_A)], "Ca")
    np.testing.assert_array_equal(melting.start, solid.start)
    assert order(melting.end) < 0.5 * order(melting.start)


def test_runs_are_averaged():
    atoms = bulk("Ar", cubic=True, a=A_A).repeat(2)
    rng = np.random.default_rng(2)
    runs = [trajectory_of(atoms, atoms.positions + rng.normal(0, 0.2, (30, 32, 3))) for _ in range(2)]
    both = host_distances(runs, "Ca")
    np.testing.assert_allclose(
        both.end, (host_distances(runs[:1], "Ca").end + host_distances(runs[1:], "Ca").end) / 2
    )
    assert both.table().shape == (80, 4)
