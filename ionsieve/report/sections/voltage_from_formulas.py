"""The second opinion: voltages from formulas alone."""

from typing import Any

from ionsieve.report import wording
from ionsieve.report.composition_figures import composition_parity
from ionsieve.report.section import Section
from ionsieve.report.sections.voltage_model import metrics_row
from ionsieve.report.sources import ReportSources


def section(sources: ReportSources) -> Section:
    """Errors and coverage of the composition model, by ion."""
    return Section(
        name="voltage_from_formulas",
        anchor="formulas",
        title="Voltage from formulas",
        context={"composition": wording.composition(sources), "composition_rows": _composition_rows(sources)},
        figures=[composition_parity(sources)],
    )


def _composition_rows(sources: ReportSources) -> list[dict[str, Any]]:
    """Errors and coverage of voltages from formulas on hosts never seen: all ions, then each."""
    metrics = sources.composition_metrics
    if metrics is None:
        return []
    scores, intervals = metrics["protocols"]["framework"], metrics["interval"]
    shares = {"all": intervals["all"], **intervals["by_ion"]}
    rows = [
        ("all", scores["all"]),
        *scores["by_ion"].items(),
        ("mean of the ion", scores["ion_mean_baseline"]),
    ]
    return [
        {
            **metrics_row(name, scored),
            "coverage": wording.percent(shares.get(name, {}).get("coverage")),
            "width": wording.voltage(shares.get(name, {}).get("mean_width_V")),
        }
        for name, scored in rows
    ]
