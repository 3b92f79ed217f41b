"""Stable phases of a host's elements: the real client against the official routers, on loopback."""

import runpy
from pathlib import Path
from types import SimpleNamespace

import pytest
from pymatgen.core import Lattice, Structure
from servers.materials_project_documents import HOST_ENERGY_EV_PER_ATOM, add_material

from ionsieve.data.materials_project.phases import stable_entries
from ionsieve.validation.hull import read_entries

SCRIPT = Path(__file__).parents[2] / "workflow_scripts" / "host_phases.py"


def cell(*symbols: str) -> Structure:
    places = [[k / len(symbols)] * 3 for k in range(len(symbols))]
    return Structure(Lattice.cubic(5), list(symbols), places)


@pytest.fixture
def phases(server, documents):
    """Ti, S, TiS2 and TiS on the hull, a Ti-S phase off it, one with Mg, and TiS of another hull."""
    documents["thermo"].clear()
    described = [
        ("mp-11", cell("Ti"), True, "GGA_GGA+U"),
        ("mp-12", cell("S"), True, "GGA_GGA+U"),
        ("mp-13", cell("Ti", "S", "S"), True, "GGA_GGA+U"),
        ("mp-14", cell("Ti", "S"), True, "GGA_GGA+U"),
        ("mp-15", cell("Ti", "Ti", "S"), False, "GGA_GGA+U"),
        ("mp-16", cell("Mg", "S"), True, "GGA_GGA+U"),
        ("mp-17", cell("Ti", "S"), True, "R2SCAN"),
    ]
    for name, structure, stable, thermo_type in described:
        add_material(documents, name, structure, 0.0 if stable else 0.2, thermo_type=thermo_type)
        documents["thermo"][-1] |= {"is_stable": stable}
    server.restore(documents)
    return server


def test_phases_are_those_on_the_hull_of_the_elements_and_their_parts(phases, tmp_path):
    entries = stable_entries(["Ti", "S"], tmp_path / "cache")
    assert [entry.entry_id for entry in entries] == ["mp-11", "mp-12", "mp-13", "mp-14"]
    assert {entry.energy_per_atom for entry in entries} == {HOST_ENERGY_EV_PER_ATOM}


def test_the_script_writes_entries_without_the_working_ion(phases, tmp_path):
    cell("Mg", "Ti", "S", "S").to(filename=str(tmp_path / "x.cif"))
    entries = tmp_path / "x" / "host_phases.json"
    runpy.run_path(str(SCRIPT))["main"](
        SimpleNamespace(
            input=SimpleNamespace(structure=str(tmp_path / "x.cif")),
            output=SimpleNamespace(entries=str(entries)),
            params=SimpleNamespace(working_ion="Mg"),
        )
    )
    assert {entry.reduced_formula for entry in read_entries(entries)} == {"Ti", "S", "TiS2", "TiS"}
    assert [path.name for path in entries.parent.iterdir()] == [entries.name]
