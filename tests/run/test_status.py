"""How far a run is: what is done, what runs, what failed and why, and the time left."""

import subprocess
import sys
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ionsieve.artifacts import write_json, write_text
from ionsieve.command import app
from ionsieve.errors import DataError
from ionsieve.run.folder import RunFolder
from ionsieve.run.jobs import jobs
from ionsieve.run.progress import failure, progress
from ionsieve.run.status import Stage, Status, status


def stage(now: Status, name: str) -> Stage:
    return next(each for each in now.stages if each.name == name)


def write_benchmark(path: Path, seconds: float) -> None:
    write_text(path, f"s\th:m:s\tmax_rss\n{seconds}\t0:00:01\t100\n")


@pytest.fixture
def begun(sieve) -> RunFolder:
    """A run up to the shortlist of two, nothing after it."""
    return sieve("begun", {"c-Mn": 3.5, "c-Fe": 3.3, "c-Ti": 1.0})


def test_a_folder_that_is_no_screening_is_refused(tmp_path):
    with pytest.raises(DataError, match="holds no screening"):
        RunFolder.find(tmp_path)


def test_the_folder_and_its_results_are_the_same_run(begun):
    assert RunFolder.find(begun.results).folder == begun.folder


def test_a_folder_whose_screening_was_never_started_has_done_nothing(tmp_path):
    write_text(tmp_path / "config.yaml", "working_ion: Na\n")
    now = status(RunFolder.find(tmp_path))
    assert sum(each.done for each in now.stages) == 0
    said = CliRunner().invoke(app, ["status", str(tmp_path)]).stdout
    assert "Nothing has been started here yet." in said


def test_keys_that_a_configuration_leaves_out_have_their_defaults(tmp_path):
    (tmp_path / "results").mkdir()
    (tmp_path / "config.yaml").write_text("screen: {max_candidates: 7}\n")
    config = RunFolder.find(tmp_path).config
    assert config["screen"]["max_candidates"] == 7
    assert config["screen"]["min_voltage_V"] == 3.0


def test_a_section_that_holds_nothing_is_named(tmp_path):
    (tmp_path / "results").mkdir()
    write_text(tmp_path / "config.yaml", "working_ion: Na\nscreen:\n  # min_voltage_V: 2\n")
    result = CliRunner().invoke(app, ["status", str(tmp_path)])
    assert result.exit_code == 2
    assert "config.yaml: screen is None; it must be a mapping of keys, or be left out" in result.stderr


def test_before_the_shortlist_the_number_of_its_jobs_is_not_known(tmp_path):
    (tmp_path / "results").mkdir()
    now = status(RunFolder.find(tmp_path))
    assert stage(now, "potentials").total is None
    assert (stage(now, "voltage model").done, stage(now, "voltage model").total) == (0, 8)
    assert now.has_unknown_times
    assert not now.is_complete


def test_jobs_are_counted_by_their_results(begun):
    now = status(begun)
    assert (stage(now, "shortlist").done, stage(now, "shortlist").total) == (1, 1)
    assert (stage(now, "predictions").done, stage(now, "predictions").total) == (4, 8)
    # Two candidates: teacher frames, training, deployment of each.
    assert (stage(now, "potentials").done, stage(now, "potentials").total) == (0, 6)


def test_a_candidates_failure_is_told_once_with_its_reason(begun):
    folder = begun.results / "potential" / "c-Mn"
    rejected = {"status": "potential_rejected", "reason": "force error 0.5 eV/A is above 0.3"}
    write_json(folder / "frames.json", {"status": "ok", "reason": None})
    write_json(folder / "model.json", rejected)
    write_json(folder / "deployed.json", rejected)
    write_json(begun.results / "transport/c-Mn/1200K/0/md.json", rejected)
    now = status(begun)
    (told,) = stage(now, "potentials").failed
    assert (told.name, told.status) == ("c-Mn (train_potential)", "potential_rejected")
    assert told.reason == "force error 0.5 eV/A is above 0.3"
    assert stage(now, "potentials").passed_on == 1
    assert stage(now, "molecular dynamics").failed == []
    assert stage(now, "molecular dynamics").passed_on == 1
    assert stage(now, "potentials").done == 3


def test_a_rejected_potential_that_refinement_mended_is_no_failure(begun):
    folder = begun.results / "potential" / "c-Mn"
    write_json(folder / "model.json", {"status": "potential_rejected", "reason": "x"})
    write_json(folder / "deployed.json", {"status": "ok", "reason": None})
    assert stage(status(begun), "potentials").failed == []


def test_a_job_that_broke_is_told_with_the_last_line_of_its_traceback(begun):
    log = begun.results / "logs/train_potential/c-Mn.log"
    write_text(log, "INFO x: fine\nERROR root: Traceback (most recent call last):\n  File\nValueError: odd\n")
    (told,) = stage(status(begun), "potentials").failed
    assert (told.name, told.status, told.reason) == ("train_potential c-Mn", "error", "ValueError: odd")
    assert told.where == str(log)


