"""The composition model of a screening: members that never saw a host, intervals, files, second opinions."""

import json
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from ionsieve.composition.blocks import Electrodes
from ionsieve.composition.cross_validation import assemble, measure, model_card, run_fold
from ionsieve.composition.descriptors import describe
from ionsieve.composition.ensemble import (
    CompositionEnsemble,
    CompositionMember,
    load_member,
    save_member,
)
from ionsieve.composition.formulas import FormulaError, pair_of
from ionsieve.composition.pairs import Pairs
from ionsieve.composition.second_opinion import second_opinion
from ionsieve.errors import DataError
from ionsieve.tables import OUT_OF_FOLD, SCREENED, SECOND_OPINION, to_arrow
from ionsieve.voltage import boosting
from ionsieve.voltage.splits import framework_folds

N_FOLDS = 3


@pytest.fixture(scope="module", autouse=True)
def _short_trainings() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(boosting.VOLTAGE_PARAMETERS, "num_iterations", 60)
        yield


@pytest.fixture(scope="module")
def few(silent_electrodes) -> Electrodes:
    """84 of the electrodes: each host once, with one of the five ions."""
    chosen = np.arange(0, 420, 5)
    return Electrodes(
        silent_electrodes.pairs[chosen],
        silent_electrodes.table.iloc[chosen].reset_index(drop=True),
        silent_electrodes.calculated.iloc[chosen].reset_index(drop=True),
    )


@pytest.fixture(scope="module")
def folds(few) -> list[tuple[CompositionMember, pd.DataFrame]]:
    return [run_fold(few, fold, N_FOLDS, seed=0) for fold in range(N_FOLDS)]


@pytest.fixture(scope="module")
def assembled(few, folds) -> tuple[CompositionEnsemble, pd.DataFrame]:
    rows = pd.concat([predictions for _, predictions in folds], ignore_index=True)
    return assemble([member for member, _ in folds], few, rows, N_FOLDS, 0.9, seed=0)


@pytest.fixture
def ensemble(assembled) -> CompositionEnsemble:
    return assembled[0]


def pairs_of(*formulas: str, ion: str = "Li") -> Pairs:
    return Pairs.of([pair_of(formula, ion) for formula in formulas])


class Shifted:
    """A member whose voltages are too high by so much."""

    def __init__(self, member: CompositionMember, shift_V: float) -> None:
        self.member, self.shift_V, self.seen_numbers = member, shift_V, member.seen_numbers

    def predict_V(self, descriptors: np.ndarray) -> np.ndarray:
        return self.member.predict_V(descriptors) + self.shift_V


# Members


def test_a_member_predicts_the_rows_it_never_saw(few, folds):
    expected = framework_folds(few.table["framework"].tolist(), N_FOLDS, 0)
    for fold, (_, predictions) in enumerate(folds):
        assert set(predictions["electrode_id"]) == set(few.table["electrode_id"][expected == fold])
        assert (predictions["fold"] == fold).all() and (predictions["protocol"] == "framework").all()
        to_arrow(predictions, OUT_OF_FOLD)


def test_held_out_voltages_reach_no_member(few, folds):
    """Retrained with absurd voltages in its fold, a member says the same to the last byte."""
    held_out = folds[1][1]["electrode_id"]
    absurd_V = few.table["voltage_V"].mask(few.table["electrode_id"].isin(held_out), 1e3)
    member, predictions = run_fold(
        replace(few, table=few.table.assign(voltage_V=absurd_V)), 1, N_FOLDS, seed=0
    )
    assert (predictions["predicted_voltage_V"] == folds[1][1]["predicted_voltage_V"]).all()
    np.testing.assert_array_equal(member.to_state()["trees"], folds[1][0].to_state()["trees"])


def test_a_member_comes_back_from_its_file_to_the_last_byte(few, folds, tmp_path):
    save_member(tmp_path / "state.pt", folds[0][0])
    again = load_member(tmp_path / "state.pt")
    descriptors = describe(few.pairs).to_numpy()
    first, second = (member.predict_V(descriptors) for member in (folds[0][0], again))
    np.testing.assert_array_equal(first, second)
    with pytest.raises(DataError, match=r"state\.pt"):
        CompositionEnsemble.load(tmp_path / "state.pt")


