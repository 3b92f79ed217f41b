"""Readers: the same discharge comes back from every format; what is wrong is named."""

import gzip
import json

import numpy as np
import pandas as pd
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ionsieve.discharge import cycler_table, point_table, published_json, reading
from ionsieve.discharge.cycler_table import Cell
from ionsieve.discharge.profiles import standardise_test
from ionsieve.errors import DataError

COMPOSITION = {"Li": 1.2, "Mn": 0.4, "Ti": 0.4, "O": 2.0}
CANONICAL = "Li1.2Ti0.4Mn0.4O2"
MASS_MG = 2.0
RATE = 20.0  # mA/g
CAPACITY = 240.0


def curve(n_points=200):
    """Voltage falling from 4.7 to 1.5 V, capacity from 0 to CAPACITY."""
    capacity = np.linspace(0, CAPACITY, n_points)
    return 4.7 - 3.2 * capacity / CAPACITY, capacity


def raw_document(n_cycles=3):
    voltage_V, capacity = curve()
    cycle = {"Voltage(V)": voltage_V.tolist(), "Capacity(mAh/g)": capacity.tolist()}
    charge = {"Voltage(V)": voltage_V[::-1].tolist(), "Capacity(mAh/g)": capacity.tolist()}
    return {
        "composition": COMPOSITION,
        "electrode_mass(g)": 0.003,
        "active_mass(g)": 0.002,
        "test_current(mA/g)": RATE,
        "low_voltage(V)": 1.5,
        "high_voltage(V)": 4.8,
        "discharge_info": [[n, cycle] for n in range(1, n_cycles + 1)],
        "charge_info": [[n, charge] for n in range(1, n_cycles + 1)],
    }


def smoothed_document():
    voltage_V, capacity = curve(100)
    document = {key: value for key, value in raw_document().items() if not key.endswith("_info")}
    cycle = {"V_std": voltage_V[::-1].tolist(), "Q_std": capacity[::-1].tolist()}
    document["discharge_list"] = [
        {"cycle_num": 1, **cycle},
        {"cycle_num": 2, **cycle},
        {"cycle_num": 3, "V_std": float("nan"), "Q_std": float("nan")},
    ]
    return document


def write_json(path, content):
    path.write_text(json.dumps(content))
    return path


def assert_the_curve(test, n_cycles):
    found = standardise_test(test)
    assert [profile.cycle for profile in found.profiles] == list(range(1, n_cycles + 1))
    for profile in found.profiles:
        expected = np.interp(profile.voltage_V, *(values[::-1] for values in curve()))
        np.testing.assert_allclose(profile.capacity_mAh_per_g, expected, atol=1.0)


# ------------------------------------------------------------------------------------- published JSON


def test_a_raw_document_gives_its_test_with_charges_and_masses(tmp_path):
    (test,), set_aside = published_json.read(write_json(tmp_path / "cell.json", raw_document()))
    assert not set_aside
    assert (test.test_id, test.composition, test.label) == ("cell", CANONICAL, "experiment")
    assert (test.rate_mA_per_g, test.voltage_low_V, test.voltage_high_V) == (RATE, 1.5, 4.8)
    assert (test.active_mass_mg, test.electrode_mass_mg) == (2.0, 3.0)
    assert [profile.direction for profile in test.profiles] == ["discharge"] * 3 + ["charge"] * 3
    assert_the_curve(test, 3)


def test_a_document_with_smoothed_points_gives_the_same_and_a_reason_for_the_cycle_without(tmp_path):
    (test,), set_aside = published_json.read(write_json(tmp_path / "cell.json", smoothed_document()))
    assert not set_aside
    assert_the_curve(test, 2)
    (aside,) = standardise_test(test).set_aside
    assert aside.cycle == 3 and "short profile" in aside.reason


def test_other_spellings_and_units_are_understood(tmp_path):
    voltage_V, capacity = curve()
    document = {
        "Composition": "Li1.2Mn0.4Ti0.4O2",
        "Test Current (A/g)": 0.02,
        "Low Voltage": 1.5,
        "high_voltage (mV)": 4800,
        "Active_Mass (mg)": 2.0,
        "discharge_list": {
            "1": {"Voltage [V]": voltage_V.tolist(), "Capacity (Ah/g)": (capacity / 1e3).tolist()}
        },
    }
    (test,), set_aside = published_json.read(write_json(tmp_path / "cell.json", document))
    assert not set_aside
    assert (test.rate_mA_per_g, test.voltage_high_V) == (pytest.approx(20), pytest.approx(4.8))
    assert test.active_mass_mg == pytest.approx(2.0)
    assert_the_curve(test, 1)


