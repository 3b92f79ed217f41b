"""`ionsieve predict`: what users have in, one row per crystal out, and every mistake named."""

import gzip
import io
import json
import re
import subprocess
import sys
from pathlib import Path

import ase.io
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymatgen.core import Lattice, Structure
from pymatgen.io.cif import CifWriter
from typer.testing import CliRunner

from ionsieve.command import app, voltage_rows
from ionsieve.command.voltage_rows import VoltageRows
from ionsieve.data.files import candidate_rows
from ionsieve.data.structure_files import Crystal
from ionsieve.structures import to_atoms, to_columns
from ionsieve.voltage import crystals
from ionsieve.voltage.candidate_inputs import inputs_of
from ionsieve.voltage.model_search import find_model

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)


def rows_of(result) -> pd.DataFrame:
    assert result.exit_code == 0, result.stderr
    return pd.read_csv(io.StringIO(result.stdout))


def test_the_table_has_the_promised_columns_and_capacities_of_the_closed_form(predict, spinel_mgmn2o4):
    spinel_mgmn2o4.to(filename="MgMn2O4.cif")
    result = predict("MgMn2O4.cif")
    header = "material_id,formula,voltage_V,voltage_low_V,voltage_high_V,"
    header += "capacity_grav_mAh_per_g,capacity_vol_Ah_per_L,in_domain"
    assert result.exit_code == 0, result.stderr
    assert result.stdout.splitlines()[0] == header
    (row,) = rows_of(result).to_dict("records")
    assert (row["material_id"], row["formula"]) == ("MgMn2O4", "MgMn2O4")
    # One ion of charge 2 per formula unit of 198.177 g/mol; two formula units in a quarter of 8.6^3 A3.
    assert row["capacity_grav_mAh_per_g"] == pytest.approx(2 * 96485.332 / (3.6 * 198.177), rel=1e-5)
    assert row["capacity_vol_Ah_per_L"] == pytest.approx(44504.9 * 2 * 2 / (8.6**3 / 4), rel=1e-5)
    assert row["voltage_low_V"] < row["voltage_V"] < row["voltage_high_V"]


def test_every_format_plain_or_gzipped_gives_the_same_row(predict, spinel_mgmn2o4, compact):
    spinel_mgmn2o4.to(filename="cif.cif")
    spinel_mgmn2o4.to(filename="POSCAR.x", fmt="poscar")
    spinel_mgmn2o4.to(filename="vasp.vasp", fmt="poscar")
    ase.io.write("xyz.extxyz", to_atoms(to_columns(spinel_mgmn2o4)))
    as_dict = json.dumps(spinel_mgmn2o4.as_dict())
    nested = json.dumps({"material_id": "nested", "structure": spinel_mgmn2o4.as_dict()})
    Path("lines.jsonl").write_text("\n".join([compact("c", spinel_mgmn2o4), "", as_dict, nested]))
    for name in [path.name for path in Path().iterdir()]:
        Path(f"z{name}.gz" if not name.startswith("POSCAR") else f"{name}.z.gz").write_bytes(
            gzip.compress(Path(name).read_bytes())
        )
    rows = rows_of(predict("."))
    plain = {"cif", "POSCAR.x", "vasp", "xyz", "c", "lines-3", "nested"}
    gzipped = {"zcif", "POSCAR.x.z", "zvasp", "zxyz", "c_2", "zlines-3", "nested_2"}
    assert len(rows) == 14
    assert set(rows["material_id"]) == plain | gzipped
    assert (rows["formula"] == "MgMn2O4").all()
    for column in ("voltage_V", "capacity_grav_mAh_per_g", "capacity_vol_Ah_per_L"):
        assert np.ptp(rows[column]) < 1e-3 * abs(rows[column].mean())


