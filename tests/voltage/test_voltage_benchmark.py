import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from ionsieve.artifacts import write_between
from ionsieve.config import BenchmarkConfig
from ionsieve.errors import DataError
from ionsieve.tables import to_arrow
from ionsieve.voltage import benchmark
from ionsieve.voltage.baselines import composition_features, gradient_boosting
from ionsieve.voltage.benchmark import (
    run_fold,
    summarise,
    to_markdown,
    training_seed,
)
from ionsieve.voltage.cross_validation import member_seed
from ionsieve.voltage.electrodes import Electrodes
from ionsieve.voltage.leakage import LeakageError
from ionsieve.voltage.members import Architecture
from ionsieve.voltage.rivals import MODELS, Rival, Settings
from ionsieve.voltage.splits import BENCHMARK_PROTOCOLS
from ionsieve.voltage.training import Schedule

SETTINGS = Settings(
    Architecture(8.0, 12, atom_features=8, convolutions=1, hidden_features=8),
    Schedule(epochs=1, batch_size=16, learning_rate=0.01, weight_decay=0.0),
)


@pytest.fixture(scope="module")
def electrodes(synthetic_electrodes) -> Electrodes:
    """Voltages that compositions tell much of, but not exactly: a sum over elements would be a copy."""
    noise_V = np.random.default_rng(5).normal(0.0, 0.5, len(synthetic_electrodes.table))
    table = synthetic_electrodes.table
    return replace(synthetic_electrodes, table=table.assign(voltage_V=table["voltage_V"] + noise_V))


@pytest.mark.parametrize("model", [name for name, rival in MODELS.items() if not rival.uses_energy_model])
def test_a_fold_gives_a_voltage_to_each_held_out_row_and_the_same_again(electrodes, model):
    held_out, audited = run_fold(electrodes, model, "chemical_system", 1, 2, 3, SETTINGS, seed=0)
    again, _ = run_fold(electrodes, model, "chemical_system", 1, 2, 3, SETTINGS, seed=0)
    # The script of the fold writes the audit as JSON, which knows no infinity.
    json.dumps(audited, allow_nan=False)
    pd.testing.assert_frame_equal(held_out, again, check_exact=True)
    to_arrow(held_out, benchmark.BENCHMARK_FOLD)
    assert len(held_out) == audited["held_out_rows"] == 21
    labels_V = electrodes.table.set_index("electrode_id")["voltage_V"]
    assert (held_out["voltage_V"] == labels_V[held_out["electrode_id"]].to_numpy()).all()
    assert (audited["model"], audited["protocol"]) == (model, "chemical_system")
    assert (audited["fold"], audited["training"]) == (1, 2)


@pytest.mark.parametrize("model", list(MODELS))
def test_another_training_gives_other_voltages_where_the_start_is_random(electrodes, model):
    if MODELS[model].uses_energy_model:
        assert MODELS[model].starts_at_random
        return
    first, second = (
        run_fold(electrodes, model, "framework", 0, training, 3, SETTINGS, seed=0)[0] for training in (0, 1)
    )
    differ = (first["predicted_voltage_V"] != second["predicted_voltage_V"]).any()
    assert differ or not MODELS[model].starts_at_random
    assert not differ or MODELS[model].starts_at_random or model == "composition_gbm"


def test_a_fold_that_leaks_is_not_trained_on(electrodes, monkeypatch):
    """The voltage under an innocent name, among the features of a model."""

    def never(*_) -> np.ndarray:
        raise AssertionError("trained on a fold that leaks")

    def leaking(electrodes, settings) -> pd.DataFrame:
        return pd.DataFrame({"packing": 2.0 * electrodes.voltages_V + 1.0})

    monkeypatch.setitem(MODELS, "leaking", Rival("leaks", never, leaking))
    with pytest.raises(LeakageError):
        run_fold(electrodes, "leaking", "framework", 0, 0, 3, SETTINGS, seed=0)


def test_gradient_boosting_learns_from_compositions(synthetic_electrodes):
    """Across random rows; the mean of all is 1.2 V off."""
    features = composition_features(synthetic_electrodes).to_numpy()
    voltages_V = synthetic_electrodes.voltages_V
    held_out = np.arange(0, 63, 6)
    training = np.setdiff1d(np.arange(63), held_out)
    predictions_V = gradient_boosting(features, voltages_V, training, held_out, seed=1)
    assert np.abs(predictions_V - voltages_V[held_out]).mean() < 0.5


