"""Sieve candidates by voltage and capacity, and write the shortlist.

Input: buckets of candidates and of predictions. Output: ``shortlist.parquet``, ``screened.parquet``,
``funnel.json``; beside them, kept as they are where nothing changed, one CIF per shortlisted crystal,
which holds the structure and nothing else.
"""

from pathlib import Path

from ionsieve import tables
from ionsieve.artifacts import write_json
from ionsieve.screen import Thresholds, read_shards, screen, shortlist, write_structures

THRESHOLDS = (
    "min_voltage_V",
    "max_voltage_V",
    "min_voltage_probability",
    "min_capacity_vol_Ah_per_L",
    "min_capacity_grav_mAh_per_g",
    "min_redox_capacity_vol_Ah_per_L",
    "min_energy_density_Wh_per_kg",
    "exclude_elements",
)


def main(snakemake) -> None:
    params, output = snakemake.params, snakemake.output
    screened, crystals, funnel = screen(
        read_shards(snakemake.input.candidates, snakemake.input.predictions),
        params.working_ion,
        Thresholds(**{name: params[name] for name in THRESHOLDS}),
        params.controls,
    )
    chosen = shortlist(screened, params.max_candidates)
    write_structures(crystals, chosen["material_id"], Path(output.shortlist).parent / "structures")
    tables.write_table(screened, tables.SCREENED, output.screened)
    write_json(output.funnel, funnel)
    tables.write_table(chosen, tables.SCREENED, output.shortlist)


if __name__ == "__main__":
    from ionsieve.job import run

    run(main, snakemake)
