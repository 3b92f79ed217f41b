"""Remove the results of candidates that failed, so that the next run tries them again.

Input: the JSON results under ``results/potential``, ``results/transport``, ``results/validation``.
Output: none.
"""

from pathlib import Path

from ionsieve.outcome import clear_failed

RESULTS = Path("results")
STAGES = ("potential", "transport")
VALIDATION = RESULTS / "validation"
SUMMARIES = ("validation/summary.parquet", "candidates.csv", "report/ranked.parquet", "report/index.html")


def main(snakemake) -> None:
    stages, summaries = ([RESULTS / name for name in names] for names in (STAGES, SUMMARIES))
    cleared = clear_failed(stages, VALIDATION, summaries)
    for folder in cleared:
        print(f"cleared {folder}")
    print(f"{len(cleared)} results cleared; run the workflow again to retry them")


if __name__ == "__main__":
    from ionsieve.job import run

    run(main, snakemake)
