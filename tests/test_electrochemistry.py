"""Capacities, voltages and redox limits against published and hand-computed values."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymatgen.core import Composition

from ionsieve import units
from ionsieve.electrochemistry import (
    average_voltage,
    framework_formula,
    gravimetric_capacity,
    redox_limited_ions,
    volumetric_capacity,
)
from ionsieve.ions import WORKING_IONS, ion_charge


def test_lithium_iron_phosphate_holds_170_mAh_per_g():
    assert gravimetric_capacity(1, "Li", Composition("LiFePO4").weight) == pytest.approx(169.9, abs=0.1)


def test_lithium_cobalt_oxide_holds_274_mAh_per_g():
    assert gravimetric_capacity(1, "Li", Composition("LiCoO2").weight) == pytest.approx(273.8, abs=0.1)


def test_volumetric_capacity_of_one_electron_per_cubic_angstrom():
    assert volumetric_capacity(1, "Li", 1.0) == pytest.approx(44504.9, abs=0.1)


def test_both_capacities_agree_through_the_density():
    composition, volume_A3 = Composition("Mg2Mn4O8"), 150.0
    density_g_per_mL = composition.weight / volume_A3 * 1e24 / units.AVOGADRO_PER_MOL
    expected = gravimetric_capacity(2, "Mg", composition.weight) * density_g_per_mL
    assert volumetric_capacity(2, "Mg", volume_A3) == pytest.approx(expected, rel=1e-9)


def test_voltage_of_a_divalent_ion_counts_two_electrons():
    # 2 Mg leave: E(charged) + 2 E(metal) - E(discharged) = 12 eV over 4 electrons.
    assert average_voltage(-20.0, -1.5, -35.0, 2, "Mg") == pytest.approx(3.0)


def test_a_host_that_gains_nothing_from_the_ion_has_zero_voltage():
    assert average_voltage(-20.0, -1.5, -20.0 - 1.5, 1, "Mg") == pytest.approx(0.0)


def test_framework_is_the_host_without_the_ion():
    assert framework_formula(Composition("Mg4Mn8O16"), "Mg") == "MnO2"
    assert framework_formula(Composition("LiFePO4"), "Li") == "FePO4"


@pytest.mark.parametrize(
    ("formula", "ion", "released"),
    [
        ("LiCoO2", "Li", 1.0),  # Co3+ -> Co4+
        ("MgMn2O4", "Mg", 1.0),  # 2 Mn3+ -> 2 Mn4+
        ("Li2MnO3", "Li", 0.0),  # Mn is 4+ already: only oxygen could give
        ("LiFePO4", "Li", 1.0),  # Fe2+ -> Fe3+, phosphorus stays 5+
        ("Li2FeSiO4", "Li", 2.0),  # Fe2+ -> Fe4+
        ("LiFeSO4F", "Li", 1.0),  # sulphate, not sulphide
        ("MgTiS2", "Mg", 1.0),  # Ti2+ -> Ti4+
        ("MgAl2O4", "Mg", 0.0),  # nothing to oxidise
        ("Mg2SiO4", "Mg", 0.0),
        ("Na2SO3", "Na", 0.0),  # sulphite: S4+ has nothing to give
        ("Ca5P3O12Cl", "Ca", 0.0),  # apatite: chloride beside phosphate
        ("Na4Al3Si3O12Cl", "Na", 0.0),  # sodalite
        ("Mg2PClO4", "Mg", 0.0),  # four oxygens per chloride, but they are phosphate's
        ("LiClO4", "Li", 0.0),
        ("MgNH4PO4", "Mg", 0.0),  # ammonium
        ("MgH2", "Mg", 0.0),  # hydride
        ("Mg3Ni", "Mg", 0.0),  # alloy
        ("Li3V2P3O12", "Li", 3.0),  # V3+ -> V5+ could give four
    ],
)
def test_redox_couples_limit_the_ions_that_leave(formula, ion, released):
    assert redox_limited_ions(Composition(formula), ion) == pytest.approx(released)


@given(
    ion=st.sampled_from(sorted(WORKING_IONS)),
    metal=st.sampled_from(["Ti", "V", "Mn", "Fe", "Co", "Ni", "Al", "Ga"]),
    amounts=st.tuples(*[st.integers(1, 12)] * 3),
)
def test_released_ions_are_never_negative_nor_more_than_there_are(ion, metal, amounts):
    if ion == metal:
        return
    composition = Composition({ion: amounts[0], metal: amounts[1], "O": amounts[2]})
    assert 0 <= redox_limited_ions(composition, ion) <= amounts[0]


@given(scale=st.integers(1, 6))
def test_redox_limit_scales_with_the_cell(scale):
    single = redox_limited_ions(Composition("Li3MnO4"), "Li")
    assert redox_limited_ions(Composition("Li3MnO4") * scale, "Li") == pytest.approx(scale * single)


def test_unknown_ion_names_the_known_ones():
    with pytest.raises(KeyError, match="known: Li, Na"):
        ion_charge("Fe")


def test_faraday_constant_is_the_published_one():
    assert pytest.approx(96485.332, abs=1e-3) == units.FARADAY_C_PER_MOL
