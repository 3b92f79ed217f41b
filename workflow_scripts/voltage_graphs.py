"""Crystal graphs of the electrodes' discharged structures.

Reads the electrodes table; writes one torch file with the graphs and the electrodes' voltages.
"""

from ionsieve.artifacts import digest
from ionsieve.tables import ELECTRODES, read_table
from ionsieve.voltage.electrodes import Electrodes


def main(snakemake) -> None:
    """Make the graphs of all electrodes."""
    table = snakemake.input.electrodes
    electrodes = Electrodes.from_table(
        read_table(table, ELECTRODES),
        cutoff_A=snakemake.params.cutoff_A,
        max_neighbors=snakemake.params.max_neighbors,
        digest=digest(table),
    )
    electrodes.save(snakemake.output.graphs)


if __name__ == "__main__":
    from ionsieve.job import run

    run(main, snakemake)
