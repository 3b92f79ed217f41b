"""One catalogue from all sources: electrodes, and candidates in buckets.

The catalogue is where a data update stops: its tables keep bytes and date when their content has not
changed, so only the buckets that a new, changed or withdrawn candidate falls in become stale. A
candidate's bucket is a hash of its id, so a new row moves no other row.
"""

import csv
import hashlib
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq

from ionsieve import tables
from ionsieve.artifacts import atomic_path, move_if_changed, replace_if_changed, write_json
from ionsieve.data.records import Reject
from ionsieve.errors import DataError

_HASH_BYTES = 8
_ROWS_PER_GROUP = 512


def bucket_of(material_id: str, n_buckets: int) -> int:
    """Bucket of a candidate: SHA-256 of its id, modulo the number of buckets."""
    head = hashlib.sha256(material_id.encode()).digest()[:_HASH_BYTES]
    return int.from_bytes(head, "big") % n_buckets


def bucket_name(bucket: int) -> str:
    """File stem of a bucket, sorted as numbers are."""
    return f"{bucket:04d}"


def assemble(
    raw_folders: Sequence[Path],
    data_folder: Path,
    n_buckets: int,
    max_energy_above_hull_eV_per_atom: float,
    max_sites: int,
    working_ion: str,
) -> None:
    """Merge the raw tables of all sources into ``data_folder``.

    Writes ``electrodes.parquet`` and ``candidates/{bucket}.parquet`` only where their content
    changes, and ``rejects.csv`` and ``catalogue.json`` always. An id that two sources share belongs
    to the earlier source.

    Raises
    ------
    DataError : no electrode or no candidate is left; the message says what was set aside and why.
    """
    rejects = [
        Reject(**{str(key): value for key, value in row.items()})
        for folder in raw_folders
        for row in tables.read_table(folder / "rejects.parquet", tables.REJECTS).to_dict("records")
    ]
    counts: Counter[str] = Counter()
    electrodes = _merged_electrodes(raw_folders, rejects)
    replace_if_changed(
        data_folder / "electrodes.parquet",
        lambda path: tables.write_table(electrodes, tables.ELECTRODES, path),
    )
    _write_buckets(
        _accepted_candidates(raw_folders, max_energy_above_hull_eV_per_atom, max_sites, rejects, counts),
        data_folder / "candidates",
        n_buckets,
    )
    _write_rejects_csv(rejects, data_folder / "rejects.csv")
    if electrodes.empty or not counts["candidates"]:
        what = "electrode" if electrodes.empty else f"candidate with {working_ion}"
        raise DataError(
            f"no {what} is left to work with; set aside: {_summary(rejects)}; see results/data/rejects.csv"
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
            "rejects": dict(
                Counter(f"{reject.stage}: {_kind(reject.reason)}" for reject in rejects).most_common()
            ),
        },
    )


def _merged_electrodes(raw_folders: Sequence[Path], rejects: list[Reject]) -> pd.DataFrame:
    frames = [tables.read_table(folder / "electrodes.parquet", tables.ELECTRODES) for folder in raw_folders]
    electrodes = pd.concat(frames, ignore_index=True)
    repeated = electrodes.duplicated("electrode_id")
    rejects.extend(
        Reject(electrode_id, source, "electrodes", "electrode_id occurs before")
        for electrode_id, source in electrodes.loc[repeated, ["electrode_id", "source"]].to_numpy()
    )
    return electrodes[~repeated].reset_index(drop=True)


def _accepted_candidates(
    raw_folders: Sequence[Path],
    max_energy_above_hull_eV_per_atom: float,
    max_sites: int,
    rejects: list[Reject],
    counts: Counter[str],
) -> Iterator[dict[str, Any]]:
    seen: set[str] = set()
    for folder in raw_folders:
        for batch in pq.ParquetFile(folder / "candidates.parquet").iter_batches(
            4096, columns=tables.CANDIDATES.names
        ):
            for row in batch.to_pylist():
                counts["read"] += 1
                hull = row["energy_above_hull_eV_per_atom"]
                if row["material_id"] in seen:
                    counts["repeated_id"] += 1
                    rejects.append(
                        Reject(row["material_id"], row["source"], "candidates", "material_id occurs before")
                    )
                elif hull is not None and hull > max_energy_above_hull_eV_per_atom:
                    counts["above_hull"] += 1
                elif len(row["numbers"]) > max_sites:
                    counts["too_large"] += 1
                else:
                    seen.add(row["material_id"])
                    counts["candidates"] += 1
                    counts[f"source {row['source']}"] += 1
                    counts[f"licence {row['licence']}"] += 1
                    yield row


def _write_buckets(rows: Iterator[dict[str, Any]], folder: Path, n_buckets: int) -> None:
    """Distribute rows over bucket files; a bucket whose rows have not changed keeps its date.

    At most ``n_buckets * _ROWS_PER_GROUP`` rows are in memory.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".writing-") as temporary, ExitStack() as open_files:
        fresh = [Path(temporary) / f"{bucket_name(bucket)}.parquet" for bucket in range(n_buckets)]
        writers = [
            open_files.enter_context(pq.ParquetWriter(path, tables.CANDIDATES, compression="zstd"))
            for path in fresh
        ]
        pending: list[list[dict[str, Any]]] = [[] for _ in range(n_buckets)]
        for row in rows:
            bucket = bucket_of(row["material_id"], n_buckets)
            pending[bucket].append(row)
            if len(pending[bucket]) == _ROWS_PER_GROUP:
                writers[bucket].write_table(tables.to_arrow(pending[bucket], tables.CANDIDATES))
                pending[bucket].clear()
        for writer, members in zip(writers, pending, strict=True):
            if members:
                writer.write_table(tables.to_arrow(members, tables.CANDIDATES))
        open_files.close()
        for path in fresh:
            move_if_changed(path, folder / path.name)


def _write_rejects_csv(rejects: Sequence[Reject], path: Path) -> None:
    with atomic_path(path) as temporary, temporary.open("w", newline="") as handle:
        writer = csv.writer(handle, lineterminator="\n")
        writer.writerow(tables.REJECTS.names)
        writer.writerows(
            (reject.material_id, reject.source, reject.stage, reject.reason) for reject in rejects
        )


def _count(column: pd.Series) -> dict[str, int]:
    return {str(key): int(value) for key, value in column.value_counts().sort_index().items()}


def _kind(reason: str) -> str:
    """A reason without what is particular to one record, so that reasons can be counted."""
    return reason.split(":")[0].split(";")[0].split("(")[0].strip()


def _summary(rejects: Sequence[Reject]) -> str:
    common = Counter(_kind(reject.reason) for reject in rejects).most_common(3)
    return ", ".join(f"{count} x {kind}" for kind, count in common) or "nothing"
