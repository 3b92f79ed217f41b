"""Put the tables of a finished benchmark and audit into the documentation; a run of the workflow never does.

``python -m ionsieve.composition.documentation results/composition docs``
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from ionsieve.artifacts import read_json, write_between
from ionsieve.composition import leakage_audit, paper_tables
from ionsieve.errors import DataError, IonSieveError

TABLE_START = "<!-- tables: written by ionsieve.composition.documentation -->"
TABLE_END = "<!-- end of the tables -->"


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the tables of finished runs into the pages of the documentation."""
    parser = argparse.ArgumentParser(
        prog="python -m ionsieve.composition.documentation", description=main.__doc__
    )
    parser.add_argument("results", type=Path, help="of the composition stage: results/composition")
    parser.add_argument("pages", type=Path, help="folder of composition.md and leakage_audit.md: docs")
    given = parser.parse_args(arguments)
    pages = (
        (given.results / "benchmark" / "table.json", "composition.md", paper_tables.to_markdown),
        (given.results / "leakage_audit.json", "leakage_audit.md", leakage_audit.to_markdown),
    )
    try:
        for source, page, to_markdown in pages:
            if not source.exists():
                raise DataError(
                    f"{source} does not exist; `snakemake composition_benchmark leakage_audit` make it"
                )
            write_between(given.pages / page, TABLE_START, TABLE_END, to_markdown(read_json(source)))
    except IonSieveError as error:
        sys.exit(f"ionsieve: {error}")


if __name__ == "__main__":
    main()
