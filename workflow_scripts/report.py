"""Build the report: one HTML page that opens offline.

Input: tables and documents of every stage. Output: index.html.
"""

from pathlib import Path
from typing import Any

ONE_FILE = (
    "config",
    "catalogue",
    "rejects",
    "out_of_fold",
    "metrics",
    "composition_metrics",
    "composition_out_of_fold",
    "funnel",
    "screened",
    "shortlist",
    "ranked",
    "validation_summary",
    "candidates_csv",
    "voltage_card",
    "composition_card",
)
# Not there when voltage.interpretation is off, or composition.benchmark.
WHERE_ASKED_FOR = (
    "interpretation",
    "learned_elements",
    "local_environments",
    "composition_tables",
    "composition_held_out",
    "volume_changes",
    "leakage_audit",
)
# Names of the stage of discharge curves start so; nothing of it where it is not asked for.
DISCHARGE = "discharge_"
FILE_PER_CANDIDATE = (
    "contributions",
    "transport",
    "msd",
    "paths",
    "potentials",
    "force_parity",
    "validation",
    "structures",
)


def main(snakemake: Any) -> None:
    """Load, render, write."""
    from ionsieve.artifacts import write_text
    from ionsieve.report.page import build_report
    from ionsieve.report.sources import ReportFiles, load

    there = [name for name in WHERE_ASKED_FOR if snakemake.input.get(name)]
    one = {name: Path(snakemake.input[name]) for name in (*ONE_FILE, *there)}
    many = {name: [Path(path) for path in snakemake.input.get(name, [])] for name in FILE_PER_CANDIDATE}
    # Undeclared: what jobs took is known only once they have run, and changes no result.
    benchmarks = Path(snakemake.params.benchmarks)
    discharge = {
        name.removeprefix(DISCHARGE): Path(path)
        for name, path in snakemake.input.items()
        if name.startswith(DISCHARGE)
    }
    sources = load(
        ReportFiles(
            **one, **many, benchmarks=benchmarks if benchmarks.exists() else None, discharge=discharge
        )
    )
    write_text(snakemake.output.page, build_report(sources))


if __name__ == "__main__":
    from ionsieve.job import run

    run(main, snakemake)