# The ensemble


@pytest.mark.parametrize("culprit", range(N_FOLDS))
def test_a_known_host_is_predicted_by_the_one_member_that_never_saw_it(few, ensemble, culprit):
    """One member is spoilt: voltages of its own fold's hosts move by as much, those of other folds not."""
    members = [
        Shifted(member, 7.0) if fold == culprit else member for fold, member in enumerate(ensemble.members)
    ]
    spoilt = replace(ensemble, members=tuple(members))
    before, after = ensemble.predict(few.pairs), spoilt.predict(few.pairs)
    own = framework_folds(few.table["framework"].tolist(), N_FOLDS, 0) == culprit
    assert before["known_host"].all() and own.any() and not own.all()
    np.testing.assert_allclose((after - before.astype(float))["voltage_V"][own], 7.0)
    unmoved = ["voltage_V", "voltage_low_V", "voltage_high_V", "in_domain"]
    pd.testing.assert_frame_equal(before.loc[~own, unmoved], after.loc[~own, unmoved], check_exact=True)
    # A host that nobody saw is predicted by all members.
    new = pairs_of("LiReO4", "Li2Pd3O8")
    moved_V = spoilt.predict(new)["voltage_V"] - ensemble.predict(new)["voltage_V"]
    np.testing.assert_allclose(moved_V, 7.0 / N_FOLDS)


def test_predictions_of_known_hosts_are_those_out_of_fold(few, assembled):
    """The prediction, not its interval: the latter learns from all other folds' residuals, and so more."""
    ensemble, out_of_fold = assembled
    predicted = ensemble.predict(few.pairs).set_index(few.table["electrode_id"])
    own = out_of_fold.set_index("electrode_id")
    np.testing.assert_allclose(predicted.loc[own.index, "voltage_V"], own["predicted_voltage_V"], atol=1e-6)
    assert (own["voltage_low_V"] < own["predicted_voltage_V"]).all()
    assert (own["predicted_voltage_V"] < own["voltage_high_V"]).all()
    to_arrow(out_of_fold, OUT_OF_FOLD)


def test_a_known_host_is_known_with_any_ion_in_any_amount_and_spelling(ensemble):
    """MnO2 was there; its fold decides."""
    formulas = [("LiMnO2", "Li"), ("Li0.1MnO2", "Li"), ("Mg4Mn8O16", "Mg"), ("RbMn0.999O2", "Rb")]
    known = ensemble.predict(Pairs.of([pair_of(formula, ion) for formula, ion in formulas]))
    assert known["known_host"].all()
    assert not ensemble.predict(pairs_of("LiMnO3", "LiMn0.9Fe0.1O2"))["known_host"].any()


@pytest.mark.parametrize(
    ("framework", "formulas"),
    [
        ("MnCoNiO6", ["Li3MnCoNiO6", "LiNi0.333Mn0.333Co0.333O2", "LiNi0.33Mn0.33Co0.33O2"]),
        ("Mn2NiO6", ["Li0.67Mn0.67Ni0.33O2", "Li2Mn2NiO6"]),
        ("Mn97O100", ["Li5Mn97O100", "LiMn0.97O"]),
    ],
)
def test_a_rounded_formulas_host_is_the_known_one(ensemble, framework, formulas):
    """Else members that learned from it would predict it."""
    knowing = replace(ensemble, fold_of_framework={framework: 1, "MnO2": 2})
    found = knowing.predict(pairs_of(*formulas))
    assert found["known_host"].all()
    own_V = knowing.members[1].predict_V(describe(pairs_of(*formulas)).to_numpy())
    np.testing.assert_array_equal(found["voltage_V"], own_V)
    assert not knowing.predict(pairs_of("LiNi0.4Mn0.3Co0.3O2", "LiMnO"))["known_host"].any()


