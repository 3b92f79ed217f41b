"""One potential for all candidates: trained on frames of relaxations and of the user's own, or ready made."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from ase import Atoms
from ase.calculators.calculator import Calculator

from ionsieve.artifacts import atomic_path
from ionsieve.errors import DataError
from ionsieve.potential.calculator import load_calculator
from ionsieve.potential.frames import FrameSets, split_by_trajectory
from ionsieve.potential.training import FEWEST_FRAMES


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
            " potential.shared_model or shared_calculator"
        )
    return split_by_trajectory(frames, seed)


def adopt_model(ready: Path | str, checkpoint: Path | str) -> Calculator:
    """Copy a ready model to where the workflow looks for it, once it has been seen to load."""
    calculator = load_calculator(ready)
    with atomic_path(checkpoint) as temporary:
        shutil.copyfile(ready, temporary)
    return calculator
