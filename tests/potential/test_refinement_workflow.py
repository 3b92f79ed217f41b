"""The rules of refinement, run by Snakemake with a cheap teacher: effective-medium aluminium-copper."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.io import write

from ionsieve.artifacts import read_json, write_json
from ionsieve.potential.frames import labelled, read_frames, write_frames
from ionsieve.potential.teacher import teacher_cell, teacher_frames
from ionsieve.potential.vacancies import remove_ions

pytestmark = pytest.mark.long

ROOT = Path(__file__).parents[2]
SNAKEFILE = f"""
import os
from ionsieve import algorithms
from ionsieve import config as configuration

os.environ.update(OMP_NUM_THREADS="1", PYTHONPATH={str(ROOT)!r})
config_model = configuration.load({{
    "working_ion": "Al",
    "data": {{"sources": ["files"], "files": {{"structures": ["x.cif"], "electrodes": ["x.cif"]}}}},
    "transport": {{"temperatures_K": [900.0]}},
    "potential": {{
        "teacher": "ase.calculators.emt.EMT", "teacher_temperature_K": 900.0, "epochs": 10,
        "refinement_rounds": int(config["rounds"]), "refinement_max_disagreement_eV_per_A": 0.05,
    }},
}})

wildcard_constraints:
    potential="x", material_id="x", round=r"\\d+", member=r"\\d+"

include: "{ROOT}/rules/common.smk"

RELAXATION_FRAMES = []
SHORTLIST, candidate_structure = "x.cif", "x.cif"

include: "{ROOT}/rules/potential.smk"
include: "{ROOT}/rules/refinement.smk"
"""
POTENTIAL = Path("results/potential/x")


def aluminium_copper() -> Atoms:
    """Ordered AlCu (L1_0), 4 atoms; aluminium is the working ion."""
    crystal = bulk("Cu", "fcc", a=3.8, cubic=True)
    crystal.symbols[:2] = "Al"
    return crystal


def cold_frames(count: int, name: str) -> list[Atoms]:
    """Crystals a few hundredths of an angstrom from rest, with the teacher's labels."""
    rng, frames = np.random.default_rng(len(name)), []
    for number in range(count):
        atoms = remove_ions(teacher_cell(aluminium_copper()), "Al", 0.2 * (number % 2), rng)
        atoms.set_cell(atoms.cell * (1 + rng.uniform(-0.01, 0.01)), scale_atoms=True)
        atoms.positions += rng.normal(scale=0.03, size=atoms.positions.shape)
        atoms.info = {"kind": "cold", "trajectory": f"{name}-{number}"}
        atoms.calc = EMT()
        frames.append(labelled(atoms, atoms.get_potential_energy(), atoms.get_forces(), atoms.get_stress()))
    return frames


@pytest.fixture
def project(tmp_path) -> Path:
    """A candidate with a dozen cold frames to learn, and hot ones of the teacher's own to be measured on."""
    write(tmp_path / "x.cif", aluminium_copper())
    folder = tmp_path / POTENTIAL / "frames"
    write_frames(folder / "train.extxyz", cold_frames(12, "train"))
    write_frames(folder / "validation.extxyz", cold_frames(3, "held out"))
    hot, _ = teacher_frames(aluminium_copper(), EMT(), "Al", 0.2, 900.0, 16, seed=1)
    write_frames(folder / "test.extxyz", hot.test)
    write_json(
        tmp_path / POTENTIAL / "frames.json",
        {"status": "ok", "reason": None, "teacher": "ase.calculators.emt.EMT", "softening": None},
    )
    (tmp_path / "Snakefile").write_text(SNAKEFILE)
    return tmp_path


def snakemake(folder: Path, rounds: int, target: str, *arguments: str) -> str:
    command = [sys.executable, "-m", "snakemake", "--cores", "2", "--nocolor", *arguments]
    done = subprocess.run(
        [*command, "--config", f"rounds={rounds}", "--", str(POTENTIAL / target)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
    return done.stdout + done.stderr


def planned(folder: Path, rounds: int, target: str) -> dict[str, int]:
    """Jobs of a dry run by rule, from the first of its tables.

    Whether code changed is left out: of the first frames, which no rule made here, Snakemake has no record.
    """
    triggers = ("--rerun-triggers", "mtime", "input", "params")
    _, _, table = snakemake(folder, rounds, target, "-n", *triggers).partition("Job stats:")
    rows = re.findall(r"^(\w+) +(\d+)$", table.partition("total")[0], flags=re.MULTILINE)
    return {rule: int(count) for rule, count in rows}


def test_a_round_of_refinement_teaches_a_cold_potential_what_heat_looks_like(project):
    """Trained near rest, the potential meets frames on which its committee differs; learning a few of them
    brings its error on hot frames, which no round has touched, down."""
    snakemake(project, 1, "model-1.json")
    cold, refined = (read_json(project / POTENTIAL / name) for name in ("model.json", "model-1.json"))
    (of_round,) = refined["refinement"]["rounds"]
    assert of_round["n_disagreeing"] > 20 and of_round["frames_added"] == 20
    added = read_frames(project / POTENTIAL / "refinement/1/train.extxyz")[12:]
    assert {frame.info["kind"] for frame in added} == {"explored"} and len(added) == 20
    assert of_round["force_mae_eV_per_A_before"] == cold["metrics"]["force_mae_eV_per_A"]
    assert of_round["force_mae_eV_per_A_after"] == refined["metrics"]["force_mae_eV_per_A"]
    assert of_round["force_mae_eV_per_A_after"] < 0.6 * of_round["force_mae_eV_per_A_before"]
    assert refined["sources_sha256"]["test"] == cold["sources_sha256"]["test"]
    assert planned(project, 1, "model-1.json") == {}
    assert planned(project, 2, "deployed.model") == {
        "train_committee_member": 2,
        "explore_potential": 1,
        "label_explored": 1,
        "refine_potential": 1,
        "deploy_potential": 1,
    }
