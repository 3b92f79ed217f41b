"""Sample the user's VASP runs: the first three and the last ionic step of each.

Input: vasprun.xml files. Outputs: one shard of extxyz, and vasp.json with counts.
"""

from pathlib import Path

from ionsieve.artifacts import write_json
from ionsieve.data.vasp_frames import sample


def main(snakemake) -> None:
    write_json(snakemake.output.summary, sample(snakemake.input.runs, Path(snakemake.output.shard)))


if __name__ == "__main__":
    from ionsieve.job import run

    run(main, snakemake)
