"""The data set: points of the contract, the same bytes for the same inputs, in whatever order they come."""

import json
import shutil

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from ionsieve.artifacts import digest
from ionsieve.discharge import dataset, reading, synthetic
from ionsieve.discharge.cycling import CyclingTest, Profile, SetAside
from ionsieve.errors import DataError
from ionsieve.tables import DISCHARGE_POINTS, DISCHARGE_REJECTS, read_table

VOLTAGE_V = np.linspace(4.8, 1.5, 200)
FILES = (dataset.POINTS_FILE, dataset.REJECTS_FILE, dataset.PROVENANCE_FILE)


def discharge(cycle, whole=240.0):
    return Profile(cycle, VOLTAGE_V, whole * (4.8 - VOLTAGE_V) / 3.3)


def a_test(test_id="cell", cycles=(1, 2), whole=240.0, composition="Li1.2Mn0.4Ti0.4O2", extra=()):
    profiles = tuple(discharge(cycle, whole - 10 * (cycle - 1)) for cycle in cycles)
    return CyclingTest(
        test_id, composition, "experiment", 20.0, 1.5, 4.8, profiles + extra, f"{test_id}.json"
    )


def test_points_have_the_columns_and_the_order_of_the_contract():
    points = dataset.build([a_test("b"), a_test("a", whole=200.0)]).points
    assert list(points.columns) == DISCHARGE_POINTS.names
    assert len(points) == 2 * 2 * 100
    assert points.sort_values(["test_id", "cycle", "voltage_V"], kind="stable").index.is_monotonic_increasing
    assert points["cycle"].dtype == np.int32
    assert (points["dq_dv_mAh_per_g_per_V"] <= 0).all()
    for _, curve in points.groupby(["test_id", "cycle"]):
        assert (curve["voltage_V"].diff().dropna() > 0).all()
        assert (curve["capacity_mAh_per_g"].diff().dropna() <= 0).all()


def test_the_first_capacity_is_that_of_cycle_one_at_the_same_voltage():
    points = dataset.build([a_test(cycles=(1, 4))]).points
    expected = 240.0 * (4.8 - points["voltage_V"]) / 3.3
    np.testing.assert_allclose(points["first_capacity_mAh_per_g"], expected, atol=0.2)
    later = points[points["cycle"] == 4]
    assert later["capacity_mAh_per_g"].iloc[0] == pytest.approx(210, abs=0.5)


def test_without_cycle_one_there_is_no_first_capacity(tmp_path):
    found = dataset.build([a_test(cycles=(2, 3))])
    assert found.points["first_capacity_mAh_per_g"].isna().all()
    dataset.write(found, {"cell": "0"}, tmp_path)
    assert (
        read_table(tmp_path / dataset.POINTS_FILE, DISCHARGE_POINTS)["first_capacity_mAh_per_g"].isna().all()
    )


def test_a_test_given_twice_counts_once_and_two_of_one_name_are_told_apart():
    found = dataset.build([a_test("a"), a_test("copy"), a_test("a", whole=200.0)])
    assert sorted(found.points["test_id"].unique()) == ["a", "a-2"]
    (aside,) = found.set_aside
    assert aside.test_id == "copy" and aside.reason.startswith("given twice: it is the test a")
    assert found.n_tests == 3


def test_rejects_of_reader_and_processing_are_counted_by_reason(tmp_path):
    one_point = Profile(3, np.array([3.0]), np.array([10.0]))
    before = SetAside("bad.json", "bad.json", None, "is no JSON: line 1")
    found = dataset.build([a_test(extra=(one_point,))], [before])
    provenance = dataset.write(found, {"cell.json": "0", "bad.json": "1"}, tmp_path)
    rejects = read_table(tmp_path / dataset.REJECTS_FILE, DISCHARGE_REJECTS)
    assert rejects["test_id"].tolist() == ["bad.json", "cell"]
    assert rejects["cycle"].tolist()[1] == 3 and np.isnan(rejects["cycle"].tolist()[0])
    assert provenance["n_tests_set_aside"] == provenance["n_cycles_set_aside"] == 1
    assert provenance["reasons"] == {"is no JSON": 1, "short profile": 1}
    assert (provenance["n_tests"], provenance["n_cycles"], provenance["n_points"]) == (1, 2, 200)
    assert provenance["labels"] == {"experiment": 1}
    assert json.loads((tmp_path / dataset.PROVENANCE_FILE).read_text()) == provenance


def test_an_empty_data_set_is_an_error_with_the_reasons(tmp_path):
    dead = CyclingTest(
        "dead", "LiMnO2", "experiment", 20.0, 1.5, 4.8, (discharge(1, 0.0), discharge(2, 0.0)), "dead.json"
    )
    unread = [
        SetAside(f"{name}.csv", f"{name}.csv", None, "has no column 'Ewe/V'; it has V") for name in "abcd"
    ]
    with pytest.raises(DataError) as caught:
        dataset.write(dataset.build([dead], unread), {"dead.json": "0"}, tmp_path)
    first, columns, capacity, whole = str(caught.value).splitlines()
    assert first == "no discharge can be used, of 5 files with 1 test that could be read"
    assert columns == "  4 x has no column 'Ewe/V'; it has V (a.csv, b.csv, c.csv and 1 more)"
    assert capacity.startswith("  2 x no capacity: 0 mAh/g, less than 1; ") and capacity.endswith(
        "(dead.json)"
    )
    assert whole == "  1 x none of its discharges can be used (dead.json)"
    assert not list(tmp_path.iterdir())


