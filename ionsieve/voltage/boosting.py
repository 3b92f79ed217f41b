"""Gradient-boosted trees on descriptors: the other half of a member of the voltage model."""

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import lightgbm
import numpy as np
import torch

# Chosen on the framework folds of the Materials Project's electrodes, seed 0 (docs/voltage.md tells).
VOLTAGE_PARAMETERS: dict[str, Any] = {
    "objective": "huber",
    "alpha": 0.5,  # V: errors beyond count linearly
    "num_iterations": 1200,
    "learning_rate": 0.05,
    "num_leaves": 15,
    "min_data_in_leaf": 5,
    "bagging_fraction": 0.7,
    "bagging_freq": 1,
    "feature_fraction": 0.15,
    "lambda_l2": 2.0,
}


@dataclass(frozen=True)
class BoostedTrees:
    """Trained trees."""

    booster: lightgbm.Booster

    def predict_V(self, inputs: np.ndarray, trees_at_once: int | None = None) -> np.ndarray:
        """Volts for each of S rows, shape (S,); ``inputs`` has the shape (S, D).

        LightGBM walks a row through all trees before the next. ``trees_at_once`` that stay in a core's cache
        take all rows together: a third faster, and another order of the sum (1e-14 V).
        """
        n_trees = max(self.booster.num_trees(), 1)
        at_once = trees_at_once or n_trees
        return np.sum(
            [
                self.booster.predict(inputs, start_iteration=start, num_iteration=at_once, num_threads=1)
                for start in range(0, n_trees, at_once)
            ],
            axis=0,
            dtype=float,
        )

    def to_state(self) -> torch.Tensor:
        """LightGBM's own text format, compressed to a third, as bytes of a state file."""
        compressed = zlib.compress(self.booster.model_to_string().encode(), level=9)
        return torch.frombuffer(bytearray(compressed), dtype=torch.uint8)

    @classmethod
    def from_state(cls, state: torch.Tensor) -> "BoostedTrees":
        """The trees that :meth:`to_state` wrote."""
        text = zlib.decompress(state.numpy().tobytes()).decode()
        return cls(lightgbm.Booster(model_str=text))


def train_trees(
    inputs: np.ndarray, targets_V: np.ndarray, seed: int, parameters: Mapping[str, Any] = VOLTAGE_PARAMETERS
) -> BoostedTrees:
    """Trees for the given rows; the same on each run.

    Parameters
    ----------
    inputs : of the training rows alone, shape (R, D).
    targets_V : what to predict for them, in V, shape (R,).
    parameters : LightGBM's.
    """
    fixed = {
        "seed": seed % 2**31,
        "num_threads": 1,
        "deterministic": True,
        "force_row_wise": True,
        "verbosity": -1,
    }
    data = lightgbm.Dataset(inputs.astype(np.float32), label=targets_V)
    return BoostedTrees(lightgbm.train({**parameters, **fixed}, data))