def test_several_crystals_of_one_file_are_numbered_from_one(predict, spinel_mgmn2o4, layered, compact):
    blocks = [CifWriter(spinel_mgmn2o4), CifWriter(layered("Mg", "Mn", "O"))]
    Path("two.cif").write_text("\n".join(map(str, blocks)))
    atoms = to_atoms(to_columns(spinel_mgmn2o4))
    named = atoms.copy()
    named.info["material_id"] = "mine"
    ase.io.write("frames.extxyz", [atoms, named, atoms])
    lines = [compact(name, spinel_mgmn2o4) for name in (0, "Mg, (a)")]
    Path("ids.jsonl").write_text("\n".join([*lines, json.dumps(spinel_mgmn2o4.as_dict())]))
    rows = rows_of(predict("two.cif", "frames.extxyz", "ids.jsonl"))
    assert rows["material_id"].tolist() == [
        *("two-1", "two-2"),
        *("frames-1", "mine", "frames-3"),
        *("0", "Mg, (a)", "ids-3"),
    ]


def test_equal_ids_are_kept_apart_and_told(predict, spinel_mgmn2o4, compact):
    lines = [compact(name, spinel_mgmn2o4) for name in ("a", "a_2", "a", "a", "a_2")]
    Path("x.jsonl").write_text("\n".join(lines))
    result = predict("x.jsonl")
    assert rows_of(result)["material_id"].tolist() == ["a", "a_2", "a_3", "a_4", "a_2_2"]
    assert "a occurs again, in x.jsonl: a_3 in the table" in result.stderr


def test_an_id_that_is_no_text_is_shown_in_escapes(predict, spinel_mgmn2o4, compact):
    Path("x.jsonl").write_text(compact("a\ud800", spinel_mgmn2o4))
    assert rows_of(predict("x.jsonl"))["material_id"].tolist() == ["a\\ud800"]


def test_each_bad_crystal_is_told_with_its_reason_and_counted(predict, spinel_mgmn2o4, compact):
    rocksalt = Structure(Lattice.cubic(2.98), ["Mg", "O"], [[0, 0, 0], [0.5, 0.5, 0.5]])
    coordinates = rocksalt.frac_coords.ravel().tolist()
    lines = [
        compact("sound", spinel_mgmn2o4),
        compact("nan", rocksalt, xyz=[float("nan"), *coordinates[1:]]),
        compact("null", rocksalt, xyz=[None, *coordinates[1:]]),
        compact("infinite", rocksalt, xyz=[float("inf"), *coordinates[1:]]),
        compact("nan_cell", rocksalt, cell=[float("nan"), 3, 3, 90, 90, 90]),
        compact("one_atom", Structure(Lattice.cubic(3.0), ["Mg"], [[0, 0, 0]])),
        compact("no_ion", Structure(Lattice.cubic(3.0), ["Zn", "O"], [[0, 0, 0], [0.5, 0.5, 0.5]])),
        compact("partial", rocksalt, species=[{"Mg": 0.5, "Zn": 0.5}, "O"]),
        compact("overlap", rocksalt, xyz=[0, 0, 0, 0.1, 0, 0]),
        compact("short", rocksalt, xyz=[0, 0, 0]),
        compact("flat", rocksalt, cell=[3, 3, 3, 60, 60, 120]),
        compact("stranger", rocksalt, species=["Xx", "O"]),
        compact("dummy", rocksalt, species=["Mg", "X"]),
        '{"id": "bare"}',
        "{not json",
        "[1, 2]",
    ]
    Path("x.jsonl").write_text("\n".join(lines))
    result = predict("x.jsonl")
    assert rows_of(result)["material_id"].tolist() == ["sound"]
    reasons = dict(
        line.removeprefix("ionsieve: rejected ").split(" (x.jsonl): ")
        for line in result.stderr.splitlines()
        if "rejected " in line and "(x.jsonl)" in line
    )
    expected = {
        "nan": "not finite",
        "null": "not finite",
        "infinite": "not finite",
        "nan_cell": "not finite",
        "one_atom": "no host",
        "no_ion": "contains no Mg",
        "partial": "partial occupancies",
        "overlap": "overlapping atoms",
        "short": "unreadable: line 10 of x.jsonl",
        "flat": "",
        "stranger": "Xx",
        "dummy": "X",
        "bare": "cell, species, xyz is missing",
        "x-15": "not JSON",
        "x-16": "not JSON",
    }
    assert reasons.keys() == expected.keys()
    assert {name: reason for name, reason in reasons.items() if expected[name] not in reason} == {}
    assert ", 15 rejected: " in result.stderr
    assert "4 x cell or coordinates are not finite numbers" in result.stderr


