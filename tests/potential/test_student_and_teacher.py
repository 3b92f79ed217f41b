"""What MD is run for: a student's diffusion is its teacher's, within what the runs can tell."""

import numpy as np
import pytest
from ase import Atoms, units
from ase.calculators.calculator import Calculator
from ase.calculators.emt import EMT
from ase.md.nose_hoover_chain import NoseHooverChainNVT
from ase.md.velocitydistribution import MaxwellBoltzmannDistribution, Stationary

from ionsieve.potential.calculator import load_calculator
from ionsieve.potential.teacher import teacher_frames
from ionsieve.potential.training import TrainingSettings, train
from ionsieve.transport.diffusivity import ion_diffusivities_A2_per_ps, weighted_mean
from ionsieve.transport.msd import mean_squared_displacement_A2

INTERVAL_PS = 0.03


@pytest.fixture(scope="module")
def student(tmp_path_factory, alloy) -> Calculator:
    """Distilled as the default configuration does it; MD is as hot as the hottest of its frames."""
    frames, _ = teacher_frames(alloy, EMT(), "Au", 0.2, 900.0, 80, seed=0)
    settings = TrainingSettings("small", epochs=20, batch_size=1, learning_rate=0.02, zbl=True, seed=0)
    path = tmp_path_factory.mktemp("student") / "model.ckpt"
    train(frames.train, frames.validation, settings, path)
    return load_calculator(path)


def diffusivity_of(melt: Atoms, calculator: Calculator) -> tuple[float, float]:
    """Diffusivity of the atoms in A2/ps and its standard error, 3 ps at 1800 K after 1 ps."""
    atoms = melt.copy()
    atoms.calc = calculator
    MaxwellBoltzmannDistribution(atoms, temperature_K=1800.0, rng=np.random.default_rng(0))
    Stationary(atoms)
    dynamics = NoseHooverChainNVT(atoms, timestep=3 * units.fs, temperature_K=1800.0, tdamp=50 * units.fs)
    dynamics.run(330)
    frames = []
    for _ in range(100):
        dynamics.run(10)
        frames.append(atoms.positions.copy())
    slopes = ion_diffusivities_A2_per_ps(mean_squared_displacement_A2(np.array(frames)), INTERVAL_PS)
    return weighted_mean(slopes, np.ones(len(slopes)))


@pytest.mark.long
def test_the_msd_of_a_student_rises_as_fast_as_its_teachers(student, alloy):
    melt = alloy.repeat(2)
    melt.set_cell(1.06 * melt.cell, scale_atoms=True)
    taught, taught_error = diffusivity_of(melt, EMT())
    learned, learned_error = diffusivity_of(melt, student)
    assert taught > 5 * taught_error  # it is a melt, and does diffuse
    assert abs(np.log(learned / taught)) < 1.96 * np.hypot(learned_error / learned, taught_error / taught)
