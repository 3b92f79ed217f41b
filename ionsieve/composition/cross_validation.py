"""The composition model of a screening: one member per framework fold, assembled, measured, described."""

import importlib.metadata
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from ase.data import chemical_symbols

from ionsieve.composition.blocks import Electrodes
from ionsieve.composition.descriptors import describe
from ionsieve.composition.ensemble import CompositionEnsemble, CompositionMember, train_member
from ionsieve.voltage.boosting import VOLTAGE_PARAMETERS
from ionsieve.voltage.metrics import coverage_metrics, ion_mean_predictions_V, protocol_metrics, scores
from ionsieve.voltage.splits import FRAMEWORK, framework_folds, held_out_rows
from ionsieve.voltage.uncertainty import OutOfFold, calibrate, out_of_fold_rows

LIBRARIES = ("ase", "ionsieve", "lightgbm", "numpy", "pymatgen")


def run_fold(
    electrodes: Electrodes, fold: int, n_folds: int, seed: int
) -> tuple[CompositionMember, pd.DataFrame]:
    """Train a framework fold's member and predict its held-out rows.

    Parameters
    ----------
    seed : of the split, and with the fold of the trees.

    Returns
    -------
    The member, and rows of :data:`ionsieve.tables.OUT_OF_FOLD`, without intervals.
    """
    table = electrodes.table
    training, held_out = held_out_rows(
        FRAMEWORK, fold, table["working_ion"].tolist(), table["framework"].tolist(), n_folds, seed
    )
    hidden_V = np.full(len(table), np.nan)
    hidden_V[training] = electrodes.voltages_V[training]
    member_seed = int(np.random.SeedSequence([seed, fold]).generate_state(1)[0])
    member = train_member(electrodes.pairs, hidden_V, training, member_seed)
    predictions_V = member.predict_V(describe(electrodes.pairs[held_out]).to_numpy())
    return member, out_of_fold_rows(table.iloc[held_out], FRAMEWORK, fold, predictions_V, 0.0)


def assemble(
    members: Sequence[CompositionMember],
    electrodes: Electrodes,
    out_of_fold: pd.DataFrame,
    n_folds: int,
    coverage: float,
    seed: int,
) -> tuple[CompositionEnsemble, pd.DataFrame]:
    """The ensemble of the folds' members, and their out-of-fold predictions with intervals.

    Parameters
    ----------
    members : in the order of the folds.
    out_of_fold : rows of :data:`ionsieve.tables.OUT_OF_FOLD`, of all folds.
    n_folds, seed : of the splits; the seed also of the trees that tell difficulty.
    coverage : share of true voltages that intervals shall hold.
    """
    index = pd.Index(electrodes.table["electrode_id"]).get_indexer(out_of_fold["electrode_id"])
    held_out = OutOfFold.of(out_of_fold, describe(electrodes.pairs[index]).to_numpy())
    uncertainty, intervals = calibrate(held_out, coverage, seed)
    frameworks = electrodes.table["framework"].tolist()
    folds = framework_folds(frameworks, n_folds, seed)
    ensemble = CompositionEnsemble(
        tuple(members),
        uncertainty,
        {framework: int(fold) for framework, fold in zip(frameworks, folds, strict=True)},
        frozenset(out_of_fold["working_ion"]),
    )
    return ensemble, out_of_fold.assign(**intervals.columns())


def measure(out_of_fold: pd.DataFrame, coverage: float, seed: int) -> dict[str, Any]:
    """The content of ``metrics.json``: errors by ion, the baseline, coverage of the intervals.

    Parameters
    ----------
    out_of_fold : with intervals, as :func:`assemble` gives it.
    """
    voltages_V = out_of_fold["voltage_V"].to_numpy(dtype=float)
    ions = out_of_fold["working_ion"].to_numpy()
    baseline_V = np.empty(len(out_of_fold))
    for fold in out_of_fold["fold"].unique():
        own = (out_of_fold["fold"] == fold).to_numpy()
        baseline_V[own] = ion_mean_predictions_V(voltages_V, ions, np.flatnonzero(~own), np.flatnonzero(own))
    return {
        "protocols": {
            FRAMEWORK: {
                **protocol_metrics(out_of_fold, seed),
                "ion_mean_baseline": scores(voltages_V, baseline_V),
            }
        },
        "interval": {"nominal_coverage": coverage, **coverage_metrics(out_of_fold)},
    }


def model_card(
    electrodes: Electrodes, ensemble: CompositionEnsemble, metrics: dict[str, Any], digest: str, seed: int
) -> dict[str, Any]:
    """The content of ``card.json``: what the model is, what it learned from, how good it is.

    Parameters
    ----------
    digest : SHA-256 of the electrodes' table.
    """
    table = electrodes.table
    return {
        "model": "boosted trees on descriptors of two formulas, one member per framework fold; prediction is"
        " the mean over members, and for a known host that of the member that never saw it",
        "training": VOLTAGE_PARAMETERS,
        "seed": seed,
        "members": len(ensemble.members),
        "electrodes": len(table),
        "electrodes_sha256": digest,
        "electrodes_by_ion": {ion: int(n) for ion, n in sorted(Counter(table["working_ion"]).items())},
        "label": "average voltage against the working ion's metal, V",
        "label_kinds": {kind: int(n) for kind, n in sorted(Counter(table["label_kind"]).items())},
        "elements": [chemical_symbols[number] for number in sorted(ensemble.seen_numbers)],
        "interval": ensemble.uncertainty.to_card(),
        "metrics": metrics,
        "versions": {name: importlib.metadata.version(name) for name in LIBRARIES},
    }