def test_lists_and_mappings_of_documents_give_all_their_tests(tmp_path):
    listed, _ = published_json.read(write_json(tmp_path / "all.json", [raw_document(), smoothed_document()]))
    assert [test.test_id for test in listed] == ["all-1", "all-2"]
    named, _ = published_json.read(write_json(tmp_path / "all.json", {"a": raw_document(), "b": 3}))
    assert [test.test_id for test in named] == ["a"]


def test_an_unknown_layout_names_the_keys_it_has_and_the_keys_looked_for(tmp_path):
    path = write_json(tmp_path / "cell.json", {"formula": "LiMnO2", "data": [], "window": [1, 2]})
    tests, (aside,) = published_json.read(path)
    assert not tests
    assert "unknown layout" in aside.reason
    assert "the keys are formula, data, window" in aside.reason
    for looked_for in ("testcurrent", "lowvoltage", "highvoltage", "dischargelist"):
        assert looked_for in aside.reason


@pytest.mark.parametrize(
    ("key", "value", "reason"),
    [
        ("composition", {"Li": 1.2, "Xx": 1}, "unknown element"),
        ("composition", {"Li": -1.2, "Mn": 1}, "negative"),
        ("composition", {}, "empty formula"),
        ("test_current(mA/g)", "fast", "not a number"),
        ("test_current(mA/g)", -20, "rate -20"),
        ("low_voltage(V)", 4.9, "voltage window"),
        ("discharge_info", 7, "must be a list"),
    ],
)
def test_a_damaged_field_sets_the_test_aside_with_the_reason(tmp_path, key, value, reason):
    tests, (aside,) = published_json.read(write_json(tmp_path / "cell.json", {**raw_document(), key: value}))
    assert not tests
    assert reason in aside.reason


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (3, "not int"),
        ([1, {"Voltage(V)": [3]}], "no Q_std"),
        (["one", {"Voltage(V)": [3], "Capacity(mAh/g)": [3]}], "no number"),
        ([1.5, {"Voltage(V)": [3], "Capacity(mAh/g)": [3]}], "no whole number"),
        ([1, {"Voltage(furlong)": [3], "Capacity(mAh/g)": [3]}], "unknown unit"),
    ],
)
def test_a_damaged_cycle_is_set_aside_and_the_others_stay(tmp_path, record, reason):
    document = raw_document(2)
    document["discharge_info"].append(record)
    (test,), (aside,) = published_json.read(write_json(tmp_path / "cell.json", document))
    assert reason in aside.reason and "entry 3" in aside.reason
    assert_the_curve(test, 2)


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from([*raw_document(), *smoothed_document(), "Voltage(V)", "V_std"]), inner
        )
    ),
    max_leaves=20,
)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=JSON, key=st.sampled_from([*raw_document()]))
def test_whatever_the_json_there_are_tests_or_reasons(tmp_path, content, key):
    for document in (content, {**raw_document(1), key: content}):
        try:
            tests, set_aside = published_json.read(write_json(tmp_path / "cell.json", document))
        except DataError as error:
            assert str(error)
            continue
        for test in tests:
            standardise_test(test)
        assert tests or set_aside or document in ([], {})


# ---------------------------------------------------------------------------------------- point table


def point_rows(material_id="0", cycle=1, rate=RATE):
    voltage_V, capacity = (values[::-1] for values in curve(100))
    return pd.DataFrame(
        {
            "material_id": material_id,
            "composition": "Li1.2 Mn0.4 Ti0.4 O2",
            "V_low": 1.5,
            "V_high": 4.8,
            "rate": rate,
            "cycle": cycle,
            "Vii": voltage_V,
            "Q0ii": capacity,
            "Qii": capacity,
            "dQdVii": -75.0,
        }
    )


def test_a_point_table_tells_tests_apart_by_conditions_whether_or_not_its_ids_are_a_running_number(tmp_path):
    rows = pd.concat([point_rows(rate=rate, cycle=cycle) for rate in (20.0, 100.0) for cycle in (1, 2)])
    for ids in (["0"] * len(rows), [str(number) for number in range(len(rows))]):
        rows["material_id"] = ids
        rows.to_csv(tmp_path / "points.csv", index=False)
        tests, set_aside = point_table.read(tmp_path / "points.csv")
        assert not set_aside
        assert [(test.test_id, test.rate_mA_per_g) for test in tests] == [("points-1", 20), ("points-2", 100)]
        assert all(test.composition == CANONICAL for test in tests)
        for test in tests:
            assert_the_curve(test, 2)


