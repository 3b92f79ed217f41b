"""`ionsieve init`: a configuration that a run accepts, thresholds of the ion, nothing overwritten."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from pymatgen.core import Lattice, Structure
from typer.testing import CliRunner

from ionsieve import config
from ionsieve.command import app
from ionsieve.ions import WORKING_IONS
from ionsieve.new_screening import capacity_threshold, start, voltage_threshold
from ionsieve.workflow_call import SNAKEFILE, snakemake_call


@pytest.fixture(autouse=True)
def without_key(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("MP_API_KEY", "PMG_MAPI_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def crystals(tmp_path) -> Path:
    """Three layered Na MX2 as CIFs."""
    folder = tmp_path / "my cifs"
    folder.mkdir()
    for metal in ("Mn", "Fe", "Co"):
        crystal = Structure(
            Lattice.tetragonal(3.1, 4.9),
            ["Na", metal, "O", "O"],
            [[0, 0, 0], [0.5, 0.5, 0.5], [0.5, 0.5, 0], [0, 0, 0.5]],
        )
        crystal.to(filename=str(folder / f"Na{metal}O2.cif"))
    return folder


def test_own_crystals_are_wired_through_the_files_source(crystals):
    started = start(Path("na"), "Na", Path("my cifs"))
    written = yaml.safe_load(started.config.read_text())
    assert written["working_ion"] == "Na"
    assert written["data"]["sources"] == ["files", "demo"]
    assert written["data"]["files"]["structures"] == [str(crystals)]
    assert started.remarks[0] == "3 structure files in my cifs"
    resolved = config.load(written)
    assert resolved.screen.controls == []


@pytest.mark.parametrize("ion", WORKING_IONS)
def test_every_ion_gets_a_configuration_that_a_run_accepts(ion, crystals):
    started = start(Path(ion), ion, crystals)
    resolved = config.load(yaml.safe_load(started.config.read_text()))
    assert resolved.screen.min_voltage_V == voltage_threshold(ion)
    assert resolved.screen.min_capacity_vol_Ah_per_L == capacity_threshold(ion)


def test_thresholds_are_the_papers_for_mg_and_carried_over_by_metal_and_charge():
    assert (voltage_threshold("Mg"), capacity_threshold("Mg")) == (3.0, 800.0)
    assert capacity_threshold("Na") == 400.0
    # Zn's metal is 1.61 V nobler than Mg's: the same host gives that much less against it.
    assert voltage_threshold("Zn") == 1.4
    assert voltage_threshold("Al") == 2.3


def test_without_structures_mg_screens_what_ships_and_others_ask_for_a_key():
    assert yaml.safe_load(start(Path("mg"), "Mg", None).config.read_text())["data"]["sources"] == ["demo"]
    started = start(Path("na"), "Na", None)
    assert yaml.safe_load(started.config.read_text())["data"]["sources"] == ["materials_project"]
    assert started.remarks == ["the Materials Project needs a key: set MP_API_KEY before you run"]


def test_with_a_key_electrodes_come_from_the_materials_project(crystals, monkeypatch):
    monkeypatch.setenv("MP_API_KEY", "a" * 32)
    started = start(Path("na"), "Na", crystals)
    assert yaml.safe_load(started.config.read_text())["data"]["sources"] == ["files", "materials_project"]
    assert "aaaa" not in started.config.read_text()


def test_what_to_type_holds_for_a_folder_with_a_blank_in_its_name():
    result = CliRunner().invoke(app, ["init", "my screening", "--ion", "Mg"])
    assert "    cd 'my screening'\n" in result.stdout


@pytest.mark.parametrize("name", ["config.yaml", "results"])
def test_nothing_is_overwritten(name):
    Path("there").mkdir()
    (Path("there") / name).mkdir()
    result = CliRunner().invoke(app, ["init", "there", "--ion", "Mg"])
    assert result.exit_code == 2
    (line,) = result.stderr.splitlines()
    assert "is there already" in line


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--ion", "Fe"], "not a working ion; known: Li, Na"),
        (["--ion", "Na", "--structures", "absent"], "does not exist"),
        (["--ion", "Na", "--structures", "."], "holds no structure file"),
        (["--ion", "Na", "--structures", __file__], "unknown format '.py'; allowed: a folder, .parquet"),
    ],
)
def test_a_mistake_is_one_line_and_leaves_no_folder(arguments, message):
    result = CliRunner().invoke(app, ["init", "new", *arguments])
    assert result.exit_code == 2
    (line,) = result.stderr.splitlines()
    assert message in line
    assert not Path("new").exists()


def test_commands_name_the_workflow_where_the_folder_has_none(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert snakemake_call("--cores 1") == f"snakemake --snakefile {SNAKEFILE} --cores 1"
    Path("Snakefile").touch()
    assert snakemake_call("--cores 1") == "snakemake --cores 1"


@pytest.mark.slow
def test_the_command_that_it_tells_plans_a_run(crystals):
    started = start(Path("na"), "Na", crystals)
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(SNAKEFILE), "--cores", "1", "-n"]
    assert " ".join(command[2:6]) in f"{started.command} "
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment["PYTHONPATH"] = str(SNAKEFILE.parent)
    planned = subprocess.run(command, cwd="na", env=environment, capture_output=True, text=True, check=False)
    assert planned.returncode == 0, planned.stderr
    assert "ingest_files" in planned.stdout