def test_composition_features_of_a_known_crystal(synthetic_electrodes):
    features = composition_features(synthetic_electrodes)
    row = features[synthetic_electrodes.table["electrode_id"] == "MgMnO"].iloc[0]  # MgMnO2: host MnO2
    assert row["share_Mn"] == pytest.approx(1 / 3)
    assert row["ions_per_host_atom"] == pytest.approx(1 / 3)
    assert row["ion_charge_per_host_atom"] == pytest.approx(2 / 3)
    assert row["host_number_mean"] == pytest.approx((25 + 2 * 8) / 3)
    assert (row["host_number_min"], row["host_number_max"], row["ion_number"]) == (8, 25, 12)
    assert row["host_number_deviation"] == pytest.approx(17 * np.sqrt(2) / 3)
    assert "share_Mg" not in features


def test_composition_features_know_nothing_of_the_structure(synthetic_table):
    """A supercell of other lattice constants is the same composition."""
    stretched = synthetic_table.assign(
        cell=[np.multiply(cell, 1.1).tolist() for cell in synthetic_table["cell"]]
    )
    of = [
        composition_features(Electrodes.from_table(table, 8.0, 12, "digest"))
        for table in (synthetic_table, stretched)
    ]
    pd.testing.assert_frame_equal(*of)


def test_an_unknown_model_is_a_clear_error(electrodes):
    with pytest.raises(DataError, match="known: ion_mean, composition_gbm"):
        run_fold(electrodes, "cgnn", "paper", 0, 0, 3, SETTINGS, seed=0)


@pytest.mark.parametrize("protocol", ["paper", "framework"])
def test_the_first_training_starts_from_the_seed_of_the_workflows_own_folds(protocol):
    assert training_seed(3, protocol, 2, 0) == member_seed(3, protocol, 2)


def test_the_configuration_offers_the_models_and_protocols_that_there_are():
    offered = BenchmarkConfig()
    assert offered.models == list(MODELS)
    assert offered.protocols == list(BENCHMARK_PROTOCOLS)
    assert benchmark.REFERENCE in MODELS


def test_every_training_has_a_seed_of_its_own():
    seeds = {
        training_seed(0, protocol, fold, training)
        for protocol in BENCHMARK_PROTOCOLS
        for fold in range(10)
        for training in range(3)
    }
    assert len(seeds) == 30 * len(BENCHMARK_PROTOCOLS)


def predictions(
    model: str, errors_V: list[float], protocol: str = "framework", training: int = 0
) -> pd.DataFrame:
    """Six electrodes of four frameworks in two folds."""
    labels_V = np.array([1.0, 2.0, 3.0, 4.0, 3.5, 2.5])
    return pd.DataFrame(
        {
            "model": model,
            "electrode_id": [f"e{number}" for number in range(6)],
            "material_id": [f"m{number}" for number in range(6)],
            "working_ion": ["Li", "Li", "Li", "Li", "Mg", "Mg"],
            "framework": ["MnO2", "MnO2", "CoO2", "Mn2O3", "CoO2", "TiS2"],
            "protocol": protocol,
            "fold": [0, 0, 1, 0, 1, 1],
            "training": training,
            "voltage_V": labels_V,
            "predicted_voltage_V": labels_V + np.array(errors_V),
            "x_charged": [0.0, 0.5, 0.0, 0.0, 0.0, 0.5],
        }
    )


def audited(
    model: str, protocol: str, fold: int, duplicates: int = 0, training: int = 0
) -> dict[str, object]:
    return {
        "model": model,
        "protocol": protocol,
        "fold": fold,
        "training": training,
        "held_out_rows": 3,
        "training_rows": 3,
        "groups_on_both_sides": 0,
        "held_out_rows_with_their_crystal_in_training": duplicates,
        "tabular_features": 2,
        "largest_r2_of_features_with_the_answer": {"one feature": 0.1 * fold, "few features": None},
    }


REFERENCE_ERRORS_V = [0.4, -0.2, 0.3, -0.5, 0.6, 0.4]
BETTER_ERRORS_V = [0.2, 0.1, -0.3, 0.3, 0.3, -0.6]


@pytest.fixture
def summary() -> dict:
    out_of_fold = pd.concat(
        [predictions("cgcnn", REFERENCE_ERRORS_V), predictions("composition_gbm", BETTER_ERRORS_V)]
    )
    # Rows in any order: the table must not depend on it.
    audits = [audited(model, "framework", fold) for model in ("cgcnn", "composition_gbm") for fold in (0, 1)]
    return summarise(out_of_fold.sample(frac=1.0, random_state=0), audits, seed=0)


def score(
    summary: dict, model: str, ion: str = "all", pairs: str = "all", protocol: str = "framework"
) -> dict:
    (row,) = (
        row
        for row in summary["scores"]
        if (row["model"], row["working_ion"], row["pairs"], row["protocol"]) == (model, ion, pairs, protocol)
    )
    return row