def test_each_bad_file_is_told_with_its_reason_and_stops_nothing(predict, spinel_mgmn2o4, compact):
    spinel_mgmn2o4.to(filename="sound.cif")
    for name in ("empty.cif", "empty.extxyz", "POSCAR_empty", "empty.jsonl"):
        Path(name).touch()
    Path("garbage.cif").write_text("this is no CIF")
    Path("binary.jsonl").write_bytes(bytes(range(128, 256)))
    whole = gzip.compress("\n".join(compact(str(i), spinel_mgmn2o4) for i in range(50)).encode())
    Path("cut.jsonl.gz").write_bytes(whole[: len(whole) // 2])
    Path("not_gzip.jsonl.gz").write_text("text")
    Path("flipped.jsonl.gz").write_bytes(whole[:60] + bytes(200) + whole[260:])
    Path("table.xlsx").touch()
    atoms = to_atoms(to_columns(spinel_mgmn2o4))
    ase.io.write("cut.extxyz", [atoms, atoms])
    lines = Path("cut.extxyz").read_text().splitlines()
    Path("cut.extxyz").write_text("\n".join(lines[:-3]))
    molecule = atoms.copy()
    molecule.pbc = False
    ase.io.write("molecule.xyz", molecule)
    poscar = Path("POSCAR_old")
    spinel_mgmn2o4.to(filename=str(poscar), fmt="poscar")
    poscar.write_text(re.sub(r"(?m)^Mg Mn O\n| [A-Z][a-z]?$", "", poscar.read_text()))
    Path("folder").mkdir()
    names = sorted(path.name for path in Path().iterdir() if path.name != "sound.cif")
    result = predict("sound.cif", *names, "absent.cif")
    rows = rows_of(result)
    assert {"sound", "cut-1"} <= set(rows["material_id"])
    told = [line for line in result.stderr.splitlines() if line.startswith("ionsieve: rejected ")]
    for name, reason in {
        "empty.cif": "unreadable",
        "empty.extxyz": "",
        "POSCAR_empty": "unreadable",
        "empty.jsonl": "holds no structure",
        "garbage.cif": "unreadable",
        "binary.jsonl": "damaged or truncated",
        "cut.jsonl.gz": "damaged or truncated",
        "not_gzip.jsonl.gz": "damaged or truncated",
        "flipped.jsonl.gz": "",
        "table.xlsx": "unknown format",
        "cut.extxyz": "unreadable",
        "molecule.xyz": "not periodic",
        "POSCAR_old": "names no elements",
        "folder": "holds no structure file",
        "absent.cif": "does not exist",
    }.items():
        assert any(name in line and reason in line for line in told), (name, told)
    assert "Traceback" not in result.stderr


def test_other_files_of_a_folder_are_passed_over_and_counted(predict, spinel_mgmn2o4, compact):
    Path("mine/below").mkdir(parents=True)
    spinel_mgmn2o4.to(filename="mine/below/b.cif")
    Path("mine/a.jsonl").write_text(compact("a", spinel_mgmn2o4))
    for name in ("README.md", "OUTCAR", "notes.txt", "vasprun.xml"):
        Path("mine", name).touch()
    result = predict("mine")
    assert rows_of(result)["material_id"].tolist() == ["a", "b"]
    assert "files in mine whose names tell no structure, passed over: 4 (" in result.stderr
    assert "OUTCAR, README.md, notes.txt, ..." in result.stderr
    assert ", 0 rejected" in result.stderr


def test_an_element_that_no_electrode_held_is_predicted_with_a_wider_interval(predict, layered, compact):
    metals = ("Mn", "Ta", "Og")
    Path("x.jsonl").write_text("\n".join(compact(metal, layered("Mg", metal, "O")) for metal in metals))
    rows = rows_of(predict("x.jsonl")).set_index("material_id")
    width_V = rows["voltage_high_V"] - rows["voltage_low_V"]
    assert width_V["Ta"] > 1.5 * width_V["Mn"]
    assert width_V["Og"] > 1.5 * width_V["Mn"]


def test_an_element_that_no_electrode_held_is_outside_the_domain(predict, layered, compact):
    metals = ("Mn", "Ta", "Og")
    Path("x.jsonl").write_text("\n".join(compact(metal, layered("Mg", metal, "O")) for metal in metals))
    result = predict("x.jsonl")
    assert rows_of(result).set_index("material_id")["in_domain"].to_dict() == {
        "Mn": True,
        "Ta": False,
        "Og": False,
    }
    assert "3 predicted (2 of them outside the model's domain), 0 rejected" in result.stderr


def test_a_cell_of_more_than_five_hundred_atoms_is_predicted_as_its_primitive_cell(
    predict, spinel_mgmn2o4, compact
):
    large = spinel_mgmn2o4.make_supercell([3, 3, 5], in_place=False)
    assert len(large) == 630
    Path("x.jsonl").write_text("\n".join([compact("small", spinel_mgmn2o4), compact("large", large)]))
    rows = rows_of(predict("x.jsonl"))
    # The number of sites is a descriptor, so voltages need not agree to the last digit.
    assert np.ptp(rows["voltage_V"]) < 0.1
    assert np.ptp(rows["capacity_grav_mAh_per_g"]) < 1e-3
    assert np.ptp(rows["capacity_vol_Ah_per_L"]) < 1e-2


def test_an_atom_far_from_all_others_is_predicted(predict):
    lone = Structure(Lattice.cubic(40.0), ["Mg", "O"], [[0, 0, 0], [0.5, 0.5, 0.5]])
    lone.to(filename="lone.cif")
    assert np.isfinite(rows_of(predict("lone.cif"))["voltage_V"]).all()


def test_rows_leave_before_the_next_chunk_is_read(monkeypatch, model_folder, spinel_mgmn2o4):
    read = []

    def endless(path):
        for number in range(10**9):
            read.append(number)
            yield Crystal(str(number), to_columns(spinel_mgmn2o4))

    monkeypatch.setattr(voltage_rows, "CRYSTALS_PER_CHUNK", 3)
    monkeypatch.setattr(voltage_rows, "read_structure_file", endless)
    rows = VoltageRows([Path("endless")], find_model(model_folder).ensemble, "Mg", print)
    chunks = rows.as_csv()
    assert next(chunks).count("\n") == 4
    assert len(read) == 3
    assert next(chunks).count("\n") == 3
    assert len(read) == 6


def test_chunks_hold_few_crystals_where_they_are_large(predict, monkeypatch, spinel_mgmn2o4, compact):
    Path("x.jsonl").write_text("\n".join(compact(str(i), spinel_mgmn2o4) for i in range(5)))
    whole = predict("x.jsonl").stdout
    sizes = []

    def noting(candidates, *others):
        sizes.append(len(candidates))
        return inputs_of(candidates, *others)

    monkeypatch.setattr(voltage_rows, "ATOMS_PER_CHUNK", 28)
    monkeypatch.setattr(crystals, "inputs_of", noting)
    assert predict("x.jsonl").stdout == whole
    assert sizes == [2, 2, 1]


def test_the_table_goes_to_a_file_whole(predict, spinel_mgmn2o4):
    spinel_mgmn2o4.to(filename="a.cif")
    on_screen = predict("a.cif").stdout
    result = predict("a.cif", "--out", "new/folder/x.csv")
    assert (result.exit_code, result.stdout) == (0, "")
    assert Path("new/folder/x.csv").read_text() == on_screen
    assert [path.name for path in Path("new/folder").iterdir()] == ["x.csv"]


def test_a_table_that_is_there_stays_when_nothing_is_predicted(predict):
    Path("old.csv").write_text("old")
    result = predict("absent.cif", "--out", "old.csv")
    assert result.exit_code == 1
    assert "ionsieve: rejected absent.cif: does not exist" in result.stderr
    assert result.stderr.endswith("ionsieve: nothing could be predicted\n")
    assert result.stdout == ""
    assert Path("old.csv").read_text() == "old"
    assert [path.name for path in Path().iterdir()] == ["old.csv"]


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("folder", "is no regular file"),
        ("a.cif", "would replace a structure file"),
        ("b.cif", "would replace a structure file"),
        ("a.cif/x.csv", "a.cif"),
    ],
)
def test_a_target_that_cannot_be_written_is_refused_in_one_line(predict, spinel_mgmn2o4, target, message):
    for name in ("a.cif", "b.cif"):
        spinel_mgmn2o4.to(filename=name)
    Path("folder").mkdir()
    before = Path("a.cif").read_text()
    result = predict("a.cif", "--out", target)
    assert result.exit_code == 2
    assert message in result.stderr.splitlines()[-1]
    assert Path("a.cif").read_text() == before


