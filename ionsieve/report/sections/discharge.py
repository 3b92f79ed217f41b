"""Discharge curves of real cells: what a model says, how wrong it is, and where it extrapolates."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from ionsieve.composition.text_table import TextTable
from ionsieve.report import discharge_figures
from ionsieve.report.discharge_sources import DischargeSources
from ionsieve.report.section import Section
from ionsieve.report.sources import ReportSources
from ionsieve.report.wording import DASH, interval, number, plural

BEST_SHOWN = 15
CAPACITY, VOLTAGE = "capacity_mAh_per_g", "average_voltage_V"
METHODS = {
    "model": "model",
    "MAD": "mean of the scored",
    "persistence": "same as last known cycle",
    "linear_fade": "line through known cycles",
}
FORECASTS = {
    "persistence": "same as the last cycle",
    "linear_fade": "straight line through the last four cycles",
    "selected": "chosen by earlier cycles",
    "published": "network, published",
    "ionsieve": "network, ionsieve",
}
HOW = {
    "_anchored": ", from the last curve on",
    "_residual": ", and a line through what it misses",
    "_and_line": ", from the last curve on, and the straight line, halved",
}


def section(sources: ReportSources) -> Section:
    """Predictions, errors and forecasts; empty where the stage was not asked for."""
    found = sources.discharge
    return Section(
        name="discharge",
        anchor="discharge",
        title="Discharge curves",
        context={
            "discharge": [] if found is None else introduction(found),
            "discharge_errors": [] if found is None else error_tables(found),
            "discharge_tables": [] if found is None else prediction_tables(found),
        },
        figures=[] if found is None else discharge_figures.figures(found),
    )


def introduction(found: DischargeSources) -> list[str]:
    """Whose predictions these are, on what data, and what they are worth."""
    sentences = []
    summary = found.summary
    if summary is not None:
        whose = "Third-party weights" if summary["third_party"] else "Model"
        count = "an ensemble of one, which has no spread"
        if summary["members"] > 1:
            count = f"an ensemble of {summary['members']}"
        sentences.append(
            f"{whose}: {summary['provenance']}; configuration {summary['settings']}, {count}. Labels:"
            f" {summary['label']}. Licence: {summary['licence']}. Everything drawn here is predicted, not"
            " measured."
        )
        sentences.append(f"It learned from {_ranges(summary['training_ranges'])}.")
        for composition, reason in sorted(summary["refused"].items()):
            sentences.append(f"No answer for {composition}: {reason}.")
    data = found.data
    if data is not None:
        labels = ", ".join(f"{count} {label}" for label, count in sorted(data["labels"].items()))
        aside = data["n_tests_set_aside"], data["n_cycles_set_aside"]
        reasons = "; ".join(f"{count} x {reason}" for reason, count in data["reasons"].items())
        why = f" ({reasons})" if reasons else ""
        sentences.append(
            f"Cycling tests: {plural(data['n_tests_with_points'], 'test')} ({labels}) with"
            f" {data['n_cycles']:,} discharges, data set {data['dataset_version']}. Set aside:"
            f" {plural(aside[0], 'test')} and {plural(aside[1], 'cycle')}{why}."
        )
    return sentences


def error_tables(found: DischargeSources) -> list[TextTable]:
    """How wrong the model is, always beside what needs no network."""
    return [
        *_evaluation(found.evaluation),
        *_comparison(found.comparison, "The model on these cycling tests"),
        *_forecasts(found.forecast),
        *_fit(found.summary),
        *_transfer(found.transfer),
    ]


def prediction_tables(found: DischargeSources) -> list[TextTable]:
    """The two high-entropy compositions, the best of the enumeration, the shortlist."""
    return [
        table
        for table in (_rates(found.capacities), _best(found.high_entropy), _candidates(found.candidates))
        if table is not None
    ]


def _evaluation(evaluation: Mapping[str, Any] | None) -> list[TextTable]:
    if evaluation is None:
        return []
    from ionsieve.discharge.splits import PROTOCOLS

    tables = []
    for protocol in PROTOCOLS:
        of_protocol = evaluation["protocols"][protocol]
        title = f"Split {protocol}"
        if "skipped" in of_protocol:
            tables.append(TextTable(title=title, before=f"Not scored: {of_protocol['skipped']}."))
            continue
        training = of_protocol["training"]
        rows = tuple(
            (group, *row)
            for group, errors in of_protocol["groups"].items()
            for row in _error_rows(errors["errors"])
        )
        tables.append(
            TextTable(
                title=title,
                header=("Metals", *_ERROR_HEADER),
                rows=rows,
                words=(0, 1),
                before=f"{_labels(evaluation)} Trained on {plural(training['tests'], 'test')} of"
                f" {plural(training['compositions'], 'composition')}.",
                after=_ERROR_NOTE,
            )
        )
    return tables


_ERROR_HEADER = ("MAE of", "Discharges", *METHODS.values())
_ERROR_NOTE = (
    "Capacity between 2.0 and 4.4 V in mAh/g, and the average voltage there in V, of the first 50 cycles,"
    " with 95 % intervals over whole tests. The last two methods read a test's first cycles, and are scored"
    " on its later ones."
)


def _comparison(errors: Mapping[str, Any] | None, title: str, before: str = "") -> list[TextTable]:
    if errors is None:
        return []
    return [
        TextTable(
            title=title,
            header=_ERROR_HEADER,
            rows=tuple(_error_rows(errors["errors"])),
            words=(0,),
            before=f"{_labels(errors)} {before}".strip(),
            after=_ERROR_NOTE,
        )
    ]


def _fit(summary: Mapping[str, Any] | None) -> list[TextTable]:
    fit = ((summary or {}).get("metrics") or {}).get("fit_to_training_data")
    before = "How well the members fit what they learned from; this is no test."
    return _comparison(fit, "Fit to the training data", before)


def _error_rows(errors: list[Mapping[str, Any]]) -> list[tuple[str, ...]]:
    """A row for each quantity, of all discharges and of the later ones; a cell for each method."""
    found = {(row["quantity"], row["rows"], row["method"]): row for row in errors}
    rows: list[tuple[str, ...]] = []
    for quantity, name in ((CAPACITY, "capacity"), (VOLTAGE, "voltage")):
        show = number if quantity == CAPACITY else _voltage_error
        for which, words in (("all", ""), ("after_known_cycles", ", later cycles")):
            of_row = [found.get((quantity, which, method)) for method in METHODS]
            if of_row[0] is None:
                continue
            cells = (
                DASH
                if row is None
                else f"{show(row['mae'])} ({interval(row['mae_low'], row['mae_high'], show) or DASH})"
                for row in of_row
            )
            rows.append((name + words, str(of_row[0]["count"]), *cells))
    return rows


def _voltage_error(value: Any) -> str:
    return DASH if value is None else f"{value:.3f}"


def _forecasts(forecast: Mapping[str, Any] | None) -> list[TextTable]:
    if forecast is None:
        return []
    if not forecast["tests"]:
        return [
            TextTable(
                title="Later cycles from earlier ones",
                before=f"Not scored: no test has {forecast['fewest_cycles']} cycles or more.",
            )
        ]
    tables = []
    for test in forecast["tests"]:
        verdict = {row["method"]: row for row in test["verdict"]}
        chosen = verdict["selected"]
        matches = "matches" if chosen["matches"] else "does not match"
        tables.append(
            TextTable(
                title=f"Later cycles of {test['test_id']} from earlier ones",
                header=("Method", "MAE, mAh/g", "Starts where it is not worse"),
                rows=tuple(
                    (
                        _forecast_name(row["method"]),
                        number(row["mae_mAh_per_g"]),
                        f"{row['origins_matched']} of {row['origins']}",
                    )
                    for row in test["verdict"]
                ),
                before=f"Labels: {test['label']}. What one can choose at each cycle by the earlier ones alone"
                f" errs by {number(chosen['mae_mAh_per_g'])} mAh/g over the curve, and {matches} the better"
                f" of the two simple rules ({_forecast_name(chosen['better_baseline'])},"
                f" {number(chosen['baseline_mae_mAh_per_g'])} mAh/g).",
                after="Starts: from how many cycles the method is not worse than the better simple rule from"
                " there.",
            )
        )
    return tables


def _forecast_name(method: str) -> str:
    for ending, how in HOW.items():
        if method.endswith(ending):
            return FORECASTS[method.removesuffix(ending)] + how
    return FORECASTS[method]


def _transfer(transfer: Mapping[str, Any] | None) -> list[TextTable]:
    if transfer is None:
        return []
    rows = tuple(
        (
            row["trained_on"],
            "with" if row["three_body"] else "without",
            row["group"],
            str(row["discharges"]),
            number(row["mae"]),
            number(row["mad"]),
            number(row["ratio"], 2),
        )
        for row in transfer["rows"]
        if row["quantity"] == CAPACITY
    )
    return [
        TextTable(
            title="Synthetic cells: does what two metals teach hold for three?",
            header=("Trained on", "Three-body part", "Scored on", "Discharges", "MAE", "MAD", "Ratio"),
            rows=rows,
            words=(0, 1, 2),
            before="Labels: synthetic; no cell here is real. Curves are sums over elements, with or without a"
            " part that only cells of three metals show.",
            after="Capacity in mAh/g. Ratio: over the error on held-out cells of two metals. MAD: the error"
            " of the mean of the scored values.",
        )
    ]


def _rates(capacities: pd.DataFrame | None) -> TextTable | None:
    from ionsieve.discharge.predictions import HIGH_ENTROPY, RATE

    if capacities is None or not (capacities["shown"] == RATE).any():
        return None
    names = {formula: name for name, formula in HIGH_ENTROPY.items()}
    rows = capacities[(capacities["shown"] == RATE) & capacities["rate_mA_per_g"].isin((20.0, 1000.0))]
    return TextTable(
        title="HE-1 and HE-2",
        header=("Composition", "Window, V", "Rate, mA/g", "Capacity, mAh/g", "Spread", "Outside of training"),
        rows=tuple(
            (
                names[row["composition"]],
                f"{row['voltage_low_V']:.1f} to {row['voltage_high_V']:.1f}",
                f"{row['rate_mA_per_g']:g}",
                number(row[CAPACITY]),
                number(row["capacity_std_mAh_per_g"], 2),
                row["extrapolation"] or "no",
            )
            for row in rows.to_dict("records")
        ),
        words=(0, 1, 5),
        after="The paper's ensemble, in 1.5 to 4.8 V: 276 and 196 mAh/g for HE-1, 266 and 171 for HE-2.",
    )


def _best(high_entropy: pd.DataFrame | None) -> TextTable | None:
    if high_entropy is None or high_entropy.empty:
        return None
    best = high_entropy.sort_values([CAPACITY, "composition"], ascending=[False, True]).head(BEST_SHOWN)
    return TextTable(
        title=f"High-entropy compositions of the highest predicted capacity, of {len(high_entropy):,}",
        header=("Composition", "Charges", "Capacity, mAh/g", "Spread", "Outside of training"),
        rows=tuple(
            (
                row["composition"],
                row["oxidation_states"],
                number(row[CAPACITY]),
                number(row["capacity_std_mAh_per_g"], 2),
                row["extrapolation"] or "no",
            )
            for row in best.to_dict("records")
        ),
        words=(0, 1, 4),
        formulas=(0,),
        after="Nobody has made most of them. The best of many predictions are chosen for their errors too.",
    )


def _candidates(candidates: pd.DataFrame | None) -> TextTable | None:
    if candidates is None or candidates.empty:
        return None
    first = candidates.iloc[0]
    return TextTable(
        title="First discharge of the shortlist",
        header=("Candidate", "Formula", "Capacity, mAh/g", "Spread", "Why not"),
        rows=tuple(
            (
                row["material_id"],
                row["formula"],
                number(row[CAPACITY]),
                number(row["capacity_std_mAh_per_g"], 2),
                row["reason"] or DASH,
            )
            for row in candidates.to_dict("records")
        ),
        words=(0, 1, 4),
        formulas=(1,),
        before=f"At {first['rate_mA_per_g']:g} mA/g in {first['voltage_low_V']:g} to"
        f" {first['voltage_high_V']:g} V, as a disordered rocksalt of that composition would discharge; the"
        " candidate's own crystal is not looked at.",
    )


def _ranges(ranges: Mapping[str, Any]) -> str:
    words = [f"the elements {', '.join(ranges['elements'])}"]
    for name, what, unit in (
        ("cations_per_anion", "cations per anion", ""),
        ("lithium_share", "shares of Li among the cations", ""),
        ("rate_mA_per_g", "rates", " mA/g"),
        ("voltage_low_V", "lower voltages", " V"),
        ("voltage_high_V", "upper voltages", " V"),
        ("cycle", "cycles", ""),
    ):
        low, high = ranges[name]
        if low == high:
            words.append(f"{what} of {low:g}{unit} alone")
        else:
            words.append(f"{what} from {low:g} to {high:g}{unit}")
    return ", ".join(words)


def _labels(document: Mapping[str, Any] | None) -> str:
    return f"Labels: {' and '.join((document or {}).get('labels', []))}."
