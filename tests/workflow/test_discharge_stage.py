"""Discharge curves in the workflow: nothing unless asked for; tests to a model, a model to predictions."""

import shutil
from pathlib import Path

import pytest
from screening_project import METALS, OVERLAY, Project, new_project, perovskite

from ionsieve.artifacts import read_json
from ionsieve.discharge.ensemble import Ensemble
from ionsieve.discharge.predictions import CAPACITIES, HIGH_ENTROPY_CAPACITIES, PROFILES
from ionsieve.tables import DISCHARGE_POINTS, read_table

LMTO = Path(__file__).resolve().parents[3] / "shared" / "data" / "drxnet" / "LMTO_example.csv"
TINY = {"members": 2, "epochs": 1, "least_steps": 20, "forecast_tests": 0, "high_entropy_step": 0.2}
STAGE = {
    "discharge_dataset",
    "discharge_member",
    "discharge_train",
    "discharge_split_member",
    "discharge_evaluation",
    "discharge_forecast_test",
    "discharge_forecast",
    "discharge_predict",
    "discharge_candidates",
    "discharge_comparison",
    "discharge_transfer",
}


@pytest.fixture
def fresh(tmp_path) -> Project:
    """A screening that has not run yet, with crystals of its own."""
    project = new_project(tmp_path / "project", doubles=True)
    candidates = {f"c-{metal}": perovskite("Mg", metal, 4.0) for metal in METALS}
    project.write_data(candidates, {metal: 2.0 + 0.1 * index for index, metal in enumerate(METALS)})
    project.configure()
    return project


def cycler_files(project: Project) -> list[str]:
    """Two files, whose content a dry run never reads."""
    for name in ("one.csv", "two.csv"):
        (project.folder / name).write_text("nothing yet\n")
    return ["one.csv", "two.csv"]


def ready_model(project: Project) -> str:
    """A folder that a dry run takes for a model."""
    folder = project.folder / "ready"
    folder.mkdir()
    for name in ("state.pt", "card.json"):
        (folder / name).write_text("nothing yet\n")
    return "ready"


def test_a_screening_without_tests_or_a_model_plans_nothing_of_the_stage(fresh):
    assert not STAGE & set(fresh.run("-n").jobs)


def test_tests_bring_training_evaluation_and_predictions_into_the_report(fresh):
    fresh.configure(discharge={"tests": cycler_files(fresh), "members": 2, "forecast_tests": 1})
    jobs = fresh.run("-n", "report").jobs
    assert jobs["discharge_dataset"] == jobs["discharge_train"] == jobs["discharge_predict"] == 1
    assert jobs["discharge_member"] == 2
    assert jobs["discharge_split_member"] == 3 * 2
    assert jobs["discharge_forecast"] == jobs["discharge_forecast_test"] == 1
    # Candidates are Mg's here, and the experiment on synthetic cells was not asked for.
    assert not {"discharge_candidates", "discharge_transfer"} & set(jobs)


def test_a_ready_model_predicts_without_training(fresh):
    fresh.configure(discharge={"model": ready_model(fresh)})
    assert fresh.run("-n", "discharge_predict").jobs == {"discharge_predict": 1}
    assert STAGE & set(fresh.run("-n", "report").jobs) == {"discharge_predict"}


def test_a_ready_model_is_compared_with_tests_where_both_are_given(fresh):
    fresh.configure(
        discharge={"model": ready_model(fresh), "tests": cycler_files(fresh), "forecast_tests": 0}
    )
    planned = STAGE & set(fresh.run("-n", "report").jobs)
    assert planned == {"discharge_dataset", "discharge_comparison", "discharge_predict"}


def test_targets_work_alone(fresh):
    fresh.configure(discharge={"tests": cycler_files(fresh), "members": 3})
    assert fresh.run("-n", "discharge_train").jobs == {
        "discharge_dataset": 1,
        "discharge_member": 3,
        "discharge_train": 1,
    }
    assert fresh.run("-n", "discharge_transfer").jobs == {"discharge_transfer": 1}


@pytest.mark.slow
def test_without_tests_the_training_says_what_it_needs(fresh):
    run = fresh.snakemake("discharge_train")
    assert run.status != 0
    assert "name files or folders under discharge.tests" in run.output


@pytest.mark.slow
@pytest.mark.skipif(not LMTO.exists(), reason=f"{LMTO} is not there")
def test_a_real_cell_becomes_a_model_that_predicts_and_says_where_it_extrapolates(tmp_path):
    project = new_project(tmp_path / "project", doubles=False)
    shutil.copy(LMTO, project.folder / LMTO.name)
    project.write_data({}, {})
    project.overlay = OVERLAY
    project.configure(discharge={**TINY, "tests": [LMTO.name], "compositions": ["Li1.2Mn0.4Ti0.4O2", "LiXx"]})
    jobs = project.run("discharge_predict", "discharge_evaluation").jobs
    assert jobs["discharge_member"] == 2 and jobs["discharge_predict"] == 1
    results = project.folder / "results" / "discharge"
    points = read_table(results / "data/points.parquet", DISCHARGE_POINTS)
    assert points["cycle"].nunique() == 10 and set(points["label"]) == {"experiment"}
    card = read_json(results / "model/card.json")
    assert card["label"] == "experiment" and card["settings"] == "ionsieve"
    assert card["training_ranges"]["cycle"] == [1.0, 10.0]
    assert len(Ensemble.load(results / "model").members) == 2
    profiles = read_table(results / "predictions/profiles.parquet", PROFILES)
    known = profiles[profiles["rate_mA_per_g"] == 20.0]
    assert set(known["composition"]) == {"Li1.2Mn0.4Ti0.4O2"}
    assert profiles.loc[profiles["rate_mA_per_g"] == 1000.0, "extrapolation"].str.contains("rate").all()
    capacities = read_table(results / "predictions/capacities.parquet", CAPACITIES)
    late = capacities[(capacities["shown"] == "cycle") & (capacities["cycle"] > 10)]
    assert late["extrapolation"].str.contains("cycle").all()
    enumerated = read_table(results / "predictions/high_entropy.parquet", HIGH_ENTROPY_CAPACITIES)
    assert len(enumerated) == 26 and enumerated["extrapolation"].str.contains("no training data").all()
    assert "LiXx" in read_json(results / "predictions/summary.json")["refused"]
    # One composition holds no split by the number of metals; that is said, and no failure.
    protocols = read_json(results / "evaluation.json")["protocols"]
    assert all("skipped" in found for found in protocols.values())
    # The checkpoints of finished members are gone, and a second run has nothing to do.
    assert not list(results.rglob("*checkpoint*"))
    assert not project.run("-n", "discharge_predict").jobs