def test_of_two_hosts_within_rounding_the_nearer_one_decides(ensemble):
    knowing = replace(ensemble, fold_of_framework={"Cr2O5": 0, "Cr19O48": 2})
    pairs = pairs_of("LiCr2O5", "LiCr19O48")
    expected_V = [
        knowing.members[fold].predict_V(describe(pairs).to_numpy())[row] for row, fold in enumerate((0, 2))
    ]
    assert knowing.predict(pairs)["voltage_V"].tolist() == expected_V


def test_an_element_that_some_member_never_saw_widens_the_interval_and_is_out_of_domain(ensemble):
    """The same network input otherwise: a member forgets that it saw oxygen."""
    new = pairs_of("LiMn3O7")
    forgetful = replace(ensemble.members[1], seen_numbers=ensemble.members[1].seen_numbers - {8})
    widened = replace(ensemble, members=(ensemble.members[0], forgetful, ensemble.members[2]))
    before, after = (each.predict(new).iloc[0] for each in (ensemble, widened))
    assert 8 in ensemble.seen_numbers and 8 not in widened.seen_numbers
    assert not before["known_host"]
    assert after["voltage_V"] == before["voltage_V"]
    assert after["voltage_low_V"] < before["voltage_low_V"]
    assert after["voltage_high_V"] > before["voltage_high_V"]
    assert not after["in_domain"]
    assert not ensemble.predict(pairs_of("LiOsO3"))["in_domain"].any()


def test_an_ion_without_training_electrodes_is_out_of_domain(ensemble):
    assert ensemble.working_ions == {"Li", "Na", "K", "Mg", "Ca"}
    anywhere = replace(ensemble, uncertainty=replace(ensemble.uncertainty, domain_limit=np.inf))
    assert anywhere.predict(pairs_of("LiMnO2", "LiCoPO4"))["in_domain"].all()
    assert not anywhere.predict(pairs_of("ZnMnO2", "ZnCoPO4", ion="Zn"))["in_domain"].any()
    without = replace(anywhere, working_ions=frozenset({"Mg"}))
    assert not without.predict(pairs_of("LiMnO2", "LiCoPO4"))["in_domain"].any()


def test_the_order_and_company_of_formulas_do_not_matter(ensemble):
    formulas = ("LiMnO2", "LiMn3O7", "LiOsO3", "LiCoPO4")
    together = ensemble.predict(pairs_of(*formulas))
    alone = pd.concat([ensemble.predict(pairs_of(formula)) for formula in formulas], ignore_index=True)
    reverse = ensemble.predict(pairs_of(*formulas[::-1])).iloc[::-1].reset_index(drop=True)
    for other in (alone, reverse):
        pd.testing.assert_frame_equal(together, other, rtol=1e-5)


def test_no_formulas_have_no_voltages(ensemble):
    assert ensemble.predict(Pairs.of([])).empty


def test_an_ensemble_comes_back_from_its_file_to_the_last_byte(few, ensemble, tmp_path):
    ensemble.save(tmp_path / "model.pt")
    again = CompositionEnsemble.load(tmp_path / "model.pt")
    assert again.fold_of_framework == ensemble.fold_of_framework
    assert again.working_ions == ensemble.working_ions
    new = pairs_of("LiMn3O7", "LiOsO3", "LiMnO2")
    pd.testing.assert_frame_equal(ensemble.predict(new), again.predict(new), check_exact=True)
    again.save(tmp_path / "again.pt")
    assert (tmp_path / "model.pt").read_bytes() == (tmp_path / "again.pt").read_bytes()


def test_any_other_file_is_refused_with_what_to_do(tmp_path):
    (tmp_path / "model.pt").write_bytes(b"no model")
    with pytest.raises(DataError, match="fetch it again"):
        CompositionEnsemble.load(tmp_path / "model.pt", "fetch it again")


