"""The voltage model that a screening uses: the framework folds' members and their residuals."""

import importlib.metadata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from ase.data import chemical_symbols

from ionsieve.errors import DataError
from ionsieve.voltage.calibration import UNSEEN_ELEMENT_FACTOR, Residuals, out_of_fold_intervals
from ionsieve.voltage.electrodes import Electrodes
from ionsieve.voltage.members import Member
from ionsieve.voltage.metrics import coverage_metrics, ion_mean_predictions_V, protocol_metrics, scores
from ionsieve.voltage.splits import FRAMEWORK, PROTOCOLS, held_out_rows
from ionsieve.voltage.state_files import ENSEMBLE, MEMBER, load_state, save_state
from ionsieve.voltage.training import Schedule

LIBRARIES = ("ase", "ionsieve", "numpy", "pymatgen", "torch", "torch-geometric", "vesin")


@dataclass(frozen=True)
class Ensemble:
    """One member per framework fold, in the order of the folds, with what calibrates their interval.

    Attributes
    ----------
    members : K networks; member k never saw the frameworks of fold k.
    residuals : out-of-fold residuals of the training electrodes.
    coverage : share of true voltages that intervals shall hold.
    """

    members: tuple[Member, ...]
    residuals: Residuals
    coverage: float

    @property
    def seen_numbers(self) -> frozenset[int]:
        """Atomic numbers that every member saw in training."""
        return frozenset.intersection(*(member.seen_numbers for member in self.members))

    def save(self, path: Path | str) -> None:
        """Write all members and residuals to one torch file."""
        save_state(
            path,
            ENSEMBLE,
            {
                "members": [member.to_state() for member in self.members],
                "absolute_residuals_V": torch.tensor(self.residuals.absolute_V),
                "residual_folds": torch.tensor(self.residuals.folds),
                "residual_frameworks": torch.tensor(self.residuals.frameworks),
                "coverage": self.coverage,
            },
        )

    @classmethod
    def load(cls, path: Path | str) -> "Ensemble":
        """Read what :meth:`save` wrote; raises DataError for any other file."""
        state = load_state(path, ENSEMBLE)
        residuals = Residuals(
            state["absolute_residuals_V"].numpy(),
            state["residual_folds"].numpy(),
            state["residual_frameworks"].numpy(),
        )
        return cls(
            tuple(Member.from_state(member) for member in state["members"]), residuals, state["coverage"]
        )


def save_member(path: Path | str, member: Member) -> None:
    """Write one member to a torch file."""
    save_state(path, MEMBER, member.to_state())


def load_member(path: Path | str) -> Member:
    """Read what :func:`save_member` wrote; raises DataError for any other file."""
    return Member.from_state(load_state(path, MEMBER))


def assemble(members: Sequence[Member], out_of_fold: pd.DataFrame, coverage: float) -> Ensemble:
    """The ensemble of the framework folds' members.

    Parameters
    ----------
    members : in the order of the folds.
    out_of_fold : rows of :data:`ionsieve.tables.OUT_OF_FOLD`; those of protocol ``framework`` calibrate.
    coverage : share of true voltages that intervals shall hold.
    """
    return Ensemble(tuple(members), framework_residuals(out_of_fold), coverage)


def framework_residuals(out_of_fold: pd.DataFrame) -> Residuals:
    """Residuals of the framework folds.

    Raises
    ------
    DataError : there are none.
    """
    rows = out_of_fold[out_of_fold["protocol"] == FRAMEWORK]
    if rows.empty:
        raise DataError(
            "no out-of-fold predictions of the framework folds: nothing to calibrate intervals with"
        )
    return Residuals(
        absolute_V=(rows["voltage_V"] - rows["predicted_voltage_V"]).abs().to_numpy(dtype=float),
        folds=rows["fold"].to_numpy(dtype=np.int64),
        frameworks=pd.factorize(rows["framework"], sort=True)[0].astype(np.int64),
    )


