import numpy as np
import pytest
from sklearn.kernel_ridge import KernelRidge

from ionsieve.composition.classical import (
    LARGEST_INPUT,
    kernel_ridge,
    perceptron_of_one_layer,
    perceptron_of_two_layers,
    scaler,
    searched,
    support_vectors,
)

N_ROWS = 120
GROUPS = np.array([f"host {row % 12}" for row in range(N_ROWS)], dtype=object)
TRAINING, HELD_OUT = np.flatnonzero(np.arange(N_ROWS) % 4 > 0), np.arange(0, N_ROWS, 4)


def voltages(model: str, inputs: np.ndarray, targets_V: np.ndarray, seed: int = 0) -> np.ndarray:
    if model == "svr":
        return support_vectors(inputs, targets_V, TRAINING, HELD_OUT, seed, GROUPS)
    if model == "krr":
        return kernel_ridge(inputs, targets_V, TRAINING, HELD_OUT, seed, GROUPS)
    perceptron = perceptron_of_one_layer if model == "mlp1" else perceptron_of_two_layers
    return perceptron(inputs, targets_V, TRAINING, HELD_OUT, seed)


@pytest.fixture(scope="module")
def inputs() -> np.ndarray:
    """Columns of very different scales, one of them constant."""
    columns = np.random.default_rng(0).normal(size=(N_ROWS, 4)) * [1.0, 1e4, 1e-4, 0.0] + [0.0, 1e5, 0.0, 7.0]
    return columns


@pytest.fixture(scope="module")
def targets_V(inputs) -> np.ndarray:
    """A voltage about 3 V that bends with the first column and grows with the second."""
    return 3.0 + inputs[:, 0] ** 2 / 2 + (inputs[:, 1] - 1e5) / 1e4


MODELS = pytest.mark.parametrize("model", ["svr", "krr", "mlp1", "mlp2"])


@MODELS
def test_a_smooth_function_is_learned_whatever_the_units(model, inputs, targets_V):
    errors_V = np.abs(voltages(model, inputs, targets_V) - targets_V[HELD_OUT])
    spread_V = np.abs(targets_V[HELD_OUT] - np.median(targets_V)).mean()
    assert errors_V.mean() < 0.5 * spread_V
    in_other_units = inputs * [1e-3, 1e3, 10.0, 1.0]
    np.testing.assert_allclose(
        voltages(model, in_other_units, targets_V), voltages(model, inputs, targets_V), atol=1e-5
    )


@MODELS
def test_voltages_of_held_out_rows_change_no_byte(model, inputs, targets_V):
    hidden_V = targets_V.copy()
    hidden_V[HELD_OUT] = np.nan
    assert voltages(model, inputs, hidden_V).tobytes() == voltages(model, inputs, targets_V).tobytes()


@MODELS
def test_other_held_out_rows_change_no_voltage(model, inputs, targets_V):
    """Scales are those of the training rows."""
    others = inputs.copy()
    others[HELD_OUT[1:]] *= 100.0
    np.testing.assert_allclose(
        voltages(model, others, targets_V)[0], voltages(model, inputs, targets_V)[0], rtol=1e-9
    )


@MODELS
def test_what_is_far_beyond_the_training_rows_gets_a_finite_voltage_of_their_kind(model, inputs, targets_V):
    strange = inputs.copy()
    strange[HELD_OUT] *= 1e6
    predicted_V = voltages(model, strange, targets_V)
    assert np.abs(predicted_V - 3.0).max() < 20.0


def test_standardised_columns_are_cut(inputs):
    scaled = scaler().fit(inputs[TRAINING]).transform(inputs * 1e6)
    assert np.abs(scaled).max() == LARGEST_INPUT


def test_inner_folds_keep_frameworks_whole(inputs, targets_V):
    search = searched(KernelRidge(kernel="rbf"), {"alpha": [0.1], "gamma": [0.25]})
    folds = list(search.cv.split(inputs[TRAINING], targets_V[TRAINING], GROUPS[TRAINING]))
    assert len(folds) == 3
    for inner_training, inner_held_out in folds:
        assert not set(GROUPS[TRAINING][inner_training]) & set(GROUPS[TRAINING][inner_held_out])


def test_the_inner_score_is_that_of_unseen_frameworks():
    """Where an input names the framework and each framework has a voltage of its own, known ones are easy
    and new ones are out of reach: the search must see the latter."""
    framework = np.unique(GROUPS, return_inverse=True)[1]
    voltage_of_framework_V = np.random.default_rng(3).normal(3.0, 1.0, 12)
    search = searched(KernelRidge(kernel="rbf"), {"alpha": [1e-3], "gamma": [0.1]})
    search.fit(np.eye(12)[framework], voltage_of_framework_V[framework], groups=GROUPS)
    spread_V = np.abs(voltage_of_framework_V - voltage_of_framework_V.mean()).mean()
    assert -search.cv_results_["mean_test_score"][0] > 0.7 * spread_V
