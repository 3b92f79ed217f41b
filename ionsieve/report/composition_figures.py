"""Figures of the models that read formulas alone: parity, residuals, volume changes.

All are of hosts never seen: the splits by framework.
"""

import html
import math

import numpy as np
import pandas as pd
from plotly.subplots import make_subplots

from ionsieve.composition.experiments import EXPERIMENTS, FRAMEWORK, SIZES
from ionsieve.composition.paper_tables import BY_ION
from ionsieve.composition.published import TABLE_S4
from ionsieve.report.figures import (
    BLUE,
    GREY,
    SERIES,
    VERMILLION,
    Figure,
    by_ion,
    canvas,
    diagonal,
    transparent,
    voltage_parity,
)
from ionsieve.report.sources import ReportSources
from ionsieve.report.wording import label_kinds, number, percent

# The models of tables S3 and S4, in short.
MODEL_NAMES = {"mha_resnet": "MHA-ResNet as meant", "ionsieve": "IonSieve"}
RESIDUAL_BIN_V = 0.2
LARGEST_RESIDUAL_V = 2.0
DASHES = ("solid", "dash", "dot", "dashdot", "longdash")
# Volume changes below a thousandth are as good as none; a logarithmic axis needs an end.
SMALLEST_CHANGE = 1e-3
BINS_PER_DECADE = 8


def composition_parity(sources: ReportSources) -> Figure | None:
    """Out-of-fold prediction from formulas against label, by ion."""
    rows = sources.composition_out_of_fold
    if rows is None or rows.empty:
        return None
    kinds = html.escape(label_kinds(sources) or "label")
    return Figure(
        name="composition-parity",
        title="Voltage from formulas against its labels",
        alternative=f"Parity plot of {len(rows)} electrodes: voltage predicted from formulas against {kinds} "
        "voltage, by ion.",
        caption="Every point was predicted from two formulas and the ion by a model that never saw its host, "
        "with any ion.",
        plot=voltage_parity(rows, kinds),
    )


def residuals_by_size(sources: ReportSources) -> Figure | None:
    """Distribution of the residuals of both models of table S3, for each size of the training set."""
    residuals_V = {
        (model, size): _residuals_V(sources, model if size is None else f"{model}_{size}")
        for model in BY_ION
        for size in (None, *SIZES)
    }
    if all(rows.empty for rows in residuals_V.values()):
        return None
    plot = make_subplots(
        1, len(BY_ION), subplot_titles=[MODEL_NAMES[model] for model in BY_ION],
        horizontal_spacing=0.08, shared_yaxes=True,
    )  # fmt: skip
    plot.update_layout(canvas("", "").layout, margin={"l": 60, "r": 12, "t": 56, "b": 60})
    edges_V = np.arange(-LARGEST_RESIDUAL_V, LARGEST_RESIDUAL_V + RESIDUAL_BIN_V / 2, RESIDUAL_BIN_V)
    beyond = []
    named: set[str] = set()
    for column, model in enumerate(BY_ION, start=1):
        for size, colour, dash in zip((None, *SIZES), SERIES, DASHES, strict=False):
            rows = residuals_V[model, size]
            if rows.empty:
                continue
            counts, _ = np.histogram(rows, bins=edges_V)
            beyond.append(1 - counts.sum() / len(rows))
            name = f"at most {size}" if size else "all"
            plot.add_scatter(
                x=(edges_V[:-1] + RESIDUAL_BIN_V / 2).round(3).tolist(),
                y=(100 * counts / len(rows)).round(2).tolist(),
                mode="lines",
                name=name,
                legendgroup=name,
                showlegend=name not in named,
                line={"color": colour, "dash": dash, "width": 2, "shape": "hvh"},
                hovertemplate=name + ": %{y:.1f} % at %{x:+.2f} V<extra></extra>",
                row=1,
                col=column,
            )
            named.add(name)
    plot.update_xaxes(title={"text": "Residual (V)", "standoff": 4}, zeroline=True)
    plot.update_xaxes(zerolinecolor=GREY)
    plot.update_yaxes(title={"text": f"Electrodes (% per {RESIDUAL_BIN_V:g} V)", "standoff": 4}, col=1)
    plot.update_yaxes(zeroline=False)
    return Figure(
        name="residuals-by-size",
        title="S3: residuals with fewer training rows",
        alternative="Distribution of predicted minus label voltage on hosts never seen, for training sets of "
        "all rows and of at most 200, 150, 100 and 50 rows per 1 V, by model.",
        caption="Residuals are predicted minus label, on hosts never seen. Table S3’s training sets: at "
        f"most so many rows in each 1 V of voltage. Up to {percent(max(beyond))} % of the electrodes lie "
        "beyond the ends.",
        plot=plot,
    )


