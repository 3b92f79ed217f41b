"""What the paper prints, as its supplement has it, and our tables beside it."""

import numpy as np
import pandas as pd
import pytest

from ionsieve.composition.blocks import Electrodes
from ionsieve.composition.experiments import EXPERIMENTS, RANDOM
from ionsieve.composition.formulas import pair_of
from ionsieve.composition.pairs import Pairs
from ionsieve.composition.paper_tables import table_s1, to_markdown
from ionsieve.composition.published import TABLE_S1, TABLE_S2, TABLE_S3, TABLE_S4

# As the supplement prints it: charged / discharged, DFT V, predicted V.
SUPPLEMENT = """
FePO4F/LiFePO4F 6.83 6.61; Co3(P2O7)2/Li2Co3(P2O7)2 6.35 6.34; V4OF11/LiV4OF11 6.39 6.28;
Cr(PO3)4/LiCr(PO3)4 5.97 5.92; Co(CO3)2/Li2Co(CO3)2 5.87 5.87; NiF3/LiNiF3 5.91 5.84;
CrF6/Cs2CrF6 5.87 5.78; MnF4/LiMnF4 5.61 5.69; Cr(NO3)5/Cs2Cr(NO3)5 5.64 5.66;
Cu(PO3)3/LiCu(PO3)3 5.62 5.61; CrP2O7/LiCrP2O7 5.51 5.48; Mn(PO3)5/Na2Mn(PO3)5 5.52 5.46;
CrF6/Rb3CrF6 5.43 5.38; Cr(SO4)2/LiCr(SO4)2 5.37 5.36; V(PO3)5/Li2V(PO3)5 5.37 5.36;
Ni2(PO3)5/LiNi2(PO3)5 5.44 5.32; Fe(PO3)4/LiFe(PO3)4 5.37 5.32; Ni2P2O9/LiNi2P2O9 5.27 5.21;
Cr(PO3)4/LiCr(PO3)4 5.23 5.18; Cu(PO3)3/NaCu(PO3)3 5.16 5.12; Mn(SO4)2/LiMn(SO4)2 5.11 5.11;
NiPO4/LiNiPO4 5.07 5.09; Ni2P5O16/Li3Ni2P5O16 5.07 5.08; FeP2O7/LiFeP2O7 5.05 5.05;
CrP2O7/LiCrP2O7 5.03 5.02; CoH8(SO6)2/Na2CoH8(SO6)2 5.00 5.01
"""


def printed_rows() -> list[tuple[str, str, float, float]]:
    cells = [row.split() for row in SUPPLEMENT.replace("\n", " ").split(";")]
    return [(*pair.split("/"), float(dft), float(predicted)) for pair, dft, predicted in cells]


def test_table_s1_is_that_of_the_supplement():
    assert len(TABLE_S1) == 26
    ours = [(row.charged, row.discharged, row.dft_V, row.predicted_V) for row in TABLE_S1]
    assert ours == printed_rows()


@pytest.mark.parametrize("row", TABLE_S1, ids=lambda row: f"{row.charged}-{row.discharged}-{row.dft_V}")
def test_each_row_of_table_s1_is_a_balanced_pair_of_full_extraction(row):
    pair = pair_of(row.discharged, row.working_ion, row.charged)
    assert pair.ions_charged == 0.0
    assert row.discharged.startswith(row.working_ion)


def test_tables_s2_to_s4_are_those_of_the_supplement():
    def printed(scores):
        return (scores.mae_V, scores.rmse_V, scores.r2)

    assert {name: printed(scores) for name, scores in TABLE_S2.items()} == {
        "mha_resnet_leak": (0.04, 0.07, 0.997),
        "mlp1": (0.41, 0.63, 0.902),
        "mlp2": (0.20, 0.32, 0.978),
        "dnn": (0.35, None, None),
        "svr": (0.64, 0.67, 0.653),
        "krr": (0.72, 0.81, 0.583),
        "lstm": (0.10, 0.16, 0.945),
    }
    assert {size: printed(scores) for size, scores in TABLE_S3.items()} == {
        None: (0.04, 0.07, 0.997),
        200: (0.10, 0.15, 0.989),
        150: (0.11, 0.20, 0.980),
        100: (0.12, 0.24, 0.973),
        50: (0.21, 0.28, 0.963),
    }
    assert {ion: printed(scores) for ion, scores in TABLE_S4.items()} == {
        "Li": (0.13, 0.15, 0.985),
        "Na": (0.19, 0.24, 0.942),
        "K": (0.22, 0.26, 0.940),
        "Ca": (0.18, 0.29, 0.950),
        "Zn": (0.06, 0.08, 0.994),
        "Mg": (0.08, 0.13, 0.983),
        "Y": (0.13, 0.14, 0.967),
    }