def test_a_message_for_users_is_the_reason_itself(tmp_path):
    log = tmp_path / "x.log"
    log.write_text("ERROR root: no space to write (No space left): free some\n")
    assert failure(log) == "no space to write (No space left): free some"


def test_a_log_without_result_process_or_error_is_a_job_that_was_stopped(begun):
    write_text(begun.results / "logs/run_md/c-Mn/1200K_0.log", "INFO x: going\n")
    now = status(begun)
    assert stage(now, "molecular dynamics").open == ["run_md c-Mn/1200K_0"]
    assert stage(now, "molecular dynamics").running == []


def test_a_job_whose_process_holds_its_log_runs(begun):
    log = begun.results / "logs/run_md/c-Mn/1200K_0.log"
    log.parent.mkdir(parents=True)
    line = (
        "INFO ionsieve.transport.unattended: npt: step 250 of 1000, 0.50 of 2.00 ps, 31.2 steps/s, 0:01 left"
    )
    script = f"import time; f = open({str(log)!r}, 'w'); print({line!r}, file=f, flush=True); time.sleep(60)"
    process = subprocess.Popen([sys.executable, "-c", script], cwd=begun.folder)
    try:
        while not log.exists() or not log.read_text():
            time.sleep(0.05)
        running = stage(status(begun), "molecular dynamics").running
    finally:
        process.kill()
        process.wait()
    (job,) = running
    assert (job.name, job.words) == ("run_md c-Mn/1200K_0", "0.50 of 2.00 ps (NPT)")
    # A quarter is done: three times as long as it took so far.
    assert job.left_s == pytest.approx(3 * job.elapsed_s)
    assert stage(status(begun), "molecular dynamics").open == ["run_md c-Mn/1200K_0"]


def test_the_pace_of_a_run_that_goes_on_counts_from_where_it_went_on(tmp_path):
    log = tmp_path / "md.log"
    log.write_text(
        "INFO x: going on after step 500 of 1000, from the checkpoint in y\n"
        "INFO x: nvt: step 750 of 1000, 1.50 of 2.00 ps, 30 steps/s, 0:01:00 left\n"
    )
    told = progress(log, {})
    assert told is not None
    assert (told.share, told.share_before) == (0.75, 0.5)


@pytest.mark.parametrize(
    ("line", "words", "share"),
    [
        ("INFO ionsieve.potential.training: epoch 5/20: forces_mae 0.1", "epoch 5 of 20", 0.25),
        ("INFO ionsieve.voltage.training: epoch 30: training MAE 0.0579 V", "epoch 30 of 120", 0.25),
        ("INFO x: nvt: step 9 of 10, 0.9 of 1.0 ps, 1 steps/s, 0:00:01 left", "0.9 of 1.0 ps (NVT)", 0.9),
    ],
)
def test_progress_is_read_from_what_jobs_log(tmp_path, line, words, share):
    log = tmp_path / "x.log"
    log.write_text(f"INFO x: start\n{line}\n")
    told = progress(log, {"voltage": {"epochs": 120}})
    assert told is not None
    assert (told.words, told.share) == (words, share)


def test_the_time_left_is_the_typical_time_of_jobs_like_those_that_wait(begun):
    done, waiting = [
        job for job in jobs(begun.config, begun.material_ids(), begun.results) if job.rule == "relax_pair"
    ]
    write_json(begun.results / done.result, {"status": "ok", "reason": None})
    write_benchmark(done.benchmark(begun.results), 100.0)
    now = stage(status(begun), "validation")
    assert now.left_s == 100.0
    assert now.untimed > 0
    write_json(begun.results / waiting.result, {"status": "ok", "reason": None})
    assert stage(status(begun), "validation").left_s == 0.0


def test_a_finished_run_is_complete(finished):
    for job in jobs(finished.config, finished.material_ids(), finished.results):
        path = finished.results / job.result
        if not path.exists() and job.result.endswith(".json"):
            write_json(path, {"status": "ok", "reason": None})
        elif not path.exists():
            write_text(path, "there\n")
    now = status(finished)
    assert now.is_complete
    # host_melted is no crash: the run is complete, and says so.
    (melted,) = stage(now, "molecular dynamics").failed
    assert melted.status == "host_melted"
    shown = CliRunner().invoke(app, ["status", str(finished.folder)])
    assert shown.exit_code == 0
    assert "Everything is done" in shown.stdout
    assert "host_melted" in shown.stdout


def test_the_command_refuses_a_folder_that_is_none_in_one_line(tmp_path):
    shown = CliRunner().invoke(app, ["status", str(tmp_path / "absent")])
    assert shown.exit_code == 2
    (line,) = shown.stderr.splitlines()
    assert "is no folder" in line
