"""Tracer diffusivity of the working ions from their mean squared displacement, with an interval.

In three dimensions MSD(t) = 6 D t + c, where c holds the rattling. One straight line per ion gives
D_i; D is their mean and its standard error that of the mean over ions, since the frames of one ion are
correlated and the ions are nearly not. The error is never below that of counting hops, D / sqrt(n).
A D is positive and few ions scatter it to one side, so the interval is symmetric in ln D.

With too few hops there is no D, only an upper bound: n hops or fewer are seen with 5 % probability
when lambda are expected (lambda = 3.00 for none), and lambda hops of length a by N ions in t mean

    D = lambda a^2 / (6 N t)
"""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import stats

from ionsieve.units import CM2_PER_S_PER_A2_PER_PS

DIMENSIONS = 3
CONFIDENCE = 0.95
# Lags of the straight line, as shares of the trajectory: beyond rattling and jumps back, and before
# the few origins that are left of long lags make them noise.
FIRST_LAG, LAST_LAG = 0.1, 0.5
# Rattling lasts a few vibrations whatever the length of the run.
SHORTEST_LAG_PS = 0.2
# Below this the hops are counted, not fitted.
MIN_HOPS = 3
# An ion that hops forth and back is one event, not two: values rest on ions that moved. Fewer than five
# are anecdotes (a count of five is known to 45 %); where there are few ions, half of them must have moved.
MIN_MOVED_IONS = 5

Kind = Literal["value", "upper_bound"]


@dataclass(frozen=True)
class Diffusivity:
    """A diffusivity with its 95 % interval, or an upper bound at 95 %.

    Attributes
    ----------
    kind : ``value`` or ``upper_bound``.
    cm2_per_s : the value; None for a bound.
    low_cm2_per_s : lower end of the interval; None for a bound.
    high_cm2_per_s : upper end of the interval, or the bound.
    """

    kind: Kind
    cm2_per_s: float | None
    low_cm2_per_s: float | None
    high_cm2_per_s: float


def diffusivity(
    msd_A2: np.ndarray, frame_interval_ps: float, hops: np.ndarray, hop_distance_A: float
) -> Diffusivity:
    """Diffusivity of ions from the MSD of each.

    Parameters
    ----------
    msd_A2 : MSD of each ion at each lag, shape (F, N).
    frame_interval_ps : time between frames.
    hops : hops of each ion, shape (N,).
    hop_distance_A : distance between neighbouring sites of the ion.
    """
    n_frames, n_ions = msd_A2.shape
    n_hops = int(hops.sum())
    slopes = ion_diffusivities_A2_per_ps(msd_A2, frame_interval_ps)
    mean, error = float(slopes.mean()), _standard_error(slopes)
    n_moved = int((hops > 0).sum())
    if n_hops >= MIN_HOPS and n_moved >= min(MIN_MOVED_IONS, math.ceil(n_ions / 2)) and mean > 0:
        relative_error = max(error / mean, 1 / math.sqrt(n_hops))
        if relative_error < 1:
            factor = math.exp(_quantile(n_ions) * relative_error)
            low, value, high = (
                number * CM2_PER_S_PER_A2_PER_PS for number in (mean / factor, mean, mean * factor)
            )
            return Diffusivity("value", value, low, high)
    bound = hop_bound_A2_per_ps(n_hops, n_ions, (n_frames - 1) * frame_interval_ps, hop_distance_A)
    # Motion that no hop shows, such as a slow slide of all ions, must not hide behind the count. A single
    # ion has no scatter to tell by.
    if math.isfinite(error):
        bound = max(bound, mean + _quantile(n_ions) * error)
    return Diffusivity("upper_bound", None, None, bound * CM2_PER_S_PER_A2_PER_PS)


def ion_diffusivities_A2_per_ps(msd_A2: np.ndarray, frame_interval_ps: float) -> np.ndarray:
    """Diffusivity of each ion: slope of a straight line through its MSD, over 6; shape (N,)."""
    lags = fit_lags(len(msd_A2), frame_interval_ps)
    times_ps = lags * frame_interval_ps
    centred = times_ps - times_ps.mean()
    return centred @ msd_A2[lags] / (centred @ centred) / (2 * DIMENSIONS)


def fit_lags(n_frames: int, frame_interval_ps: float) -> np.ndarray:
    """The lags, in frames, that the straight line is fitted to."""
    last = max(2, round(LAST_LAG * n_frames))
    first = max(1, round(FIRST_LAG * n_frames), round(SHORTEST_LAG_PS / frame_interval_ps))
    return np.arange(min(first, last - 1), last + 1)


def hop_bound_A2_per_ps(n_hops: int, n_ions: int, time_ps: float, hop_distance_A: float) -> float:
    """Upper bound at 95 % of the diffusivity of ions that were seen to hop ``n_hops`` times.

    The exact Poisson limit: lambda = chi2(0.95, 2 n + 2) / 2.
    """
    expected_hops = stats.chi2.ppf(CONFIDENCE, 2 * (n_hops + 1)) / 2
    return float(expected_hops * hop_distance_A**2 / (2 * DIMENSIONS * n_ions * time_ps))


def _standard_error(values: np.ndarray) -> float:
    return float(values.std(ddof=1) / math.sqrt(values.size)) if values.size > 1 else math.inf


def _quantile(n_ions: int) -> float:
    return float(stats.t.ppf(0.5 + CONFIDENCE / 2, max(n_ions - 1, 1)))
