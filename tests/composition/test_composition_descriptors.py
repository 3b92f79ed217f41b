import numpy as np
import pandas as pd
import pytest
from ase.data import atomic_numbers, chemical_symbols
from hypothesis import given, settings
from hypothesis import strategies as st

from ionsieve.composition.descriptors import describe
from ionsieve.composition.formulas import pair_of
from ionsieve.composition.pairs import Pairs
from ionsieve.errors import DataError
from ionsieve.ions import WORKING_IONS
from ionsieve.voltage.leakage import forbidden_names

GROUPS = ("elements", "content", "redox")


def row_of(*pair: str) -> pd.Series:
    return describe(Pairs.of([pair_of(*pair)])).iloc[0]


# Ionisation energies of free atoms in eV (NIST): Co 33.50 (third), 51.27, 79.5; Mn 33.668, 51.21, 72.41;
# Li 5.3917; Mg 7.6462 and 15.0353.
LITHIUM_COBALT_OXIDE = {
    "content_ion_charge": 1,
    "content_discharged": 1 / 3,
    "content_charged": 0,
    "content_extracted": 1 / 3,
    "content_charge_extracted_per_anion": 1 / 2,
    "content_charge_per_mass": (1 / 3) / ((6.94 + 58.933 + 2 * 15.999) / 3),
    "redox_by_metals": 1,
    "redox_state_discharged": 3,
    "redox_state_charged": 4,
    "redox_electrons_per_taker": 1,
    "redox_headroom_discharged": 1,
    "redox_headroom_charged": 0,
    "redox_takers_per_host": 1 / 3,
    "redox_beyond_highest": 0,
    "redox_first_outer_electrons": 9,
    "redox_first_electrons_discharged": 6,
    "redox_first_electrons_charged": 5,
    "redox_first_ionization_3_eV": 33.50,
    "redox_first_ionization_mean_eV": 51.27,
    "redox_first_ionization_discharged_eV": (33.50 + 51.27) / 2,
    "redox_first_ionization_charged_eV": (51.27 + 79.5) / 2,
    "redox_ion_ionization_mean_eV": 5.3917,
    "elements_host_share": 1,
    "elements_host_elements": 2,
    "elements_host_number_mean": (27 + 2 * 8) / 3,
    "elements_host_number_deviation": 2 * (27 - 43 / 3) / 3,
    "elements_host_number_min": 8,
    "elements_host_number_max": 27,
    "elements_redox_number_mean": 27,
    "elements_anion_share": 2 / 3,
    "elements_anion_number_max": 8,
    "elements_other_share": 0,
    "elements_ion_number": 3,
    "elements_share_Co": 1 / 3,
    "elements_share_O": 2 / 3,
    "elements_share_Li": 0,
}
MAGNESIUM_MANGANESE_OXIDE = {
    "content_ion_charge": 2,
    "content_discharged": 1 / 6,
    "content_charge_discharged": 1 / 3,
    "content_discharged_per_anion": 1 / 4,
    "redox_state_discharged": 3,
    "redox_state_charged": 4,
    "redox_electrons_per_taker": 1,
    "redox_headroom_discharged": 1,
    "redox_first_electrons_discharged": 4,
    "redox_first_ionization_mean_eV": 51.21,
    "redox_first_ionization_discharged_eV": (33.668 + 51.21) / 2,
    "redox_ion_ionization_mean_eV": (7.6462 + 15.0353) / 2,
}


@pytest.mark.parametrize(
    ("pair", "known"),
    [
        (("LiCoO2", "Li", "CoO2"), LITHIUM_COBALT_OXIDE),
        (("MgMn2O4", "Mg", "Mn2O4"), MAGNESIUM_MANGANESE_OXIDE),
    ],
)
def test_descriptors_are_those_of_a_calculation_by_hand(pair, known):
    row = row_of(*pair)
    assert {name: float(row[name]) for name in known} == pytest.approx(known, abs=2e-4)


