"""Synthetic cells: sums over elements, known limits, and a part that only three metals show."""

import numpy as np
import pytest

from ionsieve.composition.formulas import parse_formula
from ionsieve.discharge import synthetic
from ionsieve.discharge.cycling import SYNTHETIC
from ionsieve.discharge.profiles import standardise_test
from ionsieve.discharge.synthetic import METALS, Recipe, capacity_mAh_per_g, cells, compositions

VOLTAGE_V = np.linspace(1.5, 4.8, 100)
THREE = "Li1.2Mn0.3Cr0.3V0.2O2"


def per_mol(formula, three_body=0.0, rate=20.0, cycle=1):
    """Capacity times molar mass: what the equations add up."""
    capacity = capacity_mAh_per_g(formula, VOLTAGE_V, rate, cycle, 4.8, three_body)
    return capacity * float(parse_formula(formula).weight)


def test_all_electrons_at_low_voltage_are_faraday_over_the_molar_mass():
    # Nothing else than Ni: 0.8 x 1.4 electrons per Li1.2Ni0.8O2, at a rate and voltages that take them all.
    formula = "Li1.2Ni0.8O2"
    whole = capacity_mAh_per_g(formula, np.array([0.0]), 1e-9, 1, 9.0)[0]
    molar_mass = 1.2 * 6.94 + 0.8 * 58.6934 + 2 * 15.999
    assert whole == pytest.approx(0.8 * 1.4 * 96485.332 / 3.6 / molar_mass, rel=1e-3)


def test_capacity_is_zero_at_the_upper_limit_and_falls_with_voltage():
    capacity = capacity_mAh_per_g(THREE, VOLTAGE_V, 20.0, 1, 4.8)
    assert capacity[-1] == 0
    assert (np.diff(capacity) < 0).all()


def test_without_the_three_body_part_three_metals_are_the_sum_of_pairs():
    parts = [per_mol(f"Li1.2{metal}O2") for metal in ("Mn0.3", "Cr0.3", "V0.2")]
    np.testing.assert_allclose(per_mol(THREE), sum(parts), rtol=1e-12)


def test_the_three_body_part_is_nothing_for_two_metals_and_changes_three():
    for cycle in (1, 10):
        two = "Li1.2Mn0.4Cr0.4O2"
        np.testing.assert_array_equal(per_mol(two, 1.0, cycle=cycle), per_mol(two, 0.0, cycle=cycle))
        changed = per_mol(THREE, 1.0, cycle=cycle) - per_mol(THREE, cycle=cycle)
        assert np.abs(changed).max() > 0.1 * per_mol(THREE).max()


def test_the_three_body_share_is_one_for_equal_shares_and_counts_every_triple():
    assert synthetic.three_body_share({"Mn": 0.3, "Cr": 0.3, "V": 0.3}) == pytest.approx(1)
    assert synthetic.three_body_share({"Mn": 0.3, "Cr": 0.3}) == 0
    assert synthetic.three_body_share(dict.fromkeys("abcd", 0.2)) == pytest.approx(4 * 27 / 64)


def test_rate_and_cycles_lower_capacity_and_voltage():
    def mean_voltage(rate, cycle):
        capacity = capacity_mAh_per_g(THREE, VOLTAGE_V, rate, cycle, 4.8)
        return capacity[0], np.average((VOLTAGE_V[1:] + VOLTAGE_V[:-1]) / 2, weights=-np.diff(capacity))

    slow, fast, old = mean_voltage(20, 1), mean_voltage(1000, 1), mean_voltage(20, 50)
    assert fast[0] < slow[0] and fast[1] < slow[1]
    assert old[0] < slow[0] and old[1] < slow[1]


def test_electrons_never_exceed_the_lithium_of_the_formula():
    assert max(sum(step.electrons for step in metal.steps) for metal in METALS.values()) <= 1.5


@pytest.mark.parametrize("n_metals", [1, 2, 3, 5])
def test_compositions_hold_as_many_metals_as_asked_and_fill_the_sites(n_metals):
    found = compositions(n_metals, 8, seed=3)
    assert len(set(found)) == 8
    for formula in found:
        amounts = {element.symbol: amount for element, amount in parse_formula(formula).items()}
        metals = set(amounts) & set(METALS)
        assert len(metals) == n_metals
        assert sum(amounts[metal] for metal in metals) == pytest.approx(0.8)
        assert amounts["O"] + amounts.get("F", 0) == pytest.approx(2)
        assert any(METALS[metal].steps for metal in metals)


def test_more_compositions_than_there_are_is_an_error():
    with pytest.raises(ValueError, match="not 100"):
        compositions(2, 100, pool=("Mn", "Ti"))
    with pytest.raises(ValueError, match="pool of 2"):
        compositions(3, 1, pool=("Mn", "Ti"))


def test_the_same_recipe_makes_the_same_cells_and_another_seed_others():
    recipe = Recipe(n_metals=3, n_compositions=3, n_cycles=2, noise_mAh_per_g=1.0, three_body=1.0)
    one, two = cells(recipe), cells(recipe)
    assert [test.composition for test in one] == [test.composition for test in two]
    for first, second in zip(one, two, strict=True):
        for left, right in zip(first.profiles, second.profiles, strict=True):
            np.testing.assert_array_equal(left.capacity_mAh_per_g, right.capacity_mAh_per_g)
    other = Recipe(n_metals=3, n_compositions=3, n_cycles=2, noise_mAh_per_g=1.0, three_body=1.0, seed=1)
    assert [test.composition for test in cells(other)] != [test.composition for test in one]
    assert recipe.digest() != other.digest()


def test_every_cell_is_marked_synthetic_and_survives_the_processing():
    recipe = Recipe(n_metals=2, n_compositions=4, n_cycles=3, noise_mAh_per_g=0.5)
    for test in cells(recipe):
        assert test.label == SYNTHETIC and test.test_id.startswith("synthetic-2M-")
        found = standardise_test(test)
        assert len(found.profiles) == 3
        for profile in found.profiles:
            exact = capacity_mAh_per_g(
                test.composition, profile.voltage_V, test.rate_mA_per_g, profile.cycle, test.voltage_high_V
            )
            assert np.sqrt(np.mean((profile.capacity_mAh_per_g - exact) ** 2)) < 0.5
