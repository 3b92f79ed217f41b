"""Barrier and room-temperature conductivity from diffusivities at several temperatures.

    ln D(T) = ln D_0 - E_a / (k_B T)

A straight line in 1/T, each temperature weighted by its own error of ln D. Errors of the line are
those of the points, enlarged by sqrt(chi^2 / (n - 2)) where the points scatter more than they should.
The intervals of the points hold Student's t of their few ions already, so the normal quantile is right
here (tests measure the coverage). With fewer than three values there is no barrier.

An upper bound b at 95 % stands for a run that saw too few events to tell D. Its likelihood is the
Poisson probability of that, of n = 4 events or fewer, with b where it is 5 %: flat below, as that of a
censored value must be. That of no event, exp(-3.00 D / b), would pull the line down. The line's normal
distribution times the likelihoods is integrated on a grid; medians and intervals are those of the
product. A bound that the line makes improbable (below 5 %) contradicts it: it is named and left out.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from ionsieve.units import BOLTZMANN_EV_PER_K

MIN_TEMPERATURES = 3
# A bound contradicts the line when the line gives what was seen a smaller probability than this.
CONTRADICTION = 0.05
TOO_FEW_EVENTS = 4
_EVENTS_AT_BOUND = float(stats.chi2.ppf(0.95, 2 * TOO_FEW_EVENTS + 2) / 2)
# Grid over the two parameters, in standard deviations of the values' line.
_GRID = np.linspace(-5, 5, 81)
ROOM_TEMPERATURE_K = 300.0
_QUANTILE = float(stats.norm.ppf(0.975))


@dataclass(frozen=True)
class Estimate:
    """A number with its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class ArrheniusFit:
    """The fitted line, as a distribution of lines.

    Attributes
    ----------
    log_prefactors : ln of D_0 in cm2/s, shape (m,).
    barriers_eV : activation energies, shape (m,).
    weights : probability of each pair, shape (m,), of sum one.
    contradicting : indices of the bounds that the values' line makes improbable; they took no part.
    """

    log_prefactors: np.ndarray
    barriers_eV: np.ndarray
    weights: np.ndarray
    contradicting: tuple[int, ...]

    @property
    def activation_energy_eV(self) -> Estimate:
        """Barrier with its interval."""
        return _estimate(self.barriers_eV, self.weights)

    def diffusivity_cm2_per_s(self, temperature_K: float) -> Estimate:
        """Diffusivity of the line at a temperature, inside or outside the fitted range."""
        logs = self.log_prefactors - self.barriers_eV / (BOLTZMANN_EV_PER_K * temperature_K)
        estimate = _estimate(logs, self.weights)
        return Estimate(math.exp(estimate.value), math.exp(estimate.low), math.exp(estimate.high))


def fit_arrhenius(
    temperatures_K: Sequence[float],
    diffusivities_cm2_per_s: Sequence[Estimate],
    bounds_cm2_per_s: Sequence[tuple[float, float]] = (),
) -> ArrheniusFit:
    """Weighted straight line through ln D against 1 / (k_B T).

    Parameters
    ----------
    temperatures_K : at least ``MIN_TEMPERATURES`` temperatures.
    diffusivities_cm2_per_s : the diffusivity at each, with an interval that is symmetric in ln D.
    bounds_cm2_per_s : temperature and upper bound at 95 % of each run without a value.
    """
    parameters, covariance = _line(temperatures_K, diffusivities_cm2_per_s)
    steps = np.stack(np.meshgrid(_GRID, _GRID, indexing="ij"), axis=-1).reshape(-1, 2)
    log_prefactors, barriers_eV = (parameters + steps @ np.linalg.cholesky(covariance).T).T
    weights = np.exp(-0.5 * (steps**2).sum(axis=1))
    weights /= weights.sum()
    likelihoods = []
    for kelvin, bound_cm2_per_s in bounds_cm2_per_s:
        values_cm2_per_s = np.exp(log_prefactors - barriers_eV / (BOLTZMANN_EV_PER_K * kelvin))
        likelihoods.append(
            stats.poisson.cdf(TOO_FEW_EVENTS, _EVENTS_AT_BOUND * values_cm2_per_s / bound_cm2_per_s)
        )
    contradicting = tuple(
        index for index, likelihood in enumerate(likelihoods) if weights @ likelihood < CONTRADICTION
    )
    for index, likelihood in enumerate(likelihoods):
        if index not in contradicting:
            weights = weights * likelihood
    return ArrheniusFit(log_prefactors, barriers_eV, weights / weights.sum(), contradicting)


def _line(
    temperatures_K: Sequence[float], diffusivities_cm2_per_s: Sequence[Estimate]
) -> tuple[np.ndarray, np.ndarray]:
    """Least squares for (ln D_0, barrier in eV): parameters, shape (2,), and covariance, shape (2, 2)."""
    inverse_thermal_energy = 1 / (BOLTZMANN_EV_PER_K * np.asarray(temperatures_K))
    logs = np.log([estimate.value for estimate in diffusivities_cm2_per_s])
    errors = np.array([math.log(d.high / d.low) / (2 * _QUANTILE) for d in diffusivities_cm2_per_s])
    design = (
        np.stack([np.ones_like(inverse_thermal_energy), -inverse_thermal_energy], axis=1) / errors[:, None]
    )
    covariance = np.linalg.inv(design.T @ design)
    parameters = covariance @ design.T @ (logs / errors)
    residuals = logs / errors - design @ parameters
    return parameters, covariance * max(1.0, float(residuals @ residuals) / (len(logs) - 2))


def _estimate(values: np.ndarray, weights: np.ndarray) -> Estimate:
    """Weighted median and central 95 % interval."""
    order = np.argsort(values)
    middles = np.cumsum(weights[order]) - weights[order] / 2
    low, value, high = np.interp([0.025, 0.5, 0.975], middles, values[order])
    return Estimate(float(value), float(low), float(high))
