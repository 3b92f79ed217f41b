import dataclasses
import json

import numpy as np
import pandas as pd
import pytest

from ionsieve.artifacts import digest, write_json
from ionsieve.errors import DataError
from ionsieve.tables import CANDIDATES, OUT_OF_FOLD, PREDICTIONS, to_arrow, write_table
from ionsieve.voltage.candidate_inputs import inputs_of, load_inputs, save_inputs
from ionsieve.voltage.cross_validation import run_fold
from ionsieve.voltage.descriptors import describe
from ionsieve.voltage.ensemble import Ensemble, assemble, load_member, measure, model_card, save_member
from ionsieve.voltage.members import Architecture
from ionsieve.voltage.prediction import KnownElectrodes, predict_candidates
from ionsieve.voltage.training import Schedule

SMALL = Architecture(cutoff_A=8.0, max_neighbors=12, atom_features=8, convolutions=1, hidden_features=8)
SCHEDULE = Schedule(epochs=8, batch_size=8, learning_rate=0.01, weight_decay=0.0)
FOLDS = 3


@pytest.fixture(scope="module")
def folds(synthetic_electrodes):
    framework = [
        run_fold(synthetic_electrodes, "ionsieve", "framework", fold, FOLDS, SMALL, SCHEDULE, seed=0)
        for fold in range(FOLDS)
    ]
    _, paper_held_out = run_fold(synthetic_electrodes, "ionsieve", "paper", 0, FOLDS, SMALL, SCHEDULE, seed=0)
    out_of_fold = pd.concat([*(rows for _, rows in framework), paper_held_out])
    return assemble([member for member, _ in framework], synthetic_electrodes, out_of_fold, 0.9, seed=0)


@pytest.fixture(scope="module")
def ensemble(folds) -> Ensemble:
    return folds[0]


@pytest.fixture(scope="module")
def card(synthetic_electrodes, ensemble, folds):
    metrics = measure(synthetic_electrodes, folds[1], FOLDS, 0.9, seed=0)
    return model_card(synthetic_electrodes, ensemble, SCHEDULE, metrics, seed=0)


@pytest.fixture
def candidates(synthetic_table) -> pd.DataFrame:
    """Three new crystals of Mg, the last with tungsten, which no electrode holds, and a known one."""
    rows = synthetic_table[synthetic_table["working_ion"] == "Mg"].iloc[[0, 5, 10, 15]]
    table = rows.assign(material_id=["new-1", "new-2", "new-3", rows["material_id"].iloc[3]])
    table["energy_above_hull_eV_per_atom"] = None
    table["hull_reference"] = None
    numbers = table["numbers"].tolist()
    numbers[2] = [12, 74, *numbers[2][2:]]
    return table.assign(numbers=numbers)[CANDIDATES.names].reset_index(drop=True)


@pytest.fixture
def predictions(candidates, ensemble, folds, card) -> pd.DataFrame:
    known = KnownElectrodes.from_out_of_fold(folds[1], card, "Mg")
    return predict_candidates(inputs_of(candidates, "Mg", 8.0, 12), ensemble, known, "Mg")


def test_every_electrode_is_held_out_once_by_framework(folds, synthetic_electrodes):
    framework = folds[1][folds[1]["protocol"] == "framework"]
    assert sorted(framework["electrode_id"]) == sorted(synthetic_electrodes.table["electrode_id"])


def test_predictions_fit_their_schema_and_keep_the_order(predictions, candidates):
    table = to_arrow(predictions, PREDICTIONS)
    assert table.column("material_id").to_pylist() == candidates["material_id"].tolist()
    assert table.column("label_voltage_V").null_count == 3


def test_a_new_candidate_gets_the_mean_of_the_members(predictions, candidates, ensemble, graphs_of):
    from ionsieve.structures import to_structure

    graphs = graphs_of([to_structure(candidates.iloc[0])], "Mg")
    descriptors = describe(candidates.iloc[:1], ["Mg"]).to_numpy()
    member_V = [member.predict(graphs, descriptors).voltages_V[0] for member in ensemble.members]
    assert predictions["voltage_V"][0] == pytest.approx(np.mean(member_V), abs=1e-5)
    assert predictions["voltage_spread_V"][0] == pytest.approx(np.std(member_V), abs=1e-5)
    assert not predictions["known"][0]


def test_a_training_electrode_shows_its_label_and_its_out_of_fold_prediction(predictions, folds):
    row = predictions.iloc[3]
    out_of_fold = folds[1].set_index(["protocol", "material_id"]).loc[("framework", row["material_id"])]
    assert row["known"]
    assert row["voltage_V"] == out_of_fold["predicted_voltage_V"]
    assert row["voltage_low_V"] == out_of_fold["voltage_low_V"]
    assert row["voltage_high_V"] == out_of_fold["voltage_high_V"]
    assert row["label_voltage_V"] == out_of_fold["voltage_V"]
    assert row["label_kind"] == "synthetic"


def test_an_electrode_of_another_ion_is_not_known(candidates, ensemble, folds, card):
    known = KnownElectrodes.from_out_of_fold(folds[1], card, "Li")
    assert not predict_candidates(inputs_of(candidates, "Mg", 8.0, 12), ensemble, known, "Mg")["known"].any()


def test_a_label_of_another_kind_is_shown_as_such(synthetic_electrodes, ensemble, folds):
    mixed = synthetic_electrodes.table.copy()
    mixed.loc[mixed["electrode_id"] == "MgTiO", "label_kind"] = "CHGNet"
    electrodes = dataclasses.replace(synthetic_electrodes, table=mixed)
    card = model_card(electrodes, ensemble, SCHEDULE, {}, seed=0)
    kinds = KnownElectrodes.from_out_of_fold(folds[1], card, "Mg").table["label_kind"]
    assert kinds["m-MgTiO"] == "CHGNet"
    assert (kinds.drop("m-MgTiO") == "synthetic").all()


