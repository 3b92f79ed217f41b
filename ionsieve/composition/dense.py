"""A deep dense network on tabular inputs: the DNN of table S2."""

import numpy as np
import torch
from torch import nn

from ionsieve.composition.classical import scaler
from ionsieve.composition.network_training import fit
from ionsieve.voltage.training import Schedule

HIDDEN_LAYERS = (512, 256, 128, 64)
DROPOUT = 0.2
SCHEDULE = Schedule(epochs=60, batch_size=64, learning_rate=2e-3, weight_decay=1e-2)


class DenseNetwork(nn.Module):
    """Four hidden layers, each with batch norm and dropout; the output is the scaled voltage."""

    def __init__(self, n_inputs: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for width_before, width in zip((n_inputs, *HIDDEN_LAYERS), HIDDEN_LAYERS, strict=False):
            layers += [nn.Linear(width_before, width), nn.BatchNorm1d(width), nn.SiLU(), nn.Dropout(DROPOUT)]
        self.layers = nn.Sequential(*layers, nn.Linear(HIDDEN_LAYERS[-1], 1))

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Scaled voltages, shape (B,), of standardised inputs, shape (B, D)."""
        return self.layers(inputs).squeeze(1)


def predict(
    inputs: np.ndarray,
    targets_V: np.ndarray,
    training_rows: np.ndarray,
    held_out_rows: np.ndarray,
    seed: int,
    schedule: Schedule = SCHEDULE,
) -> np.ndarray:
    """Volts of the held-out rows by a network trained on the training rows, which also give its scales.

    Parameters
    ----------
    inputs : raw columns, shape (S, D).
    targets_V : in V, shape (S,); those outside ``training_rows`` are never read.
    seed : of the initial weights, of dropout and of the order of the batches.
    """
    scale = scaler().fit(inputs[training_rows])
    columns = torch.from_numpy(scale.transform(inputs)).float()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = DenseNetwork(inputs.shape[1])

    def batch(rows: np.ndarray, device: torch.device) -> tuple[torch.Tensor, ...]:
        return (columns[rows].to(device),)

    mean_V, scale_V = fit(network, batch, targets_V, training_rows, schedule, seed)
    with torch.no_grad():
        return network(columns[held_out_rows]).double().numpy() * scale_V + mean_V
