"""The composition stage in the workflow: part of a screening, and no reason to run anything dear again."""

import shutil

from ionsieve import tables
from ionsieve.composition.experiments import EXPERIMENTS


def test_a_screening_ends_with_second_opinions_in_its_ranked_list(project):
    results = project.folder / "results"
    opinions = tables.read_table(results / "composition/shortlist.parquet", tables.SECOND_OPINION)
    shortlist = tables.read_table(results / "screen/shortlist.parquet", tables.SCREENED)
    assert opinions["material_id"].tolist() == shortlist["material_id"].tolist()
    assert (opinions["composition_voltage_low_V"] < opinions["composition_voltage_V"]).all()
    assert "composition_voltage_V" in (results / "candidates.csv").read_text().splitlines()[0]
    (results / "composition/shortlist.parquet").unlink()
    assert project.run("-n").jobs["second_opinion"] == 1


def test_another_composition_model_changes_second_opinions_and_costs_nothing_dear(project):
    rules = project.folder / "rules" / "composition.smk"
    before, rule, model = rules.read_text().partition("rule composition_model:")
    model, second, others = model.partition("rule second_opinion:")
    # Assembled anew with another seed: other intervals, the same members.
    changed = model.replace("seed=config_model.seed", "seed=config_model.seed + 1")
    rules.write_text(before + rule + changed + second + others)
    jobs = project.update()
    assert set(jobs) <= {"composition_model", "second_opinion", "rank", "report"}
    assert jobs["composition_model"] == jobs["second_opinion"] == 1


def test_the_benchmark_and_the_audit_plan_each_experiment_under_its_protocols(project):
    before = project.run("-n", "composition_benchmark", "leakage_audit").jobs
    assert before["composition_experiment"] == sum(
        len(experiment.protocols) for experiment in EXPERIMENTS.values()
    )
    assert before["composition_volume_change"] == before["composition_benchmark"] == 1
    assert before["leakage_audit"] == 1
    assert not {"composition_fold", "composition_model", "run_md", "voltage_fold"} & set(before)
    shutil.rmtree(project.folder / "results" / "composition")
    after = project.run("-n", "composition_benchmark").jobs
    assert after["composition_fold"] == 3 and after["composition_model"] == 1
