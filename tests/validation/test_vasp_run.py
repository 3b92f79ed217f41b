"""VASP relaxations through atomate2, jobflow, custodian and our parser, with a stand-in for VASP alone."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from placeholder_potcars import write_placeholders
from pymatgen.core import Structure
from pymatgen.io.vasp import Incar, Poscar
from vasp_stand_in import DISPERSION_EV_PER_ATOM, END_VOLUME_FACTOR, IONIC_STEPS, energy_eV

from ionsieve.artifacts import read_json
from ionsieve.errors import CandidateFailed
from ionsieve.validation.dispersion import voltages
from ionsieve.validation.pair import metal_cell
from ionsieve.validation.vasp import VaspSettings, input_set_generator
from ionsieve.validation.vasp_result import PHYSICS_TAGS
from ionsieve.validation.vasp_run import (
    VaspUnavailable,
    last_ionic_step,
    relax,
    remove_potcars,
    require_potcars,
    vasp_command,
)

ROOT = Path(__file__).parents[2]
PAPER = VaspSettings(
    encut_eV=520.0, kspacing_per_A=0.2, ediff_eV=1e-6, max_force_eV_per_A=0.01, d3_damping="zero"
)
STEP_VOLUME_SHARE = (END_VOLUME_FACTOR - 1) / IONIC_STEPS


@pytest.fixture
def script(tmp_path, monkeypatch) -> Path:
    """Stand-in and placeholders as VASP_CMD and POTCARs; the file that tells the stand-in what to do."""
    write_placeholders(tmp_path / "potcars")
    monkeypatch.setattr("pymatgen.io.vasp.inputs.SETTINGS", {"PMG_VASP_PSP_DIR": str(tmp_path / "potcars")})
    monkeypatch.setenv("STAND_IN", str(tmp_path / "behaviour"))
    monkeypatch.setenv("VASP_CMD", f"{sys.executable} {Path(__file__).with_name('vasp_stand_in.py')}")
    return tmp_path / "behaviour"


def relaxed_magnesium(folder: Path, *, may_start_again: bool = True, settings: VaspSettings = PAPER) -> dict:
    return relax(
        "Mg metal",
        metal_cell("Mg"),
        input_set_generator(settings, metal=True),
        folder,
        os.environ,
        {"algorithm": "1"},
        may_start_again=may_start_again,
    )


def started_volumes(script: Path) -> list[float]:
    """Volumes in cubic angstrom that the starts of the stand-in were given."""
    lines = Path(f"{script}.started").read_text().splitlines()
    return [float(line.split()[1]) for line in lines]


@pytest.mark.slow
def test_a_crash_that_custodian_knows_is_mended_and_named(script, tmp_path):
    script.write_text("crash")
    result = relaxed_magnesium(tmp_path / "run")
    assert result["corrections"] == ["zbrent"]
    assert len(started_volumes(script)) == 2
    assert result["energy_eV"] == pytest.approx(energy_eV(Structure.from_dict(result["structure"])), abs=1e-6)


@pytest.mark.slow
def test_a_relaxation_without_electronic_convergence_fails_with_custodians_reason(script, tmp_path):
    script.write_text("unconverged " * 10)
    with pytest.raises(CandidateFailed, match="custodian gave up on Mg metal"):
        relaxed_magnesium(tmp_path / "run")
    assert not list((tmp_path / "run").rglob("POTCAR*"))


@pytest.mark.slow
def test_kill_minus_9_then_another_start_goes_on_from_the_last_ionic_step(script, tmp_path):
    script.write_text("killed killed")
    with pytest.raises(Exception, match="next start goes on from its last ionic step"):
        relaxed_magnesium(tmp_path / "run")
    with pytest.raises(CandidateFailed, match="at its last start too"):
        relaxed_magnesium(tmp_path / "run", may_start_again=False)
    result = relaxed_magnesium(tmp_path / "run")
    first = metal_cell("Mg").volume
    reached = first * (1 + 2 * STEP_VOLUME_SHARE)  # killed at its second step, before that was undone
    assert started_volumes(script) == pytest.approx(
        [first, reached, reached * (1 + 2 * STEP_VOLUME_SHARE)], rel=1e-4
    )
    assert result["volume_A3"] == pytest.approx(started_volumes(script)[2] * END_VOLUME_FACTOR, rel=1e-4)
    # Another structure, other settings: what was reached there is no start for them.
    script.with_name("behaviour.started").unlink()
    other = VaspSettings(600.0, 0.2, 1e-6, 0.01, "zero")
    relaxed_magnesium(tmp_path / "run", settings=other)
    assert started_volumes(script) == pytest.approx([first], rel=1e-4)


@pytest.mark.slow
def test_physics_that_was_not_asked_for_is_no_result(script, tmp_path, monkeypatch):
    monkeypatch.setattr("atomate2.vasp.files.SETTINGS.VASP_INCAR_UPDATES", {"NCORE": 4, "ENCUT": 400})
    with pytest.raises(CandidateFailed, match=r"ENCUT = 400.* in place of 520"):
        relaxed_magnesium(tmp_path / "run")


SNAKEFILE = f"""
import os
from ionsieve import algorithms
from ionsieve import config as configuration