def test_rmse_and_r2_of_table_s2_imply_spreads_of_no_one_test_set():
    spreads_V = {name: scores.implied_spread_V for name, scores in TABLE_S2.items()}
    assert spreads_V.pop("dnn") is None
    assert min(spreads_V.values()) == spreads_V["lstm"] == pytest.approx(0.68, abs=0.005)
    assert max(spreads_V.values()) == spreads_V["mlp2"] == pytest.approx(2.16, abs=0.005)
    assert min(scores.mae_V for scores in TABLE_S4.values()) > TABLE_S2["mha_resnet_leak"].mae_V


def test_each_published_row_has_an_experiment_that_redoes_it():
    assert set(TABLE_S2) <= set(EXPERIMENTS)
    for size in TABLE_S3:
        for model in ("mha_resnet", "ionsieve"):
            assert (model if size is None else f"{model}_{size}") in EXPERIMENTS


class FarSeeing:
    """An ensemble that says 5 V of everything, half a volt either way."""

    def predict(self, pairs: Pairs) -> pd.DataFrame:
        voltage_V = np.full(len(pairs), 5.0)
        return pd.DataFrame(
            {
                "voltage_V": voltage_V,
                "voltage_low_V": voltage_V - 0.5,
                "voltage_high_V": voltage_V + 0.5,
                "in_domain": np.arange(len(pairs)) > 0,
                "known_host": False,
            }
        )


@pytest.fixture
def s1(electrodes) -> list[dict]:
    return table_s1(FarSeeing(), electrodes)


def test_table_s1_stands_beside_the_papers_rows(s1):
    names = ("charged", "discharged", "paper_dft_V", "paper_predicted_V")
    assert [tuple(row[name] for name in names) for row in s1] == printed_rows()


def test_our_labels_are_those_of_the_same_pair_of_formulas_alone():
    known = [
        ("LiNiF3", "Li", None, "NiF3", 5.9136),
        ("Li2Ni2F6", "Li", None, "NiF3", 4.2),  # another crystal
        ("LiNiF3", "Li", "Li0.5NiF3", "NiF3", 1.0),
        ("Li0.5NiF3", "Li", None, "NiF3", 2.0),
        ("NaNiF3", "Na", None, "NiF3", 3.0),
        ("LiNiF4", "Li", None, "NiF4", 3.5),
        ("NaCu(PO3)3", "Na", None, "Cu(PO3)3", 5.1),
    ]
    table = pd.DataFrame(
        [(ion, framework, voltage_V) for _, ion, _, framework, voltage_V in known],
        columns=["working_ion", "framework", "voltage_V"],
    )
    pairs = Pairs.of([pair_of(discharged, ion, charged) for discharged, ion, charged, *_ in known])
    rows = table_s1(FarSeeing(), Electrodes(pairs, table, pd.DataFrame(index=table.index)))
    labels_V = {row["discharged"]: row["labels_V"] for row in rows if row["labels_V"]}
    assert labels_V == {"LiNiF3": [4.2, 5.914], "NaCu(PO3)3": [5.1]}


def test_the_page_says_how_many_of_the_26_lie_in_our_interval(s1):
    page = page_of(s1)
    inside = sum(4.5 <= dft_V <= 5.5 for *_, dft_V, _ in printed_rows())
    errors_V = [abs(dft_V - 5.0) for *_, dft_V, _ in printed_rows()]
    paper_V = [abs(dft_V - predicted_V) for *_, dft_V, predicted_V in printed_rows()]
    assert f"{inside} of 26 lie in our interval" in page
    assert f"{np.mean(errors_V):.2f} V leak-free, {np.mean(paper_V):.2f} V in the paper" in page
    assert "| ours, leak-free | 95.5 % interval |" in page
    assert "| FePO4F / LiFePO4F | 6.83 | 6.61 | none | 5.00 (far) | 4.50 to 5.50 |" in page
    assert "| V4OF11 / LiV4OF11 | 6.39 | 6.28 | none | 5.00 | 4.50 to 5.50 |" in page
    assert "No source of these electrodes states one." in page


