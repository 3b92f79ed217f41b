"""Short MD of a candidate's potential, and the frames of it on which a committee disagrees.

Inputs: the candidate's CIF, the potential and its result, the committee. Outputs: the frames as extxyz,
marked where they are to be labelled, and explored.json with how the runs ended and how far the committee
differs.
"""

from typing import Any


def main(snakemake: Any) -> None:
    """Unpack the job, explore, write."""
    from ase.io import read

    from ionsieve.artifacts import write_text
    from ionsieve.outcome import candidate_outcome, require_ok
    from ionsieve.potential.calculator import load_calculator
    from ionsieve.potential.devices import md_device
    from ionsieve.potential.frames import write_frames
    from ionsieve.potential.refinement import explore, has_converged, require_refinable

    job, params, output = snakemake.input, snakemake.params, snakemake.output
    wildcards = snakemake.wildcards
    with candidate_outcome(output.result, placeholders=[output.frames]) as result:
        result["material_id"] = wildcards.material_id
        result["converged"] = has_converged(require_refinable(job.result))
        if result["converged"]:
            write_text(output.frames, "no frames: refinement has converged\n")
            return
        require_ok(*job.members)
        device = md_device(str(snakemake.resources.device))
        exploration = explore(
            read(job.structure),
            load_calculator(job.model, device),
            [load_calculator(model, device) for model in job.committee],
            params.working_ion,
            params.vacancy_fraction,
            params.temperature_K,
            params.max_disagreement_eV_per_A,
            params.n_frames,
            params.seed,
            wildcards.material_id,
            int(wildcards.round),
        )
        write_frames(output.frames, exploration.frames)
        result |= exploration.summary()


if __name__ == "__main__":
    from ionsieve.job import run

    run(main, snakemake)
