"""Voltage steps: order, contents, and what is not told."""

import pytest

from ionsieve.data.steps import voltage_steps

# K0-2-3 CrF6 as the Materials Project has it: 7 host atoms.
K2CRF6 = {"average_voltage": 5.763, "fracA_charge": 0.0, "fracA_discharge": 2 / 9}
K3CRF6 = {"average_voltage": 4.892, "fracA_charge": 2 / 9, "fracA_discharge": 3 / 10}


@pytest.mark.parametrize("pairs", [[K2CRF6, K3CRF6], [K3CRF6, K2CRF6]])
def test_steps_run_from_charged_to_discharged_whatever_their_order(pairs):
    voltage_V, contents = voltage_steps(pairs)
    assert voltage_V == [5.763, 4.892]
    assert contents == pytest.approx([0.0, 2 / 3, 1.0])


def test_content_that_stays_when_charged_is_the_first_content():
    _, contents = voltage_steps([K3CRF6])
    assert contents == pytest.approx([2 / 3, 1.0])


@pytest.mark.parametrize(
    "pairs",
    [
        [],
        [{"average_voltage": 1.0}],
        [{**K2CRF6, "average_voltage": None}],
        [{**K2CRF6, "fracA_discharge": 1.0}],
        [K2CRF6, {**K3CRF6, "fracA_charge": 0.25}],
        [{**K2CRF6, "fracA_discharge": 0.0}],
    ],
)
def test_incomplete_or_broken_steps_are_none(pairs):
    assert voltage_steps(pairs) == ([], [])
