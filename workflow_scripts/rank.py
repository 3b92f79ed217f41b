"""Join shortlist, molecular dynamics and validation into the final ranking.

Input: shortlist table, its voltages from formulas, transport.json, model.json, validation.json and
universal_potential.json of its rows. Output: the ranked table as Parquet and as CSV.
"""

from typing import Any


def main(snakemake: Any) -> None:
    """Unpack the job, rank, write."""
    from ionsieve import tables
    from ionsieve.ranking import rank, write_csv
    from ionsieve.report.sources import by_material, documents_by_material, force_errors

    shortlist = tables.read_table(snakemake.input.shortlist, tables.SCREENED)
    second_opinion = tables.read_table(snakemake.input.second_opinion, tables.SECOND_OPINION)
    material_ids = list(shortlist["material_id"])
    ranked = rank(
        shortlist,
        documents_by_material(snakemake.input.transport),
        documents_by_material(snakemake.input.validation),
        documents_by_material(snakemake.input.get("universal_potential", [])),
        by_material(second_opinion),
        force_errors(documents_by_material(snakemake.input.potentials), material_ids),
        snakemake.params.min_conductivity_mS_per_cm,
    )
    tables.write_table(ranked, tables.RANKED, snakemake.output.table)
    write_csv(ranked, snakemake.output.csv)


if __name__ == "__main__":
    from ionsieve.job import run

    run(main, snakemake)
