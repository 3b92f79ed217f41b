"""What a training needs to go on after a kill as if there had been none.

Lightning's checkpoints at the end of an epoch hold weights, their mean, Adam's moments and the loops'
counters. Two things are off when it resumes from one: NequIP's data module has built its generator of
the frames' order before the saved one is read, and the learning rate has yet to take the step that
ends the epoch. :class:`ExactResumption` puts both right, so that a resumed training gives the same
weights, bit for bit (on one CPU thread).
"""

import io
import logging
import shutil
import sys
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import lightning
import torch

from ionsieve.errors import first_line

BEST = "best"
STATE = "state-{epoch:05d}"  # sorts by age
STATES_KEPT = 2  # the last, and the one before in case that is damaged

logger = logging.getLogger(__name__)


class ExactResumption(lightning.Callback):
    """Restore the order of the frames and the learning rate that an uninterrupted training would have."""

    def on_load_checkpoint(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Put the saved generators' states into those that the data loaders will use."""
        datamodule: Any = trainer.datamodule  # type: ignore[attr-defined]
        datamodule.train_generator.set_state(datamodule.train_generator_state.cpu())
        datamodule.generator.set_state(datamodule.generator_state.cpu())

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Take the steps of the learning rate that came after the checkpoint was written."""
        for config in trainer.lr_scheduler_configs:
            scheduler: Any = config.scheduler
            while scheduler.last_epoch < trainer.current_epoch:
                scheduler.step()


def open_folder(parent: Path, key: str) -> Path:
    """The folder of the training ``key``; what other trainings left beside it goes."""
    folder = parent / key
    folder.mkdir(parents=True, exist_ok=True)
    for other in parent.iterdir():
        if other != folder:
            shutil.rmtree(other, ignore_errors=True)
    return folder


def clear(folder: Path) -> None:
    """Empty a training's folder: Lightning does not write over files that it does not know of."""
    shutil.rmtree(folder)
    folder.mkdir()


def last_state(folder: Path) -> tuple[Path | None, int]:
    """The newest sound state of a training, and how many epochs it has behind it; None and 0 to start anew.

    Damaged states are removed, and the log names them.
    """
    states = sorted(folder.glob(f"{STATE.partition('{')[0]}*.ckpt"), reverse=True)
    best = folder / f"{BEST}.ckpt"
    damage = _damage(best) if states else None
    if damage is not None:
        logger.warning("%s is damaged (%s): training starts anew", best.name, damage)
        return None, 0
    for path in states:
        damage = _damage(path)
        if damage is None:
            return path, 1 + int(path.stem.rpartition("-")[2])
        logger.warning("%s is damaged (%s): falling back to what there is before it", path.name, damage)
        path.unlink()
    return None, 0


def write_canonical(checkpoint: Path, path: Path) -> None:
    """Write a checkpoint so that equal content has equal bytes.

    Pickle writes a string once per object, and a resumed training holds other copies of the same strings.
    """
    content = io.BytesIO()
    torch.save(_canonical(torch.load(checkpoint, map_location="cpu", weights_only=False)), content)
    path.write_bytes(content.getvalue())


def _canonical(value: Any) -> Any:
    if isinstance(value, dict):
        copy = type(value)((_canonical(key), _canonical(item)) for key, item in value.items())
        if hasattr(value, "_metadata"):  # versions of torch's modules
            copy._metadata = _canonical(value._metadata)  # type: ignore[attr-defined]
        return copy
    if isinstance(value, list | tuple):
        return type(value)(map(_canonical, value))
    if isinstance(value, torch.Tensor):
        return value.clone()
    return sys.intern(value) if type(value) is str else value


def _damage(path: Path) -> str | None:
    """What is wrong with a checkpoint, by the checksums in it, or None."""
    try:
        with ZipFile(path) as archive:
            broken = archive.testzip()
    except Exception as error:  # a damaged archive raises whatever its bytes suggest
        return f"{type(error).__name__}: {first_line(error)}"
    return None if broken is None else f"wrong checksum of {broken}"
