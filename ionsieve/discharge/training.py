"""Training of one member of the ensemble, on one thread, resumable after each epoch.

The paper's schedule: Adam at 1e-3, batches of 1,024 points, 30 epochs, and a decay of 0.9, taken to multiply
the learning rate after each epoch (as the released training does; 0.9 a batch would end learning within the
first epoch). Members of an ensemble differ by their seed alone: initial weights and the order of the points.

The order of an epoch follows from the seed and the epoch's number, so that a resumed training reads the same
batches as one that was never stopped, and gives the same bytes.
"""

import hashlib
import json
import logging
import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from ionsieve.discharge.loss import LossWeights, Measured, Predicted, loss
from ionsieve.discharge.network import Compositions, Discharge, Settings
from ionsieve.discharge.points import CONDITIONS, Points
from ionsieve.errors import DataError
from ionsieve.voltage.devices import one_thread
from ionsieve.voltage.state_files import load_state, save_state

logger = logging.getLogger(__name__)

CHECKPOINT = "ionsieve discharge checkpoint 1"
# Small data sets are read in batches of a twentieth, but of no fewer points than these.
LEAST_BATCHES = 20
SMALLEST_BATCH = 50
# Points per pass where no gradient is needed but that by the voltage.
PREDICTION_BATCH = 8192


