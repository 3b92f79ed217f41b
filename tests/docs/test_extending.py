"""The worked examples of docs/extending.md do what the page says, and the page shows these very files."""

import importlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from ase.build import bulk
from ase.db import connect

from ionsieve.data.demo import load_electrodes
from ionsieve.data.records import write_raw
from ionsieve.errors import CandidateFailed, DataError
from ionsieve.potential.by_name import calculator_by_name, require_known_elements
from ionsieve.tables import CANDIDATES, REJECTS, read_table
from ionsieve.voltage.benchmark import run_fold
from ionsieve.voltage.electrodes import Electrodes
from ionsieve.voltage.members import Architecture
from ionsieve.voltage.rivals import MODELS, Settings
from ionsieve.voltage.training import Schedule

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples" / "extending"
PAGE = (ROOT / "docs" / "extending.md").read_text()
SETTINGS = Settings(Architecture(8.0, 12, 8, 1, 8), Schedule(1, 32, 0.01, 0.0))


@pytest.fixture(autouse=True)
def _importable(monkeypatch) -> None:
    monkeypatch.syspath_prepend(str(EXAMPLES))


@pytest.fixture
def database(tmp_path) -> Path:
    """Two Mg chalcogenides, the metal, and a crystal without Mg."""
    path = tmp_path / "crystals.db"
    with connect(path) as crystals:
        crystals.write(bulk("MgO", "rocksalt", a=4.21, cubic=True), name="mgo")
        crystals.write(bulk("MgS", "rocksalt", a=5.2), name="mg s/2")
        crystals.write(bulk("Mg", "hcp", a=3.21, c=5.2), name="metal")
        crystals.write(bulk("NaCl", "rocksalt", a=5.64), name="salt")
    return path


@pytest.mark.parametrize(
    "name", [path.name for path in sorted(EXAMPLES.iterdir()) if path.suffix in {".py", ".patch"}]
)
def test_the_page_shows_the_example_that_is_tested(name):
    shown = re.search(rf'```\w+ title="examples/extending/{re.escape(name)}"\n(.*?)\n```', PAGE, re.DOTALL)
    assert shown and shown[1] == (EXAMPLES / name).read_text().rstrip()


def test_the_source_gives_candidates_with_the_ion_and_sets_the_metal_aside(database, tmp_path):
    source = importlib.import_module("ase_database")
    query = source.Query(working_ion="Mg", location=str(database))
    written = write_raw(source.pull(query, tmp_path / "cache"), tmp_path / "raw")
    candidates = read_table(tmp_path / "raw" / "candidates.parquet", CANDIDATES)
    assert candidates[["material_id", "formula"]].to_numpy().tolist() == [
        ["ase-mgo", "MgO"],
        ["ase-mg_s_2", "MgS"],
    ]
    assert (written.electrodes, written.candidates) == (0, 2)
    rejects = read_table(tmp_path / "raw" / "rejects.parquet", REJECTS)
    assert rejects["material_id"].tolist() == ["ase-metal"]
    with pytest.raises(DataError, match="location"):
        source.pull(source.Query(working_ion="Mg", location=str(tmp_path / "none.db")), tmp_path)


@pytest.fixture(scope="module")
def demo_electrodes() -> Electrodes:
    return Electrodes.from_table(load_electrodes(), 8.0, 12, digest="demo")


def test_the_model_passes_the_audit_and_errs_as_the_page_says(demo_electrodes, monkeypatch):
    model = importlib.import_module("nearest_electrodes").NEAREST_ELECTRODES
    monkeypatch.setitem(MODELS, "nearest_electrodes", model)
    stated = re.search(r"this model errs by ([\d.]+) V, the mean of the ion by ([\d.]+)\.", PAGE)
    assert stated
    for name, figure in zip(("nearest_electrodes", "ion_mean"), stated.groups(), strict=True):
        folds = [
            run_fold(demo_electrodes, name, "framework", fold, 0, 5, SETTINGS, seed=0)[0] for fold in range(5)
        ]
        errors = np.concatenate([(rows["voltage_V"] - rows["predicted_voltage_V"]).abs() for rows in folds])
        assert len(errors) == len(demo_electrodes.table)
        assert f"{errors.mean():.2f}" == figure


def test_the_engine_is_stiffer_than_chgnet_by_the_factor_and_is_made_by_name():
    atoms = bulk("MgO", "rocksalt", a=4.3)
    atoms.rattle(0.05, seed=1)
    stiff = calculator_by_name("stiffened.chgnet", {"slope": 0.5})
    soft = calculator_by_name("chgnet")
    for what in ("energy", "forces", "stress"):
        ratio = np.asarray(stiff.get_property(what, atoms)) / soft.get_property(what, atoms)
        assert ratio == pytest.approx(2.0)
    stiff.elements = ["Mg"]
    with pytest.raises(CandidateFailed, match="never trained on O"):
        require_known_elements(atoms, stiff.elements, "stiffened.chgnet")


@pytest.mark.slow
def test_the_patch_makes_the_source_known_to_the_workflow(database, tmp_path):
    project = tmp_path / "project"
    for part in ("rules", "workflow_scripts", "envs", "ionsieve"):
        shutil.copytree(ROOT / part, project / part, ignore=shutil.ignore_patterns("__pycache__"))
    for part in ("Snakefile", "config.yaml"):
        shutil.copy2(ROOT / part, project)
    shutil.copy2(EXAMPLES / "ase_database.py", project / "ionsieve" / "data")
    subprocess.run(["git", "apply", EXAMPLES / "ase_database.patch"], cwd=project, check=True)
    data = f"{{sources: [demo, ase_database], ase_database: {{location: {database}}}}}"
    catalogue = "results/data/catalogue.json"
    run = subprocess.run(
        [sys.executable, "-m", "snakemake", "--cores", "1", catalogue, "--config", f"data={data}"],
        cwd=project,
        env=os.environ | {"PYTHONPATH": str(project)},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr[-4000:]
    counts = json.loads((project / catalogue).read_text())["candidates"]
    # MgO is among the demo's crystals, which come first.
    assert (counts["source ase_database"], counts["same_crystal"]) == (1, 1)
