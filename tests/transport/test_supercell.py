import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.geometry import get_distances
from ase.spacegroup import crystal

from ionsieve.errors import CandidateFailed
from ionsieve.transport.seeding import generator
from ionsieve.transport.supercell import (
    CUTOFF_A,
    NEAR_CUBIC,
    near_cubic_supercell,
    nearest_site_distance_A,
    simulation_cell,
    with_vacancies,
)


@pytest.fixture
def spinel() -> Atoms:
    return crystal(
        ["Mg", "Sc", "Se"],
        [(1 / 8,) * 3, (1 / 2,) * 3, (0.2585,) * 3],
        spacegroup=227,
        setting=2,
        cellpar=[11.1, 11.1, 11.1, 90, 90, 90],
    )


@pytest.fixture
def layered() -> Atoms:
    return crystal(
        ["Mg", "Ti", "S"],
        [(0, 0, 0.5), (0, 0, 0), (1 / 3, 2 / 3, 0.24)],
        spacegroup=164,
        cellpar=[3.45, 3.45, 6.1, 90, 90, 120],
    )


@pytest.fixture
def rock_salt() -> Atoms:
    return bulk("MgO", "rocksalt", a=4.21)


def test_spinel_of_at_least_100_atoms_is_eight_primitive_cells(spinel):
    supercell = near_cubic_supercell(spinel, 100)
    assert supercell.atoms.get_chemical_formula() == "Mg16Sc32Se64"
    # Twice the height of the fcc primitive cell, a / sqrt(3).
    assert supercell.height_A == pytest.approx(2 * 11.1 / np.sqrt(3))


def test_rock_salt_of_64_atoms_is_the_doubled_cube_whatever_cell_it_came_in(rock_salt):
    for atoms in (rock_salt, bulk("MgO", "rocksalt", a=4.21, cubic=True)):
        supercell = near_cubic_supercell(atoms, 64)
        assert len(supercell.atoms) == 64
        assert supercell.height_A == pytest.approx(2 * 4.21)


@pytest.mark.parametrize("min_atoms", [8, 30, 100, 200])
@pytest.mark.parametrize("name", ["spinel", "layered", "rock_salt"])
def test_supercells_are_near_cubic_large_enough_and_not_much_larger(name, min_atoms, request):
    unit = request.getfixturevalue(name)
    supercell = near_cubic_supercell(unit, min_atoms)
    atoms = supercell.atoms
    assert len(atoms) >= min_atoms
    assert len(atoms) <= max(1.5 * min_atoms + 14, 60)
    assert supercell.height_A > CUTOFF_A
    assert supercell.height_A / atoms.get_volume() ** (1 / 3) >= NEAR_CUBIC


@pytest.mark.parametrize("name", ["spinel", "layered", "rock_salt"])
def test_a_supercell_is_the_same_crystal(name, request):
    unit = request.getfixturevalue(name)
    atoms = near_cubic_supercell(unit, 100).atoms
    assert atoms.get_volume() / len(atoms) == pytest.approx(unit.get_volume() / len(unit))
    assert np.linalg.det(atoms.cell.array) > 0
    assert nearest_site_distance_A(atoms, {12}) == pytest.approx(
        nearest_site_distance_A(unit, {12}), abs=1e-6
    )
    assert nearest_site_distance_A(atoms) == pytest.approx(nearest_site_distance_A(unit), abs=1e-6)


def test_nearest_site_distance_counts_images_and_agrees_with_ase(rock_salt):
    assert nearest_site_distance_A(rock_salt, {12}) == pytest.approx(4.21 / np.sqrt(2))
    atoms = near_cubic_supercell(rock_salt, 64).atoms
    _, distances = get_distances(atoms.positions, cell=atoms.cell, pbc=True)
    assert nearest_site_distance_A(atoms) == pytest.approx(distances[distances > 0].min())


