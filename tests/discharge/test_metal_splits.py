import numpy as np
import pandas as pd
import pytest

from ionsieve.discharge.splits import (
    PROTOCOLS,
    canonical,
    hold_out_compositions,
    metals,
    number_of_metals,
    split_by_metals,
)
from ionsieve.errors import DataError

COMPOSITIONS = {
    "manganese": "Li1.333Mn0.667O2",
    "LMTO": "Li1.2Mn0.4Ti0.4O2",
    "LMTO of other spelling": "Ti0.8 Mn0.8 Li2.4 O4",
    "LMNbOF": "Li1.2Mn0.6Nb0.2O1.8F0.2",
    "three": "Li1.2Mn0.2Cr0.2Ti0.4O2",
    "magnesium counts": "Li1.2Mn0.3Mg0.1Ti0.4O2",
    "HE-1": "Li1.2Mn0.1Mg0.1Cr0.3Ti0.2Nb0.1O1.8F0.2",
    "four": "Li1.2Mn0.1Cr0.3Ti0.2Nb0.2O2",
}


@pytest.fixture()
def points() -> pd.DataFrame:
    """Two tests a composition, five cycles a test, three points a cycle."""
    return pd.DataFrame(
        [
            {"test_id": f"{name} {test}", "composition": composition, "cycle": cycle}
            for name, composition in COMPOSITIONS.items()
            for test in (0, 1)
            for cycle in range(1, 6)
            for _ in range(3)
        ]
    )


def test_lithium_oxygen_and_fluorine_are_not_counted():
    assert metals("Li1.2Mn0.1Mg0.1Cr0.3Ti0.2Nb0.1O1.8F0.2") == {"Mn", "Mg", "Cr", "Ti", "Nb"}
    assert number_of_metals(["Li1.333Mn0.667O2", "Li1.2Mn0.4Ti0.4O2", "LiF"]).tolist() == [1, 2, 0]


def test_multiples_and_other_orders_are_one_composition():
    assert (
        canonical("Li2.4Mn0.8Ti0.8O4") == canonical("O2 Ti0.4 Mn0.4 Li1.2") != canonical("Li1.2Mn0.5Ti0.3O2")
    )


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_no_row_is_on_two_sides_and_none_is_lost_but_the_trained_three_metals(protocol, points):
    split = split_by_metals(points, protocol)
    assert np.all(split.training.astype(int) + sum(rows.astype(int) for rows in split.scored.values()) == 1)


@pytest.mark.parametrize("protocol", ["2TM", "2+3TM"])
def test_whole_tests_and_whole_compositions_are_on_one_side(protocol, points):
    split = split_by_metals(points, protocol)
    names = points["composition"].map(canonical)
    for key in (points["test_id"], names):
        trained = set(key[split.training])
        for rows in split.scored.values():
            assert trained.isdisjoint(key[rows])


def test_the_sides_are_those_of_the_paper(points):
    split = split_by_metals(points, "2TM")
    names = points["test_id"].str[:-2]
    assert set(names[split.scored["3TM"]]) == {"three", "magnesium counts"}
    assert set(names[split.scored["HE"]]) == {"HE-1", "four"}
    wider = split_by_metals(points, "2+3TM")
    assert set(wider.scored) == {"HE"}
    assert {"three", "magnesium counts", "LMTO"} < set(names[wider.training])


def test_first_cycles_of_scored_tests_are_trained_on_and_not_scored(points):
    split = split_by_metals(points, "2TM+first_cycles", first_cycles=2)
    three = points["composition"] == COMPOSITIONS["three"]
    assert set(points["cycle"][three & split.training]) == {1, 2}
    assert set(points["cycle"][three & split.scored["3TM"]]) == {3, 4, 5}


def test_held_out_compositions_take_all_their_tests_and_spellings_along(points):
    for seed in range(8):
        held_out = hold_out_compositions(points, 0.3, seed)
        names = points["composition"].map(canonical)
        assert set(names[held_out]).isdisjoint(names[~held_out])
        assert names[held_out].nunique() == 2  # of seven
        assert np.array_equal(held_out, hold_out_compositions(points, 0.3, seed))


def test_a_split_without_a_side_says_what_was_found(points):
    two = points[points["composition"] == COMPOSITIONS["LMTO"]]
    with pytest.raises(DataError, match=r"needs tests of up to 2 metals.*2 in 30 points"):
        split_by_metals(two, "2TM")
    with pytest.raises(DataError, match="no split 'random'"):
        split_by_metals(points, "random")
    with pytest.raises(DataError, match="1 composition cannot be split"):
        hold_out_compositions(two, 0.2, 0)
    with pytest.raises(DataError, match="'Xx2O' is no formula"):
        metals("Xx2O")
