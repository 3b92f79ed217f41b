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
from ionsieve.discharge.dataset import build, provenance
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


def test_a_cycle_of_the_published_json_that_tells_another_rate_is_set_aside(tmp_path):
    document = raw_document(4)
    for number, key, current in ((1, "current(A/g)", 0.1), (2, "rate(mA/g)", RATE), (3, "current(mA)", 0.04)):
        _, cycle = document["discharge_info"][number]
        document["discharge_info"][number] = [number + 1, cycle | {key: current}]
    (test,), (aside,) = published_json.read(write_json(tmp_path / "cell.json", document))
    assert [profile.cycle for profile in test.profiles if profile.direction == "discharge"] == [1, 3, 4]
    assert (
        aside.reason == ("entry 2 of discharge_info: cycled at another rate: 100 mA/g, and the test at 20")
        and aside.partly
    )


def test_a_point_table_of_two_rates_is_a_test_for_each(tmp_path):
    rows = pd.concat([point_rows(), point_rows(cycle=2, rate=100.0)])
    rows.to_csv(tmp_path / "points.csv", index=False)
    tests, set_aside = point_table.read(tmp_path / "points.csv")
    assert not set_aside
    assert [(test.rate_mA_per_g, [profile.cycle for profile in test.profiles]) for test in tests] == [
        (20.0, [1]), (100.0, [2]),
    ]  # fmt: skip


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
    assert any(row.reason == "points without a whole cycle number: 3 of 303" for row in set_aside)


def test_points_of_a_table_without_a_number_are_counted(tmp_path):
    rows = pd.concat([point_rows(), point_rows(cycle=2)], ignore_index=True)
    rows.loc[[3, 4, 120], "Qii"] = np.nan
    rows.loc[130, "Vii"] = np.nan
    rows.to_csv(tmp_path / "points.csv", index=False)
    (test,), (aside,) = point_table.read(tmp_path / "points.csv")
    assert aside.reason == "points without a number in Vii or Qii: 4 of 200"
    assert aside.partly and aside.cycle is None
    assert_the_curve(test, 2)


def test_capacities_of_both_signs_set_a_cycle_of_a_table_aside_and_of_one_sign_do_not(tmp_path):
    rows = pd.concat([point_rows(), point_rows(cycle=2), point_rows(cycle=3)], ignore_index=True)
    rows.loc[95:98, "Qii"] = -0.5  # a smoothed curve may ring about 0
    rows.loc[100:109, "Qii"] *= -1
    rows.loc[200:, "Qii"] *= -1
    rows.to_csv(tmp_path / "points.csv", index=False)
    (test,), (aside,) = point_table.read(tmp_path / "points.csv")
    assert [profile.cycle for profile in test.profiles] == [1, 3]
    assert aside.cycle == 2
    assert aside.reason.startswith("capacities below 0: 10 of 100, down to -240 mAh/g")
    assert [profile.cycle for profile in standardise_test(test).profiles] == [1, 3]


@pytest.mark.parametrize(("separator", "decimal"), [(";", ","), (";", "."), ("\t", ",")])
def test_a_point_table_of_a_spreadsheet_is_known_and_read(tmp_path, separator, decimal):
    rows = pd.concat([point_rows("10"), point_rows("9", cycle=2)])
    rows.to_csv(tmp_path / "points.csv", index=False)
    rows.to_csv(tmp_path / "other.txt", index=False, sep=separator, decimal=decimal)
    (expected, found) = (reading.read([tmp_path / name]).tests for name in ("points.csv", "other.txt"))
    for one, other in zip(expected, found, strict=True):
        assert (other.composition, other.rate_mA_per_g) == (one.composition, one.rate_mA_per_g)
        for a, b in zip(one.profiles, other.profiles, strict=True):
            assert a.cycle == b.cycle
            np.testing.assert_array_equal(a.capacity_mAh_per_g, b.capacity_mAh_per_g)


