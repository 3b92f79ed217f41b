"""Molecular dynamics of one candidate: NPT sets the cell, NVT in that cell is what is analysed.

The crystal starts cold and at its static volume. A Berendsen barostat, which cannot overshoot, brings
it to the pressure in the first half of NPT; the Martyna-Tobias-Klein barostat, which would answer that
pressure step by swinging to twice the expansion, samples the second half: the volume alone, or the whole
cell. Its mean cell is that of NVT, with Nose-Hoover chains. All integrators are ASE's (:mod:`.integrators`).

A simulation is a row of segments, each with the state it ended in. :func:`simulate` keeps them in memory;
:mod:`.unattended` stores each and goes on from the last one after a kill. The only random numbers are the
initial velocities, and a calculator must give the same forces for the same positions whatever came before,
so nothing else need be remembered.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from ase import Atoms, units
from ase.md.velocitydistribution import MaxwellBoltzmannDistribution, Stationary
from tqdm import tqdm

from ionsieve.transport.cells import without_rotation
from ionsieve.transport.guards import Guards, Unstable
from ionsieve.transport.integrators import (
    Builder,
    Integrator,
    nvt,
    relaxing_npt,
    restored,
    sampling_npt,
    state_of,
)
from ionsieve.transport.protocol import Protocol
from ionsieve.transport.trajectory import Trajectory, joined

# A neighbour list costs more than the other checks, and a collapse takes longer than this.
STEPS_BETWEEN_GEOMETRY_CHECKS = 10
THERMO_COLUMNS = ["stage", "time_ps", "temperature_K", "potential_energy_eV", "volume_A3", "pressure_GPa"]


@dataclass(frozen=True)
class Phase:
    """A part of a simulation with one integrator.

    Attributes
    ----------
    stage : what its frames belong to, ``npt`` or ``nvt``.
    build : makes the integrator.
    n_steps : length.
    first_step : steps of its stage before it.
    """

    stage: str
    build: Builder
    n_steps: int
    first_step: int = 0


def phases(protocol: Protocol) -> list[Phase]:
    """The parts of a simulation: relaxing NPT, sampling NPT, NVT."""
    half_npt = protocol.steps(protocol.npt_ps / 2)
    return [
        Phase("npt", relaxing_npt, half_npt),
        Phase("npt", sampling_npt, half_npt, first_step=half_npt),
        Phase("nvt", nvt, protocol.steps(protocol.nvt_ps)),
    ]


def n_steps(protocol: Protocol) -> int:
    """Integration steps of a whole simulation."""
    return sum(phase.n_steps for phase in phases(protocol))


@dataclass(frozen=True)
class State:
    """Where a simulation stands between two steps: all that the rest of it depends on.

    Attributes
    ----------
    phase : index in :func:`phases`.
    step : steps done in that phase.
    cell_sum_A : sum of the cells of the frames of sampling NPT, turned as the first cell is; shape (3, 3).
    n_cells : number of those frames.
    integrator : from :func:`.integrators.state_of`.
    """

    phase: int
    step: int
    cell_sum_A: np.ndarray
    n_cells: int
    integrator: Mapping[str, np.ndarray]

    def steps_done(self, protocol: Protocol) -> int:
        """Steps since the start of the simulation."""
        return sum(phase.n_steps for phase in phases(protocol)[: self.phase]) + self.step


@dataclass(frozen=True)
class Segment:
    """A stretch of one phase.

    Attributes
    ----------
    stage : ``npt`` or ``nvt``.
    trajectory, thermo : its frames, and one row for each.
    state : where it ended; None where a guard stopped it.
    stopped : why a guard stopped it, in words; else None.
    """

    stage: str
    trajectory: Trajectory
    thermo: pd.DataFrame
    state: State | None
    stopped: str | None


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
        """See :func:`summary`."""
        return summary(self.thermo)


def summary(thermo: pd.DataFrame) -> dict[str, Any]:
    """How far a simulation came; frames and means of the last stage it reached, null where it has none."""
    last = thermo[thermo["stage"] == thermo["stage"].iloc[-1]] if len(thermo) else thermo
    means = {
        f"mean_{name}": float(last[name].mean()) if len(last) else None
        for name in ("temperature_K", "volume_A3", "pressure_GPa")
    }
    return {
        "stage_reached": str(last["stage"].iloc[-1]) if len(last) else "npt",
        "time_reached_ps": float(last["time_ps"].iloc[-1]) if len(last) else 0.0,
        "n_frames": len(last),
        **means,
    }


def simulate(atoms: Atoms, protocol: Protocol, rng: np.random.Generator, label: str = "MD") -> Simulation:
    """Run NPT, then NVT in the mean cell of NPT's second half, all in memory.

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
    draw_velocities(atoms, protocol, rng)
    with tqdm(total=n_steps(protocol), desc=label, unit="step", disable=None) as progress:
        done = list(segments(atoms, protocol, after_step=progress.update))
    thermo = pd.concat([segment.thermo for segment in done], ignore_index=True)
    stage = summary(thermo)["stage_reached"]
    return Simulation(
        joined([segment.trajectory for segment in done if segment.stage == stage]), thermo, done[-1].stopped
    )


def draw_velocities(atoms: Atoms, protocol: Protocol, rng: np.random.Generator) -> None:
    """Give the atoms Maxwell-Boltzmann velocities without total momentum."""
    MaxwellBoltzmannDistribution(atoms, temperature_K=protocol.temperature_K, rng=rng)
    Stationary(atoms)


