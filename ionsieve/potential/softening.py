"""How soft a potential is: the slope of its forces against those of its reference.

Universal potentials flatten the energy surface away from rest (Deng et al., npj Comput. Mater. 11, 9
(2025)), and a student can soften its teacher once more. If all forces of a potential are ``slope`` times
the true ones, so are its energy differences along a path, and a barrier E_a found with it stands for
E_a / slope. That is an estimate: softening need not be the same at the saddle as in hot frames.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from ase import Atoms
from scipy.stats import t as student_t

from ionsieve.units import BOLTZMANN_EV_PER_K

CONFIDENCE = 0.95


def softening(predicted: Sequence[Atoms], reference: Sequence[Atoms], against: str) -> dict[str, Any]:
    """Slope of predicted against reference forces, least squares through the origin.

    Frames of one trajectory resemble each other, so the interval treats trajectories as the independent
    observations: sandwich variance over trajectories, and Student's t for their number less one. (A 95 %
    percentile bootstrap over four trajectories, as many as there usually are, covered 81 % in a trial.)

    Parameters
    ----------
    predicted, reference : the same frames with forces, eV/angstrom; ``info["trajectory"]`` names the group.
    against : what the reference is.

    Returns
    -------
    ``slope``, below 1 for a soft potential, ``slope_lower`` and ``slope_upper`` of its 95 % interval (None
    with one trajectory), ``barrier_factor`` = 1 / slope with which a barrier would have to be multiplied,
    ``barrier_factor_lower`` and ``barrier_factor_upper``, ``n_frames``, ``n_trajectories``, ``against``.
    All figures are None where forces are not finite, or zero.
    """
    products, squares = _sums_by_trajectory(predicted, reference)
    slope, lower, upper = slope_through_origin(products, squares)
    return {
        "against": against,
        "n_frames": len(reference),
        "n_trajectories": len(products),
        "slope": _rounded(slope),
        "slope_lower": _rounded(lower),
        "slope_upper": _rounded(upper),
        "barrier_factor": _inverse(slope),
        "barrier_factor_lower": _inverse(upper),
        "barrier_factor_upper": _inverse(lower),
    }


@dataclass(frozen=True)
class Stiffened:
    """What a barrier would be without softening, and what that would do to the conductivity.

    Attributes
    ----------
    barrier_eV : the barrier times all barrier factors.
    conductivity_factors : exp(-(barrier_eV - barrier found) / k_B T) at each temperature, the prefactor
        staying as it is.
    """

    barrier_eV: float
    conductivity_factors: tuple[float, ...]


def stiffened(
    barrier_eV: float | None,
    temperatures_K: Sequence[float],
    softenings: Sequence[Mapping[str, Any] | None],
    end: str = "",
) -> Stiffened | None:
    """Undo softening to first order: forces and barriers scale with the same slope.

    Parameters
    ----------
    barrier_eV : found with the potential.
    temperatures_K : where the conductivity is asked for.
    softenings : of student against teacher, of teacher against DFT; None for what was not measured.
    end : ``""`` for the slopes, ``"_lower"`` or ``"_upper"`` for the ends of their intervals.

    Returns
    -------
    None where there is no barrier, or no slope, or one that is not positive.
    """
    measured = [softening[f"barrier_factor{end}"] for softening in softenings if softening is not None]
    if barrier_eV is None or not measured or None in measured:
        return None
    stiff_eV = barrier_eV * math.prod(measured)
    return Stiffened(
        stiff_eV,
        tuple(
            math.exp(-(stiff_eV - barrier_eV) / (BOLTZMANN_EV_PER_K * kelvin)) for kelvin in temperatures_K
        ),
    )


def slope_through_origin(products: np.ndarray, squares: np.ndarray) -> tuple[float, float, float]:
    """Slope and the ends of its interval, from sums of each group; NaN where they cannot be told.

    Parameters
    ----------
    products : shape (n_groups,), sum of x y in each group.
    squares : shape (n_groups,), sum of x^2 in each group.
    """
    total = squares.sum()
    if not (np.isfinite(products).all() and total > 0):
        return np.nan, np.nan, np.nan
    slope = float(products.sum() / total)
    n_groups = len(products)
    if n_groups < 2:
        return slope, np.nan, np.nan
    scatter = np.sum((products - slope * squares) ** 2)
    error = np.sqrt(n_groups / (n_groups - 1) * scatter) / total
    reach = float(student_t.ppf((1 + CONFIDENCE) / 2, n_groups - 1) * error)
    return slope, slope - reach, slope + reach


def _sums_by_trajectory(
    predicted: Sequence[Atoms], reference: Sequence[Atoms]
) -> tuple[np.ndarray, np.ndarray]:
    sums: dict[str, list[float]] = {}
    for guess, truth in zip(predicted, reference, strict=True):
        forces = truth.get_forces()
        of_trajectory = sums.setdefault(str(truth.info["trajectory"]), [0.0, 0.0])
        of_trajectory[0] += float(np.sum(forces * guess.get_forces()))
        of_trajectory[1] += float(np.sum(forces**2))
    products, squares = np.array(list(sums.values())).reshape(-1, 2).T
    return products, squares


def _rounded(value: float) -> float | None:
    return round(value, 4) if np.isfinite(value) else None


def _inverse(slope: float) -> float | None:
    """1 / slope, or None for a potential whose forces bear no likeness to the reference."""
    return round(1 / slope, 4) if np.isfinite(slope) and slope > 0 else None
