"""Molecular dynamics: how far ions move, at which temperature, and how good the potential behind it is."""

import html
import math
from collections.abc import Mapping, Sequence
from itertools import cycle
from typing import Any

import numpy as np
import pandas as pd
from plotly.subplots import make_subplots

from ionsieve.potential.softening import stiffened
from ionsieve.report import wording
from ionsieve.report.figures import GREY, SERIES, Figure, canvas, diagonal, line, transparent
from ionsieve.report.section import Section
from ionsieve.report.sources import SHARED_POTENTIAL, MsdCurve, ReportSources, finalists, potential_of
from ionsieve.transport.analysis import line_through, of_kind
from ionsieve.transport.arrhenius import ROOM_TEMPERATURE_K, ArrheniusFit

# The best ones; each candidate's page shows its own.
MSD_CURVES_SHOWN = 8
POINTS_PER_CURVE, MANY_CURVES = 150, 40
ARRHENIUS_SHOWN = 6
PARITY_PANELS = 6
SYMBOLS = ("circle", "square", "diamond", "triangle-up", "cross", "x")


def section(sources: ReportSources) -> Section:
    """Tables of the runs and of the potentials, MSD, Arrhenius lines and force parity."""
    return Section(
        name="transport",
        anchor="transport",
        title="Molecular dynamics",
        context={
            "transport": transport_rows(sources),
            "softening": _softening_rows(sources),
            "motion": _motion_rows(sources),
        },
        figures=[msd(sources), arrhenius(sources), force_parity(sources)],
    )


def transport_rows(sources: ReportSources) -> list[dict[str, Any]]:
    """One row per candidate and temperature, with the potential's error."""
    rows: list[dict[str, Any]] = []
    for material_id, formula in finalists(sources):
        result = sources.transport.get(material_id)
        if result is None:
            continue
        errors = potential_of(sources.potentials, material_id).get("metrics") or {}
        for run in result.get("temperatures") or [result]:
            rows.append(
                {
                    "formula": formula,
                    "material_id": material_id,
                    "status": run["status"],
                    "reason": run.get("reason") or "",
                    "temperature_K": run.get("temperature_K"),
                    "n_ions": run.get("n_ions"),
                    "n_hops": run.get("n_hops"),
                    "n_onward_hops": run.get("n_onward_hops"),
                    "diffusivity_cm2_per_s": run.get("diffusivity_cm2_per_s"),
                    "diffusivity": wording.diffusivity(run),
                    "diffusivity_interval": ""
                    if run.get("conductivity_kind") == "upper_bound"
                    else wording.interval(
                        run.get("diffusivity_low_cm2_per_s"), run.get("diffusivity_high_cm2_per_s")
                    ),
                    "activation_energy_eV": result.get("activation_energy_eV"),
                    "migration_barrier_eV": result.get("migration_barrier_eV"),
                    "conductivity_300K_mS_per_cm": result.get("conductivity_300K_mS_per_cm"),
                    "force_mae_eV_per_A": errors.get("force_mae_eV_per_A"),
                    "energy_mae_meV_per_atom": errors.get("energy_mae_meV_per_atom"),
                }
            )
    return rows


def _softening_rows(sources: ReportSources) -> list[dict[str, Any]]:
    """What the softness of each candidate's potential would do to its barrier and conductivity."""
    rows = []
    for material_id, formula in finalists(sources):
        potential = potential_of(sources.potentials, material_id)
        slopes = [potential.get("softening"), potential.get("teacher_softening")]
        if not any(slopes):
            continue
        transport = sources.transport.get(material_id, {})
        barrier_eV, hot_K = transport.get("activation_energy_eV"), transport.get("temperature_K")
        temperatures_K = (hot_K or ROOM_TEMPERATURE_K, ROOM_TEMPERATURE_K)
        stiff, low, high = (
            stiffened(barrier_eV, temperatures_K, slopes, end) for end in ("", "_lower", "_upper")
        )
        rows.append(
            {
                "formula": formula,
                "material_id": material_id,
                "slopes": [
                    {
                        "against": slope["against"],
                        "slope": wording.voltage(slope["slope"]),
                        "interval": wording.interval(
                            slope["slope_lower"], slope["slope_upper"], wording.voltage
                        ),
                    }
                    for slope in slopes
                    if slope
                ],
                "barrier_eV": barrier_eV,
                "stiff_barrier_eV": stiff and stiff.barrier_eV,
                "stiff_interval": wording.interval(
                    low and low.barrier_eV, high and high.barrier_eV, wording.voltage
                ),
                "temperature_K": hot_K,
                "hot_factor": stiff and stiff.conductivity_factors[0],
                "room_factor": stiff and stiff.conductivity_factors[1],
            }
        )
    return rows