def test_an_intervals_fold_does_not_calibrate_itself(ensemble, few):
    """Errors of one fold are made absurd: its own intervals stay, the others' grow."""
    uncertainty = ensemble.uncertainty
    folds = uncertainty.residuals.folds
    residuals = replace(
        uncertainty.residuals, absolute_V=np.where(folds == 0, 100.0, uncertainty.residuals.absolute_V)
    )
    worse = replace(uncertainty, residuals=residuals)
    descriptors = describe(few.pairs[:20]).to_numpy()
    widths_V = {}
    for fold in (0, 1):
        for name, each in (("before", uncertainty), ("after", worse)):
            found = each.intervals_of_fold(np.full(20, 3.0), np.full(20, 0.1), descriptors, fold)
            np.testing.assert_allclose((found.low_V + found.high_V) / 2, 3.0)
            assert (found.distances >= 0).all() and (found.expected_errors_V > 0).all()
            widths_V[name, fold] = found.high_V - found.low_V
    np.testing.assert_array_equal(widths_V["before", 0], widths_V["after", 0])
    assert (widths_V["after", 1] > 5 * widths_V["before", 1]).all()


def test_distance_of_a_fold_is_to_what_its_member_learned_from(ensemble, few):
    """An electrode lies on itself for all members but the one that never saw it."""
    descriptors = describe(few.pairs).to_numpy()
    own_fold = framework_folds(few.table["framework"].tolist(), N_FOLDS, 0)
    row = int(np.flatnonzero(own_fold == 1)[0])
    distances = [
        ensemble.uncertainty.intervals_of_fold(
            np.array([3.0]), np.array([0.1]), descriptors[[row]], fold
        ).distances[0]
        for fold in range(N_FOLDS)
    ]
    assert distances[0] == distances[2] == pytest.approx(0.0, abs=1e-4)
    assert distances[1] > 0.05


def test_metrics_and_card_can_be_read_and_tell_what_there_is(few, assembled):
    ensemble, out_of_fold = assembled
    metrics = measure(out_of_fold, 0.9, seed=0)
    card = model_card(few, ensemble, metrics, "digest", seed=0)
    json.dumps(card, allow_nan=False)
    of_all = metrics["protocols"]["framework"]["all"]
    errors_V = out_of_fold["predicted_voltage_V"] - out_of_fold["voltage_V"]
    assert of_all["mae_V"] == pytest.approx(errors_V.abs().mean())
    assert of_all["mae_V"] < metrics["protocols"]["framework"]["ion_mean_baseline"]["mae_V"]
    inside = out_of_fold["voltage_V"].between(out_of_fold["voltage_low_V"], out_of_fold["voltage_high_V"])
    assert metrics["interval"]["all"]["coverage"] == pytest.approx(inside.mean())
    assert 0.8 < inside.mean() <= 1.0
    assert card["electrodes"] == sum(card["electrodes_by_ion"].values()) == len(few.table)
    assert card["members"] == N_FOLDS and "Mn" in card["elements"] and "Os" not in card["elements"]


# The second opinion


def test_a_second_opinion_is_that_of_full_extraction(ensemble):
    shortlist = pd.DataFrame({"material_id": ["b", "a"], "formula": ["MgMn2O4", "Mg2Ti3O8"]}, index=[7, 3])
    rows = second_opinion(shortlist, ensemble, "Mg")
    to_arrow(rows, SECOND_OPINION)
    assert rows["material_id"].tolist() == ["b", "a"]
    expected = ensemble.predict(pairs_of("MgMn2O4", "Mg2Ti3O8", ion="Mg"))
    np.testing.assert_array_equal(rows["composition_voltage_V"], expected["voltage_V"])
    np.testing.assert_array_equal(rows["composition_voltage_low_V"], expected["voltage_low_V"])
    np.testing.assert_array_equal(rows["composition_in_domain"], expected["in_domain"])


def test_an_empty_shortlist_has_no_second_opinions(ensemble):
    empty = SCREENED.empty_table().to_pandas()
    rows = second_opinion(empty, ensemble, "Mg")
    assert rows.empty and rows.columns.tolist() == SECOND_OPINION.names


def test_a_shortlisted_formula_without_the_ion_is_named(ensemble):
    shortlist = pd.DataFrame({"material_id": ["a"], "formula": ["LiCoO2"]})
    with pytest.raises(FormulaError, match="LiCoO2 holds no Mg"):
        second_opinion(shortlist, ensemble, "Mg")
