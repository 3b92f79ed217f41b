import pandas as pd
import pytest
from monty.serialization import dumpfn
from pymatgen.core import Composition, Lattice, Structure
from pymatgen.entries.computed_entries import ComputedEntry

from ionsieve import tables
from ionsieve.artifacts import write_json
from ionsieve.errors import DataError
from ionsieve.validation.hull import charged_host_decomposition
from ionsieve.validation.summary import summary, vasp_so_far
from ionsieve.validation.universal_potential import Relaxed

DIGESTS = {"a": "digest a", "b": "digest b"}


@pytest.fixture
def shortlist() -> pd.DataFrame:
    return pd.DataFrame(
        {"material_id": ["a", "b"], "formula": "MgMnO3", "role": "candidate", "voltage_V": [3.0, 3.5]}
    )


def done(digest: str, **more) -> dict:
    return {
        "status": "ok",
        "reason": None,
        "state": "done",
        "structure_digest": digest,
        "voltage_V": 3.3,
    } | more


def only_row(shortlist: pd.DataFrame, document: dict) -> pd.Series:
    table = summary(shortlist, DIGESTS, {"vasp": {"a": document}})
    assert len(table) == 1
    return table.iloc[0]


def test_a_finished_tier_shows_how_far_it_is_from_the_prediction(shortlist):
    row = only_row(shortlist, done("digest a"))
    assert (row["status"], row["computed_voltage_V"]) == ("done", 3.3)
    assert row["disagreement_V"] == pytest.approx(0.3)


def test_a_result_of_another_crystal_is_stale_and_shows_no_voltage(shortlist):
    row = only_row(shortlist, done("digest of what it was"))
    assert row["status"] == "stale"
    assert row["computed_voltage_V"] is None


def test_a_failed_tier_keeps_its_reason(shortlist):
    row = only_row(shortlist, {"status": "failed", "reason": "no PAW data set for Po"})
    assert (row["status"], row["reason"]) == ("failed", "no PAW data set for Po")


def test_prepared_inputs_are_a_row_without_a_voltage(shortlist):
    row = only_row(shortlist, {"status": "ok", "reason": None, "state": "prepared"})
    assert (row["status"], row["computed_voltage_V"]) == ("prepared", None)


def test_a_campaign_on_its_way_is_prepared_then_running_then_done(tmp_path):
    validation, logs = tmp_path / "validation", tmp_path / "logs"
    assert vasp_so_far(validation, logs, "a") is None
    write_json(validation / "a/validation.json", {"status": "ok", "reason": None, "state": "prepared"})
    assert vasp_so_far(validation, logs, "a")["state"] == "prepared"
    (logs / "vasp_relax/a").mkdir(parents=True)
    assert vasp_so_far(validation, logs, "a")["state"] == "running"
    write_json(validation / "a/vasp.json", done("digest a"))
    assert vasp_so_far(validation, logs, "a")["state"] == "done"


def test_inputs_that_could_not_be_made_are_not_running(tmp_path):
    write_json(tmp_path / "validation/a/validation.json", {"status": "failed", "reason": "no PAW data set"})
    (tmp_path / "logs/vasp_relax/a").mkdir(parents=True)
    assert vasp_so_far(tmp_path / "validation", tmp_path / "logs", "a")["status"] == "failed"


def test_rows_come_by_finalist_and_then_by_tier(shortlist, tmp_path):
    tiers = {
        "universal_potential": {"a": done("digest a"), "b": done("digest b")},
        "vasp": {"b": {"status": "ok", "reason": None, "state": "prepared"}},
    }
    table = summary(shortlist, DIGESTS, tiers)
    assert list(zip(table["material_id"], table["tier"], strict=True)) == [
        ("a", "universal_potential"),
        ("b", "universal_potential"),
        ("b", "vasp"),
    ]
    tables.write_table(table, tables.VALIDATION_SUMMARY, tmp_path / "summary.parquet")
    again = tables.read_table(tmp_path / "summary.parquet", tables.VALIDATION_SUMMARY)
    assert again["disagreement_V"].round(6).tolist()[:2] == [0.3, -0.2]


def test_no_finalists_give_an_empty_table_with_all_columns(tmp_path):
    empty = tables.to_arrow([], tables.SCREENED).to_pandas()
    path = tmp_path / "summary.parquet"
    tables.write_table(summary(empty, {}, {"vasp": {}}), tables.VALIDATION_SUMMARY, path)
    assert len(tables.read_table(path, tables.VALIDATION_SUMMARY)) == 0


@pytest.fixture
def charged_mno2() -> Relaxed:
    """MnO2 at -7.9 eV/atom."""
    structure = Structure(
        Lattice.tetragonal(4.4, 2.87),
        ["Mn", "Mn", "O", "O", "O", "O"],
        [[0, 0, 0], [0.5, 0.5, 0.5], [0.3, 0.3, 0], [0.7, 0.7, 0], [0.8, 0.2, 0.5], [0.2, 0.8, 0.5]],
    )
    return Relaxed(structure, -7.9 * 6, 0.0, 0, "forces")


def entries_of(energies_eV_per_atom: dict[str, float]) -> list[ComputedEntry]:
    return [
        ComputedEntry(Composition(formula), energy * Composition(formula).num_atoms)
        for formula, energy in energies_eV_per_atom.items()
    ]


def test_decomposition_energy_is_the_distance_to_the_products(charged_mno2, tmp_path):
    """2 MnO2 -> Mn2O3 + 1/2 O2: 5/6 of the atoms at -8.4, 1/6 at -4.9 eV/atom."""
    dumpfn(entries_of({"Mn": -9.0, "O2": -4.9, "Mn2O3": -8.4, "MgO": -6.0}), tmp_path / "entries.json")
    found = charged_host_decomposition(charged_mno2, [tmp_path / "entries.json"])
    expected_eV_per_atom = -7.9 - (5 * -8.4 + 1 * -4.9) / 6
    assert found["decomposition_energy_eV_per_atom"] == pytest.approx(expected_eV_per_atom)
    assert found["decomposition_products"] == pytest.approx({"Mn2O3": 5 / 6, "O2": 1 / 6}, abs=1e-6)


def test_a_host_below_all_known_phases_has_a_negative_distance(charged_mno2, tmp_path):
    dumpfn(entries_of({"Mn": -9.0, "O2": -4.9}), tmp_path / "entries.json")
    found = charged_host_decomposition(charged_mno2, [tmp_path / "entries.json"])
    assert found["decomposition_energy_eV_per_atom"] == pytest.approx(-7.9 - (-9.0 + 2 * -4.9) / 3)


def test_without_entries_the_distance_is_null_with_the_reason(charged_mno2):
    found = charged_host_decomposition(charged_mno2, [])
    assert found["decomposition_energy_eV_per_atom"] is None
    assert "asks for no phases" in found["hull_reason"]


def test_without_the_elements_themselves_there_is_no_hull(charged_mno2, tmp_path):
    dumpfn(entries_of({"Mn2O3": -8.4, "O2": -4.9}), tmp_path / "entries.json")
    found = charged_host_decomposition(charged_mno2, [tmp_path / "entries.json"])
    assert found["decomposition_energy_eV_per_atom"] is None
    assert "the element Mn" in found["hull_reason"]


def test_a_file_of_something_else_is_refused_with_how_to_write_one(charged_mno2, tmp_path):
    (tmp_path / "entries.json").write_text('{"Mn": -9.0}')
    with pytest.raises(DataError, match="dumpfn"):
        charged_host_decomposition(charged_mno2, [tmp_path / "entries.json"])
