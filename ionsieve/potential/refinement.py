"""Refinement: a potential's own MD finds the frames that it should learn next.

The potential drives short MD of the cell that the teacher labels, at the teacher's temperature. What it
meets there is judged by a committee, networks of other seeds trained on the same frames: they agree where
the frames tell the forces, and differ where they do not. Their disagreement on a frame is that of DP-GEN
(Y. Zhang et al., Comput. Phys. Commun. 253, 107206 (2020), equation 5),

    D = max over atoms i of sqrt(mean over models m of |F_mi - mean F_i|^2)

Frames with a D above the limit, and the last good frames of runs that a guard stopped, go to the teacher.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator

from ionsieve.artifacts import read_json
from ionsieve.outcome import require_ok
from ionsieve.potential.frames import labelled, set_aside_absurd
from ionsieve.potential.teacher import teacher_cell
from ionsieve.potential.vacancies import remove_ions
from ionsieve.transport.dynamics import draw_velocities, n_steps, segments
from ionsieve.transport.protocol import Protocol
from ionsieve.transport.seeding import generator

RUNS = 3  # each with vacancies and velocities of its own
LAST_GOOD = 5  # frames before a guard stopped a run: what led there

EXPLORED = "explored"  # kind of a frame
NOT_LABELLED = "the teacher cannot label it"


@dataclass(frozen=True)
class Exploration:
    """What short MD of a potential met.

    Attributes
    ----------
    frames : of all runs in order, the crystal each starts from included; ``info`` holds ``kind``,
        ``trajectory`` and ``disagreement_eV_per_A``, and ``selected`` is true for those to be labelled.
    runs : how each run ended: ``stage_reached``, ``time_reached_ps``, ``stopped`` (why, or None).
    n_disagreeing : number of frames above the limit.
    """

    frames: list[Atoms]
    runs: list[dict[str, Any]]
    n_disagreeing: int

    @property
    def n_selected(self) -> int:
        """Number of frames to be labelled."""
        return sum(bool(frame.info["selected"]) for frame in self.frames)

    def summary(self) -> dict[str, Any]:
        """Counts and disagreements for JSON, in eV/angstrom (None where not finite)."""
        of_frames = np.array([frame.info["disagreement_eV_per_A"] for frame in self.frames])
        return {
            "runs": self.runs,
            "n_explored": len(self.frames),
            "n_disagreeing": self.n_disagreeing,
            "n_selected": self.n_selected,
            "median_disagreement_eV_per_A": _rounded(np.median(of_frames)),
            "largest_disagreement_eV_per_A": _rounded(of_frames.max()),
        }


def exploration_protocol(temperature_K: float, with_hydrogen: bool) -> Protocol:
    """MD that explores, like that of the finalists but of fixed length: a run's settings train nothing anew.

    Small cells swing more than large ones, so the guards are those of the default configuration.
    """
    return Protocol(
        temperature_K=temperature_K,
        timestep_fs=0.5 if with_hydrogen else 2.0,
        npt_ps=0.4,
        nvt_ps=0.8,
        thermostat_fs=100.0,
        barostat_fs=1000.0,
        npt_cell="isotropic",
        pressure_GPa=0.0,
        frame_interval_fs=20.0,
        max_temperature_factor=2.0,
        max_volume_change=0.5,
        max_shape_change=0.3,
        min_distance_A=0.8,
    )


def disagreement_eV_per_A(forces_eV_per_A: Sequence[np.ndarray]) -> float:
    """How far a committee differs on one frame: on the worst atom, root mean square over models.

    Parameters
    ----------
    forces_eV_per_A : of each model, shape (n_atoms, 3). What is not finite gives infinity.
    """
    forces = np.asarray(forces_eV_per_A)
    if not np.isfinite(forces).all():
        return float("inf")
    deviations = forces - forces.mean(axis=0)
    return float(np.sqrt((deviations**2).sum(axis=2).mean(axis=0)).max())


def explore(
    crystal: Atoms,
    potential: Calculator,
    committee: Sequence[Calculator],
    working_ion: str,
    vacancy_fraction: float,
    temperature_K: float,
    max_disagreement_eV_per_A: float,
    n_frames: int,
    seed: int,
    material_id: str,
    number: int,
) -> Exploration:
    """Run the potential, judge what it meets, choose the frames to label.

    Parameters
    ----------
    crystal : the candidate.
    potential : drives MD.
    committee : models of other seeds, trained on the same frames.
    working_ion, vacancy_fraction, temperature_K : as for :func:`.teacher.teacher_frames`.
    max_disagreement_eV_per_A : limit above which a frame is to be labelled.
    n_frames : most frames to choose; of more than that, frames evenly spread over those found are taken.
    seed, material_id, number : of vacancies and velocities, with the candidate's name and the round's number.
    """
    cell = teacher_cell(crystal)
    protocol = exploration_protocol(temperature_K, "H" in cell.symbols)
    frames: list[Atoms] = []
    found: list[int] = []
    runs: list[dict[str, Any]] = []
    n_disagreeing = 0
    for run in range(RUNS):
        rng = generator(seed, "refinement", material_id, str(number), str(run))
        host = remove_ions(cell, working_ion, vacancy_fraction, rng)
        of_run, ended = _run(host, potential, protocol, rng)
        for index, frame in enumerate(of_run):
            disagreement = disagreement_eV_per_A([_forces(frame, model) for model in (potential, *committee)])
            disagrees = disagreement > max_disagreement_eV_per_A
            n_disagreeing += disagrees
            if disagrees or (ended["stopped"] is not None and index >= len(of_run) - LAST_GOOD):
                found.append(len(frames))
            frame.calc = None
            frame.info = {
                "kind": EXPLORED,
                "trajectory": f"refinement-{number}-{run}",
                "disagreement_eV_per_A": disagreement,
            }
            frames.append(frame)
        runs.append(ended)
    chosen = _spread_evenly(found, n_frames)
    for index, frame in enumerate(frames):
        frame.info["selected"] = index in chosen
    return Exploration(frames, runs, n_disagreeing)


def label_selected(frames: Sequence[Atoms], teacher: Calculator) -> tuple[list[Atoms], dict[str, int]]:
    """Selected frames with the teacher's labels, and how many were set aside for which reason.

    A potential that goes astray leads to crystals that nobody would train on, or that the teacher refuses.
    """
    known: list[Atoms] = []
    not_labelled = 0
    for frame in frames:
        if not frame.info["selected"]:
            continue
        atoms = frame.copy()
        atoms.info = {key: frame.info[key] for key in ("kind", "trajectory")}
        atoms.calc = teacher
        try:
            known.append(
                labelled(atoms, atoms.get_potential_energy(), atoms.get_forces(), atoms.get_stress())
            )
        except (ValueError, NotImplementedError, LookupError):
            not_labelled += 1
    kept, set_aside = set_aside_absurd(known)
    return kept, set_aside | ({NOT_LABELLED: not_labelled} if not_labelled else {})


def require_refinable(result: Path | str) -> dict[str, Any]:
    """The ``model.json`` of the round before, which the gate may have rejected: refinement is to mend that.

    Raises
    ------
    CandidateFailed : there is no model, or none with finite forces.
    """
    before = read_json(result)
    finite = (before.get("metrics") or {}).get("force_mae_eV_per_A") is not None
    if not (before["status"] == "potential_rejected" and finite):
        require_ok(result)
    return before


def has_converged(before: dict[str, Any]) -> bool:
    """Whether MD of an earlier round found nothing to add; ``before`` is the ``model.json`` of the last."""
    return bool(before.get("refinement", {}).get("converged", False))


def with_round(
    before: dict[str, Any],
    after: dict[str, Any],
    number: int,
    explored: dict[str, Any],
    labels: dict[str, Any],
) -> dict[str, Any]:
    """What ``model.json`` says in ``refinement`` after one more round.

    Parameters
    ----------
    before, after : cards of the potential before and after it.
    number : of the round, from 1.
    explored, labels : results of MD and of the teacher in it.

    Returns
    -------
    ``rounds`` (frames explored, found and added, how runs ended, errors on the same test frames before and
    after), ``frames_added`` in all, ``converged``: MD of the last round found nothing to add.
    """
    earlier = before.get("refinement", {"rounds": [], "frames_added": 0})
    errors = {
        f"{name}_{when}": None if card["metrics"] is None else card["metrics"][name]
        for name in ("energy_mae_meV_per_atom", "force_mae_eV_per_A", "stress_mae_GPa")
        for when, card in (("before", before), ("after", after))
    }
    of_round = {
        "round": number,
        **{key: explored[key] for key in ("runs", "n_explored", "n_disagreeing", "n_selected")},
        **{key: labels[key] for key in ("frames_added", "set_aside")},
        **errors,
    }
    return {
        "rounds": [*earlier["rounds"], of_round],
        "frames_added": earlier["frames_added"] + labels["frames_added"],
        "converged": explored["n_selected"] == 0,
    }


def _run(
    host: Atoms, potential: Calculator, protocol: Protocol, rng: np.random.Generator
) -> tuple[list[Atoms], dict[str, Any]]:
    """Frames of NPT and NVT, from the crystal at rest, and how the run ended."""
    host.calc = potential
    frames, numbers = [host.copy()], host.numbers
    draw_velocities(host, protocol, rng)
    steps = 0

    def count() -> None:
        nonlocal steps
        steps += 1

    for segment in segments(host, protocol, after_step=count):
        frames += _frames(numbers, segment.trajectory.positions_A, segment.trajectory.cells_A)
    return frames, {
        "stage_reached": segment.stage,
        "time_reached_ps": round(steps * protocol.timestep_fs / 1000, 4),
        "time_planned_ps": round(n_steps(protocol) * protocol.timestep_fs / 1000, 4),
        "stopped": segment.stopped,
    }


def _frames(numbers: np.ndarray, positions_A: np.ndarray, cells_A: np.ndarray) -> Iterator[Atoms]:
    for positions, cell in zip(positions_A, cells_A, strict=True):
        frame = Atoms(numbers=numbers, positions=positions, cell=cell, pbc=True)
        frame.wrap()
        yield frame


def _forces(frame: Atoms, model: Calculator) -> np.ndarray:
    frame.calc = model
    return frame.get_forces()


def _spread_evenly(found: Sequence[int], most: int) -> set[int]:
    if len(found) <= most:
        return set(found)
    return {found[index] for index in np.linspace(0, len(found) - 1, most).round().astype(int)}


def _rounded(value: float | np.floating[Any]) -> float | None:
    return round(float(value), 4) if np.isfinite(value) else None