def _motion_rows(sources: ReportSources) -> list[dict[str, Any]]:
    """Direction, correlation and the host, for each run that was analysed."""
    rows = []
    for material_id, formula in finalists(sources):
        for run in sources.transport.get(material_id, {}).get("temperatures") or []:
            if "host" not in run:
                continue
            haven = run.get("haven_ratio") or {}
            rows.append(
                {
                    "formula": formula,
                    "material_id": material_id,
                    "temperature_K": run["temperature_K"],
                    "anisotropy": run.get("anisotropy"),
                    "ratio": _anisotropy_ratio(run.get("anisotropy")),
                    "haven_ratio": haven.get("value"),
                    "haven_interval": wording.interval(haven.get("low"), haven.get("high"), wording.voltage),
                    "haven_unknown": haven.get("unknown_because"),
                    "host": run["host"],
                }
            )
    return rows


def _anisotropy_ratio(anisotropy: Mapping[str, Any] | None) -> str:
    """``3.1 (2.2 to 5.0)``, ``> 12`` where the slow direction may be closed, or that none is seen."""
    if anisotropy is None:
        return wording.DASH
    if anisotropy["ratio_low"] is None:
        return "not significant" if anisotropy["p_isotropic"] < 1 else "isotropic by symmetry"
    if anisotropy["ratio_high"] is None:
        return f"> {wording.number(anisotropy['ratio_low'], 2)}"
    ends = wording.interval(anisotropy["ratio_low"], anisotropy["ratio_high"], lambda x: wording.number(x, 2))
    return f"{wording.number(anisotropy['ratio'], 2)} ({ends})"


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
            times, values = _thinned(curve, column, POINTS_PER_CURVE if len(curves) < MANY_CURVES else 60)
            plot.add_scatter(
                x=times,
                y=values,
                mode="lines",
                name=name + kind,
                legendgroup=name,
                showlegend=not kind,
                meta=curve.material_id,
                visible=index < MSD_CURVES_SHOWN,
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
        "is a line of slope one (dashed guide), rattling in a cage is flat."
        + _best_only(len(curves), MSD_CURVES_SHOWN, "curves"),
        plot=plot,
    )


def _thinned(curve: MsdCurve, column: str, points: int) -> tuple[list[float], list[float]]:
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


def arrhenius(sources: ReportSources) -> Figure | None:
    """Diffusivity against inverse temperature, with the fitted line, its band, and 300 K."""
    drawn = [
        (formula, material_id, sources.transport[material_id]["temperatures"])
        for material_id, formula in finalists(sources)
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
            "meta": material_id,
            "visible": index < ARRHENIUS_SHOWN,
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
    line(plot, x=1000 / ROOM_TEMPERATURE_K)
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
        "if nothing but the barrier acted down there." + _best_only(len(drawn), ARRHENIUS_SHOWN, "materials"),
        plot=plot,
    )


def _best_only(count: int, shown: int, what: str) -> str:
    if count <= shown:
        return ""
    return (
        f" The first {shown} of {count} {what}, best candidates first; each candidate’s page shows its own."
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
    plot.update_xaxes(zeroline=False)
    plot.update_yaxes(zeroline=False)
    plot.update_xaxes(title={"text": "label (eV/Å)", "standoff": 4}, row=rows)
    plot.update_yaxes(title={"text": "potential (eV/Å)", "standoff": 4}, col=1)
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
        for material_id, formula in finalists(sources)
        if not sources.force_parity.get(material_id, pd.DataFrame()).empty
    ][:PARITY_PANELS]
