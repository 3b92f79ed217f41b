import math

import pandas as pd
import pytest

from ionsieve import tables
from ionsieve.ranking import conductivity_pass_probability as pass_probability
from ionsieve.ranking import rank, room_temperature_weight, write_csv

THRESHOLD = 100.0


def shortlisted(material_id: str, screen_score: float = 1000.0, **changes) -> dict:
    row = {
        "material_id": material_id,
        "source": "demo",
        "licence": "MIT",
        "formula": "MgMn2O4",
        "framework": "MnO2",
        "n_sites": 14,
        "volume_A3": 150.0,
        "energy_above_hull_eV_per_atom": 0.0,
        "hull_reference": "Materials Project (GGA_GGA+U_R2SCAN)",
        "voltage_V": 3.2,
        "voltage_low_V": 2.8,
        "voltage_high_V": 3.6,
        "voltage_spread_V": 0.1,
        "voltage_pass_probability": 0.8,
        "in_domain": True,
        "known": False,
        "label_voltage_V": None,
        "label_kind": None,
        "capacity_grav_mAh_per_g": 270.0,
        "capacity_vol_Ah_per_L": 1180.0,
        "redox_capacity_grav_mAh_per_g": 270.0,
        "redox_capacity_vol_Ah_per_L": 1180.0,
        "energy_density_Wh_per_kg": 864.0,
        "energy_density_Wh_per_L": 3776.0,
        "anion_redox": False,
        "screen_score": screen_score,
        "role": "candidate",
    }
    return row | changes


def measured(value: float, factor: float = 2.0, **changes) -> dict:
    """A transport result whose 95 % interval is value / factor to value x factor."""
    result = {
        "status": "ok",
        "reason": None,
        "temperature_K": 1200.0,
        "conductivity_mS_per_cm": value,
        "conductivity_low_mS_per_cm": value / factor,
        "conductivity_high_mS_per_cm": value * factor,
        "conductivity_kind": "value",
        "diffusivity_cm2_per_s": 1e-5,
        "activation_energy_eV": None,
        "conductivity_300K_mS_per_cm": None,
        "temperatures": [1200.0],
    }
    return result | changes


def bounded(bound: float) -> dict:
    return measured(1.0) | {
        "conductivity_mS_per_cm": None,
        "conductivity_low_mS_per_cm": None,
        "conductivity_high_mS_per_cm": bound,
        "conductivity_kind": "upper_bound",
        "diffusivity_cm2_per_s": None,
    }


def ranked(
    rows: list[dict],
    transport: dict,
    validation: dict | None = None,
    universal_potential: dict | None = None,
    second_opinion: dict | None = None,
) -> pd.DataFrame:
    return rank(
        pd.DataFrame(rows),
        transport,
        validation or {},
        universal_potential or {},
        second_opinion or {},
        {},
        THRESHOLD,
    )


def test_a_conductivity_on_the_threshold_passes_with_one_half():
    assert pass_probability(measured(THRESHOLD), THRESHOLD) == pytest.approx(0.5)


def test_without_an_interval_the_potential_alone_is_uncertain_by_a_factor_of_two():
    alone = {"conductivity_low_mS_per_cm": None, "conductivity_high_mS_per_cm": None}
    one_standard_deviation = 0.8413447
    assert pass_probability(measured(200.0) | alone, THRESHOLD) == pytest.approx(one_standard_deviation)
    assert pass_probability(measured(50.0) | alone, THRESHOLD) == pytest.approx(1 - one_standard_deviation)


def test_statistics_and_potential_add_as_independent_errors():
    # A 95 % interval of 2 ** 1.96 is a standard deviation of ln 2, as wide as the potential's.
    value = THRESHOLD * math.exp(math.sqrt(2) * math.log(2))
    assert pass_probability(measured(value, factor=2**1.959964), THRESHOLD) == pytest.approx(0.8413447)


def test_a_wider_interval_is_less_certain_on_both_sides():
    above = [pass_probability(measured(300.0, factor), THRESHOLD) for factor in (2.0, 10.0)]
    below = [pass_probability(measured(30.0, factor), THRESHOLD) for factor in (2.0, 10.0)]
    assert above[0] > above[1] > 0.5 > below[1] > below[0]