def test_a_point_table_without_a_column_names_it(tmp_path):
    point_rows().drop(columns="rate").to_csv(tmp_path / "points.csv", index=False)
    with pytest.raises(DataError, match="lacks the columns rate; it has material_id"):
        point_table.read(tmp_path / "points.csv")


def test_two_profiles_under_one_cycle_and_rows_without_a_cycle_are_set_aside(tmp_path):
    other = point_rows().assign(Qii=lambda rows: rows["Qii"] * 0.9 + 0.01)
    lost = point_rows(cycle="?").head(3)
    pd.concat([point_rows(), other, point_rows(cycle=2), lost]).to_csv(tmp_path / "points.csv", index=False)
    (test,), set_aside = point_table.read(tmp_path / "points.csv")
    assert [profile.cycle for profile in test.profiles] == [2]
    assert any("two profiles under one cycle" in row.reason and row.cycle == 1 for row in set_aside)
    assert any("3 points without a whole cycle number" in row.reason for row in set_aside)


def test_the_published_example_is_one_test_of_ten_cycles(lmto_table):
    (test,), set_aside = point_table.read(lmto_table)
    assert not set_aside
    assert (test.composition, test.rate_mA_per_g) == (CANONICAL, 20.0)
    assert [profile.cycle for profile in test.profiles] == list(range(1, 11))


# --------------------------------------------------------------------------------------- cycler table


def cycler_rows(n_cycles=2, charging=1, step_s=60.0):
    """Rest, charge and discharge of each cycle at constant current, in the Battery Data Format."""
    voltage_V, capacity = curve(240)
    current_A = RATE * MASS_MG * 1e-6
    parts = []
    for cycle in range(1, n_cycles + 1):
        for sign, volts in (
            (0, np.full(5, 3.0)),
            (1, voltage_V[::-1]),
            (0, np.full(5, 4.6)),
            (-1, voltage_V),
        ):
            gained = capacity * MASS_MG * 1e-6 if sign else np.zeros(5)
            parts.append(
                pd.DataFrame(
                    {
                        "Voltage / V": volts,
                        "Current / A": charging * sign * current_A,
                        "Cycle Count / 1": cycle,
                        "Discharging Capacity / Ah": gained if sign < 0 else 0.0,
                        "sign": sign,
                    }
                )
            )
    rows = pd.concat(parts, ignore_index=True)
    # At RATE, CAPACITY takes 12 h: time runs so that the integral of the current is the curve's capacity.
    hours = CAPACITY / RATE / 239
    rows.insert(0, "Test Time / s", np.arange(len(rows)) * hours * 3600)
    return rows.drop(columns="sign")


def cell(**changes):
    return Cell("Li1.2Mn0.4Ti0.4O2", MASS_MG, 1.5, 4.8, **changes)


def read_rows(tmp_path, rows, given=None, **options):
    rows.to_csv(tmp_path / "cell.csv", index=False, **options)
    return cycler_table.read(tmp_path / "cell.csv", given or cell())


def test_bdf_with_a_counter_gives_the_curve_and_the_rate(tmp_path):
    test, set_aside = read_rows(tmp_path, cycler_rows())
    assert not set_aside
    assert test.rate_mA_per_g == pytest.approx(RATE)
    assert_the_curve(test, 2)


def test_bdf_without_a_counter_integrates_the_current(tmp_path):
    test, _ = read_rows(tmp_path, cycler_rows().drop(columns="Discharging Capacity / Ah"))
    assert_the_curve(test, 2)


def test_either_sign_of_the_current_may_be_the_discharge(tmp_path):
    rows = cycler_rows(charging=-1).drop(columns="Discharging Capacity / Ah")
    assert_the_curve(read_rows(tmp_path, rows)[0], 2)


def test_without_a_cycle_column_a_charge_after_a_discharge_begins_a_cycle(tmp_path):
    rows = cycler_rows(3).drop(columns=["Cycle Count / 1", "Discharging Capacity / Ah"])
    assert_the_curve(read_rows(tmp_path, rows)[0], 3)


def test_a_counter_that_runs_on_from_cycle_to_cycle_gives_the_same(tmp_path):
    rows = cycler_rows(3)
    steps = rows["Discharging Capacity / Ah"].diff().clip(lower=0).fillna(0)
    rows["Discharging Capacity / Ah"] = steps.cumsum()
    assert_the_curve(read_rows(tmp_path, rows)[0], 3)