def residuals_by_ion(sources: ReportSources) -> Figure | None:
    """Quantiles of the residuals of both models of table S4, by ion."""
    residuals_V = {model: _residuals_V(sources, model) for model in BY_ION}
    counts = pd.DataFrame({model: rows.index.value_counts() for model, rows in residuals_V.items()}).max(
        axis=1
    )
    if counts.empty:
        return None
    counts = counts.sort_values(ascending=False, kind="stable").astype(int)
    ions = [ion for ion in TABLE_S4 if ion in counts]
    ions += [ion for ion in counts.index if ion not in TABLE_S4]
    plot = canvas("", "Predicted minus label (V)")
    for model, colour in zip(BY_ION, (VERMILLION, BLUE), strict=True):
        of_model = residuals_V[model]
        there = [ion for ion in ions if ion in of_model.index]
        low, first, middle, third, high = (
            [round(float(np.quantile(of_model[[ion]], share)), 3) for ion in there]
            for share in (0.05, 0.25, 0.5, 0.75, 0.95)
        )
        plot.add_box(
            x=[f"{html.escape(ion)}<br>{counts[ion]}" for ion in there],
            lowerfence=low, q1=first, median=middle, q3=third, upperfence=high,
            name=MODEL_NAMES[model],
            line={"color": colour, "width": 1.5},
            fillcolor=transparent(colour, 0.25),
        )  # fmt: skip
    plot.update_layout(boxmode="group", showlegend=True)
    plot.update_yaxes(zeroline=True, zerolinecolor=GREY)
    return Figure(
        name="residuals-by-ion",
        title="S4: residuals by ion",
        alternative=f"Box plots of predicted minus label voltage on hosts never seen, for {len(ions)} "
        "working ions and two models.",
        caption="Hosts never seen. Box: the middle half of the electrodes, with their median; whiskers: "
        "the middle nine tenths. Numbers are electrodes.",
        plot=plot,
    )


