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
from plotly.subplots import make_subplots

from ionsieve.report.sources import SHARED_POTENTIAL, MsdCurve, ReportSources
from ionsieve.report.wording import DASH, conductivity, label_kinds, number, tier, voltage
from ionsieve.transport.analysis import line_through, of_kind
from ionsieve.transport.arrhenius import ROOM_TEMPERATURE_K, ArrheniusFit

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
OLIVE = "#A39B00"  # yellow is lost on white where a symbol is open
CLASS_STYLE = {
    "alkali metal": (BLUE, "circle"),
    "alkaline-earth metal": (SKY, "square"),
    "transition metal": (VERMILLION, "diamond"),
    "f-block metal": (PURPLE, "triangle-up"),
    "post-transition metal": (ORANGE, "cross"),
    "metalloid": (GREY, "x"),
    "nonmetal": (GREEN, "star"),
    "halogen": (OLIVE, "triangle-down"),
}
MSD_CURVES_SHOWN = 8  # the others wait in the legend
ARRHENIUS_SHOWN = 6
PARITY_PANELS = 6
SYMBOLS = ("circle", "square", "diamond", "triangle-up", "cross", "x")


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
    plot = canvas("Predicted voltage (V)", "Volumetric capacity (Ah/L)")
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
    plot = canvas("Predicted voltage (V)", "Candidates")
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
    plot = voltage_parity(rows, kinds)
    return Figure(
        name="parity",
        title="Voltage model against its labels",
        alternative=f"Parity plot of {len(rows)} electrodes: predicted against {kinds} voltage, by ion.",
        caption="Every point was predicted by a model that never saw its framework, with any ion. On the "
        "line, prediction and label agree.",
        plot=plot,
    )


def voltage_parity(rows: pd.DataFrame, kinds: str) -> go.Figure:
    """Predicted against label voltage by ion, of rows of :data:`ionsieve.tables.HELD_OUT`.

    Parameters
    ----------
    kinds : what the labels are, safe as HTML.
    """
    plot = canvas(f"{kinds} voltage (V)", "Predicted voltage (V)")
    both = np.concatenate([rows["voltage_V"], rows["predicted_voltage_V"]])
    low_V, high_V = float(np.floor(both.min())), float(np.ceil(both.max()))
    diagonal(plot, low_V, high_V)
    hover = "%{text}: %{x:.2f} V, predicted %{y:.2f} V<extra></extra>"
    by_ion(plot, rows, "voltage_V", "predicted_voltage_V", hover)
    plot.update_yaxes(scaleanchor="x", scaleratio=1)
    plot.update_xaxes(constrain="domain")
    return plot


def by_ion(plot: go.Figure, rows: pd.DataFrame, x: str, y: str, hover: str) -> None:
    """One column of held-out electrodes against another, in the colour and shape of their ion."""
    # The commonest ion first, so that rare ones are drawn on top.
    for ion in rows["working_ion"].value_counts().index:
        of_ion = rows[rows["working_ion"] == ion]
        colour, symbol = ION_STYLE.get(ion, (GREY, "circle"))
        plot.add_scatter(
            x=of_ion[x].round(4).tolist(),
            y=of_ion[y].round(4).tolist(),
            mode="markers",
            name=f"{html.escape(str(ion))} ({len(of_ion)})",
            marker={"color": colour, "symbol": symbol, "size": 6, "opacity": 0.75},
            text=[html.escape(text) for text in of_ion["framework"]],
            hovertemplate=hover,
        )


def learned_elements(sources: ReportSources) -> Figure | None:
    """Element vectors that a network learned from voltages alone, on two principal components."""
    rows, summary = sources.learned_elements, sources.interpretation
    if rows is None or summary is None:
        return None
    first, second = (f"{100 * share:.0f} % of the variance" for share in summary["explained_variance"])
    plot = canvas(f"Component 1 ({first})", f"Component 2 ({second})")
    for name, (colour, symbol) in CLASS_STYLE.items():
        of_class = rows[rows["element_class"] == name]
        if of_class.empty:
            continue
        plot.add_scatter(
            x=of_class["component_1"].round(3).tolist(),
            y=of_class["component_2"].round(3).tolist(),
            mode="markers+text",
            name=name,
            text=of_class["element"].tolist(),
            textposition="top center",
            textfont={"size": 10},
            marker={"color": colour, "symbol": symbol, "size": 9},
            customdata=of_class["n_electrodes"].tolist(),
            hovertemplate="%{text}, " + name + ", in %{customdata} electrodes<extra></extra>",
        )
    return Figure(
        name="elements",
        title="Elements, as voltages teach them",
        alternative=f"Map of {len(rows)} elements by two principal components of their learned vectors, "
        "coloured by element class.",
        caption="The network got random bits for each element, no property. Near each other are elements "
        "that it treats alike. Two components show only part of what it knows; the counts above use all.",
        plot=plot,
    )


