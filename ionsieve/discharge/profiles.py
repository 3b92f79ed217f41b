"""From the record of a discharge to 100 points of a smooth curve, or to the reason why there is none.

The published processing sorts a profile by voltage, fits a smoothing spline with a fixed sum of squared
residuals and reads 100 points of it. That sum does not grow with the number of points, so a dense record is
smoothed less than a sparse one. Here the curve minimises

    integral (Q - f)^2 dV + l^4 integral f''^2 dV,

the integrals over the profile's own voltages, with one length l in V (:data:`SMOOTHING_LENGTH_V`). Features
narrower than l are noise, wider ones stay, and the number of points enters only through how well they tell Q.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.interpolate import PchipInterpolator, make_smoothing_spline
from scipy.ndimage import median_filter
from scipy.optimize import isotonic_regression

from ionsieve.discharge.cycling import DISCHARGE, CyclingError, CyclingTest, Profile, SetAside

N_POINTS = 100
SMOOTHING_LENGTH_V = 0.02
# Points closer than this are one point of the spline, at their mean: a dense record costs no more than that,
# and the mean is off the curve by h^2 Q'' / 24, below 0.01 mAh/g.
BIN_WIDTH_V = SMOOTHING_LENGTH_V / 2
FEWEST_POINTS = 8  # distinct voltages
SHORTEST_RANGE_V = 0.2
LARGEST_CAPACITY_MAH_PER_G = 500.0
SMALLEST_CAPACITY_MAH_PER_G = 1.0
# Beyond the window by more than this, a point belongs to something else (a rest, a formation step).
OUTSIDE_WINDOW_V = 0.05
# A voltage this far from the median of its five neighbours is a slip of the instrument.
GLITCH_V = 0.1
# While current flows the voltage falls; above the lowest voltage so far by more than this, the cell rests.
RELAXATION_V = 0.01
# This near to the lower limit the limit is reached; what follows is a hold at constant voltage or a rest.
LIMIT_REACHED_V = 0.003
# One step between neighbouring points that carries so much of all capacity.
JUMP_SHARE = 0.35
# The smallest capacity, at the highest voltage, is 0; more of the whole than this, and the start is missing.
START_SHARE = 0.2
# Root mean square distance of the points from their curve, as a share of the capacity.
SCATTER_SHARE = 0.1
DEAD_SHARE = 0.2  # of the capacity before
OUTLIER_SHARE = 0.5  # further from the capacity of the neighbouring cycles than this share of it


@dataclass(frozen=True)
class StandardProfile:
    """A discharge on :data:`N_POINTS` voltages.

    Attributes
    ----------
    cycle : from 1.
    voltage_V : ascending, uniform between the ends of the profile.
    capacity_mAh_per_g : discharged until that voltage is reached; never rises with it, never negative.
    dq_dv_mAh_per_g_per_V : derivative of the smoothing spline, at most 0.
    """

    cycle: int
    voltage_V: np.ndarray
    capacity_mAh_per_g: np.ndarray
    dq_dv_mAh_per_g_per_V: np.ndarray

    @property
    def end_capacity_mAh_per_g(self) -> float:
        """Capacity at the profile's lowest voltage."""
        return float(self.capacity_mAh_per_g[0])

    @cached_property
    def _between(self) -> PchipInterpolator:
        return PchipInterpolator(self.voltage_V, self.capacity_mAh_per_g)

    def capacity_at(self, voltage_V: np.ndarray) -> np.ndarray:
        """Capacity at other voltages, monotone between the points; beyond the ends that of the ends."""
        return self._between(np.clip(voltage_V, self.voltage_V[0], self.voltage_V[-1]))


@dataclass(frozen=True)
class StandardTest:
    """The usable discharges of a test, by cycle, and what was set aside."""

    test: CyclingTest
    profiles: tuple[StandardProfile, ...]
    set_aside: tuple[SetAside, ...]


