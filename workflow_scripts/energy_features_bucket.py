"""What CHGNet knows of one bucket of electrodes.

Reads the electrodes table; writes the features of those whose id falls into the bucket.
"""

import torch

from ionsieve.data.buckets import bucket_of
from ionsieve.tables import ELECTRODES, ENERGY_FEATURES, read_table, write_table
from ionsieve.voltage.energy_features import describe_electrodes


def main(snakemake) -> None:
    """Describe the bucket's electrodes."""
    torch.set_num_threads(snakemake.threads)
    electrodes = read_table(snakemake.input.electrodes, ELECTRODES)
    bucket, n_buckets = int(snakemake.wildcards.bucket), snakemake.params.buckets
    mine = [bucket_of(material_id, n_buckets) == bucket for material_id in electrodes["material_id"]]
    write_table(describe_electrodes(electrodes[mine]), ENERGY_FEATURES, snakemake.output.features)


if __name__ == "__main__":
    from ionsieve.job import run

    run(main, snakemake)
