"""Where a material of a run is: among the candidates, or among what was left out, and why.

Tables of candidates may hold half a million rows: one bucket, or one batch of rows, is in memory at a time.
"""

import difflib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import pyarrow.parquet as pq

from ionsieve import tables
from ionsieve.data.buckets import bucket_name, bucket_of
from ionsieve.run.folder import RunFolder

BATCH_ROWS = 16_384
MOST_MATCHES = 6
LEAST_LIKENESS = 0.6


def candidate(run: RunFolder, material_id: str) -> dict[str, Any] | None:
    """A candidate's row of the catalogue (:data:`ionsieve.tables.CANDIDATES`), or None."""
    path = _bucket(run, material_id)
    return None if path is None else _row(path, material_id)


def prediction(run: RunFolder, material_id: str) -> dict[str, Any] | None:
    """A candidate's voltage (:data:`ionsieve.tables.PREDICTIONS`); None where it has none yet."""
    bucket = _bucket(run, material_id)
    if bucket is None:
        return None
    path = run.predictions_of(bucket)
    return _row(path, material_id) if path.exists() else None


def left_out(run: RunFolder, material_id: str) -> list[str]:
    """Why a record of this id is no candidate, one line per record; empty where there is none."""
    reasons = [
        f"set aside ({row['source']}, {row['stage']}): {row['reason']}"
        for row in run.rejects()
        if row["material_id"] == material_id
    ]
    return reasons or _beyond_limits(run, material_id)


def beyond_limits(
    energy_above_hull_eV_per_atom: float | None, n_sites: int, data: Mapping[str, Any]
) -> str | None:
    """Why the catalogue leaves a crystal out: far from the hull, or large; None where it does not.

    Parameters
    ----------
    data : that section of the configuration.
    """
    limit = data["max_energy_above_hull_eV_per_atom"]
    if energy_above_hull_eV_per_atom is not None and energy_above_hull_eV_per_atom > limit:
        return (
            f"{energy_above_hull_eV_per_atom:.3f} eV/atom above the hull, beyond"
            f" data.max_energy_above_hull_eV_per_atom {limit:g}"
        )
    if n_sites > data["max_sites"]:
        return f"{n_sites} sites, more than data.max_sites {data['max_sites']}"
    return None


def close_matches(run: RunFolder, name: str) -> list[str]:
    """Candidates with this formula, else ids that look like ``name``, most alike first."""
    same_formula: list[str] = []
    alike: list[tuple[float, str]] = []
    matcher = difflib.SequenceMatcher(autojunk=False)
    matcher.set_seq2(name.lower())
    for material_id, formula in _ids(run):
        if formula == name:
            same_formula.append(material_id)
            continue
        matcher.set_seq1(material_id.lower())
        # The two quick bounds spare nearly all of half a million ids the comparison itself.
        if matcher.real_quick_ratio() < LEAST_LIKENESS or matcher.quick_ratio() < LEAST_LIKENESS:
            continue
        likeness = matcher.ratio()
        if likeness >= LEAST_LIKENESS:
            alike.append((-likeness, material_id))
            alike = sorted(alike)[:MOST_MATCHES]
    return sorted(same_formula)[:MOST_MATCHES] or [material_id for _, material_id in alike]


def _bucket(run: RunFolder, material_id: str) -> Path | None:
    """The bucket that an id falls in, where there are buckets."""
    if not run.buckets:
        return None
    shards = int(run.config["data"]["shards"])
    path = run.results / "data" / "candidates" / f"{bucket_name(bucket_of(material_id, shards))}.parquet"
    return path if path.exists() else None


def _row(path: Path, material_id: str) -> dict[str, Any] | None:
    rows = pq.read_table(path, filters=pc.field("material_id") == material_id).to_pylist()
    return rows[0] if rows else None


def _ids(run: RunFolder) -> Iterator[tuple[str, str]]:
    """Ids and formulas of all candidates, and ids of what was set aside."""
    for bucket in run.buckets:
        for batch in tables.stream(bucket).iter_batches(BATCH_ROWS, columns=["material_id", "formula"]):
            yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)
    for row in run.rejects():
        yield row["material_id"], ""


def _beyond_limits(run: RunFolder, material_id: str) -> list[str]:
    """What the catalogue leaves out without a row among the rejects, source by source."""
    reasons = []
    for path in sorted((run.results / "data" / "raw").glob("*/candidates.parquet")):
        row = _row(path, material_id)
        if row is None:
            continue
        reason = beyond_limits(row["energy_above_hull_eV_per_atom"], len(row["numbers"]), run.config["data"])
        if reason is not None:
            reasons.append(f"left out ({row['source']}): {reason}")
    return reasons
