import re

import numpy as np
import pytest
from ase import Atoms, units

from ionsieve.transport.dynamics import kinetic_temperature_K, simulate, thermo_csv
from ionsieve.transport.trajectory import load, save


def test_nvt_shares_the_energy_canonically_among_light_and_heavy_atoms(argon, protocol):
    atoms = argon(2)
    masses = np.where(np.arange(len(atoms)) % 2, 10.0, 40.0)
    atoms.set_masses(masses)
    settings = protocol(temperature_K=40.0, npt_ps=2.0, nvt_ps=25.0, frame_interval_fs=5.0)
    simulation = simulate(atoms, settings, np.random.default_rng(0))
    temperatures = simulation.thermo.query("stage == 'nvt'")["temperature_K"]
    assert temperatures.mean() == pytest.approx(40.0, rel=0.02)
    # Canonical ensemble: variance of T over T^2 is 2 / (3 N - 3).
    assert temperatures.var() / 40.0**2 == pytest.approx(2 / (3 * 31), rel=0.35)
    positions_A, interval = simulation.trajectory.positions_A, 2 * settings.timestep_fs * units.fs
    velocities = (positions_A[2:] - positions_A[:-2]) / interval
    component_temperatures_K = (masses[:, None] * velocities**2).mean(axis=(0, 2)) / units.kB
    for mass in (10.0, 40.0):
        # Of the 3 N - 3 degrees of freedom an atom of mass m has 3 (1 - m / M).
        expected_K = 40.0 * (1 - mass / masses.sum())
        # 48 components and some 40 independent times: standard error 3 %.
        assert component_temperatures_K[masses == mass].mean() == pytest.approx(expected_K, rel=0.1)


def test_the_centre_of_mass_rests_from_start_to_end(argon, protocol):
    atoms = argon(2)
    simulate(atoms, protocol(npt_ps=0.5, nvt_ps=1.0), np.random.default_rng(3))
    momenta = atoms.get_momenta()
    assert np.abs(momenta.sum(axis=0)).max() < 1e-9 * np.abs(momenta).max() * len(atoms)


def test_kinetic_temperature_counts_3n_minus_3_degrees_of_freedom():
    # Two atoms of mass m with opposite speeds v: 2 (m v^2 / 2) = 3/2 k T
    atoms = Atoms("Ar2", positions=[[0, 0, 0], [0, 0, 4]], velocities=[[0.01, 0, 0], [-0.01, 0, 0]])
    kinetic_energy_eV = atoms.get_masses()[0] * 0.01**2
    assert kinetic_temperature_K(atoms) == pytest.approx(kinetic_energy_eV / (1.5 * 8.617333262e-5), rel=1e-6)