def test_cycles_counted_from_zero_are_counted_from_one(tmp_path):
    rows = cycler_rows(2)
    rows["Cycle Count / 1"] -= 1
    assert_the_curve(read_rows(tmp_path, rows)[0], 2)


def test_a_rest_in_cycle_zero_shifts_no_cycle(tmp_path):
    rows = cycler_rows(2)
    rest = rows.iloc[[0] * 5].assign(**{"Current / A": 0.0, "Cycle Count / 1": 0})
    rest["Test Time / s"] = np.linspace(-100.0, -1.0, 5)
    assert_the_curve(read_rows(tmp_path, pd.concat([rest, rows], ignore_index=True))[0], 2)


def test_machine_readable_names_of_bdf_are_known(tmp_path):
    names = {
        "Voltage / V": "voltage_volt",
        "Test Time / s": "test_time_second",
        "Current / A": "current_ampere",
        "Cycle Count / 1": "cycle_count",
        "Discharging Capacity / Ah": "discharging_capacity_ah",
    }
    assert_the_curve(read_rows(tmp_path, cycler_rows().rename(columns=names))[0], 2)


def test_a_column_map_with_units_reads_an_export_with_semicolons_and_commas(tmp_path):
    rows = cycler_rows()
    export = pd.DataFrame(
        {
            "Zeit/h": rows["Test Time / s"] / 3600,
            "U/mV": rows["Voltage / V"] * 1e3,
            "I/mA": rows["Current / A"] * 1e3,
            "Nr": rows["Cycle Count / 1"],
        }
    )
    columns = {"time_h": "Zeit/h", "voltage_mV": "U/mV", "current_mA": "I/mA", "cycle": "Nr"}
    test, _ = read_rows(tmp_path, export, cell(columns=columns), sep=";", decimal=",")
    assert_the_curve(test, 2)


def test_a_counter_per_gram_needs_no_current(tmp_path):
    rows = cycler_rows()
    export = pd.DataFrame(
        {
            "V": rows["Voltage / V"],
            "n": rows["Cycle Count / 1"],
            "Q": rows["Discharging Capacity / Ah"] / (MASS_MG * 1e-6),
        }
    )
    columns = {"voltage_V": "V", "cycle": "n", "discharge_capacity_mAh_per_g": "Q"}
    test, _ = read_rows(tmp_path, export, cell(columns=columns, rate_mA_per_g=RATE))
    assert_the_curve(test, 2)
    with pytest.raises(DataError, match="rate is not given"):
        read_rows(tmp_path, export, cell(columns=columns))


def test_missing_columns_are_named_with_those_that_are_there(tmp_path):
    with pytest.raises(DataError, match=r"lacks voltage_V; it has Test Time / s, Current / A"):
        read_rows(tmp_path, cycler_rows().drop(columns="Voltage / V"))
    with pytest.raises(DataError, match="no column 'U', which is named for voltage_V"):
        read_rows(tmp_path, cycler_rows(), cell(columns={"voltage_V": "U"}))


def test_cycles_at_another_rate_are_set_aside(tmp_path):
    rows = cycler_rows(3).drop(columns="Discharging Capacity / Ah")
    fast = rows["Cycle Count / 1"] == 3
    rows.loc[fast, "Current / A"] *= 5
    test, set_aside = read_rows(tmp_path, rows)
    assert [profile.cycle for profile in test.profiles] == [1, 2]
    assert [(row.cycle, row.reason) for row in set_aside] == [(3, "cycled at 100 mA/g, the test at 20")]


def test_damaged_rows_are_counted_and_a_damaged_table_is_refused(tmp_path):
    rows = cycler_rows().astype({"Voltage / V": object})
    rows.loc[10:12, "Voltage / V"] = "OVL"
    test, (aside,) = read_rows(tmp_path, rows)
    assert aside.reason.startswith("3 rows lack a number")
    assert_the_curve(test, 2)
    rows["Voltage / V"] = "OVL"
    with pytest.raises(DataError, match="rows lack a number"):
        read_rows(tmp_path, rows)


def test_a_charge_alone_holds_no_discharge(tmp_path):
    rows = cycler_rows(1).iloc[5:245].drop(columns="Discharging Capacity / Ah")
    with pytest.raises(DataError, match="no discharge"):
        read_rows(tmp_path, rows)


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        ([], "a mapping"),
        ({"composition": "LiMnO2"}, "missing active_mass_mg, voltage_low_V, voltage_high_V"),
        ({"mass": 2}, "unknown mass"),
        ({"active_mass_mg": "two"}, "not a number"),
        ({"columns": {"volt": "U"}}, "must map names of voltage_V"),
    ],
)
def test_a_cell_that_lacks_something_says_what(document, reason):
    whole = {"composition": "LiMnO2", "active_mass_mg": 2, "voltage_low_V": 1.5, "voltage_high_V": 4.8}
    if isinstance(document, dict) and "composition" not in document:
        document = whole | document
    with pytest.raises(DataError, match=reason):
        Cell.of(document)


