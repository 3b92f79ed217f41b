"""What a change of the configuration or of the code makes stale, and nothing else; and what a failure costs.

Each test changes one thing in a finished screening, runs up to the shortlist, and compares what a dry
run then plans with what is then executed (``Project.update``).
"""

import json
import shutil

from screening_project import new_project, perovskite

PER_CANDIDATE = {
    "teacher_frames",
    "train_potential",
    "deploy_potential",
    "run_md",
    "analyse_md",
    "arrhenius",
    "prepare_vasp",
    "relax_pair",
    "charged_host_hull",
    "neighbor_contributions",
}
TRAINING = {"voltage_graphs", "voltage_fold", "voltage_model", "voltage_interpretation"}
ENDING = {"validation_summary": 1, "rank": 1, "report": 1}


def _dates(project, pattern):
    return {path: path.stat().st_mtime_ns for path in sorted((project.folder / "results").glob(pattern))}


def _add_to_gnome(project, both, name):
    both.gnome[name] = perovskite("Mg", "Cr", 4.6, "Cl")
    both.publish()
    project.run("refresh")


def test_nothing_changed_means_nothing_to_be_done(project):
    assert not project.run("-n").jobs
    assert not project.run().jobs


def test_a_touched_file_with_the_same_content_reruns_nothing(project):
    (project.folder / "results/data/raw/gnome/candidates.parquet").touch()
    assert not project.update()


def test_what_sources_calculated_for_pairs_makes_nothing_stale(project):
    tables = sorted((project.folder / "results/data/raw").glob("*/calculated.parquet"))
    assert [path.parent.name for path in tables] == ["gnome", "materials_project"]
    # Any other content will do: nothing reads it.
    tables[0].write_bytes(tables[1].read_bytes())
    assert not project.update()
    for path in tables:  # as an earlier version leaves a folder
        path.unlink()
    assert not project.update()


def test_a_threshold_reruns_the_screen_and_nothing_that_was_learnt(project):
    before = _dates(project, "transport/*/*/*/md.json")
    project.configure(screen={"min_capacity_vol_Ah_per_L": 10.0})
    jobs = project.update()
    # The shortlist is the same in the end, so not even the ranking is stale; the funnel is.
    assert jobs == {"shortlist": 1, "report": 1, "resolved_config": 1}
    assert _dates(project, "transport/*/*/*/md.json") == before


def test_a_longer_shortlist_computes_its_new_members_only(project):
    before = _dates(project, "transport/*/*/*/md.json")
    project.configure(screen={"max_candidates": 3})
    jobs = project.update()
    of_the_list = {"shortlist": 1, "resolved_config": 1, "second_opinion": 1}
    assert jobs == {**of_the_list, **dict.fromkeys(PER_CANDIDATE, 1), **ENDING}
    after = _dates(project, "transport/*/*/*/md.json")
    assert len(after) == len(before) + 1 and after.items() >= before.items()


def test_a_new_temperature_runs_that_temperature_only(project):
    before = _dates(project, "transport/*/1200K/0/md.json")
    project.configure(transport={"temperatures_K": [1000.0, 1200.0]})
    jobs = project.update()
    assert jobs["run_md"] == 2 and jobs["arrhenius"] == 2
    assert not {"teacher_frames", "train_potential", "shortlist", *TRAINING} & set(jobs)
    assert _dates(project, "transport/*/1200K/0/md.json") == before


def test_another_universal_potential_relaxes_the_pairs_again_and_nothing_else(project):
    project.configure(validation={"universal_potential": "ase.calculators.emt.EMT"})
    jobs = project.update()
    assert jobs == {"relax_pair": 2, "charged_host_hull": 2, "resolved_config": 1, **ENDING}


def test_other_phases_compare_the_charged_hosts_anew_and_cost_no_relaxation_and_no_dft(project):
    (project.folder / "phases.json").write_text("[]")
    project.configure(validation={"gpaw": True})
    assert project.run().jobs["gpaw_voltage"] == 2
    project.configure(validation={"gpaw": True, "hull_entries": "phases.json"})
    jobs = project.run().jobs
    assert jobs == {"charged_host_hull": 2, "validation_summary": 1, "report": 1, "resolved_config": 1}


def test_another_replica_runs_alone_and_is_pooled(project):
    before = _dates(project, "transport/*/*/0/md.json")
    project.configure(transport={"replicas": 2, "checkpoint_ps": 0.1})
    jobs = project.update()
    assert jobs["run_md"] == 2 and jobs["analyse_md"] == 2 and jobs["arrhenius"] == 2
    assert not {"teacher_frames", "train_potential", "shortlist", *TRAINING} & set(jobs)
    assert _dates(project, "transport/*/*/0/md.json") == before
    for analysis in (project.folder / "results/transport").glob("*/*/diffusivity.json"):
        of_one = json.loads((analysis.parent / "0/md.json").read_text())
        assert json.loads(analysis.read_text())["n_ions"] == of_one["n_ions"]


