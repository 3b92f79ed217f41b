"""`ionsieve predict-formula`: formulas of a call or a CSV file in, rows out, and every mistake named."""

import csv
import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner, Result

from ionsieve.command import app, formula_rows
from ionsieve.command.formula_rows import FormulaRows
from ionsieve.composition import model_search
from ionsieve.composition.descriptors import describe
from ionsieve.composition.ensemble import CompositionEnsemble
from ionsieve.composition.formula_files import DamagedRow, FormulaFile
from ionsieve.composition.formulas import pair_of
from ionsieve.composition.model_search import OF_THE_WORKFLOW, SHIPPED, find_model
from ionsieve.composition.pairs import Pairs
from ionsieve.errors import DataError
from ionsieve.model_search import FoundModel
from ionsieve.workflow_call import snakemake_call

HEADER = "material_id,formula,voltage_V,voltage_low_V,voltage_high_V,in_domain"
# A host of the demo set, and one that is none.
KNOWN, NEW = "MgMn2O4", "MgMn7O12"


@pytest.fixture(scope="module")
def shipped_model() -> FoundModel[CompositionEnsemble]:
    torch.set_num_threads(1)
    return find_model(SHIPPED)


@pytest.fixture
def run(tmp_path, monkeypatch) -> Callable[..., Result]:
    """The command in an empty folder, with the model that ships."""
    torch.set_num_threads(1)
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str, ion: str | None = "Mg") -> Result:
        ion_arguments = [] if ion is None else ["--ion", ion]
        return CliRunner().invoke(
            app, ["predict-formula", *arguments, *ion_arguments], catch_exceptions=False
        )

    return call


def rows_of(result: Result) -> pd.DataFrame:
    assert result.exit_code == 0, result.stderr
    return pd.read_csv(io.StringIO(result.stdout), keep_default_na=False)


def write_csv(path: str, *lines: str) -> str:
    Path(path).write_text("\n".join(lines) + "\n")
    return path


def test_one_formula_gives_one_row_and_says_from_what_it_follows(run):
    result = run(KNOWN)
    assert result.stdout.splitlines()[0] == HEADER
    (row,) = rows_of(result).to_dict("records")
    assert (row["material_id"], row["formula"]) == (KNOWN, KNOWN)
    assert row["voltage_low_V"] < row["voltage_V"] < row["voltage_high_V"]
    told = [line.removeprefix("ionsieve: ") for line in result.stderr.splitlines()]
    assert told[0].startswith(
        f"model {SHIPPED}: learned from 337 electrodes (labels: CHGNet), 78 of them with Mg"
    )
    call = snakemake_call("--cores 4 composition_model")
    assert f"`{call}` trains one on your data into results/composition" in told[1]
    assert told[2:] == [
        "MgMn2O4: charged formula not given; taken as Mn2O4 (all Mg leaves)",
        "MgMn2O4: its host was in training: predicted by the member that never saw it",
        formula_rows.UNCHECKED,
        "1 predicted, 0 rejected",
    ]


def test_many_formulas_are_counted_with_the_first_as_an_example(run):
    result = run(NEW, KNOWN, "MgCoSiO4", "MgTi2S4")
    assert rows_of(result)["formula"].tolist() == [NEW, KNOWN, "MgCoSiO4", "MgTi2S4"]
    assert (
        "ionsieve: 4 formulas: charged formula not given; taken as what is left when all ions leave, for"
        " instance Mn7O12 of MgMn7O12 (all Mg leaves)\n"
    ) in result.stderr
    assert result.stderr.count("charged formula not given") == 1
    assert result.stderr.count("host was in training") == 1
    assert result.stderr.count(formula_rows.UNCHECKED) == 1
    assert "formulas, for instance MgMn2O4: their host was in training: each predicted by" in result.stderr