def test_ions_that_stay_keep_their_electrons():
    """Li0.5CoO2: half an electron of each cobalt leaves, which ends half a state below the highest."""
    row = row_of("LiCoO2", "Li", "Li0.5CoO2")
    assert row["content_x_charged"] == 0.5
    assert row["content_extracted"] == pytest.approx(1 / 6, abs=1e-4)
    assert row["redox_electrons_per_taker"] == 0.5
    assert row["redox_state_charged"] == 3.5
    assert row["redox_headroom_charged"] == 0.5
    assert row["redox_first_ionization_mean_eV"] == pytest.approx(51.27)
    assert row["redox_first_ionization_charged_eV"] == pytest.approx(51.27)


def test_a_metal_that_cannot_give_all_electrons_says_by_how_much():
    """Li2MnO3 to MnO3: Mn would be 6+, and reaches 4+."""
    row = row_of("Li2MnO3", "Li")
    assert row["redox_state_discharged"] == 4 and row["redox_state_charged"] == 6
    assert row["redox_headroom_charged"] == -2
    assert row["redox_beyond_highest"] == pytest.approx(2 / 4)


def test_without_a_metal_the_anions_give_the_electrons():
    """Li2S to S: -2 to 0, and no class of metals or other anions."""
    row = row_of("Li2S", "Li")
    assert row["redox_by_metals"] == 0
    assert (row["redox_state_discharged"], row["redox_state_charged"]) == (-2, 0)
    assert row["redox_headroom_discharged"] == row["redox_beyond_highest"] == 0
    assert row["elements_anion_share"] == row["elements_anion_number_max"] == 0
    assert row["elements_redox_number_mean"] == 16


@pytest.mark.parametrize("pair", [("Li2S", "Li"), ("LiO2", "Li"), ("Li3Bi", "Li")])
def test_hosts_without_anions_stand_far_beyond_those_with_them(pair):
    """Lithium cobaltate has half an ion per anion; these have a hundred times their ions per host atom."""
    row = row_of(*pair)
    assert row["elements_anion_share"] == 0
    assert row["content_discharged_per_anion"] == pytest.approx(100 * row["content_discharged"])
    assert row["content_charge_extracted_per_anion"] == pytest.approx(100 * row["content_charge_extracted"])


def test_takers_are_ranked_by_amount_and_absent_ones_are_zero():
    row = row_of("LiNi0.6Mn0.3Co0.1O2", "Li")
    assert [round(float(row[f"redox_{rank}_share"]), 3) for rank in ("first", "second", "third")] == [
        0.6,
        0.3,
        0.1,
    ]
    of_two = row_of("LiNi0.5Mn0.3O2", "Li")
    assert (of_two.filter(like="redox_third_") == 0).all()
    assert of_two["redox_second_share"] == pytest.approx(0.375, abs=1e-4)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("LiFePO4", "O4PFeLi"),
        ("LiFePO4", "Li4Fe4P4O16"),
        ("Li1.2Mn0.4Ti0.4O2", "O2Ti0.4Mn0.4Li1.2"),
        ("LiNiMnO4", "Li3O12Mn3Ni3"),
        ("Li1.2Mn0.4Ti0.4O2", "Li2.4Mn0.8Ti0.8O4"),
    ],
)
def test_neither_a_factor_nor_the_order_of_elements_matters(one, other):
    """To the last bit: a tree must not tell them apart."""
    pairs = Pairs.of([pair_of(formula, "Li") for formula in (one, other)])
    first, second = describe(pairs).to_numpy()
    np.testing.assert_array_equal(first, second)


HOSTS = st.dictionaries(
    st.sampled_from([symbol for symbol in chemical_symbols[1:] if symbol != "Li"]),
    st.integers(1, 30),
    min_size=1,
    max_size=6,
)


