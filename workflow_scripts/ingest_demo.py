"""Take the electrodes and candidates that ship with IonSieve.

Input: the shipped tables. Output: the raw tables of the source ``demo``; candidates without the
working ion are set aside with the reason.
"""

from ionsieve.data.ingest import ingest_tables


def main(snakemake) -> None:
    ingest_tables(
        snakemake.input.electrodes,
        snakemake.input.candidates,
        snakemake.params.working_ion,
        electrodes_out=snakemake.output.electrodes,
        candidates_out=snakemake.output.candidates,
        rejects_out=snakemake.output.rejects,
    )


if __name__ == "__main__":
    from ionsieve.job import run

    run(main, snakemake)
