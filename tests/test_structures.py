"""Crystals survive the trip through table columns, and damaged ones are refused by name."""

import numpy as np
import pytest
from crystals import rock_salt
from hypothesis import given, settings
from hypothesis import strategies as st
from pymatgen.core import Lattice, Structure

from ionsieve import structures
from ionsieve.structures import DamagedStructure


@pytest.fixture
def rock_salt_mgo() -> Structure:
    return rock_salt("Mg", "O", 4.21)


def test_crystal_survives_the_round_trip_through_columns(rock_salt_mgo):
    back = structures.to_structure(structures.to_columns(rock_salt_mgo))
    assert back.composition == rock_salt_mgo.composition
    assert np.allclose(back.distance_matrix, rock_salt_mgo.distance_matrix)


def test_atoms_and_structure_give_the_same_columns(rock_salt_mgo):
    from_atoms = structures.to_columns(structures.to_atoms(structures.to_columns(rock_salt_mgo)))
    from_structure = structures.to_columns(rock_salt_mgo)
    assert from_atoms["numbers"] == from_structure["numbers"]
    assert np.allclose(from_atoms["frac_coords"], from_structure["frac_coords"])


def test_volume_of_a_cube():
    assert structures.volume_A3(np.diag([2.0, 3.0, 4.0]).ravel()) == pytest.approx(24.0)


def test_a_sound_crystal_passes(rock_salt_mgo):
    structures.check(structures.to_columns(rock_salt_mgo), "Mg")


def _broken(structure: Structure, **changes) -> dict:
    return structures.to_columns(structure) | changes


def test_overlapping_atoms_are_named_with_their_distance(rock_salt_mgo):
    columns = structures.to_columns(rock_salt_mgo)
    columns["frac_coords"][3:6] = [0.05, 0.0, 0.0]
    with pytest.raises(DamagedStructure, match=r"overlapping atoms: \w+-\w+ at 0\.\d\d A"):
        structures.check(columns, "Mg")


def test_atoms_that_overlap_across_the_cell_border_are_found(rock_salt_mgo):
    columns = structures.to_columns(rock_salt_mgo)
    columns["frac_coords"][3:6] = [0.98, 0.99, 0.99]
    with pytest.raises(DamagedStructure, match="overlapping"):
        structures.check(columns, "Mg")


def test_one_atom_on_its_own_image_is_refused():
    with pytest.raises(DamagedStructure, match="too small|overlapping"):
        structures.check(
            {"numbers": [12], "cell": np.eye(3).ravel() * 0.9, "frac_coords": [0.0, 0.0, 0.0]}, "Mg"
        )


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"numbers": [], "frac_coords": []}, "no atoms"),
        ({"frac_coords": [0.0, 0.0]}, "coordinate numbers"),
        ({"cell": [float("nan")] * 9}, "not finite"),
        ({"cell": [0.0] * 9}, "too small"),
        ({"cell": np.diag([1e-5, 1e4, 1e4]).ravel()}, "cell axis of 1e-05 A"),
        ({"cell": np.diag([1e6, 1e6, 1e6]).ravel()}, "too large for 8 atoms"),
        ({"frac_coords": [1e9] * 24}, "fractional coordinate of 1e"),
    ],
)
def test_each_damage_has_its_reason(rock_salt_mgo, changes, reason):
    with pytest.raises(DamagedStructure, match=reason):
        structures.check(_broken(rock_salt_mgo, **changes), "Mg")


def test_unknown_element_is_refused(rock_salt_mgo):
    columns = structures.to_columns(rock_salt_mgo)
    columns["numbers"][0] = 130
    with pytest.raises(DamagedStructure, match="unknown element"):
        structures.check(columns, "Mg")


def test_missing_working_ion_is_named(rock_salt_mgo):
    with pytest.raises(DamagedStructure, match="contains no Li"):
        structures.check(structures.to_columns(rock_salt_mgo), "Li")


def test_hydrogen_bonds_are_no_overlap():
    water_like = Structure(Lattice.cubic(5.0), ["O", "H", "Mg"], [[0, 0, 0], [0.19, 0, 0], [0.5, 0.5, 0.5]])
    structures.check(structures.to_columns(water_like), "Mg")


def test_partial_occupancies_are_refused():
    disordered = Structure(Lattice.cubic(4.2), [{"Mg": 0.5, "Zn": 0.5}, "O"], [[0, 0, 0], [0.5, 0.5, 0.5]])
    with pytest.raises(DamagedStructure, match="partial occupancies"):
        structures.reject_disorder(disordered)


@settings(deadline=None, max_examples=60)
@given(
    numbers=st.lists(st.integers(-5, 140), max_size=6),
    cell=st.lists(st.floats(-20, 20) | st.just(float("nan")), min_size=9, max_size=9),
    seed=st.integers(0, 100),
)
def test_whatever_comes_in_either_passes_or_is_refused_with_a_reason(numbers, cell, seed):
    frac_coords = np.random.default_rng(seed).random(3 * len(numbers)).tolist()
    try:
        structures.check({"numbers": numbers, "cell": cell, "frac_coords": frac_coords}, None)
    except DamagedStructure as damage:
        assert str(damage)
