"""The data set of discharge curves: points of usable cycles, what was set aside, and where it comes from.

Reads the user's files of cycling tests; writes the points, the rejects and the provenance, and logs what is
set aside.
"""


def main(snakemake) -> None:
    """Read, process, write."""
    from pathlib import Path

    from ionsieve.discharge.cycler_table import Cell
    from ionsieve.discharge.dataset import build, log_rejects, write
    from ionsieve.discharge.reading import CELL_SUFFIXES, read
    from ionsieve.errors import DataError

    files = [Path(path) for path in snakemake.input if not path.endswith(CELL_SUFFIXES)]
    if not files:
        raise DataError(
            "there are no cycling tests to learn from: name files or folders under discharge.tests, or a"
            " ready model under discharge.model (docs/discharge.md)"
        )
    cells = {name: Cell.of(cell) for name, cell in snakemake.params.cells.items()}
    reading = read(files, cells)
    dataset = build(reading.tests, reading.set_aside)
    log_rejects(dataset)
    write(dataset, reading.inputs, Path(snakemake.output.points).parent)


if __name__ == "__main__":
    from ionsieve.job import run

    run(main, snakemake)
