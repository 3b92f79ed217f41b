"""Figures of discharge curves: what a model says, its spread, and where it extrapolates.

Bands and bars are the standard deviation over the members of the ensemble. What lies outside the training
ranges is drawn dotted, or with open or crossed symbols.
"""

import html
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from ionsieve.report import wording
from ionsieve.report.discharge_sources import DischargeSources
from ionsieve.report.figures import (
    BLUE,
    GREY,
    ORANGE,
    PURPLE,
    SERIES,
    VERMILLION,
    Figure,
    canvas,
    transparent,
)

SYMBOLS = ("circle", "square", "diamond", "triangle-up", "cross", "star")
DASHES = ("solid", "dash", "dashdot", "longdash", "longdashdot", "5px")
EXTRAPOLATED = "Outside the training ranges: "
# Method of a forecast, with its name, colour and dash; what else was tried is in the table.
FORECAST_STYLE = {
    "persistence": ("same as the last cycle", GREY, "dash"),
    "linear_fade": ("straight line", ORANGE, "dot"),
    "published": ("network, published", PURPLE, "dashdot"),
    "ionsieve": ("network, ionsieve", BLUE, "longdash"),
    "selected": ("chosen by earlier cycles", VERMILLION, "solid"),
}
TESTS_DRAWN = 3


def figures(sources: DischargeSources) -> list[Figure | None]:
    """All figures of the section, in its order."""
    return [
        profiles(sources),
        slopes(sources),
        cycles(sources),
        lithium_manganese_map(sources),
        rates(sources),
        high_entropy(sources),
        errors(sources),
        forecast(sources),
    ]


def profiles(sources: DischargeSources) -> Figure | None:
    """Voltage against capacity, by rate, one panel per composition."""
    rows = sources.profiles
    if rows is None or rows.empty:
        return None
    plot = _panels(rows, "Capacity (mAh/g)", "Voltage (V)")
    for column, curve, colour, dash, name, shown in _curves(rows):
        x, y = curve["capacity_mAh_per_g"], curve["voltage_V"]
        _band(plot, x, y, curve["capacity_std_mAh_per_g"], colour, column)
        _line(plot, x, y, name, colour, dash, shown, column, "%{x:.0f} mAh/g at %{y:.2f} V")
    return Figure(
        name="discharge-profiles",
        title="First discharge, by rate",
        alternative="Predicted voltage against capacity at each rate, one panel per composition.",
        caption=f"{_window(rows)} Bands: standard deviation over the ensemble's members. {_dotted(rows)}",
        plot=plot,
    )


def slopes(sources: DischargeSources) -> Figure | None:
    """-dQ/dV against voltage, by rate, one panel per composition."""
    rows = sources.profiles
    if rows is None or rows.empty:
        return None
    plot = _panels(rows, "Voltage (V)", "−dQ/dV (mAh/g/V)")
    for column, curve, colour, dash, name, shown in _curves(rows):
        y = -curve["dq_dv_mAh_per_g_per_V"]
        _line(plot, curve["voltage_V"], y, name, colour, dash, shown, column, "%{y:.0f} at %{x:.2f} V")
    return Figure(
        name="discharge-slopes",
        title="Where the capacity lies",
        alternative="Predicted dQ/dV against voltage at each rate, one panel per composition.",
        caption=f"The derivative of the same curves, by automatic differentiation. {_dotted(rows)}",
        plot=plot,
    )


def cycles(sources: DischargeSources) -> Figure | None:
    """Capacity against cycle, by composition."""
    rows = _shown(sources, "cycle")
    if rows is None:
        return None
    plot = canvas("Cycle", "Capacity (mAh/g)")
    for (composition, of_composition), colour, symbol in zip(
        rows.groupby("composition", sort=False), SERIES, SYMBOLS, strict=False
    ):
        x, y = of_composition["cycle"], of_composition["capacity_mAh_per_g"]
        _band(plot, y, x, of_composition["capacity_std_mAh_per_g"], colour, vertical=True)
        outside = (of_composition["extrapolation"] != "").tolist()
        plot.add_scatter(
            x=x.tolist(),
            y=y.round(2).tolist(),
            mode="lines+markers",
            name=_formula(str(composition)),
            line={"color": colour, "width": 1.5},
            marker={
                "color": colour,
                "symbol": _open_outside(symbol, outside),
                "size": 6,
            },
            hovertemplate="cycle %{x}: %{y:.0f} mAh/g<extra></extra>",
        )
    plot.update_yaxes(rangemode="tozero")
    return Figure(
        name="discharge-cycles",
        title="Capacity against cycle",
        alternative="Predicted capacity against cycle for each composition.",
        caption=f"{_window(rows)} {rows['rate_mA_per_g'].iloc[0]:g} mA/g. Bands: standard deviation over the"
        f" ensemble's members. {_open(rows)}",
        plot=plot,
    )