def local_environments(sources: ReportSources) -> Figure | None:
    """Atoms after the convolutions of the same network, by t-SNE; working ions stand out."""
    rows = sources.local_environments
    if rows is None:
        return None
    plot = canvas("", "")
    named = set()
    for is_ion, size, symbol, opacity in ((False, 5, "circle-open", 0.6), (True, 7, "diamond", 0.8)):
        for name, (colour, _) in CLASS_STYLE.items():
            shown = rows[(rows["element_class"] == name) & (rows["is_working_ion"] == is_ion)]
            if shown.empty:
                continue
            plot.add_scatter(
                x=shown["tsne_1"].round(2).tolist(),
                y=shown["tsne_2"].round(2).tolist(),
                mode="markers",
                name=name,
                legendgroup=name,
                showlegend=name not in named,
                marker={"color": colour, "symbol": symbol, "size": size, "opacity": opacity},
                text=[
                    html.escape(f"{element} with {framework}")
                    for element, framework in zip(shown["element"], shown["framework"], strict=True)
                ],
                hovertemplate="%{text}<extra></extra>",
            )
            named.add(name)
    plot.update_xaxes(showticklabels=False)
    plot.update_yaxes(showticklabels=False)
    return Figure(
        name="environments",
        title="Local environments, as voltages teach them",
        alternative=f"Map of {len(rows)} atoms by t-SNE of their vectors after the convolutions, coloured by "
        f"element class; {int(rows['is_working_ion'].sum())} of them are working ions.",
        caption="Filled diamonds are working ions, open circles other atoms, a limited number of each "
        "element. t-SNE keeps neighbours together; the axes and the distances between groups mean nothing.",
        plot=plot,
    )


def neighbor_contributions(sources: ReportSources) -> Figure | None:
    """What the working ion's neighbours add to the voltage of the first candidate."""
    explained = explained_candidates(sources)
    if not explained:
        return None
    formula, material_id, document = explained[0]
    rows = pd.DataFrame(document["neighbors"])
    ion = html.escape(document["working_ion"])
    plot = canvas(f"Distance from {ion} (Å)", "Contribution to the voltage (V)")
    for colour, (element, of_element) in zip(
        cycle(SERIES), rows.groupby("neighbor", sort=True), strict=False
    ):
        plot.add_bar(
            x=of_element["distance_A"].round(2).tolist(),
            y=of_element["contribution_V"].round(4).tolist(),
            width=0.03,
            error_y={
                "type": "data",
                "array": of_element["contribution_spread_V"].round(4).tolist(),
                "thickness": 1,
                "width": 3,
                "color": GREY,
            },
            name=html.escape(str(element)),
            marker={"color": colour},
            text=[html.escape(str(element))] * len(of_element),
            textposition="none",
            customdata=of_element["count"].round(2).tolist(),
            hovertemplate="%{text} at %{x:.2f} Å, %{customdata} per ion: %{y:+.2f} V<extra></extra>",
        )
    plot.update_layout(barmode="relative", showlegend=True)
    distances_A = rows["distance_A"]
    plot.update_xaxes(range=[float(distances_A.min()) - 0.1, float(distances_A.max()) + 0.1])
    plot.update_yaxes(zeroline=True, zerolinecolor=GREY)
    descriptors_V = document["descriptors_V"]
    descriptors = f" and the crystal's descriptors ({descriptors_V:+.2f} V)" if descriptors_V else ""
    return Figure(
        name="contributions",
        title=f"What drives the voltage of {formula}",
        alternative=f"Bars over the distance of {len(rows)} kinds of neighbours of {ion} in {formula} "
        f"({material_id}): what each adds to the predicted voltage.",
        caption=f"From {voltage(document['baseline_V'])} V, the network's voltage of {ion} in average "
        f"surroundings, the bars{descriptors} add up to its {voltage(document['voltage_V'])} V (integrated "
        "gradients); lines are the spread between the networks. This is what the network uses, not what "
        "causes the voltage.",
        plot=plot,
    )


