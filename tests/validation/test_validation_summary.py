import pandas as pd
import pytest

from ionsieve import tables
from ionsieve.artifacts import write_json
from ionsieve.validation.summary import summary, vasp_so_far

DIGESTS = {"a": "digest a", "b": "digest b"}


@pytest.fixture
def shortlist() -> pd.DataFrame:
    return pd.DataFrame(
        {"material_id": ["a", "b"], "formula": "MgMnO3", "role": "candidate", "voltage_V": [3.0, 3.5]}
    )


def done(digest: str, **more) -> dict:
    return {
        "status": "ok",
        "reason": None,
        "state": "done",
        "structure_digest": digest,
        "voltage_V": 3.3,
    } | more


def only_row(shortlist: pd.DataFrame, document: dict) -> pd.Series:
    table = summary(shortlist, DIGESTS, {"vasp": {"a": document}})
    assert len(table) == 1
    return table.iloc[0]


def test_a_finished_tier_shows_how_far_it_is_from_the_prediction(shortlist):
    row = only_row(shortlist, done("digest a"))
    assert (row["status"], row["computed_voltage_V"]) == ("done", 3.3)
    assert row["disagreement_V"] == pytest.approx(0.3)


def test_a_result_of_another_crystal_is_stale_and_shows_no_voltage(shortlist):
    row = only_row(shortlist, done("digest of what it was"))
    assert row["status"] == "stale"
    assert row["computed_voltage_V"] is None


def test_a_failed_tier_keeps_its_reason(shortlist):
    row = only_row(shortlist, {"status": "failed", "reason": "no PAW data set for Po"})
    assert (row["status"], row["reason"]) == ("failed", "no PAW data set for Po")


def test_prepared_inputs_are_a_row_without_a_voltage(shortlist):
    row = only_row(shortlist, {"status": "ok", "reason": None, "state": "prepared"})
    assert (row["status"], row["computed_voltage_V"]) == ("prepared", None)


def test_a_campaign_on_its_way_is_prepared_then_running_then_done(tmp_path):
    validation, logs = tmp_path / "validation", tmp_path / "logs"
    assert vasp_so_far(validation, logs, "a") is None
    write_json(validation / "a/validation.json", {"status": "ok", "reason": None, "state": "prepared"})
    assert vasp_so_far(validation, logs, "a")["state"] == "prepared"
    (logs / "vasp_relax/a").mkdir(parents=True)
    assert vasp_so_far(validation, logs, "a")["state"] == "running"
    write_json(validation / "a/vasp.json", done("digest a"))
    assert vasp_so_far(validation, logs, "a")["state"] == "done"


def test_inputs_that_could_not_be_made_are_not_running(tmp_path):
    write_json(tmp_path / "validation/a/validation.json", {"status": "failed", "reason": "no PAW data set"})
    (tmp_path / "logs/vasp_relax/a").mkdir(parents=True)
    assert vasp_so_far(tmp_path / "validation", tmp_path / "logs", "a")["status"] == "failed"


def test_rows_come_by_finalist_and_then_by_tier(shortlist, tmp_path):
    tiers = {
        "universal_potential": {"a": done("digest a"), "b": done("digest b")},
        "vasp": {"b": {"status": "ok", "reason": None, "state": "prepared"}},
    }
    table = summary(shortlist, DIGESTS, tiers)
    assert list(zip(table["material_id"], table["tier"], strict=True)) == [
        ("a", "universal_potential"),
        ("b", "universal_potential"),
        ("b", "vasp"),
    ]
    tables.write_table(table, tables.VALIDATION_SUMMARY, tmp_path / "summary.parquet")
    again = tables.read_table(tmp_path / "summary.parquet", tables.VALIDATION_SUMMARY)
    assert again["disagreement_V"].round(6).tolist()[:2] == [0.3, -0.2]


def test_no_finalists_give_an_empty_table_with_all_columns(tmp_path):
    empty = tables.to_arrow([], tables.SCREENED).to_pandas()
    path = tmp_path / "summary.parquet"
    tables.write_table(summary(empty, {}, {"vasp": {}}), tables.VALIDATION_SUMMARY, path)
    assert len(tables.read_table(path, tables.VALIDATION_SUMMARY)) == 0