def standardise(profile: Profile, voltage_low_V: float, voltage_high_V: float) -> StandardProfile:
    """Denoise one discharge and read it on :data:`N_POINTS` voltages, uniform between its ends.

    Left out on the way: points that are no numbers or lie outside the window; glitches of single points;
    rests, where the voltage rises above what it had fallen to; all that follows once the lower limit is
    reached, a hold at constant voltage or a rest. Equal voltages become one point. A record whose order is
    not that of time is taken in the order of voltage.

    dQ/dV is the derivative of the spline; where noise makes it positive it is set to 0, and the capacities
    are moved, by least squares, as little as makes them fall with the voltage (isotonic regression).

    Raises
    ------
    CyclingError : what is left is no discharge; the message is the reason.
    """
    voltage_V, capacity = _recorded(profile, voltage_low_V, voltage_high_V)
    voltage_V, capacity = _under_current(voltage_V, capacity, voltage_low_V)
    _check_start_and_jumps(voltage_V, capacity)
    knots_V, means, weights_V = _distinct(voltage_V, capacity)
    spline = make_smoothing_spline(knots_V, means, w=weights_V, lam=SMOOTHING_LENGTH_V**4)
    scatter = float(np.sqrt(np.mean((spline(voltage_V) - capacity) ** 2)))
    if not scatter <= SCATTER_SHARE * capacity.max():
        raise CyclingError(
            f"points do not lie on one curve: they scatter by {scatter:.1f} mAh/g around it, at most"
            f" {SCATTER_SHARE:.0%} of the capacity is allowed"
        )
    low_V, high_V = max(knots_V[0], voltage_low_V), min(knots_V[-1], voltage_high_V)
    if high_V - low_V < SHORTEST_RANGE_V:
        raise CyclingError(_too_short(high_V - low_V))
    grid_V = np.linspace(low_V, high_V, N_POINTS)
    falling = isotonic_regression(spline(grid_V), increasing=False).x
    return StandardProfile(
        profile.cycle, grid_V, np.maximum(falling, 0.0), np.minimum(spline(grid_V, nu=1), 0.0)
    )


def standardise_test(test: CyclingTest) -> StandardTest:
    """Every discharge of a test that can be used; the others, and failed cells, set aside with the reason.

    A cell is dead from the cycle on after which no capacity reaches :data:`DEAD_SHARE` of the median of the
    three cycles before. A single cycle that differs from its neighbours by more than :data:`OUTLIER_SHARE` is
    a fault of the measurement, not of the cell, and is set aside alone.
    """
    usable: dict[int, StandardProfile] = {}
    set_aside = []
    for profile in test.profiles:
        if profile.direction != DISCHARGE:
            continue
        try:
            if profile.cycle < 1:
                raise CyclingError(f"cycle {profile.cycle}: cycles are counted from 1")
            if profile.cycle in usable:
                raise CyclingError("the test has this cycle twice; the first is kept")
            usable[profile.cycle] = standardise(profile, test.voltage_low_V, test.voltage_high_V)
        except CyclingError as error:
            set_aside.append(_aside(test, profile.cycle, str(error)))
    profiles = [usable[cycle] for cycle in sorted(usable)]
    profiles, failed = _without_failed_cycles(profiles)
    set_aside.extend(_aside(test, cycle, reason) for cycle, reason in failed)
    if not profiles:
        set_aside.append(_aside(test, None, "none of its discharges can be used"))
    return StandardTest(test, tuple(profiles), tuple(set_aside))


def _aside(test: CyclingTest, cycle: int | None, reason: str) -> SetAside:
    return SetAside(test.source, test.test_id, cycle, reason)


