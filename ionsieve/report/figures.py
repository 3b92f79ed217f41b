"""The report's figures, as Plotly JSON without any theme: the page colours text and grid itself.

Colours are Okabe and Ito's (https://jfly.uni-koeln.de/color/), told apart with every common colour
vision; symbols or dashes repeat what colours say.
"""

import html
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from ionsieve.report.sources import MsdCurve, ReportSources
from ionsieve.report.wording import DASH, conductivity, label_kinds, number, voltage

BLUE, SKY, GREEN, ORANGE = "#0072B2", "#56B4E9", "#009E73", "#E69F00"
VERMILLION, PURPLE, YELLOW, GREY = "#D55E00", "#CC79A7", "#F0E442", "#8a8f98"
SERIES = (BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY)
ION_STYLE = {
    "Li": (BLUE, "circle"),
    "Na": (SKY, "square"),
    "K": (ORANGE, "triangle-up"),
    "Rb": (ORANGE, "triangle-down"),
    "Cs": (PURPLE, "triangle-left"),
    "Mg": (VERMILLION, "diamond"),
    "Ca": (GREEN, "cross"),
    "Zn": (PURPLE, "x"),
    "Al": (YELLOW, "pentagon"),
    "Y": (GREY, "star"),
}
MSD_CURVES_SHOWN = 8  # the others wait in the legend


@dataclass(frozen=True)
class Figure:
    """One figure of the page.

    Attributes
    ----------
    name : id of its element.
    title : heading above it.
    alternative : what it shows, for who cannot see it.
    caption : how to read it.
    plot : Plotly figure.
    """

    name: str
    title: str
    alternative: str
    caption: str
    plot: go.Figure

    def to_json(self) -> str:
        """Plotly JSON that can stand inside a script element."""
        return str(self.plot.to_json()).replace("<", "\\u003c")


def bubble(sources: ReportSources) -> Figure | None:
    """Voltage against volumetric capacity of all that passed; conductivity as size."""
    if sources.screened is None or sources.screened.empty:
        return None
    plot = _canvas("Predicted voltage (V)", "Volumetric capacity (Ah/L)")
    measured = sources.ranked if sources.ranked is not None else sources.screened.head(0)
    rest = sources.screened[~sources.screened["material_id"].isin(measured["material_id"])]
    if not rest.empty:
        plot.add_scatter(
            x=rest["voltage_V"].tolist(),
            y=rest["capacity_vol_Ah_per_L"].tolist(),
            mode="markers",
            name="passed, no MD",
            marker={"color": GREY, "size": 7, "symbol": "circle-open"},
            text=[_hover(row) for row in rest.to_dict("records")],
            hovertemplate="%{text}<extra></extra>",
        )
    threshold = _threshold(sources, "transport", "min_conductivity_mS_per_cm")
    for name, colour, rows in _bubble_groups(measured, threshold):
        plot.add_scatter(
            x=rows["voltage_V"].tolist(),
            y=rows["capacity_vol_Ah_per_L"].tolist(),
            error_x={
                "type": "data",
                "symmetric": False,
                "array": (rows["voltage_high_V"] - rows["voltage_V"]).tolist(),
                "arrayminus": (rows["voltage_V"] - rows["voltage_low_V"]).tolist(),
                "thickness": 1,
                "width": 3,
            },
            mode="markers",
            name=name,
            marker={
                "color": colour,
                "size": [_bubble_size(row) for row in rows.to_dict("records")],
                "symbol": [_bubble_symbol(row) for row in rows.to_dict("records")],
                "opacity": 0.85,
                "line": {"width": 1.5, "color": colour},
            },
            text=[_hover(row) for row in rows.to_dict("records")],
            hovertemplate="%{text}<extra></extra>",
        )
    _threshold_lines(plot, sources)
    plot.update_xaxes(rangemode="normal")
    return Figure(
        name="bubble",
        title="Voltage, capacity and conductivity",
        alternative=f"Bubble plot of {len(sources.screened)} candidates: predicted voltage against "
        "volumetric capacity, conductivity as size.",
        caption="Area grows with the logarithm of the conductivity. Open symbols are upper bounds or have no "
        "result, diamonds are controls, bars are the voltage interval, dashed lines the thresholds. Capacity "
        "is that of full extraction.",
        plot=plot,
    )


