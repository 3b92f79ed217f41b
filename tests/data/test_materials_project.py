"""The `materials_project` source: the real client against the official routers, on loopback."""

import gzip
import json
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from emmet.core.mpid import AlphaID
from emmet.core.summary import SummaryDoc
from emmet.core.thermo import ThermoDoc
from pymatgen.core import Lattice, Structure
from servers.materials_project_documents import (
    Documents,
    add_material,
    build_documents,
    document_of,
    electrode_document,
    withdraw,
)

from ionsieve.data import files
from ionsieve.data.calculated import KEY, TABLE, checked, read_calculated
from ionsieve.data.materials_project import CITE, pull, release
from ionsieve.data.materials_project.documents import CALCULATED_FIELDS
from ionsieve.data.records import RAW_TABLES, Reject, refresh
from ionsieve.tables import read_table

ROOT = Path(__file__).resolve().parents[2]
REAL_DATA = ROOT.parent / "shared" / "data" / "materials_project"


def _arguments(request: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(request).query).items()}


def _layered(n_mg: int, cells: int = 4) -> Structure:
    """MgTiS2, layered, with ``n_mg`` of the Mg in a row of cells."""
    structure = Structure(
        Lattice.hexagonal(3.56, 6.1),
        ["Mg", "Ti", "S", "S"],
        [[0, 0, 0.5], [0, 0, 0], [1 / 3, 2 / 3, 0.235], [2 / 3, 1 / 3, 0.765]],
    )
    structure.make_supercell([cells, 1, 1])
    mg = [index for index, site in enumerate(structure) if site.specie.symbol == "Mg"]
    structure.remove_sites(mg[n_mg:])
    return structure


def test_the_documents_of_the_test_server_are_valid_for_emmet(built):
    assert SummaryDoc.model_validate(built["summary"][0]).material_id == "mp-1"
    assert ThermoDoc.model_validate(built["thermo"][0]).energy_above_hull == 0.0


def test_electrodes_come_with_their_discharged_crystal_and_average_voltage(rows, crystals):
    electrodes, _ = crystals
    wanted = electrodes[electrodes.working_ion.isin(["Mg", "Ca"])]

    found = {row["material_id"]: row for row in rows(ions=["Mg", "Ca"])["electrodes"]}

    assert len(found) == len(wanted) == 12
    for number, row in enumerate(wanted.to_dict("records")):
        electrode = found[f"mp-{2 * number + 1}"]
        assert electrode["electrode_id"] == f"mp-{2 * number + 1}_{row['working_ion']}"
        assert electrode["voltage_V"] == pytest.approx(row["voltage_V"], abs=1e-9)
        assert electrode["label_kind"] == "DFT (Materials Project, GGA_GGA+U_R2SCAN)"
        assert (electrode["formula"], electrode["framework"]) == (row["formula"], row["framework"])
        assert electrode["numbers"] == list(row["numbers"])
        assert electrode["cell"] == pytest.approx(list(row["cell"]))
        assert (electrode["x_charged"], electrode["n_steps"]) == (0.0, 1)
        assert electrode["step_voltage_V"] == pytest.approx([row["voltage_V"]], abs=1e-9)
        assert electrode["step_x"] == [0.0, 1.0]


def test_ions_that_stay_when_charged_are_a_fraction_of_those_when_discharged(server, documents, rows):
    materials = {"mp-900": _layered(4), "mp-901": _layered(1)}
    documents["insertion_electrodes"] = [electrode_document("Mg", 1.2, materials)]
    add_material(documents, "mp-900", materials["mp-900"], 0.0)
    server.replace(documents)

    (electrode,) = rows()["electrodes"]

    assert electrode["x_charged"] == pytest.approx(0.25)
    assert electrode["step_x"] == pytest.approx([0.25, 1.0])
    assert electrode["voltage_V"] == pytest.approx(1.2)


def test_voltage_steps_are_kept(server, documents, rows):
    materials = {"mp-900": _layered(4), "mp-901": _layered(2), "mp-902": _layered(0)}
    document = electrode_document("Mg", 1.2, {name: materials[name] for name in ("mp-900", "mp-902")})
    halves = [
        electrode_document("Mg", V, {a: materials[a], b: materials[b]})
        for V, a, b in (
            (1.0, "mp-900", "mp-901"),
            (1.4, "mp-901", "mp-902"),
        )
    ]
    document |= {"adj_pairs": [half["adj_pairs"][0] for half in halves], "num_steps": 2}
    documents["insertion_electrodes"] = [document]
    add_material(documents, "mp-900", materials["mp-900"], 0.0)
    server.replace(documents)

    (electrode,) = rows()["electrodes"]

    assert electrode["n_steps"] == 2
    assert electrode["step_voltage_V"] == pytest.approx([1.4, 1.0])
    assert electrode["step_x"] == pytest.approx([0.0, 0.5, 1.0])


