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
from ionsieve.voltage.calibration import Residuals, out_of_fold_intervals
from ionsieve.voltage.electrodes import Electrodes
from ionsieve.voltage.members import Member
from ionsieve.voltage.metrics import coverage_metrics, ion_mean_predictions_V, protocol_metrics, scores
from ionsieve.voltage.splits import FRAMEWORK, PROTOCOLS, held_out_rows
from ionsieve.voltage.state_files import ENSEMBLE, MEMBER, RUN_AGAIN, load_state, save_state
from ionsieve.voltage.training import Schedule
from ionsieve.voltage.uncertainty import OutOfFold, Uncertainty, calibrate

MODEL_DESCRIPTIONS = {
    "ions": "ion-pooled CGCNN",
    "context": "mean of a CGCNN that pools its ions in the context of their host, and of boosted trees",
}
LIBRARIES = ("ase", "ionsieve", "lightgbm", "numpy", "pymatgen", "torch", "torch-geometric", "vesin")


@dataclass(frozen=True)
class Ensemble:
    """One member per framework fold, in the order of the folds, with what calibrates their interval.

    Attributes
    ----------
    members : K networks; member k never saw the frameworks of fold k.
    uncertainty : of their predictions.
    working_ions : of the training electrodes.
    """

    members: tuple[Member, ...]
    uncertainty: Uncertainty
    working_ions: frozenset[str]

    @property
    def seen_numbers(self) -> frozenset[int]:
        """Atomic numbers that every member saw in training."""
        return frozenset.intersection(*(member.seen_numbers for member in self.members))

    def to(self, device: torch.device) -> "Ensemble":
        """Move the networks to a device; the same ensemble."""
        for member in self.members:
            member.network.to(device)
        return self

    def save(self, path: Path | str) -> None:
        """Write all that predictions need to one torch file."""
        save_state(
            path,
            ENSEMBLE,
            {
                "members": [member.to_state() for member in self.members],
                **self.uncertainty.to_state(),
                "working_ions": sorted(self.working_ions),
            },
        )

    @classmethod
    def load(cls, path: Path | str, remedy: str = RUN_AGAIN) -> "Ensemble":
        """Read what :meth:`save` wrote; raises DataError, which ends in the remedy, for any other file."""
        state = load_state(path, ENSEMBLE, remedy)
        return cls(
            tuple(Member.from_state(member) for member in state["members"]),
            Uncertainty.from_state(state),
            frozenset(state["working_ions"]),
        )


def save_member(path: Path | str, member: Member) -> None:
    """Write one member to a torch file."""
    save_state(path, MEMBER, member.to_state())


def load_member(path: Path | str) -> Member:
    """Read what :func:`save_member` wrote; raises DataError for any other file."""
    return Member.from_state(load_state(path, MEMBER))


def assemble(
    members: Sequence[Member], electrodes: Electrodes, out_of_fold: pd.DataFrame, coverage: float, seed: int
) -> tuple[Ensemble, pd.DataFrame]:
    """The ensemble of the framework folds' members, and their out-of-fold predictions with intervals.

    Parameters
    ----------
    members : in the order of the folds.
    out_of_fold : rows of :data:`ionsieve.tables.OUT_OF_FOLD`; those of protocol ``framework`` calibrate.
    coverage : share of true voltages that intervals shall hold.
    seed : of the trees that tell difficulty.

    Raises
    ------
    DataError : there are no rows of the framework folds.
    """
    is_framework = (out_of_fold["protocol"] == FRAMEWORK).to_numpy()
    rows = out_of_fold[is_framework]
    if rows.empty:
        raise DataError(
            "no out-of-fold predictions of the framework folds: nothing to calibrate intervals with"
        )
    index = pd.Index(electrodes.table["electrode_id"]).get_indexer(rows["electrode_id"])
    held_out = OutOfFold.of(rows, electrodes.descriptors[index])
    uncertainty, intervals = calibrate(held_out, coverage, seed)
    calibrated = out_of_fold.copy()
    for name, values in intervals.columns().items():
        calibrated.loc[is_framework, name] = values
    return Ensemble(tuple(members), uncertainty, frozenset(rows["working_ion"])), calibrated


def measure(
    electrodes: Electrodes, out_of_fold: pd.DataFrame, n_folds: int, coverage: float, seed: int
) -> dict[str, Any]:
    """The content of ``metrics.json``: errors of both protocols, their baseline, splits, coverage.

    Parameters
    ----------
    out_of_fold : with intervals, as :func:`assemble` gives it.
    """
    protocols = {}
    for protocol in PROTOCOLS:
        held_out = out_of_fold[out_of_fold["protocol"] == protocol]
        folds = sorted(int(fold) for fold in held_out["fold"].unique())
        protocols[protocol] = {
            **protocol_metrics(held_out, seed),
            **_baseline_and_splits(electrodes, protocol, folds, n_folds, seed),
        }
    framework = out_of_fold[out_of_fold["protocol"] == FRAMEWORK]
    return {
        "protocols": protocols,
        "interval": {
            "nominal_coverage": coverage,
            **coverage_metrics(framework),
            "one_width": coverage_metrics(_with_one_width(framework, coverage))["all"],
        },
    }


def _with_one_width(framework: pd.DataFrame, coverage: float) -> pd.DataFrame:
    """The same rows with intervals that do not know which crystals are difficult: the baseline."""
    predictions_V = framework["predicted_voltage_V"].to_numpy(dtype=float)
    residuals = Residuals(
        np.abs(framework["voltage_V"].to_numpy(dtype=float) - predictions_V),
        framework["fold"].to_numpy(dtype=np.int64),
        pd.factorize(framework["framework"], sort=True)[0].astype(np.int64),
    )
    low_V, high_V = np.empty_like(predictions_V), np.empty_like(predictions_V)
    for fold in np.unique(residuals.folds):
        own = residuals.folds == fold
        low_V[own], high_V[own] = out_of_fold_intervals(predictions_V[own], residuals, coverage, int(fold))
    return framework.assign(voltage_low_V=low_V, voltage_high_V=high_V)


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
        "model": MODEL_DESCRIPTIONS[ensemble.members[0].architecture.pooling]
        + ", one member per framework fold; prediction is the mean over members",
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
        "interval": ensemble.uncertainty.to_card(),
        "metrics": metrics,
        "versions": {name: importlib.metadata.version(name) for name in LIBRARIES},
    }
