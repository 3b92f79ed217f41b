"""Boosted trees on formulas of real electrodes, where the data are at hand."""

import numpy as np
import pandas as pd
import pytest

from ionsieve.composition.benchmark import run
from ionsieve.composition.blocks import BLOCKS, Electrodes, Known, columns_of
from ionsieve.composition.leakage_audit import trivial_check
from ionsieve.composition.pairs import Pairs
from ionsieve.data.calculated import KEY, checked

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def real_electrodes(real_electrode_rows) -> Electrodes:
    table = pd.DataFrame(real_electrode_rows)
    calculated = pd.DataFrame([checked(row[KEY])[0] for row in real_electrode_rows])
    return Electrodes(Pairs.from_electrodes(table), table, calculated)


@pytest.mark.parametrize(
    ("protocol", "most_V"), [pytest.param("framework", 0.40, marks=pytest.mark.long), ("random", 0.34)]
)
def test_trees_on_formulas_keep_to_the_error_that_was_measured(real_electrodes, protocol, most_V):
    held_out, audits = run(real_electrodes, "ionsieve", protocol, 5, 3, 0)
    assert np.abs(held_out["predicted_voltage_V"] - held_out["voltage_V"]).mean() <= most_V
    assert max(max(fold["largest_r2_of_columns_with_the_answer"].values()) for fold in audits) < 0.9


def test_energy_over_capacity_is_the_voltage_of_real_electrodes(real_electrodes):
    found = trivial_check(real_electrodes)
    assert found["count"] == len(real_electrodes.table) == 3852
    assert found["largest_error_V"] < 1e-6


def test_the_gravimetric_energy_takes_a_good_part_of_the_error_away(real_electrodes):
    """Trees must learn the division by the capacity; a third of the error goes all the same."""
    maes_V = []
    for name in ("with_energy_grav", "ionsieve"):
        held_out, _ = run(real_electrodes, name, "random", 5, 1, 0)
        maes_V.append(np.abs(held_out["predicted_voltage_V"] - held_out["voltage_V"]).mean())
    assert maes_V[0] < 0.8 * maes_V[1]


def test_formulas_capacity_is_the_stated_one(real_electrodes):
    """The Battery Explorer's refers to the discharged formula too."""
    ours = columns_of(real_electrodes, ["capacity_grav"])["capacity_grav_mAh_per_g"]
    stated = real_electrodes.calculated["capacity_grav_mAh_per_g"].astype(float)
    assert (np.abs(ours / stated - 1.0) < 1e-2).mean() > 0.99


def test_real_honest_columns_are_finite(real_electrodes):
    honest = [name for name, block in BLOCKS.items() if block.known is Known.FORMULAS]
    assert np.isfinite(columns_of(real_electrodes, honest).to_numpy(dtype=float)).all()