def voltage_distribution(sources: ReportSources) -> Figure | None:
    """Histogram of the predicted voltages of all candidates, by source."""
    histogram = (sources.funnel or {}).get("voltage_histogram")
    if not histogram or not histogram["by_source"]:
        return None
    width_V = histogram["bin_V"]
    plot = _canvas("Predicted voltage (V)", "Candidates")
    for colour, (source, counts) in zip(cycle(SERIES), sorted(histogram["by_source"].items()), strict=False):
        edges = sorted((float(edge), count) for edge, count in counts.items())
        plot.add_bar(
            x=[edge + width_V / 2 for edge, _ in edges],
            y=[count for _, count in edges],
            width=width_V * 0.94,
            name=html.escape(source),
            marker={"color": colour},
            hovertemplate="%{x:.2f} V: %{y}<extra></extra>",
        )
    plot.update_layout(barmode="stack", showlegend=True)
    for limit in ("min_voltage_V", "max_voltage_V"):
        _line(plot, x=_threshold(sources, "screen", limit))
    total = sum(sum(counts.values()) for counts in histogram["by_source"].values())
    return Figure(
        name="voltages",
        title="Predicted voltages of all candidates",
        alternative=f"Histogram of the predicted voltage of {total} candidates, stacked by source.",
        caption="Stacked by source; dashed lines are the voltage window of the sieve.",
        plot=plot,
    )


def parity(sources: ReportSources) -> Figure | None:
    """Out-of-fold prediction against label, split by framework, by ion."""
    if sources.out_of_fold is None:
        return None
    rows = sources.out_of_fold[sources.out_of_fold["protocol"] == "framework"]
    if rows.empty:
        return None
    kinds = html.escape(label_kinds(sources) or "label")
    plot = _canvas(f"{kinds} voltage (V)", "Predicted voltage (V)")
    both = np.concatenate([rows["voltage_V"], rows["predicted_voltage_V"]])
    low_V, high_V = float(np.floor(both.min())), float(np.ceil(both.max()))
    plot.add_scatter(
        x=[low_V, high_V],
        y=[low_V, high_V],
        mode="lines",
        line={"color": GREY, "width": 1},
        showlegend=False,
        hoverinfo="skip",
    )
    # The commonest ion first, so that rare ones are drawn on top.
    for ion in rows["working_ion"].value_counts().index:
        of_ion = rows[rows["working_ion"] == ion]
        colour, symbol = ION_STYLE.get(ion, (GREY, "circle"))
        plot.add_scatter(
            x=of_ion["voltage_V"].round(4).tolist(),
            y=of_ion["predicted_voltage_V"].round(4).tolist(),
            mode="markers",
            name=f"{html.escape(str(ion))} ({len(of_ion)})",
            marker={"color": colour, "symbol": symbol, "size": 6, "opacity": 0.75},
            text=[html.escape(text) for text in of_ion["framework"]],
            hovertemplate="%{text}: %{x:.2f} V, predicted %{y:.2f} V<extra></extra>",
        )
    plot.update_yaxes(scaleanchor="x", scaleratio=1)
    plot.update_xaxes(constrain="domain")
    return Figure(
        name="parity",
        title="Voltage model against its labels",
        alternative=f"Parity plot of {len(rows)} electrodes: predicted against {kinds} voltage, by ion.",
        caption="Every point was predicted by a model that never saw its framework, with any ion. On the "
        "line, prediction and label agree.",
        plot=plot,
    )


def msd(sources: ReportSources) -> Figure | None:
    """Mean squared displacement of the working ions and of the host, per candidate and temperature."""
    if not sources.msd:
        return None
    plot = _canvas("Time (ps)", "MSD (Å²)")
    formulas = {} if sources.ranked is None else sources.ranked.set_index("material_id")["formula"].to_dict()
    places = {material_id: place for place, material_id in enumerate(formulas)}
    curves = sorted(sources.msd, key=lambda curve: places.get(curve.material_id, len(places)))
    several_temperatures = len({curve.temperature_K for curve in curves}) > 1
    for index, (colour, curve) in enumerate(zip(cycle(SERIES), curves, strict=False)):
        name = html.escape(f"{formulas.get(curve.material_id, curve.material_id)} ({curve.material_id})")
        if several_temperatures:
            name += f", {curve.temperature_K:g} K"
        for column, kind, dash in (("msd_A2", "", "solid"), ("host_msd_A2", " host", "dot")):
            times, values = _thinned(curve, column)
            plot.add_scatter(
                x=times,
                y=values,
                mode="lines",
                name=name + kind,
                legendgroup=name,
                showlegend=not kind,
                visible=True if index < MSD_CURVES_SHOWN else "legendonly",
                line={"color": colour, "width": 2 if not kind else 1.2, "dash": dash},
                hovertemplate=name + kind + "<br>%{x:.2f} ps: %{y:.3g} Å²<extra></extra>",
            )
    plot.update_xaxes(type="log", dtick="D2")
    plot.update_yaxes(type="log", dtick="D2")
    plot.add_scatter(**_diffusive_guide(sources.msd))
    return Figure(
        name="msd",
        title="How far the ions move",
        alternative=f"Mean squared displacement against time for {len({c.material_id for c in sources.msd})} "
        "materials, logarithmic axes.",
        caption="Solid: working ions; dotted: host atoms of the same material. On logarithmic axes diffusion "
        "is a line of slope one (dashed guide), rattling in a cage is flat.",
        plot=plot,
    )


