"""Which jobs of a folder run on this machine, told by the log that each holds open.

A script opens its log when it starts and has it open until it ends, however Snakemake started it. Snakemake's
own books (locks, marks of incomplete files) outlive a killed run and say nothing of who is alive.
"""

import time
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Activity:
    """What runs here.

    Attributes
    ----------
    started_s : when each log was opened, as a process's start in seconds since 1970, by its resolved path.
    controller_cores : the ``--cores`` of a Snakemake that works in the folder; None where there is no such
        number, or no such Snakemake.
    has_controller : whether one works there.
    """

    started_s: dict[Path, float] = field(default_factory=dict)
    controller_cores: int | None = None
    has_controller: bool = False


def activity(folder: Path, logs: Path) -> Activity:
    """Look at the processes of this machine that may be looked at.

    Parameters
    ----------
    folder : where Snakemake runs.
    logs : of the scripts.
    """
    import psutil

    folder, logs = folder.resolve(), logs.resolve()
    started_s: dict[Path, float] = {}
    cores, has_controller = None, False
    for process in psutil.process_iter():
        try:
            if not Path(process.cwd()).is_relative_to(folder):
                continue
            command = process.cmdline()
            if _is_controller(command):
                has_controller = True
                cores = cores or _cores_of(command)
            for file in process.open_files():
                path = Path(file.path)
                if path.is_relative_to(logs):
                    started_s[path] = min(process.create_time(), started_s.get(path, time.time()))
        except (psutil.Error, OSError):
            continue  # of another user, or gone meanwhile
    return Activity(started_s, cores, has_controller)


def _is_controller(command: list[str]) -> bool:
    """Whether a command line is that of Snakemake, by its name or as Python's module."""
    starts = [Path(word).name for word in command[:4]]
    return "snakemake" in starts and not any(word.startswith("--target-jobs") for word in command)


def _cores_of(command: list[str]) -> int | None:
    for index, word in enumerate(command):
        name, _, value = word.partition("=")
        if name in ("--cores", "-c", "-j", "--jobs"):
            value = value or (command[index + 1] if index + 1 < len(command) else "")
            return int(value) if value.isdigit() else None
    return None
