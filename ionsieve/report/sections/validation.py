"""Voltages that other methods compute for the finalists, and the inputs for first principles."""

import html
from itertools import cycle
from typing import Any

import numpy as np
import pandas as pd

from ionsieve.report.figures import SERIES, Figure, canvas, diagonal
from ionsieve.report.section import Section
from ionsieve.report.sources import ReportSources, finalists
from ionsieve.report.wording import tier


def section(sources: ReportSources) -> Section:
    """Tiers side by side, and what is ready to be submitted."""
    tiers = tier_rows(sources)
    return Section(
        name="validation",
        anchor="tiers",
        title="Validation",
        context={
            "tiers": tiers,
            "validation": _validation_rows(sources),
            "vasp_computed": any(
                row["tier"] == tier("vasp") and row["computed_voltage_V"] is not None for row in tiers
            ),
        },
        figures=[validation_parity(sources)],
    )


def _validation_rows(sources: ReportSources) -> list[dict[str, Any]]:
    rows = []
    for material_id, formula in finalists(sources):
        result = sources.validation.get(material_id)
        if result is not None:
            rows.append({"formula": formula, "material_id": material_id, **result})
    return rows


def tier_rows(sources: ReportSources) -> list[dict[str, Any]]:
    """Predicted and computed voltage of each finalist, tier by tier."""
    if sources.validation_summary is None:
        return []
    rows = [
        {str(name): None if pd.isna(value) else value for name, value in row.items()}
        for row in sources.validation_summary.to_dict("records")
    ]
    return [{**row, "tier": tier(str(row["tier"]))} for row in rows]


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
