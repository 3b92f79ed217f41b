"""A cheap reference instead of CHGNet: effective-medium copper-gold, and one NequIP trained on it."""

import runpy
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT

from ionsieve.artifacts import read_json
from ionsieve.potential.frames import FrameSets
from ionsieve.potential.teacher import teacher_frames
from ionsieve.potential.training import TrainingSettings, train


@pytest.fixture(autouse=True)
def single_precision():
    """The default dtype of a fresh process: NequIP's own loaders leave float64, with which CHGNet fails."""
    torch.set_default_dtype(torch.float32)
    yield
    torch.set_default_dtype(torch.float32)


def copper_gold() -> Atoms:
    """Ordered CuAu (L1_0), 4 atoms; gold plays the working ion."""
    crystal = bulk("Cu", "fcc", a=3.95, cubic=True)
    crystal.symbols[:2] = "Au"
    return crystal


@pytest.fixture(scope="session")
def alloy() -> Atoms:
    return copper_gold()


@pytest.fixture(scope="session")
def alloy_frames() -> FrameSets:
    frames, _ = teacher_frames(copper_gold(), EMT(), "Au", 0.2, 900.0, 30, seed=0)
    return frames


@pytest.fixture(scope="session")
def settings() -> TrainingSettings:
    return TrainingSettings("small", epochs=6, batch_size=2, learning_rate=0.02, zbl=True, seed=0)


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: Any, alloy_frames: FrameSets, settings: TrainingSettings) -> Path:
    path = tmp_path_factory.mktemp("potential") / "model.ckpt"
    train(alloy_frames.train, alloy_frames.validation, settings, path)
    return path


@pytest.fixture(scope="session")
def energy_per_strain() -> Callable[..., float]:
    return _energy_per_strain


def _energy_per_strain(frame: Atoms, calculator: object, voigt: int, step: float = 1e-4) -> float:
    """(dE/d strain) / V by central differences, eV/A^3; a shear strain changes both triangles."""
    row, column = [(0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1)][voigt]
    energies = []
    for sign in (1, -1):
        strain = np.eye(3)
        strain[row, column] += sign * step / 2
        strain[column, row] += sign * step / 2
        strained = frame.copy()
        strained.set_cell(frame.cell.array @ strain, scale_atoms=True)
        strained.calc = calculator
        energies.append(strained.get_potential_energy())
    return (energies[0] - energies[1]) / (2 * step) / frame.get_volume()


@pytest.fixture
def run_script(tmp_path: Path, settings: TrainingSettings) -> Callable[..., dict[str, Any]]:
    """Run a script of this stage with the settings of the tests; gives its JSON result."""

    def run(script: str, job_input: SimpleNamespace, **changes: Any) -> dict[str, Any]:
        path = Path(__file__).parents[2] / "workflow_scripts" / f"{script}.py"
        out = tmp_path / "out"
        snakemake = SimpleNamespace(
            input=job_input,
            # As Snakemake gives them: strings.
            output=SimpleNamespace(
                model=str(out / "model.ckpt"),
                result=str(out / "model.json"),
                parity=str(out / "parity.parquet"),
            ),
            params=SimpleNamespace(
                **{
                    **asdict(settings),
                    "max_force_mae_eV_per_A": 0.3,
                    "calculator": None,
                    "calculator_arguments": {},
                    **changes,
                }
            ),
            wildcards=SimpleNamespace(material_id="cu-au"),
        )
        runpy.run_path(str(path))["main"](snakemake)
        return read_json(out / "model.json")

    return run
