"""Distil the NequIP potential of one candidate and measure it on trajectories it has not seen.

Inputs: train, validation and test frames, and frames.json. Outputs: the checkpoint, and model.json with
provenance, held-out errors and whether they pass the gate in front of MD, and forces beside their labels.
"""

from pathlib import Path
from typing import Any


def main(snakemake: Any) -> None:
    """Unpack the job, train, measure, write."""
    from ionsieve.artifacts import read_json
    from ionsieve.job import settings_from
    from ionsieve.outcome import candidate_outcome, require_ok
    from ionsieve.potential.calculator import load_calculator
    from ionsieve.potential.card import card
    from ionsieve.potential.evaluation import force_parity, predict, require_accurate
    from ionsieve.potential.frames import FrameSets, read_frames
    from ionsieve.potential.training import TrainingSettings, train
    from ionsieve.tables import FORCE_PARITY, write_table

    frames, params, output = snakemake.input, snakemake.params, snakemake.output
    settings = settings_from(params, TrainingSettings)
    with candidate_outcome(output.result, placeholders=[output.model, output.parity]) as result:
        result["material_id"] = snakemake.wildcards.material_id
        require_ok(frames.result)
        sources = {subset: frames[subset] for subset in ("train", "validation", "test")}
        sets = FrameSets(**{subset: read_frames(path) for subset, path in sources.items()})
        train(sets.train, sets.validation, settings, Path(output.model))
        teacher = read_json(frames.result)
        calculator = load_calculator(output.model)
        tested = predict(calculator, sets.test)
        result |= card(calculator, tested, sets, teacher["teacher"], sources, settings)
        write_table(force_parity(tested, sets.test), FORCE_PARITY, output.parity)
        result["teacher_softening"] = teacher["softening"]
        require_accurate(result["metrics"], params.max_force_mae_eV_per_A)


if __name__ == "__main__":
    from ionsieve.job import run

    run(main, snakemake)
