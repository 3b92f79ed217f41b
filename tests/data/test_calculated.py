"""What sources calculated for pairs: a table of its own, a row per electrode, odd cells null and counted."""

import gzip
import json
import logging
from itertools import islice
from pathlib import Path

import pytest
import spglib
from pymatgen.core import Lattice, Structure
from pymatgen.symmetry.groups import SYMM_DATA

from ionsieve import tables
from ionsieve.artifacts import digest, read_json
from ionsieve.data import demo, files
from ionsieve.data.calculated import KEY, KEYS, TABLE, checked, crystal_system, read_calculated, stated
from ionsieve.data.records import PROVENANCE, Pulled, write_raw
from ionsieve.errors import DataError

ROOT = Path(__file__).resolve().parents[2]
REAL_DATA = ROOT.parent / "shared" / "data" / "materials_project"
COLUMNS = [name for name in tables.CALCULATED.names if name not in KEYS]

DOCUMENT = {
    "charge_space_group_number": 164,
    "discharge_space_group_number": 227,
    "charge_crystal_system": "Trigonal",
    "discharge_crystal_system": "Cubic",
    "capacity_grav": 120.5,
    "capacity_vol": 400,
    "energy_grav": -30.0,
    "energy_vol": 90.0,
    "stability_charge": 0.1,
    "stability_discharge": 0.0,
    "adj_pairs": [{"max_delta_volume": 0.02}, {"max_delta_volume": 0.07}, {"max_delta_volume": 0.03}],
}


def _pulled(**statements) -> Pulled:
    """The first shipped electrodes, as if a source stated this of each."""
    rows = demo.load_electrodes().to_dict("records")
    records = [
        {**row, "electrode_id": name} | ({} if columns is None else {KEY: columns})
        for (name, columns), row in zip(statements.items(), rows, strict=False)
    ]
    return Pulled(records, [], {"source": "demo", "version": None, "query": {}})


def _rows(folder, **statements):
    write_raw(_pulled(**statements), folder)
    return read_calculated([folder / TABLE]).loc["demo"]


def test_a_document_is_taken_as_it_stands():
    cells, odd = checked(stated(DOCUMENT))
    assert odd == []
    assert cells == {
        "charged_space_group": 164,
        "discharged_space_group": 227,
        "charged_crystal_system": "trigonal",
        "discharged_crystal_system": "cubic",
        "volume_change": 0.07,
        "capacity_grav_mAh_per_g": 120.5,
        "capacity_vol_Ah_per_L": 400.0,
        "energy_grav_Wh_per_kg": -30.0,
        "energy_vol_Wh_per_L": 90.0,
        "stability_charged_eV_per_atom": 0.1,
        "stability_discharged_eV_per_atom": 0.0,
    }


@pytest.mark.parametrize("document", [{}, {"adj_pairs": None}, dict.fromkeys(DOCUMENT)])
def test_what_is_not_stated_is_null_and_not_odd(document):
    assert checked(stated(document)) == (dict.fromkeys(COLUMNS), [])


@pytest.mark.parametrize(
    ("field", "value", "column"),
    [
        ("charge_space_group_number", 0, "charged_space_group"),
        ("charge_space_group_number", 231, "charged_space_group"),
        ("discharge_space_group_number", -1, "discharged_space_group"),
        ("discharge_space_group_number", 62.5, "discharged_space_group"),
        ("discharge_space_group_number", True, "discharged_space_group"),
        ("discharge_space_group_number", "Pnma", "discharged_space_group"),
        ("charge_crystal_system", "Quasicrystal", "charged_crystal_system"),
        ("discharge_crystal_system", 7, "discharged_crystal_system"),
        ("capacity_grav", float("nan"), "capacity_grav_mAh_per_g"),
        ("capacity_grav", -1.0, "capacity_grav_mAh_per_g"),
        ("capacity_vol", "400", "capacity_vol_Ah_per_L"),
        ("energy_grav", float("inf"), "energy_grav_Wh_per_kg"),
        ("energy_vol", [1.0], "energy_vol_Wh_per_L"),
        ("stability_charge", {"value": 0.1}, "stability_charged_eV_per_atom"),
        ("stability_discharge", 10**400, "stability_discharged_eV_per_atom"),
        ("adj_pairs", [{"max_delta_volume": 0.5}, {"max_delta_volume": "large"}], "volume_change"),
        ("adj_pairs", [{"max_delta_volume": float("nan")}, {"max_delta_volume": 0.5}], "volume_change"),
        ("adj_pairs", [{"max_delta_volume": -0.1}], "volume_change"),
    ],
)
def test_an_odd_value_costs_its_cell_alone(field, value, column):
    whole, _ = checked(stated(DOCUMENT))
    cells, odd = checked(stated(DOCUMENT | {field: value}))
    assert odd == [column]
    assert cells == whole | {column: None}


