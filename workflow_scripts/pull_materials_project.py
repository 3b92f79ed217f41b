"""Pull insertion electrodes and candidates from the Materials Project.

Needs an API key, in ``MP_API_KEY`` or the client's own settings file. Output: the raw tables of the source
``materials_project``, replaced only where their content differs.
"""

from pathlib import Path

from ionsieve.data.materials_project import Query, pull
from ionsieve.data.records import refresh


def main(snakemake) -> None:
    params = snakemake.params
    query = Query(
        working_ion=params.working_ion,
        ions=params.ions,
        thermo_type=params.thermo_type,
        max_energy_above_hull_eV_per_atom=params.max_energy_above_hull_eV_per_atom,
        include_gnome=params.include_gnome,
    )
    written = refresh(lambda cache: pull(query, cache), Path(snakemake.output.provenance).parent)
    print(f"materials_project: {written}")


if __name__ == "__main__":
    from ionsieve.job import run

    run(main, snakemake)
