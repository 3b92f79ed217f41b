"""From a source to its raw tables: electrodes, candidates, rejects."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from ionsieve import structures, tables
from ionsieve.data import files
from ionsieve.data.records import Reject, check_electrode, write_records, write_rejects

Record = dict[str, Any] | Reject


def ingest_files(
    electrode_paths: list[Path],
    structure_paths: list[Path],
    *,
    working_ion: str,
    label_kind: str,
    licence: str,
    electrodes_out: Path | str,
    candidates_out: Path | str,
    rejects_out: Path | str,
) -> None:
    """Read the user's files into the raw tables of the source ``files``."""
    _write_raw(
        files.electrode_rows(electrode_paths, structure_paths, label_kind, licence),
        files.candidate_rows(structure_paths, working_ion, licence),
        electrodes_out,
        candidates_out,
        rejects_out,
    )


def ingest_tables(
    electrodes: Path | str,
    candidates: Path | str,
    working_ion: str,
    *,
    electrodes_out: Path | str,
    candidates_out: Path | str,
    rejects_out: Path | str,
) -> None:
    """Take tables that have this project's columns already, with the checks of every other source."""
    _write_raw(
        (check_electrode(row) for row in _rows(electrodes, tables.ELECTRODES.names)),
        (_checked_candidate(row, working_ion) for row in _rows(candidates, tables.CANDIDATES.names)),
        electrodes_out,
        candidates_out,
        rejects_out,
    )


def _write_raw(
    electrodes: Iterable[Record],
    candidates: Iterable[Record],
    electrodes_out: Path | str,
    candidates_out: Path | str,
    rejects_out: Path | str,
) -> None:
    _, electrode_rejects = write_records(electrodes, tables.ELECTRODES, electrodes_out)
    _, candidate_rejects = write_records(candidates, tables.CANDIDATES, candidates_out)
    write_rejects([*electrode_rejects, *candidate_rejects], rejects_out)


def _rows(path: Path | str, columns: list[str]) -> Iterator[dict[str, Any]]:
    for batch in pq.ParquetFile(path).iter_batches(2048, columns=columns):
        yield from batch.to_pylist()


def _checked_candidate(row: dict[str, Any], working_ion: str) -> Record:
    try:
        structures.check(row, working_ion)
    except structures.DamagedStructure as damage:
        return Reject(row["material_id"], row["source"], "candidates", str(damage))
    return row
