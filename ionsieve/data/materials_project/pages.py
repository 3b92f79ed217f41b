"""Pages of a database that were fetched, kept on disk so that a broken pull goes on where it stopped."""

import gzip
import hashlib
import json
import shutil
import zlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ionsieve import algorithms
from ionsieve.artifacts import write_bytes
from ionsieve.data.network import SourceError

# Raise it when the rows that pages hold change their shape: older pages are then fetched anew.
PAGE_FORMAT = 1


@dataclass(frozen=True)
class Pages:
    """Fetched pages of one release of a database.

    Attributes
    ----------
    folder : where pages are kept, one gzipped JSON document each.
    release : where and which release of the database; another release never sees these pages.
    """

    folder: Path
    release: str

    def get(self, question: dict[str, Any], fetch: Callable[[], Any]) -> Any:
        """The page that answers ``question`` (JSON-able): from disk, or fetched now and kept.

        A page that the disk has damaged is fetched anew.

        Raises
        ------
        SourceError : the disk does not take the page; nothing half-written is left.
        """
        key = json.dumps([PAGE_FORMAT, algorithms.DATA, self.release, question], sort_keys=True)
        path = self.folder / f"{hashlib.sha256(key.encode()).hexdigest()}.json.gz"
        with suppress(FileNotFoundError, EOFError, gzip.BadGzipFile, zlib.error, ValueError):
            return json.loads(gzip.decompress(path.read_bytes()))
        page = fetch()
        try:
            write_bytes(path, gzip.compress(json.dumps(page).encode(), mtime=0))
        except OSError as error:
            raise SourceError(
                f"cannot keep what was fetched in {self.folder}: {error.strerror}; make room and run the "
                "same command again: it goes on from there"
            ) from error
        return page

    def forget(self) -> None:
        """Remove all pages: they contradict one another."""
        shutil.rmtree(self.folder, ignore_errors=True)