def lithium_manganese_map(sources: DischargeSources) -> Figure | None:
    """Capacity over Li and F in Li-Mn-O-F, at the first and the last cycle."""
    rows = _shown(sources, "map")
    if rows is None:
        return None
    amounts = rows["composition"].map(_amounts)
    rows = rows.assign(
        lithium=[found["Li"] for found in amounts], fluorine=[found.get("F", 0.0) for found in amounts]
    )
    numbers = sorted(rows["cycle"].unique())
    plot = make_subplots(
        1, len(numbers), subplot_titles=[f"cycle {number}" for number in numbers], shared_yaxes=True,
        horizontal_spacing=0.06,
    )  # fmt: skip
    plot.update_layout(canvas("", "").layout, margin={"l": 60, "r": 12, "t": 36, "b": 50})
    plot.update_layout(coloraxis={"colorscale": "Viridis", "colorbar": {"title": {"text": "mAh/g"}}})
    for column, number in enumerate(numbers, start=1):
        of_cycle = rows[rows["cycle"] == number]
        grid = of_cycle.pivot_table(index="lithium", columns="fluorine", values="capacity_mAh_per_g")
        names = of_cycle.pivot_table(
            index="lithium", columns="fluorine", values="composition", aggfunc="first"
        )
        plot.add_heatmap(
            x=grid.columns.tolist(),
            y=grid.index.tolist(),
            z=_listed(grid.round(1)),
            text=_listed(names.map(_formula, na_action="ignore")),
            coloraxis="coloraxis",
            hovertemplate="%{text}: %{z:.0f} mAh/g<extra></extra>",
            row=1,
            col=column,
        )
        outside = of_cycle[of_cycle["extrapolation"] != ""]
        plot.add_scatter(
            x=outside["fluorine"].tolist(), y=outside["lithium"].tolist(), mode="markers", hoverinfo="skip",
            marker={"symbol": "x-thin", "size": 6, "line": {"color": "#ffffff", "width": 1.2}},
            showlegend=False, row=1, col=column,
        )  # fmt: skip
        plot.update_xaxes(title={"text": "F per two anions", "standoff": 8}, row=1, col=column)
    plot.update_yaxes(title={"text": "Li per two anions"}, row=1, col=1)
    n_outside = int((rows["extrapolation"] != "").sum())
    crossed = f" {EXTRAPOLATED}{n_outside} of {len(rows)}, crossed." if n_outside else ""
    first = rows.iloc[0]
    return Figure(
        name="discharge-map",
        title="Li-Mn-O-F",
        alternative="Maps of predicted capacity over lithium and fluorine content, first and last cycle.",
        caption=f"Charge-balanced rocksalts, manganese between 2+ and 4+, {first['rate_mA_per_g']:g} mA/g,"
        f" {first['voltage_low_V']:g} to {first['voltage_high_V']:g} V; the top of the edge without F is"
        f" Li1.333Mn0.667O2.{crossed}",
        plot=plot,
    )


