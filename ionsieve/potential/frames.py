"""Frames with energy, forces and stress: in and out of extxyz, what is set aside, how they are split.

Conventions are ASE's: energy in eV per cell, forces in eV/angstrom, stress in eV/angstrom^3, positive
under tension (dE/d strain per volume). A frame keeps its labels in a ``SinglePointCalculator`` and says
in ``info`` what ``kind`` it is and which ``trajectory`` it comes from. Frames of one trajectory resemble
each other, so a trajectory is never on two sides of a split.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.calculators.calculator import PropertyNotImplementedError
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import read, write

from ionsieve.artifacts import atomic_path
from ionsieve.errors import DataError

# Liquids at 2000 K stay well below; what lies above is an overlap that no MD of a solid should visit.
ABSURD_FORCE_EV_PER_A = 30.0
ABSURD_STRESS_EV_PER_A3 = 1.0  # 160 GPa

# What may name the group a frame belongs to, best first. Frames without any are grouped in blocks.
GROUP_KEYS = ("trajectory", "material_id", "mp_id")
BLOCKS_PER_FILE = 20


@dataclass(frozen=True)
class FrameSets:
    """Frames to train on, to stop by, and to measure errors on; no trajectory is in two of them."""

    train: list[Atoms] = field(default_factory=list)
    validation: list[Atoms] = field(default_factory=list)
    test: list[Atoms] = field(default_factory=list)


def labelled(
    atoms: Atoms, energy_eV: float, forces_eV_per_A: np.ndarray, stress_eV_per_A3: np.ndarray | None
) -> Atoms:
    """A copy of ``atoms`` that carries its labels; ``info`` is kept.

    Parameters
    ----------
    atoms : the crystal.
    energy_eV : of the whole cell.
    forces_eV_per_A : shape (n_atoms, 3).
    stress_eV_per_A3 : Voigt order xx, yy, zz, yz, xz, xy, or (3, 3); None where not known.
    """
    frame = Atoms(
        atoms.symbols, positions=atoms.positions, cell=atoms.cell, pbc=atoms.pbc, info=dict(atoms.info)
    )
    labels = {"energy": float(energy_eV), "forces": np.asarray(forces_eV_per_A, dtype=float)}
    if stress_eV_per_A3 is not None:
        stress = np.asarray(stress_eV_per_A3, dtype=float)
        if stress.shape == (3, 3):
            stress = stress[[0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]]
        labels["stress"] = stress
    frame.calc = SinglePointCalculator(frame, **labels)
    return frame


def stress_of(frame: Atoms) -> np.ndarray | None:
    """Stress label in Voigt order, eV/angstrom^3, or None where the frame has none."""
    try:
        return np.asarray(frame.get_stress(), dtype=float)
    except (PropertyNotImplementedError, RuntimeError):
        return None


def write_frames(path: Path | str, frames: Sequence[Atoms]) -> None:
    """Write frames as extxyz, atomically; an empty list leaves no file and raises DataError."""
    with atomic_path(path) as temporary:
        if frames:
            write(temporary, frames, format="extxyz")


def read_frames(path: Path | str) -> list[Atoms]:
    """Read frames with energy and forces from extxyz.

    Raises
    ------
    DataError : the file is not extxyz, is empty, or a frame lacks energy, forces or a periodic cell.
    """
    try:
        frames = read(path, index=":", format="extxyz")
    except Exception as error:  # ASE raises whatever its parser meets
        raise DataError(f"{path} is not a readable extxyz file: {error}") from error
    if not frames:
        raise DataError(f"{path} holds no frames")
    for number, frame in enumerate(frames):
        results = getattr(frame.calc, "results", {})
        missing = [label for label in ("energy", "forces") if label not in results]
        if missing:
            raise DataError(
                f"{path}, frame {number}: no {' and no '.join(missing)}; write them as ASE does (energy in"
                " eV, forces in eV/angstrom)"
            )
        if not frame.pbc.all():
            raise DataError(
                f"{path}, frame {number}: not periodic in three directions (pbc {frame.pbc.tolist()})"
            )
    return list(frames)


def reason_to_set_aside(frame: Atoms) -> str | None:
    """Why a frame must not be trained on, or None if it may."""
    forces, stress = frame.get_forces(), stress_of(frame)
    if not (np.isfinite(forces).all() and np.isfinite(frame.get_potential_energy())):
        return "energy or forces are not finite"
    if stress is not None and not np.isfinite(stress).all():
        return "its stress is not finite"
    largest = float(np.linalg.norm(forces, axis=1).max())
    if largest > ABSURD_FORCE_EV_PER_A:
        return f"a force above {ABSURD_FORCE_EV_PER_A:g} eV/A"
    if stress is not None and np.abs(stress).max() > ABSURD_STRESS_EV_PER_A3:
        return f"a stress above {ABSURD_STRESS_EV_PER_A3:g} eV/A3"
    return None


def set_aside_absurd(frames: Iterable[Atoms]) -> tuple[list[Atoms], dict[str, int]]:
    """Frames that may be trained on, and how many were set aside for which reason."""
    kept: list[Atoms] = []
    reasons: dict[str, int] = {}
    for frame in frames:
        reason = reason_to_set_aside(frame)
        if reason is None:
            kept.append(frame)
        else:
            reasons[reason] = reasons.get(reason, 0) + 1
    return kept, reasons


def name_trajectories(frames: Sequence[Atoms], prefix: str) -> None:
    """Give each frame of a user's file a ``trajectory``: the one it names, its material, or its block.

    Frames without a name are taken in ``BLOCKS_PER_FILE`` runs of neighbours, since files of MD and of
    relaxations hold similar frames next to each other.
    """
    block = max(1, -(-len(frames) // BLOCKS_PER_FILE))
    for number, frame in enumerate(frames):
        name = next((str(frame.info[key]) for key in GROUP_KEYS if key in frame.info), None)
        frame.info["trajectory"] = name if name is not None else f"{prefix}/{number // block}"
        frame.info.setdefault("kind", "given")


def gather_frames(paths: Sequence[Path | str]) -> tuple[list[Atoms], dict[str, int]]:
    """Frames of the given files with their trajectories named, and how many were set aside for what.

    A file of no bytes is a shard that no material fell in, and holds no frames.
    """
    frames: list[Atoms] = []
    for number, path in enumerate(paths):
        if Path(path).stat().st_size == 0:
            continue
        of_file = read_frames(path)
        name_trajectories(of_file, f"file-{number}")
        frames.extend(of_file)
    return set_aside_absurd(frames)


def split_by_trajectory(frames: Sequence[Atoms], seed: int, held_out: float = 0.1) -> FrameSets:
    """Split frames so that no trajectory is in two sets.

    Parameters
    ----------
    frames : with ``info["trajectory"]``.
    seed : of the shuffle of trajectories.
    held_out : share of the frames to reach in each of validation and test.

    Raises
    ------
    DataError : fewer than three trajectories.
    """
    trajectories: dict[str, list[Atoms]] = {}
    for frame in frames:
        trajectories.setdefault(frame.info["trajectory"], []).append(frame)
    if len(trajectories) < 3:
        raise DataError(
            f"frames of {len(trajectories)} trajectories cannot be split into train, validation and test;"
            " give at least 3, named by trajectory, material_id or mp_id in the frames' info"
        )
    names = sorted(trajectories)
    np.random.default_rng(seed).shuffle(names)
    sets = FrameSets()
    for name in names:
        wanted = held_out * len(frames)
        if len(sets.test) < wanted:
            sets.test.extend(trajectories[name])
        elif len(sets.validation) < wanted:
            sets.validation.extend(trajectories[name])
        else:
            sets.train.extend(trajectories[name])
    if not sets.train:
        raise DataError(
            f"one of the {len(trajectories)} trajectories holds most of the {len(frames)} frames: nothing is"
            " left to train on; give more trajectories of similar length"
        )
    return sets


def elements_of(frames: Iterable[Atoms]) -> list[str]:
    """Element symbols in the frames, by atomic number."""
    numbers = sorted({int(number) for frame in frames for number in frame.numbers})
    return [Atoms(numbers=[number]).symbols[0] for number in numbers]


def count_by_kind(frames: Iterable[Atoms]) -> dict[str, int]:
    """Number of frames of each kind."""
    counts: dict[str, int] = {}
    for frame in frames:
        kind = str(frame.info["kind"])
        counts[kind] = counts.get(kind, 0) + 1
    return counts
