import numpy as np
import pytest
from ase.data import atomic_numbers

from ionsieve.voltage.element_features import BLOCK_SIZES, N_FEATURES, element_vectors


def block_of(symbol: str, name: str) -> int:
    start = sum(BLOCK_SIZES[before] for before in list(BLOCK_SIZES)[: list(BLOCK_SIZES).index(name)])
    vector = element_vectors()[atomic_numbers[symbol]]
    return int(vector[start : start + BLOCK_SIZES[name]].argmax())


def test_vectors_have_the_papers_length():
    assert N_FEATURES == 92
    assert element_vectors().shape == (119, 92)


def test_each_property_block_holds_exactly_one_1():
    start = 0
    for size in BLOCK_SIZES.values():
        block = element_vectors()[1:, start : start + size]
        np.testing.assert_array_equal(block.sum(axis=1), 1.0)
        np.testing.assert_array_equal(np.unique(block), [0.0, 1.0])
        start += size


def test_every_element_has_a_vector_of_its_own():
    assert len(np.unique(element_vectors()[1:104], axis=0)) == 103


@pytest.mark.parametrize(
    ("symbol", "group", "period", "valence_electrons", "block"),
    [
        ("H", 1, 1, 1, "s"),
        ("Mg", 2, 3, 2, "s"),
        ("Mn", 7, 4, 7, "d"),
        ("Zn", 12, 4, 12, "d"),
        ("O", 16, 2, 6, "p"),
        ("Cl", 17, 3, 7, "p"),
        ("La", 3, 8, 3, "f"),
        ("Gd", 10, 8, 10, "f"),
    ],
)
def test_the_periodic_table_is_right(symbol, group, period, valence_electrons, block):
    assert block_of(symbol, "group") == group - 1
    assert block_of(symbol, "period") == period - 1
    assert block_of(symbol, "valence_electrons") == valence_electrons - 1
    assert "spdf"[block_of(symbol, "block")] == block


def test_bins_follow_the_trends_of_the_periodic_table():
    assert (
        block_of("F", "electronegativity")
        > block_of("O", "electronegativity")
        > block_of("Mg", "electronegativity")
    )
    assert (
        block_of("Cs", "covalent_radius")
        > block_of("Na", "covalent_radius")
        > block_of("O", "covalent_radius")
    )
    assert block_of("Ne", "log_ionization_energy") > block_of("Cs", "log_ionization_energy") == 0
    assert block_of("Cl", "electron_affinity") > block_of("Mg", "electron_affinity")
