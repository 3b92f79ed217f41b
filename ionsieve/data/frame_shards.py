"""DFT frames on their way to extxyz: steps taken of a relaxation, labels checked, shards written.

Units and signs change here and nowhere else: VASP writes stress in kbar, positive under compression; frames
hold ASE's, eV/angstrom^3, positive under tension. Energies (eV per cell) and forces (eV/angstrom) stay.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from ase import Atoms
from ase.io.extxyz import write_xyz

from ionsieve import structures
from ionsieve.artifacts import written_aside
from ionsieve.data.buckets import bucket_of
from ionsieve.errors import DataError
from ionsieve.potential.frames import labelled
from ionsieve.units import EV_PER_A3_PER_KBAR

# What the paper takes of each relaxation, besides the last step.
FIRST_STEPS = 3

Step = TypeVar("Step")


class DamagedFrame(Exception):
    """A frame that nothing may be trained on.

    Parameters
    ----------
    reason : in few words, the same for all frames of this damage.
    detail : what was met in this frame.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


@dataclass
class Tally:
    """What became of the frames: how many were kept, how many set aside for which reason."""

    kept: int = 0
    without_stress: int = 0
    set_aside: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)

    def add_damaged(self, name: str, damage: DamagedFrame) -> None:
        """Count what is set aside; the first of each reason is kept as an example."""
        self.set_aside[damage.reason] += 1
        self.examples.setdefault(damage.reason, f"{name}: {damage.detail}")

    def reasons(self) -> str:
        """Why nothing is left, for a message."""
        return "; ".join(
            f"{count} x {reason} ({self.examples[reason]})" for reason, count in self.set_aside.most_common(3)
        )

    def document(self) -> dict[str, Any]:
        """JSON-able counts."""
        return {
            "frames": self.kept,
            "frames_without_stress": self.without_stress,
            "set_aside": dict(sorted(self.set_aside.items())),
            "set_aside_examples": dict(sorted(self.examples.items())),
        }


def first_three_and_last(steps: Sequence[Step]) -> list[Step]:
    """The first three steps and the last, each once."""
    return [*steps[:FIRST_STEPS], *steps[FIRST_STEPS:][-1:]]


def ase_stress_eV_per_A3(vasp_stress_kbar: np.ndarray) -> np.ndarray:
    """ASE's stress, positive under tension, from VASP's, in kbar and positive under compression."""
    return -EV_PER_A3_PER_KBAR * vasp_stress_kbar


def make_frame(
    columns: Mapping[str, Any],
    energy_eV: object,
    forces_eV_per_A: object,
    vasp_stress_kbar: object,
    names: Mapping[str, str],
) -> Atoms:
    """A frame of a relaxation whose crystal and labels have been checked.

    Parameters
    ----------
    columns : numbers, cell and frac_coords (see :mod:`ionsieve.tables`).
    energy_eV, forces_eV_per_A, vasp_stress_kbar : as read: of the whole cell, shapes (n_atoms, 3) and (3, 3).
        Only the stress may be None.
    names : for the frame's info. ``material_id`` is a must: frames of one material resemble each other, so a
        split never parts them.

    Raises
    ------
    DamagedFrame : a label is missing, has the wrong shape or is not finite; no stage could use the crystal.
    """
    energy = _label("energy", energy_eV, ())
    forces = _label("forces", forces_eV_per_A, (len(columns["numbers"]), 3))
    stress = None
    if vasp_stress_kbar is not None:
        stress = ase_stress_eV_per_A3(_label("stress", vasp_stress_kbar, (3, 3)))
    try:
        structures.check(columns, working_ion=None)
    except structures.DamagedStructure as damage:
        raise DamagedFrame("damaged structure", str(damage)) from None
    frame = structures.to_atoms(columns)
    frame.info = {"kind": "relaxation", **names}
    return labelled(frame, float(energy), forces, stress)


def _label(name: str, value: object, shape: tuple[int, ...]) -> np.ndarray:
    if value is None:
        raise DamagedFrame(f"no {name}", "missing or null")
    try:
        label = np.asarray(value, dtype=float)
    except (TypeError, ValueError) as error:
        raise DamagedFrame(f"{name} not of the right shape", str(error)) from None
    if label.shape != shape:
        raise DamagedFrame(f"{name} not of the right shape", f"{label.shape} instead of {shape}")
    if not np.isfinite(label).all():
        raise DamagedFrame(f"{name} not finite", "holds NaN or infinity")
    return label


@contextmanager
def open_shards(paths: Sequence[Path], tally: Tally) -> Iterator[Callable[[Atoms], None]]:
    """A function that writes a frame into the shard of its material, which is a hash of the material's id.

    The shards take their names when the block ends without an error, so what breaks off leaves none. A
    shard that no material falls in is an empty file.
    """
    folder = paths[0].parent
    with written_aside(folder) as aside, ExitStack() as open_files:
        fresh = [aside / path.name for path in paths]
        shards = [open_files.enter_context(path.open("w")) for path in fresh]

        def write(frame: Atoms) -> None:
            with _room_in(folder):
                write_xyz(shards[bucket_of(frame.info["material_id"], len(shards))], [frame])
            tally.kept += 1
            tally.without_stress += "stress" not in frame.calc.results

        yield write
        with _room_in(folder):
            open_files.close()
            for written, path in zip(fresh, paths, strict=True):
                written.replace(path)


@contextmanager
def _room_in(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise DataError(
            f"frames cannot be written to {folder}: {error.strerror}; make room there and run again"
        ) from error
