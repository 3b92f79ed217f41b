"""One potential for all candidates: trained on frames of relaxations and of the user's own, or ready made."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from ase import Atoms

from ionsieve.artifacts import atomic_path
from ionsieve.errors import DataError
from ionsieve.potential.calculator import PotentialCalculator, load_calculator
from ionsieve.potential.frames import (
    FrameSets,
    name_trajectories,
    read_frames,
    set_aside_absurd,
    split_by_trajectory,
)
from ionsieve.potential.training import FEWEST_FRAMES


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


def split_frames(frames: Sequence[Atoms], seed: int) -> FrameSets:
    """Train, validation and test frames, by trajectory.

    Raises
    ------
    DataError : too few frames or trajectories.
    """
    if len(frames) < FEWEST_FRAMES + 2:
        raise DataError(
            f"{len(frames)} usable frames are too few to train on; give at least {FEWEST_FRAMES + 2} in"
            " potential.shared_frames, data.mptrj and data.vasp_outputs together, or a ready model as"
            " potential.shared_model"
        )
    return split_by_trajectory(frames, seed)


def adopt_model(ready: Path | str, checkpoint: Path | str) -> PotentialCalculator:
    """Copy a ready checkpoint to where the workflow looks for it, once it has been seen to load."""
    calculator = load_calculator(ready)
    with atomic_path(checkpoint) as temporary:
        shutil.copyfile(ready, temporary)
    return calculator
