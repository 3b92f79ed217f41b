"""What became of one candidate at one stage: a small JSON file, whatever happened.

A candidate that fails for a physical reason must not stop the others, so its jobs end well and say
``status`` and ``reason`` in the stage's result file. Later stages of the same candidate pass the
status on without computing.
"""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ionsieve.artifacts import read_json, write_json, write_text
from ionsieve.errors import CandidateFailed

OK = "ok"


def require_ok(*results: Path | str) -> None:
    """Raise CandidateFailed with the earlier stage's status and reason unless all of them are ok."""
    for path in results:
        earlier = read_json(path)
        if earlier["status"] != OK:
            raise CandidateFailed(earlier["reason"], earlier["status"])


@contextmanager
def candidate_outcome(
    result: Path | str, placeholders: Sequence[Path | str] = ()
) -> Iterator[dict[str, Any]]:
    """Write ``result`` as JSON when the block ends, with status ``ok`` or that of CandidateFailed.

    Parameters
    ----------
    result : the stage's result file. The block fills the dictionary it is given.
    placeholders : other declared outputs; those that a failure left unwritten get one line that says
        so, since Snakemake wants every output to exist.
    """
    document: dict[str, Any] = {}
    try:
        yield document
        document |= {"status": OK, "reason": None}
    except CandidateFailed as failure:
        document |= {"status": failure.status, "reason": failure.reason}
        for path in placeholders:
            if not Path(path).exists():
                write_text(path, f"no result: {failure.reason}\n")
    write_json(result, document)


def clear_failed(stage_folders: Sequence[Path], independent: Path, summaries: Sequence[Path]) -> list[Path]:
    """Remove what did not end well, so that it runs again; returns what was removed.

    Of ``stage_folders``, which follow one another, a candidate's folder goes, and those of its later stages;
    of ``independent``, whose results need one another only where they passed a failure on, the failed result
    files alone: a day of DFT must not go with a minute's failure beside it. With any of them go the
    ``summaries`` of all candidates: Snakemake would not rerun a job whose results exist merely because
    something before it is gone.
    """
    failed = {
        (stage, path.relative_to(stage).parts[0])
        for stage in stage_folders
        for path in _failed_results(stage)
        if not _was_mended(stage / path.relative_to(stage).parts[0])
    }
    first_failure = {
        name: min(stage_folders.index(stage) for stage, other in failed if other == name)
        for _, name in failed
    }
    cleared = [
        stage_folders[index] / name
        for name, first in sorted(first_failure.items())
        for index in range(first, len(stage_folders))
        if (stage_folders[index] / name).exists()
    ]
    for folder in cleared:
        shutil.rmtree(folder)
    for path in _failed_results(independent):
        path.unlink()
        cleared.append(path)
    if cleared:
        for path in summaries:
            path.unlink(missing_ok=True)
    return cleared


def _was_mended(folder: Path) -> bool:
    """Whether a later round of refinement put right what the gate rejected: the potential went to MD."""
    deployed = folder / "deployed.json"
    return deployed.exists() and read_json(deployed)["status"] == OK


def _failed_results(folder: Path) -> list[Path]:
    """Result files of candidates below ``folder`` with another status than ok."""
    return [
        path
        for path in sorted(folder.rglob("*.json"))
        if len(path.relative_to(folder).parts) > 1 and read_json(path).get("status", OK) != OK
    ]