def test_a_fifth_of_the_ions_goes_and_the_host_stays(spinel):
    cell = simulation_cell(spinel, "Mg", 100, 0.2, seed=0, material_id="spinel")
    assert cell.atoms.get_chemical_formula() == "Mg13Sc32Se64"
    assert (cell.n_ions, cell.n_vacancies) == (13, 3)
    assert cell.hop_distance_A == pytest.approx(11.1 * np.sqrt(3) / 4)


def test_vacancies_depend_on_seed_and_material_alone(spinel):
    supercell = near_cubic_supercell(spinel, 100).atoms

    def ions(seed: int, material_id: str) -> np.ndarray:
        atoms = with_vacancies(supercell, "Mg", 0.2, seed, material_id)
        return atoms.positions[atoms.numbers == 12]

    assert np.array_equal(ions(0, "a"), ions(0, "a"))
    assert not np.array_equal(ions(0, "a"), ions(1, "a"))
    assert not np.array_equal(ions(0, "a"), ions(0, "b"))


def test_at_least_one_ion_goes_where_vacancies_are_asked_for_and_none_where_not(rock_salt):
    four_ions = rock_salt.repeat((4, 1, 1))
    assert (with_vacancies(four_ions, "Mg", 0.01, 0, "x").numbers == 12).sum() == 3
    assert (with_vacancies(four_ions, "Mg", 0.0, 0, "x").numbers == 12).sum() == 4


def test_a_cell_that_would_lose_its_last_ion_fails(rock_salt):
    with pytest.raises(CandidateFailed, match="leave none to move"):
        with_vacancies(rock_salt, "Mg", 0.2, 0, "x")


def test_a_crystal_without_the_ion_or_without_a_host_fails(rock_salt):
    with pytest.raises(CandidateFailed, match="has no Li"):
        with_vacancies(rock_salt, "Li", 0.2, 0, "x")
    with pytest.raises(CandidateFailed, match="Mg alone"):
        with_vacancies(bulk("Mg").repeat(3), "Mg", 0.2, 0, "x")


def test_generators_differ_by_purpose():
    assert generator(0, "a", "bc").random() != generator(0, "ab", "c").random()
    assert generator(0, "a").random() == generator(0, "a").random()


def test_each_replica_has_vacancies_of_its_own_and_the_first_those_of_a_run_alone(spinel):
    supercell = near_cubic_supercell(spinel, 100).atoms
    kept = [with_vacancies(supercell, "Mg", 0.2, 0, "x", replica).positions for replica in range(3)]
    assert np.array_equal(kept[0], with_vacancies(supercell, "Mg", 0.2, 0, "x").positions)
    assert len({positions.tobytes() for positions in kept}) == 3
    assert len({positions.shape for positions in kept}) == 1


def test_a_supercell_has_the_energy_the_forces_and_the_stress_of_its_crystal(lennard_jones):
    small = bulk("Ar", cubic=True, a=5.3).repeat(2)
    small.rattle(0.1, seed=0)
    large = small.repeat((2, 1, 1))
    for atoms in (small, large):
        atoms.calc = lennard_jones()
    assert large.get_potential_energy() == pytest.approx(2 * small.get_potential_energy())
    np.testing.assert_allclose(large.get_forces(), np.tile(small.get_forces(), (2, 1)), atol=1e-10)
    np.testing.assert_allclose(large.get_stress(), small.get_stress(), atol=1e-12)


def test_a_near_cubic_supercell_keeps_density_composition_and_energy_per_atom(lennard_jones):
    crystal_ = bulk("Ar", a=5.3)
    crystal_.calc = lennard_jones()
    supercell = near_cubic_supercell(crystal_, 40).atoms
    supercell.calc = lennard_jones()
    assert supercell.get_volume() / len(supercell) == pytest.approx(crystal_.get_volume())
    assert supercell.get_potential_energy() / len(supercell) == pytest.approx(crystal_.get_potential_energy())
    assert np.abs(supercell.get_forces()).max() < 1e-9
