"""The catalogue moves only the buckets whose candidates changed."""

import os
from dataclasses import asdict

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ionsieve import tables
from ionsieve.artifacts import read_json, write_json
from ionsieve.data.buckets import bucket_name, bucket_of
from ionsieve.data.catalogue import Limits, assemble
from ionsieve.data.records import Reject
from ionsieve.errors import DataError

N_BUCKETS = 16
CRYSTAL = {
    "numbers": [12, 8],
    "cell": [4.0, 0, 0, 0, 4.0, 0, 0, 0, 4.0],
    "frac_coords": [0.0, 0.0, 0.0, 0.5, 0.5, 0.5],
}


def _candidate(name: str, source: str = "files", hull: float | None = None, **changes) -> dict:
    return {
        "material_id": name,
        "source": source,
        "licence": "CC0",
        "formula": "MgO",
        "energy_above_hull_eV_per_atom": hull,
        "hull_reference": None if hull is None else "test",
        **CRYSTAL,
        **changes,
    }


ELECTRODE = {
    "electrode_id": "e-1",
    "material_id": "d",
    "source": "files",
    "licence": "CC0",
    "label_kind": "DFT (test)",
    "working_ion": "Mg",
    "formula": "MgO",
    "framework": "O2",
    "voltage_V": 1.0,
    "x_charged": 0.0,
    "n_steps": 1,
    "step_voltage_V": [1.0],
    "step_x": [0.0, 1.0],
    **CRYSTAL,
}


def _raw(folder, candidates, electrodes=(ELECTRODE,), rejects=()):
    folder.mkdir(parents=True, exist_ok=True)
    tables.write_table(
        pd.DataFrame(electrodes, columns=tables.ELECTRODES.names),
        tables.ELECTRODES,
        folder / "electrodes.parquet",
    )
    tables.write_table(
        pd.DataFrame(candidates, columns=tables.CANDIDATES.names),
        tables.CANDIDATES,
        folder / "candidates.parquet",
    )
    tables.write_table([asdict(reject) for reject in rejects], tables.REJECTS, folder / "rejects.parquet")
    write_json(folder / "provenance.json", {"source": folder.name, "version": None})
    return folder


def _assemble(data, *raw, hull=0.15, max_sites=200):
    limits = Limits(max_energy_above_hull_eV_per_atom=hull, max_sites=max_sites)
    assemble(list(raw), data, N_BUCKETS, limits, "Mg")
    return pd.concat(pd.read_parquet(path) for path in sorted((data / "candidates").glob("*.parquet")))


def _touched(data, before):
    return {path.stem for path in (data / "candidates").glob("*.parquet") if path.stat().st_mtime != before}


def _age_all(data):
    for path in data.rglob("*.parquet"):
        os.utime(path, (1, 1))


def test_only_the_buckets_of_new_changed_and_withdrawn_candidates_are_rewritten(tmp_path):
    names = [f"mp-{number}" for number in range(200)]
    _assemble(tmp_path / "data", _raw(tmp_path / "raw", [_candidate(name) for name in names]))
    _age_all(tmp_path / "data")
    changed = {**CRYSTAL, "cell": [4.1, 0, 0, 0, 4.1, 0, 0, 0, 4.1]}
    updated = [_candidate(name, **(changed if name == "mp-7" else {})) for name in names if name != "mp-9"]
    _assemble(tmp_path / "data", _raw(tmp_path / "raw", [_candidate("new-1"), *updated]))
    expected = {bucket_name(bucket_of(name, N_BUCKETS)) for name in ("mp-7", "mp-9", "new-1")}
    assert _touched(tmp_path / "data", 1) == expected
    assert (tmp_path / "data/electrodes.parquet").stat().st_mtime == 1


def test_identical_content_rewrites_nothing(tmp_path):
    raw = _raw(tmp_path / "raw", [_candidate(f"mp-{number}") for number in range(50)])
    _assemble(tmp_path / "data", raw)
    _age_all(tmp_path / "data")
    _assemble(tmp_path / "data", raw)
    assert _touched(tmp_path / "data", 1) == set()


