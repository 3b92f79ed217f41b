"""The teacher's labels on the frames that a round of refinement found.

Inputs: the frames that MD met, and those that the potential learned before. Outputs: all frames to learn now,
and frames.json with how many were added, and how many set aside for what.
"""

from typing import Any


def main(snakemake: Any) -> None:
    """Unpack the job, label, write."""
    from ase.io import read

    from ionsieve.artifacts import read_json
    from ionsieve.outcome import candidate_outcome, require_ok
    from ionsieve.potential.by_name import calculator_by_name
    from ionsieve.potential.frames import read_frames, write_frames
    from ionsieve.potential.refinement import label_selected

    job, params, output = snakemake.input, snakemake.params, snakemake.output
    with candidate_outcome(output.result, placeholders=[output.train]) as result:
        result["material_id"] = snakemake.wildcards.material_id
        require_ok(job.explored_result)
        frames, set_aside = [], {}
        if read_json(job.explored_result).get("n_selected"):
            teacher = calculator_by_name(params.teacher, params.teacher_arguments)
            frames, set_aside = label_selected(read(job.explored, index=":", format="extxyz"), teacher)
        write_frames(output.train, [*read_frames(job.train), *frames])
        result |= {"frames_added": len(frames), "set_aside": set_aside}


if __name__ == "__main__":
    from ionsieve.job import run

    run(main, snakemake)
