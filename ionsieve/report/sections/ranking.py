"""The ranked table, and what all that passed the sieve looks like beside it."""

import html
import math
from collections.abc import Mapping
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from ionsieve import tables
from ionsieve.report import wording
from ionsieve.report.figures import BLUE, GREY, PURPLE, VERMILLION, Figure, canvas, line, threshold
from ionsieve.report.section import Section
from ionsieve.report.sources import ReportSources
from ionsieve.report.wording import DASH, conductivity, number, voltage

# Of those that passed the sieve and had no MD, the plot shows the best.
UNRANKED_SHOWN = 600


def section(sources: ReportSources) -> Section:
    """The ranked table with its bubble plot."""
    rows = _ranked_rows(sources)
    return Section(
        name="ranking",
        anchor="ranking",
        title="Ranking",
        context={
            "ranked": rows,
            "statuses": sorted({row["md_status"] for row in rows or ()}),
            "flags": sorted({flag for row in rows or () for flag in row["flags"]} - {"control"}),
            "sources_shown": sorted({row["source"] for row in rows or ()}),
            "temperature": _highest_temperature(sources),
            "coverage": (sources.metrics or {}).get("interval"),
        },
        figures=[bubble(sources)],
    )


def _ranked_rows(sources: ReportSources) -> list[dict[str, Any]] | None:
    """One row of the ranked table per candidate; None where there is no ranking."""
    if sources.ranked is None:
        return None
    return [ranked_row(row) for row in sources.ranked.to_dict("records")]


def ranked_row(row: Mapping[Any, Any]) -> dict[str, Any]:
    """Cells of one candidate, beside the columns they are made from."""
    bound = row["conductivity_kind"] == "upper_bound"
    return {
        **row,
        "rank": None if pd.isna(row["rank"]) else int(row["rank"]),
        "label": _label(row),
        "voltage_interval": wording.interval(row["voltage_low_V"], row["voltage_high_V"], wording.voltage),
        "composition_interval": wording.interval(
            row["composition_voltage_low_V"], row["composition_voltage_high_V"], wording.voltage
        ),
        "conductivity": wording.conductivity(row),
        "conductivity_interval": ""
        if bound
        else wording.interval(
            row["conductivity_low_mS_per_cm"],
            row["conductivity_high_mS_per_cm"],
            lambda value: wording.number(value, 2),
        ),
        # A bound sorts below every value of its size.
        "conductivity_sort": row["conductivity_high_mS_per_cm"] / 1e6
        if bound
        else row["conductivity_mS_per_cm"],
        "flags": [flag for flag in row["flags"].split(";") if flag],
        "reason": "" if row["md_reason"] is None or pd.isna(row["md_reason"]) else row["md_reason"],
    }


def _label(row: Mapping[Any, Any]) -> str:
    if row["label_kind"] is None or pd.isna(row["label_kind"]):
        return "prediction"
    return f"{wording.voltage(row['label_voltage_V'])} V, {row['label_kind']}"


def _highest_temperature(sources: ReportSources) -> float | None:
    temperatures = ((sources.config or {}).get("transport") or {}).get("temperatures_K")
    return max(temperatures) if temperatures else None


def bubble(sources: ReportSources) -> Figure | None:
    """Voltage against volumetric capacity of all that passed; conductivity as size."""
    if sources.screened is None or sources.screened.empty:
        return None
    plot = canvas("Predicted voltage (V)", "Volumetric capacity (Ah/L)")
    measured = sources.ranked if sources.ranked is not None else pd.DataFrame(columns=tables.RANKED.names)
    rest = sources.screened[~sources.screened["material_id"].isin(measured["material_id"])]
    n_rest = len(rest)
    rest = rest.sort_values("screen_score", ascending=False, kind="stable").head(UNRANKED_SHOWN)
    if not rest.empty:
        plot.add_scatter(
            x=rest["voltage_V"].tolist(),
            y=rest["capacity_vol_Ah_per_L"].tolist(),
            mode="markers",
            name="passed, no MD" if n_rest == len(rest) else f"best {len(rest)} of {n_rest} without MD",
            marker={"color": GREY, "size": 7, "symbol": "circle-open"},
            text=[_hover(row) for row in rest.to_dict("records")],
            hovertemplate="%{text}<extra></extra>",
        )
    limit_mS_per_cm = threshold(sources, "transport", "min_conductivity_mS_per_cm") or 0.0
    for name, colour, rows in _bubble_groups(measured, limit_mS_per_cm):
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


def _bubble_groups(measured: pd.DataFrame, limit_mS_per_cm: float) -> list[tuple[str, str, pd.DataFrame]]:
    """Name, colour and rows of the candidates above the limit, below it, and without a value."""
    value = measured["conductivity_mS_per_cm"]
    limit = f"{number(limit_mS_per_cm)} mS/cm"
    groups = [
        (f"≥ {limit}", VERMILLION, measured[value >= limit_mS_per_cm]),
        (f"< {limit}", BLUE, measured[value < limit_mS_per_cm]),
        ("bound or no result", PURPLE, measured[value.isna()]),
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
    line(plot, x=threshold(sources, "screen", "min_voltage_V"))
    line(plot, y=threshold(sources, "screen", "min_capacity_vol_Ah_per_L"))
