"""Kernel machines and multilayer perceptrons of scikit-learn on tabular inputs: rivals of table S2.

All see standardised columns, cut at a few standard deviations: the share of a rare element would otherwise
reach far beyond all that was trained on. Means, scales and hyperparameters come from training rows alone.
"""

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.compose import TransformedTargetRegressor
from sklearn.kernel_ridge import KernelRidge
from sklearn.model_selection import GridSearchCV, GroupKFold
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.svm import SVR

# Standard deviations from the mean at which a column is cut.
LARGEST_INPUT = 5.0
INNER_FOLDS = 3
# Widths of the radial basis function, as multiples of 1 / columns.
KERNEL_WIDTHS = (0.3, 1.0, 3.0)
SVR_COSTS = (1.0, 5.0, 25.0)
SVR_TUBE = 0.05  # standard deviations of the target within which an error costs nothing
RIDGES = (0.01, 0.1, 1.0)


def scaler() -> Pipeline:
    """Standardised columns, cut at ``LARGEST_INPUT``."""
    return make_pipeline(StandardScaler(), FunctionTransformer(cut))


def cut(scaled: np.ndarray) -> np.ndarray:
    """Standardised columns, none further from the mean than ``LARGEST_INPUT``."""
    return np.clip(scaled, -LARGEST_INPUT, LARGEST_INPUT)


def support_vectors(
    inputs: np.ndarray,
    targets_V: np.ndarray,
    training_rows: np.ndarray,
    held_out_rows: np.ndarray,
    seed: int,
    groups: np.ndarray,
) -> np.ndarray:
    """Volts of the held-out rows by support vector regression (table S2's SVM); see :func:`searched`.

    ``inputs`` has the shape (S, D), ``groups`` the shape (S,); nothing is drawn at random, whatever the seed.
    """
    grid = {"C": SVR_COSTS, "gamma": _gammas(inputs)}
    search = searched(SVR(kernel="rbf", epsilon=SVR_TUBE, cache_size=500), grid)
    return _volts(search, inputs, targets_V, training_rows, held_out_rows, groups=groups[training_rows])


def kernel_ridge(
    inputs: np.ndarray,
    targets_V: np.ndarray,
    training_rows: np.ndarray,
    held_out_rows: np.ndarray,
    seed: int,
    groups: np.ndarray,
) -> np.ndarray:
    """Volts of the held-out rows by kernel ridge regression (table S2's KRR); see :func:`support_vectors`."""
    search = searched(KernelRidge(kernel="rbf"), {"alpha": RIDGES, "gamma": _gammas(inputs)})
    return _volts(search, inputs, targets_V, training_rows, held_out_rows, groups=groups[training_rows])


def perceptron_of_one_layer(
    inputs: np.ndarray,
    targets_V: np.ndarray,
    training_rows: np.ndarray,
    held_out_rows: np.ndarray,
    seed: int,
) -> np.ndarray:
    """Volts of the held-out rows by a perceptron with one hidden layer (table S2's MLP1)."""
    return _volts(_perceptron((256,), seed), inputs, targets_V, training_rows, held_out_rows)


def perceptron_of_two_layers(
    inputs: np.ndarray,
    targets_V: np.ndarray,
    training_rows: np.ndarray,
    held_out_rows: np.ndarray,
    seed: int,
) -> np.ndarray:
    """Volts of the held-out rows by a perceptron with two hidden layers (table S2's MLP2)."""
    return _volts(_perceptron((256, 128), seed), inputs, targets_V, training_rows, held_out_rows)


def searched(model: BaseEstimator, grid: dict[str, Any]) -> GridSearchCV:
    """The best of a grid by the mean absolute error on inner folds that keep groups whole.

    Its ``fit`` takes the training rows' ``groups``: their frameworks, so that what is chosen is what
    extrapolates to hosts never seen.
    """
    prefix = f"regressor__{type(model).__name__.lower()}__"
    return GridSearchCV(
        _on_scaled_targets(model),
        {prefix + name: list(values) for name, values in grid.items()},
        scoring="neg_mean_absolute_error",
        cv=GroupKFold(INNER_FOLDS),
        n_jobs=1,
    )


def _on_scaled_targets(model: BaseEstimator) -> TransformedTargetRegressor:
    return TransformedTargetRegressor(make_pipeline(scaler(), model), transformer=StandardScaler())


def _gammas(inputs: np.ndarray) -> tuple[float, ...]:
    return tuple(width / inputs.shape[1] for width in KERNEL_WIDTHS)


def _perceptron(hidden_layers: tuple[int, ...], seed: int) -> TransformedTargetRegressor:
    return _on_scaled_targets(
        MLPRegressor(
            hidden_layer_sizes=hidden_layers,
            alpha=1e-2,
            learning_rate_init=1e-3,
            max_iter=300,
            early_stopping=True,  # on a tenth of the training rows
            n_iter_no_change=20,
            random_state=seed % 2**32,
        )
    )


def _volts(
    model: BaseEstimator,
    inputs: np.ndarray,
    targets_V: np.ndarray,
    training_rows: np.ndarray,
    held_out_rows: np.ndarray,
    **fit_arguments: np.ndarray,
) -> np.ndarray:
    model.fit(inputs[training_rows], targets_V[training_rows], **fit_arguments)
    return np.asarray(model.predict(inputs[held_out_rows]), dtype=float)