def test_a_bound_at_the_threshold_leaves_5_percent_and_one_above_says_nothing():
    assert pass_probability(bounded(THRESHOLD * 0.999999), THRESHOLD) == pytest.approx(0.05, rel=1e-3)
    assert pass_probability(bounded(THRESHOLD), THRESHOLD) == 0.5
    assert pass_probability(bounded(400.0), THRESHOLD) == 0.5


def test_a_bound_passes_less_often_than_the_same_value_and_less_the_lower_it_is():
    assert pass_probability(bounded(60.0), THRESHOLD) < pass_probability(measured(60.0), THRESHOLD)
    assert pass_probability(bounded(5.0), THRESHOLD) < pass_probability(bounded(60.0), THRESHOLD)


def test_without_a_threshold_every_known_conductivity_passes():
    assert pass_probability(bounded(1e-3), 0.0) == 1.0


def test_room_temperature_counts_only_where_a_barrier_could_be_fitted():
    several = {"temperatures": [800.0, 1000.0, 1200.0]}
    assert room_temperature_weight(measured(500.0) | {"temperatures": [800.0, 1200.0]}) == 1.0
    assert room_temperature_weight(measured(500.0)) == 1.0
    assert room_temperature_weight(measured(500.0) | several) == 0.5
    assert room_temperature_weight(measured(500.0, conductivity_300K_mS_per_cm=0.01) | several) == 0.5
    assert room_temperature_weight(measured(500.0, conductivity_300K_mS_per_cm=1.0) | several) > 0.98
    assert room_temperature_weight(measured(500.0, conductivity_300K_mS_per_cm=1e-5) | several) < 0.002


def test_score_is_the_product_and_orders_the_ranking():
    table = ranked(
        [shortlisted("slow", 1500.0), shortlisted("fast", 1000.0), shortlisted("fast_and_dense", 1200.0)],
        {"slow": measured(20.0), "fast": measured(200.0), "fast_and_dense": measured(200.0)},
    )
    assert list(table["material_id"]) == ["fast_and_dense", "fast", "slow"]
    assert list(table["rank"]) == [1, 2, 3]
    passes = pass_probability(measured(200.0), THRESHOLD)
    assert table["score"][1] == pytest.approx(1000.0 * passes)


def test_equal_scores_are_ordered_by_id():
    table = ranked([shortlisted("b"), shortlisted("a")], {"a": measured(200.0), "b": measured(200.0)})
    assert list(table["material_id"]) == ["a", "b"]


@pytest.mark.parametrize(
    "status", ["failed", "unstable", "host_melted", "host_diffusing", "potential_rejected"]
)
def test_a_failed_candidate_leaves_the_ranking_with_its_reason(status):
    broken = measured(1e5) | {"status": status, "reason": "the host moved"}
    rows = [shortlisted("broken", 9000.0), shortlisted("good")]
    table = ranked(rows, {"broken": broken, "good": measured(1.0)})
    assert list(table["material_id"]) == ["good", "broken"]
    last = table.iloc[1]
    assert pd.isna(last["rank"]) and pd.isna(last["score"]) and pd.isna(last["conductivity_mS_per_cm"])
    assert (last["md_status"], last["md_reason"], last["flags"]) == (status, "the host moved", status)


def test_controls_come_last_and_are_never_ranked():
    table = ranked(
        [shortlisted("control", 9000.0, role="control"), shortlisted("good"), shortlisted("missing")],
        {"control": measured(1e4), "good": measured(200.0)},
    )
    assert list(table["material_id"]) == ["good", "missing", "control"]
    assert table["rank"].tolist() == [1, pd.NA, pd.NA]
    assert table["conductivity_mS_per_cm"][2] == 1e4
    assert table["flags"][2] == "control"


def test_a_candidate_without_md_is_missing_and_says_so():
    table = ranked([shortlisted("a")], {})
    assert table["md_status"][0] == "missing"
    assert table["md_reason"][0] == "no result of molecular dynamics yet"
    assert table["validation_status"][0] == "missing"


