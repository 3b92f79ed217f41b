"""Diffusivity by direction: a tensor that has the crystal's symmetry, its principal values, and their ratio.

    D_ab = slope of <dr_a dr_b>(t) / 2        D = trace / 3

A crystal's diffusivity has the symmetry of its point group (Neumann's principle), so the tensor is
averaged over it: isotropic in cubic crystals, along c and across in uniaxial ones. That holds for the mean
over draws of vacancies. Where the group leaves room for anisotropy, the largest of three noisy principal
values exceeds the smallest even if ions move alike in all directions; so their ratio is given only where
Hotelling's test over the ions excludes that. Its interval is Fieller's, without an upper end where the
slowest direction cannot be told from none at all.
"""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import spglib
from ase import Atoms
from scipy import stats

from ionsieve.transport.diffusivity import CONFIDENCE, DIMENSIONS, weighted_mean
from ionsieve.transport.supercell import SYMMETRY_PRECISION_A
from ionsieve.units import CM2_PER_S_PER_A2_PER_PS

# Orthonormal symmetric matrices without trace: what a tensor can have beside its isotropic part.
_TRACELESS = np.array(
    [
        np.diag([1, -1, 0]) / math.sqrt(2),
        np.diag([1, 1, -2]) / math.sqrt(6),
        *(
            (np.outer(a, b) + np.outer(b, a)) / math.sqrt(2)
            for a, b in ((np.eye(3)[i], np.eye(3)[j]) for i, j in ((0, 1), (0, 2), (1, 2)))
        ),
    ]
)
# Lifts equal principal values apart, so that their directions are the crystal's own axes and not arbitrary.
_TIE_BREAK = 1e-6


@dataclass(frozen=True)
class CrystalFrame:
    """Point group and conventional cell of a crystal, in its own orientation.

    Attributes
    ----------
    operations : rotations and rotoinversions as Cartesian matrices, shape (n, 3, 3).
    cell_A : lattice vectors of the conventional cell as rows, shape (3, 3).
    """

    operations: np.ndarray
    cell_A: np.ndarray

    @classmethod
    def of(cls, crystal: Atoms) -> "CrystalFrame":
        """The frame that spglib finds; no symmetry, and the crystal's own cell, where it finds none."""
        cell_A = crystal.cell.array
        found = spglib.get_symmetry_dataset(
            (cell_A, crystal.get_scaled_positions(), crystal.numbers), symprec=SYMMETRY_PRECISION_A
        )
        if found is None:
            return cls(np.eye(3)[None], cell_A)
        operations = cell_A.T @ found.rotations @ np.linalg.inv(cell_A.T)
        return cls(operations, np.linalg.inv(found.transformation_matrix).T @ cell_A)

    def symmetrised(self, tensors: np.ndarray) -> np.ndarray:
        """Mean of tensors of shape (..., 3, 3) over the point group."""
        return np.einsum("gab,...bc,gdc->...ad", self.operations, tensors, self.operations) / len(
            self.operations
        )

    def direction(self, unit_vector: np.ndarray) -> tuple[float, ...]:
        """[u v w] of a Cartesian direction, the largest being 1; rounded to two digits."""
        indices = unit_vector @ np.linalg.inv(self.cell_A)
        largest = indices[np.argmax(np.abs(indices).round(6))]
        return tuple(float(index) + 0.0 for index in (indices / largest).round(2))

    @cached_property
    def anisotropies(self) -> np.ndarray:
        """Basis of the traceless tensors with the crystal's symmetry, shape (q, 3, 3); q = 0 if cubic."""
        projector = np.einsum("jab,kab->jk", _TRACELESS, self.symmetrised(_TRACELESS))
        kept, vectors = np.linalg.eigh((projector + projector.T) / 2)
        return np.einsum("kq,kab->qab", vectors[:, kept > 0.5], _TRACELESS)


@dataclass(frozen=True)
class Anisotropy:
    """Principal diffusivities, the largest first.

    Attributes
    ----------
    diffusivities_cm2_per_s : principal values.
    errors_cm2_per_s : half-widths of their 95 % intervals.
    directions : [u v w] of each in the conventional cell.
    p_isotropic : probability of a tensor as anisotropic as this, or more so, if the crystal were isotropic.
    ratio, ratio_low, ratio_high : largest over smallest with its 95 % interval. All None where isotropy is
        not excluded at 95 %; the ratio and its upper end, where the smallest may be zero.
    """

    diffusivities_cm2_per_s: tuple[float, ...]
    errors_cm2_per_s: tuple[float, ...]
    directions: tuple[tuple[float, ...], ...]
    p_isotropic: float
    ratio: float | None
    ratio_low: float | None
    ratio_high: float | None

    @property
    def dimensions(self) -> float:
        """In how many directions ions diffuse: 3 for equal principal values, 2 in a plane, 1 on a line."""
        values = np.maximum(self.diffusivities_cm2_per_s, 0.0)
        return float(values.sum() ** 2 / (values @ values)) if values.any() else float(DIMENSIONS)

    def columns(self) -> dict[str, Any]:
        """What goes into results."""
        return {
            "principal_cm2_per_s": list(self.diffusivities_cm2_per_s),
            "principal_error_cm2_per_s": list(self.errors_cm2_per_s),
            "principal_directions": [list(direction) for direction in self.directions],
            "p_isotropic": self.p_isotropic,
            "ratio": self.ratio,
            "ratio_low": self.ratio_low,
            "ratio_high": self.ratio_high,
        }


