import logging
from dataclasses import replace

import numpy as np
import pytest
import torch

from ionsieve.composition.mha_training import PUBLISHED, SOUND, MHASchedule, TrainedMHAResNet, train
from ionsieve.errors import DataError

QUICK = MHASchedule("one_cycle", 0.002, epochs=60, batch_size=32, weight_decay=0.0, loss="mse")
VERY_QUICK = replace(QUICK, epochs=2, batch_size=16)
ATTENTIONS = pytest.mark.parametrize("attention", ["published", "positions"])


@pytest.fixture(scope="module")
def table() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """32 rows of eight inputs and two space groups; voltages that depend on both."""
    random = np.random.default_rng(0)
    inputs, space_groups = random.random((32, 8)), random.integers(1, 231, (32, 2))
    voltages_V = 3.0 + 2.0 * inputs[:, 0] - inputs[:, 3] + 0.5 * (space_groups[:, 1] > 100)
    return inputs, space_groups, voltages_V


def bytes_of(model: TrainedMHAResNet) -> list[bytes]:
    weights = [tensor.numpy().tobytes() for tensor in model.network.state_dict().values()]
    return [*weights, np.array([model.mean_V, model.scale_V]).tobytes()]


def test_the_published_schedule_is_the_papers():
    assert MHASchedule("constant", 0.005, 1000, 512, 0.0, "mse") == PUBLISHED
    assert SOUND.kind == "one_cycle"


@ATTENTIONS
def test_thirty_two_rows_are_learned_by_heart(attention, table):
    inputs, space_groups, voltages_V = table
    model = train(inputs, space_groups, voltages_V, np.arange(32), attention, QUICK, seed=0)
    errors_V = model.predict_V(inputs, space_groups) - voltages_V
    assert np.abs(errors_V).mean() < 0.1 * voltages_V.std()


def test_space_group_vectors_that_occur_are_trained_and_no_others(table):
    inputs, space_groups, voltages_V = table
    untouched = replace(VERY_QUICK, learning_rate=1e-30)
    start, trained = (
        train(inputs, space_groups, voltages_V, np.arange(32), "published", schedule, seed=0)
        for schedule in (untouched, VERY_QUICK)
    )
    for g in (0, 1):
        before, after = (model.network.embeddings[g].weight for model in (start, trained))
        changed = torch.nonzero((after - before).abs().sum(dim=1)).squeeze(1)
        assert changed.tolist() == sorted(set(space_groups[:, g].tolist()))


@ATTENTIONS
def test_a_rerun_gives_the_same_bytes_on_any_number_of_threads(attention, table):
    inputs, space_groups, voltages_V = table
    threads = torch.get_num_threads()
    trained = []
    for run in (1, 2):
        torch.rand(run)  # whatever else drew random numbers before
        torch.set_num_threads(run)
        model = train(inputs, space_groups, voltages_V, np.arange(32), attention, VERY_QUICK, seed=3)
        assert torch.get_num_threads() == run
        trained.append(bytes_of(model))
    torch.set_num_threads(threads)
    other = train(inputs, space_groups, voltages_V, np.arange(32), attention, VERY_QUICK, seed=4)
    assert trained[0] == trained[1] != bytes_of(other)


def test_training_leaves_the_stream_of_random_numbers_alone(table):
    inputs, space_groups, voltages_V = table
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    train(inputs, space_groups, voltages_V, np.arange(32), "published", VERY_QUICK, seed=1)
    assert torch.equal(torch.rand(3), expected)


def test_held_out_rows_do_not_touch_the_model(table):
    inputs, space_groups, voltages_V = table
    training = np.arange(0, 32, 2)
    held_out = ~np.isin(np.arange(32), training)
    absurd = np.where(held_out[:, None], np.nan, inputs), np.where(held_out[:, None], 999, space_groups)
    trained = []
    for rows in (
        (inputs, space_groups, voltages_V),
        (*absurd, np.where(held_out, 1e6, voltages_V)),
    ):
        model = train(*rows, training, "published", VERY_QUICK, seed=1)
        assert model.mean_V == pytest.approx(voltages_V[training].mean())
        assert model.scale_V == pytest.approx(voltages_V[training].std())
        trained.append(bytes_of(model))
    assert trained[0] == trained[1]


@ATTENTIONS
@pytest.mark.parametrize("n_space_groups", [0, 1])
def test_a_rows_voltage_is_its_own(attention, n_space_groups, table):
    """Batch norm's averages are those of the training."""
    inputs, space_groups, voltages_V = table
    space_groups = space_groups[:, :n_space_groups]
    model = train(inputs, space_groups, voltages_V, np.arange(32), attention, VERY_QUICK, seed=0)
    together_V = model.predict_V(inputs, space_groups)
    alone_V = np.concatenate([model.predict_V(inputs[[i]], space_groups[[i]]) for i in range(3)])
    assert alone_V == pytest.approx(together_V[:3], abs=1e-5)


@pytest.mark.parametrize("n_rows", [2, 3, 9, 17])
def test_no_batch_is_ever_a_single_row(n_rows, table):
    """Batch norm would refuse it: the remainder of 9 rows in batches of 8 is spread."""
    inputs, space_groups, voltages_V = table
    schedule = replace(VERY_QUICK, epochs=1, batch_size=1 if n_rows == 3 else 8)
    model = train(inputs, space_groups, voltages_V, np.arange(n_rows), "published", schedule, seed=0)
    assert np.isfinite(model.predict_V(inputs, space_groups)).all()


def test_a_single_row_cannot_be_trained_on(table):
    inputs, space_groups, voltages_V = table
    with pytest.raises(DataError, match="at least 2 training rows, and got 1"):
        train(inputs, space_groups, voltages_V, np.array([0]), "published", VERY_QUICK, seed=0)


def test_a_diverged_training_says_so_in_words(table):
    inputs, space_groups, voltages_V = table
    reckless = replace(VERY_QUICK, kind="constant", learning_rate=1e30)
    with pytest.raises(DataError, match=r"diverged in epoch \d: its error is (nan|inf); lower the learning"):
        train(inputs, space_groups, voltages_V, np.arange(32), "published", reckless, seed=0)


@pytest.mark.parametrize("space_group", [-1, 231])
def test_what_is_no_space_group_is_refused(space_group, table):
    inputs, space_groups, voltages_V = table
    wrong = space_groups.copy()
    wrong[5, 1] = space_group
    with pytest.raises(DataError, match=f"{space_group} is no space group; allowed are 1 to 230"):
        train(inputs, wrong, voltages_V, np.arange(32), "published", VERY_QUICK, seed=0)


def test_each_epoch_is_logged(table, caplog):
    inputs, space_groups, voltages_V = table
    with caplog.at_level(logging.INFO):
        train(inputs, space_groups, voltages_V, np.arange(32), "published", VERY_QUICK, seed=0)
    assert [message.split(":")[0] for message in caplog.messages] == ["epoch 1", "epoch 2"]
