"""One replica of a candidate's MD at one temperature: NPT, then NVT, with a part of the ions removed.

Inputs: the candidate's CIF, its potential and the potential's result. Outputs: the NVT trajectory,
thermodynamics of both stages, and md.json with the simulation cell and how the run ended. While it runs, its
checkpoints are in ``checkpoint`` beside them: undeclared, since Snakemake removes outputs before a rerun.
"""

from typing import Any


def main(snakemake: Any) -> None:
    """Build the simulation cell, run it, write what came out."""
    import shutil
    from pathlib import Path

    from ase.io import read

    from ionsieve.artifacts import digest
    from ionsieve.job import settings_from
    from ionsieve.outcome import candidate_outcome, require_ok
    from ionsieve.potential.calculator import check_elements, load_calculator
    from ionsieve.potential.devices import md_device
    from ionsieve.transport.guards import Unstable
    from ionsieve.transport.protocol import Protocol
    from ionsieve.transport.seeding import generator, replica_names
    from ionsieve.transport.supercell import simulation_cell
    from ionsieve.transport.unattended import simulate_unattended

    params, output = snakemake.params, snakemake.output
    wildcards = snakemake.wildcards
    material_id, temperature, replica = wildcards.material_id, wildcards.temperature, int(wildcards.replica)
    checkpoint = Path(output.result).parent / "checkpoint"
    with candidate_outcome(output.result, placeholders=[output.trajectory, output.thermo]) as result:
        result |= {"material_id": material_id, "temperature_K": float(temperature), "replica": replica}
        require_ok(snakemake.input.potential)
        cell = simulation_cell(
            read(snakemake.input.structure),
            params.working_ion,
            params.min_atoms,
            params.vacancy_fraction,
            params.seed,
            material_id,
            replica,
        )
        result |= cell.summary()
        check_elements(snakemake.input.potential, cell.atoms)
        cell.atoms.calc = load_calculator(snakemake.input.model, md_device(str(snakemake.resources.device)))
        protocol = settings_from(params, Protocol, temperature_K=float(temperature))
        simulation = simulate_unattended(
            cell.atoms,
            protocol,
            generator(params.seed, "velocities", material_id, temperature, *replica_names(replica)),
            folder=checkpoint,
            made_with={"potential": digest(snakemake.input.model), "algorithm": str(params.algorithm)},
            checkpoint_ps=float(snakemake.resources.checkpoint_ps),
            label=f"MD {material_id}",
        )
        simulation.save(output.trajectory, output.thermo)
        result |= simulation.summary
        if simulation.stopped is not None:
            raise Unstable(simulation.stopped)
    shutil.rmtree(checkpoint, ignore_errors=True)


if __name__ == "__main__":
    from ionsieve.job import run

    run(main, snakemake)