def test_a_given_charged_formula_is_used_and_nothing_is_assumed(run):
    given_all, half = run(KNOWN, "--charged", "Mn2O4"), run(KNOWN, "--charged", "Mg0.5Mn2O4")
    assert given_all.stdout == run(KNOWN).stdout
    assert rows_of(half)["voltage_V"][0] != rows_of(given_all)["voltage_V"][0]
    assert "not given" not in given_all.stderr + half.stderr


def test_a_known_host_is_predicted_by_the_member_that_never_saw_it(run, shipped_model):
    ensemble = shipped_model.ensemble
    pairs = Pairs.of([pair_of(KNOWN, "Mg")])
    member = ensemble.members[ensemble.fold_of_framework["MnO2"]]
    expected_V = member.predict_V(describe(pairs).to_numpy())[0]
    assert rows_of(run(KNOWN))["voltage_V"][0] == pytest.approx(expected_V, rel=1e-5)
    assert "host was in training" not in run(NEW).stderr


def test_neither_a_factor_nor_the_order_of_elements_changes_a_voltage(run):
    result = run("MgMn2O4", "Mg2Mn4O8", "O4Mn2Mg", "Mg3Mn6O12", "Mg(MnO2)2", "Mg Mn2 O4", "Mg0.5MnO2")
    numbers = rows_of(result)[["voltage_V", "voltage_low_V", "voltage_high_V"]].to_numpy()
    np.testing.assert_allclose(numbers, np.tile(numbers[0], (7, 1)), rtol=1e-5)
    assert "7 formulas, for instance MgMn2O4: their host was in training" in result.stderr


@pytest.mark.parametrize(
    ("formula", "reason"),
    [
        ("", "empty formula"),
        ("mgmn2o4", "not a formula: 'mgmn2o4'"),
        ("Mg(MnO2", "not a formula"),
        ("Mg2+O", "not a formula"),
        ("Mg" + "9" * 400 + "O", "not a formula"),
        ("MgO" * 2000, "of 6000 characters, at most 300"),
        ("MgXx2O4", "unknown element: Xx"),
        ("MgX", "unknown element: X in 'MgX'"),
        ("LiCoO2", "ion absent: the discharged formula LiCoO2 holds no Mg"),
        ("Mg", "no host: the discharged formula Mg is nothing but Mg"),
    ],
)
def test_a_formula_that_means_nothing_is_named_and_stops_nothing(run, formula, reason):
    result = run(formula, KNOWN)
    assert rows_of(result)["formula"].tolist() == [KNOWN]
    (told,) = [line for line in result.stderr.splitlines() if line.startswith("ionsieve: rejected ")]
    assert reason in told
    assert "1 predicted, 1 rejected: 1 x " in result.stderr


@pytest.mark.parametrize(
    ("charged", "reason"),
    [
        ("MgMn2O4", "charged formula with as much Mg as the discharged one or more"),
        ("Mg2Mn2O4", "charged formula with as much Mg as the discharged one or more"),
        ("Mn2O5", "unbalanced hosts: without Mg, Mn2O5 and MgMn2O4 are not the same"),
        ("MnQ", "unknown element: Q"),
    ],
)
def test_a_pair_without_a_voltage_is_named_and_nothing_is_left(run, charged, reason):
    result = run(KNOWN, "--charged", charged)
    assert (result.exit_code, result.stdout) == (1, "")
    assert f"ionsieve: rejected MgMn2O4: {reason}" in result.stderr
    assert formula_rows.UNCHECKED not in result.stderr
    assert result.stderr.endswith("ionsieve: nothing could be predicted\n")


