"""Training with NequIP's own trainer: ``nequip-train`` in a process of its own.

It runs in a folder beside the checkpoint, keyed by all that the weights depend on, and goes on from the
last epoch that it finds there. With success the folder goes away; what stays is the checkpoint and the log.
"""

import errno
import hashlib
import json
import logging
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from ase import Atoms
from tqdm import tqdm

from ionsieve import algorithms
from ionsieve.artifacts import atomic_path, write_text
from ionsieve.errors import CandidateFailed
from ionsieve.potential.epoch_report import PREFIX
from ionsieve.potential.frames import elements_of, stress_of, write_frames
from ionsieve.potential.nequip_config import model_config, training_config
from ionsieve.potential.resumption import BEST, clear, last_state, open_folder, write_canonical
from ionsieve.potential.scales import data_scales

FEWEST_FRAMES = 5  # below this, shifts and scales are noise and no network can be trained
LIBRARIES = ("nequip", "e3nn", "torch", "lightning", "ase")  # that the weights depend on
STATE_FOLDER = "training"  # beside the checkpoint, while it is not finished

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
    devices: int = 1


def train(
    train_frames: Sequence[Atoms],
    validation_frames: Sequence[Atoms],
    settings: TrainingSettings,
    checkpoint: Path,
) -> None:
    """Train a NequIP model and write its checkpoint (weights and architecture only).

    Same frames, settings and library versions give the same weights, bit for bit, on one thread, also
    when a training is killed and called again: it goes on after its last whole epoch.

    Raises
    ------
    CandidateFailed : too few frames, or the training ended without finite weights.
    """
    if len(train_frames) < FEWEST_FRAMES or not validation_frames:
        raise CandidateFailed(
            f"{len(train_frames)} training and {len(validation_frames)} validation frames are too few: at"
            f" least {FEWEST_FRAMES} and 1 are needed; raise potential.teacher_frames or give more frames"
        )
    without_stress = sum(stress_of(frame) is None for frame in [*train_frames, *validation_frames])
    if 0 < without_stress < len(train_frames) + len(validation_frames):
        logger.warning(
            "%d of %d frames have no stress, so that none is learned, and NPT needs it: give them one,"
            " or leave them out",
            without_stress,
            len(train_frames) + len(validation_frames),
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
        with_stress=without_stress == 0,
        epochs=settings.epochs,
        batch_size=min(settings.batch_size, len(train_frames)),
        learning_rate=settings.learning_rate,
        seed=settings.seed,
        # The small network is faster on a core than through a GPU's launches, and exact to the bit there.
        accelerator="cpu" if settings.preset == "small" else "auto",
        devices=1 if settings.preset == "small" else settings.devices,
    )
    state = checkpoint.resolve().parent / STATE_FOLDER
    folder = open_folder(state, _key(config, [*train_frames, *validation_frames], state))
    ckpt_path, epochs_done = last_state(folder)
    if ckpt_path is not None:
        logger.info("training continues after epoch %d of %d", epochs_done, settings.epochs)
        config["ckpt_path"] = str(ckpt_path)
    else:
        clear(folder)
    write_frames(folder / "train.extxyz", train_frames)
    write_frames(folder / "validation.extxyz", validation_frames)
    write_text(folder / "train.yaml", yaml.safe_dump(config, sort_keys=False))
    _run_nequip_train(folder, settings.epochs, epochs_done)
    best = folder / f"{BEST}.ckpt"
    if not best.exists():
        raise CandidateFailed("nequip-train ended without a checkpoint: no epoch had a finite error")
    _require_finite(best)
    with atomic_path(checkpoint) as temporary:
        write_canonical(best, temporary)
    shutil.rmtree(state)


def _require_finite(checkpoint: Path) -> None:
    """Refuse weights that are no numbers: NequIP keeps the first epoch's even then."""
    state = torch.load(checkpoint, map_location="cpu", weights_only=False)["state_dict"]
    weights = [values for values in state.values() if isinstance(values, torch.Tensor)]
    if not all(torch.isfinite(values).all() for values in weights):
        raise CandidateFailed("training diverged: the weights are not finite; lower potential.learning_rate")


def _key(config: dict[str, Any], frames: Sequence[Atoms], folder: Path) -> str:
    """Digest of all that the weights depend on, and of the folder, which Lightning's states name."""
    versions = {library: version(library) for library in LIBRARIES}
    document = [config, versions, algorithms.POTENTIAL, str(folder)]
    key = hashlib.sha256(json.dumps(document, sort_keys=True).encode())
    for frame in frames:
        labels = (frame.get_potential_energy(), frame.get_forces(), stress_of(frame))
        for values in (frame.numbers, frame.positions, frame.cell.array, *labels):
            key.update(np.asarray([] if values is None else values, dtype=float).tobytes())
    return key.hexdigest()[:16]


def _run_nequip_train(folder: Path, epochs: int, epochs_done: int) -> None:
    command = [sys.executable, "-m", "nequip.scripts.train", f"--config-path={folder}", "--config-name=train"]
    command += ["hydra.run.dir=.", "hydra.output_subdir=null"]
    # Checkpoints are written to the temporary folder and moved: only within a disk is that atomic.
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "TMPDIR": str(folder)}
    disk_full = False
    with (
        subprocess.Popen(
            command, cwd=folder, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        ) as process,
        tqdm(total=epochs, initial=epochs_done, desc="nequip-train", unit="epoch", disable=None) as progress,
    ):
        assert process.stdout is not None
        for line in process.stdout:
            logger.info(line.rstrip())
            disk_full |= os.strerror(errno.ENOSPC) in line
            if line.startswith(f"{PREFIX} "):
                progress.update()
    if process.returncode and disk_full:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder))
    if process.returncode:
        raise RuntimeError(f"nequip-train exited with {process.returncode}; its output is in this job's log")
