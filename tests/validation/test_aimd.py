"""Inputs of ab initio MD, and results put back: read as VASP writes them, compared with MLMD."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import vasp_stand_in
from ase import Atoms
from ase.build import bulk
from placeholder_potcars import VALENCE, write_placeholders
from pymatgen.core import Lattice, Structure
from pymatgen.io.vasp import Incar, Poscar

from ionsieve.artifacts import read_json, write_json
from ionsieve.errors import CandidateFailed, DataError
from ionsieve.transport.supercell import simulation_cell
from ionsieve.validation.aimd import AimdSettings, aimd_inputs, analysed, compared, comparison_plot, read_aimd
from ionsieve.validation.vasp import VaspSettings

PAPER = VaspSettings(
    encut_eV=520.0, kspacing_per_A=0.2, ediff_eV=1e-6, max_force_eV_per_A=0.01, d3_damping="zero"
)
ROOT = Path(__file__).parents[2]
MGTIS2 = Structure(
    Lattice.hexagonal(3.5, 6.2),
    ["Mg", "Ti", "S", "S"],
    [[0, 0, 0.5], [0, 0, 0], [1 / 3, 2 / 3, 0.25], [2 / 3, 1 / 3, 0.75]],
)
SETTINGS = AimdSettings(temperatures_K=[800.0, 1500.0], length_ps=10.0, timestep_fs=2.0)


@pytest.fixture(scope="module")
def perovskite_mgmno3() -> Atoms:
    positions = [[0, 0, 0], [0.5, 0.5, 0.5], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]]
    return Atoms("MgMnO3", scaled_positions=positions, cell=[3.9] * 3, pbc=True)


@pytest.fixture(scope="module")
def files(perovskite_mgmno3) -> dict[str, str]:
    cell = simulation_cell(perovskite_mgmno3, "Mg", 60, 0.2, 0, "mp-1")
    return aimd_inputs("mp-1", cell.atoms, SETTINGS, PAPER)


@pytest.mark.parametrize("kelvin", [800, 1500])
def test_each_run_is_ten_picoseconds_of_nvt_at_its_temperature_at_the_gamma_point(files, kelvin):
    incar = Incar.from_str(files[f"{kelvin}K/INCAR"])
    ensemble = {tag: incar[tag] for tag in ("IBRION", "MDALGO", "SMASS", "ISIF", "ISYM", "POTIM", "NSW")}
    assert ensemble == {
        "IBRION": 0, "MDALGO": 2, "SMASS": 0, "ISIF": 2, "ISYM": 0, "POTIM": 2.0, "NSW": 5000
    }  # fmt: skip
    assert (incar["TEBEG"], incar["TEEND"]) == (kelvin, kelvin)
    assert files[f"{kelvin}K/KPOINTS"].split("\n")[2:4] == ["Gamma", "1 1 1"]


def test_functional_u_and_dispersion_are_those_of_the_static_tier(files):
    incar = Incar.from_str(files["800K/INCAR"])
    assert (incar["GGA"], incar["ENCUT"], incar["IVDW"], incar["ISPIN"]) == ("Pe", 520.0, 11, 2)
    assert "KSPACING" not in incar
    symbols = Poscar.from_str(files["800K/POSCAR"]).site_symbols
    assert len(symbols) == 3
    assert dict(zip(symbols, incar["LDAUU"], strict=True)) == {"Mg": 0, "Mn": 3.9, "O": 0}


def test_the_cell_has_the_vacancies_of_mlmd(files, perovskite_mgmno3):
    structure = Poscar.from_str(files["1500K/POSCAR"]).structure
    mlmd = simulation_cell(perovskite_mgmno3, "Mg", 60, 0.2, 0, "mp-1").atoms
    assert structure.composition.as_dict() == {"Mg": 10, "Mn": 12, "O": 36}
    taken = Structure(mlmd.cell.array, mlmd.get_chemical_symbols(), mlmd.get_scaled_positions())
    assert all(len(structure.get_sites_in_sphere(site.coords, 0.01)) == 1 for site in taken)


def test_an_element_without_paw_data_fails_with_its_name():
    with pytest.raises(CandidateFailed, match="no PAW data set for Po"):
        aimd_inputs("mp-2", bulk("MgPo", "rocksalt", a=5.6), SETTINGS, PAPER)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Writes vasprun.xml of MgTiS2's ions at random walks of known D in a host that stands still."""

    def write(diffusivity_cm2_per_s: float, n_steps: int = 600, ibrion: int = 0):
        folder = tmp_path_factory.mktemp("aimd")
        crystal = (MGTIS2 * (3, 3, 2)).get_sorted_structure()
        timestep_fs = 20.0
        variance_A2 = 2 * diffusivity_cm2_per_s * 1e16 * timestep_fs * 1e-15
        ions = np.array([site.specie.symbol == "Mg" for site in crystal])
        steps = np.random.default_rng(1).normal(scale=variance_A2**0.5, size=(n_steps, len(crystal), 3))
        walk = crystal.cart_coords + np.cumsum(steps * ions[None, :, None], axis=0)
        frames = [
            Structure(crystal.lattice, crystal.species, frame, coords_are_cartesian=True, to_unit_cell=True)
            for frame in walk
        ]
        incar = Incar({"ENCUT": 520.0, "KSPACING": 9.0, "ISPIN": 1, "NELM": 60, "NSW": n_steps,
                       "IBRION": ibrion, "POTIM": timestep_fs, "TEBEG": 800.0})  # fmt: skip
        write_placeholders(folder / "potcars")
        titles = [f"PAW_PBE {symbol} 01Jan2000" for symbol in ("Mg_pv", "S", "Ti_pv")]
        valence = {symbol.split("_")[0]: float(electrons) for symbol, electrons in VALENCE.items()}
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(folder)
            patch.setattr(vasp_stand_in, "potcar", lambda: (titles, valence))
            patch.setattr(vasp_stand_in, "energy_eV", lambda structure: -1.0)
            vasp_stand_in.write(incar, frames, converged=True)
        return folder / "vasprun.xml"

    return write


