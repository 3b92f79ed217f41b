"""Training of a network on pairs of formulas: the voltage model's loop, for all that read them."""

from collections.abc import Callable

import numpy as np
import torch
from torch import nn

from ionsieve.voltage import training


def fit(
    network: nn.Module,
    batch: Callable[[np.ndarray, torch.device], tuple[torch.Tensor, ...]],
    targets_V: np.ndarray,
    rows: np.ndarray,
    schedule: training.Schedule,
    seed: int,
) -> tuple[float, float]:
    """As :func:`ionsieve.voltage.training.fit`, with dropout drawn from the seed too."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return training.fit(network, batch, targets_V, rows, schedule, seed)