def test_one_candidate_can_be_asked_for_below_a_catalogue_that_is_made_again(project):
    first = min((project.folder / "results/transport").iterdir())
    shutil.rmtree(first)
    shutil.rmtree(project.folder / "results/potential" / first.name)
    # The shortlist is planned behind the new catalogue, and found to be the same once that is made.
    rules = project.folder / "rules" / "data.smk"
    before, checkpoint, catalogue = rules.read_text().partition("checkpoint catalogue:")
    rules.write_text(before + checkpoint + catalogue.replace("algorithms.DATA", "algorithms.DATA + 1"))
    jobs = project.run(f"results/transport/{first.name}/transport.json").jobs
    assert {"catalogue", "teacher_frames", "train_potential"} <= set(jobs)
    assert "shortlist" not in jobs and not TRAINING & set(jobs)


def test_refinement_adds_its_rounds_and_another_round_only_itself(project):
    """Teacher's frames and first training stay; MD is run anew with the refined potential."""
    one_round = {
        "train_committee_member": 4,
        "explore_potential": 2,
        "label_explored": 2,
        "refine_potential": 2,
        "deploy_potential": 2,
    }
    before = _dates(project, "potential/*/model.json")
    for rounds in (1, 2):
        project.configure(potential={"refinement_rounds": rounds})
        jobs = project.update()
        assert jobs.items() >= one_round.items() and jobs["run_md"] == 2
        assert not {"teacher_frames", "train_potential", "shortlist", *TRAINING} & set(jobs)
        assert _dates(project, "potential/*/model.json") == before
    project.configure(potential={"refinement_rounds": 1})
    assert not {*one_round} - {"deploy_potential"} & set(project.update())


def test_a_new_algorithm_reruns_its_stage_and_what_follows(project):
    rules = project.folder / "rules" / "screen.smk"
    rules.write_text(rules.read_text().replace("algorithms.SCREEN", "algorithms.SCREEN + 1"))
    assert project.update() == {"shortlist": 1}, "the same shortlist makes nothing stale"
    rules = project.folder / "rules" / "transport.smk"
    rules.write_text(rules.read_text().replace("algorithms.TRANSPORT", "algorithms.TRANSPORT + 1"))
    jobs = project.update()
    assert jobs["run_md"] == 2 and "train_potential" not in jobs and "shortlist" not in jobs


def test_a_candidate_that_fails_stops_no_other_and_can_be_retried(project, both):
    _add_to_gnome(project, both, "zz-explodes")
    project.configure(screen={"controls": ["gnome-zz-explodes"]})
    project.update()
    results = project.folder / "results"
    outcome = json.loads((results / "transport/gnome-zz-explodes/transport.json").read_text())
    assert outcome["status"] == "unstable" and "9000 K" in outcome["reason"]
    assert "9000 K" in (results / "report/index.html").read_text()
    project.run("retry_failed")
    assert not (results / "transport/gnome-zz-explodes").exists()
    jobs = project.run().jobs
    assert jobs["run_md"] == 1 and "train_potential" not in jobs


def test_a_bug_in_one_candidate_leaves_the_others_and_a_partial_report(project, both):
    _add_to_gnome(project, both, "zz-broken")
    project.configure(screen={"controls": ["gnome-zz-broken"]}, transport={"temperatures_K": [900.0]})
    failed = project.snakemake()
    assert failed.status != 0 and "a bug in MD" in failed.output
    assert failed.jobs["run_md"] == 2, "the others' MD must have run"
    project.run("partial_report")
    assert "missing" in (project.folder / "results/report/partial/index.html").read_text()


def test_a_mistake_in_the_configuration_is_one_message_before_anything_runs(project):
    project.configure(screen={"min_voltage": 3.0})
    run = project.snakemake()
    assert run.status != 0 and not run.jobs
    assert "screen.min_voltage: no such key" in run.output
    assert "Traceback" not in run.output


def test_missing_input_file_is_named(tmp_path):
    project = new_project(tmp_path / "project", doubles=True)
    project.configure()
    (project.folder / "electrodes.jsonl").touch()
    run = project.snakemake()
    assert run.status != 0
    assert "structures.jsonl does not exist" in run.output and "Traceback" not in run.output


def test_a_full_disk_is_one_message_and_leaves_nothing_half_written(tmp_path):
    project = new_project(tmp_path / "project", doubles=True)
    (project.folder / "overlay.yaml").write_text("seed: 0\n")
    run = project.snakemake("fetch_all", largest_file_bytes=40_000)
    assert run.status != 0 and "ingest_demo: no space to write (File too large)" in run.output
    assert "Traceback" not in run.output
    assert not list(project.folder.glob("results/data/raw/**/*.parquet"))
    project.run("fetch_all")


def test_candidates_that_leave_the_shortlist_get_no_more_work(project):
    for name in ("potential", "transport", "validation"):
        shutil.rmtree(project.folder / "results" / name)
    (project.folder / "results/candidates.csv").unlink()
    project.configure(screen={"min_capacity_vol_Ah_per_L": 1e6})
    jobs = project.run().jobs
    assert not PER_CANDIDATE & set(jobs)
    assert jobs["shortlist"] == 1 and jobs["report"] == 1


def test_a_killed_run_goes_on_where_it_stopped(project):
    project.configure(transport={"temperatures_K": [700.0]})
    running = project.start()
    for line in running.stdout:
        if "Molecular dynamics" in line or "run_md" in line:
            break
    running.kill()
    running.wait()
    project.run("--unlock")
    executed = project.run().jobs
    assert executed["run_md"] >= 1
    assert not {"teacher_frames", "train_potential", *TRAINING} & set(executed)
    assert not project.run("-n").jobs
