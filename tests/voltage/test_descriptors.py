"""Descriptors against crystals whose charges, bonds and Madelung energies are known."""

import numpy as np
import pandas as pd
import pytest
from pymatgen.core import Composition, Lattice, Structure

from ionsieve.electrochemistry import formal_charges
from ionsieve.structures import to_columns
from ionsieve.voltage.descriptors import GROUPS, describe, descriptor_names

COULOMB_EV_A = 14.399645  # e^2 / (4 pi eps0)
MADELUNG_ROCKSALT = 1.747565


def descriptors_of(structure: Structure, ion: str) -> pd.Series:
    return describe(pd.DataFrame([to_columns(structure)]), [ion]).iloc[0]


@pytest.mark.parametrize(
    ("formula", "ion", "taker", "discharged", "step"),
    [
        ("LiCoO2", "Li", "Co", 3.0, 1.0),
        ("LiFePO4", "Li", "Fe", 2.0, 1.0),
        ("MgMn2O4", "Mg", "Mn", 3.0, 1.0),
        ("Mg2Mo3S8", "Mg", "Mo", 4.0, 4.0 / 3.0),
        ("Na3V2P3O12", "Na", "V", 3.0, 1.5),
        ("LiMnO2", "Li", "Mn", 3.0, 1.0),
        ("MgO", "Mg", "O", -2.0, 2.0),  # no metal can give the electrons
    ],
)
def test_the_element_that_gives_the_electrons_and_its_states(formula, ion, taker, discharged, step):
    host = {element.symbol: amount for element, amount in Composition(formula).items()}
    n_ions = host.pop(ion)
    charges = formal_charges(host, n_ions, ion)
    assert charges.takers == (taker,)
    assert charges.discharged[taker] == pytest.approx(discharged)
    assert charges.step == pytest.approx(step)
    neutral = sum(charges.discharged[symbol] * host[symbol] for symbol in host)
    assert neutral == pytest.approx(-n_ions * {"Li": 1, "Na": 1, "Mg": 2}[ion])


def test_the_electrostatic_energy_is_that_of_madelung(rocksalt_mgo):
    """MgO as Mg2+ O2-: -4 M e^2 / (4 pi eps0 r) per formula unit; emptied it is a lattice of neutral O."""
    expected_eV = -4.0 * MADELUNG_ROCKSALT * COULOMB_EV_A / (4.21 / 2)
    values = descriptors_of(rocksalt_mgo, "Mg")
    assert values["electrostatic_full_eV_per_site"] == pytest.approx(expected_eV / 2, rel=1e-4)
    assert values["electrostatic_emptied_eV_per_site"] == pytest.approx(0.0, abs=1e-4)
    assert values["electrostatic_extraction_eV_per_charge"] == pytest.approx(-expected_eV / 2, rel=1e-4)
    # The potential at a site is 2 E per site over its charge.
    assert values["electrostatic_ion_full_V"] == pytest.approx(expected_eV / 2, rel=1e-4)
    assert values["electrostatic_anion_full_V"] == pytest.approx(-expected_eV / 2, rel=1e-4)


def test_bonds_of_rocksalt(rocksalt_mgo):
    values = descriptors_of(rocksalt_mgo, "Mg")
    assert values["bonding_ion_coordination"] == 6
    assert values["bonding_ion_nearest_A"] == pytest.approx(2.105)
    assert values["bonding_ion_valence"] == pytest.approx(2.0, abs=0.2)
    assert values["bonding_anion_valence"] == pytest.approx(-values["bonding_ion_valence"])
    assert values["distance_ion_anion_min_A"] == pytest.approx(2.105)
    assert values["distance_volume_per_site_A3"] == pytest.approx(4.21**3 / 8, abs=5e-4)


@pytest.mark.parametrize("ion", ["Li", "Mg"])
def test_descriptors_do_not_depend_on_how_a_crystal_is_written(layered_lioco, ion):
    """Nor on the size of the cell."""
    layered_lioco = layered_lioco.copy()
    layered_lioco.replace_species({"Li": ion})
    here = descriptors_of(layered_lioco, ion)
    shifted = layered_lioco.copy()
    shifted.translate_sites(range(len(shifted)), [0.13, 0.27, 0.41])
    backwards = Structure.from_sites(list(reversed(shifted)))
    larger = layered_lioco * (2, 1, 2)
    for other in (shifted, backwards, larger):
        there = descriptors_of(other, ion)
        pd.testing.assert_series_equal(there, here, rtol=1e-6, atol=1.1e-3)


def test_every_crystal_has_the_same_columns_in_named_groups(rocksalt_mgo, layered_lioco):
    table = pd.concat([descriptors_of(rocksalt_mgo, "Mg"), descriptors_of(layered_lioco, "Li")], axis=1)
    assert tuple(table.index) == descriptor_names()
    assert {name.split("_")[0] for name in descriptor_names()} == set(GROUPS)
    assert len(set(descriptor_names())) == len(descriptor_names())


@pytest.mark.parametrize(
    "structure",
    [
        Structure(Lattice.cubic(60.0), ["Mg", "O"], [[0, 0, 0], [0.5, 0.5, 0.5]]),
        Structure(Lattice.cubic(3.0), ["Mg", "Og"], [[0, 0, 0], [0.5, 0.5, 0.5]]),
        Structure(Lattice.cubic(3.0), ["Mg", "Po"], [[0, 0, 0], [0.5, 0.5, 0.5]]),
        Structure(Lattice.cubic(3.2), ["Mg", "Ag"], [[0, 0, 0], [0.5, 0.5, 0.5]]),
    ],
    ids=["gas", "element without data", "one polonium", "alloy"],
)
def test_strange_crystals_have_finite_descriptors(structure):
    assert np.isfinite(descriptors_of(structure, "Mg")).all()
