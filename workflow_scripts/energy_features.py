"""One table of the energy features of all buckets, by electrode_id."""

import pandas as pd

from ionsieve.tables import ENERGY_FEATURES, read_table, write_table


def main(snakemake) -> None:
    """Put the buckets together."""
    features = pd.concat([read_table(path, ENERGY_FEATURES) for path in snakemake.input.buckets])
    write_table(features.sort_values("electrode_id"), ENERGY_FEATURES, snakemake.output.features)


if __name__ == "__main__":
    from ionsieve.job import run

    run(main, snakemake)
