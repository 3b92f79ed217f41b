"""Set predicted and computed voltages side by side, one row per finalist and tier.

Input: shortlist table, CIFs, result files of every tier, hulls of charged hosts. Output: the summary table.
"""

from typing import Any

TIERS = ("universal_potential", "gpaw", "vasp")


def main(snakemake: Any) -> None:
    """Unpack the job, join, write."""
    from ionsieve import tables
    from ionsieve.report.sources import documents_by_material
    from ionsieve.validation.pair import digests
    from ionsieve.validation.summary import summary, with_hulls

    tiers = {tier: documents_by_material(snakemake.input.get(tier, [])) for tier in TIERS}
    shortlist = tables.read_table(snakemake.input.shortlist, tables.SCREENED)
    hulls = documents_by_material(snakemake.input.get("hull", []))
    tiers["universal_potential"] = with_hulls(tiers["universal_potential"], hulls)
    crystals = digests(snakemake.input.get("structures", []), snakemake.params.working_ion)
    table = summary(shortlist, crystals, tiers)
    tables.write_table(table, tables.VALIDATION_SUMMARY, snakemake.output.table)


if __name__ == "__main__":
    from ionsieve.job import run

    run(main, snakemake)
