"""Merge the raw tables of all sources: electrodes, and candidates in buckets.

Input: ``results/data/raw/*``. Output: ``catalogue.json``; beside it, not declared and so
kept when the job fails, ``rejects.csv``; kept as they are where nothing changed, ``electrodes.parquet``
and ``candidates/{bucket}.parquet``.
"""

from pathlib import Path

from ionsieve.data.catalogue import Limits, assemble
from ionsieve.data.records import require_pulled


def main(snakemake) -> None:
    data_folder = Path(snakemake.output.summary).parent
    folders = [data_folder / "raw" / source for source in snakemake.params.sources]
    for folder in folders:
        require_pulled(folder, snakemake.params.queries[folder.name])
    assemble(
        folders,
        data_folder,
        n_buckets=snakemake.params.shards,
        limits=Limits(
            max_energy_above_hull_eV_per_atom=snakemake.params.max_energy_above_hull_eV_per_atom,
            max_sites=snakemake.params.max_sites,
        ),
        working_ion=snakemake.params.working_ion,
    )


if __name__ == "__main__":
    from ionsieve.job import run

    run(main, snakemake)
