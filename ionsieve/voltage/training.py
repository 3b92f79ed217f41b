"""Training of networks: a plain loop over index-based batches, and the ensemble's member with it.

AdamW on the mean absolute error, one cycle of the learning rate (Smith and Topin, 2018). There is no
early stopping and no selection of an epoch: the schedule ends at a learning rate of zero, so that every
training row serves and no held-out row is looked at.
"""

import logging
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional
from tqdm import tqdm

from ionsieve.voltage.batching import GraphBatcher
from ionsieve.voltage.boosting import train_trees
from ionsieve.voltage.devices import compute_device
from ionsieve.voltage.graphs import Graphs
from ionsieve.voltage.members import Architecture, Member
from ionsieve.voltage.model import Batch

logger = logging.getLogger(__name__)

WARM_UP_SHARE = 0.2
LARGEST_GRADIENT_NORM = 5.0


@dataclass(frozen=True)
class Schedule:
    """How a member is trained; see the section ``voltage`` of the configuration.

    ``device`` is auto, cpu or cuda, and no part of what the model is.
    """

    epochs: int
    batch_size: int
    learning_rate: float
    weight_decay: float
    device: str = "auto"

    def to_dict(self) -> dict[str, float]:
        """Plain numbers for the model card."""
        return {name: value for name, value in asdict(self).items() if name != "device"}


def train_member(
    graphs: Graphs,
    voltages_V: np.ndarray,
    training_rows: np.ndarray,
    architecture: Architecture,
    schedule: Schedule,
    seed: int,
    descriptors: np.ndarray | None = None,
) -> Member:
    """Train one network on the given crystals only.

    Parameters
    ----------
    graphs : graphs of S crystals.
    voltages_V : their voltages in V, shape (S,); those outside ``training_rows`` are never read.
    training_rows : indices of the crystals to train on, including those that fit the normaliser.
    seed : of the initial weights, of dropout and of the order of the batches.
    descriptors : shape (S, D), for the pooling "context".
    """
    rows = np.sort(training_rows)
    batcher = GraphBatcher(graphs, descriptors)

    def batch(chunk: np.ndarray, device: torch.device) -> tuple[Batch]:
        return (batcher.batch(chunk).to(device),)

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = architecture.network()
        if descriptors is not None:
            network.normalize_descriptors(descriptors[rows])
        mean_V, scale_V = fit(network, batch, voltages_V, rows, schedule, seed)
    return Member(network, architecture, mean_V, scale_V, frozenset(graphs.elements_of(rows)))


def train_ionsieve(
    graphs: Graphs,
    voltages_V: np.ndarray,
    training_rows: np.ndarray,
    architecture: Architecture,
    schedule: Schedule,
    seed: int,
    descriptors: np.ndarray | None,
) -> Member:
    """Train the network that reads its ions in context, and trees beside it; see :func:`train_member`."""
    if descriptors is None:
        raise ValueError("this model reads descriptors, and got none")
    in_context = replace(architecture, pooling="context", n_descriptors=descriptors.shape[1])
    member = train_member(graphs, voltages_V, training_rows, in_context, schedule, seed, descriptors)
    rows = np.sort(training_rows)
    return replace(member, trees=train_trees(descriptors[rows], voltages_V[rows], seed))


def fit(
    network: nn.Module,
    batch: Callable[[np.ndarray, torch.device], tuple[Any, ...]],
    targets_V: np.ndarray,
    rows: np.ndarray,
    schedule: Schedule,
    seed: int,
) -> tuple[float, float]:
    """Train a network in place; it comes back on the processor, ready to predict.

    Parameters
    ----------
    network : its output is the scaled target, shape (B,); what it draws, as dropout does, the caller seeds.
    batch : the network's arguments for some rows, on a device.
    targets_V : shape (S,); only those of ``rows`` are read.
    rows : training rows.
    seed : of the order of the batches.

    Returns
    -------
    mean_V, scale_V : the network's output times ``scale_V`` plus ``mean_V`` is the target.
    """
    rows = np.sort(rows)
    mean_V, scale_V = float(targets_V[rows].mean()), float(targets_V[rows].std()) or 1.0
    device = compute_device(schedule.device)
    network.to(device)
    targets = torch.from_numpy((targets_V - mean_V) / scale_V).float().to(device)
    order = np.random.default_rng(seed)
    # Batches of nearly equal size: a small last one would upset batch norm.
    steps_per_epoch = max(1, round(len(rows) / schedule.batch_size))
    optimizer = torch.optim.AdamW(
        network.parameters(), lr=schedule.learning_rate, weight_decay=schedule.weight_decay
    )
    cycle = one_cycle(optimizer, schedule.learning_rate, steps_per_epoch * schedule.epochs)
    network.train()
    for epoch in tqdm(range(schedule.epochs), desc="epochs", disable=None):
        losses = []
        for chunk in np.array_split(order.permutation(rows), steps_per_epoch):
            loss = functional.l1_loss(network(*batch(chunk, device)), targets[chunk])
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), LARGEST_GRADIENT_NORM)
            optimizer.step()
            cycle.step()
            losses.append(loss.item())
        logger.info("epoch %d: training MAE %.4f V", epoch + 1, scale_V * float(np.mean(losses)))
    network.cpu().eval()
    return mean_V, scale_V


def one_cycle(
    optimizer: torch.optim.Optimizer, learning_rate: float, total_steps: int
) -> torch.optim.lr_scheduler.OneCycleLR:
    """The rate rises to ``learning_rate`` in the first fifth of the steps and falls to zero."""
    # torch divides by zero where the rise ends with the first step.
    share = 2 * WARM_UP_SHARE if WARM_UP_SHARE * total_steps == 1.0 else WARM_UP_SHARE
    return torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=learning_rate, total_steps=total_steps, pct_start=share
    )
