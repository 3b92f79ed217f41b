"""Records on their way in: what a source yields, and what every electrode must satisfy."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ionsieve import structures, tables
from ionsieve.artifacts import atomic_path
from ionsieve.ions import WORKING_IONS

# Wider than any intercalation voltage; beyond it a label is a mistake, not chemistry.
PLAUSIBLE_VOLTAGE_V = (-5.0, 10.0)
BATCH_ROWS = 4096


@dataclass(frozen=True)
class Reject:
    """A record set aside: whose, from where, at which step, and why."""

    material_id: str
    source: str
    stage: str
    reason: str


def check_electrode(row: dict[str, Any]) -> dict[str, Any] | Reject:
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


def write_records(
    records: Iterable[dict[str, Any] | Reject], schema: pa.Schema, table: Path | str
) -> tuple[int, list[Reject]]:
    """Stream records into a Parquet table of ``schema``; the rejects come back, the rows do not.

    Returns
    -------
    The number of rows written, and the rejects.
    """
    rejects: list[Reject] = []
    written = 0
    with atomic_path(table) as temporary, pq.ParquetWriter(temporary, schema, compression="zstd") as writer:
        for batch in _batches(records, rejects):
            writer.write_table(tables.to_arrow(batch, schema))
            written += len(batch)
    return written, rejects


def write_rejects(rejects: Iterable[Reject], path: Path | str) -> None:
    """Write rejects as a table of :data:`ionsieve.tables.REJECTS`."""
    tables.write_table([asdict(reject) for reject in rejects], tables.REJECTS, path)


def _batches(
    records: Iterable[dict[str, Any] | Reject], rejects: list[Reject]
) -> Iterator[list[dict[str, Any]]]:
    batch: list[dict[str, Any]] = []
    for record in records:
        if isinstance(record, Reject):
            rejects.append(record)
            continue
        batch.append(record)
        if len(batch) == BATCH_ROWS:
            yield batch
            batch = []
    if batch:
        yield batch