def test_npt_volume_answers_to_pressure_and_nvt_keeps_the_mean_cell(argon, protocol):
    volumes = {}
    for pressure_GPa in (0.0, 1.0):
        settings = protocol(npt_ps=4.0, nvt_ps=0.5, pressure_GPa=pressure_GPa, barostat_fs=300.0)
        thermo = simulate(argon(2), settings, np.random.default_rng(0)).thermo
        npt, nvt = thermo.query("stage == 'npt'"), thermo.query("stage == 'nvt'")
        second_half = npt.iloc[len(npt) // 2 :]
        assert second_half["pressure_GPa"].mean() == pytest.approx(pressure_GPa, abs=0.06)
        assert nvt["volume_A3"].nunique() == 1
        assert nvt["volume_A3"].iloc[0] == pytest.approx(second_half["volume_A3"].mean(), rel=1e-3)
        volumes[pressure_GPa] = nvt["volume_A3"].iloc[0]
    # The bulk modulus of this solid is a few GPa: 1 GPa takes a tenth to a fifth of the volume.
    assert 0.75 < volumes[1.0] / volumes[0.0] < 0.93


def test_a_stiff_crystal_under_pressure_expands_without_overshooting(argon, protocol):
    atoms = argon(2)
    atoms.calc.epsilon_eV = 0.3  # as stiff as an oxide
    atoms.set_cell(0.96 * atoms.cell, scale_atoms=True)
    initial_volume_A3 = atoms.get_volume()
    settings = protocol(temperature_K=600.0, timestep_fs=2.0, nvt_ps=0.5, frame_interval_fs=10.0)
    thermo = simulate(atoms, settings, np.random.default_rng(0)).thermo
    volumes_A3, final_A3 = thermo.query("stage == 'npt'")["volume_A3"], thermo["volume_A3"].iloc[-1]
    assert thermo["pressure_GPa"].iloc[0] > 2.0
    assert final_A3 > 1.08 * initial_volume_A3
    # A barostat with inertia alone would swing to twice the expansion.
    assert volumes_A3.max() - initial_volume_A3 < 1.3 * (final_A3 - initial_volume_A3)


def test_frames_are_evenly_spaced_and_span_the_run(argon, protocol):
    trajectory = simulate(argon(2), protocol(npt_ps=0.5, nvt_ps=1.5), np.random.default_rng(0)).trajectory
    np.testing.assert_allclose(trajectory.times_ps, 0.05 * np.arange(1, 31))
    assert trajectory.positions_A.shape == (30, 32, 3)
    assert trajectory.frame_interval_ps == pytest.approx(0.05)


@pytest.mark.parametrize(
    ("limit", "words"),
    [
        ({"max_temperature_factor": 1.05}, "temperature"),
        ({"max_volume_change": 0.005}, "volume changed"),
        ({"min_distance_A": 3.4}, r"A.+ came to 3\.\d\d A"),
    ],
)
def test_a_guard_stops_the_run_says_why_and_keeps_the_frames_so_far(argon, protocol, limit, words):
    settings = protocol(npt_ps=20.0, nvt_ps=1.0, frame_interval_fs=5.0, **limit)
    simulation = simulate(argon(2), settings, np.random.default_rng(1))
    assert simulation.stopped is not None
    assert re.search(words, simulation.stopped)
    n_frames = len(simulation.trajectory.times_ps)
    assert 0 < n_frames < 4000
    assert simulation.summary()["time_reached_ps"] == pytest.approx(0.005 * n_frames)
    assert np.isfinite(simulation.trajectory.positions_A).all()


def test_numbers_that_are_not_finite_stop_the_run(argon, protocol):
    atoms = argon(2)
    calculate, calls = atoms.calc.calculate, []

    def breaks_down(*args, **kwargs):
        calculate(*args, **kwargs)
        calls.append(1)
        if len(calls) > 30:
            atoms.calc.results["energy"] = float("nan")

    atoms.calc.calculate = breaks_down
    simulation = simulate(atoms, protocol(), np.random.default_rng(0))
    assert "not finite" in simulation.stopped
    assert len(simulation.trajectory.times_ps) == 1  # two calculations a step, ten steps a frame
    assert simulation.thermo["potential_energy_eV"].notna().all()


def test_a_run_stopped_before_its_first_frame_leaves_an_empty_trajectory(argon, protocol, tmp_path):
    simulation = simulate(argon(2), protocol(max_temperature_factor=1e-3), np.random.default_rng(0))
    assert simulation.stopped is not None
    assert simulation.summary()["time_reached_ps"] == 0.0
    assert simulation.summary()["mean_temperature_K"] is None
    save(simulation.trajectory, tmp_path / "trajectory.npz")
    assert load(tmp_path / "trajectory.npz").positions_A.shape == (0, 32, 3)


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(argon, protocol, tmp_path):
    contents = []
    for run, seed in enumerate((7, 7, 8)):
        simulation = simulate(argon(2), protocol(npt_ps=0.5, nvt_ps=1.0), np.random.default_rng(seed))
        save(simulation.trajectory, tmp_path / f"{run}.npz")
        contents.append(((tmp_path / f"{run}.npz").read_bytes(), thermo_csv(simulation.thermo)))
    assert contents[0] == contents[1]
    assert contents[0][0] != contents[2][0]
    assert contents[0][1] != contents[2][1]


def test_a_trajectory_comes_back_as_it_was_stored(argon, protocol, tmp_path):
    stored = simulate(argon(2), protocol(npt_ps=0.5, nvt_ps=1.0), np.random.default_rng(0)).trajectory
    save(stored, tmp_path / "trajectory.npz")
    loaded = load(tmp_path / "trajectory.npz")
    np.testing.assert_allclose(loaded.positions_A, stored.positions_A, atol=1e-5)
    assert np.array_equal(loaded.numbers, stored.numbers)
    assert np.array_equal(loaded.cells_A, stored.cells_A)
    assert loaded.volume_A3 == pytest.approx(stored.volume_A3)
