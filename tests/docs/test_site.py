"""The documentation site builds without a warning and opens without a network; the tutorial runs."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    """The site, built strictly: a broken link, or a page that no menu has, is an error."""
    pytest.importorskip("material", reason="the site needs pip install -e .[docs]")
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    built = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert built.returncode == 0, built.stderr[-4000:]
    return folder


@pytest.mark.slow
def test_no_page_loads_anything_from_a_server(site):
    pages = sorted(site.glob("*.html"))
    assert len(pages) > 20
    loaded = re.compile(r"<(?:script|img|iframe|link)\b[^>]*?(?:src|href)=\"(?:https?:)?//[^\"]*\"")
    foreign = {page.name: loaded.findall(page.read_text()) for page in pages}
    assert {name: found for name, found in foreign.items() if found} == {}


@pytest.mark.slow
def test_equations_notebook_and_pages_from_beyond_docs_are_there(site):
    physics = (site / "physics.html").read_text()
    assert physics.count("<math") > 25 and "arithmatex" not in physics
    assert "predict_voltage" in (site / "tutorial.html").read_text()
    assert 'href="benchmarks.html"' in (site / "data.html").read_text()
    assert 'href="architecture.html#contracts"' in (site / "contributing.html").read_text()


@pytest.mark.slow
def test_the_tutorial_runs(tmp_path):
    """With the models that ship: it starts in an empty folder."""
    nbformat = pytest.importorskip("nbformat", reason="the tutorial needs pip install -e .[docs]")
    nbclient = pytest.importorskip("nbclient", reason="the tutorial needs pip install -e .[docs]")
    notebook = nbformat.read(ROOT / "docs" / "tutorial.ipynb", as_version=4)
    nbclient.NotebookClient(notebook, timeout=300, resources={"metadata": {"path": tmp_path}}).execute()
    printed = "".join(
        output.get("text", output.get("data", {}).get("text/plain", ""))
        for cell in notebook.cells
        if cell.cell_type == "code"
        for output in cell.outputs
    )
    voltages = [float(number) for number in re.findall(r": (-?\d+\.\d\d) V, interval", printed)]
    assert len(voltages) == 2 and all(0 < voltage < 6 for voltage in voltages)
    assert "contains no Mg, the working ion" in printed
    assert "no finished run here" in printed


def test_the_tutorial_is_kept_without_outputs():
    nbformat = pytest.importorskip("nbformat", reason="the tutorial needs pip install -e .[docs]")
    notebook = nbformat.read(ROOT / "docs" / "tutorial.ipynb", as_version=4)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert code and all(cell.outputs == [] and cell.execution_count is None for cell in code)