def test_errors_of_known_predictions(summary):
    row = score(summary, "cgcnn")
    assert (row["count"], row["groups"], row["folds"]) == (6, 4, 2)
    assert row["mae_V"] == pytest.approx(0.4)
    assert row["median_absolute_error_V"] == pytest.approx(0.4)
    fold_mae_V = [(0.4 + 0.2 + 0.5) / 3, (0.3 + 0.6 + 0.4) / 3]
    assert row["fold_mae_mean_V"] == pytest.approx(np.mean(fold_mae_V))
    assert row["fold_mae_std_V"] == pytest.approx(np.std(fold_mae_V, ddof=1))
    assert row["mae_low_V"] < row["mae_V"] < row["mae_high_V"]


def test_errors_are_given_by_ion_and_for_fully_charged_pairs(summary):
    assert score(summary, "cgcnn", ion="Mg")["mae_V"] == pytest.approx(0.5)
    assert score(summary, "cgcnn", ion="Mg")["count"] == 2
    assert score(summary, "cgcnn", pairs="fully_charged")["mae_V"] == pytest.approx(0.45)
    alone = score(summary, "cgcnn", ion="Mg", pairs="fully_charged")
    # One framework alone has nothing to be resampled against.
    assert (alone["count"], alone["mae_low_V"], alone["r2"]) == (1, None, None)


def test_models_are_compared_with_the_reference_on_the_same_rows(summary):
    row = score(summary, "composition_gbm")
    assert row["difference_V"] == pytest.approx(0.3 - 0.4)
    assert row["difference_percent"] == pytest.approx(-25.0)
    assert row["difference_low_percent"] < -25.0 < row["difference_high_percent"]
    assert score(summary, "composition_gbm", ion="Mg")["difference_percent"] == pytest.approx(-10.0)
    assert score(summary, "cgcnn")["difference_V"] is None


def test_trainings_are_scored_alone_and_as_their_mean():
    """Errors of opposite sign cancel in the mean of two trainings; the reference has one."""
    reversed_V = [-error_V for error_V in BETTER_ERRORS_V]
    out_of_fold = pd.concat(
        [
            predictions("cgcnn", REFERENCE_ERRORS_V),
            predictions("ionsieve", BETTER_ERRORS_V),
            predictions("ionsieve", reversed_V, training=1),
        ]
    )
    row = score(summarise(out_of_fold, [], seed=0), "ionsieve")
    assert row["trainings"] == 2
    assert row["mae_V"] == pytest.approx(0.0, abs=1e-9)
    assert row["mae_alone_V"] == pytest.approx(0.3)
    assert row["mae_alone_std_V"] == pytest.approx(0.0, abs=1e-9)
    assert row["difference_percent"] == pytest.approx(-100.0)
    assert row["difference_alone_percent"] == pytest.approx(-25.0)


def test_a_model_that_is_better_everywhere_is_better_in_every_draw():
    """Each error is nine tenths of the reference's: so is every ratio of means."""
    shrunk = [0.9 * error_V for error_V in REFERENCE_ERRORS_V]
    out_of_fold = pd.concat(
        [predictions("cgcnn", REFERENCE_ERRORS_V), predictions("composition_gbm", shrunk)]
    )
    row = score(summarise(out_of_fold, [], seed=1), "composition_gbm")
    ends = [row["difference_low_percent"], row["difference_high_percent"]]
    assert ends == pytest.approx([-10.0, -10.0])
    assert row["difference_high_V"] < 0


def test_without_the_reference_there_is_no_comparison():
    summary = summarise(predictions("ion_mean", BETTER_ERRORS_V), [], seed=0)
    assert score(summary, "ion_mean")["difference_V"] is None
    assert "MAE against `cgcnn` by ion" not in to_markdown(summary)


def test_chemical_systems_are_what_is_drawn_where_they_are_kept_apart():
    """MnO2 and Mn2O3 are one."""
    summary = summarise(predictions("cgcnn", REFERENCE_ERRORS_V, "chemical_system"), [], seed=0)
    assert score(summary, "cgcnn", protocol="chemical_system")["groups"] == 3


@pytest.mark.parametrize("spoiled", ["voltage_V", "electrode_id", "fold"])
@pytest.mark.parametrize("model", ["composition_gbm", "cgcnn"])
def test_trainings_scored_on_different_rows_are_refused(spoiled, model):
    other = predictions(model, BETTER_ERRORS_V, training=1 if model == "cgcnn" else 0)
    other.loc[0, spoiled] = "another" if spoiled == "electrode_id" else 7
    with pytest.raises(DataError, match="different electrodes"):
        summarise(pd.concat([predictions("cgcnn", REFERENCE_ERRORS_V), other]), [], seed=0)


