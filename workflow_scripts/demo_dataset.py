"""The demo tables made anew from all shards, and compared with the shipped ones.

Inputs: raw records of all shards. Outputs: electrodes, candidates, records (energies and outcome of
every record), provenance, and comparison.json with the largest energy difference to the shipped set.
A difference above ``tolerance_meV_per_atom`` is an error.
"""

from pathlib import Path
from typing import Any


def main(snakemake: Any) -> None:
    """Merge the shards, write the tables, compare."""
    from ionsieve.data.demo.build import compare_with_shipped, read_shards, working_ions, write_tables
    from ionsieve.data.demo.relaxation import chgnet_calculator, metal_energy_eV

    output = snakemake.output
    calculator = chgnet_calculator()
    metals_eV = {ion: metal_energy_eV(ion, calculator) for ion in working_ions()}
    write_tables(read_shards(snakemake.input.shards), metals_eV, Path(output.records).parent)
    compare_with_shipped(output.records, snakemake.params.tolerance_meV_per_atom, output.comparison)


if __name__ == "__main__":
    from ionsieve.job import run

    run(main, snakemake)
