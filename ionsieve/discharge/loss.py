"""The loss of the DRXNet paper, its equation 12.

    L = w_Q MSE(Q_N) + w_dQ MSE(dQ_N/dV) + w_Q1 MAE(Q_1) + R,     R = w_R (|theta|^2 / 2 + S)

with capacities in mAh/g and S the smoothness ``|dQ/dc|``. ``Q_1`` is the prediction for the first cycle,
which the network makes for every row on the way to cycle N.

What the paper leaves open is read so:

* ``|theta|^2 / 2`` is over all parameters. It is left to the optimiser: its derivative is what Adam's (not
  AdamW's) ``weight_decay`` adds, as the released training does.
* ``c`` is the vector of amounts of a composition's cations, as the network reads them (half the amounts per
  formula; per two anions where amounts are normalised). The released code takes one norm over all rows of a
  batch, so that its weight grows with the root of the batch. Here S is the mean over rows of ``|dQ/dc|``, Q
  being the mean capacity of the row's composition in the batch: independent of the batch's size, and cheap,
  since a composition that many rows share is passed back once. Beside capacities of some hundred mAh/g it
  weighs little.
"""

from dataclasses import dataclass

import torch

# Keeps the derivative of a norm of zero finite, in (mAh/g)^2.
_SMALLEST_SQUARE = 1e-12


@dataclass(frozen=True)
class LossWeights:
    """Weights of equation 12, the paper's, which has one for both terms of R."""

    capacity: float = 1.0
    slope: float = 1.0
    first_capacity: float = 5.0
    parameters: float = 1e-4
    smoothness: float = 1e-4


@dataclass(frozen=True)
class Predicted:
    """What a network says of B rows, with the graph that made it.

    Attributes
    ----------
    capacity, first_capacity : mAh/g, shape (B,).
    slope : dQ/dV in mAh/g/V, shape (B,).
    sensitivity : derivative of the batch's summed capacity by each cation's amount, shape (N,); None: no
        smoothness term.
    """

    capacity: torch.Tensor
    first_capacity: torch.Tensor
    slope: torch.Tensor
    sensitivity: torch.Tensor | None


@dataclass(frozen=True)
class Measured:
    """The same as measured; the first capacity is NaN where cycle 1 is not known."""

    capacity: torch.Tensor
    first_capacity: torch.Tensor
    slope: torch.Tensor


def loss(
    predicted: Predicted, measured: Measured, composition_of_node: torch.Tensor, weights: LossWeights
) -> torch.Tensor:
    """Equation 12 without the parameters' term; a scalar.

    Rows without a first capacity do not count in its term, and a batch of such rows alone has none.

    Parameters
    ----------
    composition_of_node : to which composition each entry of ``sensitivity`` belongs, from 0, shape (N,).
    """
    total = weights.capacity * (predicted.capacity - measured.capacity).square().mean()
    total = total + weights.slope * (predicted.slope - measured.slope).square().mean()
    known = torch.isfinite(measured.first_capacity)
    if known.any():
        errors = predicted.first_capacity[known] - measured.first_capacity[known]
        total = total + weights.first_capacity * errors.abs().mean()
    if predicted.sensitivity is not None:
        n_rows = len(predicted.capacity)
        smoothness = composition_smoothness(predicted.sensitivity, composition_of_node, n_rows)
        total = total + weights.smoothness * smoothness
    return total


def composition_smoothness(
    sensitivity: torch.Tensor, composition_of_node: torch.Tensor, n_rows: int
) -> torch.Tensor:
    """Mean over rows of |dQ/dc|, in mAh/g per unit of amount; a scalar.

    A composition with n rows has the sensitivity n d(mean Q)/dc, so the sum of norms over compositions,
    divided by the number of all rows, weighs each by its rows.
    """
    n_compositions = int(composition_of_node.max()) + 1
    squares = sensitivity.new_zeros(n_compositions).index_add(0, composition_of_node, sensitivity.square())
    return (squares + _SMALLEST_SQUARE).sqrt().sum() / n_rows
