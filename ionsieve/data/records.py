"""Records on their way in: what a source yields, what every crystal must satisfy, and the raw tables."""

import math
import shutil
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import pyarrow as pa
import pyarrow.parquet as pq

from ionsieve import structures, tables
from ionsieve.artifacts import move_if_changed, write_json
from ionsieve.errors import DataError
from ionsieve.ions import WORKING_IONS

# Wider than any intercalation voltage; beyond it a label is a mistake, not chemistry.
PLAUSIBLE_VOLTAGE_V = (-5.0, 10.0)
BATCH_ROWS = 2048


PROVENANCE = "provenance.json"
RAW_TABLES = {
    "electrodes.parquet": tables.ELECTRODES,
    "candidates.parquet": tables.CANDIDATES,
    "rejects.parquet": tables.REJECTS,
}


@dataclass(frozen=True)
class Reject:
    """A record set aside: whose, from where, at which step, and why."""

    material_id: str
    source: str
    stage: str
    reason: str


Record = dict[str, Any] | Reject


@dataclass(frozen=True)
class Pulled:
    """What a source gives: streams of records, and where they come from.

    Attributes
    ----------
    electrodes : rows of :data:`ionsieve.tables.ELECTRODES`, or rejects.
    candidates : rows of :data:`ionsieve.tables.CANDIDATES`, or rejects.
    provenance : JSON-able; ``source``, ``version`` (of the database, or None), ``licences``, ``cite``, and
        what else tells one release from another. No dates, no paths, no secrets: equal content, equal
        document.
    """

    electrodes: Iterable[Record]
    candidates: Iterable[Record]
    provenance: dict[str, Any]


def check_candidate(row: dict[str, Any], working_ion: str) -> Record:
    """The row itself, or a Reject that says why no stage could use this crystal."""
    try:
        structures.check(row, working_ion)
    except structures.DamagedStructure as damage:
        return Reject(row["material_id"], row["source"], "candidates", str(damage))
    return row


def check_electrode(row: dict[str, Any]) -> Record:
    """The row itself, or a Reject that says why no voltage model could learn from it."""
    reason = _electrode_fault(row)
    return Reject(row["electrode_id"], row["source"], "electrodes", reason) if reason else row


def unknown_ion(symbol: object) -> str:
    """The reason for setting aside an electrode whose ion nobody here knows."""
    return f"not a working ion: {symbol!r}; known: {', '.join(WORKING_IONS)}"


def _electrode_fault(row: dict[str, Any]) -> str | None:
    if row["working_ion"] not in WORKING_IONS:
        return unknown_ion(row["working_ion"])
    low, high = PLAUSIBLE_VOLTAGE_V
    if not (math.isfinite(row["voltage_V"]) and low < row["voltage_V"] < high):
        return f"voltage {row['voltage_V']} V is not between {low} and {high} V"
    try:
        structures.check(row, row["working_ion"])
    except structures.DamagedStructure as damage:
        return str(damage)
    return None


def write_raw(pulled: Pulled, folder: Path | str) -> bool:
    """Write a source's raw tables and provenance into ``folder``; returns whether anything there changed.

    Streams: one batch of rows is in memory at a time. All files are written aside first, so a source that
    breaks off changes nothing; a file whose content has not changed keeps its date.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".writing-") as temporary:
        aside = Path(temporary)
        with _RowWriter(aside / "rejects.parquet", tables.REJECTS) as rejects:
            for name, records in (("electrodes", pulled.electrodes), ("candidates", pulled.candidates)):
                table = f"{name}.parquet"
                with _RowWriter(aside / table, RAW_TABLES[table]) as rows:
                    for record in records:
                        if isinstance(record, Reject):
                            rejects.add(asdict(record))
                        else:
                            rows.add(record)
        write_json(aside / PROVENANCE, pulled.provenance)
        changed = [move_if_changed(aside / name, folder / name) for name in (*RAW_TABLES, PROVENANCE)]
    return any(changed)


def refresh(pull: Callable[[Path], Pulled], folder: Path | str) -> bool:
    """Pull a database into ``folder``, its source's raw tables; returns whether anything there changed.

    ``pull`` gets a folder to cache what it has fetched, so that a pull that breaks off goes on there. The
    cache goes when the pull is complete: the next one sees the database of its day.
    """
    folder = Path(folder)
    cache = folder.parents[1] / "cache" / folder.name
    changed = write_raw(pull(cache), folder)
    shutil.rmtree(cache, ignore_errors=True)
    return changed


def require_pulled(folder: Path | str) -> None:
    """Raise DataError where a source has not been pulled: the first pull must be a job of Snakemake."""
    if not (Path(folder) / PROVENANCE).exists():
        raise DataError(
            f"nothing to bring up to date in {folder}; pull it first: snakemake --cores 1 fetch_all"
        )


class _RowWriter:
    """A Parquet table that grows row by row, with one batch in memory."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self._schema = schema
        self._writer = pq.ParquetWriter(path, schema, compression="zstd")
        self._batch: list[dict[str, Any]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, error: type[BaseException] | None, *_: object) -> None:
        if error is None:
            self._flush()
        self._writer.close()

    def add(self, row: dict[str, Any]) -> None:
        self._batch.append(row)
        if len(self._batch) == BATCH_ROWS:
            self._flush()

    def _flush(self) -> None:
        if self._batch:
            self._writer.write_table(tables.to_arrow(self._batch, self._schema))
            self._batch = []
