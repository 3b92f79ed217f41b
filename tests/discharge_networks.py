"""Networks that have learned nothing, and the released weights where they are at hand."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
import torch

from ionsieve.discharge.ensemble import TrainingRanges
from ionsieve.discharge.network import Discharge, Settings

SHARED = Path(os.environ.get("IONSIEVE_SHARED_DATA", Path(__file__).parents[2] / "shared" / "data"))
LMTO = "Li1.2Mn0.4Ti0.4O2"
RANGES = TrainingRanges(
    elements=("Li", "Mn", "Nb", "Ti", "O", "F"),
    cations_per_anion=(1.0, 1.0),
    lithium_share=(0.5, 0.7),
    rate_mA_per_g=(10.0, 1000.0),
    voltage_low_V=(1.5, 2.0),
    voltage_high_V=(4.4, 4.8),
    cycle=(1.0, 50.0),
)


def untrained(settings: Settings, seed: int = 0) -> Discharge:
    """A network of random weights, large ones: those that torch starts from hardly see the composition.

    Its batch norms have seen something, so that they do something.
    """
    torch.set_num_threads(1)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = Discharge(settings)
        for module in network.modules():
            if isinstance(module, torch.nn.BatchNorm1d):
                module.running_mean = torch.randn(module.num_features)
                module.running_var = torch.rand(module.num_features) + 0.5
        with torch.no_grad():
            for weight in network.parameters():
                weight.mul_(3.0)
    return network.eval()


def released_files() -> list[Path]:
    """The released files of weights; without them the test is skipped."""
    files = sorted((SHARED / "drxnet").glob("model_*.pt"))
    if not files:
        pytest.skip(
            f"no model_*.pt in {SHARED / 'drxnet'}; set IONSIEVE_SHARED_DATA to the folder of drxnet/"
        )
    return files


def reference_cases() -> list[dict[str, Any]]:
    """What the released implementation predicts, model by model."""
    return json.loads((SHARED / "drxnet" / "reference_predictions.json").read_text())["cases"]