@pytest.mark.parametrize(
    ("arguments", "ion", "message"),
    [
        ([], "Mg", "no formulas; give some, or name a file of them with --csv"),
        ([KNOWN], None, "formulas need a working ion; name it with --ion: Li, Na"),
        ([KNOWN], "Fe", "--ion Fe: not a working ion; known: Li, Na"),
        ([KNOWN, NEW, "--charged", "Mn2O4"], "Mg", "--charged goes with one formula"),
        ([KNOWN, "--charged", ""], "Mg", "--charged: the charged formula is empty"),
        (["--csv", "x.csv", "--charged", "Mn2O4"], "Mg", "--charged goes with one formula"),
        ([KNOWN, "--csv", "x.csv", "--charged", "Mn2O4"], "Mg", "--charged goes with one formula"),
        ([KNOWN, "--model", "absent"], "Mg", "--model absent is no folder"),
        ([KNOWN, "--out", "."], "Mg", "--out . is no regular file"),
        (["--csv", "x.csv", "--out", "x.csv"], "Mg", "--out x.csv would replace the formulas"),
    ],
)
def test_a_wrong_call_is_refused_in_one_line(run, arguments, ion, message):
    write_csv("x.csv", "formula", KNOWN)
    result = run(*arguments, ion=ion)
    assert (result.exit_code, result.stdout) == (2, "")
    (line,) = result.stderr.splitlines()
    assert line.startswith(f"ionsieve: {message}")


def test_each_bad_row_of_a_file_is_told_with_its_line_and_counted(run):
    write_csv(
        "x.csv",
        "material_id,formula,charged_formula,working_ion,space_group",
        "sound,MgMn2O4,Mn2O4,Mg,227",
        "float,MgMn2O4,Mg0.5Mn2O4,Mg,227.0",
        "",
        "sodium,NaMnO2,MnO2,Na,12",
        "zero,MgMn2O4,Mn2O4,Mg,0",
        "beyond,MgMn2O4,Mn2O4,Mg,231",
        "text,MgMn2O4,Mn2O4,Mg,Fd-3m",
        "no_formula,,Mn2O4,Mg,227",
        "no_charged,MgMn2O4,,Mg,227",
        "no_ion,MgMn2O4,Mn2O4,  ,227",
        "no_group,MgMn2O4,Mn2O4,Mg,",
        ",MgMn2O4,Mn2O4,Mg,227",
        "few,MgMn2O4,Mn2O4",
        "many,MgMn2O4,Mn2O4,Mg,227,1",
        "iron,MgMn2O4,Mn2O4,Fe,227",
        "absent,ZnMn2O4,Mn2O4,Mg,227",
        "more,MgMn2O4,Mg2Mn2O4,Mg,227",
        "unbalanced,MgMn2O4,Fe2O4,Mg,227",
        "stranger,MgXx2O4,Xx2O4,Mg,227",
        "nan,nan,Mn2O4,Mg,227",
        'quoted,"MgMn2O4"x,Mn2O4,Mg,227',
        "sound,MgMn2O4,Mn2O4,Mg,227",
        'open,"MgMn2O4,Mn2O4,Mg,227',
    )
    result = run("--csv", "x.csv", ion=None)
    assert rows_of(result)["material_id"].tolist() == ["sound", "float", "sodium", "sound_2"]
    told = {
        line.removeprefix("ionsieve: rejected ").split(" (x.csv, line ")[0]: line
        for line in result.stderr.splitlines()
        if line.startswith("ionsieve: rejected ")
    }
    expected = {
        "zero": "line 6): impossible space group: '0' is none of 1 to 230; the model does not read it",
        "beyond": "line 7): impossible space group: '231'",
        "text": "line 8): impossible space group: 'Fd-3m'",
        "no_formula": "line 9): empty cell: formula",
        "no_charged": "empty cell: charged_formula; where all ions leave, leave the whole column away",
        "no_ion": "empty cell: working_ion",
        "no_group": "empty cell: space_group",
        "x-11": "line 13): empty cell: material_id",
        "few": "cells do not match the columns: 3 instead of 5",
        "many": "cells do not match the columns: 6 instead of 5",
        "iron": "not a working ion: 'Fe'",
        "absent": "line 17): ion absent: the discharged formula ZnMn2O4 holds no Mg",
        "more": "charged formula with as much Mg",
        "unbalanced": "unbalanced hosts",
        "stranger": "unknown element: Xx",
        "nan": "empty formula",
        "x-20": "line 22): not CSV: ",
        "x-22": "line 24): not CSV: unexpected end of data",
    }
    assert told.keys() == expected.keys()
    assert {name: told[name] for name, reason in expected.items() if reason not in told[name]} == {}
    assert "ionsieve: sound occurs again, in x.csv: sound_2 in the table" in result.stderr
    assert "4 predicted" in result.stderr
    assert (
        ", 18 rejected: 5 x empty cell, 3 x impossible space group, 2 x cells do not match" in result.stderr
    )


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is empty"),
        (b"\n \n", "is empty"),
        (b"formula\n", "holds no row below its first line"),
        (
            b"MgMn2O4\n",
            "has no column formula; the first line names the columns, separated by commas, semicolons",
        ),
        (b"Formula,charged\nMgMn2O4,Mn2O4\n", "rename Formula to formula, charged to charged_formula"),
        (b"ID;Formula\na;MgMn2O4\n", "found: ID, Formula; rename ID to material_id, Formula to formula"),
        (b"formula_discharge\nMgMn2O4\n", "rename formula_discharge to formula"),
        (b"discharged,price\nMgMn2O4,1\n", "found: discharged, price; rename discharged to formula"),
        (b"framework,price\nMn2O4,1\n", "found: framework, price"),
        (b"formula,formula\nMgMn2O4,x\n", "has a column twice: formula"),
        (b"\x89PNG\r\n\x1a\n\x00\x00", "is not UTF-8 text"),
        ("formula\nMgMn2O4\n".encode("utf-16"), "is not UTF-8 text"),
        ("formula,note\nMgMn2O4,\xe4\n".encode("latin-1"), "is not UTF-8 text"),
        (b'"formula\nMgMn2O4\n', "is no CSV file: unexpected end of data"),
        (b'{"formula": "MgMn2O4"}\n', "has no column formula"),
        (None, "does not exist"),
    ],
)
def test_a_file_that_cannot_be_used_is_named_and_stops_nothing(run, content, reason):
    if content is not None:
        Path("x.csv").write_bytes(content)
    result = run(KNOWN, "--csv", "x.csv")
    assert rows_of(result)["formula"].tolist() == [KNOWN]
    (told,) = [line for line in result.stderr.splitlines() if line.startswith("ionsieve: rejected x.csv: ")]
    assert reason in told
    assert "1 predicted, 1 rejected: 1 x " in result.stderr
    assert run("--csv", "x.csv").exit_code == 1