@pytest.mark.parametrize("ion", ["Fe", "mg", ""])
def test_an_unknown_ion_is_refused_with_the_known_ones(predict, ion):
    result = predict("a.cif", ion=ion)
    assert result.exit_code == 2
    (line,) = result.stderr.splitlines()
    assert line.startswith(f"ionsieve: --ion {ion}: not a working ion; known: Li, Na, K, Rb, Cs, Mg")


def test_an_ion_that_the_model_never_saw_is_predicted_with_a_warning(predict, layered):
    layered("Na", "Mn", "O").to(filename="a.cif")
    result = predict("a.cif", ion="Na")
    assert len(rows_of(result)) == 1
    assert "warning: none of its electrodes works with Na (only Li, Mg)" in result.stderr
    assert "warning" not in predict("a.cif", ion="Li").stderr


def test_the_command_starts_without_the_heavy_libraries():
    script = "import sys, ionsieve.command; print({'torch', 'pandas', 'pymatgen', 'ase'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_help_shows_examples():
    result = CliRunner().invoke(app, ["predict", "--help"])
    assert result.exit_code == 0
    assert "ionsieve predict MgMn2O4.cif --ion Mg" in result.stdout


def test_a_reader_that_closes_early_is_no_error(tmp_path, model_folder, spinel_mgmn2o4):
    spinel_mgmn2o4.to(filename=str(tmp_path / "a.cif"))
    script = "from ionsieve.command import app; app()"
    arguments = ["predict", str(tmp_path / "a.cif"), "--ion", "Mg", "--model", str(model_folder)]
    process = subprocess.Popen(
        [sys.executable, "-c", script, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    process.stdout.close()
    told = process.stderr.read()
    assert process.wait(timeout=60) == 0, told
    assert [line for line in told.splitlines() if not line.startswith("ionsieve: ")] == []


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "id": JSON_VALUES,
            "cell": JSON_VALUES | st.lists(st.floats(), min_size=6, max_size=6),
            "species": JSON_VALUES | st.lists(st.sampled_from(["Mg", "O", "X", "Mg2+", ""]), max_size=3),
            "xyz": JSON_VALUES | st.lists(st.floats(), max_size=9),
            "structure": JSON_VALUES,
            "lattice": JSON_VALUES,
            "sites": JSON_VALUES,
            "energy_above_hull": JSON_VALUES,
            "licence": JSON_VALUES,
        },
    )
)
@settings(deadline=None, max_examples=60)
def test_no_line_of_json_breaks_the_reader(tmp_path_factory, document):
    path = tmp_path_factory.mktemp("wild") / "x.jsonl"
    path.write_text(json.dumps(document) + "\n")
    records = list(candidate_rows([path], "Mg", "CC0"))
    assert len(records) == 1
