"""What an ensemble of framework folds knows of its own errors: intervals, and how far is too far.

Shared by the models of crystals and of formulas: each has descriptors, K members of which k never saw the
frameworks of fold k, and out-of-fold predictions.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch

from ionsieve.voltage.boosting import BoostedTrees
from ionsieve.voltage.calibration import (
    UNSEEN_ELEMENT_FACTOR,
    Residuals,
    cv_plus_interval,
    out_of_fold_intervals,
)
from ionsieve.voltage.difficulty import cross_fit, difficulty_inputs, difficulty_V, train_difficulty
from ionsieve.voltage.domain import TrainingSet, domain_limit


@dataclass(frozen=True)
class OutOfFold:
    """Predictions of R electrodes by the members that never saw their frameworks.

    Attributes
    ----------
    descriptors : shape (R, D).
    labels_V, predictions_V : shape (R,).
    disagreements_V : between the two halves of the member, shape (R,).
    folds : the member of each, shape (R,).
    frameworks : number of each electrode's framework, shape (R,).
    """

    descriptors: np.ndarray
    labels_V: np.ndarray
    predictions_V: np.ndarray
    disagreements_V: np.ndarray
    folds: np.ndarray
    frameworks: np.ndarray

    @classmethod
    def of(cls, rows: pd.DataFrame, descriptors: np.ndarray) -> "OutOfFold":
        """From rows of :func:`out_of_fold_rows` and their descriptors, shape (R, D)."""
        return cls(
            descriptors,
            rows["voltage_V"].to_numpy(dtype=float),
            rows["predicted_voltage_V"].to_numpy(dtype=float),
            rows["disagreement_V"].to_numpy(dtype=float),
            rows["fold"].to_numpy(dtype=np.int64),
            pd.factorize(rows["framework"], sort=True)[0].astype(np.int64),
        )


def out_of_fold_rows(
    held_out: pd.DataFrame,
    protocol: str,
    fold: int,
    predictions_V: np.ndarray,
    disagreements_V: np.ndarray | float,
) -> pd.DataFrame:
    """Rows of :data:`ionsieve.tables.OUT_OF_FOLD` of a fold, without intervals.

    Parameters
    ----------
    held_out : the electrodes that the fold's member never saw.
    predictions_V, disagreements_V : of that member, shape (R,), or one number for all.
    """
    named = held_out[["electrode_id", "material_id", "working_ion", "framework", "voltage_V", "x_charged"]]
    return named.assign(
        protocol=protocol,
        fold=fold,
        predicted_voltage_V=predictions_V,
        disagreement_V=disagreements_V,
        distance=np.nan,
        expected_error_V=np.nan,
        voltage_low_V=np.nan,
        voltage_high_V=np.nan,
    )


@dataclass(frozen=True)
class Intervals:
    """Of n rows, each shape (n,): ends in V, distance to the training set, expected error in V."""

    low_V: np.ndarray
    high_V: np.ndarray
    distances: np.ndarray
    expected_errors_V: np.ndarray

    def columns(self) -> dict[str, np.ndarray]:
        """By their names in :data:`ionsieve.tables.OUT_OF_FOLD`."""
        return {
            "distance": self.distances,
            "expected_error_V": self.expected_errors_V,
            "voltage_low_V": self.low_V,
            "voltage_high_V": self.high_V,
        }


@dataclass(frozen=True)
class Uncertainty:
    """What calibrates the intervals of an ensemble.

    Attributes
    ----------
    residuals : out-of-fold residuals of the training electrodes.
    difficulties : K trees for the error to expect of a member; those of k never saw the errors of fold k.
    training_set : descriptors of the training electrodes.
    domain_limit : distance to the training set beyond which a row is outside the domain.
    coverage : share of true voltages that intervals shall hold.
    """

    residuals: Residuals
    difficulties: tuple[BoostedTrees, ...]
    training_set: TrainingSet
    domain_limit: float
    coverage: float

    def intervals(
        self,
        member_V: np.ndarray,
        disagreements_V: np.ndarray,
        descriptors: np.ndarray,
        has_unseen_element: np.ndarray,
    ) -> Intervals:
        """CV+ intervals of n new rows, about the mean of the members.

        Parameters
        ----------
        member_V, disagreements_V : of each of the K members, shape (K, n).
        descriptors : shape (n, D).
        has_unseen_element : whether some member never saw an element of the row, shape (n,).
        """
        distances = self.training_set.distances(descriptors)
        difficulties_V = np.stack(
            [
                difficulty_V(trees, difficulty_inputs(descriptors, *of_member))
                for trees, *of_member in zip(
                    self.difficulties, member_V, disagreements_V, distances, strict=True
                )
            ]
        )
        low_V, high_V = cv_plus_interval(member_V, self.residuals, self.coverage, difficulties_V)
        center_V = member_V.mean(axis=0)
        widening = np.where(has_unseen_element, UNSEEN_ELEMENT_FACTOR, 1.0)
        return Intervals(
            center_V - widening * (center_V - low_V),
            center_V + widening * (high_V - center_V),
            distances.min(axis=0),
            difficulties_V.mean(axis=0),
        )

    def intervals_of_fold(
        self, predictions_V: np.ndarray, disagreements_V: np.ndarray, descriptors: np.ndarray, fold: int
    ) -> Intervals:
        """Intervals of n rows whose frameworks are in ``fold``, about the voltages of that fold's member.

        No residual of that fold helps to make them.

        Parameters
        ----------
        predictions_V, disagreements_V : of the member that never saw these frameworks, shape (n,).
        descriptors : shape (n, D).
        """
        distances = self.training_set.distances(descriptors)[fold]
        expected_V = difficulty_V(
            self.difficulties[fold],
            difficulty_inputs(descriptors, predictions_V, disagreements_V, distances),
        )
        low_V, high_V = out_of_fold_intervals(predictions_V, self.residuals, self.coverage, fold, expected_V)
        return Intervals(low_V, high_V, distances, expected_V)

    def to_card(self) -> dict[str, Any]:
        """How intervals are made, for a model card."""
        return {
            "method": "CV+ by framework, each framework weighs the same, scaled by the expected error",
            "coverage": self.coverage,
            "unseen_element_factor": UNSEEN_ELEMENT_FACTOR,
            "domain_limit": self.domain_limit,
        }

    def to_state(self) -> dict[str, Any]:
        """Tensors and plain values, loadable with ``weights_only=True``."""
        return {
            "absolute_residuals_V": torch.tensor(self.residuals.absolute_V),
            "residual_folds": torch.tensor(self.residuals.folds),
            "residual_frameworks": torch.tensor(self.residuals.frameworks),
            "residual_difficulties_V": torch.tensor(self.residuals.difficulties_V),
            "difficulties": [trees.to_state() for trees in self.difficulties],
            "training_descriptors": torch.tensor(self.training_set.descriptors),
            "domain_limit": self.domain_limit,
            "coverage": self.coverage,
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> "Uncertainty":
        """What :meth:`to_state` describes."""
        residuals = Residuals(
            state["absolute_residuals_V"].numpy(),
            state["residual_folds"].numpy(),
            state["residual_frameworks"].numpy(),
            state["residual_difficulties_V"].numpy(),
        )
        return cls(
            residuals,
            tuple(BoostedTrees.from_state(trees) for trees in state["difficulties"]),
            TrainingSet(state["training_descriptors"].numpy(), residuals.folds),
            state["domain_limit"],
            state["coverage"],
        )


def calibrate(held_out: OutOfFold, coverage: float, seed: int) -> tuple[Uncertainty, Intervals]:
    """The uncertainty of an ensemble, and the intervals of its own electrodes.

    The latter are about their out-of-fold predictions; a fold's errors have no part in the trees and the
    residuals behind its own intervals.

    Parameters
    ----------
    coverage : share of true voltages that intervals shall hold.
    seed : of the trees that tell difficulty.
    """
    absolute_V = np.abs(held_out.labels_V - held_out.predictions_V)
    training_set = TrainingSet(held_out.descriptors, held_out.folds)
    distances = training_set.own_distances()
    inputs = difficulty_inputs(
        held_out.descriptors, held_out.predictions_V, held_out.disagreements_V, distances
    )
    difficulties, own_difficulties_V = cross_fit(inputs, absolute_V, held_out.folds, seed)
    residuals = Residuals(absolute_V, held_out.folds, held_out.frameworks, own_difficulties_V)
    uncertainty = Uncertainty(residuals, difficulties, training_set, domain_limit(distances), coverage)
    low_V, high_V = _own_intervals(held_out.predictions_V, inputs, residuals, coverage, seed)
    return uncertainty, Intervals(low_V, high_V, distances, own_difficulties_V)


def _own_intervals(
    predictions_V: np.ndarray, inputs: np.ndarray, residuals: Residuals, coverage: float, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Interval of each electrode: its fold's errors have no part in the trees and residuals behind it."""
    low_V, high_V = np.empty_like(predictions_V), np.empty_like(predictions_V)
    for fold in np.unique(residuals.folds):
        own = residuals.folds == fold
        difficulties_V = np.empty(len(predictions_V))
        _, difficulties_V[~own] = cross_fit(
            inputs[~own], residuals.absolute_V[~own], residuals.folds[~own], seed
        )
        trees = train_difficulty(inputs[~own], residuals.absolute_V[~own], seed)
        difficulties_V[own] = difficulty_V(trees, inputs[own])
        others = Residuals(residuals.absolute_V, residuals.folds, residuals.frameworks, difficulties_V)
        low_V[own], high_V[own] = out_of_fold_intervals(
            predictions_V[own], others, coverage, int(fold), difficulties_V[own]
        )
    return low_V, high_V
