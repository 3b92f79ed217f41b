"""What CHGNet says of an electrode, against its own relaxed voltages and closed forms."""

import numpy as np
import pandas as pd
import pytest

from ionsieve.errors import DataError
from ionsieve.structures import to_columns
from ionsieve.tables import ENERGY_FEATURES, to_arrow
from ionsieve.voltage.energy_features import describe_electrodes, tabulate


@pytest.fixture(scope="module")
def licoo2(request) -> pd.DataFrame:
    from pymatgen.core import Lattice, Structure

    layered = Structure.from_spacegroup(
        "R-3m",
        Lattice.hexagonal(2.83, 14.1),
        ["Li", "Co", "O"],
        [[0, 0, 0.5], [0, 0, 0], [0, 0, 0.2605]],
    ).get_primitive_structure()
    row = {"electrode_id": "e", "material_id": "m", "working_ion": "Li", **to_columns(layered)}
    return pd.DataFrame([row])


@pytest.fixture(scope="module")
def features(licoo2) -> pd.DataFrame:
    return describe_electrodes(licoo2)


def test_the_voltage_of_licoo2(features):
    """Both ends fully relaxed give 3.49 V with this potential; the host here relaxes by a few steps."""
    to_arrow(features, ENERGY_FEATURES)
    row = features.iloc[0]
    assert row["relaxed_voltage_V"] == pytest.approx(3.5, abs=0.15)
    assert row["relaxed_voltage_V"] < row["unrelaxed_voltage_V"]
    assert row["host_numbers"] == [27.0, 8.0, 8.0]
    assert 0.7 < row["volume_ratio"] < 1.2


def test_cobalt_gains_its_moment_when_lithium_leaves(features):
    """Co3+ is low-spin without a moment, Co4+ has one unpaired electron."""
    row = features.iloc[0]
    assert row["moments_discharged_muB"][0] < 0.3 < row["moments_host_muB"][0]


def test_columns_for_a_model_are_plain_finite_numbers_in_the_order_asked_for(features):
    electrodes = pd.DataFrame({"electrode_id": ["e", "none", "e"]})
    table = tabulate(features, electrodes)
    assert np.isfinite(table.to_numpy()).all()
    assert (table.iloc[1] == 0.0).all()
    pd.testing.assert_series_equal(table.iloc[0], table.iloc[2], check_names=False)
    assert table["energy_model_relaxed_voltage_V"].iloc[0] == pytest.approx(
        features["relaxed_voltage_V"].iloc[0], rel=1e-6
    )
    change = features["moments_host_muB"].iloc[0][0] - features["moments_discharged_muB"].iloc[0][0]
    assert table["energy_model_redox_moments_change_mean"].iloc[0] == pytest.approx(change, rel=1e-5)


def test_features_of_other_electrodes_are_refused(features):
    with pytest.raises(DataError, match="2 of 2 electrodes have no energy features"):
        tabulate(features, pd.DataFrame({"electrode_id": ["x", "y"]}))
