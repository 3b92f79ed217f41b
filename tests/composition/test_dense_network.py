import numpy as np
import pytest
import torch

from ionsieve.composition.dense import predict
from ionsieve.voltage.training import Schedule

N_ROWS = 64
TRAINING, HELD_OUT = np.arange(N_ROWS // 2), np.arange(N_ROWS // 2, N_ROWS)
QUICK = Schedule(epochs=3, batch_size=16, learning_rate=2e-3, weight_decay=0.0, device="cpu")


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def inputs() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(N_ROWS, 3)) * [1.0, 1e4, 0.0]


@pytest.fixture(scope="module")
def targets_V(inputs) -> np.ndarray:
    return 3.0 + inputs[:, 0] - inputs[:, 1] / 1e4


def test_a_sum_of_columns_is_learned(inputs, targets_V):
    schedule = Schedule(epochs=60, batch_size=16, learning_rate=5e-3, weight_decay=0.0, device="cpu")
    predicted_V = predict(inputs, targets_V, TRAINING, HELD_OUT, 0, schedule)
    assert np.corrcoef(predicted_V, targets_V[HELD_OUT])[0, 1] > 0.9


def test_voltages_of_held_out_rows_change_no_byte(inputs, targets_V):
    hidden_V = targets_V.copy()
    hidden_V[HELD_OUT] = np.nan
    first, second = (
        predict(inputs, labels_V, TRAINING, HELD_OUT, 0, QUICK) for labels_V in (hidden_V, targets_V)
    )
    assert first.tobytes() == second.tobytes()
    assert np.isfinite(first).all()


def test_other_held_out_rows_change_no_voltage(inputs, targets_V):
    others = inputs.copy()
    others[HELD_OUT[1:]] *= 100.0
    first, second = (
        predict(columns, targets_V, TRAINING, HELD_OUT, 0, QUICK) for columns in (inputs, others)
    )
    assert first[0] == pytest.approx(second[0], rel=1e-6)


def test_another_seed_gives_other_voltages(inputs, targets_V):
    first, second = (predict(inputs, targets_V, TRAINING, HELD_OUT, seed, QUICK) for seed in (0, 1))
    assert np.abs(first - second).max() > 1e-3
