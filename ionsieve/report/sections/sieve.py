"""The funnel: what each threshold removed, and the voltages of everything that entered."""

import html
from itertools import cycle
from typing import Any

from ionsieve.report import wording
from ionsieve.report.figures import SERIES, Figure, canvas, line, threshold
from ionsieve.report.section import Section
from ionsieve.report.sources import ReportSources

FIRST_STEP = "Candidates read from the sources"


def section(sources: ReportSources) -> Section:
    """The funnel and the distribution of voltages by source."""
    return Section(
        name="sieve",
        anchor="funnel",
        title="The sieve",
        context={"funnel": _funnel(sources)},
        figures=[voltage_distribution(sources)],
    )


def _funnel(sources: ReportSources) -> list[dict[str, Any]]:
    """Steps with what remains as a share of the first, for the bars."""
    if sources.funnel is None:
        return []
    considered = sources.funnel["considered"]
    thresholds = sources.funnel["thresholds"]
    steps = [{"why": FIRST_STEP, "key": "", "removed": None, "remaining": considered}]
    for step in sources.funnel["steps"]:
        why, key = wording.threshold_in_words(step["why"], thresholds)
        steps.append({"why": why, "key": key, "removed": step["removed"], "remaining": step["remaining"]})
    if sources.shortlist is not None:
        chosen = int((sources.shortlist["role"] == "candidate").sum())
        controls = len(sources.shortlist) - chosen
        steps.append(
            {
                "why": f"shortlist for molecular dynamics (beside {wording.plural(controls, 'control')})",
                "key": "screen.max_candidates",
                "removed": None,
                "remaining": chosen,
            }
        )
    for step in steps:
        step["share"] = 100.0 * step["remaining"] / considered if considered else 0.0
    return steps


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
        line(plot, x=threshold(sources, "screen", limit))
    total = sum(sum(counts.values()) for counts in histogram["by_source"].values())
    return Figure(
        name="voltages",
        title="Predicted voltages of all candidates",
        alternative=f"Histogram of the predicted voltage of {total} candidates, stacked by source.",
        caption="Stacked by source; dashed lines are the voltage window of the sieve.",
        plot=plot,
    )
