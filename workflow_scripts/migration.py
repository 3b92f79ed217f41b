"""Barriers of one candidate's single hops into a vacancy, by nudged elastic bands.

Inputs: the candidate's CIF, its potential and the potential's result. Output: migration.json with every
distinct hop and the barriers of the paths that cross the crystal, or why there are none.
"""

from typing import Any


def main(snakemake: Any) -> None:
    """Unpack the job, find saddles, write."""
    from ase.io import read

    from ionsieve.outcome import candidate_outcome, require_ok
    from ionsieve.potential.calculator import check_elements, load_calculator
    from ionsieve.potential.devices import md_device
    from ionsieve.transport.migration import migration

    params = snakemake.params
    with candidate_outcome(snakemake.output.result) as result:
        result["material_id"] = snakemake.wildcards.material_id
        require_ok(snakemake.input.potential)
        crystal = read(snakemake.input.structure)
        check_elements(snakemake.input.potential, crystal)
        calculator = load_calculator(snakemake.input.model, md_device(str(snakemake.resources.device)))
        result |= migration(crystal, calculator, params.working_ion, params.min_atoms, params.n_images)


if __name__ == "__main__":
    from ionsieve.job import run

    run(main, snakemake)
