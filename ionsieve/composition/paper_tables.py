"""The paper's tables redone: S1 beside its own rows, S2 to S5 from the experiments, in words."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from ionsieve.composition.blocks import Electrodes
from ionsieve.composition.experiments import EXPERIMENTS, FRAMEWORK, PROTOCOLS, RANDOM, SIZES
from ionsieve.composition.formulas import pair_of, parse_formula
from ionsieve.composition.pairs import Pairs
from ionsieve.composition.published import TABLE_S1, TABLE_S2, TABLE_S3, TABLE_S4, PublishedScores
from ionsieve.composition.text_table import TextTable
from ionsieve.electrochemistry import framework_formula
from ionsieve.voltage.metrics import BOOTSTRAP_LEVEL, BOOTSTRAP_SAMPLES

if TYPE_CHECKING:
    from ionsieve.composition.ensemble import CompositionEnsemble

TITLES = {
    RANDOM: "random, a tenth held out",
    FRAMEWORK: "no host on both sides",
    "chemical_system": "no set of host elements on both sides",
}
# Table S4's models: the paper's network as meant, and what ships.
BY_ION = ("mha_resnet", "ionsieve")
_BY_MODEL = (
    "MHA-ResNet as meant, random",
    "MHA-ResNet as meant, new hosts",
    "IonSieve, random",
    "IonSieve, new hosts",
)
_LEVEL = f"{100 * BOOTSTRAP_LEVEL:g} %"
_ERRORS = f"MAE ({_LEVEL} interval) / RMSE in V / R²"
SAME_CONTENT = 1e-3


def table_s1(ensemble: "CompositionEnsemble", electrodes: Electrodes) -> list[dict[str, Any]]:
    """The paper's 26 electrodes with what the composition model says of them, leak-free.

    A host that was in training is predicted by the member that never saw it. ``labels_V`` are the voltages of
    all electrodes of ours with the same two formulas: a formula has no one voltage.
    """
    pairs = Pairs.of([pair_of(row.discharged, row.working_ion, row.charged) for row in TABLE_S1])
    predicted = ensemble.predict(pairs)
    ours = pd.DataFrame(
        {
            "framework": electrodes.table["framework"],
            "working_ion": electrodes.table["working_ion"],
            "discharged": electrodes.pairs.ions_discharged,
            "charged": electrodes.pairs.ions_charged,
            "voltage_V": electrodes.voltages_V,
        }
    )
    rows = []
    for number, (published, prediction) in enumerate(
        zip(TABLE_S1, predicted.to_dict("records"), strict=True)
    ):
        host = framework_formula(parse_formula(published.discharged), published.working_ion)
        same = ours[
            (ours["framework"] == host)
            & (ours["working_ion"] == published.working_ion)
            & ((ours["discharged"] - pairs.ions_discharged[number]).abs() < SAME_CONTENT)
            & ((ours["charged"] - pairs.ions_charged[number]).abs() < SAME_CONTENT)
        ]
        rows.append(
            {
                "charged": published.charged,
                "discharged": published.discharged,
                "working_ion": published.working_ion,
                "paper_dft_V": published.dft_V,
                "paper_predicted_V": published.predicted_V,
                "labels_V": sorted(round(value, 3) for value in same["voltage_V"]),
                **{name: prediction[name] for name in ("voltage_V", "voltage_low_V", "voltage_high_V")},
                "in_domain": bool(prediction["in_domain"]),
                "known_host": bool(prediction["known_host"]),
            }
        )
    return rows


def text_tables(summary: Mapping[str, Any]) -> list[TextTable]:
    """Models, then S1 to S5, of what workflow_scripts/composition_benchmark.py writes."""
    scored = pd.DataFrame(summary["scores"])
    return [
        _models(scored, ("rivals", "crystal"), _seeds(summary)),
        _s1(summary["table_s1"], summary["coverage"]),
        _s2(scored),
        _s3(scored),
        _s4(scored),
        _s5(summary["table_s5"]),
    ]


def to_markdown(summary: Mapping[str, Any]) -> str:
    """The tables of the documentation."""
    return "\n\n".join(table.to_markdown() for table in text_tables(summary)) + "\n"


def _seeds(summary: Mapping[str, Any]) -> str:
    splits, folds, seed = (summary[name] for name in ("random_splits", "folds", "seed"))
    return (
        f"In all tables, random: {splits} split{'' if splits == 1 else 's'}; otherwise {folds} folds, every"
        f" row held out once; fewer where a table says so. The splits are drawn with seed {seed}, and so is"
        f" the bootstrap; with split and fold it also seeds each model. Intervals of errors: {_LEVEL}"
        f" percentiles of {BOOTSTRAP_SAMPLES:,} bootstrap samples, which draw whole groups: hosts, or sets of"
        " host elements where these are kept together."
    )


def _models(scored: pd.DataFrame, parts: Sequence[str], before: str) -> TextTable:
    rows = []
    of_all = scored[scored["working_ion"] == "all"]
    for name, experiment in EXPERIMENTS.items():
        own = of_all[of_all["experiment"] == name]
        if experiment.part not in parts or own.empty:
            continue
        reads = "formulas and ion" if experiment.part == "rivals" else "and the crystal's symmetry"
        rows.append((experiment.label, reads, *(_mae(own, protocol) for protocol in PROTOCOLS)))
    return TextTable(
        title=f"Models, leak-free: MAE in V, with {_LEVEL} intervals over groups",
        before=before,
        header=("model", "reads", *(TITLES[protocol] for protocol in PROTOCOLS)),
        rows=tuple(rows),
        words=(0, 1),
    )


def _mae(rows: pd.DataFrame, protocol: str) -> str:
    row = rows[rows["protocol"] == protocol]
    return "-" if row.empty else _with_interval(row.iloc[0], " to ")


def _with_interval(row: pd.Series, between: str) -> str:
    """The MAE, and its interval where more than one group was held out."""
    if pd.isna(row["mae_low_V"]):
        return f"{row['mae_V']:.3f}"
    return f"{row['mae_V']:.3f} ({row['mae_low_V']:.3f}{between}{row['mae_high_V']:.3f})"


def _s1(rows: Sequence[Mapping[str, Any]], coverage: float) -> TextTable:
    cells = []
    for row in rows:
        labels = ", ".join(f"{value:.2f}" for value in row["labels_V"]) or "none"
        mark = "" if row["in_domain"] else " (far)"
        cells.append(
            (
                f"{row['charged']} / {row['discharged']}",
                f"{row['paper_dft_V']:.2f}",
                f"{row['paper_predicted_V']:.2f}",
                labels,
                f"{row['voltage_V']:.2f}{mark}",
                f"{row['voltage_low_V']:.2f} to {row['voltage_high_V']:.2f}",
            )
        )
    inside = sum(row["voltage_low_V"] <= row["paper_dft_V"] <= row["voltage_high_V"] for row in rows)
    errors_V = [abs(row["voltage_V"] - row["paper_dft_V"]) for row in rows]
    paper_V = [abs(row["paper_predicted_V"] - row["paper_dft_V"]) for row in rows]
    return TextTable(
        title="S1: the paper's 26 electrodes, V",
        header=(
            "charged / discharged",
            "paper: DFT",
            "paper: predicted",
            "our labels",
            "ours, leak-free",
            f"{100 * coverage:g} % interval",
        ),
        rows=tuple(cells),
        formulas=(0,),
        after=f"MAE against the paper's DFT voltages: {sum(errors_V) / len(errors_V):.2f} V leak-free,"
        f" {sum(paper_V) / len(paper_V):.2f} V in the paper; {inside} of {len(rows)} lie in our interval."
        " The rows were chosen for high voltages, where every honest model predicts towards the mean.",
    )


def _published(published: PublishedScores | None) -> str:
    if published is None:
        return "-"
    others = [
        f"{value:{digits}}"
        for value, digits in ((published.rmse_V, ".2f"), (published.r2, ".3f"))
        if value is not None
    ]
    return " / ".join([f"{published.mae_V:.2f}", *others])


def _ours(scored: pd.DataFrame, name: str, protocol: str, ion: str = "all") -> str:
    row = scored[
        (scored["experiment"] == name) & (scored["protocol"] == protocol) & (scored["working_ion"] == ion)
    ]
    if row.empty:
        return "-"
    first = row.iloc[0]
    r2 = "-" if pd.isna(first["r2"]) else f"{first['r2']:.3f}"
    return f"{_with_interval(first, '-')} / {first['rmse_V']:.3f} / {r2}"


def _splits(experiment: str) -> str:
    """How many splits or folds of a protocol an experiment is run on."""
    most = EXPERIMENTS[experiment].most_folds
    return "all splits" if most is None else f"{most} split{'' if most == 1 else 's'}"


def _s2(scored: pd.DataFrame) -> TextTable:
    names = (*TABLE_S2, "mha_resnet", "mha_resnet_published", "element_graph", "ionsieve")
    return TextTable(
        title=f"S2: models, {_ERRORS}",
        header=("model", "paper", "ours, random", "ours, new hosts"),
        rows=tuple(
            (
                EXPERIMENTS[name].label,
                _published(TABLE_S2.get(name)),
                _ours(scored, name, RANDOM),
                _ours(scored, name, FRAMEWORK),
            )
            for name in names
        ),
        after="Only the first row, of one split, reads the gravimetric energy, as the paper's models did.",
    )


def _s3(scored: pd.DataFrame) -> TextTable:
    rows = []
    for size in (None, *SIZES):
        names = [model if size is None else f"{model}_{size}" for model in BY_ION]
        cells = (_ours(scored, name, protocol) for name in names for protocol in (RANDOM, FRAMEWORK))
        rows.append((str(size or "all"), _published(TABLE_S3[size]), *cells))
    return TextTable(
        title=f"S3: fewer training rows, {_ERRORS}",
        header=("most rows per 1 V", "paper", *_BY_MODEL),
        rows=tuple(rows),
        after=f"MHA-ResNet on {_splits('mha_resnet')} of each kind, with fewer training rows on"
        f" {_splits(f'mha_resnet_{SIZES[0]}')}.",
    )


def _s4(scored: pd.DataFrame) -> TextTable:
    of_framework = scored[(scored["experiment"] == "ionsieve") & (scored["protocol"] == FRAMEWORK)]
    counts = of_framework[of_framework["working_ion"] != "all"].set_index("working_ion")["count"]
    rows = []
    for ion in [*TABLE_S4, *(ion for ion in counts.index if ion not in TABLE_S4)]:
        if ion not in counts:
            continue
        cells = (_ours(scored, name, protocol, ion) for name in BY_ION for protocol in (RANDOM, FRAMEWORK))
        rows.append((ion, str(counts[ion]), _published(TABLE_S4.get(ion)), *cells))
    return TextTable(
        title=f"S4: by ion, {_ERRORS}",
        header=("ion", "held out", "paper", *_BY_MODEL),
        rows=tuple(rows),
        after=f"MHA-ResNet on {_splits('mha_resnet')} of each kind; held out are IonSieve's rows, new hosts.",
    )


def _s5(rows: Sequence[Mapping[str, Any]]) -> TextTable:
    if not rows:
        return TextTable("S5: volume change", after="No source of these electrodes states one.")
    names = {"trees": "boosted trees, logarithmic target", "median": "median of the training rows"}
    return TextTable(
        title="S5: volume change (largest of a pair's steps)",
        header=(
            "model",
            "protocol",
            "MAE",
            f"{_LEVEL} interval",
            "median error",
            "MAE without the largest hundredth",
            "that hundredth's share of the MAE",
        ),
        rows=tuple(
            (
                names[row["model"]],
                TITLES[row["protocol"]],
                f"{row['mae']:.3f}",
                f"{row['mae_low']:.3f} to {row['mae_high']:.3f}",
                f"{row['median_absolute_error']:.3f}",
                f"{row['mae_without_the_largest_hundredth']:.3f}",
                f"{100 * row['share_of_the_largest_hundredth']:.0f} %",
            )
            for row in rows
        ),
        words=(0, 1),
    )
