"""Training of a network on pairs of formulas: one loop for all that read them.

As the voltage model's (:mod:`ionsieve.voltage.training`): AdamW on the mean absolute error, one cycle of the
learning rate, no early stopping, so that every training row serves and no held-out row is looked at.
"""

import logging
from collections.abc import Callable

import numpy as np
import torch
from torch import nn
from torch.nn import functional
from tqdm import tqdm

from ionsieve.voltage.devices import compute_device
from ionsieve.voltage.training import LARGEST_GRADIENT_NORM, WARM_UP_SHARE, Schedule

logger = logging.getLogger(__name__)


def fit(
    network: nn.Module,
    batch: Callable[[np.ndarray, torch.device], tuple[torch.Tensor, ...]],
    targets_V: np.ndarray,
    rows: np.ndarray,
    schedule: Schedule,
    seed: int,
) -> tuple[float, float]:
    """Train a network in place; it comes back on the processor, ready to predict.

    Parameters
    ----------
    network : its output is the scaled target, shape (B,).
    batch : the network's arguments for some rows, on a device.
    targets_V : shape (S,); only those of ``rows`` are read.
    rows : training rows.
    seed : of the order of the batches, and of dropout.

    Returns
    -------
    mean_V, scale_V : the network's output times ``scale_V`` plus ``mean_V`` is the target.
    """
    rows = np.sort(rows)
    mean_V = float(targets_V[rows].mean())
    scale_V = float(targets_V[rows].std()) or 1.0
    device = compute_device(schedule.device)
    network.to(device)
    scaled = torch.from_numpy((targets_V - mean_V) / scale_V).float().to(device)
    # Batches of nearly equal size: a small last one would upset batch norm.
    steps_per_epoch = max(1, round(len(rows) / schedule.batch_size))
    optimizer = torch.optim.AdamW(
        network.parameters(), lr=schedule.learning_rate, weight_decay=schedule.weight_decay
    )
    cycle = torch.optim.lr_scheduler.OneCycleLR(
        optimizer,
        max_lr=schedule.learning_rate,
        total_steps=steps_per_epoch * schedule.epochs,
        pct_start=WARM_UP_SHARE,
    )
    order = np.random.default_rng(seed)
    network.train()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for epoch in tqdm(range(schedule.epochs), desc="epochs", disable=None):
            losses = []
            for chunk in np.array_split(order.permutation(rows), steps_per_epoch):
                loss = functional.l1_loss(network(*batch(chunk, device)), scaled[chunk])
                optimizer.zero_grad()
                loss.backward()
                torch.nn.utils.clip_grad_norm_(network.parameters(), LARGEST_GRADIENT_NORM)
                optimizer.step()
                cycle.step()
                losses.append(loss.item())
            logger.info("epoch %d: training MAE %.4f V", epoch + 1, scale_V * float(np.mean(losses)))
    network.cpu().eval()
    return mean_V, scale_V
