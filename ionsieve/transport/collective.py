"""Collective diffusion of the working ions, and the Haven ratio.

Charge moves with the sum of the ions' displacements:

    D_c = lim |sum_i dr_i(t)|^2 / (6 N t)        H = D / D_c        sigma = sigma_Nernst-Einstein / H

H is 1 for ions that move independently of each other, 1 / m where m ions move as one, and above 1 where
they move against each other. D counts N ions in every time window, D_c one sum, so D_c is known far worse.
Both are taken here over the same lags, from one residence time of an ion to two: most of what a hop remembers
of the hops before has gone by then, and longer lags add noise.

The sum over many ions makes nearly independent Gaussian steps, for which the variance of a straight line
through the MSD is known exactly (overlapping windows: H. Qian et al., Biophys. J. 60, 910 (1991)). The line's
slope is nearly chi-squared with the degrees of freedom that give this variance; so is the interval of H.
"""

import math
from dataclasses import dataclass

import numpy as np
from scipy import stats

from ionsieve.transport.diffusivity import CONFIDENCE, FIRST_LAG, SHORTEST_LAG_PS

RESIDENCES = 1.0
# The line goes through this many lags at most: more are no more independent.
LINE_LAGS = 20
# An interval whose ends differ by more than this says nothing about correlation.
WIDEST = 4.0


@dataclass(frozen=True)
class HavenRatio:
    """Tracer over collective diffusivity with its 95 % interval; None, with the reason, where not known."""

    value: float | None
    low: float | None
    high: float | None
    unknown_because: str | None


def haven_ratio(
    ion_msd_A2: np.ndarray,
    collective_msd_A2: np.ndarray,
    frame_interval_ps: float,
    residence_ps: float,
    n_runs: int,
    dimensions: float,
) -> HavenRatio:
    """Haven ratio of independent runs of the same length.

    Parameters
    ----------
    ion_msd_A2 : MSD, mean over ions and runs, shape (F,).
    collective_msd_A2 : MSD of the sum of the ions' positions over their number, mean over runs, shape (F,).
    frame_interval_ps : time between frames.
    residence_ps : mean time between the hops of an ion; infinite for none.
    n_runs : independent runs behind these means.
    dimensions : directions that ions diffuse in, 3 in an isotropic crystal
        (:attr:`ionsieve.transport.anisotropy.Anisotropy.dimensions`).
    """
    n_frames = len(ion_msd_A2)
    longest_ps = FIRST_LAG * n_frames * frame_interval_ps
    first_ps = max(RESIDENCES * residence_ps, SHORTEST_LAG_PS)
    if first_ps > longest_ps:
        needed = math.ceil(RESIDENCES / FIRST_LAG)
        return _unknown(f"each ion must hop {needed} times or more in a run, on average")
    first = max(1, round(first_ps / frame_interval_ps))
    lags = np.unique(np.linspace(first, 2 * first, LINE_LAGS).round().astype(int))
    weights = _slope_weights(lags)
    collective = float(weights @ collective_msd_A2[lags])
    rattling_A2 = float(collective_msd_A2[lags].mean()) - collective * float(lags.mean())
    freedom = 2 * n_runs * dimensions / brownian_variance(lags, weights, n_frames)
    low, high = (
        float(stats.chi2.ppf(p, freedom)) / freedom for p in ((1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2)
    )
    if high / low > WIDEST:
        return _unknown(
            f"the interval would span a factor of {high / low:.1f}: longer runs, or more replicas"
        )
    if collective * lags[0] <= max(rattling_A2, 0.0):
        return _unknown("the sum of the ions' positions does little more than rattle")
    ratio = float(weights @ ion_msd_A2[lags]) / collective
    return HavenRatio(ratio, ratio * low, ratio * high, None)


def brownian_variance(lags: np.ndarray, weights: np.ndarray, n_frames: int) -> float:
    """Relative variance of ``sum_m weights_m MSD(m)`` of one coordinate with independent Gaussian steps.

    Squared displacements over two windows have the covariance 2 s^2, s being the variance of the steps that
    the windows share; summed here over all pairs of windows.
    """
    covariance = np.empty((lags.size, lags.size))
    for row, long in enumerate(lags):
        for column, short in enumerate(lags[: row + 1]):
            offset = np.arange(1 - short, long)
            shared = np.minimum(long, offset + short) - np.maximum(offset, 0)
            pairs = np.minimum(n_frames - long, n_frames - short - offset) - np.maximum(-offset, 0)
            total = 2.0 * (shared.astype(float) ** 2 @ np.maximum(pairs, 0))
            covariance[row, column] = total / ((n_frames - long) * (n_frames - short))
            covariance[column, row] = covariance[row, column]
    return float(weights @ covariance @ weights / (weights @ lags) ** 2)


def _slope_weights(lags: np.ndarray) -> np.ndarray:
    centred = lags - lags.mean()
    return centred / (centred @ centred)


def _unknown(reason: str) -> HavenRatio:
    return HavenRatio(None, None, None, reason)
