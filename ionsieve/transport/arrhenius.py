"""Barrier and room-temperature conductivity from diffusivities at several temperatures.

    ln D(T) = ln D_0 - E_a / (k_B T)

A straight line in 1/T, each temperature weighted by its own error of ln D. Errors of the line are
those of the points, enlarged by sqrt(chi^2 / (n - 2)) where the points scatter more than they should.
Upper bounds take no part: with fewer than three values there is no barrier.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from ionsieve.units import BOLTZMANN_EV_PER_K

MIN_TEMPERATURES = 3
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
    """The fitted line.

    Attributes
    ----------
    activation_energy_eV : barrier with its interval.
    log_prefactor : ln of D_0 in cm2/s.
    covariance : of (log_prefactor, activation energy in eV), shape (2, 2).
    """

    activation_energy_eV: Estimate
    log_prefactor: float
    covariance: np.ndarray

    def diffusivity_cm2_per_s(self, temperature_K: float) -> Estimate:
        """Diffusivity of the line at a temperature, inside or outside the fitted range."""
        gradient = np.array([1.0, -1 / (BOLTZMANN_EV_PER_K * temperature_K)])
        log_value = float(gradient @ [self.log_prefactor, self.activation_energy_eV.value])
        half_width = _QUANTILE * math.sqrt(gradient @ self.covariance @ gradient)
        return Estimate(
            math.exp(log_value), math.exp(log_value - half_width), math.exp(log_value + half_width)
        )


def fit_arrhenius(
    temperatures_K: Sequence[float], diffusivities_cm2_per_s: Sequence[Estimate]
) -> ArrheniusFit:
    """Weighted straight line through ln D against 1 / (k_B T).

    Parameters
    ----------
    temperatures_K : at least ``MIN_TEMPERATURES`` temperatures.
    diffusivities_cm2_per_s : the diffusivity at each, with an interval that is symmetric in ln D.
    """
    inverse_thermal_energy = 1 / (BOLTZMANN_EV_PER_K * np.asarray(temperatures_K))
    logs = np.log([estimate.value for estimate in diffusivities_cm2_per_s])
    errors = np.array([math.log(d.high / d.low) / (2 * _QUANTILE) for d in diffusivities_cm2_per_s])
    design = (
        np.stack([np.ones_like(inverse_thermal_energy), -inverse_thermal_energy], axis=1) / errors[:, None]
    )
    covariance = np.linalg.inv(design.T @ design)
    parameters = covariance @ design.T @ (logs / errors)
    residuals = logs / errors - design @ parameters
    covariance = covariance * max(1.0, float(residuals @ residuals) / (len(logs) - 2))
    barrier_eV, half_width_eV = float(parameters[1]), _QUANTILE * math.sqrt(covariance[1, 1])
    return ArrheniusFit(
        activation_energy_eV=Estimate(barrier_eV, barrier_eV - half_width_eV, barrier_eV + half_width_eV),
        log_prefactor=float(parameters[0]),
        covariance=covariance,
    )