@pytest.mark.parametrize(
    ("low_V", "high_V", "flags"),
    [(3.6, 4.4, ""), (3.61, 4.4, "opinions_differ"), (1.0, 2.8, ""), (1.0, 2.79, "opinions_differ")],
)
def test_a_second_opinion_is_shown_and_flagged_where_its_interval_misses_the_first(low_V, high_V, flags):
    opinion = {
        "composition_voltage_V": (low_V + high_V) / 2,
        "composition_voltage_low_V": low_V,
        "composition_voltage_high_V": high_V,
    }
    row = ranked([shortlisted("a")], {"a": measured(200.0)}, second_opinion={"a": opinion}).iloc[0]
    assert row["flags"] == flags  # the voltage model says 2.8 to 3.6 V
    assert {name: row[name] for name in opinion} == opinion
    assert row["score"] == ranked([shortlisted("a")], {"a": measured(200.0)}).iloc[0]["score"]


def test_flags_say_what_to_know_before_trusting_a_row():
    rows = [
        shortlisted(
            "a",
            known=True,
            anion_redox=True,
            energy_above_hull_eV_per_atom=None,
            label_voltage_V=3.1,
            label_kind="CHGNet",
        )
    ]
    assert ranked(rows, {"a": bounded(20.0)})["flags"][0] == "known;anion_redox;hull_unknown;upper_bound"
    assert ranked([shortlisted("a")], {"a": measured(20.0)})["flags"][0] == "low_conductivity"


def test_validation_states_reach_the_table():
    validation = {
        "a": {"status": "ok", "state": "prepared"},
        "b": {"status": "failed", "reason": "no PAW data set for Po"},
    }
    table = ranked([shortlisted("a"), shortlisted("b")], {}, validation).set_index("material_id")
    assert table["validation_status"].to_dict() == {"a": "prepared", "b": "failed"}


def test_the_relaxed_pair_shows_beside_the_prediction_and_a_lost_host_is_flagged():
    relaxed = {
        "a": {"status": "ok", "voltage_V": 2.5, "framework_collapsed": True},
        "b": {"status": "failed", "reason": "no such element"},
    }
    table = ranked([shortlisted("a"), shortlisted("b")], {}, None, relaxed).set_index("material_id")
    assert table.loc["a", "universal_potential_voltage_V"] == 2.5
    assert table.loc["a", "voltage_disagreement_V"] == pytest.approx(2.5 - table.loc["a", "voltage_V"])
    assert "framework_collapsed" in table.loc["a", "flags"].split(";")
    assert table.loc["b", ["universal_potential_voltage_V", "voltage_disagreement_V"]].isna().all()
    assert "framework_collapsed" not in table.loc["b", "flags"]


def test_an_empty_shortlist_gives_an_empty_table_with_all_columns(tmp_path):
    empty = tables.to_arrow([], tables.SCREENED).to_pandas()
    table = rank(empty, {}, {}, {}, {}, {}, THRESHOLD)
    assert list(table.columns) == tables.RANKED.names and table.empty
    write_csv(table, tmp_path / "candidates.csv")
    assert (tmp_path / "candidates.csv").read_text() == ",".join(tables.RANKED.names) + "\n"


def test_csv_has_the_same_bytes_whatever_the_order_and_the_last_bit(tmp_path):
    rows = [shortlisted("a"), shortlisted("b", 500.0)]
    transport = {"a": measured(200.0), "b": measured(300.0)}
    write_csv(ranked(rows, transport), tmp_path / "one.csv")
    rows[0]["voltage_V"] = math.nextafter(rows[0]["voltage_V"], 10.0)
    write_csv(ranked(rows[::-1], transport), tmp_path / "two.csv")
    assert (tmp_path / "one.csv").read_bytes() == (tmp_path / "two.csv").read_bytes()
    header, first, *_ = (tmp_path / "one.csv").read_text().splitlines()
    assert header.split(",") == tables.RANKED.names
    assert first.startswith("1,a,demo,")


def test_ranked_table_survives_parquet(tmp_path):
    table = ranked([shortlisted("a"), shortlisted("b")], {"a": measured(200.0)})
    tables.write_table(table, tables.RANKED, tmp_path / "ranked.parquet")
    again = tables.read_table(tmp_path / "ranked.parquet", tables.RANKED)
    assert list(again["material_id"]) == ["a", "b"]
    assert again["score"][0] == pytest.approx(table["score"][0])
