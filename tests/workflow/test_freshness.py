"""What a new release of a database makes stale, and nothing else.

Two databases on loopback change between two pulls. Each test runs up to the shortlist, and compares what a
dry run then plans with what is then executed (``Project.update``).
"""

import shutil

from database_project import AWAY, SHARDS, database_project, sulphides
from screening_project import METALS, perovskite

from ionsieve import tables
from ionsieve.artifacts import digest, read_json
from ionsieve.data.buckets import bucket_name, bucket_of

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
PULLS = {"pull_materials_project", "pull_gnome"}


def _dates(project, pattern):
    results = project.folder / "results"
    return {str(path.relative_to(results)): path.stat().st_mtime_ns for path in sorted(results.glob(pattern))}


def _changed(before, after):
    return {path for path in before.keys() | after.keys() if before.get(path) != after.get(path)}


def _shortlist(project):
    path = project.folder / "results/screen/shortlist.parquet"
    return tables.read_table(path, tables.SCREENED)["material_id"].tolist()


def test_candidates_of_both_databases_carry_source_licence_and_hull(project):
    frames = [
        tables.read_table(path, tables.CANDIDATES)
        for path in (project.folder / "results/data/candidates").glob("*.parquet")
    ]
    kinds = {
        tuple(row)
        for frame in frames
        for row in frame[["source", "licence", "hull_reference"]].itertuples(index=False)
    }
    assert kinds == {
        ("materials_project", "CC BY 4.0", "Materials Project (GGA_GGA+U_R2SCAN)"),
        ("gnome", "CC BY-NC 4.0 (GNoME)", "GNoME (all entries: MP, OQMD, WBM, GNoME)"),
    }
    page = (project.folder / "results/report/index.html").read_text()
    assert "2026.11.20" in page and "CC BY-NC 4.0" in page and "10.1038/s41586-023-06735-9" in page


def test_identical_content_is_pulled_and_nothing_else_happens(project, both):
    before = _dates(project, "**/*.*")
    assert project.run("refresh").jobs == {"refresh": 1}
    assert both.server.requests and both.bucket.requests, "the databases must have been asked"
    changed = _changed(before, _dates(project, "**/*.*"))
    assert changed <= {"logs/refresh.log"}
    assert not project.update()


def test_five_new_one_changed_and_one_withdrawn_touch_their_buckets_and_nothing_else(project, both):
    # Controls go through MD whatever their voltage: one that stays, one that changes, one still to come.
    project.configure(screen={"controls": ["mp-1005", "mp-1003", "mp-2000"]})
    project.run()
    kept_before = _shortlist(project)
    buckets_before = _dates(project, "data/candidates/*.parquet")
    predictions_before = _dates(project, "voltage/predictions/*.parquet")
    md_before = _dates(project, "transport/*/*/*/md.json")
    both.candidates |= {
        "mp-2000": perovskite("Mg", "Hf", 4.4, "F"),
        "mp-2001": perovskite("Mg", "Ta", 4.4, "F"),
        "mp-1003": perovskite("Mg", METALS[3], 4.5, "F"),  # changed
    }
    both.gnome |= sulphides(["Hf", "Ta", "Re"])
    withdrawn = next(name for name in ("xTi", "xV", "xCr") if f"gnome-{name}" not in kept_before)
    del both.gnome[withdrawn]
    both.publish("2026.12.20")

    assert project.run("refresh").jobs == {"refresh": 1}
    jobs = project.update()

    moved = {"mp-2000", "mp-2001", "mp-1003", "gnome-xHf", "gnome-xTa", "gnome-xRe", f"gnome-{withdrawn}"}
    buckets = {bucket_name(bucket_of(name, SHARDS)) for name in moved}
    touched = _changed(buckets_before, _dates(project, "data/candidates/*.parquet"))
    assert touched == {f"data/candidates/{name}.parquet" for name in buckets}
    predicted = _changed(predictions_before, _dates(project, "voltage/predictions/*.parquet"))
    assert predicted == {f"voltage/predictions/{name}.parquet" for name in buckets}
    fresh = [name for name in _shortlist(project) if name in moved or name not in kept_before]
    assert {"mp-1003", "mp-2000"} <= set(fresh) and "mp-1005" not in fresh
    assert jobs["candidate_inputs"] == jobs["predict_voltage"] == len(buckets)
    assert {rule: jobs[rule] for rule in PER_CANDIDATE} == dict.fromkeys(PER_CANDIDATE, len(fresh))
    assert not (TRAINING | PULLS) & set(jobs)
    assert jobs["catalogue"] == jobs["shortlist"] == 1
    md_after = _dates(project, "transport/*/*/*/md.json")
    assert {path.split("/")[1] for path in _changed(md_before, md_after)} == set(fresh)
    assert not project.run("-n").jobs


