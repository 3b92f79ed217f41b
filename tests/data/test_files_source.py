"""The `files` source reads what users have, and sets aside what no stage could use."""

import gzip
import json

import pytest
from crystals import rock_salt
from pymatgen.core import Composition, Lattice, Structure

from ionsieve import tables
from ionsieve.artifacts import digest
from ionsieve.data.files import (
    candidate_rows,
    charged_content,
    electrode_rows,
    pull,
    read_structures,
    safe_id,
)
from ionsieve.data.records import Reject, write_raw
from ionsieve.errors import DataError
from ionsieve.structures import DamagedStructure, to_structure


@pytest.fixture
def rock_salt_mgo() -> Structure:
    return rock_salt("Mg", "O", 4.21)


@pytest.fixture
def layered_mgtis2() -> Structure:
    return Structure(
        Lattice.hexagonal(3.56, 6.1),
        ["Mg", "Ti", "S", "S"],
        [[0, 0, 0.5], [0, 0, 0], [1 / 3, 2 / 3, 0.235], [2 / 3, 1 / 3, 0.765]],
    )


@pytest.fixture
def layered_tis2(layered_mgtis2) -> Structure:
    return Structure.from_sites([site for site in layered_mgtis2 if site.specie.symbol != "Mg"])


def _line(name: str, structure: Structure) -> str:
    return json.dumps(
        {
            "id": name,
            "formula": structure.formula,
            "cell": list(structure.lattice.parameters),
            "species": [site.specie.symbol for site in structure],
            "xyz": structure.frac_coords.ravel().tolist(),
        }
    )


def _electrode(**changes) -> dict:
    return {
        "battery_id": "e-1",
        "working_ion": "Mg",
        "average_voltage": 0.7,
        "num_steps": 1,
        "id_discharge": "d",
        "id_charge": "c",
    } | changes


def _rows_of(tmp_path, documents, structure_lines):
    (tmp_path / "electrodes.jsonl").write_text("\n".join(json.dumps(document) for document in documents))
    (tmp_path / "structures.jsonl").write_text("\n".join(structure_lines))
    return list(
        electrode_rows(
            [tmp_path / "electrodes.jsonl"], [tmp_path / "structures.jsonl"], "DFT (test)", "CC BY 4.0"
        )
    )


def test_every_format_gives_the_same_crystal(tmp_path, layered_mgtis2):
    import ase.io

    from ionsieve.structures import to_atoms, to_columns

    layered_mgtis2.to(filename=str(tmp_path / "crystal.cif"))
    layered_mgtis2.to(filename=str(tmp_path / "POSCAR"), fmt="poscar")
    ase.io.write(tmp_path / "crystal.extxyz", to_atoms(to_columns(layered_mgtis2)))
    (tmp_path / "lines.jsonl").write_text(_line("x", layered_mgtis2))
    with gzip.open(tmp_path / "zipped.jsonl.gz", "wt") as handle:
        handle.write(json.dumps({"material_id": "x", "structure": layered_mgtis2.as_dict()}))
    for name in ("crystal.cif", "POSCAR", "crystal.extxyz", "lines.jsonl", "zipped.jsonl.gz"):
        (crystal,) = read_structures([tmp_path / name])
        assert not isinstance(crystal, Reject), crystal
        structure = to_structure(crystal.columns)
        assert structure.composition == layered_mgtis2.composition
        assert structure.volume == pytest.approx(layered_mgtis2.volume, rel=1e-4)


def test_own_parquet_tables_are_read_back(tmp_path, layered_mgtis2):
    (tmp_path / "lines.jsonl").write_text(_line("x", layered_mgtis2))
    rows = list(candidate_rows([tmp_path / "lines.jsonl"], "Mg", "CC0"))
    tables.write_table(rows, tables.CANDIDATES, tmp_path / "own.parquet")
    assert list(candidate_rows([tmp_path / "own.parquet"], "Mg", "other")) == rows


def test_a_folder_is_read_in_the_order_of_its_names(tmp_path, layered_mgtis2):
    for name in ("b", "a", "c"):
        layered_mgtis2.to(filename=str(tmp_path / f"{name}.cif"))
    assert [crystal.material_id for crystal in read_structures([tmp_path])] == ["a", "b", "c"]


