"""The workflow's own MD rule with a NequIP model, killed with -9 and started again."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.io import write

from ionsieve.artifacts import write_json
from ionsieve.potential.training import TrainingSettings, train

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
SNAKEFILE = f"""
import os
from ionsieve import algorithms
from ionsieve import config as configuration

os.environ.update(OMP_NUM_THREADS="1", PYTHONPATH={str(ROOT)!r})
config_model = configuration.load({{
    "transport": {{
        "temperatures_K": [300.0], "min_atoms": 60, "timestep_fs": 1.0, "npt_ps": 0.1, "nvt_ps": 0.4,
        "frame_interval_fs": 10.0, "checkpoint_ps": 0.05, "max_temperature_factor": 20.0,
        "max_volume_change": 9.0,
    }},
}})
SHORTLIST, candidate_structure = "x.cif", "x.cif"
potential_model, potential_result = "model.ckpt", "model.json"
candidate_migration, MD_DEVICE = [], "cpu"

include: "{ROOT}/rules/transport.smk"
"""
RESULTS = Path("results/transport/x/300K/0")


@pytest.fixture(scope="module")
def project(tmp_path_factory, argon_labels) -> Path:
    """A folder with rocksalt MgO, a NequIP model that has seen a little of it, and the rules of transport."""
    folder = tmp_path_factory.mktemp("resume")
    crystal = bulk("MgO", "rocksalt", a=5.3, cubic=True)
    write(folder / "x.cif", crystal)
    settings = TrainingSettings("small", epochs=2, batch_size=2, learning_rate=0.01, zbl=False, seed=0)
    train(argon_labels(crystal, 8), argon_labels(crystal, 2), settings, folder / "model.ckpt")
    write_json(folder / "model.json", {"status": "ok", "reason": None, "elements": ["Mg", "O"]})
    (folder / "Snakefile").write_text(SNAKEFILE)
    return folder


@pytest.fixture(scope="module")
def argon_labels(lennard_jones):
    def frames(crystal: Atoms, count: int) -> list[Atoms]:
        rng, labelled = np.random.default_rng(count), []
        for _ in range(count):
            frame = crystal.repeat((2, 1, 1))
            frame.positions += rng.normal(scale=0.1, size=frame.positions.shape)
            frame.calc = lennard_jones()
            frame.get_forces()
            labelled.append(frame)
        return labelled

    return frames


def snakemake(folder: Path, *arguments: str) -> subprocess.Popen:
    """Start Snakemake in a process group of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "snakemake", "--cores", "1", "--rerun-incomplete", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def finish(folder: Path) -> None:
    running = snakemake(folder, str(RESULTS / "md.json"))
    output, _ = running.communicate()
    assert running.returncode == 0, output[-3000:]


def kill_once_there(folder: Path, path: str) -> None:
    """Start the run and kill it, with all its processes, as soon as a file exists."""
    running = snakemake(folder, str(RESULTS / "md.json"))
    while not (folder / RESULTS / path).exists():
        assert running.poll() is None, running.communicate()[0][-3000:]
        time.sleep(0.05)
    os.killpg(running.pid, signal.SIGKILL)
    running.communicate()
    assert not (folder / RESULTS / "md.json").exists()
    subprocess.run(
        [sys.executable, "-m", "snakemake", "--unlock"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=True,
        capture_output=True,
    )


def test_kill_minus_9_in_npt_and_in_nvt_and_the_same_command_give_the_same_bytes(project):
    finish(project)
    names = ("trajectory.npz", "thermo.csv", "md.json")
    expected = {name: (project / RESULTS / name).read_bytes() for name in names}
    for name in names:
        (project / RESULTS / name).unlink()
    kill_once_there(project, "checkpoint/state_0001.npz")
    kill_once_there(project, "checkpoint/state_0004.npz")
    finish(project)
    for name in names:
        assert (project / RESULTS / name).read_bytes() == expected[name], name
    assert sorted(path.name for path in (project / RESULTS).iterdir()) == sorted(names)
    log = (project / "results/logs/run_md/x/300K_0.log").read_text()
    assert int(re.search(r"going on after step (\d+) of 500", log)[1]) >= 200
