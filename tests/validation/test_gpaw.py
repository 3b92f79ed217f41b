"""GPAW's settings per element, and LiCoO2 for real where GPAW is installed."""

import importlib.metadata
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest
from crystals import rock_salt
from pymatgen.core import Lattice, Structure

from ionsieve.artifacts import read_json, write_json
from ionsieve.structures import to_columns
from ionsieve.validation.dispersion import voltages
from ionsieve.validation.gpaw_static import (
    GpawSettings,
    GpawUnavailable,
    d3_parameters,
    gpaw_parameters,
    prepared,
    require_gpaw,
    static_energies,
)
from ionsieve.validation.pair import intercalation_pair, metal_cell

COARSE = GpawSettings(cutoff_eV=400.0, kspacing_per_A=0.5, d3_damping="bj")
ROOT = Path(__file__).parents[2]
SETTINGS = GpawSettings(cutoff_eV=400.0, kspacing_per_A=0.3, d3_damping="bj")


def cobalt_oxide(a_A: float, c_A: float, alpha: float, x: float, *, lithium: bool) -> Structure:
    """Rhombohedral LiCoO2, or its host, as CHGNet relaxes it; oxygen at (x, x, 1 - 3x) and its inverse."""
    sites = {(0.0, 0.0, 0.0): "Co", (x, x, 1 - 3 * x): "O", (1 - x, 1 - x, 3 * x): "O"}
    if lithium:
        sites[0.5, 0.5, 0.5] = "Li"
    return Structure(
        Lattice.from_parameters(a_A, a_A, c_A, alpha, alpha, 60.0), list(sites.values()), list(sites)
    )


@pytest.fixture
def lithium_cobalt_oxide() -> Structure:
    return cobalt_oxide(2.8291, 4.9785, 73.493, 0.25892, lithium=True)


def test_cobalt_in_an_oxide_gets_mps_u_on_its_d_shell_and_no_other_element_any(lithium_cobalt_oxide):
    parameters = gpaw_parameters(lithium_cobalt_oxide, SETTINGS, metal=False)
    assert parameters["setups"] == {"Co": ":d,3.32,0"}
    assert parameters["xc"] == "PBE"
    assert parameters["mode"] == {"name": "pw", "ecut": 400.0}
    assert (parameters["spinpol"], parameters["occupations"]["width"]) == (True, 0.05)


def test_a_metal_has_no_u_and_no_spin_and_a_wider_smearing():
    parameters = gpaw_parameters(metal_cell("Mg"), SETTINGS, metal=True)
    assert (parameters["setups"], parameters["spinpol"]) == ({}, False)
    assert parameters["occupations"] == {"name": "fermi-dirac", "width": 0.2}


def test_k_points_lie_as_close_as_vasps_kspacing_asks(lithium_cobalt_oxide):
    from ase.calculators.calculator import kpts2sizeandoffsets
    from pymatgen.io.ase import AseAtomsAdaptor

    given = gpaw_parameters(lithium_cobalt_oxide, SETTINGS, metal=False)["kpts"]
    size, offsets = kpts2sizeandoffsets(atoms=AseAtomsAdaptor.get_atoms(lithium_cobalt_oxide), **given)
    lengths_per_A = lithium_cobalt_oxide.lattice.reciprocal_lattice.abc
    spacings = [length / n for length, n in zip(lengths_per_A, size, strict=True)]
    assert max(spacings) <= SETTINGS.kspacing_per_A
    # Gamma is among them: an even mesh is shifted back by half a division.
    assert all((n % 2 == 1) == (offset == 0) for n, offset in zip(size, offsets, strict=True))


def test_hosts_start_with_mps_moments_in_a_reduced_cell(lithium_cobalt_oxide):
    oxide = lithium_cobalt_oxide.copy()
    oxide.replace_species({"Co": "Mn"})
    cell = prepared(oxide * (2, 1, 1), metal=False)
    moments = {site.specie.symbol: site.properties["magmom"] for site in cell}
    assert moments == {"Li": 0.6, "Mn": 5.0, "O": 0.6}
    assert cell.volume == pytest.approx(2 * oxide.volume)
    assert "magmom" not in prepared(metal_cell("Mg"), metal=True).site_properties