os.environ.update(OMP_NUM_THREADS="1", PYTHONPATH={str(ROOT)!r})
config_model = configuration.load({{"validation": {{"vasp": "run", "vasp_cores": 1}}}})
SHORTLIST, candidate_structure = "x.cif", "x.cif"

include: "{ROOT}/rules/validation.smk"
"""


@pytest.mark.slow
def test_the_rules_take_the_voltage_from_vasps_energies_after_a_kill_and_leave_no_potcar(script, tmp_path):
    project = tmp_path / "project"
    project.mkdir()
    crystal = Structure.from_spacegroup(
        "Pm-3m",
        [[3.9, 0, 0], [0, 3.9, 0], [0, 0, 3.9]],
        ["Mg", "Mn", "O"],
        [[0, 0, 0], [0.5] * 3, [0.5, 0.5, 0]],
    )
    crystal.to(filename=str(project / "x.cif"))
    (project / "Snakefile").write_text(SNAKEFILE)
    script.write_text("killed")
    run = subprocess.run(
        [sys.executable, "-m", "snakemake", "--cores", "1", "results/validation/x/vasp.json"],
        cwd=project,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PMG_VASP_PSP_DIR": str(tmp_path / "potcars")},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr[-4000:]
    assert len(started_volumes(script)) == 4  # three cells, one of them twice
    found = read_json(project / "results/validation/x/vasp.json")
    cells = {
        name: Structure.from_dict(read_json(project / "results/validation" / path)["structure"])
        for name, path in {
            "discharged": "x/vasp/discharged.json",
            "charged": "x/vasp/charged.json",
            "metal": "metals/Mg/vasp.json",
        }.items()
    }
    by_hand = (
        energy_eV(cells["charged"]) + energy_eV(cells["metal"]) / 2 - energy_eV(cells["discharged"])
    ) / 2
    assert (found["status"], found["state"], found["framework_collapsed"]) == ("ok", "done", False)
    assert found["volume_change"] == pytest.approx(cells["charged"].volume / cells["discharged"].volume - 1)
    assert found["voltage_V"] == pytest.approx(by_hand, abs=1e-6)
    # One D3 energy per atom everywhere: four atoms and one of the metal against five, it cancels.
    assert found["voltage_without_d3_V"] == pytest.approx(by_hand, abs=1e-6)
    assert found["voltage_without_d3_on_metal_V"] == pytest.approx(by_hand - DISPERSION_EV_PER_ATOM / 2)
    assert not [path for path in project.rglob("POTCAR*") if ".spec" not in path.name]


def test_voltages_with_and_without_d3_by_hand():
    cells = [
        {"energy_eV": energy, "dispersion_eV": d3, "n_atoms": n}
        for energy, d3, n in ((-100.0, -3.0, 14), (-86.0, -2.0, 12), (-3.2, -0.6, 2))
    ]
    # Two Mg leave: (-86 + 2 (-1.6) + 100) / 4, and without D3 (-84 + 2 (-1.3) + 97) / 4.
    assert voltages(*cells, 2, "Mg") == {
        "voltage_V": pytest.approx(2.7),
        "voltage_without_d3_V": pytest.approx(2.6),
        "voltage_without_d3_on_metal_V": pytest.approx(2.85),
        "d3_on_metal_V": pytest.approx(-0.15),
    }


def test_without_vasp_one_message_says_what_to_set():
    with pytest.raises(
        VaspUnavailable, match=r"no program 'no_such_vasp' here: set VASP_CMD, as in export VASP"
    ):
        vasp_command({"VASP_CMD": "no_such_vasp -n 4"})


def test_a_command_that_is_no_vasp_is_the_machines_fault_not_the_candidates(script, tmp_path, monkeypatch):
    monkeypatch.setenv("VASP_CMD", "env no_such_vasp")
    with pytest.raises(
        VaspUnavailable, match="'env no_such_vasp' ended before VASP wrote an OUTCAR; its last words"
    ):
        relaxed_magnesium(tmp_path / "run", may_start_again=False)


def test_potcars_of_a_job_that_was_killed_go_at_the_next_start(script, tmp_path, monkeypatch):
    monkeypatch.setenv("VASP_CMD", "env no_such_vasp")
    for _ in range(2):
        with pytest.raises(VaspUnavailable):
            relaxed_magnesium(tmp_path / "run")
        left = tmp_path / "run/job_killed/POTCAR.orig"
        assert not left.exists()
        left.parent.mkdir(exist_ok=True)
        left.write_text("licensed")


def test_without_potcars_one_message_names_them(tmp_path, monkeypatch):
    write_placeholders(tmp_path / "potcars")
    monkeypatch.setattr("pymatgen.io.vasp.inputs.SETTINGS", {"PMG_VASP_PSP_DIR": str(tmp_path / "potcars")})
    require_potcars(metal_cell("Mg").composition)
    with pytest.raises(VaspUnavailable, match="POTCARs of PBE are missing: Ca_sv .*PMG_VASP_PSP_DIR"):
        require_potcars(metal_cell("Ca").composition)
    monkeypatch.setattr("pymatgen.io.vasp.inputs.SETTINGS", {})
    with pytest.raises(VaspUnavailable, match="POTCARs of PBE are missing: Mg_pv"):
        require_potcars(metal_cell("Mg").composition)


def test_a_half_written_or_exploded_contcar_is_no_start(tmp_path):
    magnesium = metal_cell("Mg")
    for number, content in enumerate(
        (
            Poscar(magnesium.copy().scale_lattice(magnesium.volume * 1.01)).get_str(),
            Poscar(magnesium.copy().scale_lattice(magnesium.volume * 3.0)).get_str(),
            Poscar(metal_cell("Ca")).get_str(),
            Poscar(magnesium).get_str()[:60],
            "",
        )
    ):
        folder = tmp_path / f"job_{number}"
        folder.mkdir()
        (folder / "CONTCAR").write_text(content)
    reached, name = last_ionic_step(tmp_path, magnesium)
    assert (name, reached.volume) == ("job_0", pytest.approx(magnesium.volume * 1.01))
    (tmp_path / "job_0" / "CONTCAR").unlink()
    assert last_ionic_step(tmp_path, magnesium) is None


def test_potcars_are_removed_compressed_and_backed_up_ones_too(tmp_path):
    names = ("POTCAR", "POTCAR.gz", "POTCAR.orig", "POTCAR.orig.gz", "POTCAR.spec", "INCAR")
    for name in names:
        (tmp_path / name).write_text("x")
    remove_potcars(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"POTCAR.spec", "INCAR"}


def test_every_tag_that_makes_an_energy_comparable_is_watched():
    metal = input_set_generator(PAPER, metal=True).get_input_set(metal_cell("Mg"), potcar_spec=True).incar
    assert isinstance(metal, Incar)
    watched = {tag for tag in metal if tag in PHYSICS_TAGS}
    assert watched >= {
        "GGA",
        "ENCUT",
        "PREC",
        "LASPH",
        "LREAL",
        "ISPIN",
        "KSPACING",
        "ISMEAR",
        "ISIF",
        "IVDW",
    }