def test_what_was_calculated_for_a_pair_is_kept_beside_it(server, query, documents, tmp_path):
    folder = tmp_path / "raw" / "materials_project"
    documents["insertion_electrodes"][1] |= {"capacity_grav": None, "stability_charge": "low"}
    server.replace(documents)

    refresh(lambda cache: pull(query, cache), folder)

    rows = read_calculated([folder / TABLE]).loc["materials_project"]
    electrodes = read_table(folder / "electrodes.parquet", RAW_TABLES["electrodes.parquet"])
    assert rows.index.tolist() == electrodes["electrode_id"].tolist()
    for document in documents["insertion_electrodes"][:6]:
        row = rows.loc[f"{AlphaID(document['id_discharge']).string}_Mg"]
        assert row["capacity_vol_Ah_per_L"] == pytest.approx(document["capacity_vol"], rel=1e-12)
        assert row["energy_grav_Wh_per_kg"] == pytest.approx(document["energy_grav"], rel=1e-12)
        assert row["energy_vol_Wh_per_L"] == pytest.approx(document["energy_vol"], rel=1e-12)
        change = document["adj_pairs"][0]["max_delta_volume"]
        assert row["volume_change"] == pytest.approx(change, rel=1e-12)
        assert row["stability_discharged_eV_per_atom"] == 0.0
    assert rows["capacity_grav_mAh_per_g"].isna().sum() == 1
    assert rows["stability_charged_eV_per_atom"].isna().sum() == 1
    assert rows[[f"{side}_space_group" for side in ("charged", "discharged")]].isna().all(axis=None)


def test_a_server_that_knows_nothing_calculated_still_gives_its_electrodes(server, documents, rows):
    for document in documents["insertion_electrodes"]:
        for place in (document, *document["adj_pairs"]):
            for field in CALCULATED_FIELDS:
                place.pop(field, None)
    server.replace(documents)

    electrodes = rows()["electrodes"]

    assert len(electrodes) == 6
    assert {value for row in electrodes for value in checked(row[KEY])[0].values()} == {None}


def test_an_electrode_without_a_thermo_type_has_a_plain_label(server, documents, rows):
    for document in documents["insertion_electrodes"]:
        document["thermo_type"] = None
    server.replace(documents)

    assert {row["label_kind"] for row in rows()["electrodes"]} == {"DFT (Materials Project)"}


def test_of_an_electrode_stated_for_two_functionals_the_one_of_the_hull_is_kept(server, documents, rows):
    other = {**documents["insertion_electrodes"][0], "thermo_type": "GGA_GGA+U", "average_voltage": 9.0}
    documents["insertion_electrodes"].insert(0, other)
    server.replace(documents)

    found = rows()

    kept = next(row for row in found["electrodes"] if row["electrode_id"] == "mp-1_Mg")
    assert kept["label_kind"] == "DFT (Materials Project, GGA_GGA+U_R2SCAN)"
    assert found["rejects"]["mp-1_Mg"] == "the same electrode is kept as GGA_GGA+U_R2SCAN states it"


def test_deprecated_discharged_structures_are_found_too(server, documents, rows):
    document_of(documents, "summary", "mp-1")["deprecated"] = True
    server.replace(documents)

    found = rows()

    assert "mp-1" in {row["material_id"] for row in found["electrodes"]}
    assert "mp-1" not in {row["material_id"] for row in found["candidates"]}


def test_an_electrode_whose_structure_is_gone_is_set_aside(server, documents, rows):
    withdraw(documents, "mp-1")
    server.replace(documents)

    assert "the Materials Project has no such structure" in rows()["rejects"]["mp-1_Mg"]


def test_an_electrode_whose_structure_holds_other_ions_than_it_says_is_set_aside(server, documents, rows):
    document_of(documents, "summary", "mp-1")["structure"] = _layered(1).as_dict()
    server.replace(documents)

    assert "mp-1 holds 0.077 Mg per atom, not" in rows()["rejects"]["mp-1_Mg"]


def test_candidates_are_all_materials_with_the_ion_up_to_the_limit_of_the_stated_hull(
    server, documents, rows, crystals
):
    for material_id, distance in (("mp-37", 0.15), ("mp-38", 0.1501), ("mp-39", 0.9)):
        document_of(documents, "thermo", material_id)["energy_above_hull"] = distance
    server.replace(documents)

    found = rows()

    ids = [row["material_id"] for row in found["candidates"]]
    discharged_with_mg = [f"mp-{number}" for number in range(1, 13, 2)]
    candidates = [f"mp-{number}" for number in range(37, 49) if number not in (38, 39)]
    assert ids == sorted(discharged_with_mg + candidates)
    assert found["rejects"] == {}
    row = next(row for row in found["candidates"] if row["material_id"] == "mp-37")
    assert row["energy_above_hull_eV_per_atom"] == 0.15
    assert row["hull_reference"] == "Materials Project (GGA_GGA+U_R2SCAN)"
    assert row["licence"] == "CC BY 4.0"
    assert row["formula"] == crystals[1].iloc[0].formula
    assert (found["provenance"]["listed"], found["provenance"]["above_hull"]) == (18, 2)