def test_a_folder_in_the_place_of_the_file_is_named(run):
    Path("folder").mkdir()
    assert "rejected folder: cannot be read: Is a directory" in run("--csv", "folder").stderr


def test_a_file_without_ions_needs_one_from_the_call(run):
    write_csv("x.csv", "formula", KNOWN)
    result = run("--csv", "x.csv", ion=None)
    assert result.exit_code == 1
    assert "rejected x.csv: has no column working_ion; add it, or name the ion with --ion" in result.stderr
    assert rows_of(run("--csv", "x.csv"))["material_id"].tolist() == ["x-1"]


def test_columns_that_are_not_read_are_told(run):
    write_csv("x.csv", "formula,charged_fromula,price", f"{KNOWN},Mn2O4,3")
    result = run("--csv", "x.csv")
    assert (
        "columns of x.csv that are not read: charged_fromula, price; if charged_fromula is meant as"
        " charged_formula, rename it\n"
    ) in result.stderr
    assert "charged formula not given" in result.stderr


def test_a_column_that_is_there_is_not_asked_for_again(run):
    write_csv("x.csv", "formula,charged_formula,discharged,charge", f"{KNOWN},Mn2O4,x,2")
    assert "not read: discharged, charge\n" in run("--csv", "x.csv").stderr


def test_an_ion_under_another_name_is_asked_for(run):
    write_csv("x.csv", "formula,Working Ion", f"{KNOWN},Mg")
    told = run("--csv", "x.csv", ion=None).stderr
    assert (
        "no column working_ion; add it, or name the ion with --ion; found: formula, Working Ion; rename"
        in told
    )


