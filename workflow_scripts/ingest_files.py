"""Read electrodes and structures from the user's files.

Input: the files under ``data.files`` of the configuration. Output: the raw tables of the source
``files``; whatever cannot be used is set aside with the reason.
"""

from pathlib import Path

from ionsieve.data.files import pull
from ionsieve.data.records import write_raw


def main(snakemake) -> None:
    params = snakemake.params
    pulled = pull(
        [Path(path) for path in snakemake.input.electrodes],
        [Path(path) for path in snakemake.input.structures],
        working_ion=params.working_ion,
        label_kind=params.label_kind,
        licence=params.licence,
    )
    write_raw(pulled, Path(snakemake.output.provenance).parent)


if __name__ == "__main__":
    from ionsieve.job import run

    run(main, snakemake)
