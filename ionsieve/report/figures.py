"""What all figures share: Plotly JSON without any theme, since the page colours text and grid itself.

Colours are Okabe and Ito's (https://jfly.uni-koeln.de/color/), told apart with every common colour vision;
the light ones are darkened, so that each has a contrast of 3 to 1 with light and with dark panels. Symbols or
dashes repeat what colours say.
"""

import html
from dataclasses import dataclass

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from ionsieve.report.sources import ReportSources

BLUE, SKY, GREEN, ORANGE = "#0072B2", "#3292CC", "#009E73", "#BD8200"
VERMILLION, PURPLE, OLIVE, GREY = "#D55E00", "#CC79A7", "#958D00", "#8a8f98"
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
    "Al": (OLIVE, "pentagon"),
    "Y": (GREY, "star"),
}
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


POINTS_SHOWN = 4000


def evenly(rows: pd.DataFrame, at_most: int) -> pd.DataFrame:
    """At most so many rows, evenly spaced: what a plot can draw without becoming slow."""
    if len(rows) <= at_most:
        return rows
    return rows.iloc[np.linspace(0, len(rows) - 1, at_most).round().astype(int)]


def by_ion(plot: go.Figure, rows: pd.DataFrame, x: str, y: str, hover: str) -> None:
    """One column of held-out electrodes against another, in the colour and shape of their ion."""
    # The commonest ion first, so that rare ones are drawn on top.
    for ion in rows["working_ion"].value_counts().index:
        of_ion = rows[rows["working_ion"] == ion]
        n_rows = len(of_ion)
        of_ion = evenly(of_ion, max(100, round(POINTS_SHOWN * n_rows / len(rows))))
        colour, symbol = ION_STYLE.get(ion, (GREY, "circle"))
        plot.add_scatter(
            x=of_ion[x].round(4).tolist(),
            y=of_ion[y].round(4).tolist(),
            mode="markers",
            name=f"{html.escape(str(ion))} ({n_rows})",
            marker={"color": colour, "symbol": symbol, "size": 6, "opacity": 0.75},
            text=[html.escape(text) for text in of_ion["framework"]],
            hovertemplate=hover,
        )


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


def line(plot: go.Figure, x: float | None = None, y: float | None = None) -> None:
    """A dashed line across the plot, at x or y; none where both are None."""
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


def threshold(sources: ReportSources, section: str, key: str) -> float | None:
    """A threshold of the configuration."""
    return ((sources.config or {}).get(section) or {}).get(key)
