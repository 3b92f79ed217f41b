"""Molecular dynamics of one candidate: NPT sets the cell, NVT in that cell is what is analysed.

The crystal starts cold and at its static volume. A Berendsen barostat, which cannot overshoot, brings
it to the pressure in the first half of NPT; the Martyna-Tobias-Klein barostat, which would answer that
pressure step by swinging to twice the expansion, samples the second half. Its mean cell is that of NVT,
with Nose-Hoover chains. All integrators are ASE's. The total momentum is zero and stays zero, so 3N - 3
degrees of freedom carry the kinetic energy; the thermostats, which count 3N, are set accordingly.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from ase import Atoms, units
from ase.md.nose_hoover_chain import IsotropicMTKNPT, NoseHooverChainNVT
from ase.md.nptberendsen import NPTBerendsen
from ase.md.velocitydistribution import MaxwellBoltzmannDistribution, Stationary
from tqdm import tqdm

from ionsieve.transport.guards import Guards, Unstable
from ionsieve.transport.trajectory import Trajectory

# A neighbour list costs more than the other checks, and a collapse takes longer than this.
STEPS_BETWEEN_DISTANCE_CHECKS = 10
# Of a stiff oxide. With it the cell follows the pressure within the thermostat's time; softer crystals
# take proportionally longer.
COMPRESSIBILITY_PER_GPA = 1 / 100

Integrator = NPTBerendsen | IsotropicMTKNPT | NoseHooverChainNVT


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """How a simulation is run; units in the names."""

    temperature_K: float
    timestep_fs: float
    npt_ps: float
    nvt_ps: float
    thermostat_fs: float
    barostat_fs: float
    pressure_GPa: float
    frame_interval_fs: float
    max_temperature_factor: float
    max_volume_change: float
    min_distance_A: float

    @property
    def steps_per_frame(self) -> int:
        """Integration steps from one stored frame to the next."""
        return max(1, round(self.frame_interval_fs / self.timestep_fs))

    def steps(self, length_ps: float) -> int:
        """Integration steps of a stage, a whole number of frames."""
        frames = max(1, round(length_ps * 1000 / (self.timestep_fs * self.steps_per_frame)))
        return frames * self.steps_per_frame


@dataclass
class Stage:
    """Frames and thermodynamic rows of one stage, as far as it came."""

    name: str
    times_ps: list[float] = field(default_factory=list)
    positions_A: list[np.ndarray] = field(default_factory=list)
    cells_A: list[np.ndarray] = field(default_factory=list)
    thermo: list[dict[str, float | str]] = field(default_factory=list)


@dataclass(frozen=True)
class Simulation:
    """What a simulation left.

    Attributes
    ----------
    trajectory : frames of NVT; where NPT was stopped, those of NPT.
    thermo : one row per frame of both stages.
    stopped : why a guard stopped the simulation, in words; None when it ran to its end.
    """

    trajectory: Trajectory
    thermo: pd.DataFrame
    stopped: str | None

    def summary(self) -> dict[str, Any]:
        """How far it came, and the means of the last stage it reached; null before its first frame."""
        last = (
            self.thermo[self.thermo["stage"] == self.thermo["stage"].iloc[-1]]
            if len(self.thermo)
            else self.thermo
        )
        means = {
            f"mean_{name}": float(last[name].mean()) if len(last) else None
            for name in ("temperature_K", "volume_A3", "pressure_GPa")
        }
        return {
            "stage_reached": str(last["stage"].iloc[-1]) if len(last) else "npt",
            "time_reached_ps": float(last["time_ps"].iloc[-1]) if len(last) else 0.0,
            "n_frames": len(self.trajectory.times_ps),
            **means,
        }


def simulate(atoms: Atoms, protocol: Protocol, rng: np.random.Generator, label: str = "MD") -> Simulation:
    """Run NPT, then NVT in the mean cell of NPT's second half.

    Parameters
    ----------
    atoms : the simulation cell with its calculator (energy, forces, stress); changed in place.
    protocol : lengths, temperature and limits.
    rng : draws the Maxwell-Boltzmann velocities.
    label : what the progress bar says.

    Returns
    -------
    Simulation : also when a guard stops it; then with the frames up to the last good one.
    """
    reference = atoms.get_scaled_positions(wrap=False)
    MaxwellBoltzmannDistribution(atoms, temperature_K=protocol.temperature_K, rng=rng)
    Stationary(atoms)
    guards = Guards(
        max_temperature_K=protocol.max_temperature_factor * protocol.temperature_K,
        reference_volume_A3=atoms.get_volume(),
        max_volume_change=protocol.max_volume_change,
        min_distance_A=protocol.min_distance_A,
    )
    npt, nvt = Stage("npt"), Stage("nvt")
    half_npt = protocol.steps(protocol.npt_ps / 2)
    total = 2 * half_npt + protocol.steps(protocol.nvt_ps)
    stopped = None
    with tqdm(total=total, desc=label, unit="step", disable=None) as progress:
        try:
            _run(npt, _relaxing_npt(atoms, protocol), protocol, guards, half_npt, progress)
            sampled_from = len(npt.cells_A)
            _run(npt, _sampling_npt(atoms, protocol), protocol, guards, half_npt, progress)
            atoms.set_cell(np.mean(npt.cells_A[sampled_from:], axis=0), scale_atoms=True)
            _run(nvt, _nvt(atoms, protocol), protocol, guards, protocol.steps(protocol.nvt_ps), progress)
        except Unstable as failure:
            stopped = failure.reason
    kept = nvt if nvt.times_ps else npt
    trajectory = Trajectory(
        times_ps=np.array(kept.times_ps),
        positions_A=np.array(kept.positions_A).reshape(-1, len(atoms), 3),
        cells_A=np.array(kept.cells_A).reshape(-1, 3, 3),
        numbers=atoms.numbers,
        reference_frac_coords=reference,
    )
    return Simulation(trajectory, pd.DataFrame(npt.thermo + nvt.thermo, columns=THERMO_COLUMNS), stopped)


THERMO_COLUMNS = ["stage", "time_ps", "temperature_K", "potential_energy_eV", "volume_A3", "pressure_GPa"]


def thermo_csv(thermo: pd.DataFrame) -> str:
    """The rows of a simulation as CSV text, with digits enough for a plot."""
    return thermo.to_csv(index=False, float_format="%.6g", lineterminator="\n")


def kinetic_temperature_K(atoms: Atoms) -> float:
    """Temperature of 3N - 3 degrees of freedom: the centre of mass is at rest."""
    return float(2 * atoms.get_kinetic_energy() / (3 * (len(atoms) - 1) * units.kB))


def _thermostat_temperature_K(atoms: Atoms, protocol: Protocol) -> float:
    return protocol.temperature_K * (len(atoms) - 1) / len(atoms)


def _relaxing_npt(atoms: Atoms, protocol: Protocol) -> NPTBerendsen:
    return NPTBerendsen(
        atoms,
        timestep=protocol.timestep_fs * units.fs,
        temperature_K=_thermostat_temperature_K(atoms, protocol),
        pressure_au=protocol.pressure_GPa * units.GPa,
        taut=protocol.thermostat_fs * units.fs,
        taup=protocol.thermostat_fs * units.fs,
        compressibility_au=COMPRESSIBILITY_PER_GPA / units.GPa,
    )


def _sampling_npt(atoms: Atoms, protocol: Protocol) -> IsotropicMTKNPT:
    return IsotropicMTKNPT(
        atoms,
        timestep=protocol.timestep_fs * units.fs,
        temperature_K=_thermostat_temperature_K(atoms, protocol),
        pressure_au=protocol.pressure_GPa * units.GPa,
        tdamp=protocol.thermostat_fs * units.fs,
        pdamp=protocol.barostat_fs * units.fs,
    )


def _nvt(atoms: Atoms, protocol: Protocol) -> NoseHooverChainNVT:
    return NoseHooverChainNVT(
        atoms,
        timestep=protocol.timestep_fs * units.fs,
        temperature_K=_thermostat_temperature_K(atoms, protocol),
        tdamp=protocol.thermostat_fs * units.fs,
    )


def _run(
    stage: Stage, dynamics: Integrator, protocol: Protocol, guards: Guards, n_steps: int, progress: tqdm
) -> None:
    """Advance a stage, guarded; a frame is kept only after its checks."""
    atoms = dynamics.atoms
    steps_before = len(stage.times_ps) * protocol.steps_per_frame
    for step in _steps(dynamics, n_steps, progress):
        temperature_K, energy_eV = kinetic_temperature_K(atoms), float(atoms.get_potential_energy())
        guards.check_state(atoms, temperature_K, energy_eV)
        frame_due = step % protocol.steps_per_frame == 0
        if frame_due or step % STEPS_BETWEEN_DISTANCE_CHECKS == 0:
            guards.check_distances(atoms)
        if frame_due:
            time_ps = (steps_before + step) * protocol.timestep_fs / 1000
            stage.times_ps.append(time_ps)
            stage.positions_A.append(atoms.get_positions())
            stage.cells_A.append(atoms.cell.array.copy())
            stage.thermo.append(
                {
                    "stage": stage.name,
                    "time_ps": time_ps,
                    "temperature_K": temperature_K,
                    "potential_energy_eV": energy_eV,
                    "volume_A3": atoms.get_volume(),
                    "pressure_GPa": _pressure_GPa(atoms),
                }
            )


def _steps(dynamics: Integrator, count: int, progress: tqdm) -> Iterator[int]:
    for step in range(1, count + 1):
        dynamics.step()
        yield step
        progress.update()


def _pressure_GPa(atoms: Atoms) -> float:
    stress = atoms.get_stress(voigt=False, include_ideal_gas=True)
    return float(-np.trace(stress) / 3 / units.GPa)
