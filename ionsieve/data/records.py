"""Records on their way in: what a source yields, what every crystal must satisfy, and the raw tables."""

import logging
import math
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Self

import pyarrow as pa
import pyarrow.parquet as pq

from ionsieve import structures, tables
from ionsieve.artifacts import move_if_changed, read_json, write_json, written_aside
from ionsieve.data import calculated
from ionsieve.data.network import SourceError
from ionsieve.errors import DataError
from ionsieve.ions import WORKING_IONS

logger = logging.getLogger(__name__)

# Wider than any intercalation voltage; beyond it a label is a mistake, not chemistry.
PLAUSIBLE_VOLTAGE_V = (-5.0, 10.0)
BATCH_ROWS = 2048


PROVENANCE = "provenance.json"
# A database that shrinks to less than this has lost something, not withdrawn it.
SMALLEST_SHARE_LEFT = 0.5
RAW_TABLES = {
    "electrodes.parquet": tables.ELECTRODES,
    "candidates.parquet": tables.CANDIDATES,
    calculated.TABLE: tables.CALCULATED,
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
    electrodes : rows of :data:`ionsieve.tables.ELECTRODES`, or rejects. A row may hold more, under
        :data:`ionsieve.data.calculated.KEY`: what the source calculated for the pair, unchecked, by column
        of :data:`ionsieve.tables.CALCULATED`.
    candidates : rows of :data:`ionsieve.tables.CANDIDATES`, or rejects.
    provenance : JSON-able; ``source``, ``version`` (of the database, or None), ``licences``, ``cite``,
        ``query`` (what was asked for, as rules/common.smk has it), and what else tells one release from
        another. No dates, no paths, no secrets: equal content, equal document.
    """

    electrodes: Iterable[Record]
    candidates: Iterable[Record]
    provenance: dict[str, Any]


def check_candidate(row: dict[str, Any], working_ion: str) -> Record:
    """The row with its reduced formula, or a Reject that says why no stage could use this crystal."""
    try:
        structures.check(row, working_ion)
    except structures.DamagedStructure as damage:
        return Reject(row["material_id"], row["source"], "candidates", str(damage))
    return row | {"formula": structures.composition_of(row["numbers"]).reduced_formula}


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


def kind_of(reason: str) -> str:
    """A reason without what is particular to one record, so that reasons can be counted."""
    return reason.split(":")[0].split(";")[0].split("(")[0].strip()


@dataclass(frozen=True)
class Written:
    """What a source gave: numbers of rows, reasons of rejects, and whether its raw tables changed."""

    electrodes: int
    candidates: int
    reasons: Counter[str]
    changed: bool = False

    def __str__(self) -> str:
        common = ", ".join(f"{count:,} x {reason}" for reason, count in self.reasons.most_common(3))
        aside = f"{self.reasons.total():,} records set aside" + (f" ({common})" if common else "")
        return f"{self.electrodes:,} electrodes, {self.candidates:,} candidates, {aside}"


def write_raw(pulled: Pulled, folder: Path | str) -> Written:
    """Write a source's raw tables and provenance into ``folder``.

    Streams: one batch of rows is in memory at a time. All files are written aside first, so a source that
    breaks off changes nothing; a file whose content has not changed keeps its date.
    """
    with written_aside(Path(folder)) as aside:
        return _move(aside, Path(folder), _write(pulled, aside))


def refresh(pull: Callable[[Path], Pulled], folder: Path | str) -> Written:
    """Pull a database into ``folder``, its source's raw tables.

    ``pull`` gets a folder to cache what it has fetched, so that a pull that breaks off goes on there. The
    cache goes when the pull is complete: the next one sees the database of its day.

    Raises
    ------
    SourceError : the database gives nothing, or far less than is there; the tables stay as they are.
    """
    folder = Path(folder)
    cache = folder.parents[1] / "cache" / folder.name
    pulled = pull(cache)
    with written_aside(folder) as aside:
        written = _write(pulled, aside)
        shutil.rmtree(cache, ignore_errors=True)
        if not written.electrodes and not written.candidates:
            raise SourceError(
                f"{folder.name} gave {written}: see that what is asked for is there: the working ion, the"
                " ions of the electrodes, the thermo type, the limits under data"
            )
        for table in ("electrodes.parquet", "candidates.parquet") if _same_query(folder, aside) else ():
            before, now = (_number_of_rows(where / table) for where in (folder, aside))
            if now < SMALLEST_SHARE_LEFT * before:
                raise SourceError(
                    f"{folder.name} would go from {before:,} to {now:,} {Path(table).stem}, which looks like"
                    f" a broken database: nothing was replaced; if it is right, remove {folder} and run again"
                )
        return _move(aside, folder, written)


def require_pulled(folder: Path | str, query: Mapping[str, Any]) -> None:
    """Refuse raw tables that are not there, or that answer another query than ``query``.

    Tables may come from another machine or from a `refresh` under another configuration, which Snakemake
    does not see.
    """
    folder = Path(folder)
    if not (folder / PROVENANCE).exists():
        raise DataError(f"{folder} holds nothing yet; pull it first: snakemake --cores 1 fetch_all")
    answered = read_json(folder / PROVENANCE).get("query", {})
    differing = [
        f"{key}: {answered.get(key)!r} there, {query.get(key)!r} in the configuration"
        for key in sorted(answered.keys() | query.keys())
        if answered.get(key) != query.get(key)
    ]
    if differing:
        raise DataError(
            f"{folder} holds what another configuration asked for ({'; '.join(differing)}); remove that"
            " folder and run again to have it anew, or change the configuration back"
        )


def _write(pulled: Pulled, aside: Path) -> Written:
    numbers: dict[str, int] = {}
    reasons: Counter[str] = Counter()
    odd_cells: Counter[str] = Counter()
    with (
        _RowWriter(aside / "rejects.parquet", tables.REJECTS) as rejects,
        _RowWriter(aside / calculated.TABLE, tables.CALCULATED) as of_pairs,
    ):
        for name, records in (("electrodes", pulled.electrodes), ("candidates", pulled.candidates)):
            table = f"{name}.parquet"
            with _RowWriter(aside / table, RAW_TABLES[table]) as rows:
                for record in records:
                    if isinstance(record, Reject):
                        rejects.add(asdict(record))
                        reasons[kind_of(record.reason)] += 1
                        continue
                    rows.add({key: value for key, value in record.items() if key != calculated.KEY})
                    if name == "electrodes":
                        cells, odd = calculated.checked(record.get(calculated.KEY, {}))
                        of_pairs.add({key: record[key] for key in calculated.KEYS} | cells)
                        odd_cells.update(odd)
            numbers[name] = rows.written
    if odd_cells:
        columns = ", ".join(f"{count:,} x {column}" for column, count in odd_cells.most_common())
        logger.info("%d odd cells of %s are null: %s", odd_cells.total(), calculated.TABLE, columns)
    write_json(aside / PROVENANCE, pulled.provenance)
    return Written(numbers["electrodes"], numbers["candidates"], reasons)


def _move(aside: Path, folder: Path, written: Written) -> Written:
    changed = [move_if_changed(aside / name, folder / name) for name in (*RAW_TABLES, PROVENANCE)]
    return replace(written, changed=any(changed))


def _same_query(folder: Path, aside: Path) -> bool:
    """Whether what is there answers the same question, so that numbers of rows may be compared."""
    earlier = folder / PROVENANCE
    return earlier.exists() and (
        read_json(earlier).get("query") == read_json(aside / PROVENANCE).get("query")
    )


def _number_of_rows(path: Path) -> int:
    return tables.stream(path).metadata.num_rows if path.exists() else 0


class _RowWriter:
    """A Parquet table that grows row by row, with one batch in memory."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self._schema = schema
        self._writer = pq.ParquetWriter(path, schema, compression="zstd")
        self._batch: list[dict[str, Any]] = []
        self.written = 0

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
            self.written += len(self._batch)
            self._batch = []
