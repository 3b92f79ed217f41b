"""`ionsieve status`: how far a run is."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ionsieve.command.output import mistakes_told
from ionsieve.command.terminal import console, duration, plain, table
from ionsieve.workflow_call import snakemake_call

if TYPE_CHECKING:
    from ionsieve.run.status import Stage, Status

EXAMPLES = """
Examples:

    ionsieve status

    ionsieve status my_na_screening/

    watch -n 30 ionsieve status
"""
# With more, the first ones show what is wrong.
MOST_FAILURES_SHOWN = 12

Folder = Annotated[
    Path,
    typer.Argument(
        metavar="FOLDER",
        help="The folder that snakemake runs in, or its results. Without it: the current one.",
        show_default=False,
    ),
]


def status(folder: Folder = Path()) -> None:
    """Show what a run has done, what runs, what failed and why, and the time left.

    Done is what has its result. Running is what a process of this machine works on; a job of another machine
    shows as begun. Times left are those of one core, from the jobs of this run that have ended and from how
    far the running ones are; "over" what is known of a part, "unknown" where no such job has ended yet. What
    a change made stale, `snakemake -n` tells.
    """
    with mistakes_told():
        from ionsieve.run.folder import RunFolder
        from ionsieve.run.status import status as read_status

        run = RunFolder.find(folder)
        _show(read_status(run), run.results / "report" / "index.html")


def _show(now: "Status", report: Path) -> None:
    out = console()
    overview = table("stage", "done", "running", "failed", "time left", right=("done", "running", "failed"))
    for stage in now.stages:
        total = "?" if stage.total is None else stage.total
        overview.add_row(
            stage.name,
            f"{stage.done}/{total}",
            str(len(stage.running) or "-"),
            str(len(stage.failed) or "-"),
            _time_left(stage),
        )
    out.print(overview)
    _show_running(now)
    _show_failed(now)
    for line in _conclusion(now, report):
        out.print(plain(line))


def _time_left(stage: "Stage") -> str:
    if stage.total is None:
        return "after the shortlist"
    return "-" if stage.done == stage.total else _known(stage.left_s, bool(stage.untimed))


def _known(left_s: float, is_partly: bool) -> str:
    """A time left, of which perhaps only a part is known."""
    if not is_partly:
        return duration(left_s)
    return f"over {duration(left_s)}" if left_s >= 1 else "unknown"


def _show_running(now: "Status") -> None:
    running = [job for stage in now.stages for job in stage.running]
    if running:
        shown = table("running", "for", "so far", "left", right=("for", "left"))
        for job in running:
            shown.add_row(
                plain(job.name), duration(job.elapsed_s), plain(job.words or "-"), duration(job.left_s)
            )
        console().print(shown)


def _show_failed(now: "Status") -> None:
    failed = [each for stage in now.stages for each in stage.failed]
    if failed:
        shown = table("failed", "why", "where")
        for each in failed[:MOST_FAILURES_SHOWN]:
            shown.add_row(plain(each.name), plain(f"{each.status}: {each.reason}"), plain(each.where))
        console().print(shown)
    if len(failed) > MOST_FAILURES_SHOWN:
        console().print(f"and {len(failed) - MOST_FAILURES_SHOWN} more")


def _conclusion(now: "Status", report: Path) -> list[str]:
    """Whether anything works here, what was left open, and what to do next."""
    lines = []
    running = sum(len(stage.running) for stage in now.stages)
    begun = [name for stage in now.stages for name in stage.open]
    errors = [each for stage in now.stages for each in stage.failed if each.status == "error"]
    candidates = [each for stage in now.stages for each in stage.failed if each.status != "error"]
    sign = "" if now.last_sign_s is None else f"; last sign of life {duration(now.last_sign_s)} ago"
    if now.is_complete:
        lines.append(f"Everything is done: see {report} and `ionsieve explain CANDIDATE`.")
    elif running or now.activity.has_controller:
        cores = now.activity.controller_cores
        known = _known(now.left_s / (cores or 1), now.has_unknown_times)
        left = known if now.has_unknown_times else f"about {known}"
        on = f" on {cores} cores" if cores and cores > 1 else ""
        lines.append(f"Running{sign}. Time left in all: {left}{on}.")
    elif now.last_sign_s is None and not any(stage.done for stage in now.stages):
        lines.append("Nothing has been started here yet.")
    else:
        lines.append(f"Nothing runs here{sign}. The command that started it goes on where it stopped.")
    if begun:
        names = ", ".join(begun[:4]) + (f" and {len(begun) - 4} more" if len(begun) > 4 else "")
        lines.append(f"Begun and not ended (stopped, or running on another machine): {names}.")
    if errors:
        lines.append("A job that broke is tried again by the command that started the run.")
    if candidates:
        retry = snakemake_call("--cores 1 retry_failed")
        lines.append(f"Candidates that failed stop no other; `{retry}` clears them.")
    passed_on = sum(stage.passed_on for stage in now.stages)
    if passed_on:
        lines.append(f"{passed_on} later jobs of failed candidates passed the failure on and count as done.")
    if now.config_file is None:
        lines.append("No configuration was found; the defaults say what belongs to the run.")
    elif not now.is_complete:
        lines.append(f"What belongs to the run is read from {now.config_file}.")
    return lines
