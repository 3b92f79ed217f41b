"""Label frames of one candidate with the teacher, to distil its potential from.

Inputs: the candidate's CIF, and DFT frames of the user's, if any, to compare the teacher with. Outputs:
train, validation and test frames as extxyz, each from trajectories of its own, and frames.json with their
counts or why there are none.
"""

from typing import Any


def main(snakemake: Any) -> None:
    """Unpack the job, label, write."""
    from ase.io import read

    from ionsieve.outcome import candidate_outcome
    from ionsieve.potential.by_name import calculator_by_name, label_kind
    from ionsieve.potential.frames import write_frames
    from ionsieve.potential.teacher import softening_against_dft, teacher_frames

    params, output = snakemake.params, snakemake.output
    with candidate_outcome(
        output.result, placeholders=[output.train, output.validation, output.test]
    ) as result:
        result["material_id"] = snakemake.wildcards.material_id
        name, crystal = label_kind(params.teacher), read(snakemake.input.structure)
        teacher = calculator_by_name(params.teacher, params.teacher_arguments)
        frames, summary = teacher_frames(
            crystal,
            teacher,
            params.working_ion,
            params.vacancy_fraction,
            params.temperature_K,
            params.n_frames,
            params.seed,
        )
        result |= {**summary, "teacher": name, "temperature_K": params.temperature_K, "seed": params.seed}
        result["softening"] = softening_against_dft(teacher, name, crystal, snakemake.input.dft)
        for subset in ("train", "validation", "test"):
            write_frames(output[subset], getattr(frames, subset))


if __name__ == "__main__":
    from ionsieve.job import run

    run(main, snakemake)
