from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from ionsieve.discharge.effects import FIXES, effect_table, variants
from ionsieve.discharge.network import IONSIEVE, PUBLISHED
from ionsieve.discharge.training import Schedule
from ionsieve.discharge.transfer import SMALL, Experiment, synthetic_worlds, transfer

TINY = Experiment(
    pool=("Mn", "Ni", "Ti", "Cr"),
    n_compositions={1: 2, 2: 8, 3: 6, 4: 3},
    n_cycles=2,
    every=20,
    members=1,
    settings=replace(SMALL, node_features=8, window_features=8, message_features=8, redox_steps=6),
    schedule=Schedule(epochs=2, batch_size=128),
)


def test_cells_of_two_metals_are_the_same_in_both_worlds_and_those_of_three_are_not():
    without, having = synthetic_worlds(TINY).values()
    few = without["test_id"].str.contains("1M|2M")
    pd.testing.assert_frame_equal(without[few], having[few])
    keys = ["test_id", "composition", "cycle", "rate_mA_per_g"]
    pd.testing.assert_frame_equal(without[keys], having[keys])
    change = (having["capacity_mAh_per_g"] - without["capacity_mAh_per_g"])[~few]
    assert change.abs().groupby(without["test_id"]).max().gt(1.0).all()
    assert set(without["label"]) == {"synthetic"}


def test_each_ensemble_is_scored_on_cells_it_did_not_see():
    table = transfer(TINY)
    capacity = table[table["quantity"] == "capacity_mAh_per_g"].set_index(
        ["trained_on", "three_body", "group"]
    )
    assert set(table["label"]) == {"synthetic"}
    assert capacity["compositions"].to_dict() == {
        ("2TM", 0.0, "2TM held out"): 2,
        ("2TM", 0.0, "3TM"): 6,
        ("2TM", 0.0, "HE"): 3,
        ("2TM", 1.0, "3TM"): 6,
        ("2TM", 1.0, "HE"): 3,
        ("2TM + part of 3TM", 1.0, "2TM held out"): 2,
        ("2TM + part of 3TM", 1.0, "3TM"): 2,
        ("2TM + part of 3TM", 1.0, "HE"): 3,
    }
    assert capacity.loc[[("2TM", 0.0, "2TM held out")], "ratio"].tolist() == [1.0]
    expected = capacity.loc[("2TM", 1.0, "3TM"), "mae"] / capacity.loc[("2TM", 0.0, "2TM held out"), "mae"]
    assert capacity.loc[("2TM", 1.0, "3TM"), "ratio"] == pytest.approx(expected)


def test_each_fix_switched_off_alone_is_one_difference_to_ionsieve():
    rows = variants()
    assert [row.name for row in rows[1:-1]] == [f"without {name}" for name in FIXES]
    for row, switched in zip(rows[1:-1], FIXES.values(), strict=True):
        for settings, whole in (
            (row.settings, SMALL),
            (row.forecaster.settings, rows[0].forecaster.settings),
        ):
            differences = {name for name in vars(whole) if vars(whole)[name] != vars(settings)[name]}
            assert differences == set(switched)
            assert all(getattr(settings, name) == getattr(PUBLISHED, name) for name in switched)


def test_together_the_fixes_are_all_that_ionsieve_differs_by():
    fixed = {name for switched in FIXES.values() for name in switched}
    assert {name for name in vars(IONSIEVE) if vars(IONSIEVE)[name] != vars(PUBLISHED)[name]} == fixed


def test_the_table_shows_what_each_construction_guarantees():
    table = effect_table(variants(["normalised amounts", "Q(V_high) = 0"]), TINY).set_index("variant")
    ours = table.loc["ionsieve"]
    assert ours["doubled_mae"] == pytest.approx(ours["held_out_mae"], rel=1e-4)
    assert ours["rising_share"] == 0.0 and ours["at_v_high"] == pytest.approx(0.0, abs=1e-3)
    written = table.loc["without normalised amounts"]
    assert written["doubled_mae"] != pytest.approx(written["held_out_mae"], rel=1e-4)
    assert table.loc["without Q(V_high) = 0", "at_v_high"] > 0.01
    assert np.isfinite(table.to_numpy(float)).all()


@pytest.mark.long
def test_two_metals_tell_three_exactly_when_there_is_no_three_body_part():
    table = transfer(Experiment())
    capacity = table[table["quantity"] == "capacity_mAh_per_g"].set_index(
        ["trained_on", "three_body", "group"]
    )
    assert capacity.loc[("2TM", 0.0, "3TM"), "ratio"] < 1.5
    assert capacity.loc[("2TM", 1.0, "3TM"), "mae"] > 2.0 * capacity.loc[("2TM", 0.0, "3TM"), "mae"]
    shown = capacity.loc[("2TM + part of 3TM", 1.0, "3TM"), "mae"]
    assert shown < 0.8 * capacity.loc[("2TM", 1.0, "3TM"), "mae"]
