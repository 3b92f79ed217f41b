"""Candidates of two runs in parts that can be joined: one class of the buckets' hash in memory at a time.

A candidate's bucket is a hash of its id modulo the number of buckets. So the buckets of two runs whose number
is the same modulo the greatest common divisor of their numbers hold the same ids between them.
"""

import hashlib
import math
from collections.abc import Iterator, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ionsieve import tables
from ionsieve.run.folder import RunFolder

# Far below what a relaxation changes, above what formats and machines do to the same crystal.
DECIMALS = 5
_PREDICTED = ["material_id", "voltage_V"]


@dataclass(frozen=True)
class CandidateRows:
    """A part of a run's candidates.

    Attributes
    ----------
    table : material_id, formula, source, crystal (a digest) and voltage_V (NaN where there is none yet).
    watched : rows with crystal and prediction, of those that were asked for.
    """

    table: pd.DataFrame
    watched: list[dict[str, Any]]

    BATCH_ROWS: ClassVar[int] = 8192


def parts(
    one: RunFolder, other: RunFolder, watched: Set[str] = frozenset()
) -> Iterator[tuple[CandidateRows, CandidateRows]]:
    """Parts of both runs that hold the same ids, one pair after the other.

    Parameters
    ----------
    watched : ids whose whole rows are wanted.
    """
    n_classes = math.gcd(len(one.buckets), len(other.buckets))
    for number in range(n_classes):
        yield _rows(one, number, n_classes, watched), _rows(other, number, n_classes, watched)


def crystal_digests(batch: pa.RecordBatch) -> np.ndarray:
    """64 bits of each crystal, rounded: what two runs compare instead of coordinates; shape (S,)."""
    columns = []
    for name, scale in (("numbers", 1), ("cell", 10**DECIMALS), ("frac_coords", 10**DECIMALS)):
        column = batch.column(name)
        values = column.flatten().to_numpy(zero_copy_only=False).astype(float)
        whole = np.rint(values * scale).astype(np.int64)
        if name == "frac_coords":
            whole %= scale  # a site at 1 is a site at 0
        ends = np.cumsum(column.value_lengths().to_numpy(zero_copy_only=False))
        columns.append((whole, np.concatenate(([0], ends))))
    digests = np.empty(len(batch), dtype=np.uint64)
    for row in range(len(batch)):
        key = hashlib.blake2b(digest_size=8)
        for whole, ends in columns:
            key.update(whole[ends[row] : ends[row + 1]].tobytes())
        digests[row] = int.from_bytes(key.digest(), "big")
    return digests


def _rows(run: RunFolder, number: int, n_classes: int, watched: Set[str]) -> CandidateRows:
    read = [_bucket(run, path, watched) for path in run.buckets[number::n_classes]]
    return CandidateRows(
        pd.concat([rows.table for rows in read], ignore_index=True),
        [row for rows in read for row in rows.watched],
    )


def _bucket(run: RunFolder, path: Path, watched: Set[str]) -> CandidateRows:
    batches, crystals = [], []
    for batch in tables.stream(path).iter_batches(CandidateRows.BATCH_ROWS, columns=tables.CANDIDATES.names):
        table = batch.select(["material_id", "formula", "source"]).to_pandas()
        batches.append(table.assign(crystal=crystal_digests(batch)))
        mask = table["material_id"].isin(watched).to_numpy()
        if mask.any():
            crystals += batch.filter(pa.array(mask)).to_pylist()
    columns = ["material_id", "formula", "source", "crystal"]
    table = pd.concat(batches, ignore_index=True) if batches else pd.DataFrame(columns=columns)
    predictions = run.predictions_of(path)
    if not predictions.exists():
        return CandidateRows(table.assign(voltage_V=math.nan), [])
    voltages = pq.read_table(predictions, columns=_PREDICTED).to_pandas()
    names = {row["material_id"] for row in crystals}
    filters = pc.field("material_id").isin(sorted(names))
    predicted = (
        {row["material_id"]: row for row in pq.read_table(predictions, filters=filters).to_pylist()}
        if names
        else {}
    )
    return CandidateRows(
        table.merge(voltages, on="material_id", how="left"),
        [{**row, **predicted[row["material_id"]]} for row in crystals if row["material_id"] in predicted],
    )