def test_the_same_rows_make_the_same_table(summary):
    out_of_fold = pd.concat(
        [predictions("composition_gbm", BETTER_ERRORS_V), predictions("cgcnn", REFERENCE_ERRORS_V)]
    )
    assert summarise(out_of_fold, [], seed=0)["scores"] == summary["scores"]


def test_the_audits_of_the_folds_are_added_up():
    audits = [
        audited("cgcnn", "paper", 0, duplicates=2),
        audited("cgcnn", "paper", 3, duplicates=1),
        # Another training on the same fold is not another fold.
        audited("cgcnn", "paper", 0, duplicates=2, training=1),
    ]
    (found,) = summarise(predictions("cgcnn", BETTER_ERRORS_V), audits, seed=0)["audits"]
    assert found["held_out_rows_with_their_crystal_in_training"] == 3
    assert found["held_out_rows"] == 6
    assert found["largest_r2_of_features_with_the_answer"] == pytest.approx(0.3)
    assert found["by"] == "one feature"


def test_models_that_use_an_energy_model_stand_in_a_marked_block(monkeypatch):
    monkeypatch.setitem(
        MODELS,
        "marked",
        Rival("knows energies", MODELS["cgcnn"].predict, lambda *_: None, uses_energy_model=True),
    )
    out_of_fold = pd.concat(
        [
            predictions("marked", [0.1] * 6),
            predictions("cgcnn", REFERENCE_ERRORS_V),
            predictions("composition_gbm", BETTER_ERRORS_V),
        ]
    )
    lines = to_markdown(summarise(out_of_fold, [], seed=0)).splitlines()
    marks = [number for number, line in enumerate(lines) if "energy model's knowledge" in line]
    knowing = [number for number, line in enumerate(lines) if line.startswith("| `marked`")]
    others = [number for number, line in enumerate(lines) if line.startswith("| `c")]
    # One block in each table: errors, errors by ion, differences by ion.
    assert knowing == [number + 1 for number in marks]
    assert len(marks) == 3
    assert others == [number - 2 + place for number in marks for place in (0, 1)]


def test_the_markdown_tables_are_tables(summary):
    """Each line of a table has as many cells as its head."""
    text = to_markdown(summary)
    assert "0.400 (" in text
    assert "-25.0 % (" in text
    assert "| MAE / V by ion (count) | Li (4) | Mg (2) |" in text
    width = None
    for line in text.splitlines():
        if not line.startswith("|"):
            width = None
            continue
        width = width or line.count("|")
        assert line.count("|") == width, line


def page_with_marks(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(f"before\n{benchmark.TABLE_START}\nold\n{benchmark.TABLE_END}\nafter\n")
    return page


def test_the_table_replaces_what_stands_between_the_marks_of_the_page(tmp_path):
    page = page_with_marks(tmp_path)
    write_between(page, benchmark.TABLE_START, benchmark.TABLE_END, "| new |\n")
    write_between(page, benchmark.TABLE_START, benchmark.TABLE_END, "| newer |\n")
    assert page.read_text() == (
        f"before\n{benchmark.TABLE_START}\n\n| newer |\n\n{benchmark.TABLE_END}\nafter\n"
    )


def test_the_command_writes_the_table_of_a_finished_benchmark(tmp_path, summary):
    from ionsieve.artifacts import write_json

    page = page_with_marks(tmp_path)
    write_json(tmp_path / "table.json", summary)
    benchmark.main([str(tmp_path), str(page)])
    assert to_markdown(summary) in page.read_text()


def test_the_command_says_what_is_missing(tmp_path):
    page = page_with_marks(tmp_path)
    with pytest.raises(SystemExit, match="snakemake voltage_benchmark"):
        benchmark.main([str(tmp_path), str(page)])
    page.write_text("no marks")
    with pytest.raises(DataError, match="lacks the lines"):
        write_between(page, benchmark.TABLE_START, benchmark.TABLE_END, "table")
    with pytest.raises(DataError, match="cannot be read"):
        write_between(tmp_path / "absent.md", benchmark.TABLE_START, benchmark.TABLE_END, "table")


def test_the_documentation_has_the_marks_once():
    from pathlib import Path

    text = (Path(__file__).parents[2] / "docs" / "voltage_benchmark.md").read_text()
    assert text.count(benchmark.TABLE_START) == text.count(benchmark.TABLE_END) == 1
