import errno
import multiprocessing
import os
import signal
import sys
import time
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from ionsieve.potential.resumption import last_state, open_folder, write_canonical
from ionsieve.potential.training import train


@pytest.fixture
def folder(tmp_path) -> Path:
    """A training with two epochs behind it."""
    folder = open_folder(tmp_path / "training", "key")
    for name in ("best", "state-00000", "state-00001"):
        torch.save({"weights": torch.arange(50.0)}, folder / f"{name}.ckpt")
    return folder


def flip_a_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[content.index(torch.arange(50.0).numpy().tobytes()) + 17] ^= 4
    path.write_bytes(content)


def test_training_goes_on_from_the_last_state(folder):
    assert last_state(folder) == (folder / "state-00001.ckpt", 2)


@pytest.mark.parametrize("damage", [flip_a_bit, lambda path: path.write_bytes(path.read_bytes()[:700])])
def test_a_damaged_state_falls_back_to_the_one_before_and_says_so(folder, damage, caplog):
    damage(folder / "state-00001.ckpt")
    assert last_state(folder) == (folder / "state-00000.ckpt", 1)
    assert "state-00001.ckpt is damaged" in caplog.text
    assert not (folder / "state-00001.ckpt").exists()


def test_without_a_sound_state_training_starts_anew(folder, caplog):
    for path in folder.glob("state-*"):
        flip_a_bit(path)
    assert last_state(folder) == (None, 0)
    assert "state-00000.ckpt is damaged" in caplog.text


def test_damaged_best_weights_start_training_anew(folder, caplog):
    flip_a_bit(folder / "best.ckpt")
    assert last_state(folder) == (None, 0)
    assert "best.ckpt is damaged" in caplog.text


def test_the_state_of_another_training_is_removed_not_used(folder):
    other = open_folder(folder.parent, "other")
    assert last_state(other) == (None, 0)
    assert [path.name for path in folder.parent.iterdir()] == ["other"]


def test_the_same_content_gets_the_same_bytes(tmp_path):
    def name():
        return "".join(["irreps"] * 50)

    copies = [name() for _ in range(3)]
    torch.save({"names": [copies[0]] * 3, "weights": torch.ones(3)}, tmp_path / "shared.ckpt")
    torch.save({"names": copies, "weights": torch.ones(3)}, tmp_path / "copies.ckpt")
    assert (tmp_path / "shared.ckpt").stat().st_size != (tmp_path / "copies.ckpt").stat().st_size
    for name in ("shared", "copies"):
        write_canonical(tmp_path / f"{name}.ckpt", tmp_path / name)
    assert (tmp_path / "shared").read_bytes() == (tmp_path / "copies").read_bytes()
    assert zipfile.is_zipfile(tmp_path / "shared")


def test_a_disk_that_fills_up_in_training_is_told_as_such(tmp_path, alloy_frames, settings, monkeypatch):
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho 'OSError: [Errno 28] No space left on device'\nexit 1\n")
    python.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(python))
    with pytest.raises(OSError, match="No space left on device") as failure:
        train(alloy_frames.train, alloy_frames.validation, settings, tmp_path / "model.ckpt")
    assert failure.value.errno == errno.ENOSPC


def _killed_during(epoch: int, *arguments: object) -> None:
    """Train in a process group of its own, and kill -9 all of it once ``epoch`` has left its state."""
    process = multiprocessing.get_context("fork").Process(target=_train_apart, args=arguments)
    process.start()
    state = arguments[-1].parent / "training"
    while process.is_alive() and not list(state.glob(f"*/state-{epoch:05d}.ckpt")):
        time.sleep(0.05)
    assert process.is_alive()
    os.killpg(process.pid, signal.SIGKILL)
    process.join()


def _train_apart(*arguments: object) -> None:
    os.setpgid(0, 0)
    train(*arguments)


@pytest.mark.slow
def test_a_training_killed_twice_ends_in_the_bytes_of_an_uninterrupted_one(
    tmp_path, checkpoint, alloy_frames, settings
):
    job = (alloy_frames.train, alloy_frames.validation, settings, tmp_path / "model.ckpt")
    _killed_during(0, *job)
    _killed_during(2, *job)
    train(*job)
    assert (tmp_path / "model.ckpt").read_bytes() == checkpoint.read_bytes()
    assert [path.name for path in tmp_path.iterdir()] == ["model.ckpt"]


@pytest.mark.slow
def test_other_settings_do_not_go_on_from_a_killed_training(tmp_path, checkpoint, alloy_frames, settings):
    train_frames, validation_frames = alloy_frames.train, alloy_frames.validation
    other = replace(settings, learning_rate=0.01)
    _killed_during(1, train_frames, validation_frames, other, tmp_path / "model.ckpt")
    train(train_frames, validation_frames, settings, tmp_path / "model.ckpt")
    assert (tmp_path / "model.ckpt").read_bytes() == checkpoint.read_bytes()