def test_dispersion_has_the_damping_asked_for():
    assert d3_parameters(SETTINGS) == {"method": "PBE", "damping": "d3bj"}
    assert d3_parameters(GpawSettings(400.0, 0.3, "zero"))["damping"] == "d3zero"


def test_without_gpaw_one_message_says_how_to_install_it(monkeypatch):
    def not_installed(package: str) -> str:
        raise importlib.metadata.PackageNotFoundError(package)

    monkeypatch.setattr("importlib.metadata.version", not_installed)
    with pytest.raises(GpawUnavailable, match=r"gpaw is not installed: on Debian apt-get install libxc-dev"):
        require_gpaw()


with_gpaw = pytest.mark.skipif(
    importlib.util.find_spec("gpaw") is None, reason="GPAW is not installed: make gpaw"
)
SNAKEFILE = f"""
import os
from ionsieve import algorithms
from ionsieve import config as configuration

os.environ.update(OMP_NUM_THREADS="1", PYTHONPATH={str(ROOT)!r} + os.pathsep + os.getenv("PYTHONPATH", ""))
config_model = configuration.load({{
    "working_ion": "Li",
    "data": {{"sources": ["demo", "files"], "files": {{"structures": ["x.cif"]}}}},
    "validation": {{"gpaw": True, "gpaw_cutoff_eV": 250.0, "gpaw_kspacing_per_A": 1.2}},
}})
SHORTLIST, candidate_structure = "x.cif", "x.cif"

include: "{ROOT}/rules/validation.smk"
"""


@pytest.mark.slow
@with_gpaw
def test_the_rules_compute_in_the_cells_that_the_universal_potential_left(tmp_path):
    hydride = rock_salt("Li", "H", 4.08)
    pair = intercalation_pair(hydride.get_primitive_structure(), "Li")
    pair.discharged.to(filename=str(tmp_path / "x.cif"))
    (tmp_path / "Snakefile").write_text(SNAKEFILE)
    relaxed = {
        "status": "ok", "reason": None, "formula": "LiH", "n_ions": 1, "structure_digest": pair.digest,
        "volume_change": 0.0, "framework_collapsed": True,
        "cells": {"discharged": to_columns(pair.discharged), "charged": to_columns(pair.charged)},
    }  # fmt: skip
    write_json(tmp_path / "results/validation/x/universal_potential.json", relaxed)
    run = subprocess.run(
        [sys.executable, "-m", "snakemake", "--cores", "1", "results/validation/x/gpaw.json"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.getenv("PYTHONPATH", "")])},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr[-3000:]
    found = read_json(tmp_path / "results/validation/x/gpaw.json")
    assert (found["status"], found["reason"]) == ("ok", None)
    metal = read_json(tmp_path / "results/validation/metals/Li/gpaw.json")
    assert found["voltage_V"] == pytest.approx(
        found["cells"]["charged"]["energy_eV"]
        + metal["energy_eV"]
        - found["cells"]["discharged"]["energy_eV"]
    )
    assert found["voltage_V"] > found["voltage_without_d3_V"] + found["d3_on_metal_V"]
    assert (found["framework_collapsed"], found["structure_digest"]) == (True, pair.digest)


@pytest.mark.slow
@with_gpaw
def test_lithium_cobalt_oxide_is_near_4_volts_without_d3(lithium_cobalt_oxide, tmp_path):
    charged = cobalt_oxide(2.8354, 4.9393, 73.320, 0.26588, lithium=False)
    discharged, charged, metal = (
        static_energies(name, cell, COARSE, tmp_path / name, metal=name == "metal")
        for name, cell in (
            ("discharged", lithium_cobalt_oxide),
            ("charged", charged),
            ("metal", metal_cell("Li")),
        )
    )
    found = voltages(discharged, charged, metal, 1, "Li")
    assert found["voltage_without_d3_V"] == pytest.approx(4.02, abs=0.05)
    # D3 holds the discharged crystal together, and adds more than it takes by the metal.
    assert found["d3_on_metal_V"] < 0 < found["voltage_V"] - found["voltage_without_d3_V"]
