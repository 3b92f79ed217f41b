"""One catalogue from all sources: electrodes, and candidates in buckets.

The catalogue is where a data update stops: its tables keep bytes and date when their content has not
changed, so only the buckets that a new, changed or withdrawn candidate falls in become stale. A
candidate's bucket is a hash of its id, so a new row moves no other row. Rows stream from the sources
through parts by formula, where crystals that two sources share are found, to parts by bucket; only one
part is in memory at a time.
"""

import csv
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ionsieve import tables
from ionsieve.artifacts import (
    atomic_path,
    move_if_changed,
    read_json,
    replace_if_changed,
    write_json,
    written_aside,
)
from ionsieve.data.buckets import bucket_name, bucket_of, hash_of
from ionsieve.data.duplicates import duplicates
from ionsieve.data.records import PROVENANCE, Reject, kind_of
from ionsieve.data.spill import PARTS, Spill
from ionsieve.errors import DataError

BATCH_ROWS = 8192
ROW_GROUP_ROWS = 1024

# Candidates between the sources and the buckets: priority 0 belongs to the source named first.
_RANKED = tables.CANDIDATES.append(pa.field("priority", pa.int16(), nullable=False))


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Which candidates are left out; see :class:`ionsieve.config.DataConfig`."""

    max_energy_above_hull_eV_per_atom: float
    max_sites: int


@dataclass
class Rejects:
    """Records set aside, written as they come; their reasons are counted."""

    writer: Any
    reasons: Counter[str] = field(default_factory=Counter)

    def add(self, reject: Reject) -> None:
        """Write one row and count its reason."""
        self.writer.writerow((reject.material_id, reject.source, reject.stage, reject.reason))
        self.reasons[f"{reject.stage}: {kind_of(reject.reason)}"] += 1

    def common(self) -> str:
        """The most common reasons, in words."""
        common = self.reasons.most_common(3)
        return ", ".join(f"{count} x {kind.split(': ')[1]}" for kind, count in common) or "nothing"


def assemble(
    raw_folders: Sequence[Path], data_folder: Path, n_buckets: int, limits: Limits, working_ion: str
) -> None:
    """Merge the raw tables of all sources into ``data_folder``.

    Writes ``electrodes.parquet`` and ``candidates/{bucket}.parquet`` only where their content
    changes, and ``rejects.csv`` and ``catalogue.json`` always. An id or a crystal that two sources share
    belongs to the earlier source.

    Raises
    ------
    DataError : no electrode or no candidate is left; the message says what was set aside and why.
    """
    counts: Counter[str] = Counter()
    with _rejects_csv(data_folder / "rejects.csv") as rejects:
        for reject in _raw_rejects(raw_folders):
            rejects.add(reject)
        electrodes = _merged_electrodes(raw_folders, rejects)
        replace_if_changed(
            data_folder / "electrodes.parquet",
            lambda path: tables.write_table(electrodes, tables.ELECTRODES, path),
        )
        _write_buckets(raw_folders, data_folder / "candidates", n_buckets, limits, rejects, counts)
    if electrodes.empty or not counts["candidates"]:
        what = "electrode" if electrodes.empty else f"candidate with {working_ion}"
        raise DataError(
            f"no {what} is left to work with; set aside: {rejects.common()}; see results/data/rejects.csv,"
            f" and what data.sources [{', '.join(folder.name for folder in raw_folders)}] are asked for"
        )
    write_json(
        data_folder / "catalogue.json",
        {
            "working_ion": working_ion,
            "electrodes": {
                "count": len(electrodes),
                "by_ion": _count(electrodes["working_ion"]),
                "by_label_kind": _count(electrodes["label_kind"]),
                "licences": _count(electrodes["licence"]),
            },
            "candidates": dict(sorted(counts.items())),
            "rejects": dict(rejects.reasons.most_common()),
            "sources": {folder.name: read_json(folder / PROVENANCE) for folder in raw_folders},
        },
    )


@contextmanager
def _rejects_csv(path: Path) -> Iterator[Rejects]:
    with atomic_path(path) as temporary, temporary.open("w", newline="") as handle:
        writer = csv.writer(handle, lineterminator="\n")
        writer.writerow(tables.REJECTS.names)
        yield Rejects(writer)


def _raw_rejects(raw_folders: Iterable[Path]) -> Iterator[Reject]:
    for folder in raw_folders:
        for batch in tables.stream(folder / "rejects.parquet").iter_batches(BATCH_ROWS):
            yield from (Reject(**row) for row in batch.to_pylist())


def _merged_electrodes(raw_folders: Sequence[Path], rejects: Rejects) -> pd.DataFrame:
    frames = [tables.read_table(folder / "electrodes.parquet", tables.ELECTRODES) for folder in raw_folders]
    electrodes = pd.concat(frames, ignore_index=True)
    repeated = electrodes.duplicated("electrode_id")
    for electrode_id, source in electrodes.loc[repeated, ["electrode_id", "source"]].to_numpy():
        rejects.add(Reject(electrode_id, source, "electrodes", "electrode_id occurs before"))
    return electrodes[~repeated].reset_index(drop=True)


def _write_buckets(
    raw_folders: Sequence[Path],
    folder: Path,
    n_buckets: int,
    limits: Limits,
    rejects: Rejects,
    counts: Counter[str],
) -> None:
    """Candidates of all sources to bucket files; a bucket whose rows have not changed keeps its date."""

    def part_of_id(material_id: str) -> int:
        return bucket_of(material_id, n_buckets) % PARTS

    with written_aside(folder) as aside:
        with Spill(
            aside / "by_formula", _RANKED, "formula", lambda formula: hash_of(formula, PARTS)
        ) as by_formula:
            for rows in _within_limits(raw_folders, limits, counts):
                by_formula.add(rows)
        with Spill(aside / "by_bucket", _RANKED, "material_id", part_of_id) as by_bucket:
            for rows in by_formula.parts():
                by_bucket.add(_without_duplicates(rows, rejects, counts))
        unwritten = set(range(n_buckets))
        for rows in by_bucket.parts():
            rows = _without_repeated_ids(rows, rejects, counts)
            buckets = np.array([bucket_of(name, n_buckets) for name in rows["material_id"].to_pylist()])
            for bucket in np.unique(buckets).tolist():
                _write_bucket(rows.filter(buckets == bucket), bucket, aside, folder)
                unwritten.remove(bucket)
            _tally(rows, counts)
        for bucket in sorted(unwritten):
            _write_bucket(_RANKED.empty_table(), bucket, aside, folder)


def _within_limits(raw_folders: Sequence[Path], limits: Limits, counts: Counter[str]) -> Iterator[pa.Table]:
    for priority, folder in enumerate(raw_folders):
        for batch in tables.stream(folder / "candidates.parquet").iter_batches(
            BATCH_ROWS, columns=tables.CANDIDATES.names
        ):
            rows = pa.Table.from_batches([batch])
            rows = rows.append_column(
                _RANKED.field("priority"), pa.array(np.full(len(rows), priority, dtype=np.int16))
            ).cast(_RANKED)
            counts["read"] += len(rows)
            # A distance that is not known passes: null compares to null, and is filled with false.
            above = pc.greater(
                rows["energy_above_hull_eV_per_atom"], limits.max_energy_above_hull_eV_per_atom
            ).fill_null(False)
            large = pc.and_not(pc.greater(pc.list_value_length(rows["numbers"]), limits.max_sites), above)
            counts["above_hull"] += pc.sum(above).as_py() or 0
            counts["too_large"] += pc.sum(large).as_py() or 0
            yield rows.filter(pc.invert(pc.or_(above, large)))


def _without_duplicates(rows: pa.Table, rejects: Rejects, counts: Counter[str]) -> pa.Table:
    twins = duplicates(rows)
    names, sources = rows["material_id"], rows["source"]
    for left_out, kept in sorted(twins.items()):
        reason = f"same crystal as one of a preferred source: {names[kept]} of {sources[kept]}"
        rejects.add(Reject(names[left_out].as_py(), sources[left_out].as_py(), "candidates", reason))
    counts["same_crystal"] += len(twins)
    distinct = np.ones(len(rows), dtype=bool)
    distinct[list(twins)] = False
    return rows.filter(distinct)


def _without_repeated_ids(rows: pa.Table, rejects: Rejects, counts: Counter[str]) -> pa.Table:
    """Rows in the order of their ids; of rows with one id the most preferred."""
    rows = rows.sort_by([("material_id", "ascending"), ("priority", "ascending")])
    names = rows["material_id"].to_pylist()
    kept = np.array([index == 0 or names[index - 1] != name for index, name in enumerate(names)], dtype=bool)
    for index in np.flatnonzero(~kept).tolist():
        source = rows["source"][index].as_py()
        rejects.add(Reject(names[index], source, "candidates", "material_id occurs before"))
    counts["repeated_id"] += int((~kept).sum())
    return rows.filter(kept)


def _write_bucket(rows: pa.Table, bucket: int, aside: Path, folder: Path) -> None:
    path = aside / f"{bucket_name(bucket)}.parquet"
    pq.write_table(
        rows.select(tables.CANDIDATES.names), path, compression="zstd", row_group_size=ROW_GROUP_ROWS
    )
    move_if_changed(path, folder / path.name)


def _tally(rows: pa.Table, counts: Counter[str]) -> None:
    counts["candidates"] += len(rows)
    for column, title in (("source", "source"), ("licence", "licence"), ("hull_reference", "hull")):
        for value, count in Counter(rows[column].to_pylist()).items():
            counts[f"{title} {value if value is not None else 'unknown'}"] += count


def _count(column: pd.Series) -> dict[str, int]:
    return {str(key): int(value) for key, value in column.value_counts().sort_index().items()}