@pytest.mark.parametrize("separator", [";", "\t"])
def test_semicolons_and_tabs_separate_cells_as_commas_do(run, separator):
    lines = [
        "",
        "formula,charged_formula,material_id",
        "MgMn2O4,Mn2O4,a",
        '"MgCo2O4",Co2O4,b',
        "nonsense,Mn2O4,c",
    ]
    result = run("--csv", write_csv("x.csv", *(line.replace(",", separator) for line in lines)))
    assert rows_of(result)["material_id"].tolist() == ["a", "b"]
    assert "rejected c (x.csv, line 5)" in result.stderr


def test_a_byte_order_mark_and_windows_line_ends_are_read(run):
    Path("x.csv").write_bytes("\ufeffformula,material_id\r\nMgMn2O4,a\r\n".encode())
    assert rows_of(run("--csv", "x.csv"))["material_id"].tolist() == ["a"]


def test_each_ion_of_a_file_is_introduced_once(run):
    write_csv("x.csv", "formula,working_ion", "MgMn2O4,Mg", "NaMnO2,Na", "CsMnO2,Cs", "NaFeO2,Na")
    told = run("--csv", "x.csv", ion=None).stderr.splitlines()
    assert "78 of them with Mg" in told[0]
    assert sum("with Na" in line for line in told) == 1
    assert "of its electrodes with Na; mean absolute error on frameworks it had not seen" in told[2]
    assert told[3].startswith("ionsieve: warning: none of its electrodes works with Cs (only ")
    assert "78 of them with Mg" in run("--csv", "x.csv").stderr.splitlines()[0]


def test_formulas_of_call_and_file_make_one_table(run):
    write_csv("x.csv", "formula,material_id", f"{NEW},{KNOWN}")
    result = run(KNOWN, "--csv", "x.csv")
    assert rows_of(result)["material_id"].tolist() == [KNOWN, f"{KNOWN}_2"]
    assert "MgMn2O4 occurs again, in x.csv: MgMn2O4_2 in the table" in result.stderr


def test_elements_and_ions_beyond_training_are_outside_the_domain(run):
    rows = rows_of(run("MgTa2O6", "MgOg2O4", KNOWN))
    assert rows["in_domain"].tolist() == [False, False, True]
    assert rows_of(run("CsMnO2", ion="Cs"))["in_domain"].tolist() == [False]


def test_chunks_give_what_one_chunk_gives(run, monkeypatch):
    metals = ("Ti", "V", "Cr", "Mn", "Fe", "Co", "Ni")
    write_csv("x.csv", "formula", *(f"Mg{metal}2O4\nMg2{metal}Si2O7" for metal in metals))
    whole = run("--csv", "x.csv")
    monkeypatch.setattr(formula_rows, "FORMULAS_PER_CHUNK", 3)
    chunked = run("--csv", "x.csv")
    assert chunked.stderr == whole.stderr
    one, several = rows_of(whole), rows_of(chunked)
    assert len(one) == 14
    pd.testing.assert_frame_equal(one, several, rtol=1e-5)


def test_rows_leave_before_the_next_chunk_is_read(monkeypatch, tmp_path, shipped_model):
    (tmp_path / "x.csv").write_text("formula\n" + f"{KNOWN}\n" * 7)
    monkeypatch.setattr(formula_rows, "FORMULAS_PER_CHUNK", 3)
    file = FormulaFile(tmp_path / "x.csv", "Mg")
    chunks = FormulaRows([], file, shipped_model, "Mg", print).as_csv()
    assert next(chunks).count("\n") == 4
    assert file.line == 4
    assert next(chunks).count("\n") == 3
    assert file.line == 7


def test_the_table_goes_to_a_file_whole(run):
    on_screen = run(KNOWN).stdout
    result = run(KNOWN, "--out", "new/x.csv")
    assert (result.exit_code, result.stdout) == (0, "")
    assert Path("new/x.csv").read_text() == on_screen
    Path("old.csv").write_text("old")
    assert run("nonsense", "--out", "old.csv").exit_code == 1
    assert Path("old.csv").read_text() == "old"