def rates(sources: DischargeSources) -> Figure | None:
    """Capacity of the two high-entropy compositions against the rate, by window."""
    from ionsieve.discharge.predictions import HIGH_ENTROPY

    rows = _shown(sources, "rate")
    if rows is None:
        return None
    plot = make_subplots(
        1, len(HIGH_ENTROPY), subplot_titles=list(HIGH_ENTROPY), shared_yaxes=True, horizontal_spacing=0.05
    )
    plot.update_layout(canvas("", "").layout, margin={"l": 60, "r": 12, "t": 36, "b": 70})
    for column, formula in enumerate(HIGH_ENTROPY.values(), start=1):
        windows = rows[rows["composition"] == formula].groupby(["voltage_low_V", "voltage_high_V"])
        for (window, of_window), colour, symbol in zip(windows, SERIES, SYMBOLS, strict=False):
            outside = (of_window["extrapolation"] != "").tolist()
            name = f"{window[0]:.1f} to {window[1]:.1f} V"
            plot.add_scatter(
                x=of_window["rate_mA_per_g"].tolist(),
                y=of_window["capacity_mAh_per_g"].round(2).tolist(),
                error_y=_error_bars(of_window, colour),
                mode="lines+markers",
                name=name,
                legendgroup=name,
                showlegend=column == 1,
                line={"color": colour, "width": 1.5},
                marker={
                    "color": colour,
                    "symbol": _open_outside(symbol, outside),
                    "size": 8,
                },
                hovertemplate=f"{name}: %{{y:.0f}} mAh/g at %{{x:g}} mA/g<extra></extra>",
                row=1,
                col=column,
            )
        plot.update_xaxes(
            type="log", dtick=1, title={"text": "Rate (mA/g)", "standoff": 8}, row=1, col=column
        )
    plot.update_yaxes(title={"text": "Capacity (mAh/g)"}, rangemode="tozero", row=1, col=1)
    named = "; ".join(f"{name} is {formula}" for name, formula in HIGH_ENTROPY.items())
    return Figure(
        name="discharge-rates",
        title="Two high-entropy compositions",
        alternative="Predicted capacity of HE-1 and HE-2 against rate, in three voltage windows.",
        caption=f"{named}. First cycle; bars: standard deviation over members. {_open(rows)}",
        plot=plot,
    )


def high_entropy(sources: DischargeSources) -> Figure | None:
    """Capacity of the enumerated compositions by number of metals."""
    rows = sources.high_entropy
    if rows is None or rows.empty:
        return None
    plot = canvas("Metals", "Capacity (mAh/g)")
    for (number, of_number), colour, symbol in zip(rows.groupby("n_metals"), SERIES, SYMBOLS, strict=False):
        # Spread over the width by a sequence without a pattern, the same in every report.
        spread = (np.arange(len(of_number)) * 0.6180339887) % 1.0
        outside = (of_number["extrapolation"] != "").tolist()
        plot.add_scatter(
            x=(int(str(number)) + 0.7 * (spread - 0.5)).round(3).tolist(),
            y=of_number["capacity_mAh_per_g"].round(1).tolist(),
            mode="markers",
            name=f"{number} metals ({len(of_number):,})",
            marker={
                "color": colour,
                "symbol": _open_outside(symbol, outside),
                "size": 5,
                "opacity": 0.7,
            },
            text=of_number["composition"].map(_formula).tolist(),
            hovertemplate="%{text}: %{y:.0f} mAh/g<extra></extra>",
        )
    plot.update_xaxes(dtick=1)
    asked = sources.summary or {}
    rate = f"{asked['rate_mA_per_g']:g} mA/g, {_span(asked['window_V'])}." if asked else ""
    return Figure(
        name="discharge-high-entropy",
        title="Charge-balanced high-entropy compositions",
        alternative=f"Predicted capacity of {len(rows)} compositions by number of metals.",
        caption="Li1.2M0.8O1.8F0.2 with Mn, Fe, Ni, Mg (2+), Mn, Cr, V, Fe (3+), Ti (4+) and Nb (5+) whose"
        f" charges balance. {rate} First cycle. {_open(rows)}",
        plot=plot,
    )