def test_an_id_in_two_sources_belongs_to_the_earlier_one(tmp_path):
    first = _raw(tmp_path / "a", [_candidate("x", source="mine")])
    second = _raw(
        tmp_path / "b",
        [_candidate(name, source="theirs", formula="MgS", numbers=[12, 16]) for name in ("x", "y")],
        electrodes=(),
    )
    rows = _assemble(tmp_path / "data", first, second).set_index("material_id")
    assert rows.loc["x", "source"] == "mine" and len(rows) == 2
    assert "x,theirs,candidates,material_id occurs before" in (tmp_path / "data/rejects.csv").read_text()


def test_a_crystal_of_two_sources_is_that_of_the_preferred_one(tmp_path):
    """The same crystal in another cell, at another origin and 3 % larger; a polymorph stays."""
    first = _raw(tmp_path / "a", [_candidate("mp-1", source="mp")])
    twin = {
        "numbers": [8, 12, 8, 12],
        "cell": [8.08, 0, 0, 0, 4.04, 0, 0, 0, 4.04],
        "frac_coords": [0.1, 0.1, 0.1, 0.35, 0.6, 0.6, 0.6, 0.1, 0.1, 0.85, 0.6, 0.6],
    }
    polymorph = {"frac_coords": [0.0, 0.0, 0.0, 0.5, 0.0, 0.0]}
    larger = {"cell": [5.0, 0, 0, 0, 5.0, 0, 0, 0, 5.0]}
    second = _raw(
        tmp_path / "b",
        [
            _candidate("g-twin", source="gnome", **twin),
            _candidate("g-other", source="gnome", **polymorph),
            _candidate("g-larger", source="gnome", **larger),
        ],
        electrodes=(),
    )
    assert set(_assemble(tmp_path / "data", first, second)["material_id"]) == {"mp-1", "g-other", "g-larger"}
    rejects = (tmp_path / "data/rejects.csv").read_text()
    assert "same crystal as one of a preferred source: mp-1 of mp" in rejects
    assert "g-twin" in set(_assemble(tmp_path / "turned", second, first)["material_id"])


def test_polymorphs_of_one_source_are_left_to_it(tmp_path):
    raw = _raw(tmp_path / "a", [_candidate("mp-1"), _candidate("mp-2")])
    _raw(tmp_path / "b", [], electrodes=())
    assert len(_assemble(tmp_path / "data", raw, tmp_path / "b")) == 2


def test_hulls_and_sources_are_counted(tmp_path):
    raw = _raw(tmp_path / "a", [_candidate("mp-1", hull=0.0), _candidate("mp-2")])
    _assemble(tmp_path / "data", raw)
    document = read_json(tmp_path / "data/catalogue.json")
    assert document["candidates"]["hull test"] == document["candidates"]["hull unknown"] == 1
    assert document["sources"]["a"]["version"] is None


def test_candidates_above_the_hull_or_too_large_are_left_out_and_counted(tmp_path):
    raw = _raw(
        tmp_path / "raw", [_candidate("on", hull=0.0), _candidate("above", hull=0.2), _candidate("unknown")]
    )
    rows = _assemble(tmp_path / "data", raw)
    assert set(rows["material_id"]) == {"on", "unknown"}
    assert read_json(tmp_path / "data/catalogue.json")["candidates"]["above_hull"] == 1
    with pytest.raises(DataError):
        _assemble(tmp_path / "small", raw, max_sites=1)


def test_no_candidate_left_says_what_was_set_aside(tmp_path):
    raw = _raw(
        tmp_path / "raw", [], rejects=[Reject("a", "files", "candidates", "contains no Mg, the working ion")]
    )
    with pytest.raises(DataError, match="no candidate with Mg.*1 x contains no Mg"):
        _assemble(tmp_path / "data", raw)
    assert "contains no Mg" in (tmp_path / "data/rejects.csv").read_text()


@given(st.text(min_size=1), st.integers(1, 64))
def test_a_bucket_depends_on_the_id_alone_and_is_in_range(name, n_buckets):
    assert 0 <= bucket_of(name, n_buckets) < n_buckets
    assert bucket_of(name, n_buckets) == bucket_of(name, n_buckets)


def test_buckets_are_of_similar_size():
    counts = pd.Series([bucket_of(f"mp-{number}", 8) for number in range(8000)]).value_counts()
    assert counts.min() > 850 and counts.max() < 1150