def test_decimal_commas_of_a_point_table_that_are_not_clear_are_refused_with_the_way_out(tmp_path):
    text = point_rows().to_csv(index=False, sep=";", decimal=",").replace("20,0", "20.0")
    (tmp_path / "points.csv").write_text(text)
    (aside,) = reading.read([tmp_path]).set_aside
    assert "write them all with a decimal point" in aside.reason


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
    (test,), set_aside = cycler_table.read(tmp_path / "cell.csv", given or cell())
    return test, set_aside


def test_bdf_with_a_counter_gives_the_curve_and_the_rate(tmp_path):
    test, set_aside = read_rows(tmp_path, cycler_rows())
    assert not set_aside
    assert test.rate_mA_per_g == pytest.approx(RATE)
    assert_the_curve(test, 2)


def test_bdf_without_a_counter_integrates_the_current(tmp_path):
    test, _ = read_rows(tmp_path, cycler_rows().drop(columns="Discharging Capacity / Ah"))
    assert_the_curve(test, 2)


@pytest.mark.parametrize("without", [["Discharging Capacity / Ah"], ["Current / A"], []])
@pytest.mark.parametrize("gap_s", [0.0, 7200.0])
def test_an_export_of_the_discharges_alone_counts_no_capacity_in_the_gap_between(tmp_path, without, gap_s):
    rows = cycler_rows(4)
    rows["Test Time / s"] += gap_s * rows["Cycle Count / 1"]
    alone = rows[rows["Current / A"] < 0].drop(columns=without)
    test, set_aside = read_rows(tmp_path, alone)
    assert not set_aside
    assert test.rate_mA_per_g == pytest.approx(RATE, rel=0.01)
    assert all(profile.capacity_mAh_per_g[0] < 0.01 * CAPACITY for profile in test.profiles)
    assert_the_curve(test, 4)


def test_a_gap_between_discharges_slows_no_rate_that_a_running_counter_tells(tmp_path):
    rows = cycler_rows(3)
    rows["Test Time / s"] += 1e5 * rows["Cycle Count / 1"]
    alone = rows[rows["Discharging Capacity / Ah"] > 0].drop(columns="Current / A")
    alone["Discharging Capacity / Ah"] += CAPACITY * MASS_MG * 1e-6 * (alone["Cycle Count / 1"] - 1)
    assert read_rows(tmp_path, alone)[0].rate_mA_per_g == pytest.approx(RATE, rel=0.001)


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


def with_a_fast_cycle():
    """Three cycles, the third at 100 mA/g."""
    rows = cycler_rows(3)
    rows.loc[rows["Cycle Count / 1"] == 3, "Current / A"] *= 5
    return rows


def test_cycles_at_another_rate_than_the_given_one_are_set_aside(tmp_path):
    test, set_aside = read_rows(tmp_path, with_a_fast_cycle(), cell(rate_mA_per_g=RATE))
    assert [profile.cycle for profile in test.profiles] == [1, 2]
    assert [(row.cycle, row.reason) for row in set_aside] == [(3, "cycled at 100 mA/g, the test at 20")]


def test_without_a_given_rate_cycles_at_two_rates_are_two_tests(tmp_path):
    with_a_fast_cycle().to_csv(tmp_path / "cell.csv", index=False)
    (slow, fast), set_aside = cycler_table.read(tmp_path / "cell.csv", cell())
    assert not set_aside
    assert (slow.test_id, slow.rate_mA_per_g) == ("cell-20mA_per_g", RATE)
    assert (fast.test_id, fast.rate_mA_per_g) == ("cell-100mA_per_g", 5 * RATE)
    assert [profile.cycle for profile in slow.profiles] == [1, 2]
    assert [profile.cycle for profile in fast.profiles] == [3]