@pytest.mark.parametrize("mass_mg", [0.0, -2.0])
def test_a_mass_that_is_not_positive_is_refused(tmp_path, mass_mg):
    with pytest.raises(DataError, match="active_mass_mg"):
        read_rows(tmp_path, cycler_rows(), Cell("LiMnO2", mass_mg, 1.5, 4.8))


CELLS = st.floats(-10, 10).map(str) | st.floats().map(str) | st.integers(0, 3).map(str) | st.text(max_size=3)
COLUMNS = ["Voltage / V", "Current / A", "Test Time / s", "Cycle Count / 1", "Discharging Capacity / Ah"]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    columns=st.sets(st.sampled_from(COLUMNS), min_size=1),
    rows=st.lists(st.tuples(*[CELLS] * 5), max_size=15),
    repeated=st.integers(1, 3),
)
def test_whatever_the_table_there_is_a_test_or_a_reason(tmp_path, columns, rows, repeated):
    table = pd.DataFrame(rows * repeated, columns=COLUMNS)[sorted(columns)]
    try:
        test, _ = read_rows(tmp_path, table, cell(rate_mA_per_g=RATE))
    except DataError as error:
        assert str(error)
    else:
        found = standardise_test(test)
        assert found.profiles or found.set_aside


# -------------------------------------------------------------------------------------- mix of files


def test_every_format_is_known_by_its_content_and_bad_files_stop_nothing(tmp_path):
    write_json(tmp_path / "published.json", raw_document())
    point_rows().to_csv(tmp_path / "points.csv", index=False)
    (tmp_path / "bdf.bdf.csv.gz").write_bytes(gzip.compress(cycler_rows().to_csv(index=False).encode()))
    about = {
        "composition": "Li1.2Mn0.4Ti0.4O2",
        "active_mass_mg": 2,
        "voltage_low_V": 1.5,
        "voltage_high_V": 4.8,
    }
    (tmp_path / "bdf.yaml").write_text(yaml.safe_dump(about))
    (tmp_path / "broken.json").write_text("{")
    (tmp_path / "empty.csv").write_text("")
    (tmp_path / "bare.csv").write_text(cycler_rows().to_csv(index=False))
    (tmp_path / "damaged.csv.gz").write_bytes(b"\x1f\x8bnothing")
    (tmp_path / "twice.json").write_text((tmp_path / "published.json").read_text())
    found = reading.read([tmp_path])
    assert sorted(test.test_id for test in found.tests) == ["bdf", "points", "published"]
    reasons = {row.source: row.reason for row in found.set_aside}
    assert set(reasons) == {"broken.json", "empty.csv", "bare.csv", "damaged.csv.gz", "twice.json"}
    assert "is no JSON" in reasons["broken.json"]
    assert "needs bare.yaml beside it" in reasons["bare.csv"]
    assert "cannot be read" in reasons["damaged.csv.gz"]
    assert reasons["twice.json"] == "given twice: same file as published.json"
    assert set(found.inputs) == {
        "published.json", "points.csv", "bdf.bdf.csv.gz", "bdf.yaml", *reasons,
    }  # fmt: skip


def test_a_cell_may_be_given_by_file_name_and_enters_the_inputs(tmp_path):
    cycler_rows().to_csv(tmp_path / "cell.csv", index=False)
    found = reading.read([tmp_path / "cell.csv"], {"cell.csv": cell()})
    other = reading.read([tmp_path / "cell.csv"], {"cell.csv": cell(rate_mA_per_g=20.0)})
    assert_the_curve(found.tests[0], 2)
    assert found.inputs["cell.csv"] == other.inputs["cell.csv"]
    assert found.inputs["cell of cell.csv"] != other.inputs["cell of cell.csv"]


def test_paths_that_are_not_there_are_refused(tmp_path):
    with pytest.raises(DataError, match="does not exist"):
        reading.read([tmp_path / "no.csv"])
    with pytest.raises(DataError, match="holds no file"):
        reading.read([tmp_path])
    write_json(tmp_path / "cell.json", raw_document())
    with pytest.raises(DataError, match=r"cells are given for other\.csv"):
        reading.read([tmp_path], {"other.csv": cell()})