def test_a_walk_of_known_diffusivity_is_found_in_vasps_output(run):
    path = run(5e-5)
    trajectory, temperature_K = read_aimd(path)
    assert temperature_K == 800.0
    assert trajectory.times_ps[1] == pytest.approx(0.02)
    # Ions that left through a face went on: unwrapped, no step is longer than a few tenths of an angstrom.
    assert np.abs(np.diff(trajectory.positions_A, axis=0)).max() < 1.0
    found = analysed(path, "Mg", MGTIS2.to_ase_atoms())
    assert found["status"] == "ok"
    assert found["diffusivity_low_cm2_per_s"] < 5e-5 < found["diffusivity_high_cm2_per_s"]


SNAKEFILE = f"""
import os
from ionsieve import algorithms
from ionsieve import config as configuration

os.environ.update(OMP_NUM_THREADS="1", PYTHONPATH={str(ROOT)!r})
config_model = configuration.load(
    {{"validation": {{"aimd": True, "aimd_results": "mine", "aimd_min_atoms": 40}}}}
)
SHORTLIST, candidate_structure = "x.cif", "x.cif"


def aimd_runs(material_id):
    return ["mine/x/800K/vasprun.xml"]


include: "{ROOT}/rules/validation.smk"
"""


@pytest.mark.slow
def test_the_rules_write_inputs_and_compare_what_is_put_back(run, tmp_path):
    crystal = MGTIS2.copy()
    crystal.to(filename=str(tmp_path / "x.cif"))
    (tmp_path / "mine/x/800K").mkdir(parents=True)
    shutil.copy(run(5e-5), tmp_path / "mine/x/800K/vasprun.xml")
    write_json(
        tmp_path / "results/transport/x/1200K/diffusivity.json",
        {"temperature_K": 1200.0, "status": "ok", "conductivity_kind": "value", "diffusivity_cm2_per_s": 9e-5,
         "diffusivity_low_cm2_per_s": 8e-5, "diffusivity_high_cm2_per_s": 1e-4},
    )  # fmt: skip
    (tmp_path / "Snakefile").write_text(SNAKEFILE)
    results = tmp_path / "results/validation/x"
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", "--cores", "1",
         "results/validation/x/aimd_inputs.zip", "results/validation/x/aimd.json"],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    names = zipfile.ZipFile(results / "aimd_inputs.zip").namelist()
    assert {"x/800K/INCAR", "x/1500K/POSCAR", "x/README.txt"} <= set(names)
    found = read_json(results / "aimd.json")
    assert (found["status"], [row["temperature_K"] for row in found["temperatures"]]) == (
        "ok",
        [800.0, 1200.0],
    )
    assert found["temperatures"][0]["aimd_diffusivity_cm2_per_s"] == pytest.approx(5e-5, rel=0.5)
    assert (results / "aimd.html").stat().st_size > 100_000


def test_a_relaxation_or_a_file_cut_short_is_refused_by_name(run, tmp_path):
    with pytest.raises(DataError, match=r"is no MD run of 20 steps or more \(IBRION = 2"):
        read_aimd(run(5e-5, n_steps=30, ibrion=2))
    with pytest.raises(DataError, match=r"is no MD run of 20 steps or more .*10 steps"):
        read_aimd(run(5e-5, n_steps=10))
    whole = run(5e-5, n_steps=30).read_text()
    (tmp_path / "vasprun.xml").write_text(whole[: len(whole) // 3])
    with pytest.raises(DataError, match="cannot be read as VASP's output"):
        read_aimd(tmp_path / "vasprun.xml")


def test_diffusivities_stand_side_by_side_by_temperature():
    def entry(kelvin: float, value: float | None) -> dict:
        bounds = {"_low": value and value / 2, "_high": 2 * (value or 1e-6), "": value}
        kind = "value" if value else "upper_bound"
        values = {f"diffusivity{name}_cm2_per_s": number for name, number in bounds.items()}
        return {"temperature_K": kelvin, "status": "ok", "conductivity_kind": kind, **values}

    rows = compared(
        [entry(800.0, 1e-6), entry(1500.0, 1e-5)], [entry(1500, 3e-5), entry(1200, 2e-6), entry(800, None)]
    )
    assert [row["temperature_K"] for row in rows] == [800, 1200, 1500]
    assert rows[2]["mlmd_over_aimd"] == pytest.approx(3.0)
    assert [row["intervals_overlap"] for row in rows] == [None, None, True]
    assert (rows[0]["mlmd_kind"], rows[0]["mlmd_over_aimd"]) == ("upper_bound", None)
    assert rows[1]["aimd_diffusivity_cm2_per_s"] is None
    page = comparison_plot(rows, "mp-1")
    assert "mp-1: ab initio MD and MLMD" in page
    assert "https://cdn" not in page.split("</script>")[-2]
