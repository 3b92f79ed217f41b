from dataclasses import replace

import pytest
import torch

from ionsieve.discharge.loss import LossWeights, Measured, Predicted, composition_smoothness, loss

ONE_COMPOSITION = torch.zeros(2, dtype=torch.int64)
PREDICTED = Predicted(
    capacity=torch.tensor([101.0, 97.0]),
    first_capacity=torch.tensor([110.0, 108.0]),
    slope=torch.tensor([-50.0, -48.0]),
    sensitivity=torch.tensor([6.0, 8.0]),
)
MEASURED = Measured(
    capacity=torch.tensor([100.0, 100.0]),
    first_capacity=torch.tensor([111.0, 105.0]),
    slope=torch.tensor([-51.0, -51.0]),
)


def value(weights: LossWeights, predicted: Predicted = PREDICTED, measured: Measured = MEASURED) -> float:
    return loss(predicted, measured, ONE_COMPOSITION, weights).item()


def test_the_weights_are_the_papers():
    assert LossWeights() == LossWeights(1.0, 1.0, 5.0, 1e-4, 1e-4)


def test_squares_of_capacity_and_slope_and_absolute_errors_of_the_first_capacity():
    assert value(LossWeights(1.0, 0.0, 0.0, 0.0, 0.0)) == pytest.approx((1.0 + 9.0) / 2.0)
    assert value(LossWeights(0.0, 1.0, 0.0, 0.0, 0.0)) == pytest.approx((1.0 + 9.0) / 2.0)
    assert value(LossWeights(0.0, 0.0, 1.0, 0.0, 0.0)) == pytest.approx((1.0 + 3.0) / 2.0)
    assert value(LossWeights(0.0, 0.0, 0.0, 0.0, 2.0)) == pytest.approx(2.0 * 10.0 / 2.0)
    assert value(LossWeights()) == pytest.approx(5.0 + 5.0 + 5.0 * 2.0 + 1e-4 * 5.0)


def test_rows_without_a_first_cycle_do_not_count_in_its_term():
    only_first = LossWeights(0.0, 0.0, 1.0, 0.0, 0.0)
    half = replace(MEASURED, first_capacity=torch.tensor([torch.nan, 105.0]))
    assert value(only_first, measured=half) == pytest.approx(3.0)
    none = replace(MEASURED, first_capacity=torch.full((2,), torch.nan))
    assert value(only_first, measured=none) == 0.0


def test_smoothness_is_the_mean_over_rows_of_each_compositions_gradient():
    """Q_b = b c_0 + 3 c_1 for the two rows of one composition, 5 c_2 for the one of another."""
    amounts = torch.tensor([0.2, 0.3, 0.4], requires_grad=True)
    capacities = torch.stack(
        [amounts[0] + 3.0 * amounts[1], 3.0 * amounts[0] + 3.0 * amounts[1], 5.0 * amounts[2]]
    )
    (sensitivity,) = torch.autograd.grad(capacities.sum(), amounts)
    smoothness = composition_smoothness(sensitivity, torch.tensor([0, 0, 1]), n_rows=3)
    assert smoothness.item() == pytest.approx((2.0 * 13.0**0.5 + 5.0) / 3.0)


def test_a_network_that_ignores_the_amounts_can_still_be_differentiated():
    sensitivity = torch.zeros(2, requires_grad=True)
    composition_smoothness(sensitivity, ONE_COMPOSITION, n_rows=2).backward()
    assert torch.isfinite(sensitivity.grad).all()
