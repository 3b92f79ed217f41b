"""Remove the results of candidates that failed, so that the next run tries them again.

Input: the JSON results under ``results/potential``, ``results/transport``, ``results/validation``.
Output: none.
"""

from pathlib import Path

from ionsieve.outcome import clear_failed


def main(snakemake) -> None:
    for folder in clear_failed(
        [Path("results") / stage for stage in ("potential", "transport", "validation")]
    ):
        print(f"cleared {folder}")


if __name__ == "__main__":
    from ionsieve.job import run

    run(main, snakemake)
