"""How far a run is: by stage what is done, running and failed, and how much time is left.

Done is what has its result file. Whether a result has become stale, since a threshold or an input changed, is
for ``snakemake -n`` to say, which plans; nothing is planned here.
"""

import csv
import json
import time
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from ionsieve.artifacts import read_json
from ionsieve.outcome import OK
from ionsieve.run.activity import Activity, activity
from ionsieve.run.folder import RunFolder
from ionsieve.run.jobs import STAGES, STAGES_OF_CANDIDATES, Job, jobs
from ionsieve.run.progress import Progress, failure, progress

# Before that share of a job is done, its pace is mostly that of its start, imports and all.
LEAST_SHARE = 0.1


@dataclass(frozen=True)
class Running:
    """A job that runs on this machine.

    Attributes
    ----------
    name : rule and key.
    elapsed_s : since its process started.
    words : how far it is; empty where it does not tell.
    left_s : estimate; None where nothing is known.
    """

    name: str
    elapsed_s: float
    words: str
    left_s: float | None


@dataclass(frozen=True)
class Failed:
    """A candidate that cannot go on, or a job that broke.

    Attributes
    ----------
    name : the candidate, or the job.
    status : its outcome's, or ``error`` for a job that broke.
    reason : in words.
    where : the file that says so.
    """

    name: str
    status: str
    reason: str
    where: str


@dataclass
class Stage:
    """One stage of a run.

    Attributes
    ----------
    done, total : jobs that have their result, failed candidates among them; total is None before the
        shortlist is known.
    passed_on : jobs that only passed on an earlier failure of their candidate.
    open : jobs that began, have neither result nor error, and do not run on this machine.
    left_s : on one core, of the jobs whose time is known.
    untimed : jobs whose time is not known.
    """

    name: str
    done: int = 0
    total: int | None = 0
    passed_on: int = 0
    running: list[Running] = field(default_factory=list)
    failed: list[Failed] = field(default_factory=list)
    open: list[str] = field(default_factory=list)
    left_s: float = 0.0
    untimed: int = 0

    def add_time(self, seconds: float | None) -> None:
        """Count what one more job has left."""
        if seconds is None:
            self.untimed += 1
        else:
            self.left_s += seconds


@dataclass(frozen=True)
class Status:
    """A run as it is now.

    Attributes
    ----------
    config_file : the configuration that says what belongs to the run; None for the defaults.
    last_sign_s : seconds since a log was last written to; None where there is no log.
    """

    config_file: Path | None
    stages: list[Stage]
    activity: Activity
    last_sign_s: float | None

    @property
    def left_s(self) -> float:
        """Of all stages on one core, as far as it is known."""
        return sum(stage.left_s for stage in self.stages)

    @property
    def has_unknown_times(self) -> bool:
        """Whether there are jobs whose time, or whose number, is not known."""
        return any(stage.untimed or stage.total is None for stage in self.stages)

    @property
    def is_complete(self) -> bool:
        """Whether every job of the run has its result."""
        return all(stage.total is not None and stage.done == stage.total for stage in self.stages)


def status(run: RunFolder) -> Status:
    """Read how far a run is."""
    now_s = time.time()
    alive = activity(run.folder, run.results / "logs")
    stages = {name: Stage(name) for name in STAGES}
    seen: set[tuple[str, str, str]] = set()
    waiting: list[Job] = []
    samples = _Durations(run.results)
    for job in jobs(run.config, run.material_ids(), run.results):
        stage, log = stages[job.stage], job.log(run.results)
        assert stage.total is not None
        stage.total += 1
        started_s = alive.started_s.get(log.resolve())
        if started_s is not None:
            told = progress(log, run.config)
            elapsed_s = max(0.0, now_s - started_s)
            left_s = samples.left(job, elapsed_s, told)
            stage.running.append(Running(job.name, elapsed_s, told.words if told else "", left_s))
        elif (run.results / job.result).exists():
            stage.done += 1
            samples.read(job)
            _add_outcome(run.results, job, stage, seen)
        else:
            waiting.append(job)
            if log.exists():
                error = failure(log)
                if error is None:
                    stage.open.append(job.name)
                else:
                    stage.failed.append(Failed(job.name, "error", error, str(log)))
    for job in waiting:
        stages[job.stage].add_time(samples.typical(job))
    for stage in stages.values():
        for running in stage.running:
            stage.add_time(running.left_s)
    if run.material_ids() is None:
        for name in STAGES_OF_CANDIDATES:
            stages[name].total = None
    return Status(
        config_file=run.config_file,
        stages=list(stages.values()),
        activity=alive,
        last_sign_s=_last_sign_s(run.results / "logs", now_s),
    )


def _add_outcome(results: Path, job: Job, stage: Stage, seen: set[tuple[str, str, str]]) -> None:
    """Note a result that is a failure, once: later stages of a candidate pass it on."""
    if job.material_id is None or not job.result.endswith(".json"):
        return
    path = results / job.result
    try:
        document = read_json(path)
    except json.JSONDecodeError:
        stage.failed.append(Failed(job.name, "error", "its result is damaged; remove it", str(path)))
        return
    outcome, reason = str(document.get("status", OK)), str(document.get("reason"))
    if outcome == OK:
        return
    if _was_mended(results, job):
        return
    told = (job.material_id, outcome, reason)
    if told in seen:
        stage.passed_on += 1
        return
    seen.add(told)
    stage.failed.append(Failed(f"{job.material_id} ({job.rule})", outcome, reason, str(path)))


def _was_mended(results: Path, job: Job) -> bool:
    """Whether a later round of refinement put right what the gate rejected: the potential went to MD."""
    deployed = results / "potential" / str(job.material_id) / "deployed.json"
    trained = job.rule in ("train_potential", "refine_potential")
    return trained and deployed.exists() and read_json(deployed).get("status") == OK


class _Durations:
    """How long jobs of each rule took in this run, from Snakemake's benchmark files."""

    def __init__(self, results: Path) -> None:
        self._results = results
        self._of_rule: dict[str, list[float]] = {}

    def read(self, job: Job) -> None:
        seconds = _benchmark_s(job.benchmark(self._results))
        if seconds is not None:
            self._of_rule.setdefault(job.rule, []).append(seconds)

    def typical(self, job: Job) -> float | None:
        known = self._of_rule.get(job.rule)
        # Seconds, and without a benchmark: it writes a file.
        return median(known) if known else 0.0 if job.rule == "resolved_config" else None

    def left(self, job: Job, elapsed_s: float, told: Progress | None) -> float | None:
        """What a running job has left; its pace is the estimate of jobs like it where none has ended yet."""
        if told is not None and told.share - told.share_before >= LEAST_SHARE:
            whole_s = elapsed_s / (told.share - told.share_before)
            self._of_rule.setdefault(job.rule, [whole_s])
            return whole_s * (1 - told.share)
        known = self.typical(job)
        if known is None:
            return None
        return max(0.0, known - elapsed_s) if told is None else known * (1 - told.share)


def _benchmark_s(path: Path) -> float | None:
    try:
        with path.open(newline="") as handle:
            row = next(csv.DictReader(handle, delimiter="\t"), None)
        return None if row is None else float(row["s"])
    except (OSError, KeyError, ValueError, TypeError):
        return None


def _last_sign_s(logs: Path, now_s: float) -> float | None:
    dates = [path.stat().st_mtime for path in logs.rglob("*.log")] if logs.is_dir() else []
    return max(0.0, now_s - max(dates)) if dates else None
