"""What became of one candidate at one stage: a small JSON file, whatever happened.

A candidate that fails for a physical reason must not stop the others, so its jobs end well and say
``status`` and ``reason`` in the stage's result file. Later stages of the same candidate pass the
status on without computing.
"""

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
def candidate_outcome(result: Path | str, placeholders: Sequence[Path | str] = ()) -> Iterator[dict[str, Any]]:
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
