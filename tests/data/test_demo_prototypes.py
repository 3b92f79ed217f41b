"""Each host prototype is the crystal it is named after: composition, space group, distances, polyhedra."""

import numpy as np
import pytest
import spglib
from ase.data import atomic_numbers
from ase.neighborlist import neighbor_list
from pymatgen.core import Composition

from ionsieve.data.demo.prototypes import PROTOTYPES, build

# Reduced formula and atoms in the primitive cell of the reference compound; coordination numbers of
# ion and metal by anions.
KNOWN = {
    "O3": ("LiCoO2", 4, 6, 6),
    "P2": ("NaCoO2", 8, 6, 6),
    "1T": ("LiTiS2", 4, 6, 6),
    "spinel": ("MgAl2O4", 14, 4, 6),
    "postspinel": ("CaFe2O4", 28, 8, 6),
    "olivine": ("LiFePO4", 28, 6, 6),
    "monticellite": ("CaMgSiO4", 28, 6, 6),
    "anatase": ("LiFeO2", 8, 6, 6),
    "perovskite": ("CaMnO3", 5, 12, 6),
    "ilmenite": ("MgTiO3", 10, 6, 6),
    "dolomite": ("CaMgC2O6", 10, 6, 6),
    "wolframite": ("MgWO4", 12, 6, 6),
    "trirutile": ("ZnSn2O6", 18, 6, 6),
    "alphaV2O5": ("LiV2O5", 16, None, 5),
    "deltaV2O5": ("MgV2O5", 16, 6, 5),
    "chevrel": ("MgMo6S8", 15, None, 5),
    "tavorite": ("LiVPO4F", 16, None, 6),
    "prussian": ("KFe2C6N6", 15, None, 6),
    "FeOCl": ("LiFeOCl", 8, 4, 6),
    "chalcopyrite": ("ZnFeS2", 8, 4, 4),
    "rocksalt": ("MgO", 2, 6, None),
    "rutile": ("MgF2", 6, 6, None),
}
OXOANION_BOND_A = {"P": (1.45, 1.60), "Si": (1.55, 1.70), "C": (1.10, 1.35)}


def _reference_cell(name):
    return build(PROTOTYPES[name], PROTOTYPES[name].reference)


def _bonds(atoms, first, anions, reach=1.25):
    """Distances from atoms of one element to anions, up to a multiple of the shortest of each atom."""
    indices, partners, distances = neighbor_list("ijd", atoms, 4.5)
    chosen = (atoms.numbers[indices] == first) & np.isin(atoms.numbers[partners], anions)
    indices, distances = indices[chosen], distances[chosen]
    return [
        distances[(indices == i) & (distances < reach * distances[indices == i].min())] for i in set(indices)
    ]


def _numbers(*symbols):
    return [atomic_numbers[symbol] for symbol in symbols]


def test_every_prototype_is_listed_here():
    assert set(KNOWN) == set(PROTOTYPES)


@pytest.mark.parametrize("name", PROTOTYPES)
def test_composition_and_primitive_cell(name):
    formula, n_atoms, *_ = KNOWN[name]
    atoms = _reference_cell(name)
    assert Composition(atoms.get_chemical_formula()).reduced_composition == Composition(formula)
    assert len(atoms) == n_atoms
    cell = (atoms.cell.array, atoms.get_scaled_positions(), atoms.numbers)
    assert len(spglib.find_primitive(cell, symprec=1e-3)[2]) == n_atoms


@pytest.mark.parametrize("name", PROTOTYPES)
def test_spglib_finds_the_space_group(name):
    atoms = _reference_cell(name)
    cell = (atoms.cell.array, atoms.get_scaled_positions(), atoms.numbers)
    assert spglib.get_symmetry_dataset(cell, symprec=1e-3).number == PROTOTYPES[name].space_group


@pytest.mark.parametrize("name", PROTOTYPES)
def test_unlike_charges_bond_and_like_charges_keep_apart(name):
    """No cation-anion distance below 1.55 A (the vanadyl bond is the shortest), no other below 2.2 A."""
    atoms = _reference_cell(name)
    atoms = atoms[[symbol not in {"P", "Si", "C", "N"} for symbol in atoms.symbols]]
    anion = np.isin(atoms.numbers, _numbers("O", "F", "S", "Cl"))
    first, second, distances = neighbor_list("ijd", atoms, 3.0)
    unlike = anion[first] != anion[second]
    assert distances[unlike].min(initial=3.0) > 1.55
    assert distances[~unlike].min(initial=3.0) > 2.2


@pytest.mark.parametrize("name", [name for name in KNOWN if KNOWN[name][2] is not None])
def test_the_ion_has_its_coordination(name):
    ion = PROTOTYPES[name].reference["A"]
    bonds = _bonds(_reference_cell(name), *_numbers(ion), _numbers("O", "F", "S", "Cl"), reach=1.26)
    assert [len(distances) for distances in bonds] == [KNOWN[name][2]] * len(bonds)


@pytest.mark.parametrize("name", [name for name in KNOWN if KNOWN[name][3] is not None])
def test_the_metal_has_its_coordination(name):
    metal = PROTOTYPES[name].reference["M"]
    anions = _numbers("O", "F", "S", "Cl", "N", "C")
    # The vanadyl bond of V2O5 is 1.6 A, the others up to 2.05 A; Cl is further than O.
    bonds = _bonds(_reference_cell(name), *_numbers(metal), anions, reach=1.31)
    assert [len(distances) for distances in bonds] == [KNOWN[name][3]] * len(bonds)


@pytest.mark.parametrize(
    ("name", "neighbours"), [("olivine", 4), ("monticellite", 4), ("tavorite", 4), ("dolomite", 3)]
)
def test_oxoanions_are_whole(name, neighbours):
    centre = PROTOTYPES[name].reference["T"]
    shortest, longest = OXOANION_BOND_A[centre]
    for bonds in _bonds(_reference_cell(name), *_numbers(centre), _numbers("O")):
        assert len(bonds) == neighbours
        assert shortest < bonds.min() and bonds.max() < longest + 0.07


def test_spinel_has_its_second_origin():
    """With the first origin's symmetry operations the same coordinates make another crystal."""
    spinel = _reference_cell("spinel")
    for element, neighbours in (("Mg", 4), ("Al", 6)):
        for bonds in _bonds(spinel, *_numbers(element), _numbers("O")):
            assert len(bonds) == neighbours
            assert bonds == pytest.approx(1.92, abs=0.02)


def test_two_metals_share_the_sites_evenly():
    atoms = build(PROTOTYPES["spinel"], {"A": "Mg", "M": ("Cr", "Mn"), "X": "O"})
    assert atoms.get_chemical_formula() == "Cr2Mg2Mn2O8"


def test_the_cell_grows_with_the_anion():
    oxide = build(PROTOTYPES["spinel"], {"A": "Mg", "M": "Sc", "X": "O"})
    selenide = build(PROTOTYPES["spinel"], {"A": "Mg", "M": "Sc", "X": "Se"})
    # MgSc2Se4 is reported with a = 11.1 A: the start is within 10 %.
    assert (4 * selenide.get_volume()) ** (1 / 3) == pytest.approx(11.1, rel=0.1)
    assert selenide.get_volume() > 1.5 * oxide.get_volume()


def test_roles_must_fit_the_prototype():
    with pytest.raises(ValueError, match="roles"):
        build(PROTOTYPES["spinel"], {"A": "Mg", "M": "Cr"})