def test_candidates_that_the_stated_hull_does_not_know_are_set_aside(server, documents, rows):
    document_of(documents, "thermo", "mp-37")["thermo_type"] = "GGA_GGA+U"
    document_of(documents, "thermo", "mp-38")["energy_above_hull"] = None
    server.replace(documents)

    found = rows()

    reason = "no distance from the GGA_GGA+U_R2SCAN hull"
    assert found["rejects"] == {"mp-37": reason, "mp-38": reason}
    assert not {"mp-37", "mp-38"} & {row["material_id"] for row in found["candidates"]}


def test_the_r2scan_hull_is_found_under_the_name_that_documents_give_it(server, crystals, rows):
    server.replace(build_documents(*crystals, thermo_type="R2SCAN"))

    found = rows(thermo_type="R2SCAN")

    assert len(found["candidates"]) == 18
    assert {row["hull_reference"] for row in found["candidates"]} == {"Materials Project (R2SCAN)"}


def test_provenance_tells_the_release_its_licence_and_whom_to_cite(rows):
    provenance = rows()["provenance"]

    assert provenance["version"] == "2026.11.20"
    assert provenance["licences"] == ["CC BY 4.0"]
    assert provenance["cite"] == [CITE]
    assert provenance["query"]["thermo_type"] == "GGA_GGA+U_R2SCAN"
    assert provenance["client"].startswith("mp-api ")
    json.dumps(provenance, allow_nan=False)


def test_every_search_has_a_criterion_and_the_thermo_type_is_explicit(server, rows):
    rows(ions=["Mg", "Ca"])

    criteria = [
        {name for name in _arguments(request) if not name.startswith("_")}
        for request in server.requests
        if request.startswith("/materials/")
    ]
    assert all(criteria)
    assert {_arguments(request)["thermo_types"] for request in server.asked("thermo")} == {"GGA_GGA+U_R2SCAN"}
    assert len(server.asked("insertion_electrodes")) == 2, "one page for each ion"


def test_pages_are_sorted_and_of_the_size_that_was_asked_for(server, rows, monkeypatch):
    in_one_page = rows(ions=["Mg", "Ca"])
    server.requests.clear()
    monkeypatch.setattr(release, "PAGE_DOCUMENTS", 5)
    monkeypatch.setattr(release, "BATCH_IDS", 5)

    in_many = rows(ions=["Mg", "Ca"])

    pages = [_arguments(request) for request in server.requests if "_page=" in request]
    assert [(page.get("working_ion"), page["_page"]) for page in pages] == [
        ("Ca", "1"),
        ("Ca", "2"),
        ("Mg", "1"),
        ("Mg", "2"),
        *[(None, str(number)) for number in range(1, 5)],
    ]
    assert {page["_per_page"] for page in pages} == {"5"}
    assert all(page["_sort_fields"] for page in pages)
    batches = [_arguments(request)["material_ids"].split(",") for request in server.asked("thermo")]
    assert [len(batch) for batch in batches] == [5, 5, 5, 3]
    assert in_many == in_one_page


def test_entries_of_gnome_are_left_to_those_who_ask_for_them(server, documents, rows):
    add_material(documents, "mp-900", _layered(4), 0.0, licence="BY-NC")
    server.replace(documents)
    server.accepts_non_commercial = True

    assert "mp-900" not in {row["material_id"] for row in rows()["candidates"]}
    found = rows(include_gnome=True)

    row = next(row for row in found["candidates"] if row["material_id"] == "mp-900")
    assert row["licence"] == "CC BY-NC 4.0"
    assert found["provenance"]["licences"] == ["CC BY 4.0", "CC BY-NC 4.0"]
    assert len(found["provenance"]["cite"]) == 2


def test_a_non_commercial_entry_that_the_server_shows_unasked_is_set_aside(server, documents, rows):
    document_of(documents, "summary", "mp-37")["builder_meta"]["license"] = "BY-NC"
    document_of(documents, "summary", "mp-1")["builder_meta"]["license"] = "BY-NC"
    server.replace(documents)
    server.accepts_non_commercial = True

    found = rows()

    assert found["rejects"]["mp-37"].startswith("CC BY-NC 4.0, non-commercial; set data.materials_project")
    assert "CC BY-NC 4.0" in found["rejects"]["mp-1_Mg"]
    assert found["provenance"]["licences"] == ["CC BY 4.0"]