def _canvas(x_title: str, y_title: str) -> go.Figure:
    return go.Figure(
        layout={
            "template": "none",
            "paper_bgcolor": "rgba(0,0,0,0)",
            "plot_bgcolor": "rgba(0,0,0,0)",
            "margin": {"l": 60, "r": 12, "t": 12, "b": 44},
            "legend": {"orientation": "h", "yref": "container", "y": 0, "yanchor": "bottom", "x": 0},
            "xaxis": {"title": {"text": x_title, "standoff": 8}, "automargin": True, "zeroline": False},
            "yaxis": {"title": {"text": y_title, "standoff": 8}, "automargin": True, "zeroline": False},
            "hoverlabel": {"align": "left"},
            "modebar": {"bgcolor": "rgba(0,0,0,0)", "color": GREY, "activecolor": BLUE},
        }
    )


def _bubble_groups(measured: pd.DataFrame, threshold: float | None) -> list[tuple[str, str, pd.DataFrame]]:
    """Name, colour and rows of the candidates above the threshold, below it, and without a value."""
    value = measured["conductivity_mS_per_cm"].fillna(-1.0)
    limit = threshold or 0.0
    groups = [
        (f"≥ {number(limit)} mS/cm", VERMILLION, measured[value >= limit]),
        (f"< {number(limit)} mS/cm", BLUE, measured[(value >= 0) & (value < limit)]),
        ("bound or no result", PURPLE, measured[value < 0]),
    ]
    return [(name, colour, rows) for name, colour, rows in groups if not rows.empty]


def _bubble_size(row: Mapping[Any, Any]) -> float:
    """Marker diameter in pixels: area linear in log10 of the conductivity, 1 mS/cm and less the smallest."""
    value = row["conductivity_mS_per_cm"]
    if pd.isna(value):
        return 11.0
    return 11.0 * math.sqrt(1.0 + max(0.0, math.log10(max(value, 1e-9))))


def _bubble_symbol(row: Mapping[Any, Any]) -> str:
    shape = "diamond" if row["role"] == "control" else "circle"
    return shape if not pd.isna(row["conductivity_mS_per_cm"]) else f"{shape}-open"


def _hover(row: Mapping[Any, Any]) -> str:
    lines = [
        f"<b>{html.escape(row['formula'])}</b> {html.escape(row['material_id'])}",
        f"{voltage(row['voltage_V'])} V, {number(row['capacity_vol_Ah_per_L'])} Ah/L",
    ]
    if "conductivity_kind" in row:
        shown = conductivity(row)
        lines.append("no conductivity" if shown == DASH else html.escape(f"{shown} mS/cm"))
    return "<br>".join(lines)


def _threshold_lines(plot: go.Figure, sources: ReportSources) -> None:
    _line(plot, x=_threshold(sources, "screen", "min_voltage_V"))
    _line(plot, y=_threshold(sources, "screen", "min_capacity_vol_Ah_per_L"))


def _line(plot: go.Figure, x: float | None = None, y: float | None = None) -> None:
    style = {"color": GREY, "width": 1.5, "dash": "dash"}
    if x is not None:
        plot.add_vline(x=x, line=style)
    if y is not None:
        plot.add_hline(y=y, line=style)


def _threshold(sources: ReportSources, section: str, key: str) -> float | None:
    return ((sources.config or {}).get(section) or {}).get(key)


def _thinned(curve: MsdCurve, column: str, points: int = 150) -> tuple[list[float], list[float]]:
    """At most ``points`` lags, evenly spaced on a logarithmic axis; lag zero has no logarithm."""
    last = len(curve.table) - 1
    chosen = np.unique(np.geomspace(1, max(last, 1), points).round().astype(int))
    rows = curve.table.iloc[chosen[chosen <= last]]
    return rows["time_ps"].round(6).tolist(), [float(f"{value:.5g}") for value in rows[column]]


def _diffusive_guide(curves: Sequence[MsdCurve]) -> dict[str, Any]:
    """A line of slope one through the middle of the fastest curve."""
    fastest = max(curves, key=lambda curve: float(curve.table["msd_A2"].max()))
    end_ps = float(fastest.table["time_ps"].max())
    middle = fastest.table.iloc[len(fastest.table) // 2]
    slope = float(middle["msd_A2"]) / float(middle["time_ps"]) if middle["time_ps"] > 0 else 1.0
    times = [end_ps / 30, end_ps]
    return {
        "x": times,
        "y": [1.6 * slope * time for time in times],
        "mode": "lines",
        "name": "slope one (diffusion)",
        "line": {"color": GREY, "width": 1.5, "dash": "dash"},
        "hoverinfo": "skip",
    }