def segments(
    atoms: Atoms,
    protocol: Protocol,
    frames_per_segment: int | None = None,
    state: State | None = None,
    after_step: Callable[[], object] = lambda: None,
) -> Iterator[Segment]:
    """Advance a simulation segment by segment.

    Parameters
    ----------
    atoms : as the simulation starts, with velocities and calculator; changed in place.
    protocol : lengths, temperature and limits.
    frames_per_segment : longest segment; a phase is one segment when None. It changes no number.
    state : where to go on; from the start when None.
    after_step : called after each step.

    Yields
    ------
    Segment : the last one is that of the end, or that in which a guard stopped the simulation.
    """
    reference, reference_cell_A = atoms.get_scaled_positions(wrap=False), atoms.cell.array.copy()
    guards = Guards(
        max_temperature_K=protocol.max_temperature_factor * protocol.temperature_K,
        reference_cell_A=reference_cell_A,
        max_volume_change=protocol.max_volume_change,
        max_shape_change=protocol.max_shape_change,
        min_distance_A=protocol.min_distance_A,
    )
    cell_sum_A, n_cells = (np.zeros((3, 3)), 0) if state is None else (state.cell_sum_A, state.n_cells)
    first = 0 if state is None else state.phase
    for index, phase in enumerate(phases(protocol)):
        if index < first:
            continue
        if state is not None and index == first:
            dynamics = restored(phase.build, atoms, protocol, state.integrator)
            step = state.step
        else:
            if phase.build is nvt:
                atoms.set_cell(cell_sum_A / n_cells, scale_atoms=True)
            dynamics, step = phase.build(atoms, protocol), 0
        while step < phase.n_steps:
            end = phase.n_steps
            if frames_per_segment is not None:
                end = min(end, step + frames_per_segment * protocol.steps_per_frame)
            frames, stopped = _advance(
                dynamics, protocol, guards, phase, range(step + 1, end + 1), after_step
            )
            step = end
            if phase.build is sampling_npt:
                # One after the other, so that the sum does not depend on the length of segments.
                for cell_A in frames.cells_A:
                    cell_sum_A = cell_sum_A + without_rotation(cell_A, reference_cell_A)
                n_cells += len(frames.cells_A)
            reached = State(index, step, cell_sum_A, n_cells, state_of(dynamics))
            yield Segment(
                stage=phase.stage,
                trajectory=Trajectory(
                    times_ps=np.array(frames.times_ps),
                    positions_A=np.array(frames.positions_A).reshape(-1, len(atoms), 3),
                    cells_A=np.array(frames.cells_A).reshape(-1, 3, 3),
                    numbers=atoms.numbers,
                    reference_frac_coords=reference,
                ),
                thermo=pd.DataFrame(frames.thermo, columns=THERMO_COLUMNS),
                state=reached if stopped is None else None,
                stopped=stopped,
            )
            if stopped is not None:
                return


def thermo_csv(thermo: pd.DataFrame) -> str:
    """The rows of a simulation as CSV text, with digits enough for a plot."""
    return thermo.to_csv(index=False, float_format="%.6g", lineterminator="\n")


def kinetic_temperature_K(atoms: Atoms) -> float:
    """Temperature of 3N - 3 degrees of freedom: the centre of mass is at rest."""
    return float(2 * atoms.get_kinetic_energy() / (3 * (len(atoms) - 1) * units.kB))


@dataclass
class _Frames:
    times_ps: list[float]
    positions_A: list[np.ndarray]
    cells_A: list[np.ndarray]
    thermo: list[dict[str, float | str]]


def _advance(
    dynamics: Integrator,
    protocol: Protocol,
    guards: Guards,
    phase: Phase,
    steps: range,
    after_step: Callable[[], object],
) -> tuple[_Frames, str | None]:
    """Advance a phase, guarded; a frame is kept only after its checks."""
    atoms, frames = dynamics.atoms, _Frames([], [], [], [])
    for step in steps:
        dynamics.step()
        try:
            temperature_K, energy_eV = kinetic_temperature_K(atoms), float(atoms.get_potential_energy())
            guards.check_state(atoms, temperature_K, energy_eV)
            frame_due = step % protocol.steps_per_frame == 0
            if frame_due or step % STEPS_BETWEEN_GEOMETRY_CHECKS == 0:
                guards.check_geometry(atoms)
        except Unstable as failure:
            return frames, failure.reason
        if frame_due:
            time_ps = (phase.first_step + step) * protocol.timestep_fs / 1000
            frames.times_ps.append(time_ps)
            frames.positions_A.append(atoms.get_positions())
            frames.cells_A.append(atoms.cell.array.copy())
            frames.thermo.append(
                {
                    "stage": phase.stage,
                    "time_ps": time_ps,
                    "temperature_K": temperature_K,
                    "potential_energy_eV": energy_eV,
                    "volume_A3": atoms.get_volume(),
                    "pressure_GPa": _pressure_GPa(atoms),
                }
            )
        after_step()
    return frames, None


def _pressure_GPa(atoms: Atoms) -> float:
    stress = atoms.get_stress(voigt=False, include_ideal_gas=True)
    return float(-np.trace(stress) / 3 / units.GPa)
