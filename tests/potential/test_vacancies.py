import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.geometry import find_mic

from ionsieve.potential.vacancies import BEND_A, number_to_remove, remove_ions, start_hop

A = 5.41


def test_the_set_share_of_ions_leaves_and_the_seed_says_which(alloy):
    cell = alloy.repeat((2, 2, 2))
    hosts = [remove_ions(cell, "Au", 0.25, np.random.default_rng(seed)) for seed in (0, 0, 1)]
    assert [np.sum(host.symbols == "Au") for host in hosts] == [12] * 3
    assert all(np.sum(host.symbols == "Cu") == 16 for host in hosts)
    np.testing.assert_array_equal(hosts[0].positions, hosts[1].positions)
    assert not np.array_equal(hosts[0].positions, hosts[2].positions)


@pytest.mark.parametrize("fraction, left", [(0.0, 2), (0.01, 1), (0.99, 1)])
def test_some_ion_leaves_if_any_may_and_one_always_stays(alloy, fraction, left):
    assert np.sum(remove_ions(alloy, "Au", fraction, np.random.default_rng(0)).symbols == "Au") == left


def test_a_lone_ion_stays():
    assert number_to_remove(bulk("Au"), "Au", 0.5) == 0


@pytest.fixture
def zinc_blende() -> Atoms:
    """Zn in every second tetrahedron of an fcc lattice of S; neighbours share an edge of S atoms."""
    return bulk("ZnS", "zincblende", a=A, cubic=True).repeat(2)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("along", [0.2, 0.5])
def test_an_ion_on_its_way_is_that_far_along_and_bends_around_anions(zinc_blende, along, seed):
    """The straight way to the next tetrahedron leads through the middle of two anions, 1.91 A from both."""
    host, ion, direction = start_hop(zinc_blende, "Zn", 0.03, along, np.random.default_rng(seed))
    assert host.symbols[ion] == "Zn" and len(host) == len(zinc_blende) - 1
    place_A = host.positions[ion]
    sites_A = zinc_blende.positions[zinc_blende.symbols == "Zn"]
    moved_A, _ = find_mic(place_A - sites_A, host.cell, pbc=True)
    full = np.delete(host.positions, ion, axis=0)
    empty = np.linalg.norm(sites_A[:, None] - full[None], axis=2).min(axis=1) > 1e-9
    assert empty.sum() == 2  # the ion's own site and the vacancy
    assert sorted(moved_A[empty] @ direction) == pytest.approx([(along - 1) * A / 2**0.5, along * A / 2**0.5])
    on_the_line_A = sites_A[empty] + along * A / 2**0.5 * direction
    reach_A = [find_mic(full - point, host.cell, pbc=True)[1].min() for point in (*on_the_line_A, place_A)]
    assert reach_A[2] > min(reach_A[:2]) + 0.1
    across_A = moved_A[empty][0] - (moved_A[empty][0] @ direction) * direction
    assert np.linalg.norm(across_A) <= BEND_A + 1e-9


def test_all_but_the_hopping_ion_and_the_vacancies_are_where_they_were(zinc_blende):
    host, ion, _ = start_hop(zinc_blende, "Zn", 0.2, 0.4, np.random.default_rng(0))
    assert np.sum(host.symbols == "Zn") == 26
    others_A = np.delete(host.positions, ion, axis=0)
    assert np.linalg.norm(others_A[:, None] - zinc_blende.positions[None], axis=2).min(axis=1).max() == 0