def test_bad_crystals_are_set_aside_each_with_its_reason(tmp_path, rock_salt_mgo, layered_tis2):
    rock_salt_mgo.to(filename=str(tmp_path / "sound.cif"))
    layered_tis2.to(filename=str(tmp_path / "no_ion.cif"))
    (tmp_path / "garbage.cif").write_text("this is no CIF")
    Structure(Lattice.cubic(4.2), [{"Mg": 0.5, "Zn": 0.5}, "O"], [[0, 0, 0], [0.5, 0.5, 0.5]]).to(
        filename=str(tmp_path / "disordered.cif")
    )
    Structure(Lattice.cubic(4.2), ["Mg", "O"], [[0, 0, 0], [0.1, 0, 0]]).to(
        filename=str(tmp_path / "overlap.cif")
    )
    records = list(candidate_rows([tmp_path], "Mg", "CC0"))
    reasons = {record.material_id: record.reason for record in records if isinstance(record, Reject)}
    assert [record["material_id"] for record in records if not isinstance(record, Reject)] == ["sound"]
    assert "contains no Mg" in reasons["no_ion"]
    assert "unreadable" in reasons["garbage"]
    assert "partial occupancies" in reasons["disordered"]
    assert "overlapping" in reasons["overlap"] or "unreadable" in reasons["overlap"]


def test_a_damaged_line_stops_nothing(tmp_path, rock_salt_mgo):
    (tmp_path / "x.jsonl").write_text(
        "\n".join(["{broken", _line("sound", rock_salt_mgo), '{"id": "empty"}'])
    )
    records = list(candidate_rows([tmp_path / "x.jsonl"], "Mg", "CC0"))
    assert [isinstance(record, Reject) for record in records] == [True, False, True]
    assert "cell, species, xyz is missing" in records[2].reason


def test_strangers_in_a_folder_are_passed_over(tmp_path, rock_salt_mgo):
    rock_salt_mgo.to(filename=str(tmp_path / "sound.cif"))
    (tmp_path / "README.txt").write_text("notes")
    (tmp_path / "OUTCAR").write_text("energies")
    assert [crystal.material_id for crystal in read_structures([tmp_path])] == ["sound"]


