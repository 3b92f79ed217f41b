"""Experiments on composition models, fold by fold, and their errors in one table."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from ionsieve.artifacts import read_json
from ionsieve.composition.audit import audit
from ionsieve.composition.blocks import Electrodes, NotStated, columns_of
from ionsieve.composition.experiments import EXPERIMENTS, PROTOCOLS, RANDOM, Task, predict
from ionsieve.composition.pairs import Pairs
from ionsieve.data.calculated import read_calculated
from ionsieve.errors import DataError
from ionsieve.tables import ELECTRODES, HELD_OUT, read_table
from ionsieve.voltage.metrics import bootstrap_mae_V, scores
from ionsieve.voltage.splits import PAPER, groups, held_out_rows

# The held-out predictions of all experiments; those of one are rows of HELD_OUT.
OUT_OF_FOLD = pa.schema([pa.field("experiment", pa.string(), nullable=False), *HELD_OUT])


def load_electrodes(electrodes: Path | str, calculated: Iterable[Path | str] = ()) -> Electrodes:
    """Electrodes of the catalogue with what their sources calculated for them, where that is asked for.

    Raises
    ------
    DataError : a table is missing, or holds no electrode.
    """
    table = read_table(electrodes, ELECTRODES)
    if table.empty:
        raise DataError(
            "there are no electrodes to learn voltages from; add a source that has some (data.sources)"
        )
    paths = list(calculated)
    stated = pd.DataFrame(index=table.index)
    if paths:
        keys = pd.MultiIndex.from_frame(table[["source", "electrode_id"]])
        stated = read_calculated(paths).reindex(keys).reset_index(drop=True)
    return Electrodes(Pairs.from_electrodes(table), table, stated)


def rows_of(
    electrodes: Electrodes, protocol: str, fold: int, n_folds: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Training and held-out rows; of a random split the paper's tenth is held out and all others train."""
    table = electrodes.table
    of_splits = (table["working_ion"].tolist(), table["framework"].tolist(), n_folds, seed)
    if protocol != RANDOM:
        return held_out_rows(protocol, fold, *of_splits)
    _, held_out = held_out_rows(PAPER, fold, *of_splits)
    return np.setdiff1d(np.arange(len(table)), held_out), held_out


def run(
    electrodes: Electrodes, name: str, protocol: str, n_folds: int, random_splits: int, seed: int
) -> tuple[pd.DataFrame, list[dict[str, Any]]]:
    """Every fold of an experiment: audited, trained, predicted.

    Parameters
    ----------
    name : in :data:`ionsieve.composition.experiments.EXPERIMENTS`.
    n_folds : of the grouped protocols.
    random_splits : of the random one.
    seed : of the splits; with protocol and fold also of the model.

    Returns
    -------
    Rows of :data:`ionsieve.tables.HELD_OUT`, and the audit of each fold. Where no source states what the
    experiment reads there are no rows, and one entry ``skipped`` says what is missing.

    Raises
    ------
    DataError : no such experiment, or an answer that leaks into honest columns.
    """
    if name not in EXPERIMENTS:
        raise DataError(f"there is no experiment {name!r}; known: {', '.join(EXPERIMENTS)}")
    what = {"experiment": name, "protocol": protocol}
    try:
        held_out, audits = _run_folds(electrodes, name, protocol, n_folds, random_splits, seed)
    except NotStated as reason:
        return HELD_OUT.empty_table().to_pandas(), [{**what, "skipped": str(reason)}]
    return held_out, [{**what, **audited} for audited in audits]