def volume_distribution(sources: ReportSources) -> Figure | None:
    """Distribution of the volume changes, stated and predicted, and the median, on a logarithmic axis."""
    rows = _volume_changes(sources)
    if rows is None:
        return None
    largest = float(rows[["volume_change", "predicted_volume_change"]].to_numpy().max())
    largest = max(largest, 10 * SMALLEST_CHANGE)
    n_bins = math.ceil(BINS_PER_DECADE * math.log10(largest / SMALLEST_CHANGE))
    edges = np.geomspace(SMALLEST_CHANGE, largest, n_bins + 1)
    plot = canvas("Volume change", "Electrodes")
    highest = 0
    for column, name, style in (
        (
            "volume_change",
            "stated",
            {
                "fill": "tozeroy",
                "fillcolor": transparent(GREY, 0.3),
                "line": {"color": GREY, "width": 1.5, "shape": "hvh"},
            },
        ),
        (
            "predicted_volume_change",
            "boosted trees",
            {"line": {"color": BLUE, "width": 2, "dash": "dash", "shape": "hvh"}},
        ),
    ):
        counts, _ = np.histogram(rows[column].clip(edges[0], edges[-1]), bins=edges)
        highest = max(highest, int(counts.max()))
        plot.add_scatter(
            x=[float(f"{value:.4g}") for value in np.sqrt(edges[:-1] * edges[1:])],
            y=counts.tolist(),
            mode="lines",
            name=name,
            hovertemplate=name + ": %{y} around %{x:.2g}<extra></extra>",
            **style,
        )
    median = _median(rows)
    plot.add_scatter(
        x=[median, median], y=[0, highest], mode="lines", name=f"median of training ({median:.2g})",
        line={"color": VERMILLION, "width": 2, "dash": "dot"}, hoverinfo="skip",
    )  # fmt: skip
    plot.update_xaxes(type="log", dtick=1, exponentformat="none")
    return Figure(
        name="volume-distribution",
        title="S5: volume changes",
        alternative=f"Distribution of {len(rows)} volume changes on a logarithmic axis: as stated, as "
        "predicted from formulas, and the median that is the baseline.",
        caption="Larger over smaller volume, minus 1. No row is left out: what is stated ends at "
        f"{number(rows['volume_change'].max(), 2)}. Changes below {SMALLEST_CHANGE:g} are counted in the "
        f"first bin ({(rows['volume_change'] < SMALLEST_CHANGE).sum()} of {len(rows)}).",
        plot=plot,
    )


def volume_parity(sources: ReportSources) -> Figure | None:
    """Predicted against stated volume change, both logarithmic, with the baseline."""
    rows = _volume_changes(sources)
    if rows is None:
        return None
    columns = ["volume_change", "predicted_volume_change"]
    rows = rows.assign(**{name: rows[name].clip(lower=SMALLEST_CHANGE) for name in columns})
    largest = float(rows[columns].to_numpy().max())
    plot = canvas("Stated volume change", "Predicted from formulas")
    diagonal(plot, SMALLEST_CHANGE, largest)
    by_ion(plot, rows, columns[0], columns[1], "%{text}: %{x:.2g}, predicted %{y:.2g}<extra></extra>")
    median = _median(rows)
    plot.add_scatter(
        x=[SMALLEST_CHANGE, largest], y=[median, median], mode="lines", name="median of training",
        line={"color": VERMILLION, "width": 2, "dash": "dot"}, hoverinfo="skip",
    )  # fmt: skip
    plot.update_xaxes(type="log", dtick=1, exponentformat="none", constrain="domain")
    plot.update_yaxes(type="log", dtick=1, exponentformat="none")
    return Figure(
        name="volume-parity",
        title="S5: volume change against what is stated",
        alternative=f"Parity plot of {len(rows)} volume changes on logarithmic axes, predicted from formulas "
        "against stated, by ion, with the median as baseline.",
        caption=f"Hosts never seen; changes below {SMALLEST_CHANGE:g} are drawn there. On the line, both "
        "agree; the dotted line is what the baseline says of every pair.",
        plot=plot,
    )


def _residuals_V(sources: ReportSources, experiment: str) -> pd.Series:
    """Predicted minus label voltage of an experiment's held-out electrodes, by their ion."""
    held_out = sources.composition_held_out
    if held_out is None or experiment not in EXPERIMENTS:
        return pd.Series(dtype=float)
    rows = held_out[(held_out["experiment"] == experiment) & (held_out["protocol"] == FRAMEWORK)]
    return (rows["predicted_voltage_V"] - rows["voltage_V"]).set_axis(rows["working_ion"])


def _volume_changes(sources: ReportSources) -> pd.DataFrame | None:
    if sources.volume_changes is None:
        return None
    rows = sources.volume_changes[sources.volume_changes["protocol"] == FRAMEWORK]
    return None if rows.empty else rows


def _median(rows: pd.DataFrame) -> float:
    """Of the training rows; folds differ in the third digit."""
    return float(f"{rows['median_volume_change'].mean():.4g}")
