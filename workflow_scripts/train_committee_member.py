"""Train one member of the committee that judges a candidate's potential: another seed on the same frames.

Inputs: the potential's result, and the frames it learned. Outputs: the member's checkpoint, and member.json
with how it ended. After a round that found nothing to add there is no committee, and the checkpoint says so.
"""

from pathlib import Path
from typing import Any


def main(snakemake: Any) -> None:
    """Unpack the job, train, write."""
    from ionsieve.artifacts import write_text
    from ionsieve.job import settings_from
    from ionsieve.outcome import candidate_outcome
    from ionsieve.potential.frames import read_frames
    from ionsieve.potential.refinement import has_converged, require_refinable
    from ionsieve.potential.training import TrainingSettings, train

    job, params, output = snakemake.input, snakemake.params, snakemake.output
    seed = params.seed + int(snakemake.wildcards.member)
    with candidate_outcome(output.result, placeholders=[output.model]) as result:
        result |= {"material_id": snakemake.wildcards.material_id, "seed": seed}
        if has_converged(require_refinable(job.result)):
            write_text(output.model, "no member: refinement has converged\n")
            return
        settings = settings_from(params, TrainingSettings, seed=seed)
        train(read_frames(job.train), read_frames(job.validation), settings, Path(output.model))


if __name__ == "__main__":
    from ionsieve.job import run

    run(main, snakemake)
