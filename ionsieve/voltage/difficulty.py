"""How large an error to expect: boosted trees on the descriptors and on how the prediction came about.

They learn the absolute out-of-fold errors, and scale the residuals of the calibration: an interval is as
wide as its crystal is difficult.
"""

from typing import Any

import numpy as np

from ionsieve.voltage.boosting import BoostedTrees, train_trees

# Few and coarse: errors are noisy targets. Least squares, for the mean error, not the median.
PARAMETERS: dict[str, Any] = {
    "objective": "l2",
    "num_iterations": 150,
    "learning_rate": 0.05,
    "num_leaves": 7,
    "min_data_in_leaf": 30,
    "bagging_fraction": 0.7,
    "bagging_freq": 1,
    "feature_fraction": 0.3,
}
# A few errors of several volts (labels that contradict each other) would else make the mean of all others.
LARGEST_ERROR_V = 1.5
SMALLEST_DIFFICULTY_V = 0.08


def difficulty_inputs(
    descriptors: np.ndarray, voltages_V: np.ndarray, disagreements_V: np.ndarray, distances: np.ndarray
) -> np.ndarray:
    """What difficulty is read from, shape (S, D + 3)."""
    return np.column_stack([descriptors, voltages_V, disagreements_V, distances])


def train_difficulty(inputs: np.ndarray, absolute_errors_V: np.ndarray, seed: int) -> BoostedTrees:
    """Trees for the expected absolute error in V of rows of :func:`difficulty_inputs`."""
    return train_trees(inputs, np.minimum(absolute_errors_V, LARGEST_ERROR_V), seed, PARAMETERS)


def difficulty_V(trees: BoostedTrees, inputs: np.ndarray) -> np.ndarray:
    """Expected absolute error in V, never below a floor, shape (S,)."""
    return np.maximum(trees.predict_V(inputs), SMALLEST_DIFFICULTY_V)


def cross_fit(
    inputs: np.ndarray, absolute_errors_V: np.ndarray, folds: np.ndarray, seed: int
) -> tuple[tuple[BoostedTrees, ...], np.ndarray]:
    """Trees of each fold that saw the errors of the others alone, and the difficulty they give their fold.

    Returns
    -------
    Trees in the order of the folds' numbers, and the difficulty of each row in V, shape (S,).
    """
    difficulties_V, trees_of_folds = np.empty(len(folds)), []
    for fold in np.unique(folds):
        own = folds == fold
        trees = train_difficulty(inputs[~own], absolute_errors_V[~own], seed)
        difficulties_V[own] = difficulty_V(trees, inputs[own])
        trees_of_folds.append(trees)
    return tuple(trees_of_folds), difficulties_V
