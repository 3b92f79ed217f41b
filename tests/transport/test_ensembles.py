"""MD against mechanics and statistics: conserved energy, canonical kinetic energy, volume under pressure."""

import numpy as np
import pytest
from ase import Atoms, units
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.md.velocitydistribution import MaxwellBoltzmannDistribution, Stationary
from ase.md.verlet import VelocityVerlet
from scipy.stats import chi2, kstest

from ionsieve.transport.dynamics import simulate


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


@pytest.mark.slow
def test_kinetic_energy_in_nvt_is_distributed_as_chi_squared(argon, protocol):
    atoms = argon(2)
    settings = protocol(temperature_K=40.0, npt_ps=2.0, nvt_ps=100.0, frame_interval_fs=1000.0)
    thermo = simulate(atoms, settings, np.random.default_rng(1)).thermo.query("stage == 'nvt'")
    degrees = 3 * (len(atoms) - 1)
    # Frames a picosecond apart, ten times the thermostat's: nearly independent.
    sampled = degrees * thermo["temperature_K"] / 40.0
    assert len(sampled) == 100
    assert kstest(sampled, chi2(degrees).cdf).pvalue > 0.01


def copper() -> Atoms:
    atoms = bulk("Cu", cubic=True).repeat(2)
    atoms.calc = EMT()
    return atoms


@pytest.mark.slow
@pytest.mark.parametrize("npt_cell", ["isotropic", "full"])
def test_npt_volume_under_pressure_is_that_of_the_equation_of_state(protocol, npt_cell):
    """Copper at 50 K against its own pressure at rest, which heat shifts alike at both pressures."""
    crystal = copper()
    cell_A = crystal.cell.array
    volumes_A3, pressures_GPa = [], []
    for scale in np.linspace(1.02, 0.97, 26):
        crystal.set_cell(scale * cell_A, scale_atoms=True)
        volumes_A3.append(crystal.get_volume())
        pressures_GPa.append(-crystal.get_stress()[:3].mean() / units.GPa)
    cold_A3 = np.interp([0.0, 5.0], pressures_GPa, volumes_A3)
    means_A3 = []
    for pressure_GPa in (0.0, 5.0):
        settings = protocol(
            temperature_K=50.0, npt_ps=8.0, nvt_ps=0.1, pressure_GPa=pressure_GPa, barostat_fs=300.0,
            timestep_fs=5.0, npt_cell=npt_cell, frame_interval_fs=25.0,
        )  # fmt: skip
        means_A3.append(simulate(copper(), settings, np.random.default_rng(0)).trajectory.volume_A3)
    # The volume of 32 atoms fluctuates by 0.4 %, its mean over 8 ps by a third of that.
    assert means_A3[1] / means_A3[0] == pytest.approx(cold_A3[1] / cold_A3[0], abs=0.004)
    # Classical thermal expansion up to 50 K: some 0.2 % of the volume.
    assert means_A3[0] / cold_A3[0] - 1 == pytest.approx(0.002, abs=0.004)
