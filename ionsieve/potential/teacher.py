"""Frames of one candidate, labelled by a teacher (CHGNet), to distil a fast NequIP model from.

MD will run hot on a host with vacancies, so most frames come from short, hot, independent Langevin
runs of the teacher itself, each with its own strain, vacancies and velocities; their labels cost
nothing extra. Within so short a run no ion leaves its site, and a student that has never seen an ion on its
way is free to invent the saddle that its conductivity hangs on: in some runs one ion is put between its site
and a vacancy and held there, while the host around it gives way. The rest are rattled and strained crystals,
which tell the stress. Validation and test frames come from runs of their own.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms, units
from ase.build import niggli_reduce
from ase.calculators.calculator import Calculator
from ase.constraints import FixedPlane
from ase.md.langevin import Langevin
from ase.md.velocitydistribution import MaxwellBoltzmannDistribution, Stationary
from tqdm import tqdm

from ionsieve.errors import CandidateFailed
from ionsieve.potential.by_name import elements_known_to, require_known_elements
from ionsieve.potential.evaluation import predict
from ionsieve.potential.frames import (
    FrameSets,
    count_by_kind,
    gather_frames,
    labelled,
    set_aside_absurd,
)
from ionsieve.potential.softening import softening
from ionsieve.potential.vacancies import number_to_remove, remove_ions, start_hop

# Enough atoms for vacancies and for the 5 A cutoff to see mostly other atoms; few enough to be cheap.
MIN_ATOMS, MAX_ATOMS = 24, 36

# NPT asks for energies and pressures far from the crystal at rest, and a student that has not seen them
# expands without bound: frames at rest reach further out than MD should. Strains are linear.
RATTLE_AT_REST_A = (0.03, 0.15)
STRAIN_AT_REST = (-0.04, 0.1)
SHEAR = 0.02

RATTLE_HOT_A = 0.06  # puts about kT/2 per coordinate into the bonds of an oxide at 1200 K
STRAIN_HOT, STRAIN_HELD_OUT = (-0.01, 0.06), (-0.01, 0.03)
HOTTER = (1.0, 2.0)  # times the temperature of MD, in training runs

# Labels are exact wherever the run goes, so steps may be as long as stability allows (a third of the
# fastest period, 40 fs in oxides, 9 fs of O-H): frames differ more for the same number of evaluations.
TIMESTEP_FS, TIMESTEP_WITH_HYDROGEN_FS = 4.0, 1.0
FRICTION_PER_FS = 0.02
FIRST_SAMPLE, SAMPLE_EVERY = 6, 4  # MD steps
FRAMES_PER_TRAJECTORY = 4
SHARE_TEST, SHARE_VALIDATION, SHARE_AT_REST = 0.12, 0.08, 0.4

# How far along the way to the vacancy; nearer to a site is what a vibration reaches by itself.
ALONG_HOP = (0.2, 0.8)
HOP_COOLER = (0.1, 0.6)  # times the temperature of MD: a saddle is told by what surrounds the lowest way

HOT, HOP, RATTLED, STRAINED = "hot", "hop", "rattled", "strained"


@dataclass(frozen=True)
class _Run:
    """One planned hot trajectory; ``strain`` is linear, ``temperature_K`` that of its thermostat.

    ``along_hop`` is how far one ion is on its way to a vacancy, None where none is held.
    """

    subset: str
    n_frames: int
    with_vacancies: bool
    strain: float
    temperature_K: float
    along_hop: float | None = None


def softening_against_dft(
    teacher: Calculator, name: str, crystal: Atoms, paths: Sequence[Path | str]
) -> dict[str, Any] | None:
    """Slope of the teacher's forces against the user's DFT forces; None without frames of these elements.

    Parameters
    ----------
    teacher : its forces.
    name : what it is called.
    crystal : the candidate; frames count that hold nothing but its elements.
    paths : extxyz files with DFT energies and forces.
    """
    given, _ = gather_frames(paths)
    frames = [frame for frame in given if set(frame.symbols) <= set(crystal.symbols)]
    if not frames:
        return None
    return {"of": name, **softening(predict(teacher, frames), frames, "DFT frames")}


def teacher_cell(crystal: Atoms) -> Atoms:
    """The supercell of at most ``MAX_ATOMS`` atoms whose opposite faces are furthest apart.

    A crystal that is larger already is taken as it is. Primitive cells of layered crystals are long
    rhombohedra, hence the Niggli reduction first.
    """
    crystal = Atoms(crystal.symbols, crystal.positions, cell=crystal.cell, pbc=True)
    niggli_reduce(crystal)
    most = max(1, MAX_ATOMS // len(crystal))
    repeats = [repeat for repeat in product(range(1, most + 1), repeat=3) if np.prod(repeat) <= most]
    large_enough = [repeat for repeat in repeats if np.prod(repeat) * len(crystal) >= MIN_ATOMS]
    heights_A = crystal.cell.volume / np.array(
        [
            np.linalg.norm(np.cross(crystal.cell[(axis + 1) % 3], crystal.cell[(axis + 2) % 3]))
            for axis in range(3)
        ]
    )

    def preference(repeat: tuple[int, ...]) -> tuple[float, int]:
        return round(float((heights_A * repeat).min()), 6), -int(np.prod(repeat))

    best = max(large_enough or repeats, key=preference)
    return crystal.repeat(best)


def teacher_frames(
    crystal: Atoms,
    teacher: Calculator,
    working_ion: str,
    vacancy_fraction: float,
    temperature_K: float,
    n_frames: int,
    seed: int,
) -> tuple[FrameSets, dict[str, Any]]:
    """Frames of one candidate with the teacher's energy, forces and stress.

    Parameters
    ----------
    crystal : the candidate.
    teacher : an ASE calculator with energy, forces and stress.
    working_ion : symbol of the ion that leaves vacancies.
    vacancy_fraction : share of the working ions missing in frames with vacancies.
    temperature_K : of the hottest MD to come.
    n_frames : number of frames to label.
    seed : of vacancies, strains, displacements and velocities.

    Returns
    -------
    The frames by subset, and a summary (cell, counts, frames set aside).

    Raises
    ------
    CandidateFailed : the teacher does not know an element or cannot label the crystal, or more than half of
        the frames are absurd.
    """
    require_known_elements(crystal, elements_known_to(teacher), f"the teacher {type(teacher).__name__}")
    cell = teacher_cell(crystal)
    n_test, n_validation = max(2, round(SHARE_TEST * n_frames)), max(2, round(SHARE_VALIDATION * n_frames))
    n_at_rest = max(2, round(SHARE_AT_REST * n_frames))
    plan = np.random.default_rng([seed, 0])
    strains = _spread(STRAIN_AT_REST, n_at_rest, plan)
    amplitudes_A = _spread(RATTLE_AT_REST_A, n_at_rest, plan)
    runs = [
        *_hold_out(n_test, "test", temperature_K, plan),
        *_hold_out(n_validation, "validation", temperature_K, plan),
        *_train_runs(n_frames - n_test - n_validation - n_at_rest, temperature_K, plan),
    ]
    if not number_to_remove(cell, working_ion, vacancy_fraction):  # no vacancy, no hop
        runs = [
            replace(run, along_hop=None, temperature_K=max(run.temperature_K, temperature_K)) for run in runs
        ]
    sets = FrameSets()
    set_aside: Counter[str] = Counter()
    progress = tqdm(total=n_frames, desc="teacher frames", unit="frame", disable=None)
    try:
        for number, (strain, amplitude_A) in enumerate(zip(strains, amplitudes_A, strict=True)):
            rng = np.random.default_rng([seed, 1, number])
            host = remove_ions(cell, working_ion, vacancy_fraction if number % 2 else 0.0, rng)
            kind = STRAINED if number % 4 < 2 else RATTLED
            frame = _at_rest(host, teacher, kind, strain, amplitude_A, f"{kind}-{number}", rng)
            _keep([frame], sets.train, set_aside)
            progress.update()
        for number, run in enumerate(runs):
            rng = np.random.default_rng([seed, 2, number])
            frames = _hot_trajectory(cell, working_ion, vacancy_fraction, teacher, run, number, rng)
            _keep(frames, getattr(sets, run.subset), set_aside)
            progress.update(run.n_frames)
    except (
        ValueError,
        NotImplementedError,
        LookupError,
    ) as error:  # an element or a crystal it does not know
        raise CandidateFailed(f"the teacher cannot label this crystal: {error}") from error
    finally:
        progress.close()
    kept = [*sets.train, *sets.validation, *sets.test]
    if len(kept) < n_frames / 2 or not (sets.train and sets.validation and sets.test):
        reasons = "; ".join(f"{count} with {reason}" for reason, count in sorted(set_aside.items()))
        raise CandidateFailed(
            f"{n_frames - len(kept)} of {n_frames} teacher frames were set aside: {reasons}"
        )
    return sets, {
        "n_atoms": len(cell),
        "n_frames": {name: len(getattr(sets, name)) for name in ("train", "validation", "test")},
        "kinds": count_by_kind(kept),
        "set_aside": dict(set_aside),
    }


def _spread(limits: tuple[float, float], number: int, rng: np.random.Generator) -> np.ndarray:
    """Values that cover a range evenly, in random order."""
    return rng.permutation(np.linspace(*limits, number))


def _lengths(n_frames: int) -> list[int]:
    n_runs = max(1, round(n_frames / FRAMES_PER_TRAJECTORY))
    return [len(part) for part in np.array_split(np.arange(n_frames), n_runs)]


def _hold_out(n_frames: int, subset: str, temperature_K: float, rng: np.random.Generator) -> list[_Run]:
    """Runs at what MD will meet: its temperature, with vacancies, slightly expanded; every second a hop."""
    lengths = _lengths(n_frames)
    strains = _spread(STRAIN_HELD_OUT, len(lengths), rng)
    ways = _spread(ALONG_HOP, len(lengths), rng)
    return [
        _Run(subset, length, True, strain, temperature_K, way if number % 2 else None)
        for number, (length, strain, way) in enumerate(zip(lengths, strains, ways, strict=True))
    ]


def _train_runs(n_frames: int, temperature_K: float, rng: np.random.Generator) -> list[_Run]:
    """Runs that go beyond what MD will meet, so that MD interpolates, and as many hops.

    Of three runs one is a hop, one has vacancies, one has none.
    """
    lengths = _lengths(n_frames)
    strains, factors = _spread(STRAIN_HOT, len(lengths), rng), _spread(HOTTER, len(lengths), rng)
    ways, cooler = _spread(ALONG_HOP, len(lengths), rng), _spread(HOP_COOLER, len(lengths), rng)
    return [
        _Run("train", length, True, strain, hop_factor * temperature_K, way)
        if number % 3 == 1
        else _Run("train", length, number % 3 == 0, strain, factor * temperature_K)
        for number, (length, strain, factor, way, hop_factor) in enumerate(
            zip(lengths, strains, factors, ways, cooler, strict=True)
        )
    ]


def _keep(frames: Sequence[Atoms], subset: list[Atoms], set_aside: Counter[str]) -> None:
    kept, reasons = set_aside_absurd(frames)
    subset += kept
    set_aside.update(reasons)


def _strained(host: Atoms, strain: float, rng: np.random.Generator) -> Atoms:
    strained = host.copy()
    shear = rng.uniform(-SHEAR, SHEAR, (3, 3))
    deformation = np.eye(3) * (1 + strain) + (shear + shear.T) / 2
    strained.set_cell(host.cell.array @ deformation, scale_atoms=True)
    return strained


def _displaced(host: Atoms, standard_deviation_A: float, rng: np.random.Generator) -> Atoms:
    displaced = host.copy()
    displaced.positions += rng.normal(scale=standard_deviation_A, size=displaced.positions.shape)
    return displaced


def _label(atoms: Atoms, kind: str, trajectory: str) -> Atoms:
    forces_eV_per_A = atoms.get_forces(apply_constraint=False)
    frame = labelled(atoms, atoms.get_potential_energy(), forces_eV_per_A, atoms.get_stress())
    frame.info = {"kind": kind, "trajectory": trajectory}
    return frame


def _at_rest(
    host: Atoms,
    teacher: Calculator,
    kind: str,
    strain: float,
    amplitude_A: float,
    name: str,
    rng: np.random.Generator,
) -> Atoms:
    """One labelled crystal: strained with little disorder, or disordered at its own volume."""
    if kind == STRAINED:
        atoms = _displaced(_strained(host, strain, rng), RATTLE_AT_REST_A[0], rng)
    else:
        atoms = _displaced(host, amplitude_A, rng)
    atoms.calc = teacher
    return _label(atoms, kind, name)


def _hot_trajectory(
    cell: Atoms,
    working_ion: str,
    vacancy_fraction: float,
    teacher: Calculator,
    run: _Run,
    number: int,
    rng: np.random.Generator,
) -> list[Atoms]:
    """Frames of a short Langevin run that is hot from its first step.

    An ion on a hop moves across its way but not along.
    """
    fraction = vacancy_fraction if run.with_vacancies else 0.0
    if run.along_hop is None:
        kind, host, hop = HOT, remove_ions(cell, working_ion, fraction, rng), None
    else:
        kind, (host, *hop) = HOP, start_hop(cell, working_ion, fraction, run.along_hop, rng)
    atoms = _displaced(_strained(host, run.strain, rng), RATTLE_HOT_A, rng)
    if hop is not None:
        atoms.set_constraint(FixedPlane(*hop))
    atoms.calc = teacher
    # The crystal starts near rest: part of the kinetic energy goes into the bonds within a vibration.
    MaxwellBoltzmannDistribution(atoms, temperature_K=1.5 * run.temperature_K, rng=rng)
    Stationary(atoms)
    timestep_fs = TIMESTEP_WITH_HYDROGEN_FS if "H" in atoms.symbols else TIMESTEP_FS
    dynamics = Langevin(
        atoms,
        timestep_fs * units.fs,
        temperature_K=run.temperature_K,
        friction=FRICTION_PER_FS / units.fs,
        rng=rng,
    )
    frames = []
    for sample in range(run.n_frames):
        dynamics.run(SAMPLE_EVERY if sample else FIRST_SAMPLE)
        frames.append(_label(atoms, kind, f"{kind}-{number}"))
    return frames
