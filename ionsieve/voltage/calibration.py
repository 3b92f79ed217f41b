"""Prediction intervals by cross-validation+, with frameworks as the exchangeable units.

CV+ (Barber, Candes, Ramdas and Tibshirani, Ann. Statist. 49, 486 (2021)): let R_i = |y_i - mu_k(i)(x_i)|,
where member k(i) is the one that never saw the framework of electrode i, and s_k(x) the error that is
expected of member k at x. A new crystal x gets

    [ lower quantile of mu_k(i)(x) - s_k(i)(x) R_i / s_k(i)(x_i),  upper quantile of the same with + ].

With s = 1 all intervals have nearly one width: the baseline that a difficulty must beat.

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
    difficulties_V : error expected of that member at each electrode, in V, shape (R,), or None for 1 V.
    """

    absolute_V: np.ndarray
    folds: np.ndarray
    frameworks: np.ndarray
    difficulties_V: np.ndarray | None = None

    def without_fold(self, fold: int) -> "Residuals":
        """The residuals of all other folds."""
        kept = self.folds != fold
        difficulties_V = None if self.difficulties_V is None else self.difficulties_V[kept]
        return Residuals(self.absolute_V[kept], self.folds[kept], self.frameworks[kept], difficulties_V)

    def ratios(self) -> np.ndarray:
        """Residuals over the expected errors, shape (R,)."""
        return self.absolute_V if self.difficulties_V is None else self.absolute_V / self.difficulties_V

    def weights(self) -> np.ndarray:
        """Weight of each residual, shape (R,): 1 / (G + 1) per framework, shared by its electrodes."""
        _, group, sizes = np.unique(self.frameworks, return_inverse=True, return_counts=True)
        return 1.0 / (len(sizes) + 1) / sizes[group]


def cv_plus_interval(
    member_predictions_V: np.ndarray,
    residuals: Residuals,
    coverage: float,
    member_difficulties_V: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """CV+ interval of each candidate in V.

    With too few frameworks for the coverage (fewer than coverage / (1 - coverage)) the exact interval
    would be infinite; the largest residual bounds it then.

    Parameters
    ----------
    member_predictions_V : prediction of each of the K members for each of n candidates, shape (K, n).
    residuals : out-of-fold residuals; their folds index the K members.
    coverage : share of true voltages that the intervals shall hold.
    member_difficulties_V : error expected of each member for each candidate, shape (K, n), where the
        residuals have theirs.

    Returns
    -------
    Lower and upper ends, each of shape (n,).
    """
    if member_difficulties_V is None:
        member_difficulties_V = np.ones_like(member_predictions_V)
    # The lower end is the upper end of the mirrored problem.
    return (
        -_upper_quantile(-member_predictions_V, member_difficulties_V, residuals, coverage),
        _upper_quantile(member_predictions_V, member_difficulties_V, residuals, coverage),
    )


def _upper_quantile(
    member_predictions_V: np.ndarray, member_difficulties_V: np.ndarray, residuals: Residuals, level: float
) -> np.ndarray:
    """Where the weights of mu_k(i)(x) + s_k(i)(x) R_i / s_i add up to ``level``, for each x, shape (n,).

    Found by bisection: the weight below a value is a sum of K look-ups, while sorting n x R values
    would take a minute for 20,000 candidates.
    """
    weights, ratios = residuals.weights(), residuals.ratios()
    sorted_ratios, weight_below = [], []
    for fold in range(len(member_predictions_V)):
        of_fold = np.flatnonzero(residuals.folds == fold)
        order = of_fold[np.argsort(ratios[of_fold], kind="stable")]
        sorted_ratios.append(ratios[order])
        weight_below.append(np.concatenate([[0.0], np.cumsum(weights[order])]))
    low_V = member_predictions_V.min(axis=0)
    high_V = (member_predictions_V + ratios.max() * member_difficulties_V).max(axis=0)
    for _ in range(_BISECTIONS):
        middle_V = (low_V + high_V) / 2.0
        below = np.zeros(len(middle_V))
        for fold, (center_V, difficulty_V) in enumerate(
            zip(member_predictions_V, member_difficulties_V, strict=True)
        ):
            reached_ratio = (middle_V - center_V) / difficulty_V
            below += weight_below[fold][np.searchsorted(sorted_ratios[fold], reached_ratio, side="right")]
        reached = below >= level - 1e-12
        high_V, low_V = np.where(reached, middle_V, high_V), np.where(reached, low_V, middle_V)
    return high_V


def gaussian_sigma_V(low_V: np.ndarray, high_V: np.ndarray, coverage: float) -> np.ndarray:
    """Standard deviation of the Gaussian whose central interval of this coverage is as wide."""
    return (high_V - low_V) / 2.0 / norm.ppf((1.0 + coverage) / 2.0)


def out_of_fold_intervals(
    predictions_V: np.ndarray,
    residuals: Residuals,
    coverage: float,
    fold: int,
    difficulties_V: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Intervals of a fold's electrodes about their out-of-fold predictions, from the OTHER folds' residuals.

    No residual of a fold helps to make its intervals. The members behind the other folds' residuals did
    train on its electrodes, as in any cross-validation.

    Parameters
    ----------
    predictions_V : of the fold's electrodes, shape (n,).
    residuals : of all folds; those of ``fold`` are not used.
    difficulties_V : error expected at the fold's electrodes, shape (n,), where the residuals have theirs.
    """
    n_members = int(residuals.folds.max()) + 1

    # One member alone predicts these rows, so that CV+ is here its prediction plus and minus a quantile.
    def of_members(values: np.ndarray) -> np.ndarray:
        return np.tile(values, (n_members, 1))

    return cv_plus_interval(
        of_members(predictions_V),
        residuals.without_fold(fold),
        coverage,
        None if difficulties_V is None else of_members(difficulties_V),
    )
