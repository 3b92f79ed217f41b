import numpy as np
import pandas as pd
import pytest
from sklearn.decomposition import PCA

from ionsieve.composition.formulas import pair_of
from ionsieve.composition.pairs import Pairs
from ionsieve.composition.published_inputs import (
    CRYSTAL_SYSTEMS,
    Preparation,
    crystal_systems,
    element_amounts,
    working_ion,
)
from ionsieve.errors import DataError

KINDS = pytest.mark.parametrize("kind", ["published", "corrected"])


@pytest.fixture
def pairs() -> Pairs:
    return Pairs.of(
        [
            pair_of("Li2Co3(P2O7)2", "Li", "Co3(P2O7)2"),
            pair_of("MgMn2O4", "Mg"),
            pair_of("Li2CoO2", "Li", "LiCoO2"),
        ]
    )


@pytest.fixture
def table() -> pd.DataFrame:
    """40 rows of correlated columns, one of large numbers, one that never varies."""
    random = np.random.default_rng(0)
    hidden = random.normal(size=(40, 3))
    columns = hidden @ random.normal(size=(3, 8)) + 0.1 * random.normal(size=(40, 8))
    table = pd.DataFrame(columns, columns=[f"share_{i}" for i in range(8)])
    return table.assign(energy_grav=500.0 * random.normal(size=40), constant=1.0)


def test_amounts_are_shares_of_all_atoms_of_a_formula(pairs):
    """Parentheses count: Co3(P2O7)2 is Co3P4O14, 21 atoms."""
    amounts = element_amounts(pairs)
    assert amounts.shape == (3, 236)
    assert list(amounts.columns[[0, 117, 118, 235]]) == [
        "charged_H",
        "charged_Og",
        "discharged_H",
        "discharged_Og",
    ]
    phosphate = amounts.iloc[0]
    charged = {"charged_Co": 3 / 21, "charged_P": 4 / 21, "charged_O": 14 / 21}
    discharged = {
        "discharged_Li": 2 / 23,
        "discharged_Co": 3 / 23,
        "discharged_P": 4 / 23,
        "discharged_O": 14 / 23,
    }
    assert phosphate[phosphate > 0].to_dict() == pytest.approx({**charged, **discharged})
    assert amounts.iloc[1]["charged_Mg"] == 0.0
    # An ion that stays when charged is in the charged formula.
    assert amounts.iloc[2]["charged_Li"] == pytest.approx(1 / 4)
    assert amounts.iloc[2]["discharged_Li"] == pytest.approx(2 / 5)


def test_the_working_ion_is_one_of_ten(pairs):
    ions = working_ion(pairs)
    assert ions.shape == (3, 10)
    assert ions.idxmax(axis=1).tolist() == ["ion_Li", "ion_Mg", "ion_Li"]
    assert (ions.sum(axis=1) == 1.0).all()


def test_an_unknown_crystal_system_is_all_zeros():
    systems = crystal_systems(["Cubic", None, "trigonal"], ["Monoclinic", np.nan, ""])
    assert systems.shape == (3, 2 * len(CRYSTAL_SYSTEMS))
    set_columns = [systems.columns[row > 0].tolist() for row in systems.to_numpy()]
    assert set_columns == [
        ["charged_system_cubic", "discharged_system_monoclinic"],
        [],
        ["charged_system_trigonal"],
    ]


def test_a_crystal_system_that_does_not_exist_is_named():
    with pytest.raises(DataError, match="'rhombic' is no crystal system; known: triclinic"):
        crystal_systems(["rhombic"], ["cubic"])


@KINDS
def test_components_are_those_of_a_calculation_by_hand(kind, table):
    training = np.arange(30)
    values = table.to_numpy()
    if kind == "corrected":
        scales = values[training].std(axis=0)
        values = (values - values[training].mean(axis=0)) / np.where(scales > 0, scales, 1.0)
    centred = values - values[training].mean(axis=0)
    _, singular, directions = np.linalg.svd(centred[training], full_matrices=False)
    shares = np.cumsum(singular**2) / np.sum(singular**2)
    kept = int(np.argmax(shares > 0.99)) + 1
    components = centred @ directions[:kept].T
    low, high = components[training].min(axis=0), components[training].max(axis=0)
    expected = (components - low) / (high - low)

    preparation = Preparation.fit(table, training, kind)
    prepared = preparation.transform(table)
    assert preparation.n_components == kept == prepared.shape[1]
    # A component's sign is free.
    for column in range(kept):
        mirrored = (high - components)[:, column] / (high - low)[column]
        assert np.allclose(prepared[:, column], expected[:, column]) or np.allclose(
            prepared[:, column], mirrored
        )


def test_without_scaling_the_column_of_large_numbers_is_all_that_is_kept(table):
    """How energy_grav became the first component of the paper's inputs."""
    training = np.arange(30)
    published = Preparation.fit(table, training, "published")
    corrected = Preparation.fit(table, training, "corrected")
    assert published.n_components == 1
    assert abs(np.corrcoef(published.transform(table)[:, 0], table["energy_grav"])[0, 1]) > 0.999
    assert corrected.n_components > 3
    assert isinstance(corrected.steps["pca"], PCA)


@KINDS
def test_training_rows_fill_the_range_from_0_to_1(kind, table):
    training = np.arange(5, 35)
    prepared = Preparation.fit(table, training, kind).transform(table)[training]
    assert prepared.min(axis=0) == pytest.approx(0.0)
    assert prepared.max(axis=0) == pytest.approx(1.0)


@KINDS
def test_held_out_rows_change_nothing(kind, table):
    training = np.arange(0, 40, 2)
    absurd = table.copy()
    absurd.iloc[1::2] = 1e9
    absurd.iloc[1] = np.nan
    prepared = [Preparation.fit(rows, training, kind).transform(table) for rows in (table, absurd)]
    assert np.array_equal(*prepared)


def test_columns_are_found_by_name(table):
    preparation = Preparation.fit(table, np.arange(30), "corrected")
    shuffled = table[sorted(table.columns, reverse=True)].assign(another=np.nan)
    assert np.array_equal(preparation.transform(shuffled), preparation.transform(table))
    with pytest.raises(DataError, match="needed and missing: energy_grav"):
        preparation.transform(table.drop(columns="energy_grav"))


def test_empty_cells_are_named(table):
    preparation = Preparation.fit(table, np.arange(30), "corrected")
    with pytest.raises(DataError, match="empty or infinite cells in share_2"):
        preparation.transform(table.assign(share_2=np.nan))
    with pytest.raises(DataError, match="empty or infinite cells in energy_grav"):
        Preparation.fit(table.assign(energy_grav=np.inf), np.arange(30), "published")
