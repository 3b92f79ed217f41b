"""How far one job is, read from the end of its log; and why it failed, where it did."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TAIL_BYTES = HEAD_BYTES = 65_536
LONGEST_REASON = 300
_MD = re.compile(
    r"(?P<stage>npt|nvt): step (?P<done>\d+) of (?P<total>\d+), (?P<ps>[\d.]+) of (?P<total_ps>[\d.]+) ps"
)
_EPOCH_OF = re.compile(r"epoch (?P<done>\d+)/(?P<total>\d+): ")
_EPOCH = re.compile(r"epoch (?P<done>\d+): training MAE")
# What a job that was killed before says when it goes on.
_GOING_ON = re.compile(
    r"(?:going on after step|training continues after epoch) (?P<done>\d+) of (?P<total>\d+)"
)
_ERROR = re.compile(r"^(?:ERROR|CRITICAL) [\w.]+: (?P<message>.*)", re.MULTILINE)


@dataclass(frozen=True)
class Progress:
    """How far a job is.

    Attributes
    ----------
    words : for a reader.
    share : of the whole, between 0 and 1.
    share_before : what an earlier start of it, which was killed, had done.
    """

    words: str
    share: float
    share_before: float = 0.0


def progress(log: Path, config: Mapping[str, Any]) -> Progress | None:
    """Picoseconds of MD or epochs of a training; None where a job tells neither.

    Parameters
    ----------
    log : of the job.
    config : every key of the configuration; says how many epochs a voltage network has.
    """
    going_on = _GOING_ON.search(_head(log))
    before = 0.0 if going_on is None else int(going_on["done"]) / int(going_on["total"])
    last: Progress | None = None
    for line in _tail(log).splitlines():
        if match := _MD.search(line):
            words = f"{match['ps']} of {match['total_ps']} ps ({match['stage'].upper()})"
            last = Progress(words, int(match["done"]) / int(match["total"]), before)
        elif match := _EPOCH_OF.search(line):
            words = f"epoch {match['done']} of {match['total']}"
            last = Progress(words, int(match["done"]) / int(match["total"]), before)
        elif match := _EPOCH.search(line):
            done, total = int(match["done"]), int(config["voltage"]["epochs"])
            last = Progress(f"epoch {done} of {total}", min(1.0, done / total))
    return last


def failure(log: Path) -> str | None:
    """Why a job failed, in a line: the last error of its log; None where there is none."""
    text = _tail(log)
    errors = list(_ERROR.finditer(text))
    if not errors:
        return None
    # A traceback says most in its last line; a message for users is a line of its own.
    lines = [line.strip() for line in text[errors[-1].start("message") :].splitlines() if line.strip()]
    if not lines:
        return "it failed without a word"
    said = lines[-1] if lines[0].startswith("Traceback") else lines[0]
    return said if len(said) <= LONGEST_REASON else f"{said[:LONGEST_REASON]}..."


def _head(path: Path) -> str:
    with path.open("rb") as handle:
        return handle.read(HEAD_BYTES).decode(errors="replace")


def _tail(path: Path) -> str:
    with path.open("rb") as handle:
        handle.seek(0, 2)
        handle.seek(max(0, handle.tell() - TAIL_BYTES))
        return handle.read().decode(errors="replace")
