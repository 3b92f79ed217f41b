"""Prediction intervals by cross-validation+, with frameworks as the exchangeable units.

CV+ (Barber, Candes, Ramdas and Tibshirani, Ann. Statist. 49, 486 (2021)): with R_i = |y_i - mu_k(i)(x_i)|,
where member k(i) is the one that never saw the framework of electrode i, a new crystal x gets

    [ lower quantile of mu_k(i)(x) - R_i ,  upper quantile of mu_k(i)(x) + R_i ].

A candidate is a new framework, and electrodes of one framework are much alike. Each of the G
frameworks therefore weighs the same, shared by its electrodes, and the candidate weighs as one
framework more (Dunn, Wasserman and Ramdas, J. Am. Stat. Assoc. 118, 2491 (2023)): each framework has
1 / (G + 1), and 1 / (G + 1) lies at infinity.
"""

from dataclasses import dataclass

import numpy as np
from scipy.stats import norm

# Half-widths grow by this for crystals with an element that no training electrode holds: a choice on
# the safe side, since residuals of such crystals are what the calibration cannot see.
UNSEEN_ELEMENT_FACTOR = 2.0
_CANDIDATES_AT_ONCE = 512


@dataclass(frozen=True)
class Residuals:
    """Out-of-fold residuals of R electrodes.

    Attributes
    ----------
    absolute_V : |label - out-of-fold prediction| in V, shape (R,).
    folds : the member that never saw each electrode's framework, shape (R,).
    frameworks : number of each electrode's framework, shape (R,).
    """

    absolute_V: np.ndarray
    folds: np.ndarray
    frameworks: np.ndarray

    def without_fold(self, fold: int) -> "Residuals":
        """The residuals of all other folds."""
        kept = self.folds != fold
        return Residuals(self.absolute_V[kept], self.folds[kept], self.frameworks[kept])

    def weights(self) -> np.ndarray:
        """Weight of each residual, shape (R,): 1 / (G + 1) per framework, shared by its electrodes."""
        _, group, sizes = np.unique(self.frameworks, return_inverse=True, return_counts=True)
        return 1.0 / (len(sizes) + 1) / sizes[group]


def cv_plus_interval(
    member_predictions_V: np.ndarray, residuals: Residuals, coverage: float
) -> tuple[np.ndarray, np.ndarray]:
    """CV+ interval of each candidate in V.

    With too few frameworks for the coverage (fewer than coverage / (1 - coverage)) the exact interval
    would be infinite; the largest residual bounds it then.

    Parameters
    ----------
    member_predictions_V : prediction of each of the K members for each of n candidates, shape (K, n).
    residuals : out-of-fold residuals; their folds index the K members.
    coverage : share of true voltages that the intervals shall hold.

    Returns
    -------
    Lower and upper ends, each of shape (n,).
    """
    weights = residuals.weights()
    ends = []
    for sign in (-1.0, 1.0):
        upper = np.empty(member_predictions_V.shape[1])
        for start in range(0, len(upper), _CANDIDATES_AT_ONCE):
            chunk = slice(start, start + _CANDIDATES_AT_ONCE)
            # The lower end is the upper end of the mirrored problem.
            reached_V = sign * member_predictions_V[residuals.folds, chunk] + residuals.absolute_V[:, None]
            upper[chunk] = _upper_quantile(reached_V, weights, coverage)
        ends.append(sign * upper)
    return ends[0], ends[1]


def _upper_quantile(values: np.ndarray, weights: np.ndarray, level: float) -> np.ndarray:
    """Smallest value of each column up to which the weights add up to ``level``, or the largest value."""
    order = np.argsort(values, axis=0, kind="stable")
    reached = np.cumsum(weights[order], axis=0) >= level - 1e-12
    rank = np.where(reached.any(axis=0), reached.argmax(axis=0), len(values) - 1)
    columns = np.arange(values.shape[1])
    return values[order[rank, columns], columns]


def gaussian_sigma_V(low_V: np.ndarray, high_V: np.ndarray, coverage: float) -> np.ndarray:
    """Standard deviation of the Gaussian whose central interval of this coverage is as wide."""
    return (high_V - low_V) / 2.0 / norm.ppf((1.0 + coverage) / 2.0)


def out_of_fold_intervals(
    predictions_V: np.ndarray, residuals: Residuals, coverage: float
) -> tuple[np.ndarray, np.ndarray]:
    """Interval of each electrode about its out-of-fold prediction, from the OTHER folds' residuals.

    No electrode helps to make its own interval, nor does any of its framework: coverage measured on
    these intervals is honest.
    """
    low_V, high_V = np.empty_like(predictions_V), np.empty_like(predictions_V)
    for fold in np.unique(residuals.folds):
        rows = residuals.folds == fold
        others = residuals.without_fold(int(fold))
        half_width_V = _upper_quantile(others.absolute_V[:, None], others.weights(), coverage)[0]
        low_V[rows], high_V[rows] = predictions_V[rows] - half_width_V, predictions_V[rows] + half_width_V
    return low_V, high_V
