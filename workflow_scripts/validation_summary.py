"""Set predicted and computed voltages side by side, one row per finalist and tier.

Input: shortlist table, CIFs, result files of every tier, hulls of charged hosts. Output: the summary table.
"""

from pathlib import Path
from typing import Any

TIERS = ("universal_potential", "gpaw", "vasp")


def main(snakemake: Any) -> None:
    """Unpack the job, join, write."""
    from pymatgen.core import Structure

    from ionsieve import tables
    from ionsieve.report.sources import documents_by_material
    from ionsieve.validation.pair import pair_digest
    from ionsieve.validation.summary import DECOMPOSITION, summary

    digests = {
        Path(path).stem: pair_digest(Structure.from_file(path), snakemake.params.working_ion)
        for path in snakemake.input.get("structures", [])
    }
    tiers = {tier: documents_by_material(snakemake.input.get(tier, [])) for tier in TIERS}
    shortlist = tables.read_table(snakemake.input.shortlist, tables.SCREENED)
    for material_id, hull in documents_by_material(snakemake.input.get("hull", [])).items():
        relaxed = tiers["universal_potential"][material_id]
        relaxed[DECOMPOSITION] = hull.get(DECOMPOSITION)
    table = summary(shortlist, digests, tiers)
    tables.write_table(table, tables.VALIDATION_SUMMARY, snakemake.output.table)


if __name__ == "__main__":
    from ionsieve.job import run

    run(main, snakemake)
