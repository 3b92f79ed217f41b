"""Pull the databases again; replace the raw tables of those whose content has changed.

Output: none. The next run of the workflow does what the changes make stale, and nothing else.
"""

from pathlib import Path

from ionsieve.data.databases import DATABASES, pull_database
from ionsieve.data.records import require_pulled

RAW = Path("results/data/raw")


def main(snakemake) -> None:
    asked = [name for name in snakemake.params.sources if name in DATABASES]
    if not asked:
        print("data.sources lists no database: nothing to refresh")
    for name in asked:
        require_pulled(RAW / name, snakemake.params.queries[name])
        written = pull_database(RAW / name, snakemake.params[name])
        print(f"{name}: {written}; {'has changed' if written.changed else 'as before'}")


if __name__ == "__main__":
    from ionsieve.job import run

    run(main, snakemake)
