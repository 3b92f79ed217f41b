"""What tells a model the answer: the leakage audit."""

from ionsieve.composition import leakage_audit
from ionsieve.report.section import Section
from ionsieve.report.sources import ReportSources


def section(sources: ReportSources) -> Section:
    """The audit's tables; empty where it was not asked for."""
    audit = sources.leakage_audit
    return Section(
        name="leakage_audit",
        anchor="audit",
        title="Leakage audit",
        context={"audit": leakage_audit.text_tables(audit) if audit else []},
    )
