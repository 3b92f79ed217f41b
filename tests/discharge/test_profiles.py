"""From a record to 100 points of a curve: known curves come back, damaged records give a reason."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from ionsieve.discharge.cycling import CHARGE, CyclingError, CyclingTest, Profile
from ionsieve.discharge.profiles import N_POINTS, standardise, standardise_test

LOW_V, HIGH_V = 1.5, 4.8


def exact(voltage_V, whole=250.0):
    """Two redox steps; 0 at HIGH_V."""

    def taken(at):
        return 0.6 / (1 + np.exp((at - 3.3) / 0.12)) + 0.4 / (1 + np.exp((at - 2.3) / 0.2))

    return whole * (taken(np.asarray(voltage_V)) - taken(HIGH_V))


def slope(voltage_V):
    return (exact(voltage_V + 1e-5) - exact(voltage_V - 1e-5)) / 2e-5


def record(n_points=400, noise=0.0, cycle=1, seed=0, whole=250.0):
    voltage_V = np.linspace(HIGH_V, LOW_V, n_points)
    noisy = exact(voltage_V, whole) + noise * np.random.default_rng(seed).standard_normal(n_points)
    return Profile(cycle, voltage_V, noisy)


def standard(voltage_V, capacity):
    return standardise(Profile(1, np.asarray(voltage_V), np.asarray(capacity)), LOW_V, HIGH_V)


def a_test(profiles):
    return CyclingTest(
        "cell", "Li1.2Mn0.4Ti0.4O2", "experiment", 20.0, LOW_V, HIGH_V, tuple(profiles), "file"
    )


def reasons(profiles):
    return {row.cycle: row.reason for row in standardise_test(a_test(profiles)).set_aside}


def test_a_clean_curve_comes_back_within_a_quarter_of_a_milliampere_hour_per_gram():
    found = standardise(record(), LOW_V, HIGH_V)
    assert len(found.voltage_V) == N_POINTS
    np.testing.assert_allclose(np.diff(found.voltage_V), np.diff(found.voltage_V)[0], rtol=1e-9)
    np.testing.assert_allclose(found.capacity_mAh_per_g, exact(found.voltage_V), atol=0.25)
    inner = slice(2, -2)
    np.testing.assert_allclose(
        found.dq_dv_mAh_per_g_per_V[inner], slope(found.voltage_V)[inner], atol=0.02 * 350
    )


def test_noise_shrinks_by_the_smoothing():
    found = standardise(record(5000, noise=2.0), LOW_V, HIGH_V)
    assert np.sqrt(np.mean((found.capacity_mAh_per_g - exact(found.voltage_V)) ** 2)) < 0.6


def test_fifty_and_five_thousand_points_of_one_curve_give_nearly_one_curve():
    noise = 0.5
    few = standardise(record(50, noise), LOW_V, HIGH_V)
    many = standardise(record(5000, noise, seed=1), LOW_V, HIGH_V)
    grid_V = np.linspace(LOW_V, HIGH_V, 300)
    # The few points average nothing: their curve carries their noise, and no more than that.
    assert np.sqrt(np.mean((few.capacity_at(grid_V) - many.capacity_at(grid_V)) ** 2)) < 1.5 * noise
    steepest = np.abs(many.dq_dv_mAh_per_g_per_V).max()
    assert np.abs(few.dq_dv_mAh_per_g_per_V).max() == pytest.approx(steepest, rel=0.1)


@pytest.mark.parametrize("n_points", [150, 1500, 6000])
def test_the_strength_does_not_grow_with_the_number_of_points(n_points):
    # A ripple as narrow as the smoothing length is halved or more, one ten times as wide stays.
    voltage_V = np.linspace(HIGH_V, LOW_V, n_points)
    kept = []
    for length_V in (0.02, 0.2):
        ripple = np.cos((voltage_V - 3.0) / length_V)
        found = standard(voltage_V, exact(voltage_V) + 1.0 * ripple * (np.abs(voltage_V - 3.3) < 0.5))
        at_V = np.linspace(3.0, 3.6, 400)
        left = found.capacity_at(at_V) - exact(at_V)
        shape = np.cos((at_V - 3.0) / length_V)
        kept.append(float(left @ shape / (shape @ shape)))
    assert kept[0] < 0.55
    assert kept[1] > 0.95


def test_equal_voltages_become_one_point():
    whole = record(300)
    doubled = standard(np.repeat(whole.voltage_V, 3), np.repeat(whole.capacity_mAh_per_g, 3))
    single = standardise(whole, LOW_V, HIGH_V)
    np.testing.assert_allclose(doubled.capacity_mAh_per_g, single.capacity_mAh_per_g, atol=1e-6)


def test_a_record_in_ascending_order_of_voltage_is_the_same_discharge():
    whole = record(300)
    found = standard(whole.voltage_V[::-1], whole.capacity_mAh_per_g[::-1])
    np.testing.assert_allclose(
        found.capacity_mAh_per_g, standardise(whole, LOW_V, HIGH_V).capacity_mAh_per_g, atol=1e-9
    )


def test_a_shuffled_record_is_taken_in_the_order_of_voltage():
    whole = record(300)
    order = np.random.default_rng(0).permutation(300)
    found = standard(whole.voltage_V[order], whole.capacity_mAh_per_g[order])
    np.testing.assert_allclose(found.capacity_mAh_per_g, exact(found.voltage_V), atol=0.5)


def test_a_hold_at_the_lower_limit_and_the_rest_after_it_do_not_change_the_curve():
    whole = record(300)
    end = whole.capacity_mAh_per_g[-1]
    tail_V = np.concatenate([np.full(40, LOW_V), LOW_V + 0.8 * (1 - np.exp(-np.arange(60) / 10))])
    tail = np.concatenate([end + np.linspace(0.5, 20, 40), np.full(60, end + 20)])
    found = standard(np.r_[whole.voltage_V, tail_V], np.r_[whole.capacity_mAh_per_g, tail])
    np.testing.assert_allclose(found.capacity_mAh_per_g, exact(found.voltage_V), atol=0.5)


def test_a_rest_in_the_middle_of_a_discharge_does_not_change_the_curve():
    whole = record(300)
    half = 170
    relaxed_V = whole.voltage_V[half] + 0.3 * (1 - np.exp(-np.arange(30) / 5))
    voltage_V = np.r_[whole.voltage_V[: half + 1], relaxed_V, whole.voltage_V[half + 1 :]]
    at_rest = np.full(30, whole.capacity_mAh_per_g[half])
    capacity = np.r_[whole.capacity_mAh_per_g[: half + 1], at_rest, whole.capacity_mAh_per_g[half + 1 :]]
    np.testing.assert_allclose(
        standard(voltage_V, capacity).capacity_mAh_per_g,
        standardise(whole, LOW_V, HIGH_V).capacity_mAh_per_g,
        atol=0.5,
    )


def test_a_glitch_of_the_voltage_and_missing_numbers_are_left_out():
    whole = record(300)
    voltage_V, capacity = whole.voltage_V.copy(), whole.capacity_mAh_per_g.copy()
    voltage_V[100], voltage_V[200], capacity[150] = 1.6, 4.7, np.nan
    found = standard(voltage_V, capacity)
    np.testing.assert_allclose(found.capacity_mAh_per_g, exact(found.voltage_V), atol=0.5)


def test_a_discharge_counted_as_negative_charge_is_the_same_discharge():
    whole = record(300)
    found = standard(whole.voltage_V, -whole.capacity_mAh_per_g)
    np.testing.assert_allclose(found.capacity_mAh_per_g, exact(found.voltage_V), atol=0.5)


def test_points_beyond_the_window_are_not_part_of_the_curve():
    voltage_V = np.linspace(HIGH_V, LOW_V, 300)
    found = standardise(Profile(1, voltage_V, exact(voltage_V)), 2.0, HIGH_V)
    assert found.voltage_V[0] >= 2.0


@pytest.mark.parametrize(
    ("voltage_V", "capacity", "reason"),
    [
        ([3.0], [100.0], "one point"),
        ([], [], "0 points"),
        (np.linspace(4.8, 1.5, 5), np.linspace(0, 100, 5), "5 points"),
        (np.full(50, 3.0), np.linspace(0, 100, 50), "distinct voltages"),
        (np.linspace(3.1, 3.0, 50), np.linspace(0, 100, 50), "covers 0.09"),
        (np.linspace(4.8, 1.5, 50), np.zeros(50), "no capacity: 0 mAh/g, .*discharge that of the charge"),
        (np.linspace(4.8, 1.5, 50), np.linspace(0, 0.25, 50), r"no capacity: 0\.25 .*A or mA, Ah or mAh"),
        (
            np.linspace(4.8, 1.5, 50),
            np.linspace(0, 900, 50),
            "more than 500 .*in A where it is said to be, not in mA",
        ),
        (np.linspace(1.5, 4.8, 50), np.linspace(0, 250, 50), "charge taken for a discharge"),
        (np.linspace(4800, 1500, 50), np.linspace(0, 250, 50), "outside the window"),
        (np.linspace(4.8, 1.5, 50), np.linspace(200, 400, 50), "starts at 200"),
        (np.linspace(4.8, 1.5, 50), np.r_[np.linspace(0, 20, 25), np.linspace(180, 200, 25)], "jump"),
        (np.linspace(4.8, 1.5, 50), np.linspace(0, 250, 49), "50 voltages but 49"),
        (np.full(50, np.nan), np.linspace(0, 250, 50), "0 points"),
    ],
)
def test_what_is_no_discharge_gives_the_reason(voltage_V, capacity, reason):
    with pytest.raises(CyclingError, match=reason):
        standard(voltage_V, capacity)


def test_points_that_lie_on_no_curve_give_the_reason():
    random = np.random.default_rng(3)
    voltage_V = np.linspace(4.8, 1.5, 400)
    capacity = exact(voltage_V) + random.choice([-49.0, 49.0], 400)
    with pytest.raises(CyclingError, match="one curve"):
        standard(voltage_V, capacity)


def test_a_cell_that_dies_keeps_its_cycles_before():
    fading = [250, 245, 240, 236, 3, 2.5, 2]
    standards = standardise_test(
        a_test(record(cycle=n, whole=whole) for n, whole in enumerate(fading, start=1))
    )
    assert [profile.cycle for profile in standards.profiles] == [1, 2, 3, 4]
    assert {row.cycle for row in standards.set_aside} == {5, 6, 7}
    assert all("sudden death at cycle 5" in row.reason for row in standards.set_aside)


def test_a_single_cycle_apart_from_its_neighbours_is_set_aside_alone():
    found = reasons(record(cycle=n, whole=20 if n == 4 else 250 - n) for n in range(1, 9))
    assert list(found) == [4]
    assert "amid" in found[4]


def test_slow_and_steady_fade_is_no_failure():
    assert not reasons(record(cycle=n, whole=250 * 0.9**n) for n in range(1, 31))


def test_charges_are_no_discharges_and_no_failures():
    charge = record(cycle=1)
    charge = Profile(1, charge.voltage_V[::-1], np.linspace(0, 250, 400), CHARGE)
    standards = standardise_test(a_test([charge, record(cycle=1)]))
    assert [profile.cycle for profile in standards.profiles] == [1]
    assert not standards.set_aside


def test_cycles_twice_or_before_the_first_are_set_aside():
    found = standardise_test(a_test([record(cycle=0), record(cycle=1), record(cycle=1)]))
    assert [profile.cycle for profile in found.profiles] == [1]
    assert [row.reason.split(";")[0] for row in found.set_aside] == [
        "cycle 0: cycles are counted from 1",
        "the test has this cycle twice",
    ]


def test_a_test_without_a_usable_cycle_says_so():
    assert (
        reasons([Profile(1, np.array([3.0]), np.array([1.0]))])[None] == "none of its discharges can be used"
    )


WILD = st.floats(allow_nan=True, allow_infinity=True, width=64)
TAME = st.floats(0, 5) | st.floats(0, 400)


@settings(max_examples=120, deadline=None)
@given(st.data())
def test_whatever_the_record_there_is_a_falling_curve_or_a_reason(data):
    size = data.draw(st.integers(0, 40))
    voltage_V = data.draw(arrays(float, size, elements=WILD | TAME))
    capacity = data.draw(arrays(float, size, elements=WILD | TAME))
    if data.draw(st.booleans()):
        voltage_V = np.sort(voltage_V)[::-1]
    if data.draw(st.booleans()):
        capacity = np.sort(capacity)
    assert_curve_or_reason(voltage_V, capacity)


@settings(max_examples=40, deadline=None)
@given(
    n_points=st.integers(8, 300),
    noise=st.floats(0, 40),
    seed=st.integers(0, 2**31),
    repeated=st.integers(1, 4),
    rounded=st.sampled_from([0, 1, 2, 3, 12]),
    shift=st.floats(-0.2, 0.2),
)
def test_noisy_rounded_and_repeated_records_give_a_falling_curve_or_a_reason(
    n_points, noise, seed, repeated, rounded, shift
):
    whole = record(n_points, noise, seed=seed)
    voltage_V = np.repeat(np.round(whole.voltage_V + shift, rounded), repeated)
    assert_curve_or_reason(voltage_V, np.repeat(whole.capacity_mAh_per_g, repeated))


def assert_curve_or_reason(voltage_V, capacity):
    try:
        found = standard(voltage_V, capacity)
    except CyclingError as error:
        assert str(error)
        return
    for values in (found.voltage_V, found.capacity_mAh_per_g, found.dq_dv_mAh_per_g_per_V):
        assert values.shape == (N_POINTS,)
        assert np.isfinite(values).all()
    assert (np.diff(found.voltage_V) > 0).all()
    assert found.voltage_V[0] >= LOW_V and found.voltage_V[-1] <= HIGH_V
    assert (np.diff(found.capacity_mAh_per_g) <= 1e-9).all()
    assert found.capacity_mAh_per_g.min() >= 0
    assert found.capacity_mAh_per_g.max() <= 1.5 * 500
    assert (found.dq_dv_mAh_per_g_per_V <= 0).all()


def test_the_published_points_of_lmto_come_back(lmto_table):
    """Q within 0.1 mAh/g (0.04 % of it); dQ/dV within 5 mAh/g/V, 2 % of its peak, and 0.6 on average."""
    table = pd.read_csv(lmto_table)
    for cycle, points in table.groupby("cycle"):
        found = standardise(
            Profile(int(cycle), points["Vii"].to_numpy(), points["Qii"].to_numpy()), LOW_V, HIGH_V
        )
        at_V = points["Vii"].to_numpy()
        np.testing.assert_allclose(found.capacity_at(at_V), points["Qii"], atol=0.1)
        ours = np.interp(at_V, found.voltage_V, found.dq_dv_mAh_per_g_per_V)
        difference = ours - points["dQdVii"].to_numpy()
        assert np.abs(difference).max() < 5
        assert np.sqrt(np.mean(difference**2)) < 0.6
