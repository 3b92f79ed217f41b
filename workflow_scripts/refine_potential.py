"""Train a candidate's potential anew, on the frames of a round of refinement too, and measure it.

Inputs: the potential before and its result, results of MD and of the teacher, train, validation and test
frames. Outputs: the checkpoint (that of before, where nothing was added), its card with errors before and
after, and forces beside their labels.
"""

import shutil
from pathlib import Path
from typing import Any


def main(snakemake: Any) -> None:
    """Unpack the job, train, measure, write."""
    from ionsieve.artifacts import atomic_path, read_json
    from ionsieve.job import settings_from
    from ionsieve.outcome import candidate_outcome, require_ok
    from ionsieve.potential.calculator import load_calculator
    from ionsieve.potential.card import card
    from ionsieve.potential.evaluation import force_parity, predict, require_accurate
    from ionsieve.potential.frames import FrameSets, read_frames
    from ionsieve.potential.refinement import has_converged, require_refinable, with_round
    from ionsieve.potential.training import TrainingSettings, train
    from ionsieve.tables import FORCE_PARITY, write_table

    job, params, output = snakemake.input, snakemake.params, snakemake.output
    with candidate_outcome(output.result, placeholders=[output.model, output.parity]) as result:
        result["material_id"] = snakemake.wildcards.material_id
        before = require_refinable(job.result)
        require_ok(job.explored, job.labels)
        labels = read_json(job.labels)
        after = {key: value for key, value in before.items() if key not in ("status", "reason")}
        if labels["frames_added"]:
            settings = settings_from(params, TrainingSettings)
            sources = {"train": job.frames, "validation": job.validation, "test": job.test}
            sets = FrameSets(**{subset: read_frames(path) for subset, path in sources.items()})
            train(sets.train, sets.validation, settings, Path(output.model))
            calculator = load_calculator(output.model)
            tested = predict(calculator, sets.test)
            after |= card(calculator, tested, sets, before["labels"], sources, settings)
            write_table(force_parity(tested, sets.test), FORCE_PARITY, output.parity)
        else:
            for given, written in ((job.model, output.model), (job.parity, output.parity)):
                with atomic_path(written) as temporary:
                    shutil.copyfile(given, temporary)
        if not has_converged(before):
            number = int(snakemake.wildcards.round)
            after["refinement"] = with_round(before, after, number, read_json(job.explored), labels)
        result |= after
        require_accurate(result["metrics"], params.max_force_mae_eV_per_A)


if __name__ == "__main__":
    from ionsieve.job import run

    run(main, snakemake)