def _recorded(profile: Profile, voltage_low_V: float, voltage_high_V: float) -> tuple[np.ndarray, np.ndarray]:
    """Points that are numbers within the window, in the order of time, capacity counted positive."""
    voltage_V = np.atleast_1d(np.asarray(profile.voltage_V, dtype=float)).ravel()
    capacity = np.atleast_1d(np.asarray(profile.capacity_mAh_per_g, dtype=float)).ravel()
    if len(voltage_V) != len(capacity):
        raise CyclingError(f"{len(voltage_V)} voltages but {len(capacity)} capacities")
    finite = np.isfinite(voltage_V) & np.isfinite(capacity)
    voltage_V, capacity = voltage_V[finite], capacity[finite]
    if len(voltage_V) < FEWEST_POINTS:
        points = "one point" if len(voltage_V) == 1 else f"{len(voltage_V)} points"
        raise CyclingError(f"short profile: {points}, at least {FEWEST_POINTS} are needed")
    inside = (voltage_V >= voltage_low_V - OUTSIDE_WINDOW_V) & (
        voltage_V <= voltage_high_V + OUTSIDE_WINDOW_V
    )
    if inside.sum() < len(inside) / 2:
        raise CyclingError(
            f"{np.sum(~inside)} of {len(inside)} points lie outside the window {voltage_low_V:g} to"
            f" {voltage_high_V:g} V; is the window right, and the voltage in V?"
        )
    voltage_V, capacity = voltage_V[inside], capacity[inside]
    if capacity.max() <= 0 and capacity.min() < 0:  # a discharge counted as negative charge
        capacity = -capacity
    if capacity.max() > LARGEST_CAPACITY_MAH_PER_G:
        raise CyclingError(
            f"capacity of {capacity.max():.4g} mAh/g, more than {LARGEST_CAPACITY_MAH_PER_G:.0f} is not"
            " possible; is the mass right and in mg, the capacity per gram, and the current in A where it is"
            " said to be, not in mA?"
        )
    if capacity.min() < -LARGEST_CAPACITY_MAH_PER_G:
        raise CyclingError(f"capacity falls to {capacity.min():.4g} mAh/g; a discharge counts from 0 upwards")
    if capacity.max() < SMALLEST_CAPACITY_MAH_PER_G:
        raise CyclingError(_no_capacity(float(capacity.max())))
    if _together(voltage_V, capacity) > 0:
        raise CyclingError("capacity rises with the voltage: a charge taken for a discharge")
    if _together(np.arange(len(capacity), dtype=float), capacity) < 0:
        voltage_V, capacity = voltage_V[::-1], capacity[::-1]
    return voltage_V, capacity


def _no_capacity(largest: float) -> str:
    hint = (
        "is its unit right (A or mA, Ah or mAh), and the mass in mg?"
        if largest > 0
        else "is what was taken for the counter of the discharge that of the charge?"
    )
    return f"no capacity: {largest:.3g} mAh/g, less than {SMALLEST_CAPACITY_MAH_PER_G:g}; {hint}"


def _together(one: np.ndarray, other: np.ndarray) -> float:
    """Covariance: positive where both rise together."""
    return float(np.mean((one - one.mean()) * (other - other.mean())))


def _under_current(
    voltage_V: np.ndarray, capacity: np.ndarray, voltage_low_V: float
) -> tuple[np.ndarray, np.ndarray]:
    """The points at which the cell is being discharged, voltage falling within :data:`RELAXATION_V`."""
    smooth = np.abs(voltage_V - median_filter(voltage_V, size=5, mode="nearest")) <= GLITCH_V
    loaded_V, loaded = voltage_V[smooth], capacity[smooth]
    if not len(loaded_V):
        raise CyclingError("voltage jumps from point to point")
    falling = loaded_V <= np.minimum.accumulate(loaded_V) + RELAXATION_V
    if falling.sum() >= len(voltage_V) / 2:
        loaded_V, loaded = loaded_V[falling], loaded[falling]
    else:
        order = np.lexsort((capacity, -voltage_V))
        loaded_V, loaded = voltage_V[order], capacity[order]
    reached = np.flatnonzero(loaded_V <= voltage_low_V + LIMIT_REACHED_V)
    if len(reached):
        loaded_V, loaded = loaded_V[: reached[0] + 1], loaded[: reached[0] + 1]
    return loaded_V, loaded