def page_of(s1: list[dict], **other) -> str:
    settings = {"seed": 7, "folds": 5, "random_splits": 3, "coverage": 0.955}
    return to_markdown({**settings, "scores": empty_scores(), "table_s1": s1, "table_s5": [], **other})


def empty_scores() -> list[dict]:
    """Of one experiment alone, as after a run that was cut short."""
    return [
        {
            "experiment": "ionsieve",
            "protocol": protocol,
            "working_ion": ion,
            "count": count,
            "mae_V": 0.3456,
            "rmse_V": 0.5,
            "r2": r2,
            "mae_low_V": low_V,
            "mae_high_V": None if low_V is None else 0.4,
        }
        for protocol in (RANDOM, "framework")
        for ion, count, r2, low_V in (("all", 12, 0.8, 0.3), ("Li", 9, 0.7, None), ("Al", 3, None, None))
    ]


def test_what_was_not_run_is_a_dash_and_no_reason_to_stop(s1):
    page = page_of(s1)
    label = EXPERIMENTS["ionsieve"].label
    assert f"| {label} | formulas and ion | 0.346 (0.300 to 0.400) | 0.346 (0.300 to 0.400) | - |" in page
    assert "| perceptron, 1 layer (MLP1) | 0.41 / 0.63 / 0.902 | - | - |" in page
    assert "| dense network (DNN) | 0.35 | - | - |" in page
    assert "| 50 | 0.21 / 0.28 / 0.963 | - | - | - | - |" in page
    of_all = "0.346 (0.300-0.400) / 0.500 / 0.800"
    assert f"| all | 0.04 / 0.07 / 0.997 | - | - | {of_all} | {of_all} |" in page
    assert "| Li | 9 | 0.13 / 0.15 / 0.985 | - | - | 0.346 / 0.500 / 0.700 | 0.346 / 0.500 / 0.700 |" in page
    assert "| Al | 3 | - | - | - | 0.346 / 0.500 / - | 0.346 / 0.500 / - |" in page
    assert "nan" not in page and "None" not in page


def test_the_errors_of_s2_to_s4_have_their_intervals_and_the_seeds_stand_above(s1):
    page = page_of(s1, random_splits=1)
    assert (
        "random: 1 split; otherwise 5 folds" in page and "drawn with seed 7, and so is the bootstrap" in page
    )
    assert "Intervals of errors: 95 % percentiles of 1,000 bootstrap samples" in page
    assert page.count("MAE (95 % interval) / RMSE in V / R²\n") == 3
    assert page.count(" | IonSieve, random | IonSieve, new hosts |\n") == 2
    of_all = "0.346 (0.300-0.400) / 0.500 / 0.800"
    assert f"| {EXPERIMENTS['ionsieve'].label} | - | {of_all} | {of_all} |" in page
    assert "| Li | 9 | 0.13 / 0.15 / 0.985 | - | - | 0.346 / 0.500 / 0.700 |" in page  # of one host


def test_models_that_see_fewer_splits_are_named(s1):
    page = page_of(s1)
    assert (
        EXPERIMENTS["mha_resnet_leak"].most_folds == 1 and "Only the first row, of one split, reads" in page
    )
    assert "MHA-ResNet on 2 splits of each kind, with fewer training rows on 1 split." in page
    assert "MHA-ResNet on 2 splits of each kind; held out are IonSieve's rows, new hosts." in page
    fewer = {name for name, experiment in EXPERIMENTS.items() if experiment.most_folds is not None}
    tabulated = {name for name in fewer if EXPERIMENTS[name].part in ("rivals", "crystal")}
    assert all("of each)" in EXPERIMENTS[name].label for name in tabulated)
    assert {EXPERIMENTS[f"mha_resnet_{size}"].most_folds for size in TABLE_S3 if size} == {1}
