"""Training with NequIP's own trainer: ``nequip-train`` in a process of its own.

It runs in a temporary folder that goes away with everything Hydra and Lightning write there; what stays
is the checkpoint and the log.
"""

import logging
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml
from ase import Atoms
from tqdm import tqdm

from ionsieve.artifacts import atomic_path
from ionsieve.errors import CandidateFailed
from ionsieve.potential.epoch_report import PREFIX
from ionsieve.potential.frames import elements_of, stress_of, write_frames
from ionsieve.potential.nequip_config import model_config, training_config
from ionsieve.potential.scales import data_scales

FEWEST_FRAMES = 5  # below this, shifts and scales are noise and no network can be trained

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrainingSettings:
    """How a potential is trained; names and units as in the configuration's ``potential`` section."""

    preset: str
    epochs: int
    batch_size: int
    learning_rate: float
    zbl: bool
    seed: int


def train(
    train_frames: Sequence[Atoms],
    validation_frames: Sequence[Atoms],
    settings: TrainingSettings,
    checkpoint: Path,
) -> None:
    """Train a NequIP model and write its checkpoint (weights and architecture only).

    Same frames, settings and library versions give the same weights, bit for bit, on one thread.

    Raises
    ------
    CandidateFailed : too few frames, or the training ended without finite weights.
    """
    if len(train_frames) < FEWEST_FRAMES or not validation_frames:
        raise CandidateFailed(
            f"{len(train_frames)} training and {len(validation_frames)} validation frames are too few: at"
            f" least {FEWEST_FRAMES} and 1 are needed; raise potential.teacher_frames or give more frames"
        )
    config = training_config(
        train="train.extxyz",
        validation="validation.extxyz",
        model=model_config(
            settings.preset,
            elements_of([*train_frames, *validation_frames]),
            data_scales(train_frames),
            settings.zbl,
            settings.seed,
        ),
        with_stress=all(stress_of(frame) is not None for frame in [*train_frames, *validation_frames]),
        epochs=settings.epochs,
        batch_size=min(settings.batch_size, len(train_frames)),
        learning_rate=settings.learning_rate,
        seed=settings.seed,
        # The small network is faster on a core than through a GPU's launches, and exact to the bit there.
        accelerator="cpu" if settings.preset == "small" else "auto",
    )
    with tempfile.TemporaryDirectory(prefix="ionsieve-nequip-") as name:
        folder = Path(name)
        write_frames(folder / "train.extxyz", train_frames)
        write_frames(folder / "validation.extxyz", validation_frames)
        (folder / "train.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
        _run_nequip_train(folder, settings.epochs)
        if not (folder / "best.ckpt").exists():
            raise CandidateFailed("nequip-train ended without a checkpoint: no epoch had a finite error")
        with atomic_path(checkpoint) as temporary:
            shutil.copyfile(folder / "best.ckpt", temporary)


def _run_nequip_train(folder: Path, epochs: int) -> None:
    command = [sys.executable, "-m", "nequip.scripts.train", f"--config-path={folder}", "--config-name=train"]
    command += [f"hydra.run.dir={folder}", "hydra.output_subdir=null"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    with (
        subprocess.Popen(
            command, cwd=folder, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        ) as process,
        tqdm(total=epochs, desc="nequip-train", unit="epoch", disable=None) as progress,
    ):
        assert process.stdout is not None
        for line in process.stdout:
            logger.info(line.rstrip())
            if line.startswith(f"{PREFIX} "):
                progress.update()
    if process.returncode:
        raise RuntimeError(f"nequip-train exited with {process.returncode}; its output is in this job's log")
