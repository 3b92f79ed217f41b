"""Energy conservation of the forces that MD runs on."""

import numpy as np
import pytest
from ase import units
from ase.md.velocitydistribution import MaxwellBoltzmannDistribution, Stationary
from ase.md.verlet import VelocityVerlet


def test_energy_drifts_as_the_square_of_the_step_and_not_with_time(argon):
    spreads = {}
    for timestep_fs in (4.0, 8.0):
        atoms = argon(2)
        MaxwellBoltzmannDistribution(atoms, temperature_K=40.0, rng=np.random.default_rng(0))
        Stationary(atoms)
        dynamics = VelocityVerlet(atoms, timestep=timestep_fs * units.fs)
        energies = []
        for _ in range(round(4000 / timestep_fs)):
            dynamics.step()
            energies.append(atoms.get_total_energy() / len(atoms))
        half = len(energies) // 2
        drift = abs(np.mean(energies[half:]) - np.mean(energies[:half]))
        spreads[timestep_fs] = np.std(energies)
        # The thermal energy of an atom is 5 meV; per picosecond it may lose a thousandth of that.
        assert drift / 2.0 < 1e-3 * 1.5 * units.kB * 40.0
    assert spreads[8.0] / spreads[4.0] == pytest.approx(4.0, rel=0.4)
