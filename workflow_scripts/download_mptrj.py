"""Fetch the MPtrj JSON (11 GB) from the address in the configuration; what broke off goes on.

Output: the JSON as it is there.
"""

from pathlib import Path

from ionsieve.data.download import download


def main(snakemake) -> None:
    download(snakemake.params.address, Path(snakemake.output.mptrj))


if __name__ == "__main__":
    from ionsieve.job import run

    run(main, snakemake)
