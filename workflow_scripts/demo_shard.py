"""One shard of the demo set: its decorated prototypes relaxed with CHGNet.

Inputs: none, the hosts are in the library. Output: raw records, one JSON object a line.
"""

from typing import Any


def main(snakemake: Any) -> None:
    """Relax every ``shards``-th decoration."""
    from ionsieve.data.demo.build import shard_of, write_shard
    from ionsieve.data.demo.relaxation import chgnet_calculator

    decorated = shard_of(int(snakemake.wildcards.shard), snakemake.params.shards)
    write_shard(decorated, chgnet_calculator(), snakemake.output.records)


if __name__ == "__main__":
    from ionsieve.job import run

    run(main, snakemake)
