import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ionsieve.errors import DataError
from ionsieve.voltage.splits import (
    BENCHMARK_PROTOCOLS,
    chemical_systems,
    framework_folds,
    groups,
    held_out_rows,
    paper_split,
)

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


@pytest.mark.parametrize(
    ("protocol", "fold"), [("paper", -1), ("framework", 5), ("chemical_system", 5), ("random", 0)]
)
def test_an_unknown_fold_is_a_clear_error(protocol, fold):
    with pytest.raises(DataError, match="there is no fold"):
        held_out_rows(protocol, fold, ["Li"] * 20, ["MnO2", "CoO2"] * 10, 2, 0)


def test_the_papers_first_fold_is_the_split_of_the_seed_itself():
    ions_of_rows = ["Li", "Mg"] * 40
    training, held_out = held_out_rows("paper", 0, ions_of_rows, ["MnO2"] * 80, 5, 7)
    np.testing.assert_array_equal(training, paper_split(ions_of_rows, 7)[0])
    np.testing.assert_array_equal(held_out, paper_split(ions_of_rows, 7)[2])


@given(working_ions=ions, seed=st.integers(0, 2**31 - 1))
def test_the_papers_folds_are_different_splits_and_each_stratified(working_ions, seed):
    held_out = [held_out_rows("paper", fold, working_ions, working_ions, 5, seed)[1] for fold in range(10)]
    if len(working_ions) > 40:
        assert len({tuple(rows) for rows in held_out}) == 10
    for rows in held_out:
        for ion in set(working_ions):
            in_test = sum(working_ions[row] == ion for row in rows)
            assert abs(in_test - working_ions.count(ion) / 10) < 2


def test_the_papers_validation_tenth_is_in_neither_part():
    training, held_out = held_out_rows("paper", 3, ["Li"] * 100, ["MnO2"] * 100, 5, 0)
    assert (len(training), len(held_out)) == (80, 10)
    assert not set(training) & set(held_out)


def test_a_chemical_system_is_the_hosts_elements_whatever_their_amounts():
    systems = chemical_systems(["MnO2", "Mn2O4", "Fe(PO4)", "FeP2O7", "O2", "MnO2"])
    assert systems.tolist() == ["Mn-O", "Mn-O", "Fe-O-P", "Fe-O-P", "O", "Mn-O"]


metals = st.lists(
    st.tuples(
        st.sampled_from(["Ti", "Mn", "Fe", "Co", "Ni", "V"]), st.sampled_from(["O2", "2O4", "F3", "S2"])
    ),
    min_size=1,
    max_size=80,
)


@given(parts=metals, n_folds=st.integers(2, 5), seed=st.integers(0, 2**31 - 1))
def test_no_chemical_system_is_on_both_sides(parts, n_folds, seed):
    hosts = ["".join(part) for part in parts]
    systems = chemical_systems(hosts)
    if len(set(systems)) < n_folds:
        return
    held_out_once = []
    for fold in range(n_folds):
        training, held_out = held_out_rows("chemical_system", fold, hosts, hosts, n_folds, seed)
        assert not set(systems[training]) & set(systems[held_out])
        held_out_once += held_out.tolist()
    assert sorted(held_out_once) == list(range(len(hosts)))


def test_groups_are_frameworks_but_where_chemical_systems_are_kept_apart():
    hosts = ["MnO2", "Mn2O3"]
    by_protocol = {protocol: groups(protocol, hosts).tolist() for protocol in BENCHMARK_PROTOCOLS}
    assert by_protocol == {"paper": hosts, "framework": hosts, "chemical_system": ["Mn-O", "Mn-O"]}