@settings(max_examples=60)
@given(HOSTS, st.integers(1, 30), st.integers(2, 5), st.randoms())
def test_any_host_is_the_same_in_any_order_and_size(host, n_ions, factor, random):
    names = [*host]
    random.shuffle(names)
    formulas = (
        f"Li{n_ions}" + "".join(f"{name}{n}" for name, n in host.items()),
        "".join(f"{name}{factor * host[name]}" for name in names) + f"Li{factor * n_ions}",
    )
    first, second = describe(Pairs.of([pair_of(formula, "Li") for formula in formulas])).to_numpy()
    # Rounding may fall either way at a half.
    np.testing.assert_allclose(first, second, rtol=1e-5, atol=2e-4)


@pytest.mark.parametrize("ion", WORKING_IONS)
def test_descriptors_are_finite_of_every_element_and_ion(ion):
    hosts = ("{}", "{}2O3", "{}PO4", "{}FeF4", "{}0.00001C")
    pairs = [
        pair_of(f"{ion}2{host.format(symbol)}", ion)
        for symbol in chemical_symbols[1:]
        for host in hosts
        if symbol != ion
    ]
    described = describe(Pairs.of(pairs))
    assert np.isfinite(described.to_numpy()).all()
    assert described.dtypes.eq(np.float32).all()


def test_each_row_stands_for_itself():
    """A pair's descriptors do not depend on which other pairs are described."""
    formulas = ["LiCoO2", "LiFePO4", "Li2S", "LiNi0.6Mn0.3Co0.1O2"]
    together = describe(Pairs.of([pair_of(formula, "Li") for formula in formulas]))
    alone = pd.concat([describe(Pairs.of([pair_of(formula, "Li")])) for formula in formulas])
    np.testing.assert_array_equal(together.to_numpy(), alone.to_numpy())


def test_no_pairs_have_no_descriptors_but_the_same_columns():
    described = describe(Pairs.of([]))
    assert described.shape == (0, len(row_of("LiCoO2", "Li")))


def test_columns_have_a_groups_prefix_and_no_name_of_an_answer():
    names = describe(Pairs.of([pair_of("LiCoO2", "Li")])).columns
    assert names.is_unique
    assert {name.split("_")[0] for name in names} == set(GROUPS)
    assert not forbidden_names(names, uses_energy_model=False)


def electrodes(*rows: tuple[str, str, list[str], float]) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {
                "electrode_id": name,
                "working_ion": ion,
                "formula": "".join(symbols),
                "numbers": [atomic_numbers[symbol] for symbol in symbols],
                "x_charged": x_charged,
            }
            for name, ion, symbols, x_charged in rows
        ]
    )


def test_pairs_of_cells_are_those_of_their_formulas():
    table = electrodes(
        ("a", "Li", ["Li", "Li", "Co", "Co", "O", "O", "O", "O"], 0.5),
        ("b", "Mg", ["O", "Mn", "Mg", "O", "O", "Mn", "O"], 0.0),
    )
    of_cells = Pairs.from_electrodes(table)
    of_formulas = Pairs.of([pair_of("LiCoO2", "Li", "Li0.5CoO2"), pair_of("MgMn2O4", "Mg")])
    assert of_cells.working_ions.tolist() == ["Li", "Mg"]
    np.testing.assert_allclose(of_cells.host, of_formulas.host)
    np.testing.assert_allclose(of_cells.ions_discharged, of_formulas.ions_discharged)
    np.testing.assert_allclose(of_cells.ions_charged, of_formulas.ions_charged)
    np.testing.assert_array_equal(describe(of_cells), describe(of_formulas))


@pytest.mark.parametrize("symbols", [["Co", "O", "O"], ["Li", "Li"]])
def test_a_cell_without_ion_or_host_is_named(symbols):
    table = electrodes(("good", "Li", ["Li", "Co", "O"], 0.0), ("odd", "Li", symbols, 0.0))
    with pytest.raises(DataError, match=r"electrode odd \(.*\) has no Li, or nothing else"):
        Pairs.from_electrodes(table)
