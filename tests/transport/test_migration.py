"""Hops, their saddles and the paths that they make."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.constraints import FixAtoms
from ase.geometry import find_mic
from ase.optimize import FIRE
from ase.spacegroup import crystal

from ionsieve.errors import CandidateFailed
from ionsieve.transport.migration import (
    Saddle,
    crossing_barriers_eV,
    distinct_hops,
    find_saddle,
    hop_ends,
    migration,
    migration_graph,
    supercell_for,
)
from ionsieve.transport.supercell import near_cubic_supercell, primitive_cell


def layered() -> Atoms:
    """LiCoO2."""
    return crystal(
        ["Li", "Co", "O"],
        [(0, 0, 0.5), (0, 0, 0), (0, 0, 0.26)],
        spacegroup=166,
        cellpar=[2.83, 2.83, 14.1, 90, 90, 120],
    )


def spinel() -> Atoms:
    """MgMn2O4, cubic."""
    return crystal(
        ["Mg", "Mn", "O"],
        [(1 / 8, 1 / 8, 1 / 8), (1 / 2, 1 / 2, 1 / 2), (0.2624, 0.2624, 0.2624)],
        spacegroup=227,
        setting=2,
        cellpar=[8.4, 8.4, 8.4, 90, 90, 90],
    )


def olivine() -> Atoms:
    """LiFePO4."""
    return crystal(
        ["Li", "Fe", "P", "O", "O", "O"],
        [
            (0, 0, 0),
            (0.2822, 0.25, 0.9747),
            (0.0948, 0.25, 0.4182),
            (0.0968, 0.25, 0.7428),
            (0.4571, 0.25, 0.2060),
            (0.1656, 0.0465, 0.2848),
        ],
        spacegroup=62,
        cellpar=[10.33, 6.01, 4.69, 90, 90, 90],
    )


@pytest.mark.parametrize(
    ("make", "ion", "length_A", "dimension"),
    [
        (layered, "Li", 2.83, 2),
        (spinel, "Mg", 8.4 * np.sqrt(3) / 4, 3),
        (olivine, "Li", 6.01 / 2, 1),
    ],
)
def test_known_crystals_have_one_kind_of_hop_and_their_dimension(make, ion, length_A, dimension):
    graph = migration_graph(primitive_cell(make()), ion)
    (hop,) = distinct_hops(graph)
    assert hop.length_A == pytest.approx(length_A, abs=1e-3)
    barriers_eV = crossing_barriers_eV(graph, [Saddle(hop, np.array([0.0, 0.5, 0.0]))])
    crossed = [barriers_eV[f"barrier_{d}d_eV"] for d in (1, 2, 3)]
    assert crossed == [0.5 if d <= dimension else None for d in (1, 2, 3)]


def test_the_dearer_hop_decides_in_the_dimension_that_needs_it():
    """A tetragonal lattice: along c by one hop, in the plane by another that is 0.2 A longer."""
    lattice = Atoms("Li", cell=[3.2, 3.2, 3.0], pbc=True)
    graph = migration_graph(lattice, "Li")
    along_c, in_plane = distinct_hops(graph)
    saddles = [Saddle(along_c, np.array([0.0, 0.3, 0.0])), Saddle(in_plane, np.array([0.1, 0.7, 0.0]))]
    assert crossing_barriers_eV(graph, saddles) == {
        "barrier_1d_eV": pytest.approx(0.3),
        "barrier_2d_eV": pytest.approx(0.7),
        "barrier_3d_eV": pytest.approx(0.7),
    }
    # Over the lowest of all, where an ion that crosses rests: a site, or a place between two.
    deeper = [saddles[0], Saddle(in_plane, np.array([0.1, 0.7, -0.2]))]
    assert crossing_barriers_eV(graph, deeper)["barrier_1d_eV"] == pytest.approx(0.5)
    between = [Saddle(along_c, np.array([0.0, 0.3, -0.1, 0.3, 0.0])), saddles[1]]
    assert crossing_barriers_eV(graph, between)["barrier_1d_eV"] == pytest.approx(0.4)


def test_sites_that_do_not_connect_are_a_failure_in_words():
    far = Atoms("LiO", positions=[[0, 0, 0], [4, 4, 4]], cell=[8, 8, 8], pbc=True)
    with pytest.raises(CandidateFailed, match="do not connect through the crystal by hops of up to 7 A"):
        migration_graph(far, "Li")


def test_ends_of_a_hop_differ_by_one_ion_and_keep_all_others():
    conventional = spinel()
    (hop,) = distinct_hops(migration_graph(primitive_cell(conventional), "Mg"))
    supercell = near_cubic_supercell(conventional, 50).atoms
    start, end = hop_ends(supercell, "Mg", hop)
    assert len(start) == len(end) == len(supercell) - 1
    assert start.symbols[0] == "Mg"
    np.testing.assert_array_equal(start.positions[1:], end.positions[1:])
    assert np.linalg.norm(end.positions[0] - start.positions[0]) == pytest.approx(hop.length_A)
    # Both are sites of the crystal: nothing comes closer than its shortest bond.
    for state in (start, end):
        distances_A = state.get_all_distances(mic=True)[0, 1:]
        assert distances_A.min() > 1.9


@pytest.mark.parametrize("make", [layered, spinel])
def test_the_supercell_grows_until_no_band_takes_the_way_through_the_next_cell(make):
    lattice = primitive_cell(make())
    ion = make().get_chemical_symbols()[0]
    hops = distinct_hops(migration_graph(lattice, ion))
    supercell = supercell_for(hops, lattice, min_atoms=1)
    if make is spinel:  # whose smallest supercell is 5.9 A wide
        assert len(near_cubic_supercell(lattice, 1).atoms) < len(supercell)
    for hop in hops:
        start, end = hop_ends(supercell, ion, hop)
        way_A = hop.end_A - hop.start_A
        np.testing.assert_allclose(end.positions[0] - start.positions[0], way_A)
        shortest_A, _ = find_mic(way_A, supercell.cell, pbc=True)
        np.testing.assert_allclose(shortest_A, way_A, atol=1e-9)


def test_a_crystal_without_the_ion_is_a_failure_in_words():
    with pytest.raises(CandidateFailed, match="the structure has no Mg"):
        migration_graph(layered(), "Mg")


@pytest.fixture(scope="module")
def copper() -> Atoms:
    return bulk("Cu", "fcc", a=3.61)


def test_a_band_finds_the_saddle_that_symmetry_tells(copper):
    """Halfway between two sites of fcc the ion is at the saddle; all others relax around it."""
    (hop,) = distinct_hops(migration_graph(copper, "Cu"))
    supercell = near_cubic_supercell(copper, 27).atoms
    saddle = find_saddle(supercell, EMT(), "Cu", hop, n_images=3)
    start, end = hop_ends(supercell, "Cu", hop)
    halfway = start.copy()
    halfway.positions[0] = (start.positions[0] + end.positions[0]) / 2
    halfway.set_constraint(FixAtoms([0]))
    for state in (start, halfway):
        state.calc = EMT()
        FIRE(state, logfile=None).run(fmax=0.005, steps=500)
    expected_eV = halfway.get_potential_energy() - start.get_potential_energy()
    assert saddle.failure is None
    assert saddle.summary()["barrier_eV"] == pytest.approx(expected_eV, abs=0.01)
    assert saddle.summary()["barrier_back_eV"] == pytest.approx(expected_eV, abs=0.01)


def test_a_crystal_gives_its_hops_and_crossing_barriers(copper):
    result = migration(copper, EMT(), "Cu", min_atoms=27, n_images=1)
    (hop,) = result["hops"]
    assert hop["length_A"] == pytest.approx(3.61 / np.sqrt(2))
    assert result["barrier_1d_eV"] == result["barrier_3d_eV"] == pytest.approx(hop["barrier_eV"], abs=1e-6)
    assert 0.3 < hop["barrier_eV"] < 1.0
    assert not result["barriers_are_upper_bounds"]


def test_hops_without_a_saddle_leave_upper_bounds(copper, monkeypatch):
    """Two hops, of which the dearer one's band is given no steps."""
    tetragonal = copper.copy()
    tetragonal.set_cell(copper.cell.array * [1.0, 1.0, 1.04], scale_atoms=True)
    real = find_saddle

    def second_fails(supercell, calculator, working_ion, hop, n_images):
        if hop.length_A > 3.61 / np.sqrt(2) + 0.01:
            return Saddle(hop, None, "the band did not converge in 0 steps")
        return real(supercell, calculator, working_ion, hop, n_images)

    monkeypatch.setattr("ionsieve.transport.migration.find_saddle", second_fails)
    result = migration(tetragonal, EMT(), "Cu", min_atoms=27, n_images=1)
    assert [hop["barrier_eV"] is None for hop in result["hops"]] == [False, True]
    assert result["barriers_are_upper_bounds"]
    assert result["barrier_2d_eV"] is not None
    assert result["barrier_3d_eV"] is None