def explained_candidates(sources: ReportSources) -> list[tuple[str, str, Mapping[str, Any]]]:
    """Formula, material_id and contributions, best candidate first; controls last."""
    return [
        (formula, material_id, sources.contributions[material_id])
        for formula, material_id in _in_order(sources)
        if material_id in sources.contributions
    ]


def msd(sources: ReportSources) -> Figure | None:
    """Mean squared displacement of the working ions and of the host, per candidate and temperature."""
    if not sources.msd:
        return None
    plot = canvas("Time (ps)", "MSD (Å²)")
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


def validation_parity(sources: ReportSources) -> Figure | None:
    """Computed against predicted voltage of the finalists, by tier."""
    rows = sources.validation_summary
    if rows is None or rows["computed_voltage_V"].notna().sum() == 0:
        return None
    rows = rows[rows["computed_voltage_V"].notna()]
    plot = canvas("Predicted voltage (V)", "Computed voltage (V)")
    both = np.concatenate([rows["predicted_voltage_V"], rows["computed_voltage_V"]])
    diagonal(plot, float(np.floor(both.min())), float(np.ceil(both.max())))
    for (name, of_tier), colour, symbol in zip(
        rows.groupby("tier", sort=False), cycle(SERIES), cycle(("circle", "diamond", "square")), strict=False
    ):
        collapsed = of_tier["framework_collapsed"].eq(True)
        plot.add_scatter(
            x=of_tier["predicted_voltage_V"].round(4).tolist(),
            y=of_tier["computed_voltage_V"].round(4).tolist(),
            mode="markers",
            name=f"{html.escape(tier(str(name)))} ({len(of_tier)})",
            marker={
                "color": colour,
                "symbol": [f"{symbol}-open" if lost else symbol for lost in collapsed],
                "size": 10,
            },
            text=[html.escape(text) for text in of_tier["formula"]],
            hovertemplate="%{text}: predicted %{x:.2f} V, computed %{y:.2f} V<extra></extra>",
        )
    return Figure(
        name="validation-parity",
        title="Computed against predicted voltage",
        alternative=f"Parity plot of {len(rows)} computed voltages against the voltage model's, by tier.",
        caption="Open symbols: the host is no longer the same crystal once its ions are gone. On the line, "
        "both agree.",
        plot=plot,
    )


def arrhenius(sources: ReportSources) -> Figure | None:
    """Diffusivity against inverse temperature, with the fitted line, its band, and 300 K."""
    drawn = [
        (formula, material_id, sources.transport[material_id]["temperatures"])
        for formula, material_id in _in_order(sources)
        if len(sources.transport.get(material_id, {}).get("temperatures") or []) > 1
    ]
    drawn = [entry for entry in drawn if of_kind(entry[2], "value") or of_kind(entry[2], "upper_bound")]
    if not drawn:
        return None
    plot = canvas("1000 K / T", "Diffusivity of the ions (cm²/s)")
    for index, (colour, (formula, material_id, temperatures)) in enumerate(
        zip(cycle(SERIES), drawn, strict=False)
    ):
        name = html.escape(f"{formula} ({material_id})")
        shared = {
            "legendgroup": name,
            "visible": True if index < ARRHENIUS_SHOWN else "legendonly",
            "hovertemplate": name + "<br>%{customdata:.0f} K: %{y:.2g} cm²/s<extra></extra>",
        }
        fit = line_through(temperatures)
        if fit is not None:
            coldest_K = min(entry["temperature_K"] for entry in of_kind(temperatures, "value"))
            hottest_K = max(entry["temperature_K"] for entry in temperatures)
            for trace in _arrhenius_line(fit, hottest_K, coldest_K, colour):
                plot.add_scatter(**trace, **shared, showlegend=False)
        for trace in _arrhenius_points(temperatures, colour):
            plot.add_scatter(**trace, **shared, name=name)
    _line(plot, x=1000 / ROOM_TEMPERATURE_K)
    plot.add_annotation(
        x=1000 / ROOM_TEMPERATURE_K, y=0, yref="paper", text="300 K", showarrow=False,
        xanchor="right", xshift=-4, yanchor="bottom",
    )  # fmt: skip
    plot.update_yaxes(type="log", exponentformat="power", dtick=1)
    return Figure(
        name="arrhenius",
        title="From hot runs to room temperature",
        alternative=f"Arrhenius plot of {len(drawn)} materials: diffusivity against inverse temperature.",
        caption="Points are runs with their 95 % intervals, open triangles upper bounds (95 %). Lines are "
        "fits where three temperatures have a value, bands their 95 % intervals; dashed is extrapolated, as "
        "if nothing but the barrier acted down there.",
        plot=plot,
    )


