"""How results reach the disk: atomically, with the same bytes for the same content.

A reader never sees half a file: everything is written beside its target and renamed. Files that a
checkpoint writes without declaring them keep their bytes *and their date* when the content has not
changed, which is what stops a data update from rerunning what it does not touch.
"""

import errno
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from ionsieve.errors import DataError

# How files and folders begin that are still being written.
UNFINISHED = ".writing-"


@contextmanager
def written_aside(folder: Path) -> Iterator[Path]:
    """A folder within ``folder`` for files that move there once all of them are complete.

    Only for the one job that writes there: what a killed job left half-written is removed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for left in folder.glob(f"{UNFINISHED}*"):
        if left.is_dir():
            shutil.rmtree(left, ignore_errors=True)
        else:
            left.unlink(missing_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=UNFINISHED) as name:
        yield Path(name)


def digest(path: Path | str) -> str:
    """SHA-256 of a file's content, in hexadecimal."""
    with Path(path).open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


@contextmanager
def atomic_path(path: Path | str) -> Iterator[Path]:
    """A temporary path beside ``path`` that replaces it when the block ends without an error.

    The suffix is kept, since many writers choose their format by it. An empty result is an error,
    not a file.
    """
    path = Path(path)
    with _written_by_name(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=UNFINISHED, suffix=path.suffix)
        os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        if temporary.stat().st_size == 0:
            raise DataError(f"nothing was written to {path}: an empty result is an error")
        with _written_by_name(path):
            temporary.chmod(0o644)
            temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


class CannotWrite(OSError):
    """A file that cannot be written, under the name that was asked for; its number tells why."""

    def __str__(self) -> str:
        return f"{self.filename} cannot be written: {self.strerror}"


@contextmanager
def _written_by_name(path: Path) -> Iterator[None]:
    """What fails here fails for ``path``: nobody knows the temporary file beside it, or the folder above."""
    try:
        yield
    except FileExistsError as error:  # where a folder above should be made is a file
        raise CannotWrite(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(path)) from error
    except OSError as error:
        raise CannotWrite(error.errno, error.strerror, str(path)) from error


def write_bytes(path: Path | str, content: bytes) -> None:
    """Write bytes atomically."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(content)


def write_text(path: Path | str, text: str) -> None:
    """Write text atomically."""
    write_bytes(path, text.encode())


def write_between(page: Path, start: str, end: str, text: str) -> None:
    """Replace what stands between two marks of a page of the documentation.

    Raises
    ------
    DataError : the page is missing, or does not hold each mark once, in order.
    """
    try:
        whole = page.read_text()
    except OSError as error:
        raise DataError(f"{page} cannot be read ({error.strerror}); give the path of the page") from error
    head, found_start, rest = whole.partition(start)
    _, found_end, tail = rest.partition(end)
    if not (found_start and found_end):
        raise DataError(f"{page} lacks the lines {start!r} and {end!r} that the table goes between")
    write_text(page, f"{head}{start}\n\n{text}\n{end}{tail}")


def write_json(path: Path | str, document: dict[str, Any]) -> None:
    """Write a small JSON document: sorted keys, no NaN (use None for what is not known)."""
    write_text(path, json.dumps(document, indent=2, sort_keys=True, allow_nan=False) + "\n")


def read_json(path: Path | str) -> dict[str, Any]:
    """Read a JSON document written by :func:`write_json`."""
    return json.loads(Path(path).read_text())


def replace_if_changed(path: Path | str, write: Callable[[Path], None]) -> bool:
    """Write a file only if its content differs from what is there; returns whether it did.

    ``write`` receives a temporary path.
    """
    path = Path(path)
    with ExitStack() as aside:
        with _written_by_name(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            folder = aside.enter_context(tempfile.TemporaryDirectory(dir=path.parent, prefix=UNFINISHED))
        fresh = Path(folder) / path.name
        write(fresh)
        return move_if_changed(fresh, path)


def move_if_changed(fresh: Path, path: Path) -> bool:
    """Move a fresh file over ``path`` only if its content differs; returns whether it did.

    An unchanged file keeps its date, so jobs that read it are not stale.
    """
    if path.exists() and digest(path) == digest(fresh):
        return False
    fresh.replace(path)
    return True
