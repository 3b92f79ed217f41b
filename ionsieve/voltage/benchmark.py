"""The benchmark of voltage models: one audited fold at a time, then one table of them all.

``python -m ionsieve.voltage.benchmark results/voltage/benchmark docs/voltage_benchmark.md`` puts the
table of a finished benchmark into the documentation; a run of the workflow never does.
"""

import argparse
import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa

from ionsieve.artifacts import read_json, write_between
from ionsieve.errors import DataError, IonSieveError
from ionsieve.tables import HELD_OUT
from ionsieve.voltage.leakage import audit
from ionsieve.voltage.metrics import GroupBootstrap, interval, scores
from ionsieve.voltage.rivals import MODELS, Settings, fit_predict
from ionsieve.voltage.splits import (
    BENCHMARK_PROTOCOLS,
    CHEMICAL_SYSTEM,
    FRAMEWORK,
    PAPER,
    groups,
    held_out_rows,
)

if TYPE_CHECKING:
    from ionsieve.voltage.electrodes import Electrodes

# Every other model is compared with this one, on the same rows.
REFERENCE = "cgcnn"
ALL = "all"
FULLY_CHARGED = "fully_charged"
# What one fold of one model is kept as; trainings differ in their initial weights.
BENCHMARK_FOLD = pa.schema([*HELD_OUT, pa.field("training", pa.int64(), nullable=False)])
# The held-out predictions of all models; the rows of each model are those of BENCHMARK_FOLD.
BENCHMARK_OUT_OF_FOLD = pa.schema([pa.field("model", pa.string(), nullable=False), *BENCHMARK_FOLD])

TABLE_START = "<!-- table of the benchmark: written by ionsieve.voltage.benchmark -->"
TABLE_END = "<!-- end of the table of the benchmark -->"
TITLES = {
    PAPER: "`paper`: random 0.8 / 0.1 / 0.1, stratified by ion",
    FRAMEWORK: "`framework`: no host composition on both sides",
    CHEMICAL_SYSTEM: "`chemical_system`: no set of host elements on both sides",
}


