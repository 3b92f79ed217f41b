"""Files appear whole or not at all, and unchanged content keeps its date."""

import errno
import os
from pathlib import Path

import pandas as pd
import pytest

from ionsieve import tables
from ionsieve.artifacts import (
    CannotWrite,
    atomic_path,
    digest,
    read_json,
    replace_if_changed,
    write_json,
    write_text,
)
from ionsieve.errors import CandidateFailed, DataError
from ionsieve.outcome import candidate_outcome, clear_failed, require_ok

REJECT = {"material_id": "a", "source": "files", "stage": "read", "reason": "no atoms"}


def test_a_writer_that_fails_leaves_the_old_file_and_no_debris(tmp_path):
    target = tmp_path / "result.txt"
    write_text(target, "old")
    with pytest.raises(OSError, match="disk full"), atomic_path(target) as temporary:
        temporary.write_text("half")
        raise OSError("disk full")
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("write", [write_text, lambda path, _: replace_if_changed(path, lambda _: None)])
def test_a_place_that_cannot_be_written_is_named_and_no_temporary_file_is(tmp_path, write):
    (tmp_path / "file").touch()
    for path, number in ((tmp_path / "file" / "x.csv", errno.ENOTDIR), (Path("/proc/x.csv"), errno.ENOENT)):
        if not path.parent.exists():
            continue  # no /proc on this machine
        with pytest.raises(CannotWrite, match=f"^{path} cannot be written: ") as caught:
            write(path, "text")
        assert caught.value.errno == number and ".writing-" not in str(caught.value)
    folder = tmp_path / "folder"
    folder.mkdir()
    with pytest.raises(CannotWrite, match="folder cannot be written"):
        write_text(folder, "text")
    assert sorted(tmp_path.iterdir()) == [tmp_path / "file", folder]


def test_an_empty_result_is_an_error(tmp_path):
    with pytest.raises(DataError, match="empty result"), atomic_path(tmp_path / "result.txt"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_unchanged_content_keeps_its_date_and_changed_content_does_not(tmp_path):
    target = tmp_path / "structure.cif"
    assert replace_if_changed(target, lambda path: path.write_text("A"))
    os.utime(target, (1, 1))
    assert not replace_if_changed(target, lambda path: path.write_text("A"))
    assert target.stat().st_mtime == 1
    assert replace_if_changed(target, lambda path: path.write_text("B"))
    assert target.read_text() == "B"


def test_json_refuses_nan(tmp_path):
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "x.json", {"x": float("nan")})


def test_tables_have_the_same_bytes_for_the_same_rows(tmp_path):
    for name in ("first", "second"):
        tables.write_table(pd.DataFrame([REJECT]), tables.REJECTS, tmp_path / name)
    assert digest(tmp_path / "first") == digest(tmp_path / "second")


@pytest.mark.parametrize(
    "row",
    [{"material_id": "a"}, {**REJECT, "colour": "red"}, {**REJECT, "reason": None}, {**REJECT, "stage": 3}],
)
def test_a_table_that_does_not_fit_its_schema_is_not_written(tmp_path, row):
    with pytest.raises(DataError):
        tables.write_table(pd.DataFrame([row]), tables.REJECTS, tmp_path / "rejects.parquet")
    assert list(tmp_path.iterdir()) == []


def test_a_table_of_another_version_is_refused_by_its_missing_columns(tmp_path):
    pd.DataFrame([{"material_id": "a"}]).to_parquet(tmp_path / "old.parquet")
    with pytest.raises(DataError, match=r"lacks the columns \['reason', 'source', 'stage'\]"):
        tables.read_table(tmp_path / "old.parquet", tables.REJECTS)


def test_a_candidate_that_fails_leaves_its_reason_and_every_declared_output(tmp_path):
    with candidate_outcome(tmp_path / "md.json", [tmp_path / "trajectory.npz"]):
        raise CandidateFailed("cell exploded", "unstable")
    assert read_json(tmp_path / "md.json") == {"status": "unstable", "reason": "cell exploded"}
    assert (tmp_path / "trajectory.npz").exists()
    with pytest.raises(CandidateFailed, match="cell exploded") as caught:
        require_ok(tmp_path / "md.json")
    assert caught.value.status == "unstable"


def test_a_bug_is_not_taken_for_a_failed_candidate(tmp_path):
    with pytest.raises(ZeroDivisionError), candidate_outcome(tmp_path / "md.json"):
        raise ZeroDivisionError
    assert not (tmp_path / "md.json").exists()


def test_retrying_clears_a_failed_candidate_from_its_first_failure_on(tmp_path):
    stages = [tmp_path / name for name in ("potential", "transport")]
    for candidate, status in (("good", "ok"), ("bad", "unstable")):
        write_json(stages[0] / candidate / "model.json", {"status": "ok"})
        write_json(stages[1] / candidate / "1200K" / "md.json", {"status": status})
    summary = tmp_path / "candidates.csv"
    summary.touch()
    assert clear_failed(stages, tmp_path / "validation", [summary]) == [stages[1] / "bad"]
    assert not summary.exists()
    assert (stages[0] / "bad").exists() and (stages[1] / "good").exists()
    assert clear_failed(stages, tmp_path / "validation", []) == []


def test_retrying_a_failed_tier_of_the_validation_keeps_the_tiers_beside_it(tmp_path):
    validation = tmp_path / "validation"
    failed = validation / "a" / "universal_potential.json"
    write_json(failed, {"status": "failed", "reason": "no such element"})
    for kept in ("a/vasp.json", "b/universal_potential.json"):
        write_json(validation / kept, {"status": "ok", "reason": None})
    assert clear_failed([], validation, []) == [failed]
    assert sorted(path.name for path in validation.rglob("*.json")) == [
        "universal_potential.json",
        "vasp.json",
    ]


def test_a_potential_that_refinement_mended_is_not_cleared(tmp_path):
    rejected = {"status": "potential_rejected", "reason": "0.4 eV/A"}
    for candidate, deployed in (("mended", {"status": "ok"}), ("rejected", rejected)):
        write_json(tmp_path / "potential" / candidate / "model.json", rejected)
        write_json(tmp_path / "potential" / candidate / "deployed.json", deployed)
    assert clear_failed([tmp_path / "potential"], tmp_path / "validation", []) == [
        tmp_path / "potential" / "rejected"
    ]
