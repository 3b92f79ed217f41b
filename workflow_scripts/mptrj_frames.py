"""Sample the relaxations of MPtrj: the first three and the last stored frame of each task.

Input: the MPtrj JSON. Outputs: shards of extxyz, some of which may be empty, and mptrj.json with counts,
licence and citation.
"""

from pathlib import Path

from ionsieve.artifacts import write_json
from ionsieve.data.mptrj import sample


def main(snakemake) -> None:
    shards = [Path(path) for path in snakemake.output.shards]
    write_json(snakemake.output.summary, sample(snakemake.input[0], shards, snakemake.params.elements))


if __name__ == "__main__":
    from ionsieve.job import run

    run(main, snakemake)
