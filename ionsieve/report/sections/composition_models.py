"""The composition benchmark beside the tables of the MHA-ResNet paper."""

from ionsieve.composition import paper_tables
from ionsieve.report.composition_figures import (
    residuals_by_ion,
    residuals_by_size,
    volume_distribution,
    volume_parity,
)
from ionsieve.report.section import Section
from ionsieve.report.sources import ReportSources


def section(sources: ReportSources) -> Section:
    """Tables S1 to S5 with their figures; empty where the benchmark was not asked for."""
    tables = sources.composition_tables
    return Section(
        name="composition_models",
        anchor="composition",
        title="Composition models",
        context={
            "composition_tables": paper_tables.text_tables(tables) if tables else [],
            "not_run": (tables or {}).get("skipped", {}),
        },
        figures=[
            residuals_by_size(sources),
            residuals_by_ion(sources),
            volume_distribution(sources),
            volume_parity(sources),
        ],
    )