def test_vasp_files_are_named_after_their_folders_or_endings(tmp_path, rock_salt_mgo):
    for name in ("calc0/POSCAR", "calc1/POSCAR", "POSCAR.mp-1"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        rock_salt_mgo.to(filename=str(tmp_path / name), fmt="poscar")
    assert {crystal.material_id for crystal in read_structures([tmp_path])} == {
        "calc0",
        "calc1",
        "POSCAR.mp-1",
    }


def test_every_block_of_a_cif_is_read(tmp_path, rock_salt_mgo, layered_mgtis2):
    from pymatgen.io.cif import CifWriter

    (tmp_path / "two.cif").write_text(f"{CifWriter(rock_salt_mgo)}\n{CifWriter(layered_mgtis2)}")
    crystals = list(read_structures([tmp_path / "two.cif"]))
    assert [crystal.material_id for crystal in crystals] == ["two-1", "two-2"]


def test_an_unknown_element_is_set_aside_by_name(tmp_path, rock_salt_mgo):
    line = json.loads(_line("odd", rock_salt_mgo))
    line["species"][0] = "Xx"
    (tmp_path / "x.jsonl").write_text(json.dumps(line))
    (record,) = candidate_rows([tmp_path / "x.jsonl"], "Mg", "CC0")
    assert isinstance(record, Reject) and "Xx" in record.reason


def test_bare_metal_of_the_ion_is_no_candidate(tmp_path):
    metal = Structure(
        Lattice.hexagonal(3.21, 5.21), ["Mg", "Mg"], [[1 / 3, 2 / 3, 0.25], [2 / 3, 1 / 3, 0.75]]
    )
    metal.to(filename=str(tmp_path / "metal.cif"))
    (record,) = candidate_rows([tmp_path], "Mg", "CC0")
    assert isinstance(record, Reject) and "no host" in record.reason


@pytest.mark.parametrize("name", ["absent.jsonl", "table.xlsx"])
def test_a_file_that_cannot_be_read_as_a_whole_is_an_error(tmp_path, name):
    if name != "absent.jsonl":
        (tmp_path / name).write_text("x")
    with pytest.raises(DataError, match=r"does not exist|unknown format"):
        list(read_structures([tmp_path / name]))


def test_a_truncated_archive_is_named(tmp_path, rock_salt_mgo):
    whole = gzip.compress("\n".join(_line(str(i), rock_salt_mgo) for i in range(50)).encode())
    (tmp_path / "half.jsonl.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match="half.jsonl.gz is damaged or truncated"):
        list(read_structures([tmp_path / "half.jsonl.gz"]))


def test_electrode_takes_its_composition_from_the_structures(tmp_path, layered_mgtis2, layered_tis2):
    lines = [_line("d", layered_mgtis2), _line("c", layered_tis2)]
    (row,) = _rows_of(tmp_path, [_electrode(formula_discharge="Mg9TiS2")], lines)
    assert row["formula"] == "MgTiS2"
    assert row["framework"] == "TiS2"
    assert row["x_charged"] == 0.0
    assert row["label_kind"] == "DFT (test)"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"average_voltage": None}, "average_voltage is missing or null"),
        ({"average_voltage": float("inf")}, "voltage inf V"),
        ({"average_voltage": 60.0}, "voltage 60.0 V is not between"),
        ({"id_discharge": "gone"}, "no such structure among the files: gone"),
        ({"id_charge": "gone"}, "no such structure among the files: gone"),
        ({"id_discharge": "c", "id_charge": "c"}, "no Mg"),
        ({"id_charge": "d"}, "holds 1.00 times the Mg"),
        ({"average_voltage": "abc"}, "not a number: average_voltage 'abc'"),
        ({"num_steps": "two"}, "num_steps 'two'"),
        ({"working_ion": "Fe", "id_charge": None}, "not a working ion"),
    ],
)
def test_an_electrode_that_teaches_nothing_is_set_aside(
    tmp_path, layered_mgtis2, layered_tis2, changes, reason
):
    lines = [_line("d", layered_mgtis2), _line("c", layered_tis2)]
    (record,) = _rows_of(tmp_path, [_electrode(**changes)], lines)
    assert isinstance(record, Reject)
    assert reason in record.reason


@pytest.mark.parametrize(
    ("discharged", "charged", "content"),
    [("Li2MnO3", "MnO3", 0.0), ("LiCoO2", "Li2Co4O8", 0.5), ("K3CrF6", "K2CrF6", 2 / 3)],
)
def test_charged_content_is_counted_per_host(discharged, charged, content):
    ion = "K" if "K" in discharged else "Li"
    assert charged_content(Composition(discharged), Composition(charged), ion) == pytest.approx(content)


def test_pair_of_two_hosts_is_refused():
    with pytest.raises(DamagedStructure, match="hosts differ"):
        charged_content(Composition("LiCoO2"), Composition("NiO2"), "Li")


@pytest.mark.parametrize("name", ["a b/c", "../etc", "Mg(OH)2", "ä"])
def test_ids_become_safe_folder_names(name):
    assert "/" not in safe_id(name) and " " not in safe_id(name) and not safe_id(name).startswith(".")


def test_ingest_is_the_same_bytes_twice(tmp_path, layered_mgtis2, layered_tis2):
    (tmp_path / "e.jsonl").write_text(json.dumps(_electrode()))
    (tmp_path / "s.jsonl").write_text("\n".join([_line("d", layered_mgtis2), _line("c", layered_tis2)]))
    digests = []
    for run in ("one", "two"):
        folder = tmp_path / run
        write_raw(pull([tmp_path / "e.jsonl"], [tmp_path / "s.jsonl"], "Mg", "DFT (test)", "CC0"), folder)
        digests.append([digest(path) for path in sorted(folder.iterdir())])
    assert len(digests[0]) == 5
    assert digests[0] == digests[1]
