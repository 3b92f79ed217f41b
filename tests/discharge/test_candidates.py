"""The screening hook: only rocksalt compositions of lithium that the model knows get a capacity."""

import pandas as pd
import pytest
import torch

from ionsieve.composition.formulas import FormulaError
from ionsieve.discharge.candidates import DISCHARGE_CANDIDATES, discharge_candidates, rocksalt
from ionsieve.discharge.ensemble import Ensemble, TrainingRanges
from ionsieve.discharge.network import IONSIEVE, Discharge
from ionsieve.tables import to_arrow

RANGES = TrainingRanges(
    elements=("Li", "Mn", "Ti", "O", "F"),
    cations_per_anion=(1.0, 1.0),
    lithium_share=(0.5, 0.65),
    rate_mA_per_g=(10.0, 1000.0),
    voltage_low_V=(1.5, 1.5),
    voltage_high_V=(4.8, 4.8),
    cycle=(1.0, 50.0),
)


@pytest.fixture(scope="module")
def ensemble() -> Ensemble:
    """Two untrained networks that claim to know Li-Mn-Ti-O-F."""
    torch.manual_seed(0)
    return Ensemble((Discharge(IONSIEVE), Discharge(IONSIEVE)), RANGES)


def answers(ensemble: Ensemble, formulas: list[str], ion: str = "Li", rate: float = 20.0) -> pd.DataFrame:
    shortlist = pd.DataFrame({"material_id": [f"m-{formula}" for formula in formulas], "formula": formulas})
    rows = discharge_candidates(shortlist, ensemble, ion, rate, (1.5, 4.8))
    to_arrow(rows, DISCHARGE_CANDIDATES)
    return rows.set_index("formula")


def test_a_rocksalt_composition_is_read_per_two_anions(ensemble):
    rows = answers(ensemble, ["Li6Mn2Ti2O10", "LiMnO2"])
    assert rows.loc["Li6Mn2Ti2O10", "composition"] == "Li1.2Ti0.4Mn0.4O2"
    assert rows["capacity_mAh_per_g"].gt(0).all() and (rows["reason"] == "").all()


@pytest.mark.parametrize(
    ("formula", "reason"),
    [
        ("LiMn2O4", "0.75 cations per anion"),
        ("LiFePO4", "holds P"),
        ("MnO", "holds no Li"),
        ("LiF", "no oxygen"),
        ("LiTiS2", "holds S"),
        ("LiCoO2", "no training data with Co"),
        ("Li3TiO3F", "share of Li among the cations 0.75 outside 0.5 to 0.65"),
        ("LiMn4TiO6", "share of Li among the cations 0.167 outside 0.5 to 0.65"),
    ],
)
def test_what_the_model_does_not_know_gets_the_reason_and_no_number(ensemble, formula, reason):
    row = answers(ensemble, [formula]).loc[formula]
    assert reason in row["reason"] and pd.isna(row["capacity_mAh_per_g"])


def test_a_rate_beyond_the_training_gives_no_number(ensemble):
    assert "rate 5000" in answers(ensemble, ["LiMnO2"], rate=5000.0).loc["LiMnO2", "reason"]


def test_other_ions_are_not_answered(ensemble):
    assert "the working ion is Mg" in answers(ensemble, ["MgMnO2"], ion="Mg").loc["MgMnO2", "reason"]


def test_an_empty_shortlist_gives_an_empty_table(ensemble):
    assert answers(ensemble, []).empty


def test_a_rocksalt_needs_as_many_cations_as_anions():
    assert rocksalt("Li1.2Mn0.4Ti0.4O2") == rocksalt("Li12Mn4Ti4O20") == "Li1.2Ti0.4Mn0.4O2"
    with pytest.raises(FormulaError, match=r"1\.50 cations per anion"):
        rocksalt("Li2MnO2")
