"""Pull GNoME's crystals with the working ion.

Input: GNoME's bucket, or a folder with its files. Output: the raw tables of the source ``gnome``, replaced
only where their content differs; what cannot be used is set aside with the reason.
"""

from pathlib import Path

from ionsieve.data.gnome import Query, pull
from ionsieve.data.records import refresh


def main(snakemake) -> None:
    params = snakemake.params
    query = Query(
        working_ion=params.working_ion,
        location=params.location,
        max_formation_energy_eV_per_atom=params.max_formation_energy_eV_per_atom,
        max_energy_above_hull_eV_per_atom=params.max_energy_above_hull_eV_per_atom,
    )
    written = refresh(lambda cache: pull(query, cache), Path(snakemake.output.provenance).parent)
    print(f"gnome: {written}")


if __name__ == "__main__":
    from ionsieve.job import run

    run(main, snakemake)
