"""The enumeration: every composition balances, the paper's two are in it, none is left out."""

from itertools import product

import pytest

from ionsieve.composition.formulas import parse_formula
from ionsieve.discharge.cycling import canonical_composition
from ionsieve.discharge.high_entropy import CHARGES, enumerate_compositions
from ionsieve.errors import DataError

HE_1 = "Li1.2Mn0.1Mg0.1Cr0.3Ti0.2Nb0.1O1.8F0.2"
HE_2 = "Li1.2Mn0.1Mg0.1Cr0.15V0.15Ti0.2Nb0.1O1.8F0.2"


@pytest.fixture(scope="module")
def fine():
    return enumerate_compositions(step=0.05).set_index("composition")


@pytest.fixture(scope="module")
def coarse():
    return enumerate_compositions(step=0.1)


def test_the_papers_compositions_are_among_them_with_manganese_as_two_plus(fine):
    assert fine.loc[canonical_composition(HE_1), "n_metals"] == 5
    assert fine.loc[canonical_composition(HE_2), "n_metals"] == 6
    assert "Mn2+ 0.1," in fine.loc[canonical_composition(HE_1), "oxidation_states"]


def test_the_second_needs_the_finer_grid(coarse):
    assert canonical_composition(HE_1) in set(coarse["composition"])
    assert canonical_composition(HE_2) not in set(coarse["composition"])


def test_all_charges_sum_to_zero_with_the_states_that_are_named(coarse):
    for row in coarse.itertuples():
        amounts = {element.symbol: amount for element, amount in parse_formula(row.composition).items()}
        charge = amounts.pop("Li") - 2 * amounts.pop("O") - amounts.pop("F")
        for state in row.oxidation_states.split(", "):
            name, amount = state.split(" ")
            symbol, number = name[:-2], int(name[-2])
            assert number in CHARGES[symbol]
            charge += number * float(amount)
            amounts[symbol] -= float(amount)
        assert charge == pytest.approx(0, abs=1e-9)
        assert max(map(abs, amounts.values())) < 1e-9


def test_cation_sites_are_full_and_four_metals_the_fewest(coarse):
    for row in coarse.itertuples():
        amounts = {element.symbol: amount for element, amount in parse_formula(row.composition).items()}
        assert sum(amount for symbol, amount in amounts.items() if symbol not in "OF") == pytest.approx(2)
        assert row.n_metals == len(set(amounts) & set(CHARGES)) >= 4


def test_the_count_is_that_of_a_plain_search(coarse):
    """Eight tenths over ten species, 2.6 of charge: by brute force over the species, then by elements."""
    species = [(symbol, charge) for symbol, pair in CHARGES.items() for charge in sorted(set(pair))]
    found = set()

    def place(at, left, charge, tenths):
        if at == len(species):
            if left == 0 and charge == 0:
                by_element = {}
                for (symbol, _), n in zip(species, tenths, strict=True):
                    if n:
                        by_element[symbol] = by_element.get(symbol, 0) + n
                if len(by_element) >= 4:
                    found.add(tuple(sorted(by_element.items())))
            return
        for n in range(left + 1):
            place(at + 1, left - n, charge - n * species[at][1], [*tenths, n])

    place(0, 8, 26, [])
    assert len(coarse) == len(found)


def test_compositions_are_in_the_canonical_spelling_each_once(coarse):
    assert coarse["composition"].is_unique
    assert [canonical_composition(formula) for formula in coarse["composition"]] == list(
        coarse["composition"]
    )


def test_other_lithium_and_fluorine_balance_too():
    for lithium, fluorine in product((1.1, 1.3), (0.0, 0.3)):
        found = enumerate_compositions(lithium, fluorine, step=0.1)
        assert len(found)
        assert all(f"Li{lithium:g}" in formula for formula in found["composition"])


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"lithium": 2.0}, "lithium 2.0"),
        ({"fluorine": -0.1}, "fluorine -0.1"),
        ({"step": 0.3}, "divide the metals' 0.8"),
        ({"step": 0.001}, "at most 40 times"),
        ({"step": -0.1}, "must be positive"),
        ({"fluorine": 0.05, "step": 0.1}, "balance the charges"),
        ({"fewest_metals": 9}, "allowed are 1 to 8"),
    ],
)
def test_impossible_grids_are_refused(arguments, reason):
    with pytest.raises(DataError, match=reason):
        enumerate_compositions(**arguments)