def diffusion_tensors_A2_per_ps(
    displacement_covariance_A2: np.ndarray, lags: np.ndarray, frame_interval_ps: float
) -> np.ndarray:
    """Diffusivity tensor of each ion, shape (N, 3, 3): slope of straight lines through <dr_a dr_b>, over 2.

    Parameters
    ----------
    displacement_covariance_A2 : of each ion (:mod:`ionsieve.transport.msd`), shape (F, N, 3, 3).
    lags : those of the line, in frames.
    frame_interval_ps : time between frames.
    """
    times_ps = lags * frame_interval_ps
    weights = (times_ps - times_ps.mean()) / ((times_ps - times_ps.mean()) ** 2).sum()
    return np.tensordot(weights, displacement_covariance_A2[lags], axes=1) / 2


def anisotropy(
    tensors_A2_per_ps: np.ndarray, observed_ps: np.ndarray, frame: CrystalFrame
) -> Anisotropy | None:
    """Principal values of the ions' mean diffusivity tensor; None for a single ion, which has no scatter.

    Parameters
    ----------
    tensors_A2_per_ps : of each ion, shape (N, 3, 3).
    observed_ps : how long each ion was watched, shape (N,); also its weight.
    frame : the crystal, oriented as in the runs.
    """
    n_ions = len(tensors_A2_per_ps)
    if n_ions < 2:
        return None
    tensors = frame.symmetrised(tensors_A2_per_ps)
    mean = np.tensordot(observed_ps / observed_ps.sum(), tensors, axes=1)
    own_axes = np.linalg.qr(frame.cell_A.T)[0]
    lift = _TIE_BREAK * np.trace(mean) * (own_axes * [3, 2, 1]) @ own_axes.T
    _, vectors = np.linalg.eigh((mean + mean.T) / 2 + lift)
    directions = vectors.T[::-1]
    along = np.einsum("ka,nab,kb->nk", directions, tensors, directions)
    quantile = float(stats.t.ppf(0.5 + CONFIDENCE / 2, n_ions - 1))
    estimates = [weighted_mean(column, observed_ps) for column in along.T]
    p_isotropic = _p_isotropic(tensors, observed_ps, frame.anisotropies)
    ratio, low, high = None, None, None
    if p_isotropic < 1 - CONFIDENCE:
        ratio, low, high = _fieller(along[:, 0], along[:, 2], observed_ps, quantile)
    return Anisotropy(
        tuple(value * CM2_PER_S_PER_A2_PER_PS for value, _ in estimates),
        tuple(quantile * error * CM2_PER_S_PER_A2_PER_PS for _, error in estimates),
        tuple(frame.direction(direction) for direction in directions),
        p_isotropic,
        ratio,
        low,
        high,
    )


def _p_isotropic(tensors: np.ndarray, weights: np.ndarray, anisotropies: np.ndarray) -> float:
    """Hotelling's T^2 over the ions: do the anisotropies that symmetry allows differ from zero?"""
    n_ions, allowed = len(tensors), len(anisotropies)
    if allowed == 0 or n_ions <= allowed:
        return 1.0
    components = np.einsum("qab,nab->nq", anisotropies, tensors)
    mean, covariance = _mean_and_covariance(components, weights)
    squared = float(mean @ np.linalg.pinv(covariance) @ mean)
    return float(
        stats.f.sf(squared * (n_ions - allowed) / (allowed * (n_ions - 1)), allowed, n_ions - allowed)
    )


def _fieller(
    numerators: np.ndarray, denominators: np.ndarray, weights: np.ndarray, quantile: float
) -> tuple[float | None, float | None, float | None]:
    """Ratio of two means. Its interval holds all r for which ``numerators - r denominators`` may be 0."""
    (top, bottom), covariance = _mean_and_covariance(np.stack([numerators, denominators], axis=1), weights)
    a = bottom**2 - quantile**2 * covariance[1, 1]
    b = top * bottom - quantile**2 * covariance[0, 1]
    c = top**2 - quantile**2 * covariance[0, 0]
    if c <= 0:
        return None, None, None
    root = math.sqrt(max(b**2 - a * c, 0.0))
    if a <= 0 or bottom <= 0:
        return None, c / (b + root), None
    return top / bottom, c / (b + root), (b + root) / a


def _mean_and_covariance(values: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weighted mean of vectors, shape (q,), and its covariance, shape (q, q)."""
    shares = weights / weights.sum()
    mean = shares @ values
    residuals = shares[:, None] * (values - mean)
    return mean, residuals.T @ residuals * len(values) / (len(values) - 1)