def test_as_many_cycles_at_one_rate_as_at_another_are_not_labelled_with_a_rate_between(tmp_path):
    rows = cycler_rows(2)
    rows.loc[rows["Cycle Count / 1"] == 2, "Current / A"] *= 1.25
    rows.to_csv(tmp_path / "cell.csv", index=False)
    tests, _ = cycler_table.read(tmp_path / "cell.csv", cell())
    assert [test.rate_mA_per_g for test in tests] == [20.0, 25.0]


def test_a_discharge_at_two_rates_is_set_aside_and_a_hold_at_the_limit_is_none(tmp_path):
    rows = cycler_rows(2)
    discharged = (rows["Cycle Count / 1"] == 2) & (rows["Current / A"] < 0)
    rows.loc[discharged & (rows["Voltage / V"] < 2.5), "Current / A"] *= 0.2
    test, set_aside = read_rows(tmp_path, rows)
    assert [profile.cycle for profile in test.profiles] == [1]
    assert [row.cycle for row in set_aside] == [2]
    assert "two rates in one discharge: 3" in set_aside[0].reason
    hold = cycler_rows(1).iloc[[-1] * 60].assign(**{"Voltage / V": 1.5})
    hold["Test Time / s"] += 60.0 * np.arange(1, 61)
    hold["Current / A"] *= np.linspace(0.9, 0.1, 60)
    hold["Discharging Capacity / Ah"] += np.linspace(0, 1e-4, 60)
    test, set_aside = read_rows(tmp_path, pd.concat([cycler_rows(1), hold], ignore_index=True))
    assert not set_aside and test.rate_mA_per_g == pytest.approx(RATE)


def test_without_a_current_the_counter_and_the_time_tell_the_rate(tmp_path):
    rows = cycler_rows(2).drop(columns="Current / A")
    # An hour takes a fifth of the time: every cycle ran at 100 mA/g.
    fast = rows.assign(**{"Test Time / s": rows["Test Time / s"] / 5})
    assert read_rows(tmp_path, rows)[0].rate_mA_per_g == pytest.approx(RATE, rel=0.01)
    assert read_rows(tmp_path, fast)[0].rate_mA_per_g == pytest.approx(5 * RATE, rel=0.01)
    test, set_aside = read_rows(tmp_path, fast, cell(rate_mA_per_g=RATE))
    assert not test.profiles
    assert [row.reason for row in set_aside] == ["cycled at 100 mA/g, the test at 20"] * 2


# The rows of a file in another order: backwards, cycle 2 before cycle 1, mixed, two neighbours exchanged.
DISORDERS = {
    "backwards": lambda rows: rows.iloc[::-1],
    "blocks": lambda rows: pd.concat([rows[490:], rows[:490]]),
    "mixed": lambda rows: rows.sample(frac=1.0, random_state=1),
    "exchanged": lambda rows: rows.iloc[[*range(300), 301, 300, *range(302, len(rows))]],
}


@pytest.mark.parametrize("disorder", DISORDERS)
@pytest.mark.parametrize("without", [[], ["Discharging Capacity / Ah"], ["Current / A"]])
def test_rows_out_of_the_order_of_time_are_sorted_and_that_is_told(tmp_path, disorder, without):
    rows = cycler_rows().drop(columns=without)
    test, (aside,) = read_rows(tmp_path, DISORDERS[disorder](rows), cell(rate_mA_per_g=RATE))
    assert aside.reason.startswith("rows were sorted by time: ")
    assert aside.partly and aside.cycle is None
    assert_the_curve(test, 2)


def test_sorted_rows_do_not_count_as_a_test_that_is_set_aside(tmp_path):
    test, set_aside = read_rows(tmp_path, cycler_rows().iloc[::-1])
    found = provenance(build([test], set_aside), {})
    assert found["n_tests_with_points"] == 1 and found["n_tests_set_aside"] == 0
    assert found["reasons"] == {"rows were sorted by time": 1}


