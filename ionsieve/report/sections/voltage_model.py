"""How good the voltage model is, by ion and beside the literature, and what it has learned."""

import html
from collections.abc import Mapping
from itertools import cycle
from typing import Any

import numpy as np
import pandas as pd

from ionsieve.composition.published import TABLE_S4
from ionsieve.report import wording
from ionsieve.report.figures import (
    BLUE,
    CLASS_STYLE,
    GREY,
    OLIVE,
    SERIES,
    SKY,
    Figure,
    canvas,
    voltage_parity,
)
from ionsieve.report.section import Section
from ionsieve.report.sources import ReportSources, finalists
from ionsieve.report.wording import label_kinds, voltage
from ionsieve.voltage.published import MG_WORKFLOW_MAE_V

PROTOCOLS = {
    "framework": "By framework: no host of the training set is scored",
    "paper": "The paper's random split: the same host may be on both sides",
    "chemical_system": "By chemical system: no host with the same elements is in the training set",
}


def section(sources: ReportSources) -> Section:
    """Errors by ion and protocol, coverage of the intervals, and what the network learned."""
    return Section(
        name="voltage_model",
        anchor="voltage",
        title="Voltage model",
        context={
            "metrics": _metrics(sources),
            "coverage": (sources.metrics or {}).get("interval"),
            "coverage_rows": _coverage_rows(sources),
            "learned": wording.learned(sources),
            "contributions": contribution_rows(sources),
        },
        figures=[
            errors_by_ion(sources),
            parity(sources),
            learned_elements(sources),
            local_environments(sources),
            neighbor_contributions(sources),
        ],
    )


def _metrics(sources: ReportSources) -> list[dict[str, Any]]:
    """A block of table rows for each protocol: all ions, then each."""
    blocks = []
    protocols = (sources.metrics or {}).get("protocols", {})
    for protocol in sorted(protocols, key=lambda name: [*PROTOCOLS, name].index(name)):
        scores = protocols[protocol]
        rows = [("all", scores["all"]), *scores["by_ion"].items()]
        if scores["full_extraction"]["count"] not in (0, scores["all"]["count"]):
            rows.append(("full extraction", scores["full_extraction"]))
        rows.append(("mean of the ion", scores["ion_mean_baseline"]))
        blocks.append(
            {"title": PROTOCOLS.get(protocol, protocol), "rows": [metrics_row(*row) for row in rows]}
        )
    return blocks


def _coverage_rows(sources: ReportSources) -> list[dict[str, Any]]:
    """How often intervals held the label: all, by ion, and above the threshold."""
    measured = (sources.metrics or {}).get("interval")
    if not measured:
        return []
    high = measured["predicted_high"]
    fifths = ("nearest fifth", "second fifth", "third fifth", "fourth fifth", "farthest fifth")
    shares = [
        ("all", measured["all"]),
        *measured["by_ion"].items(),
        *zip(fifths, measured.get("by_distance", ()), strict=False),
        (f"predicted above {wording.number(high['threshold_V'])} V", high),
        *((name, measured[key]) for name, key in (("all, with one width", "one_width"),) if key in measured),
    ]
    return [
        {
            "name": name,
            "count": share["count"],
            "coverage": wording.percent(share["coverage"]),
            "width": wording.voltage(share["mean_width_V"]),
        }
        for name, share in shares
    ]


def contribution_rows(sources: ReportSources) -> list[dict[str, Any]]:
    """What each element around the working ion adds, candidate by candidate."""
    rows = []
    for formula, material_id, document in explained_candidates(sources):
        by_element = (
            _neighbors(document)
            .groupby("neighbor")
            .agg(
                count=("count", "sum"),
                nearest_A=("distance_A", "min"),
                farthest_A=("distance_A", "max"),
                contribution_V=("contribution_V", "sum"),
            )
            .sort_values("contribution_V", key=np.abs, ascending=False, kind="stable")
        )
        rows.append(
            {
                "formula": formula,
                "material_id": material_id,
                "baseline_V": document["baseline_V"],
                "voltage_V": document["voltage_V"],
                "descriptors_V": document["descriptors_V"],
                "largest_descriptors": document["largest_descriptors"],
                "elements": by_element.reset_index().to_dict("records"),
            }
        )
    return rows