def run_fold(
    electrodes: "Electrodes",
    model: str,
    protocol: str,
    fold: int,
    training: int,
    n_folds: int,
    settings: Settings,
    seed: int,
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Audit a fold, train a model on its training rows, and predict the held-out ones.

    Parameters
    ----------
    model : a name of :data:`ionsieve.voltage.rivals.MODELS`.
    protocol, fold, n_folds : see :func:`ionsieve.voltage.splits.held_out_rows`.
    training : which of the model's trainings on this fold, 0, 1 ...; each starts from weights of its own.
    seed : of the splits; with protocol, fold and training also of the model.

    Returns
    -------
    Rows of :data:`BENCHMARK_FOLD`, and the result of the audit.

    Raises
    ------
    DataError : no such model or fold, an answer that leaks, or predictions that are not finite.
    """
    if model not in MODELS:
        raise DataError(f"there is no voltage model {model!r}; known: {', '.join(MODELS)}")
    table = electrodes.table
    training_rows, held_out = held_out_rows(
        protocol, fold, table["working_ion"].tolist(), table["framework"].tolist(), n_folds, seed
    )
    rival = MODELS[model]
    features = rival.features(electrodes, settings)
    audited = audit(electrodes, protocol, training_rows, held_out, features, rival.uses_energy_model)
    predictions_V = fit_predict(
        model, electrodes, training_rows, held_out, settings, training_seed(seed, protocol, fold, training)
    )
    rows = table.iloc[held_out].assign(
        protocol=protocol, fold=fold, training=training, predicted_voltage_V=predictions_V
    )
    what = {"model": model, "protocol": protocol, "fold": fold, "training": training}
    return rows[BENCHMARK_FOLD.names], {**what, **audited}


def training_seed(seed: int, protocol: str, fold: int, training: int) -> int:
    """A seed of its own for each training on each fold of each protocol, the same for all models.

    The first training has the seed of the workflow's own member of that fold.
    """
    parts = [seed, BENCHMARK_PROTOCOLS.index(protocol), fold, *([training] if training else [])]
    return int(np.random.SeedSequence(parts).generate_state(1)[0])


def summarise(out_of_fold: pd.DataFrame, audits: Iterable[Mapping[str, Any]], seed: int) -> dict[str, Any]:
    """The content of ``table.json``: errors of each model under each protocol, and the audits.

    Parameters
    ----------
    out_of_fold : rows of :data:`BENCHMARK_OUT_OF_FOLD`.
    audits : one per fold, as :func:`run_fold` gives them.
    seed : of the bootstrap over groups.

    Raises
    ------
    DataError : under one protocol, models were scored on different rows or labels.
    """
    scored: list[dict[str, Any]] = []
    for protocol in BENCHMARK_PROTOCOLS:
        rows = out_of_fold[out_of_fold["protocol"] == protocol]
        if len(rows):
            scored += _protocol_scores(protocol, rows, seed)
    return {"reference": REFERENCE, "scores": scored, "audits": _audit_summary(audits)}


def _protocol_scores(protocol: str, out_of_fold: pd.DataFrame, seed: int) -> list[dict[str, Any]]:
    models = [model for model in MODELS if model in set(out_of_fold["model"])]
    common, predictions_V = _aligned(protocol, out_of_fold, models)
    labels_V = common["voltage_V"].to_numpy(dtype=float)
    ions, folds = common["working_ion"].to_numpy(), common["fold"].to_numpy()
    group = groups(protocol, common["framework"].tolist())
    bootstrap = GroupBootstrap(group, seed)
    means_V = np.stack([of_model.mean(axis=1) for of_model in predictions_V], axis=1)
    errors_V = np.abs(means_V - labels_V[:, None])
    # What to expect of a training that stands alone.
    errors_alone_V = np.stack(
        [np.abs(of_model - labels_V[:, None]).mean(axis=1) for of_model in predictions_V], axis=1
    )
    pairs_subsets = {
        ALL: np.ones(len(common), dtype=bool),
        FULLY_CHARGED: common["x_charged"].to_numpy(dtype=float) == 0.0,
    }
    by_count = (
        common["working_ion"]
        .value_counts(sort=False)
        .sort_index()
        .sort_values(ascending=False, kind="stable")
    )
    scored = []
    for pairs, in_pairs in pairs_subsets.items():
        for ion in [ALL, *by_count.index]:
            rows = in_pairs & ((ions == ion) | (ion == ALL))
            if not rows.any():
                continue
            n_groups = len(set(group[rows]))
            drawn_V, drawn_alone_V = bootstrap.means(errors_V, rows), bootstrap.means(errors_alone_V, rows)
            for column, model in enumerate(models):
                fold_mae_V = [
                    float(errors_V[rows & (folds == fold), column].mean()) for fold in np.unique(folds[rows])
                ]
                of_trainings_V = np.abs(predictions_V[column] - labels_V[:, None])[rows].mean(axis=0)
                scored.append(
                    {
                        "model": model,
                        "uses_energy_model": MODELS[model].uses_energy_model,
                        "protocol": protocol,
                        "pairs": pairs,
                        "working_ion": ion,
                        "trainings": len(of_trainings_V),
                        **scores(labels_V[rows], means_V[rows, column]),
                        "groups": n_groups,
                        # One group alone has nothing to be resampled against.
                        **_ends("mae", "V", drawn_V[:, column], n_groups),
                        "mae_alone_V": float(of_trainings_V.mean()),
                        "mae_alone_std_V": _deviation(of_trainings_V),
                        "folds": len(fold_mae_V),
                        "fold_mae_mean_V": float(np.mean(fold_mae_V)),
                        "fold_mae_std_V": _deviation(fold_mae_V),
                        **_against_reference("difference", models, column, errors_V[rows], drawn_V, n_groups),
                        **_against_reference(
                            "difference_alone", models, column, errors_alone_V[rows], drawn_alone_V, n_groups
                        ),
                    }
                )
    return scored


def _aligned(
    protocol: str, out_of_fold: pd.DataFrame, models: Sequence[str]
) -> tuple[pd.DataFrame, list[np.ndarray]]:
    """The rows that all models were scored on, and each model's voltages of them, shape (rows, trainings).

    Raises
    ------
    DataError : one of them was scored on other rows or labels.
    """
    keys = ["fold", "electrode_id", "voltage_V"]
    common = pd.DataFrame(columns=keys)
    predictions_V: list[np.ndarray] = []
    for model in models:
        of_model = out_of_fold[out_of_fold["model"] == model]
        columns_V = []
        for training in sorted(of_model["training"].unique()):
            rows = of_model[of_model["training"] == training].sort_values(keys[:2]).reset_index(drop=True)
            common = common if len(common) else rows
            if not rows[keys].equals(common[keys]):
                raise DataError(
                    f"under protocol {protocol} the models {models[0]} and {model} were scored on different"
                    " electrodes; delete results/voltage/benchmark/folds and run the benchmark again"
                )
            columns_V.append(rows["predicted_voltage_V"].to_numpy(dtype=float))
        predictions_V.append(np.stack(columns_V, axis=1))
    return common, predictions_V


def _deviation(values: Sequence[float] | np.ndarray) -> float | None:
    return float(np.std(values, ddof=1)) if len(values) > 1 else None


def _against_reference(
    name: str, models: Sequence[str], column: int, errors_V: np.ndarray, drawn_V: np.ndarray, n_groups: int
) -> dict[str, float | None]:
    """MAE less that of the reference, in V and in per cent of it, with paired bootstrap intervals."""
    if REFERENCE not in models or models[column] == REFERENCE:
        ends = ("", "_low", "_high")
        return {f"{name}{end}_{unit}": None for unit in ("V", "percent") for end in ends}
    reference = models.index(REFERENCE)
    mae_V, reference_V = float(errors_V[:, column].mean()), float(errors_V[:, reference].mean())
    drawn_difference_V = drawn_V[:, column] - drawn_V[:, reference]
    return {
        f"{name}_V": mae_V - reference_V,
        **_ends(name, "V", drawn_difference_V, n_groups),
        f"{name}_percent": 100.0 * (mae_V / reference_V - 1.0),
        **_ends(name, "percent", 100.0 * drawn_difference_V / drawn_V[:, reference], n_groups),
    }


def _ends(name: str, unit: str, draws: np.ndarray, n_groups: int) -> dict[str, float | None]:
    low, high = interval(draws) if n_groups > 1 else (None, None)
    return {f"{name}_low_{unit}": low, f"{name}_high_{unit}": high}


def _audit_summary(audits: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The folds' audits, those of one model and protocol together; all trainings on a fold share one."""
    together: dict[tuple[str, str], list[Mapping[str, Any]]] = defaultdict(list)
    for audited in audits:
        if audited["training"] == 0:
            together[audited["model"], audited["protocol"]].append(audited)
    names, counted = list(MODELS), ("held_out_rows", "held_out_rows_with_their_crystal_in_training")
    summary = []
    for model, protocol in sorted(
        together, key=lambda key: (BENCHMARK_PROTOCOLS.index(key[1]), names.index(key[0]))
    ):
        folds = together[model, protocol]
        r2 = [
            (value, kind)
            for audited in folds
            for kind, value in audited["largest_r2_of_features_with_the_answer"].items()
            if value is not None
        ]
        summary.append(
            {
                "model": model,
                "protocol": protocol,
                "folds": len(folds),
                **{name: sum(audited[name] for audited in folds) for name in counted},
                "largest_groups_on_both_sides": max(audited["groups_on_both_sides"] for audited in folds),
                "tabular_features": max(audited["tabular_features"] for audited in folds),
                "largest_r2_of_features_with_the_answer": max(r2)[0] if r2 else None,
                "by": max(r2)[1] if r2 else None,
            }
        )
    return summary


def to_markdown(summary: Mapping[str, Any]) -> str:
    """The tables of the documentation, of what :func:`summarise` gives."""
    scored = pd.DataFrame(summary["scores"])
    sections = []
    for protocol in BENCHMARK_PROTOCOLS:
        rows = scored[scored["protocol"] == protocol]
        if len(rows):
            sections.append(_protocol_markdown(protocol, rows, summary["audits"]))
    return "\n".join(sections)


def _protocol_markdown(protocol: str, scored: pd.DataFrame, audits: Sequence[Mapping[str, Any]]) -> str:
    everything = scored[(scored["pairs"] == ALL) & (scored["working_ion"] == ALL)]
    charged = scored[(scored["pairs"] == FULLY_CHARGED) & (scored["working_ion"] == ALL)]
    count, n_groups, n_folds = everything.iloc[0][["count", "groups", "folds"]]
    what = "chemical systems" if protocol == CHEMICAL_SYSTEM else "frameworks"
    doubled = max(
        (
            audited["held_out_rows_with_their_crystal_in_training"]
            for audited in audits
            if audited["protocol"] == protocol
        ),
        default=0,
    )
    lines = [
        f"## {TITLES[protocol]}",
        "",
        f"{count} held-out predictions of each model, {n_groups} {what},"
        f" {n_folds} {'random split' if protocol == PAPER else 'fold'}{'' if n_folds == 1 else 's'};"
        f" {doubled} of them of a crystal that is in training too.",
        "",
        "| model | trainings | MAE / V | by fold: mean ± s.d. | RMSE / V | R² | median / V |"
        f" fully charged: MAE / V | MAE against `{REFERENCE}` | one training: MAE / V |"
        f" one training against `{REFERENCE}` |",
        "| --- |" + " --- |" * 10,
    ]
    blocks = _blocks(everything)
    for marked, models in blocks:
        if marked:
            lines.append("| **with an energy model's knowledge** |" + " |" * 10)
        for model in models:
            row = everything[everything["model"] == model].iloc[0]
            full = charged[charged["model"] == model]
            lines.append(
                f"| {_label(model)} | {row['trainings']} | {_with_ends(row, 'mae', 'V')}"
                f" | {_number(row['fold_mae_mean_V'])} ± {_number(row['fold_mae_std_V'])}"
                f" | {_number(row['rmse_V'])} | {_number(row['r2'])}"
                f" | {_number(row['median_absolute_error_V'])}"
                f" | {_with_ends(full.iloc[0], 'mae', 'V') if len(full) else 'none'}"
                f" | {_difference(row)} | {_alone(row)} | {_difference(row, 'difference_alone')} |"
            )
    lines += ["", *_by_ion_markdown(scored[scored["pairs"] == ALL], blocks)]
    return "\n".join(lines) + "\n"


def _by_ion_markdown(scored: pd.DataFrame, blocks: Sequence[tuple[bool, Sequence[str]]]) -> list[str]:
    """MAE by ion, then the difference to the reference by ion."""
    by_ion = scored[scored["working_ion"] != ALL].set_index(["model", "working_ion"])
    counts = by_ion.groupby("working_ion", sort=False)["count"].first()
    head = [f"{ion} ({count})" for ion, count in counts.items()]
    tables = [("MAE / V by ion (count)", lambda row: _number(row["mae_V"]))]
    if by_ion["difference_V"].notna().any():
        tables.append((f"MAE against `{REFERENCE}` by ion", _difference))
    lines = []
    for title, cell in tables:
        lines += [f"| {title} | {' | '.join(head)} |", "| --- |" + " --- |" * len(head)]
        for marked, models in blocks:
            if marked:
                lines.append("| **with an energy model's knowledge** |" + " |" * len(head))
            for model in models:
                cells = [cell(by_ion.loc[(model, ion)]) for ion in counts.index]
                lines.append(f"| {_label(model)} | {' | '.join(cells)} |")
        lines.append("")
    return lines[:-1]


def _blocks(everything: pd.DataFrame) -> list[tuple[bool, list[str]]]:
    """Models without an energy model, then those with one, marked."""
    marks = everything.set_index("model")["uses_energy_model"]
    blocks = [(mark, [model for model in marks.index if marks[model] == mark]) for mark in (False, True)]
    return [(mark, models) for mark, models in blocks if models]


def _label(model: str) -> str:
    return f"`{model}`: {MODELS[model].label}"


def _number(value: float | None, form: str = ".3f") -> str:
    return "-" if value is None or pd.isna(value) else format(value, form)


def _with_ends(row: pd.Series, name: str, unit: str) -> str:
    low, high = row[f"{name}_low_{unit}"], row[f"{name}_high_{unit}"]
    ends = "" if pd.isna(low) else f" ({low:.3f} to {high:.3f})"
    return f"{_number(row[f'{name}_{unit}'])}{ends}"


def _alone(row: pd.Series) -> str:
    deviation = "" if pd.isna(row["mae_alone_std_V"]) else f" ± {row['mae_alone_std_V']:.3f}"
    return f"{row['mae_alone_V']:.3f}{deviation}"


def _difference(row: pd.Series, name: str = "difference") -> str:
    if pd.isna(row[f"{name}_percent"]):
        return "-"
    low, high = row[f"{name}_low_percent"], row[f"{name}_high_percent"]
    ends = "" if pd.isna(low) else f" ({low:+.0f} to {high:+.0f})"
    return f"{row[f'{name}_percent']:+.1f} %{ends}"


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the table of a finished benchmark into a page of the documentation."""
    parser = argparse.ArgumentParser(prog="python -m ionsieve.voltage.benchmark", description=main.__doc__)
    parser.add_argument("folder", type=Path, help="where table.json is: results/voltage/benchmark")
    parser.add_argument("page", type=Path, help="the page: docs/voltage_benchmark.md")
    given = parser.parse_args(arguments)
    source = given.folder / "table.json"
    try:
        if not source.exists():
            raise DataError(f"{source} does not exist; `snakemake voltage_benchmark` makes it")
        write_between(given.page, TABLE_START, TABLE_END, to_markdown(read_json(source)))
    except IonSieveError as error:
        sys.exit(f"ionsieve: {error}")


if __name__ == "__main__":
    main()