@pytest.mark.parametrize("pairs", [None, [], "none", [None, 3], [{"average_voltage": 1.0}]])
def test_without_steps_the_volume_change_is_that_of_the_document(pairs):
    document = DOCUMENT | {"adj_pairs": pairs, "max_delta_volume": 0.4}
    assert checked(stated(document))[0]["volume_change"] == 0.4


def test_steps_go_before_the_change_over_all_of_them():
    """So that the database, which states both, and its exports, which state the steps, agree."""
    assert checked(stated(DOCUMENT | {"max_delta_volume": 0.4}))[0]["volume_change"] == 0.07


def test_every_electrode_has_a_row_whatever_its_source_states(tmp_path):
    rows = _rows(tmp_path, a=stated(DOCUMENT), b=None, c={}, d={"charged_space_group": 231})
    assert list(rows.index) == ["a", "b", "c", "d"]
    assert rows.loc["a", "charged_space_group"] == 164
    assert rows.loc[["b", "c", "d"]].isna().all(axis=None)
    assert rows["charged_space_group"].dtype == "Int64"


def test_odd_cells_are_counted_in_the_log_and_reject_nothing(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    odd = {"charged_space_group": 0, "volume_change": float("nan")}
    written = write_raw(_pulled(a=odd, b={"charged_space_group": "?"}, c={}), tmp_path)
    assert (written.electrodes, written.reasons.total()) == (3, 0)
    assert (
        "3 odd cells of calculated.parquet are null: 2 x charged_space_group, 1 x volume_change"
        in caplog.text
    )


def test_what_was_calculated_leaves_every_other_table_as_it_was(tmp_path):
    write_raw(_pulled(a={}, b={}), tmp_path)
    before = {path.name: (digest(path), path.stat().st_mtime_ns) for path in tmp_path.iterdir()}
    assert write_raw(_pulled(a={"volume_change": 0.1}, b={}), tmp_path).changed
    after = {path.name: (digest(path), path.stat().st_mtime_ns) for path in tmp_path.iterdir()}
    assert {name for name in after if after[name] != before[name]} == {TABLE}
    assert not write_raw(_pulled(a={"volume_change": 0.1}, b={}), tmp_path).changed


def test_tables_of_an_earlier_version_get_the_new_one_and_keep_their_dates(tmp_path):
    write_raw(_pulled(a={}, b={}), tmp_path)
    (tmp_path / TABLE).unlink()
    before = {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    write_raw(_pulled(a={}, b={}), tmp_path)
    after = {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    assert after.keys() - before.keys() == {TABLE}
    assert after.items() >= before.items()


def test_sources_are_joined_by_source_and_id_even_where_one_has_no_electrodes(tmp_path):
    write_raw(_pulled(a={"discharged_space_group": 62}, b={"volume_change": 0.2}), tmp_path / "one")
    write_raw(Pulled([], [], {"source": "gnome"}), tmp_path / "gnome")
    two = list(_pulled(a={"discharged_space_group": 227}).electrodes)
    write_raw(Pulled([row | {"source": "files"} for row in two], [], {"source": "files"}), tmp_path / "files")
    joined = read_calculated([tmp_path / name / TABLE for name in ("one", "gnome", "files")])
    assert joined.index.tolist() == [("demo", "a"), ("demo", "b"), ("files", "a")]
    assert joined["discharged_space_group"].tolist()[::2] == [62, 227]


def test_of_an_electrode_that_comes_twice_the_first_is_kept(tmp_path):
    first, second = _pulled(a={"volume_change": 0.1}, b={"volume_change": 0.9}).electrodes
    write_raw(Pulled([first, second | {"electrode_id": "a"}], [], {"source": "demo"}), tmp_path)
    assert read_calculated([tmp_path / TABLE])["volume_change"].tolist() == [0.1]


def test_a_missing_table_is_named(tmp_path):
    with pytest.raises(DataError, match="calculated.parquet does not exist"):
        read_calculated([tmp_path / TABLE])


def test_crystal_systems_are_those_of_the_point_groups():
    systems = SYMM_DATA["point_group_crystal_system_map"]
    for hall_number in range(1, 531):
        group = spglib.get_spacegroup_type(hall_number)
        assert crystal_system(group.number) == systems[group.pointgroup_international]


def test_the_demo_states_volumes_and_the_symmetry_of_the_discharged_crystal(tmp_path):
    write_raw(demo.pull("Mg"), tmp_path)
    rows = read_calculated([tmp_path / TABLE]).loc["demo"]
    assert list(rows.index) == demo.load_electrodes()["electrode_id"].tolist()
    known = ["discharged_space_group", "discharged_crystal_system", "volume_change"]
    assert rows[known].notna().all(axis=None)
    assert rows.drop(columns=known).isna().all(axis=None)
    spinel = rows.loc["demo-AlCr2O4-spinel"]
    assert (spinel["discharged_space_group"], spinel["discharged_crystal_system"]) == (227, "cubic")
    assert spinel["volume_change"] == pytest.approx(149.036557 / 144.572044 - 1, abs=1e-6)


def _layered(*ions: str) -> Structure:
    between_layers = [[0, 0, 0.5] for _ in ions]
    sites = [*between_layers, [0, 0, 0], [1 / 3, 2 / 3, 0.235], [2 / 3, 1 / 3, 0.765]]
    return Structure(Lattice.hexagonal(3.56, 6.1), [*ions, "Ti", "S", "S"], sites)


def test_json_lines_with_an_odd_line_keep_the_electrode(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    structures = {"d": _layered("Mg"), "c": _layered()}
    (tmp_path / "s.jsonl").write_text(
        "\n".join(json.dumps({"material_id": k, "structure": v.as_dict()}) for k, v in structures.items())
    )
    pair = {"working_ion": "Mg", "average_voltage": 0.7, "id_discharge": "d", "id_charge": "c"}
    lines = [
        DOCUMENT | pair | {"battery_id": "whole"},
        DOCUMENT | pair | {"battery_id": "odd", "capacity_vol": float("nan"), "adj_pairs": "none"},
        pair | {"battery_id": "bare"},
    ]
    (tmp_path / "e.jsonl").write_text("\n".join(map(json.dumps, lines)))
    pulled = files.pull([tmp_path / "e.jsonl"], [tmp_path / "s.jsonl"], "Mg", "DFT", "CC0")
    assert write_raw(pulled, tmp_path / "raw").electrodes == 3
    rows = read_calculated([tmp_path / "raw" / TABLE]).loc["files"]
    assert rows["capacity_grav_mAh_per_g"].fillna(0).tolist() == [120.5, 120.5, 0]
    assert rows["capacity_vol_Ah_per_L"].fillna(0).tolist() == [400, 0, 0]
    assert rows["volume_change"].fillna(0).tolist() == [0.07, 0, 0]
    assert "1 odd cells" in caplog.text and "odd" not in read_json(tmp_path / "raw" / PROVENANCE)


def test_parquet_electrodes_state_nothing(tmp_path):
    electrodes = demo.load_electrodes().head(2)
    tables.write_table(electrodes, tables.ELECTRODES, tmp_path / "e.parquet")
    pulled = files.pull([tmp_path / "e.parquet"], [], "Mg", "DFT", "CC0")
    write_raw(pulled, tmp_path / "raw")
    rows = read_calculated([tmp_path / "raw" / TABLE]).loc["files"]
    assert list(rows.index) == electrodes["electrode_id"].tolist()
    assert rows.isna().all(axis=None)


@pytest.mark.skipif(not REAL_DATA.is_dir(), reason=f"{REAL_DATA} is missing")
def test_known_values_of_real_documents():
    with gzip.open(REAL_DATA / "insertion_electrodes.jsonl.gz", "rt") as lines:
        documents = {row["battery_id"]: row for row in map(json.loads, islice(lines, 400))}
    cells, odd = checked(stated(documents["mp-1111695_K"]))
    assert odd == []
    assert cells == {
        "charged_space_group": 148,
        "discharged_space_group": 225,
        "charged_crystal_system": "trigonal",
        "discharged_crystal_system": "cubic",
        "volume_change": 0.25398353503351645,  # of the first of two steps
        "capacity_grav_mAh_per_g": 283.8323942,
        "capacity_vol_Ah_per_L": 755.6582861,
        "energy_grav_Wh_per_kg": 1553.37914,
        "energy_vol_Wh_per_L": 4135.623146,
        "stability_charged_eV_per_atom": 0.0,
        "stability_discharged_eV_per_atom": 0.0,
    }
    for document in documents.values():
        cells, odd = checked(stated(document))
        assert odd == [] and None not in cells.values()
        for side in ("charged", "discharged"):
            assert crystal_system(cells[f"{side}_space_group"]) == cells[f"{side}_crystal_system"]