def _run_folds(
    electrodes: Electrodes, name: str, protocol: str, n_folds: int, random_splits: int, seed: int
) -> tuple[pd.DataFrame, list[dict[str, Any]]]:
    """As :func:`run`; raises NotStated where no source states what is read."""
    experiment = EXPERIMENTS[name]
    columns = columns_of(electrodes, experiment.blocks)
    folds = range(random_splits if protocol == RANDOM else n_folds)[: experiment.most_folds]
    held_out_tables, audits = [], []
    for fold in folds:
        training, held_out = rows_of(electrodes, protocol, fold, n_folds, seed)
        found = audit(electrodes, protocol, training, held_out, columns, honest=experiment.is_audited)
        task = Task(
            electrodes, columns, electrodes.voltages_V, training, held_out, fold_seed(seed, protocol, fold)
        )
        rows = electrodes.table.iloc[held_out].assign(
            protocol=protocol, fold=fold, predicted_voltage_V=predict(name, task)
        )
        held_out_tables.append(rows[HELD_OUT.names])
        audits.append({"fold": fold, **found})
    return pd.concat(held_out_tables, ignore_index=True), audits


def fold_seed(seed: int, protocol: str, fold: int) -> int:
    """A seed of its own for each fold of each protocol, the same for all experiments."""
    sequence = np.random.SeedSequence([seed, PROTOCOLS.index(protocol), fold])
    return int(sequence.generate_state(1)[0])


def read_experiments(
    predictions: Iterable[Path | str], audits: Iterable[Path | str]
) -> tuple[pd.DataFrame, list[dict[str, Any]], dict[str, str]]:
    """Rows of :data:`OUT_OF_FOLD`, the audits of all folds, and why experiments were skipped, by name."""
    tables, of_folds, skipped = [], [], {}
    for path, audit_path in zip(predictions, audits, strict=True):
        found = read_json(audit_path)["folds"]
        name = found[0]["experiment"]
        if "skipped" in found[0]:
            skipped[name] = found[0]["skipped"]
            continue
        tables.append(read_table(path, HELD_OUT).assign(experiment=name))
        of_folds += found
    out_of_fold = pd.concat(tables, ignore_index=True) if tables else OUT_OF_FOLD.empty_table().to_pandas()
    return out_of_fold, of_folds, skipped


def summarise(out_of_fold: pd.DataFrame, seed: int) -> list[dict[str, Any]]:
    """Errors of each experiment under each protocol, of all ions together and of each.

    Parameters
    ----------
    out_of_fold : rows of :data:`OUT_OF_FOLD`.
    seed : of the bootstrap over groups.
    """
    scored = []
    for name, experiment in EXPERIMENTS.items():
        for protocol in PROTOCOLS:
            rows = out_of_fold[(out_of_fold["experiment"] == name) & (out_of_fold["protocol"] == protocol)]
            if rows.empty:
                continue
            by_ion = (
                rows["working_ion"].value_counts().sort_index().sort_values(ascending=False, kind="stable")
            )
            for ion in ("all", *by_ion.index):
                chosen = rows if ion == "all" else rows[rows["working_ion"] == ion]
                scored.append(
                    {
                        "experiment": name,
                        "label": experiment.label,
                        "part": experiment.part,
                        "protocol": protocol,
                        "working_ion": ion,
                        "folds": int(chosen["fold"].nunique()),
                        **_scores(chosen, protocol, seed),
                    }
                )
    return scored


def _scores(rows: pd.DataFrame, protocol: str, seed: int) -> dict[str, Any]:
    labels_V, predictions_V = (
        rows[name].to_numpy(dtype=float) for name in ("voltage_V", "predicted_voltage_V")
    )
    group = groups(protocol, rows["framework"].tolist())
    low, high = None, None
    if len(set(group)) > 1:
        low, high = bootstrap_mae_V(np.abs(labels_V - predictions_V), group, seed)
    return {
        **scores(labels_V, predictions_V),
        "groups": len(set(group)),
        "mae_low_V": low,
        "mae_high_V": high,
    }


def overlap_shares(audits: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, float]]:
    """By protocol: share of held-out rows whose host, formula pair or crystal is in training too."""
    shares = {}
    for protocol in PROTOCOLS:
        folds = {audited["fold"]: audited for audited in audits if audited["protocol"] == protocol}
        held_out = sum(audited["held_out"] for audited in folds.values())
        if held_out:
            shares[protocol] = {
                name: sum(audited[name] for audited in folds.values()) / held_out
                for name in ("same_framework", "same_formula_pair", "same_material")
            }
    return shares
