"""Tracer diffusivity of the working ions from their mean squared displacement, with an interval.

In three dimensions MSD(t) = 6 D t + c, where c holds the rattling. One straight line per ion, over short
lags (a tenth to a fifth of the run), where time origins are many, gives D_i; D is their mean. The width of
its interval, which is symmetric in ln D since D is positive, has two parts, added in quadrature:

* sampling: Student's t over the ions (frames of one ion are correlated, ions nearly are not), but never
  less than counting allows, 1.96 / sqrt(n), n being the hops without correlation that make up D;
* correlation: an ion's next hop may lead back. Where most ions hopped once that is not yet in the MSD.
  D = f n a^2 / (6 N t) with f = (1 + c) / (1 - c), c the mean cosine between consecutive hops, known
  from m second hops to 1 / sqrt(3 m); so ln f is open by 2 / sqrt(3 m), times the share of hops
  whose successor is not in the run.

A value needs onward hops: ions that only go forth and back have D = 0. Without them there is an upper
bound: n events or fewer are seen with 5 % probability when lambda are expected (3.00 for none), and

    D = lambda a^2 / (6 N t)

The coverage of both is measured by benchmarks/diffusivity_coverage.py.
"""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import stats

from ionsieve.transport.hops import Hops
from ionsieve.units import CM2_PER_S_PER_A2_PER_PS

DIMENSIONS = 3
CONFIDENCE = 0.95
# Lags of the straight line, as shares of the trajectory. Longer ones have fewer independent origins: to
# one half of the run the errors are 1.7 times as large, and the bias of few hops is hardly smaller.
FIRST_LAG, LAST_LAG = 0.1, 0.2
# Rattling lasts a few vibrations whatever the length of the run.
SHORTEST_LAG_PS = 0.2
# A Poisson mean below 0.8 gives three counts with 5 % probability or less: three onward hops are no
# accident ...
MIN_ONWARD_HOPS = 3
# ... unless so many hops are watched that some are misread.
MIN_ONWARD_SHARE = 0.1
# A wider interval says no more than a bound.
MAX_FACTOR = 10.0
_NORMAL = float(stats.norm.ppf(0.5 + CONFIDENCE / 2))

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
    slopes_A2_per_ps: np.ndarray, observed_ps: np.ndarray, hops: Hops, hop_distance_A: float
) -> Diffusivity:
    """Diffusivity of ions, of one run or of several.

    Parameters
    ----------
    slopes_A2_per_ps : diffusivity of each ion (:func:`ion_diffusivities_A2_per_ps`), shape (N,).
    observed_ps : how long each ion was watched, shape (N,); also its weight.
    hops : what each ion did.
    hop_distance_A : distance between neighbouring sites of the ion.
    """
    mean, error = weighted_mean(slopes_A2_per_ps, observed_ps)
    quantile = float(stats.t.ppf(0.5 + CONFIDENCE / 2, max(slopes_A2_per_ps.size - 1, 1)))
    n_hops, n_second, n_onward = int(hops.hops.sum()), hops.second_hops, hops.onward_hops
    per_hop_A2_per_ps = hop_distance_A**2 / (2 * DIMENSIONS * float(observed_ps.sum()))
    onward = n_onward >= max(1, MIN_ONWARD_SHARE * n_second)
    high = mean + quantile * error if math.isfinite(error) else 0.0
    if mean > 0 and onward and math.isfinite(error):
        counted = min(n_hops, mean / per_hop_A2_per_ps)
        sampling = max(quantile * error / mean, _NORMAL / math.sqrt(counted))
        correlation = _NORMAL * (1 - n_second / n_hops) * 2 / math.sqrt(3 * n_second)
        width = math.hypot(sampling, correlation)
        if n_onward >= MIN_ONWARD_HOPS and width < math.log(MAX_FACTOR):
            low, value, high = (
                number * CM2_PER_S_PER_A2_PER_PS
                for number in (mean * math.exp(-width), mean, mean * math.exp(width))
            )
            return Diffusivity("value", value, low, high)
        high = max(high, mean * math.exp(min(sampling, math.log(MAX_FACTOR))))
    # Motion that no hop shows, such as a slow slide of all ions, must not hide behind the count. A single
    # ion has no scatter to tell by. A hop forth and back is one event.
    n_events = int((hops.sites - 1).sum())
    bound = max(high, per_hop_A2_per_ps * expected_events_bound(n_events))
    return Diffusivity("upper_bound", None, None, bound * CM2_PER_S_PER_A2_PER_PS)


def ion_diffusivities_A2_per_ps(msd_A2: np.ndarray, frame_interval_ps: float) -> np.ndarray:
    """Diffusivity of each ion: slope of a straight line through its MSD (F, N), over 6; shape (N,)."""
    lags = fit_lags(len(msd_A2), frame_interval_ps)
    times_ps = lags * frame_interval_ps
    centred = times_ps - times_ps.mean()
    return centred @ msd_A2[lags] / (centred @ centred) / (2 * DIMENSIONS)


def fit_lags(n_frames: int, frame_interval_ps: float) -> np.ndarray:
    """The lags, in frames, that the straight line is fitted to."""
    first = max(1, round(FIRST_LAG * n_frames), round(SHORTEST_LAG_PS / frame_interval_ps))
    last = min(max(2 * first, round(LAST_LAG * n_frames)), n_frames - 1)
    return np.arange(min(first, last - 1), last + 1)


def weighted_mean(values: np.ndarray, weights: np.ndarray) -> tuple[float, float]:
    """Mean and its standard error; the error of a single value is infinite."""
    shares = weights / weights.sum()
    mean = float(shares @ values)
    if values.size < 2:
        return mean, math.inf
    squares = float(shares**2 @ (values - mean) ** 2)
    return mean, math.sqrt(squares * values.size / (values.size - 1))


def expected_events_bound(n_events: int) -> float:
    """Upper limit of a Poisson mean: chi2(confidence, 2 n + 2) / 2.

    At 95 % for no event (3.00). With events it is at 97.5 %: a bound is given only where events were
    few, and a run that was unlucky gets one more often than a lucky one.
    """
    confidence = CONFIDENCE if n_events == 0 else 0.5 + CONFIDENCE / 2
    return float(stats.chi2.ppf(confidence, 2 * (n_events + 1)) / 2)