def test_who_asks_for_gnome_without_its_terms_accepted_is_told(server, rows, caplog):
    rows(include_gnome=True)

    assert "accounts that accepted their terms" in caplog.text


def test_a_second_pull_of_the_same_content_changes_no_file(server, query, tmp_path):
    folder = tmp_path / "raw" / "materials_project"

    assert refresh(lambda cache: pull(query, cache), folder).changed
    dates = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    server.requests.clear()
    assert not refresh(lambda cache: pull(query, cache), folder).changed

    assert server.asked("summary"), "the second pull must ask the server"
    assert {path.name: path.stat().st_mtime_ns for path in folder.iterdir()} == dates
    assert not (tmp_path / "cache").exists() or not any((tmp_path / "cache").iterdir())


def test_what_changed_in_the_database_is_what_changes_in_the_tables(server, query, documents, tmp_path):
    folder = tmp_path / "raw" / "materials_project"
    refresh(lambda cache: pull(query, cache), folder)
    before = {name: (folder / name).stat().st_mtime_ns for name in RAW_TABLES}
    withdraw(documents, "mp-37")
    document_of(documents, "thermo", "mp-38")["energy_above_hull"] = 0.123
    add_material(documents, "mp-900", _layered(4), 0.05)
    server.replace(documents)

    assert refresh(lambda cache: pull(query, cache), folder).changed

    table = read_table(folder / "candidates.parquet", RAW_TABLES["candidates.parquet"])
    distance = dict(zip(table.material_id, table.energy_above_hull_eV_per_atom, strict=True))
    assert "mp-37" not in distance
    assert (distance["mp-38"], distance["mp-900"]) == (0.123, 0.05)
    after = {name: (folder / name).stat().st_mtime_ns for name in RAW_TABLES}
    assert [name for name in RAW_TABLES if after[name] != before[name]] == ["candidates.parquet"]


@pytest.mark.skipif(not REAL_DATA.is_dir(), reason=f"{REAL_DATA} is missing")
def test_real_electrodes_are_the_same_from_the_database_and_from_its_export(server, rows, tmp_path):
    with gzip.open(REAL_DATA / "insertion_electrodes.jsonl.gz", "rt") as lines:
        magnesium = [row for row in map(json.loads, lines) if row["working_ion"] == "Mg"]
    partly = [row for row in magnesium if row["adj_pairs"][0]["fracA_charge"] > 0][:15]
    several_steps = [row for row in magnesium if row["num_steps"] > 1][:15]
    chosen = {row["battery_id"]: row for row in partly + several_steps}
    needed = {row[key] for row in chosen.values() for key in ("id_charge", "id_discharge")}
    with gzip.open(REAL_DATA / "structures.jsonl.gz", "rt") as lines:
        crystals = [row for row in map(json.loads, lines) if row["id"] in needed]
    paths = {"electrodes": tmp_path / "electrodes.jsonl", "structures": tmp_path / "structures.jsonl"}
    for name, content in (("electrodes", chosen.values()), ("structures", crystals)):
        paths[name].write_text("".join(json.dumps(row) + "\n" for row in content))
    documents: Documents = {"insertion_electrodes": [], "summary": [], "thermo": []}
    for row in chosen.values():
        document = {
            **row,
            "material_ids": [row["battery_id"].split("_")[0]],
            "fracA_charge": row["adj_pairs"][0]["fracA_charge"],
            "fracA_discharge": row["adj_pairs"][-1]["fracA_discharge"],
        }
        documents["insertion_electrodes"].append(document)
    for crystal in files.read_structures([paths["structures"]]):
        structure = files.structures.to_structure(crystal.columns)
        add_material(documents, crystal.material_id, structure, 0.0)
    server.replace(documents)

    exported = list(files.electrode_rows([paths["electrodes"]], [paths["structures"]], "DFT", "CC BY 4.0"))
    found = {row["electrode_id"]: row for row in rows()["electrodes"]}

    usable = [row for row in exported if not isinstance(row, Reject)]
    assert len(usable) >= 20
    for row in usable:
        same = found[row["electrode_id"]]
        for name in (
            "material_id",
            "formula",
            "framework",
            "voltage_V",
            "n_steps",
            "numbers",
            "step_voltage_V",
        ):
            assert same[name] == row[name], (row["electrode_id"], name)
        for name in ("x_charged", "step_x", "cell"):
            assert same[name] == pytest.approx(row[name], abs=1e-6), (row["electrode_id"], name)
        for name, value in checked(row[KEY])[0].items():
            # Exports state the symmetry, too.
            symmetry = name.endswith(("space_group", "crystal_system"))
            assert checked(same[KEY])[0][name] == (None if symmetry else value), (row["electrode_id"], name)