def test_mixed_rows_that_share_a_time_are_refused(tmp_path):
    rows = cycler_rows()
    rows["Test Time / s"] = (rows["Test Time / s"] // 1000) * 1000
    assert_the_curve(read_rows(tmp_path, rows)[0], 2)
    with pytest.raises(
        DataError, match=r"share their time with another \(\d+\) it is not told which came first"
    ):
        read_rows(tmp_path, DISORDERS["mixed"](rows))


def test_times_that_count_from_zero_with_each_step_leave_the_rows_where_they_are(tmp_path):
    rows = cycler_rows()
    step = rows["Current / A"].ne(rows["Current / A"].shift()).cumsum()
    rows["Test Time / s"] -= rows["Test Time / s"].groupby(step).transform("first")
    test, set_aside = read_rows(tmp_path, rows)
    assert not set_aside
    assert_the_curve(test, 2)
    test, (aside,) = read_rows(
        tmp_path, DISORDERS["exchanged"](rows.drop(columns="Discharging Capacity / Ah"))
    )
    assert "counts from 0 more than once" in aside.reason and aside.cycle == 1
    assert [profile.cycle for profile in test.profiles] == [2]


def test_a_header_of_ec_lab_is_named_with_the_way_out(tmp_path):
    header = "EC-Lab ASCII FILE\nNb header lines : 4 \n\n"
    path = tmp_path / "cell.mpt"
    path.write_bytes((header + "Temp\xe9rature\tEwe/V\n25\t3,25\n").encode("latin1"))
    with pytest.raises(DataError, match=r"'Nb header lines : 4'.*tail -n \+4 cell\.mpt"):
        cycler_table.read(path, cell())


def test_decimal_commas_are_read_wherever_they_begin(tmp_path):
    rows = cycler_rows().rename(columns={"Voltage / V": "Voltage, V"})
    first = rows.iloc[:1].assign(**{"Voltage, V": 3, "Test Time / s": 0, "Current / A": 0})
    text = first.astype(str).to_csv(index=False, sep=";").replace("0.0", "0")
    text += rows.iloc[1:].to_csv(index=False, header=False, sep=";", decimal=",")
    (tmp_path / "cell.csv").write_text(text)
    (test,), _ = cycler_table.read(tmp_path / "cell.csv", cell(columns={"voltage_V": "Voltage, V"}))
    assert_the_curve(test, 2)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a;b;c\n3,25;0.1;1\n3,20;0.2;1\n", "column 'a' holds '3,25'; numbers may have a decimal comma only"),
        ('a,b,c\n"3,25",0.1,1\n', "column 'a' holds '3,25'; numbers may have a decimal comma only"),
        ("a,b,c\n3,25,0,1,1,0\n3,20,0,2,1,0\n", "more values in a row than names in its first line, 3"),
        ("a,b,c\n3,0,1\n3,20,0,2,1,0\n", "is no CSV table: .*; the first line must name the columns"),
    ],
)
def test_commas_that_are_not_clear_are_refused_with_the_way_out(tmp_path, text, reason):
    (tmp_path / "cell.csv").write_text(text)
    columns = {"voltage_V": "a", "current_A": "b", "time_s": "c"}
    with pytest.raises(DataError, match=f"{reason}.*else write them all with a decimal point"):
        cycler_table.read(tmp_path / "cell.csv", cell(columns=columns))


def test_a_separator_after_the_last_value_moves_no_column(tmp_path):
    lines = cycler_rows().to_csv(index=False).splitlines()
    (tmp_path / "cell.csv").write_text("\n".join([lines[0], *(line + "," for line in lines[1:])]))
    assert_the_curve(cycler_table.read(tmp_path / "cell.csv", cell())[0][0], 2)


