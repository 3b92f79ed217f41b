import shutil
from pathlib import Path

import pytest
import torch

from ionsieve.errors import ConfigError
from ionsieve.potential.deployment import deploy
from ionsieve.potential.devices import md_device, planned_device


@pytest.fixture(params=[False, True])
def has_gpu(request, monkeypatch):
    """A machine with or without a GPU, as far as torch says."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: request.param)
    return request.param


def test_auto_takes_a_gpu_where_there_is_one_and_cpu_is_the_cpu_anywhere(has_gpu):
    assert md_device("auto") == planned_device("auto") == ("cuda" if has_gpu else "cpu")
    assert md_device("cpu") == planned_device("cpu") == "cpu"


def test_a_gpu_that_is_asked_for_and_not_there_is_one_message_where_md_runs(has_gpu):
    assert planned_device("cuda") == "cuda", "where models are deployed none need be there"
    if has_gpu:
        assert md_device("cuda") == "cuda"
    else:
        with pytest.raises(ConfigError, match=r"no CUDA device in this job: ask for one .* or use auto"):
            md_device("cuda")


def test_what_runs_on_a_gpu_is_not_compiled_for_the_cpu(tmp_path):
    (tmp_path / "weights").mkdir()
    checkpoint = Path(shutil.make_archive(str(tmp_path / "model"), "zip", tmp_path / "weights"))
    told = deploy(checkpoint, [], "auto", True, tmp_path / "deployed.model", "cuda")
    assert told == "as it is: models are compiled for the CPU, and MD runs on a GPU"
    assert (tmp_path / "deployed.model").read_bytes() == checkpoint.read_bytes()
    with pytest.raises(ConfigError, match=r"compile is always, but .* use auto, or transport\.device: cpu"):
        deploy(checkpoint, [], "always", True, tmp_path / "deployed.model", "cuda")