def test_what_is_set_aside_is_logged_with_its_reason_and_counted_where_it_is_much(caplog):
    one_point = tuple(Profile(cycle, np.array([3.0]), np.array([10.0])) for cycle in range(3, 10))
    sorted_rows = SetAside("cell.csv", "cell", None, "rows were sorted by time: 3 of 9", partly=True)
    before = [SetAside("bad.json", "bad.json", None, "is no JSON: line 1"), sorted_rows]
    found = dataset.build([a_test(extra=one_point)], before)
    with caplog.at_level("INFO", logger="ionsieve"):
        dataset.log_rejects(found)
    told = [record.getMessage() for record in caplog.records if record.levelname == "INFO"]
    assert [
        line for line in told if line.startswith("set aside: cell.json, cycle 3: short profile: one point")
    ]
    assert len([line for line in told if "cell.json, cycle" in line]) == dataset.MOST_LOGGED
    assert "and 2 more of the reason: short profile" in told
    assert "set aside: bad.json: is no JSON: line 1" in told
    assert "used in part: cell.csv: rows were sorted by time: 3 of 9" in told
    (summary,) = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert summary == (
        "set aside: 1 file or test, 7 cycles, 1 part of a test; reasons: short profile (7), is no JSON (1),"
        " rows were sorted by time (1). All are in rejects.parquet"
    )


def test_where_nothing_is_set_aside_nothing_is_logged(caplog):
    with caplog.at_level("INFO", logger="ionsieve"):
        dataset.log_rejects(dataset.build([a_test()]))
    assert not caplog.records


def test_a_data_set_without_a_point_names_no_table_that_is_not_written(caplog):
    with caplog.at_level("INFO", logger="ionsieve"):
        dataset.log_rejects(dataset.build([], [SetAside("a.csv", "a.csv", None, "is empty")]))
    assert [record.getMessage() for record in caplog.records] == ["set aside: a.csv: is empty"]


def test_many_reasons_are_counted_in_the_message():
    reasons = ("is no JSON", "is empty", "cannot be read", "is no CSV table", "lacks voltage_V")
    found = dataset.build([], [SetAside("a.csv", "a.csv", None, reason) for reason in reasons])
    with pytest.raises(DataError, match=r"of 1 file with 0 tests(.|\n)*, and 2 other reasons, in the log$"):
        dataset.write(found, {}, None)


def cell_files(folder):
    """Three published documents of different cells."""
    folder.mkdir()
    for number, whole in enumerate((240.0, 200.0, 180.0)):
        document = {
            "composition": {"Li": 1.2, "Mn": 0.4, "Ti": 0.4, "O": 2},
            "test_current(mA/g)": 20,
            "low_voltage(V)": 1.5,
            "high_voltage(V)": 4.8,
            "discharge_list": [
                {
                    "cycle_num": 1,
                    "V_std": VOLTAGE_V.tolist(),
                    "Q_std": discharge(1, whole).capacity_mAh_per_g.tolist(),
                }
            ],
        }
        (folder / f"cell-{number}.json").write_text(json.dumps(document))
    return sorted(folder.iterdir())


def written(paths, folder):
    found = reading.read(paths)
    dataset.write(dataset.build(found.tests, found.set_aside), found.inputs, folder)
    return [digest(folder / name) for name in FILES]


def test_bytes_depend_on_content_alone_not_on_order_or_place(tmp_path):
    paths = cell_files(tmp_path / "here")
    shutil.copytree(tmp_path / "here", tmp_path / "there")
    forward = written(paths, tmp_path / "1")
    assert written(paths[::-1], tmp_path / "2") == forward
    assert written([tmp_path / "there"], tmp_path / "3") == forward
    assert pq.read_metadata(tmp_path / "1" / dataset.POINTS_FILE).num_rows == 300


def test_the_version_follows_contents_and_not_names(tmp_path):
    paths = cell_files(tmp_path / "cells")
    before = dataset.version(reading.read(paths).inputs)
    paths[0].rename(paths[0].with_name("other-name.json"))
    assert dataset.version(reading.read([tmp_path / "cells"]).inputs) == before
    paths[1].write_text(paths[1].read_text().replace("1.2", "1.1"))
    assert dataset.version(reading.read([tmp_path / "cells"]).inputs) != before


def test_synthetic_and_measured_cells_may_stand_in_one_table_and_stay_marked():
    (made,) = synthetic.cells(synthetic.Recipe(n_metals=2, n_compositions=1, n_cycles=2))
    points = dataset.build([made, a_test()]).points
    assert points.groupby("test_id")["label"].unique().map(list).to_dict() == {
        "cell": ["experiment"],
        made.test_id: ["synthetic"],
    }


def test_the_real_cell_gives_a_thousand_points_near_the_published_ones(lmto_table, tmp_path):
    found = reading.read([lmto_table])
    provenance = dataset.write(dataset.build(found.tests, found.set_aside), found.inputs, tmp_path)
    assert provenance["n_points"] == 1000 and not provenance["reasons"]
    assert provenance["inputs"] == [{"name": lmto_table.name, "sha256": digest(lmto_table)}]
    ours = read_table(tmp_path / dataset.POINTS_FILE, DISCHARGE_POINTS)
    published = pd.read_csv(lmto_table)
    # The first cycle's capacity at another cycle's voltages: theirs goes on beyond the ends of cycle 1.
    inside = published["Vii"].to_numpy() >= 1.529
    difference = ours["first_capacity_mAh_per_g"].to_numpy() - published["Q0ii"].to_numpy()
    assert np.abs(difference[inside]).max() < 0.2