def errors(sources: DischargeSources) -> Figure | None:
    """Error of the capacity against the cycle, and against the ensemble's spread."""
    if sources.evaluation is None:
        return None
    from ionsieve.discharge.splits import PROTOCOLS

    groups = [
        (f"{protocol}: {group}", found)
        for protocol in PROTOCOLS
        for group, found in sources.evaluation["protocols"][protocol].get("groups", {}).items()
    ]
    if not groups:
        return None
    plot = make_subplots(1, 2, shared_yaxes=True, horizontal_spacing=0.06)
    plot.update_layout(canvas("", "").layout, margin={"l": 60, "r": 12, "t": 12, "b": 80})
    for (name, found), colour, symbol in zip(groups, SERIES, SYMBOLS, strict=False):
        for column, key in ((1, "by_cycle"), (2, "by_sigma")):
            rows = [row for row in found[key] if row["quantity"] == "capacity_mAh_per_g"]
            x = [
                (row["first_cycle"] + row["last_cycle"]) / 2 if key == "by_cycle" else row["sigma"]
                for row in rows
            ]
            plot.add_scatter(
                x=x,
                y=[row["mae"] for row in rows],
                mode="lines+markers",
                name=html.escape(name),
                legendgroup=name,
                showlegend=column == 1,
                line={"color": colour},
                marker={"color": colour, "symbol": symbol, "size": 7},
                hovertemplate=f"{html.escape(name)}: %{{y:.1f}} mAh/g<extra></extra>",
                row=1,
                col=column,
            )
    plot.update_xaxes(title={"text": "Cycle", "standoff": 8}, row=1, col=1)
    plot.update_xaxes(title={"text": "Spread of the members (mAh/g)", "standoff": 8}, row=1, col=2)
    plot.update_yaxes(title={"text": "MAE of the capacity (mAh/g)"}, rangemode="tozero", row=1, col=1)
    return Figure(
        name="discharge-errors",
        title="Errors against cycle and spread",
        alternative="Mean absolute error of the capacity against cycle and against the ensemble's spread.",
        caption="Of tests that the members never saw. A spread that means something rises with the error.",
        plot=plot,
    )


def forecast(sources: DischargeSources) -> Figure | None:
    """Error of the rolling forecasts against how far ahead they look."""
    tests = ((sources.forecast or {}).get("tests") or [])[:TESTS_DRAWN]
    if not tests:
        return None
    plot = make_subplots(
        1,
        len(tests),
        subplot_titles=[html.escape(test["test_id"]) for test in tests],
        horizontal_spacing=0.06,
    )
    plot.update_layout(canvas("", "").layout, margin={"l": 60, "r": 12, "t": 36, "b": 80})
    for column, test in enumerate(tests, start=1):
        for method, (name, colour, dash) in FORECAST_STYLE.items():
            rows = [row for row in test["by_horizon"] if row.get(method) is not None]
            plot.add_scatter(
                x=[row["horizon"] for row in rows],
                y=[row[method] for row in rows],
                mode="lines+markers",
                name=name,
                legendgroup=method,
                showlegend=column == 1,
                line={"color": colour, "dash": dash},
                marker={"color": colour, "size": 5},
                hovertemplate=f"{name}: %{{y:.2f}} mAh/g, %{{x}} cycles ahead<extra></extra>",
                row=1,
                col=column,
            )
        plot.update_xaxes(title={"text": "Cycles ahead", "standoff": 8}, row=1, col=column)
    plot.update_yaxes(type="log", exponentformat="none")
    plot.update_yaxes(title={"text": "MAE of the curve (mAh/g)"}, row=1, col=1)
    return Figure(
        name="discharge-forecast",
        title="Later cycles from earlier ones",
        alternative="Error of forecasts against how many cycles ahead they look, by method.",
        caption="Trained on the cycles up to one, asked for the later ones; the mean over all such starts.",
        plot=plot,
    )


def _panels(rows: pd.DataFrame, x_title: str, y_title: str) -> go.Figure:
    """One panel per composition, beside each other."""
    names = rows["composition"].drop_duplicates().tolist()
    plot = make_subplots(
        1, len(names), subplot_titles=[_formula(name) for name in names], shared_yaxes=True,
        horizontal_spacing=0.04,
    )  # fmt: skip
    plot.update_layout(canvas("", "").layout, margin={"l": 60, "r": 12, "t": 36, "b": 70})
    for column in range(1, len(names) + 1):
        plot.update_xaxes(title={"text": x_title, "standoff": 8}, row=1, col=column)
    plot.update_yaxes(title={"text": y_title}, row=1, col=1)
    return plot


