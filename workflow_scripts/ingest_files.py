"""Read electrodes and structures from the user's files.

Input: the files under ``data.files`` of the configuration. Output: the raw tables of the source
``files``; whatever cannot be used is set aside with the reason.
"""

from pathlib import Path

from ionsieve.data.ingest import ingest_files


def main(snakemake) -> None:
    ingest_files(
        [Path(path) for path in snakemake.input.electrodes],
        [Path(path) for path in snakemake.input.structures],
        working_ion=snakemake.params.working_ion,
        label_kind=snakemake.params.label_kind,
        licence=snakemake.params.licence,
        electrodes_out=snakemake.output.electrodes,
        candidates_out=snakemake.output.candidates,
        rejects_out=snakemake.output.rejects,
    )


if __name__ == "__main__":
    from ionsieve.job import run

    run(main, snakemake)
