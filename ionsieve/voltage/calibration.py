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
_BISECTIONS = 50  # of an interval of volts: far below what a double resolves


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
    # The lower end is the upper end of the mirrored problem.
    return (
        -_upper_quantile(-member_predictions_V, residuals, coverage),
        _upper_quantile(member_predictions_V, residuals, coverage),
    )


def _upper_quantile(member_predictions_V: np.ndarray, residuals: Residuals, level: float) -> np.ndarray:
    """Where the weights of mu_k(i)(x) + R_i add up to ``level``, for each candidate x, shape (n,).

    Found by bisection: the weight below a value is a sum of K look-ups, while sorting n x R values
    would take a minute for 20,000 candidates.
    """
    weights = residuals.weights()
    sorted_V, weight_below = [], []
    for fold in range(len(member_predictions_V)):
        of_fold = np.flatnonzero(residuals.folds == fold)
        order = of_fold[np.argsort(residuals.absolute_V[of_fold], kind="stable")]
        sorted_V.append(residuals.absolute_V[order])
        weight_below.append(np.concatenate([[0.0], np.cumsum(weights[order])]))
    low_V = member_predictions_V.min(axis=0)
    high_V = member_predictions_V.max(axis=0) + residuals.absolute_V.max()
    for _ in range(_BISECTIONS):
        middle_V = (low_V + high_V) / 2.0
        below = np.zeros(len(middle_V))
        for fold, shift_V in enumerate(member_predictions_V):
            below += weight_below[fold][np.searchsorted(sorted_V[fold], middle_V - shift_V, side="right")]
        reached = below >= level - 1e-12
        high_V, low_V = np.where(reached, middle_V, high_V), np.where(reached, low_V, middle_V)
    return high_V


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
        # One member alone predicts these rows, so that CV+ is here its prediction plus and minus a quantile.
        as_members_V = np.tile(predictions_V[rows], (int(residuals.folds.max()) + 1, 1))
        low_V[rows], high_V[rows] = cv_plus_interval(as_members_V, others, coverage)
    return low_V, high_V