def test_a_model_of_crystals_is_refused(run, tmp_path):
    result = run(KNOWN, "--model", str(SHIPPED.parent / "voltage"))
    assert result.exit_code == 2
    assert "should hold 'ionsieve composition ensemble 1', but holds 'ionsieve voltage" in result.stderr
    assert f"train one with `{snakemake_call('--cores 4 composition_model')}`" in result.stderr


def test_the_workflows_model_comes_before_the_shipped_one_and_no_other_stands_in(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert find_model(None).folder == SHIPPED
    shutil.copytree(SHIPPED, OF_THE_WORKFLOW)
    assert find_model(None).folder == OF_THE_WORKFLOW
    (OF_THE_WORKFLOW / "card.json").unlink()
    with pytest.raises(DataError, match=r"results/composition/model is no composition model: it lacks card"):
        find_model(None)
    shutil.rmtree(OF_THE_WORKFLOW)
    monkeypatch.setattr(model_search, "SHIPPED", tmp_path / "absent")
    with pytest.raises(DataError, match="there is no composition model in .*composition_model"):
        find_model(None)


def test_a_card_that_lacks_an_ions_error_is_named(run, tmp_path):
    folder = shutil.copytree(SHIPPED, tmp_path / "mine")
    card = json.loads((folder / "card.json").read_text())
    del card["metrics"]["protocols"]["framework"]["by_ion"]["Na"]
    (folder / "card.json").write_text(json.dumps(card))
    write_csv("x.csv", "formula,working_ion", "MgMn2O4,Mg", "NaMnO2,Na")
    result = run("--csv", "x.csv", "--model", str(folder))
    assert result.exit_code == 2
    assert "card.json lacks what this version of IonSieve looks for ('Na')" in result.stderr


def test_help_shows_examples():
    result = CliRunner().invoke(app, ["predict-formula", "--help"])
    assert result.exit_code == 0
    assert "ionsieve predict-formula MgMn2O4 --ion Mg" in result.stdout


LIKE_FORMULAS = st.text(alphabet="MgMnOFeX()[]{}0123456789.,-+ \"'\n\r;", max_size=12)
FORMULAS = st.sampled_from([KNOWN, NEW, "MgCo2O4"]) | LIKE_FORMULAS | st.text(max_size=6)


@given(st.lists(st.tuples(st.text(max_size=6), FORMULAS), min_size=1, max_size=6))
@settings(deadline=None, max_examples=60)
def test_wild_rows_are_predicted_or_named_and_the_table_reads_back(tmp_path_factory, shipped_model, rows):
    path = tmp_path_factory.mktemp("wild") / "x.csv"
    with path.open("w", encoding="utf-8", newline="") as handle:
        csv.writer(handle).writerows([("material_id", "formula"), *rows])
    told: list[str] = []
    table = FormulaRows([], FormulaFile(path, "Mg"), shipped_model, "Mg", told.append)
    text = "".join(table.as_csv())
    assert table.predicted + table.reasons.total() == len(rows)
    assert all(line.isprintable() for line in told)
    read = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    assert len(read) == (table.predicted + 1 if table.predicted else 0)
    ids = [row[0] for row in read[1:]]
    assert len(set(ids)) == len(ids)
    known_ids = {material_id.strip().replace("\r", "\\r") for material_id, _ in rows}
    assert all(name in known_ids or name.rpartition("_")[0] in known_ids for name in ids)
    assert all(np.isfinite([float(value) for value in row[2:5]]).all() for row in read[1:])


@given(st.binary(max_size=60))
@settings(deadline=None, max_examples=200)
def test_no_bytes_break_the_reader(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("wild") / "x.csv"
    for head in (b"", b"formula,material_id\n"):
        path.write_bytes(head + content)
        try:
            rows = list(FormulaFile(path, "Mg").rows())
        except DataError:
            continue
        assert all(isinstance(row, DamagedRow) or row.formula.strip() for row in rows)
