"""`ionsieve export`: the folder for the experimentalists holds what it says, in plain words."""

import csv
from pathlib import Path

import pytest
from pymatgen.core import Structure
from typer.testing import CliRunner

from ionsieve import tables
from ionsieve.artifacts import write_json
from ionsieve.command import app
from ionsieve.errors import DataError
from ionsieve.run.handover import COLUMNS, hand_over
from ionsieve.structures import to_columns


def test_every_column_of_the_ranking_has_a_unit_or_needs_none():
    assert list(COLUMNS) == tables.RANKED.names


def test_the_folder_holds_table_crystals_references_licences_and_a_readme(finished, tmp_path):
    result = CliRunner().invoke(
        app, ["export", str(tmp_path / "lab"), "--top", "2", "--run", str(finished.folder)]
    )
    assert result.exit_code == 0, result.stderr
    lab = tmp_path / "lab"
    with (lab / "candidates.csv").open() as handle:
        rows = list(csv.DictReader(handle))
    assert [row["material_id"] for row in rows] == ["demo-spinel-MgMn2O4", "demo-cf-MgCr2O4"]
    with (lab / "columns.csv").open() as handle:
        units = {row["column"]: row["unit"] for row in csv.DictReader(handle)}
    assert list(units) == list(rows[0])
    assert units["capacity_vol_Ah_per_L"] == "Ah/L"
    text = (lab / "README.txt").read_text()
    assert "Nothing here has been measured" in text
    assert "1. MgMn2O4 (demo-spinel-MgMn2O4)" in text
    assert "voltage 3.32 V (2.72 to 3.92 V) against Mg metal" in text
    assert "conductivity below 62 mS/cm at 1200 K" in text
    assert "MIT: demo-spinel-MgMn2O4, demo-cf-MgCr2O4" in (lab / "licences.txt").read_text()
    references = (lab / "references.bib").read_text()
    for name in ("@misc{ionsieve,", "@article{nequip,", "@article{chgnet,", "@article{vasp,"):
        assert references.count(name) == 1
    assert "{drxnet," not in references
    # What a source asks to be cited, and no entry is known of.
    assert "note = {Jain et al. (2013)}" in references


def test_crystals_are_those_of_the_run_and_the_host_without_its_ions(sieve, perovskite, tmp_path):
    run = sieve("run", {"c-Mn": 3.5, "c-Fe": 3.3})
    host = perovskite("Mn")
    host.remove_species(["Mg"])
    cells = {"charged": to_columns(host)}
    path = run.results / "validation/c-Mn/universal_potential.json"
    write_json(path, {"status": "ok", "reason": None, "cells": cells})
    assert set(hand_over(run, tmp_path / "lab")) == {"c-Mn", "c-Fe"}
    folder = tmp_path / "lab/structures"
    assert {path.name for path in folder.iterdir()} == {
        "c-Mn.cif",
        "c-Mn_charged_host.cif",
        "c-Fe.cif",
    }
    assert Structure.from_file(folder / "c-Mn.cif").composition.reduced_formula == "MgMnF3"
    assert Structure.from_file(folder / "c-Mn_charged_host.cif").composition.reduced_formula == "MnF3"
    assert "host without Mg" in (tmp_path / "lab/README.txt").read_text()


def test_before_the_ranking_the_readme_says_that_there_is_none(sieve, tmp_path):
    hand_over(sieve("run", {"c-Mn": 3.5}), tmp_path / "lab")
    assert "not its ranking" in (tmp_path / "lab/README.txt").read_text()


def test_a_single_candidate_is_told_as_one(finished, tmp_path):
    arguments = ["export", str(tmp_path / "lab"), "--top", "1", "--run", str(finished.folder)]
    assert "ionsieve: 1 candidate in " in CliRunner().invoke(app, arguments).stderr
    assert (tmp_path / "lab/README.txt").read_text().startswith("1 candidate for Mg cathodes")


def test_a_folder_that_holds_something_is_left_alone(finished, tmp_path):
    lab = tmp_path / "lab"
    lab.mkdir()
    (lab / "notes.txt").write_text("mine")
    with pytest.raises(DataError, match="is there already"):
        hand_over(finished, lab)
    assert [path.name for path in lab.iterdir()] == ["notes.txt"]


def test_non_commercial_data_are_said_to_be_so(finished, tmp_path):
    finished.ranked.loc[0, "licence"] = "CC BY-NC 4.0 (GNoME)"
    hand_over(finished, tmp_path / "lab")
    assert "bars commercial use" in (tmp_path / "lab/licences.txt").read_text()


def test_a_run_without_shortlist_is_refused_and_nothing_written(tmp_path):
    Path(tmp_path / "run/results").mkdir(parents=True)
    result = CliRunner().invoke(app, ["export", str(tmp_path / "lab"), "--run", str(tmp_path / "run")])
    assert result.exit_code == 2
    assert "has no shortlist yet" in result.stderr
    assert not (tmp_path / "lab").exists()
