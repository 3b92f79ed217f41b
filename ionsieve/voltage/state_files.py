"""Torch files of this stage: same bytes for the same content, and one clear message for a bad file."""

import io
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from ionsieve.artifacts import write_bytes
from ionsieve.errors import DataError

CANDIDATE_INPUTS = "ionsieve voltage candidate inputs 1"
GRAPHS = "ionsieve voltage graphs 2"
MEMBER = "ionsieve voltage member 2"
ENSEMBLE = "ionsieve voltage ensemble 2"


def save_state(path: Path | str, content: str, state: Mapping[str, Any]) -> None:
    """Write tensors, lists, dicts and plain values, marked with what they are.

    Saved through memory: torch writes the file's own name into a file that it opens by name.
    """
    buffer = io.BytesIO()
    torch.save({"content": content, **state}, buffer)
    write_bytes(path, buffer.getvalue())


# What helps where the workflow wrote the file.
RUN_AGAIN = "delete it and run the workflow again"


def load_state(path: Path | str, content: str, remedy: str = RUN_AGAIN) -> dict[str, Any]:
    """Read what :func:`save_state` wrote; nothing in the file is executed.

    Raises
    ------
    DataError : the file is missing, truncated, or holds something else; the message ends in the remedy.
    """
    try:
        state = torch.load(io.BytesIO(Path(path).read_bytes()), map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise DataError(f"{path} does not exist; the rules of the voltage stage make it") from error
    except (EOFError, KeyError, OSError, RuntimeError, ValueError, pickle.UnpicklingError) as error:
        raise DataError(
            f"{path} is damaged or is no torch file ({type(error).__name__}); {remedy}"
        ) from error
    found = state.get("content") if isinstance(state, dict) else None
    if found != content:
        raise DataError(
            f"{path} should hold {content!r}, but holds {found!r}: another file, or of another version of"
            f" IonSieve; {remedy}"
        )
    return state
