"""Build a report from whatever a stopped run has left, saying what is missing.

Input: none declared; the shortlist table names the candidates. Output: partial/index.html.
"""

from pathlib import Path
from typing import Any


def main(snakemake: Any) -> None:
    """Load what exists, render, write."""
    from ionsieve.artifacts import write_text
    from ionsieve.report.page import build_report
    from ionsieve.report.sources import load_partial

    params = snakemake.params
    sources = load_partial(
        Path(params.results),
        params.temperatures_K,
        params.min_conductivity_mS_per_cm,
        shared_potential=params.potential_mode == "shared",
        validated=params.validated,
        relaxed=params.relaxed,
        potential_result=params.potential_result,
    )
    write_text(params.page, build_report(sources))


if __name__ == "__main__":
    from ionsieve.job import run

    run(main, snakemake)