def errors_by_ion(sources: ReportSources) -> Figure | None:
    """MAE by ion on new frameworks and on a random split, beside what the literature states."""
    protocols = (sources.metrics or {}).get("protocols", {})
    if "framework" not in protocols:
        return None
    counts = {ion: scores["count"] for ion, scores in protocols["framework"]["by_ion"].items()}
    ions = sorted(counts, key=lambda ion: (-counts[ion], ion))
    plot = canvas("", "Mean absolute error (V)")
    literature = {
        "Mg workflow paper, random split": (GREY, ".", MG_WORKFLOW_MAE_V),
        "MHA-ResNet paper, random split": (OLIVE, "x", {ion: row.mae_V for ion, row in TABLE_S4.items()}),
    }
    ours = {
        "here, frameworks never seen": (BLUE, "", "framework"),
        "here, random split": (SKY, "/", "paper"),
    }
    for name, (colour, pattern, protocol) in ours.items():
        by_ion = (protocols.get(protocol) or {}).get("by_ion", {})
        there = [ion for ion in ions if ion in by_ion]
        if there:
            maes_V = [by_ion[ion]["mae_V"] for ion in there]
            plot.add_bar(**_bars(name, colour, pattern, there, counts, maes_V))
            ends = [by_ion[ion].get("mae_interval_V") for ion in there]
            if all(ends):
                bounds = list(zip(maes_V, ends, strict=True))
                plot.data[-1].error_y = {
                    "type": "data",
                    "symmetric": False,
                    "array": [round(high - mae, 4) for mae, (_, high) in bounds],
                    "arrayminus": [round(mae - low, 4) for mae, (low, _) in bounds],
                    "thickness": 1,
                    "width": 3,
                    "color": GREY,
                }
    for name, (colour, pattern, stated) in literature.items():
        there = [ion for ion in ions if ion in stated]
        if there:
            plot.add_bar(**_bars(name, colour, pattern, there, counts, [stated[ion] for ion in there]))
    plot.update_layout(barmode="group", showlegend=True)
    plot.update_xaxes(categoryorder="array", categoryarray=[_tick(ion, counts) for ion in ions])
    return Figure(
        name="errors-by-ion",
        title="Errors by ion, beside the literature",
        alternative=f"Bars of the mean absolute error for {len(ions)} working ions: here on new frameworks "
        "and on a random split, and as two papers state it.",
        caption="Numbers are electrodes here; lines are 95 % intervals. Random splits let a host be on both "
        "sides with another ion, so papers compare with the hatched bars; their electrodes and labels differ "
        "from these.",
        plot=plot,
    )


def _bars(
    name: str, colour: str, pattern: str, ions: list[str], counts: Mapping[str, int], maes_V: list[float]
) -> dict[str, Any]:
    return {
        "x": [_tick(ion, counts) for ion in ions],
        "y": [round(mae_V, 4) for mae_V in maes_V],
        "name": name,
        "marker": {"color": colour, "pattern": {"shape": pattern, "solidity": 0.3, "fillmode": "overlay"}},
        "hovertemplate": f"%{{x}}: %{{y:.2f}} V, {name}<extra></extra>",
    }


def _tick(ion: str, counts: Mapping[str, int]) -> str:
    return f"{html.escape(ion)}<br>{counts[ion]}"


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
    explained = [found for found in explained_candidates(sources) if found[2]["neighbors"]]
    if not explained:
        return None
    formula, material_id, document = explained[0]
    rows = _neighbors(document)
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
        for material_id, formula in finalists(sources)
        if material_id in sources.contributions
    ]


def _neighbors(document: Mapping[str, Any]) -> pd.DataFrame:
    """A row for each kind of neighbour and distance; none where the network saw no atom near the ions."""
    columns = ["neighbor", "distance_A", "count", "contribution_V", "contribution_spread_V"]
    return pd.DataFrame(document["neighbors"], columns=columns)


def metrics_row(name: str, scores: Mapping[str, Any]) -> dict[str, Any]:
    """Cells of one row of errors."""
    low_V, high_V = scores.get("mae_interval_V") or (None, None)
    return {
        "name": name,
        "count": scores["count"],
        "frameworks": scores.get("n_frameworks", ""),
        "mae": wording.voltage(scores["mae_V"]),
        "interval": wording.interval(low_V, high_V, wording.voltage),
        "rmse": wording.voltage(scores["rmse_V"]),
        "r2": wording.voltage(scores["r2"]),
    }