def _arrhenius_line(
    fit: ArrheniusFit, hottest_K: float, coldest_K: float, colour: str
) -> list[dict[str, Any]]:
    """Band, line within the fitted range, and line below it."""
    inverse = np.linspace(1000 / hottest_K, 1000 / ROOM_TEMPERATURE_K, 40)
    inverse = np.unique([*inverse, 1000 / coldest_K])
    estimates = [fit.diffusivity_cm2_per_s(1000 / x) for x in inverse]

    def trace(chosen: np.ndarray, values: Sequence[float], **style: Any) -> dict[str, Any]:
        return {
            "x": [float(f"{x:.5g}") for x in inverse[chosen]],
            "y": [float(f"{values[index]:.4g}") for index in np.flatnonzero(chosen).tolist()],
            "customdata": [round(1000 / x, 1) for x in inverse[chosen]],
            "mode": "lines",
            **style,
        }

    everywhere, fitted = np.full(inverse.size, True), inverse <= 1000 / coldest_K
    edge = {"color": colour, "width": 0}
    middle = [estimate.value for estimate in estimates]
    return [
        trace(everywhere, [estimate.low for estimate in estimates], line=edge),
        trace(
            everywhere,
            [estimate.high for estimate in estimates],
            line=edge,
            fill="tonexty",
            fillcolor=transparent(colour, 0.16),
        ),
        trace(fitted, middle, line={"color": colour, "width": 2}),
        trace(inverse >= 1000 / coldest_K, middle, line={"color": colour, "width": 1.5, "dash": "dash"}),
    ]


def _arrhenius_points(temperatures: Sequence[Mapping[str, Any]], colour: str) -> list[dict[str, Any]]:
    """Values with intervals and bounds; the first of them names the material in the legend."""
    values, bounds = of_kind(temperatures, "value"), of_kind(temperatures, "upper_bound")
    traces: list[dict[str, Any]] = []
    if values:
        middle = [entry["diffusivity_cm2_per_s"] for entry in values]
        traces.append(
            {
                "x": [1000 / entry["temperature_K"] for entry in values],
                "y": middle,
                "error_y": {
                    "type": "data",
                    "symmetric": False,
                    "array": [e["diffusivity_high_cm2_per_s"] - e["diffusivity_cm2_per_s"] for e in values],
                    "arrayminus": [
                        e["diffusivity_cm2_per_s"] - e["diffusivity_low_cm2_per_s"] for e in values
                    ],
                    "thickness": 1.5,
                    "width": 4,
                },
                "marker": {"color": colour, "size": 8},
                "customdata": [entry["temperature_K"] for entry in values],
            }
        )
    if bounds:
        highest = [entry["diffusivity_high_cm2_per_s"] for entry in bounds]
        traces.append(
            {
                "x": [1000 / entry["temperature_K"] for entry in bounds],
                "y": highest,
                # A bar downwards over half a decade: the bound's arrow, whatever the axis shows.
                "error_y": {
                    "type": "data",
                    "symmetric": False,
                    "array": [0.0] * len(bounds),
                    "arrayminus": [value * (1 - 10**-0.5) for value in highest],
                    "thickness": 1.5,
                    "width": 0,
                },
                "marker": {"color": colour, "size": 10, "symbol": "triangle-down-open", "line": {"width": 2}},
                "customdata": [entry["temperature_K"] for entry in bounds],
            }
        )
    return [{"mode": "markers", "showlegend": place == 0, **trace} for place, trace in enumerate(traces)]