def test_intervals_hold_the_prediction_and_widen_for_an_element_never_seen(predictions):
    assert (predictions["voltage_low_V"] < predictions["voltage_V"]).all()
    assert (predictions["voltage_V"] < predictions["voltage_high_V"]).all()
    widths_V = predictions["voltage_high_V"] - predictions["voltage_low_V"]
    assert widths_V[2] > 1.5 * widths_V[[0, 1]].max()
    assert predictions["in_domain"].tolist() == [True, True, False, True]
    assert np.isfinite(predictions["voltage_V"]).all()
    np.testing.assert_allclose(predictions["voltage_sigma_V"], widths_V / 2 / 1.6448536)


def test_a_bucket_without_candidates_gives_an_empty_table(candidates, ensemble, folds, card):
    known = KnownElectrodes.from_out_of_fold(folds[1], card, "Mg")
    empty = predict_candidates(inputs_of(candidates.iloc[:0], "Mg", 8.0, 12), ensemble, known, "Mg")
    assert to_arrow(empty, PREDICTIONS).num_rows == 0


def test_inputs_kept_on_disk_give_the_same_predictions_and_the_same_file_twice(
    predictions, candidates, ensemble, folds, card, tmp_path
):
    for name in ("first", "second"):
        save_inputs(tmp_path / f"{name}.pt", inputs_of(candidates, "Mg", 8.0, 12))
    assert digest(tmp_path / "first.pt") == digest(tmp_path / "second.pt")
    known = KnownElectrodes.from_out_of_fold(folds[1], card, "Mg")
    again = predict_candidates(load_inputs(tmp_path / "first.pt"), ensemble, known, "Mg")
    pd.testing.assert_frame_equal(again, predictions)


def test_graphs_made_for_another_model_are_refused(candidates, ensemble, folds, card):
    known = KnownElectrodes.from_out_of_fold(folds[1], card, "Mg")
    with pytest.raises(DataError, match=r"6 neighbours within 5\.0 A, but the model reads 12 within 8\.0 A"):
        predict_candidates(inputs_of(candidates, "Mg", 5.0, 6), ensemble, known, "Mg")


def test_a_candidate_has_the_same_voltage_in_any_bucket(predictions, candidates, ensemble, folds, card):
    known = KnownElectrodes.from_out_of_fold(folds[1], card, "Mg")
    alone = predict_candidates(inputs_of(candidates.iloc[[1]], "Mg", 8.0, 12), ensemble, known, "Mg")
    assert alone["voltage_V"].iloc[0] == pytest.approx(predictions["voltage_V"][1], abs=1e-5)


def test_the_model_comes_back_from_disk_and_is_the_same_file_twice(
    ensemble, predictions, candidates, folds, card, tmp_path
):
    for name in ("first", "second"):
        ensemble.save(tmp_path / f"{name}.pt")
    assert digest(tmp_path / "first.pt") == digest(tmp_path / "second.pt")
    known = KnownElectrodes.from_out_of_fold(folds[1], card, "Mg")
    again = predict_candidates(
        inputs_of(candidates, "Mg", 8.0, 12), Ensemble.load(tmp_path / "first.pt"), known, "Mg"
    )
    pd.testing.assert_frame_equal(again, predictions)


def test_a_truncated_model_is_a_clear_error(ensemble, tmp_path):
    ensemble.save(tmp_path / "state.pt")
    whole = (tmp_path / "state.pt").read_bytes()
    for length in (0, 10, len(whole) // 2, len(whole) - 30):
        (tmp_path / "cut.pt").write_bytes(whole[:length])
        with pytest.raises(DataError, match=r"cut\.pt is damaged"):
            Ensemble.load(tmp_path / "cut.pt")


def test_a_foreign_file_is_a_clear_error(folds, tmp_path):
    save_member(tmp_path / "member.pt", folds[0].members[0])
    with pytest.raises(
        DataError, match="should hold 'ionsieve voltage ensemble 2', but holds 'ionsieve voltage member 2'"
    ):
        Ensemble.load(tmp_path / "member.pt")
    (tmp_path / "text.pt").write_text("not a model")
    with pytest.raises(DataError, match=r"text\.pt is damaged"):
        load_member(tmp_path / "text.pt")
    with pytest.raises(DataError, match="does not exist"):
        Ensemble.load(tmp_path / "missing.pt")


def test_the_card_is_plain_json_and_says_where_the_numbers_come_from(card, tmp_path):
    write_json(tmp_path / "card.json", card)
    read = json.loads((tmp_path / "card.json").read_text())
    assert read == card
    assert read["label_kinds"] == {"synthetic": 63}
    assert read["electrodes_by_ion"] == {"Li": 21, "Mg": 21, "Na": 21}
    assert {"torch", "torch-geometric", "vesin"} <= set(read["versions"])
    for protocol, n_folds in {"framework": FOLDS, "paper": 1}.items():
        metrics = read["metrics"]["protocols"][protocol]
        assert len(metrics["splits"]) == n_folds
        assert metrics["all"]["count"] == sum(split["held_out_rows"] for split in metrics["splits"])
        assert metrics["ion_mean_baseline"]["count"] == metrics["all"]["count"]


def test_held_out_predictions_of_both_protocols_fit_the_schema(folds, tmp_path):
    write_table(folds[1], OUT_OF_FOLD, tmp_path / "out_of_fold.parquet")
    assert set(folds[1]["protocol"]) == {"framework", "paper"}
