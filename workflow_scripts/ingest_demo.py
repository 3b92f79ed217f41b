"""Take the electrodes and candidates that ship with IonSieve.

Output: the raw tables of the source ``demo``; candidates without the working ion are set aside with the
reason.
"""

from pathlib import Path

from ionsieve.data.demo import pull
from ionsieve.data.records import write_raw


def main(snakemake) -> None:
    write_raw(pull(snakemake.params.working_ion), Path(snakemake.output.provenance).parent)


if __name__ == "__main__":
    from ionsieve.job import run

    run(main, snakemake)
