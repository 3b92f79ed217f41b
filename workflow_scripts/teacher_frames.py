"""Label frames of one candidate with CHGNet, to distil its potential from.

Input: the candidate's CIF. Output: train, validation and test frames as extxyz, each from trajectories
of its own, and frames.json with their counts or why there are none.
"""

from typing import Any


def main(snakemake: Any) -> None:
    """Unpack the job, label, write."""
    from ase.io import read

    from ionsieve.outcome import candidate_outcome
    from ionsieve.potential.frames import write_frames
    from ionsieve.potential.teacher import load_teacher, teacher_frames

    params, output = snakemake.params, snakemake.output
    with candidate_outcome(
        output.result, placeholders=[output.train, output.validation, output.test]
    ) as result:
        result["material_id"] = snakemake.wildcards.material_id
        frames, summary = teacher_frames(
            read(snakemake.input.structure),
            load_teacher(),
            params.working_ion,
            params.vacancy_fraction,
            params.temperature_K,
            params.n_frames,
            params.seed,
        )
        result |= {**summary, "teacher": "CHGNet", "temperature_K": params.temperature_K, "seed": params.seed}
        for subset in ("train", "validation", "test"):
            write_frames(output[subset], getattr(frames, subset))


if __name__ == "__main__":
    from ionsieve.job import run

    run(main, snakemake)
