"""Rows distributed over files by a hash, so that tables larger than memory are worked on part by part."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Self

import numpy as np
import pyarrow as pa

# With half a million candidates a part holds some ten thousand of them: tens of megabytes.
PARTS = 64


class Spill:
    """A table in :data:`PARTS` Arrow files; rows that share a key share a part.

    Parameters
    ----------
    folder : holds the files; the caller removes it.
    part_of_key : which part a key belongs to.
    """

    def __init__(self, folder: Path, schema: pa.Schema, key: str, part_of_key: Callable[[str], int]) -> None:
        folder.mkdir(parents=True)
        self._folder, self._schema, self._key, self._part_of_key = folder, schema, key, part_of_key
        self._open = ExitStack()
        self._writers: dict[int, pa.RecordBatchFileWriter] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def add(self, rows: pa.Table) -> None:
        """Distribute rows over the parts, in their order."""
        parts = np.array([self._part_of_key(key) for key in rows[self._key].to_pylist()], dtype=int)
        for part in np.unique(parts).tolist():
            if part not in self._writers:
                path = str(self._folder / f"{part:04d}.arrow")
                self._writers[part] = self._open.enter_context(pa.ipc.new_file(path, self._schema))
            self._writers[part].write_table(rows.filter(parts == part))

    def parts(self) -> Iterator[pa.Table]:
        """Every part that has rows, one in memory at a time; only after the spill is closed."""
        for part in sorted(self._writers):
            with pa.OSFile(str(self._folder / f"{part:04d}.arrow")) as file:
                yield pa.ipc.open_file(file).read_all()