@dataclass(frozen=True)
class Schedule:
    """How a member is trained; the defaults are the paper's.

    Attributes
    ----------
    decay : factor of the learning rate after each epoch.
    weights : of the loss.
    """

    epochs: int = 30
    batch_size: int = 1024
    learning_rate: float = 1e-3
    decay: float = 0.9
    weights: LossWeights = field(default_factory=LossWeights)

    def __post_init__(self) -> None:
        """Check the bounds.

        Raises
        ------
        DataError : a number out of range.
        """
        allowed = {
            "epochs": self.epochs >= 1,
            "batch_size": self.batch_size >= 2,
            "learning_rate": self.learning_rate > 0,
            "decay": 0 < self.decay <= 1,
        }
        if wrong := [f"{name} {getattr(self, name)}" for name, fits in allowed.items() if not fits]:
            raise DataError(
                f"a schedule cannot have {', '.join(wrong)}; epochs are at least 1, batch_size at least 2,"
                " learning_rate positive, decay within 0 and 1"
            )

    def for_points(self, n_points: int, least_steps: int) -> "Schedule":
        """The schedule for so many points.

        The paper's is for a million of them. A thousand would be one batch, thirty steps in all, after which
        ten cycles of one cell still look alike (mean error 18 mAh/g; 1 mAh/g after 1,000 steps). Small data
        sets are therefore read in at least :data:`LEAST_BATCHES` batches, as far as batches stay above
        :data:`SMALLEST_BATCH` points, and in as many epochs as give ``least_steps`` steps of the optimiser;
        the learning rate falls as far in all.
        """
        batch_size = min(self.batch_size, max(SMALLEST_BATCH, n_points // LEAST_BATCHES))
        steps_per_epoch = max(1, round(n_points / batch_size))
        epochs = max(self.epochs, math.ceil(least_steps / steps_per_epoch))
        return replace(self, batch_size=batch_size, epochs=epochs, decay=self.decay ** (self.epochs / epochs))

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers for the model card."""
        return asdict(self)


@dataclass(frozen=True)
class Member:
    """A trained network.

    Attributes
    ----------
    network : its weights, ready to predict.
    seed : of its training.
    epoch_losses : mean loss of the batches of each epoch.
    """

    network: Discharge
    seed: int
    epoch_losses: tuple[float, ...]


def train_member(
    points: Points,
    settings: Settings,
    schedule: Schedule,
    seed: int,
    checkpoint: Path | None = None,
) -> Member:
    """Train one network on all given points.

    Parameters
    ----------
    seed : of the initial weights and of the order of the points.
    checkpoint : written after each epoch; one that is there, of the same points, settings, seed and schedule
        (but for the number of epochs), is gone on from. Any other is overwritten.

    Raises
    ------
    DataError : fewer than two points, or a loss that is not finite.
    FormulaError : a composition that the network cannot read.
    """
    if len(points) < 2:
        raise DataError(f"a network of discharge curves needs at least 2 points, and got {len(points)}")
    with torch.random.fork_rng(devices=[]), one_thread():
        torch.manual_seed(seed)
        network = Discharge(settings)
        return _fit(network, points, schedule, seed, checkpoint)


def _fit(
    network: Discharge, points: Points, schedule: Schedule, seed: int, checkpoint: Path | None
) -> Member:
    optimizer = adam(network, schedule)
    decay = torch.optim.lr_scheduler.ExponentialLR(optimizer, schedule.decay)
    origin = _fingerprint(points, network.settings, schedule, seed) if checkpoint else ""
    losses: list[float] = []
    if checkpoint and (state := _resumable(checkpoint, origin, schedule.epochs)):
        network.load_state_dict(state["network"])
        optimizer.load_state_dict(state["optimizer"])
        decay.load_state_dict(state["decay"])
        losses = list(state["losses"])
        logger.info("going on after epoch %d of %d from %s", len(losses), schedule.epochs, checkpoint)
    batcher = Batcher(points, network.settings)
    network.train()
    epochs = range(len(losses), schedule.epochs)
    for epoch in tqdm(epochs, desc="epochs", disable=None, initial=len(losses), total=schedule.epochs):
        batches = batches_of_epoch(len(points), schedule, seed, epoch)
        total = sum(
            train_batch(network, optimizer, batcher, rows, schedule.weights, epoch) for rows in batches
        )
        decay.step()
        losses.append(total / len(batches))
        logger.info("epoch %d: loss %.3f", epoch + 1, losses[-1])
        if checkpoint:
            state = {
                "origin": origin,
                "network": dict(network.state_dict()),
                "optimizer": optimizer.state_dict(),
                "decay": decay.state_dict(),
                "losses": losses,
            }
            save_state(checkpoint, CHECKPOINT, state)
    network.eval()
    return Member(network, seed, tuple(losses))


def adam(network: Discharge, schedule: Schedule) -> torch.optim.Adam:
    """The optimiser; fused, since a step of 150 small tensors is a fifth of the time of a batch otherwise."""
    return torch.optim.Adam(
        network.parameters(),
        lr=schedule.learning_rate,
        weight_decay=schedule.weights.parameters,
        fused=True,
    )


def batches_of_epoch(n_points: int, schedule: Schedule, seed: int, epoch: int) -> list[np.ndarray]:
    """Rows of each batch: all points once, in an order that follows from the seed and the epoch.

    Batches are of nearly equal size: batch norm cannot take a last one of a single row.
    """
    n_batches = max(1, min(round(n_points / schedule.batch_size), n_points // 2))
    return np.array_split(np.random.default_rng([seed, epoch]).permutation(n_points), n_batches)


def train_batch(
    network: Discharge,
    optimizer: torch.optim.Optimizer,
    batcher: "Batcher",
    rows: np.ndarray,
    weights: LossWeights,
    epoch: int = 0,
) -> float:
    """One step of the optimiser; gives the loss before it.

    Raises
    ------
    DataError : the loss is not finite; the network is left as it was.
    """
    compositions, conditions, measured = batcher.batch(rows)
    value = loss(
        predict_with_graph(network, compositions, conditions, weights.smoothness > 0),
        measured,
        compositions.composition_of_node,
        weights,
    )
    number = value.item()
    if not np.isfinite(number):
        raise DataError(
            f"the training of the discharge network diverged in epoch {epoch + 1}: its loss is {number};"
            f" lower the learning rate ({optimizer.param_groups[0]['lr']:.3g}), and look for absurd rates,"
            " capacities or slopes among the points"
        )
    optimizer.zero_grad()
    value.backward()
    optimizer.step()
    return number


def predict_with_graph(
    network: Discharge, compositions: Compositions, conditions: tuple[torch.Tensor, ...], smoothness: bool
) -> Predicted:
    """Capacities and slope of a batch, and the sensitivity to its compositions, all differentiable once more.

    Both derivatives come from one pass back.
    """
    *others, voltage_V = conditions
    voltage_V = voltage_V.detach().requires_grad_()
    by = [voltage_V]
    if smoothness:
        compositions.weights.requires_grad_()
        by.append(compositions.weights)
    capacity, first_capacity = network(compositions, *others, voltage_V)
    slope, *sensitivity = torch.autograd.grad(capacity.sum(), by, create_graph=True)
    return Predicted(capacity, first_capacity, slope, sensitivity[0] if smoothness else None)


class Batcher:
    """Batches of points as tensors, each with the compositions that occur in it and no others."""

    def __init__(self, points: Points, settings: Settings) -> None:
        self._composition_of_row = torch.from_numpy(points.composition_of_row)
        self._conditions = tuple(torch.from_numpy(getattr(points, name)) for name in CONDITIONS)
        self._measured = tuple(
            torch.from_numpy(values)
            for values in (
                points.capacity_mAh_per_g,
                points.first_capacity_mAh_per_g,
                points.dq_dv_mAh_per_g_per_V,
            )
        )
        self._compositions = Compositions.of(points.compositions, settings)

    def batch(self, rows: np.ndarray) -> tuple[Compositions, tuple[torch.Tensor, ...], Measured]:
        """Compositions, the network's further arguments in their order, and what was measured."""
        places = torch.from_numpy(rows)
        occurring, composition_of_row = torch.unique(self._composition_of_row[places], return_inverse=True)
        conditions = (composition_of_row, *(values[places] for values in self._conditions))
        return (
            compositions_at(self._compositions, occurring),
            conditions,
            Measured(*(values[places] for values in self._measured)),
        )


def compositions_at(compositions: Compositions, places: torch.Tensor) -> Compositions:
    """Some of the compositions, ``places`` ascending, each once; a copy."""
    chosen = torch.zeros(len(compositions), dtype=torch.bool)
    chosen[places.long()] = True
    node = chosen[compositions.composition_of_node]
    pair = node[compositions.receivers]
    new_node, new_composition = torch.cumsum(node, 0) - 1, torch.cumsum(chosen, 0) - 1
    return Compositions(
        compositions.vectors[node],
        compositions.weights[node],
        compositions.fluorine_share[chosen],
        new_composition[compositions.composition_of_node[node]],
        new_node[compositions.receivers[pair]],
        new_node[compositions.senders[pair]],
    )


def predict_points(network: Discharge, points: Points) -> np.ndarray:
    """Capacities in mAh/g of all points, float32, shape (P,); constant memory beside them."""
    batcher = Batcher(points, network.settings)
    network.eval()
    result = np.empty(len(points), dtype=np.float32)
    with torch.no_grad(), one_thread():
        for rows in _chunks(len(points), PREDICTION_BATCH):
            compositions, conditions, _ = batcher.batch(rows)
            result[rows] = network(compositions, *conditions)[0].numpy()
    return result


def _chunks(n_rows: int, size: int) -> Iterator[np.ndarray]:
    for start in range(0, n_rows, size):
        yield np.arange(start, min(start + size, n_rows))


def _fingerprint(points: Points, settings: Settings, schedule: Schedule, seed: int) -> str:
    """What a checkpoint must share with a training to be gone on from."""
    plain = {"settings": asdict(settings), "schedule": {**schedule.to_dict(), "epochs": None}, "seed": seed}
    sha = hashlib.sha256(json.dumps([plain, points.compositions], sort_keys=True).encode())
    for values in vars(points).values():
        if isinstance(values, np.ndarray):
            sha.update(values.tobytes())
    return sha.hexdigest()


def _resumable(checkpoint: Path, origin: str, epochs: int) -> dict[str, Any] | None:
    if not checkpoint.exists():
        return None
    try:
        state = load_state(checkpoint, CHECKPOINT)
    except DataError as error:
        logger.warning("starting anew: %s", error)
        return None
    if state["origin"] != origin or len(state["losses"]) > epochs:
        logger.warning("starting anew: %s is of other points, settings or schedule", checkpoint)
        return None
    return state
