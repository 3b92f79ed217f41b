"""Training of the MHA-ResNet: the paper's schedule, a sound one, and the trained model.

Neither stops early or picks an epoch: the weights are those after the last epoch, so that no held-out row
is looked at.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch.nn import functional
from tqdm import tqdm

from ionsieve.composition.mha_resnet import Attention, MHAResNet, check_space_groups
from ionsieve.errors import DataError
from ionsieve.voltage.devices import one_thread
from ionsieve.voltage.training import one_cycle

logger = logging.getLogger(__name__)

LOSSES: dict[str, Callable[[torch.Tensor, torch.Tensor], torch.Tensor]] = {
    "mse": functional.mse_loss,
    "l1": functional.l1_loss,
    "huber": functional.huber_loss,
}
PREDICTION_BATCH = 1024


@dataclass(frozen=True)
class MHASchedule:
    """How a network is trained.

    Attributes
    ----------
    kind : "constant": one learning rate throughout. "one_cycle": it rises to ``learning_rate`` and falls to
        zero (Smith and Topin, 2018).
    learning_rate, weight_decay : of AdamW; without weight decay that is Adam.
    loss : of the standardised targets.
    """

    kind: Literal["constant", "one_cycle"]
    learning_rate: float
    epochs: int
    batch_size: int
    weight_decay: float
    loss: Literal["mse", "l1", "huber"]


PUBLISHED = MHASchedule("constant", 0.005, epochs=1000, batch_size=512, weight_decay=0.0, loss="mse")
# Twenty epochs cost a minute per 1,000 training rows; the learning rate ends at zero.
SOUND = MHASchedule("one_cycle", 0.001, epochs=20, batch_size=128, weight_decay=0.01, loss="l1")
# For the paper's inputs, of which two or three components are left and an epoch costs a second.
SETTLED = MHASchedule("one_cycle", 0.005, epochs=200, batch_size=512, weight_decay=0.0, loss="l1")


@dataclass(frozen=True)
class TrainedMHAResNet:
    """A trained network with all that it needs to predict.

    Attributes
    ----------
    network : with its weights.
    mean_V, scale_V : the network's output times ``scale_V`` plus ``mean_V`` is the voltage.
    """

    network: MHAResNet
    mean_V: float
    scale_V: float

    @torch.no_grad()
    def predict_V(self, inputs: np.ndarray, space_groups: np.ndarray) -> np.ndarray:
        """Voltages in V, shape (S,).

        Parameters
        ----------
        inputs : prepared as those of the training, shape (S, D).
        space_groups : shape (S, G), 0 where not known.

        Raises
        ------
        DataError : a number that is no space group.
        """
        values, groups = _tensors(inputs, space_groups)
        self.network.eval()
        with one_thread():
            outputs = [
                self.network(*batch).double()
                for batch in zip(values.split(PREDICTION_BATCH), groups.split(PREDICTION_BATCH), strict=True)
            ]
        return self.mean_V + self.scale_V * torch.cat(outputs).numpy()


def train(
    inputs: np.ndarray,
    space_groups: np.ndarray,
    targets_V: np.ndarray,
    training_rows: np.ndarray,
    attention: Attention,
    schedule: MHASchedule,
    seed: int,
) -> TrainedMHAResNet:
    """Train one network on the given rows only, on one thread: the same seed gives the same bytes.

    Parameters
    ----------
    inputs : prepared by :class:`~ionsieve.composition.published_inputs.Preparation`, shape (S, D).
    space_groups : shape (S, G) with G 0, 1 or 2; 0 where not known.
    targets_V : shape (S,); those outside ``training_rows`` are never read.
    training_rows : indices of the rows to train on, including those that standardise the targets.
    seed : of the initial weights and of the order of the batches.

    Raises
    ------
    DataError : fewer than two training rows, a number that is no space group, or a diverged training.
    """
    rows = np.sort(training_rows)
    if len(rows) < 2:
        raise DataError(f"batch norm needs at least 2 training rows, and got {len(rows)}; add electrodes")
    mean_V, scale_V = float(targets_V[rows].mean()), float(targets_V[rows].std())
    scale_V = scale_V if scale_V > 0 else 1.0
    targets = torch.from_numpy((targets_V[rows] - mean_V) / scale_V).float()
    values, groups = _tensors(inputs[rows], space_groups[rows])
    with torch.random.fork_rng(devices=[]), one_thread():
        torch.manual_seed(seed)
        network = MHAResNet(inputs.shape[1], attention, space_groups.shape[1])
        _fit(network, values, groups, targets, schedule, scale_V, seed)
    return TrainedMHAResNet(network, mean_V, scale_V)


def _fit(
    network: MHAResNet,
    inputs: torch.Tensor,
    space_groups: torch.Tensor,
    targets: torch.Tensor,
    schedule: MHASchedule,
    scale_V: float,
    seed: int,
) -> None:
    order = np.random.default_rng(seed)
    loss_function = LOSSES[schedule.loss]
    # Batches of nearly equal size: batch norm cannot take a last one of a single row.
    steps_per_epoch = max(1, min(round(len(targets) / schedule.batch_size), len(targets) // 2))
    optimizer = torch.optim.AdamW(
        network.parameters(), lr=schedule.learning_rate, weight_decay=schedule.weight_decay
    )
    cycle = None
    if schedule.kind == "one_cycle":
        cycle = one_cycle(optimizer, schedule.learning_rate, steps_per_epoch * schedule.epochs)
    network.train()
    for epoch in tqdm(range(schedule.epochs), desc="epochs", disable=None):
        errors = 0.0
        for chunk in np.array_split(order.permutation(len(targets)), steps_per_epoch):
            outputs = network(inputs[chunk], space_groups[chunk])
            loss = loss_function(outputs, targets[chunk])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            if cycle is not None:
                cycle.step()
            errors += (outputs.detach() - targets[chunk]).abs().sum().item()
        if not np.isfinite(errors):
            raise DataError(
                f"the training of the MHA-ResNet diverged in epoch {epoch + 1}: its error is {errors}; lower"
                f" the learning rate ({schedule.learning_rate:g}), and look for absurd values in the inputs"
            )
        logger.info("epoch %d: training MAE %.4f V", epoch + 1, scale_V * errors / len(targets))


def _tensors(inputs: np.ndarray, space_groups: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
    groups = torch.from_numpy(np.ascontiguousarray(space_groups, dtype=np.int64))
    check_space_groups(groups)
    return torch.from_numpy(np.ascontiguousarray(inputs, dtype=np.float32)), groups