def _check_start_and_jumps(voltage_V: np.ndarray, capacity: np.ndarray) -> None:
    """Raise where the start of the discharge is missing or the capacity jumps."""
    if len(voltage_V) < FEWEST_POINTS:
        raise CyclingError(
            f"short profile: {len(voltage_V)} points under current, at least {FEWEST_POINTS} are needed"
        )
    whole = float(capacity.max())
    if whole < SMALLEST_CAPACITY_MAH_PER_G:
        raise CyclingError(_no_capacity(whole))
    start = float(capacity[voltage_V >= voltage_V.max() - BIN_WIDTH_V].min())
    if start > START_SHARE * whole:
        raise CyclingError(
            f"the capacity starts at {start:.1f} mAh/g at {voltage_V.max():.2f} V, not at 0: a counter that"
            " was not reset, or a profile without its start"
        )
    jump = float(np.abs(np.diff(capacity)).max())
    if jump > JUMP_SHARE * whole:
        raise CyclingError(f"capacity jump: {jump:.1f} of {whole:.1f} mAh/g between two neighbouring points")


def _distinct(voltage_V: np.ndarray, capacity: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Means over :data:`BIN_WIDTH_V`, ascending in voltage, and the range that each stands for; (K,)."""
    bins = np.floor((voltage_V - voltage_V.min()) / BIN_WIDTH_V).astype(np.int64)
    means_V, means, counts = _means(bins, voltage_V, capacity, np.ones(len(bins)))
    # Means of two neighbouring bins can still be next to each other, which no spline bears.
    groups = np.concatenate([[0], np.cumsum(np.diff(means_V) >= BIN_WIDTH_V / 4)])
    means_V, means, counts = _means(groups, means_V, means, counts)
    span_V = float(means_V[-1] - means_V[0])
    if len(means_V) < FEWEST_POINTS:
        raise CyclingError(
            f"short profile: {len(means_V)} distinct voltages, at least {FEWEST_POINTS} are needed"
        )
    if span_V < SHORTEST_RANGE_V:
        raise CyclingError(_too_short(span_V))
    return means_V, means, np.gradient(means_V)


def _too_short(range_V: float) -> str:
    return f"short profile: it covers {range_V:.3f} V, at least {SHORTEST_RANGE_V:g} are needed"


def _means(
    groups: np.ndarray, voltage_V: np.ndarray, capacity: np.ndarray, counts: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    _, at = np.unique(groups, return_inverse=True)
    total = np.bincount(at, counts)
    return np.bincount(at, counts * voltage_V) / total, np.bincount(at, counts * capacity) / total, total


def _without_failed_cycles(
    profiles: list[StandardProfile],
) -> tuple[list[StandardProfile], list[tuple[int, str]]]:
    """Profiles up to the cell's death, without single cycles that do not fit; the others, with reasons."""
    capacities = np.array([profile.end_capacity_mAh_per_g for profile in profiles])
    failed: list[tuple[int, str]] = []
    end = _death(capacities)
    if end is not None:
        before = float(np.median(capacities[max(0, end - 3) : end]))
        failed.extend(
            (
                profile.cycle,
                f"sudden death at cycle {profiles[end].cycle}: {profile.end_capacity_mAh_per_g:.1f} mAh/g"
                f" after {before:.1f}",
            )
            for profile in profiles[end:]
        )
        profiles, capacities = profiles[:end], capacities[:end]
    kept = []
    for at, profile in enumerate(profiles):
        near = np.concatenate([capacities[max(0, at - 2) : at], capacities[at + 1 : at + 3]])
        usual = float(np.median(near)) if len(near) >= 3 else capacities[at]
        if abs(capacities[at] - usual) > OUTLIER_SHARE * usual:
            failed.append(
                (
                    profile.cycle,
                    f"capacity of {capacities[at]:.1f} mAh/g amid {usual:.1f} of its neighbours",
                )
            )
        else:
            kept.append(profile)
    return kept, failed


def _death(capacities: np.ndarray) -> int | None:
    """First index from which on no capacity reaches :data:`DEAD_SHARE` of the median of the three before."""
    for at in range(1, len(capacities)):
        if capacities[at:].max() < DEAD_SHARE * np.median(capacities[max(0, at - 3) : at]):
            return at
    return None