def test_a_new_version_with_the_same_content_updates_the_report_alone(project, both):
    before = _dates(project, "transport/*/*/*/md.json") | _dates(project, "voltage/**/*.*")
    both.publish("2027.01.01")
    project.run("refresh")
    jobs = project.update()
    assert jobs == {"catalogue": 1, "shortlist": 1, "report": 1}
    assert _dates(project, "transport/*/*/*/md.json") | _dates(project, "voltage/**/*.*") == before
    assert "2027.01.01" in (project.folder / "results/report/index.html").read_text()


def test_changed_electrodes_train_again_and_spare_the_md_of_survivors(project, both):
    before, kept = _dates(project, "transport/*/*/*/md.json"), set(_shortlist(project))
    both.voltages_V["Ti"] += 0.1
    both.publish("2026.12.20")
    project.run("refresh")
    jobs = project.update()
    assert set(jobs) >= TRAINING and not PULLS & set(jobs)
    assert jobs["predict_voltage"] == SHARDS and "candidate_inputs" not in jobs
    fresh = set(_shortlist(project)) - kept
    assert jobs["run_md"] == len(fresh)
    after = _dates(project, "transport/*/*/*/md.json")
    assert {path.split("/")[1] for path in _changed(before, after)} == fresh


def test_a_database_that_is_away_leaves_everything_as_it_was(project, both):
    before = _dates(project, "data/raw/**/*.*")
    project.environment |= AWAY
    run = project.snakemake("refresh")
    assert run.status != 0 and "Traceback" not in run.output
    assert "refresh" in run.output and "Materials Project" in run.output
    assert _dates(project, "data/raw/**/*.*") == before
    assert not project.run("-n").jobs


def test_another_question_while_the_database_is_away_costs_no_table(project):
    raw = sorted((project.folder / "results/data/raw").glob("*/*.*"))
    before = [digest(path) for path in raw]
    project.environment |= AWAY
    project.configure(data={"max_energy_above_hull_eV_per_atom": 0.01})
    assert project.snakemake("fetch_all").status != 0
    of_materials_project = [path for path in raw if "materials_project" in str(path)]
    assert [digest(path) for path in of_materials_project] == [
        known for path, known in zip(raw, before, strict=True) if path in of_materials_project
    ]
    # With the former question the tables are as good as before, which Snakemake must be told.
    project.configure()
    relative = [str(path.relative_to(project.folder)) for path in of_materials_project]
    project.run("--cleanup-metadata", *relative, "--")
    assert "pull_materials_project" not in project.run("-n").jobs


def test_refresh_before_the_first_pull_says_what_to_do(both, tmp_path):
    project = database_project(tmp_path / "new", both, doubles=True)
    run = project.snakemake("refresh")
    assert run.status != 0 and "fetch_all" in run.output and "Traceback" not in run.output


def test_refresh_under_another_configuration_is_refused(project):
    before = _dates(project, "data/raw/**/*.*")
    project.configure(data={"max_energy_above_hull_eV_per_atom": 0.01})
    run = project.snakemake("refresh")
    assert run.status != 0 and "another configuration" in run.output and "0.01" in run.output
    assert _dates(project, "data/raw/**/*.*") == before


def test_tables_from_elsewhere_that_answer_another_query_are_refused(project):
    """Without Snakemake's own records, as on a machine that the tables were copied to."""
    results = project.folder / "results"
    for name in ("catalogue.json", "electrodes.parquet", "rejects.csv"):
        (results / "data" / name).unlink()
    shutil.rmtree(project.folder / ".snakemake")
    project.configure(data={"max_energy_above_hull_eV_per_atom": 0.3})
    run = project.snakemake("--until", "catalogue")
    assert run.status != 0 and "catalogue" in run.output and "another configuration" in run.output


def test_fetch_all_pulls_and_does_nothing_else(both, tmp_path):
    project = database_project(tmp_path / "new", both, doubles=True)
    assert project.run("fetch_all").jobs == {"pull_materials_project": 1, "pull_gnome": 1, "fetch_all": 1}


def test_after_fetch_all_a_screening_ends_without_the_databases(project):
    """The one that all tests start from: pulled, then run with both databases out of reach (conftest.py)."""
    assert (project.folder / "results/report/index.html").exists()


def test_the_key_is_in_no_file(project, both):
    for path in project.folder.rglob("*"):
        if path.is_file() and not path.is_symlink():
            assert both.server.key.encode() not in path.read_bytes(), path


def test_a_pull_that_breaks_off_is_resumed_by_the_next_run(both, tmp_path):
    project = database_project(tmp_path / "new", both, doubles=True)
    both.server.fault("401", times=1, path="/thermo/")
    broken = project.snakemake("fetch_all")
    assert (
        broken.status != 0 and "pull_materials_project" in broken.output and "Traceback" not in broken.output
    )
    assert not (project.folder / "results/data/raw/materials_project/candidates.parquet").exists()
    asked = len(both.server.asked("insertion_electrodes"))
    assert asked
    project.run("fetch_all")
    assert len(both.server.asked("insertion_electrodes")) == asked, "what was fetched must not be asked again"
    provenance = read_json(project.folder / "results/data/raw/materials_project/provenance.json")
    assert provenance["version"] == "2026.11.20"
    assert not (project.folder / "results/data/cache/materials_project").exists()