def measure(
    electrodes: Electrodes, out_of_fold: pd.DataFrame, n_folds: int, coverage: float, seed: int
) -> dict[str, Any]:
    """The content of ``metrics.json``: errors of both protocols, their baseline, splits, coverage."""
    protocols = {}
    for protocol in PROTOCOLS:
        held_out = out_of_fold[out_of_fold["protocol"] == protocol]
        folds = sorted(int(fold) for fold in held_out["fold"].unique())
        protocols[protocol] = {
            **protocol_metrics(held_out, seed),
            **_baseline_and_splits(electrodes, protocol, folds, n_folds, seed),
        }
    framework = out_of_fold[out_of_fold["protocol"] == FRAMEWORK]
    low_V, high_V = out_of_fold_intervals(
        framework["predicted_voltage_V"].to_numpy(dtype=float), framework_residuals(out_of_fold), coverage
    )
    return {
        "protocols": protocols,
        "interval": {"nominal_coverage": coverage, **coverage_metrics(framework, low_V, high_V)},
    }


def _baseline_and_splits(
    electrodes: Electrodes, protocol: str, folds: Sequence[int], n_folds: int, seed: int
) -> dict[str, Any]:
    ions = electrodes.table["working_ion"].to_numpy()
    frameworks = electrodes.table["framework"]
    sizes, labels_V, baseline_V = [], [], []
    for fold in folds:
        training, held_out = held_out_rows(protocol, fold, ions.tolist(), frameworks.tolist(), n_folds, seed)
        sizes.append(
            {
                "fold": fold,
                "training_rows": len(training),
                "held_out_rows": len(held_out),
                "training_frameworks": int(frameworks.iloc[training].nunique()),
                "held_out_frameworks": int(frameworks.iloc[held_out].nunique()),
            }
        )
        labels_V.append(electrodes.voltages_V[held_out])
        baseline_V.append(ion_mean_predictions_V(electrodes.voltages_V, ions, training, held_out))
    return {
        "splits": sizes,
        "ion_mean_baseline": scores(np.concatenate(labels_V), np.concatenate(baseline_V)),
    }


def model_card(
    electrodes: Electrodes,
    ensemble: Ensemble,
    schedule: Schedule,
    metrics: dict[str, Any],
    seed: int,
) -> dict[str, Any]:
    """The content of ``card.json``: what the model is, what it learned from, how good it is."""
    kinds = Counter(electrodes.table["label_kind"])
    # Ties by name: the card must not depend on the order of the table.
    label_kind = min(kinds, key=lambda kind: (-kinds[kind], kind))
    others = electrodes.table[electrodes.table["label_kind"] != label_kind]
    return {
        "model": "ion-pooled CGCNN, one member per framework fold; prediction is the mean over members",
        "architecture": ensemble.members[0].architecture.to_dict(),
        "training": {**schedule.to_dict(), "loss": "mean absolute error", "optimizer": "AdamW, one cycle"},
        "seed": seed,
        "members": len(ensemble.members),
        "parameters_per_member": sum(weight.numel() for weight in ensemble.members[0].network.parameters()),
        "electrodes": len(electrodes.table),
        "electrodes_sha256": electrodes.digest,
        "electrodes_by_ion": {
            ion: int(n) for ion, n in sorted(Counter(electrodes.table["working_ion"]).items())
        },
        "label": "average voltage against the working ion's metal, V",
        "label_kind": label_kind,
        "label_kinds": dict(sorted(kinds.items())),
        "label_kind_of_other_electrodes": dict(
            zip(others["electrode_id"], others["label_kind"], strict=True)
        ),
        "elements": [chemical_symbols[number] for number in sorted(ensemble.seen_numbers)],
        "interval": {
            "method": "CV+ by framework, each framework weighs the same",
            "coverage": ensemble.coverage,
            "unseen_element_factor": UNSEEN_ELEMENT_FACTOR,
        },
        "metrics": metrics,
        "versions": {name: importlib.metadata.version(name) for name in LIBRARIES},
    }