def force_parity(sources: ReportSources) -> Figure | None:
    """Forces of each candidate's potential against its labels, on held-out frames."""
    panels = _parity_panels(sources)
    if not panels:
        return None
    columns = min(3, len(panels))
    rows = math.ceil(len(panels) / columns)
    plot = make_subplots(
        rows, columns, subplot_titles=[title for title, _ in panels], horizontal_spacing=0.08,
        vertical_spacing=0.16 if rows > 1 else 0.0,
    )  # fmt: skip
    plot.update_layout(canvas("", "").layout, margin={"l": 60, "r": 12, "t": 34, "b": 60})
    plot.update_layout(legend_itemsizing="constant")
    tables = [table for _, table in panels]
    by = "kind" if len({kind for table in tables for kind in table["kind"]}) > 1 else "element"
    groups = sorted({group for table in tables for group in table[by]})
    styles = dict(zip(groups, zip(cycle(SERIES), cycle(SYMBOLS), strict=False), strict=False))
    named: set[str] = set()
    for place, table in enumerate(tables):
        cell = {"row": 1 + place // columns, "col": 1 + place % columns}
        reach = 1.05 * float(table[["force_eV_per_A", "predicted_force_eV_per_A"]].abs().to_numpy().max())
        diagonal(plot, -reach, reach, **cell)
        for group, (colour, symbol) in styles.items():
            of_group = table[table[by] == group]
            if of_group.empty:
                continue
            plot.add_scatter(
                x=of_group["force_eV_per_A"].round(3).tolist(),
                y=of_group["predicted_force_eV_per_A"].round(3).tolist(),
                mode="markers",
                name=html.escape(group),
                legendgroup=group,
                showlegend=group not in named,
                marker={"color": colour, "symbol": symbol, "size": 4, "opacity": 0.55},
                hovertemplate=html.escape(group) + ": %{x:.2f}, predicted %{y:.2f} eV/Å<extra></extra>",
                **cell,
            )
            named.add(group)
        plot.update_xaxes(range=[-reach, reach], **cell)
        plot.update_yaxes(range=[-reach, reach], **cell)
    plot.update_xaxes(title={"text": "label (eV/Å)", "standoff": 4}, row=rows, zeroline=False)
    plot.update_yaxes(title={"text": "potential (eV/Å)", "standoff": 4}, col=1, zeroline=False)
    return Figure(
        name="forces" if rows == 1 else "forces-rows",
        title="Potential against its labels",
        alternative=f"Parity plots of force components of {len(panels)} potentials on held-out frames.",
        caption=f"Force components on trajectories that training did not see, by {by}. On the line, both "
        "agree; a cloud that lies flatter than the line is a soft potential.",
        plot=plot,
    )


def _parity_panels(sources: ReportSources) -> list[tuple[str, pd.DataFrame]]:
    """Title and forces of each potential, best candidate first."""
    shared = sources.force_parity.get(SHARED_POTENTIAL)
    if shared is not None:
        return [("all candidates", shared)] if not shared.empty else []
    return [
        (html.escape(formula), sources.force_parity[material_id])
        for formula, material_id in _in_order(sources)
        if not sources.force_parity.get(material_id, pd.DataFrame()).empty
    ][:PARITY_PANELS]


def _in_order(sources: ReportSources) -> list[tuple[str, str]]:
    """Formula and material_id, best candidate first; controls last."""
    table = sources.ranked if sources.ranked is not None else sources.shortlist
    if table is None:
        return []
    ordered = table.sort_values("role", kind="stable")
    return list(zip(ordered["formula"], ordered["material_id"], strict=True))


def transparent(colour: str, opacity: float) -> str:
    """A colour of this module that what lies below shines through."""
    red, green, blue = (int(colour[start : start + 2], 16) for start in (1, 3, 5))
    return f"rgba({red},{green},{blue},{opacity})"


def canvas(x_title: str, y_title: str) -> go.Figure:
    """An empty plot in the page's style."""
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


def diagonal(plot: go.Figure, low: float, high: float, **cell: int) -> None:
    """The line on which both axes agree, in the subplot at ``row`` and ``col``."""
    ends = [low, high]
    plot.add_scatter(
        x=ends, y=ends, mode="lines", line={"color": GREY, "width": 1}, showlegend=False,
        hoverinfo="skip", **cell,
    )  # fmt: skip


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