def test_damaged_rows_are_counted_and_a_damaged_table_is_refused(tmp_path):
    rows = cycler_rows().astype({"Voltage / V": object})
    rows.loc[10:12, "Voltage / V"] = "OVL"
    test, (aside,) = read_rows(tmp_path, rows)
    assert aside.reason == (
        "rows without a number in one of voltage_V, time_s, current_A, cycle, discharge_capacity_Ah: 3 of 980"
    )
    assert_the_curve(test, 2)
    rows["Voltage / V"] = "OVL"
    with pytest.raises(DataError, match="rows without a number in one of .*: 980 of 980, more than half"):
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
    rate=st.sampled_from([RATE, None]),
)
def test_whatever_the_table_there_is_a_test_or_a_reason(tmp_path, columns, rows, repeated, rate):
    table = pd.DataFrame(rows * repeated, columns=COLUMNS)[sorted(columns)]
    try:
        table.to_csv(tmp_path / "cell.csv", index=False)
        tests, _ = cycler_table.read(tmp_path / "cell.csv", cell(rate_mA_per_g=rate))
    except DataError as error:
        assert str(error)
    else:
        found = [standardise_test(test) for test in tests]
        assert all(test.profiles or test.set_aside for test in found)


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
    assert reasons["empty.csv"].startswith("is empty")
    assert "needs bare.yaml beside it" in reasons["bare.csv"]
    assert "cannot be read" in reasons["damaged.csv.gz"]
    assert reasons["twice.json"] == "given twice: same file as published.json"
    assert set(found.inputs) == {
        "published.json", "points.csv", "bdf.bdf.csv.gz", "bdf.yaml", *reasons,
    }  # fmt: skip


def test_a_copy_is_needless_only_where_the_first_could_be_read(tmp_path):
    content = cycler_rows().to_csv(index=False)
    for name in ("a.csv", "b.csv", "c.csv", "d.csv"):
        (tmp_path / name).write_text(content)
    found = reading.read([tmp_path], {"c.csv": cell()})
    assert [test.test_id for test in found.tests] == ["c"]
    reasons = {row.source: row.reason for row in found.set_aside}
    assert "needs a.yaml beside it" in reasons["a.csv"] and "needs b.yaml beside it" in reasons["b.csv"]
    assert reasons["d.csv"] == "given twice: same file as c.csv"


def test_a_file_that_cannot_be_opened_is_set_aside_and_stops_nothing(tmp_path):
    point_rows().to_csv(tmp_path / "points.csv", index=False)
    (tmp_path / "gone.csv").symlink_to(tmp_path / "nowhere.csv")
    found = reading.read([tmp_path])
    assert [test.test_id for test in found.tests] == ["points"]
    assert [(row.source, row.reason) for row in found.set_aside] == [
        ("nowhere.csv", "cannot be read: No such file or directory")
    ]


@pytest.mark.parametrize("rows", [cycler_rows(), point_rows()], ids=["cycler", "points"])
def test_a_damaged_archive_is_set_aside(tmp_path, rows):
    packed = bytearray(gzip.compress(rows.to_csv(index=False).encode()))
    middle = len(packed) // 2
    packed[middle : middle + 64] = bytes(64)
    (tmp_path / "cell.csv.gz").write_bytes(packed)
    found = reading.read([tmp_path], {"cell.csv.gz": cell()})
    assert not found.tests
    assert found.set_aside[0].reason.startswith(("cannot be read: ", "is not UTF-8 text: "))


def test_a_folder_gives_its_files_of_ec_lab_and_a_header_is_told_with_the_way_out(tmp_path):
    lines = cycler_rows().to_csv(index=False, sep="\t")
    (tmp_path / "plain.mpt").write_text(lines)
    (tmp_path / "headed.mpt").write_text("EC-Lab ASCII FILE\nNb header lines : 3\n\n" + lines)
    found = reading.read([tmp_path], {"plain.mpt": cell(), "headed.mpt": cell()})
    (test,) = found.tests
    assert_the_curve(test, 2)
    (aside,) = found.set_aside
    assert aside.source == "headed.mpt" and "tail -n +3 headed.mpt" in aside.reason


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
