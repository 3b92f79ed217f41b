import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ionsieve.errors import DataError
from ionsieve.voltage.splits import framework_folds, held_out_rows, paper_split

ions = st.lists(st.sampled_from(["Li", "Na", "Mg", "Al"]), min_size=10, max_size=200)


@given(working_ions=ions, seed=st.integers(0, 2**31 - 1))
def test_every_row_is_in_one_part_of_the_papers_split(working_ions, seed):
    parts = paper_split(working_ions, seed)
    np.testing.assert_array_equal(np.sort(np.concatenate(parts)), np.arange(len(working_ions)))
    assert all(len(part) for part in parts)


@given(working_ions=ions, seed=st.integers(0, 2**31 - 1))
def test_the_papers_split_is_stratified_by_ion(working_ions, seed):
    _, validation, test = paper_split(working_ions, seed)
    for ion in set(working_ions):
        count = working_ions.count(ion)
        for part in (validation, test):
            in_part = sum(working_ions[row] == ion for row in part)
            # A run of ten may straddle two ions at each end.
            assert abs(in_part - count / 10) < 2


frameworks = st.lists(st.integers(0, 30).map(str), min_size=1, max_size=200)


@given(frameworks=frameworks, n_folds=st.integers(2, 6), seed=st.integers(0, 2**31 - 1))
def test_no_framework_is_on_both_sides(frameworks, n_folds, seed):
    if len(set(frameworks)) < n_folds:
        with pytest.raises(DataError, match=r"voltage\.folds"):
            framework_folds(frameworks, n_folds, seed)
        return
    folds = framework_folds(frameworks, n_folds, seed)
    assert set(folds) == set(range(n_folds))
    for fold in range(n_folds):
        training, held_out = held_out_rows("framework", fold, frameworks, frameworks, n_folds, seed)
        assert not {frameworks[row] for row in training} & {frameworks[row] for row in held_out}
        assert len(training) + len(held_out) == len(frameworks)


@given(frameworks=frameworks, seed=st.integers(0, 2**31 - 1))
def test_framework_folds_are_balanced(frameworks, seed):
    """No two folds differ by more than the largest framework."""
    if len(set(frameworks)) < 3:
        return
    rows_in_fold = np.bincount(framework_folds(frameworks, 3, seed))
    largest = max(frameworks.count(name) for name in frameworks)
    assert rows_in_fold.max() - rows_in_fold.min() <= largest


def test_seeds_make_other_splits_and_the_same_seed_the_same():
    names = [str(number % 40) for number in range(120)]
    np.testing.assert_array_equal(framework_folds(names, 5, 1), framework_folds(names, 5, 1))
    assert (framework_folds(names, 5, 1) != framework_folds(names, 5, 2)).any()
    np.testing.assert_array_equal(paper_split(names, 1)[2], paper_split(names, 1)[2])
    assert list(paper_split(names, 1)[2]) != list(paper_split(names, 2)[2])


def test_too_few_electrodes_for_the_papers_split_is_a_clear_error():
    with pytest.raises(DataError, match="at least 10"):
        paper_split(["Li"] * 9, 0)


@pytest.mark.parametrize(("protocol", "fold"), [("paper", 1), ("framework", 5), ("random", 0)])
def test_an_unknown_fold_is_a_clear_error(protocol, fold):
    with pytest.raises(DataError, match="there is no fold"):
        held_out_rows(protocol, fold, ["Li"] * 20, [str(i) for i in range(20)], 5, 0)