def _curves(rows: pd.DataFrame) -> Iterator[tuple[int, pd.DataFrame, str, str, str, bool]]:
    """Panel, curve, colour, dash, name and whether the legend shows it, of each composition and rate."""
    named: set[float] = set()
    for column, (_, of_composition) in enumerate(rows.groupby("composition", sort=False), start=1):
        curves = of_composition.groupby("rate_mA_per_g", sort=False)
        for (rate, curve), colour, dash in zip(curves, SERIES, DASHES, strict=False):
            outside = bool((curve["extrapolation"] != "").any())
            yield column, curve, colour, "dot" if outside else dash, f"{rate:g} mA/g", rate not in named
            named.add(float(rate))  # type: ignore[arg-type]


def _line(
    plot: go.Figure, x: pd.Series, y: pd.Series, name: str, colour: str, dash: str, shown: bool, column: int,
    hover: str,
) -> None:  # fmt: skip
    plot.add_scatter(
        x=x.round(3).tolist(), y=y.round(3).tolist(), mode="lines", name=name, legendgroup=name,
        showlegend=shown, line={"color": colour, "dash": dash, "width": 2},
        hovertemplate=f"{name}: {hover}<extra></extra>", row=1, col=column,
    )  # fmt: skip


def _band(
    plot: go.Figure, capacity: pd.Series, other: pd.Series, spread: pd.Series, colour: str,
    column: int | None = None, *, vertical: bool = False,
) -> None:  # fmt: skip
    """One standard deviation around a curve; none of a single member."""
    if spread.isna().all():
        return
    around = [*(capacity + spread).round(2), *(capacity - spread).clip(lower=0.0).round(2)[::-1]]
    along = [*other.round(3), *other.round(3)[::-1]]
    cell = {} if column is None else {"row": 1, "col": column}
    plot.add_scatter(
        x=along if vertical else around, y=around if vertical else along, mode="lines", fill="toself",
        fillcolor=transparent(colour, 0.15), line={"width": 0}, hoverinfo="skip", showlegend=False, **cell,
    )  # fmt: skip


def _error_bars(rows: pd.DataFrame, colour: str) -> dict[str, Any] | None:
    spread = rows["capacity_std_mAh_per_g"]
    if spread.isna().all():
        return None
    return {"type": "data", "array": spread.round(2).tolist(), "color": colour, "thickness": 1, "width": 3}


def _shown(sources: DischargeSources, figure: str) -> pd.DataFrame | None:
    if sources.capacities is None:
        return None
    rows = sources.capacities[sources.capacities["shown"] == figure]
    return None if rows.empty else rows


def _window(rows: pd.DataFrame) -> str:
    return f"{_span(rows[['voltage_low_V', 'voltage_high_V']].iloc[0])}."


def _span(window_V: Iterable[float]) -> str:
    return f"{' to '.join(f'{voltage_V:g}' for voltage_V in window_V)} V"


def _dotted(rows: pd.DataFrame) -> str:
    return _told(rows, "dotted")


def _open(rows: pd.DataFrame) -> str:
    return _told(rows, "open symbols")


def _told(rows: pd.DataFrame, sign: str) -> str:
    """What of a figure extrapolates, and how that shows."""
    keys = [name for name in ("composition", "rate_mA_per_g", "cycle", "voltage_high_V") if name in rows]
    conditions = rows.drop_duplicates(keys)
    count = int((conditions["extrapolation"] != "").sum())
    return f"{EXTRAPOLATED}{count} of {len(conditions)} predictions, {sign}." if count else ""


def _amounts(formula: str) -> Mapping[str, float]:
    return {symbol: float(amount or 1) for symbol, amount in re.findall(r"([A-Z][a-z]?)([\d.]*)", formula)}


def _formula(text: str) -> str:
    return str(wording.formula(text))


def _open_outside(symbol: str, outside: Sequence[bool]) -> list[str]:
    """A symbol per point, open where it extrapolates."""
    return [f"{symbol}-open" if beyond else symbol for beyond in outside]


def _listed(grid: pd.DataFrame) -> list[list[Any]]:
    """A grid as lists, None where there is nothing."""
    return grid.astype(object).where(grid.notna(), None).to_numpy().tolist()
