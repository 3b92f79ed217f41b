"""One potential for all candidates: trained on frames, the user's ready model, or a calculator by name.

Inputs: extxyz frames and a model, either may be missing. Outputs: the model, and model.json with
provenance, errors on the frames held out (on all frames for a ready model) and the gate's verdict, and forces
beside their labels.
"""

from pathlib import Path
from typing import Any

LABELS = "the frames given"


def main(snakemake: Any) -> None:
    """Unpack the job, train or adopt, measure, write."""
    from ionsieve.job import settings_from
    from ionsieve.outcome import candidate_outcome
    from ionsieve.potential.by_name import label_kind
    from ionsieve.potential.calculator import load_calculator, name_calculator
    from ionsieve.potential.card import card
    from ionsieve.potential.evaluation import force_parity, predict, require_accurate
    from ionsieve.potential.frames import FrameSets, gather_frames
    from ionsieve.potential.shared import adopt_model, split_frames
    from ionsieve.potential.training import TrainingSettings, train
    from ionsieve.tables import FORCE_PARITY, write_table

    paths, ready = list(snakemake.input.frames), list(snakemake.input.ready)
    params, output = snakemake.params, snakemake.output
    frames, set_aside = gather_frames(paths)
    sources = {f"frames-{number}": path for number, path in enumerate(paths)}
    with candidate_outcome(output.result, placeholders=[output.model, output.parity]) as result:
        result |= {"material_id": "shared", "n_frames": len(frames), "set_aside": set_aside}
        if ready or params.calculator:
            if ready:
                calculator = adopt_model(ready[0], output.model)
                sources["ready"] = ready[0]
            else:
                calculator = name_calculator(params.calculator, params.calculator_arguments, output.model)
                result["calculator"] = label_kind(params.calculator)
            sets, settings = FrameSets(test=frames), None
        else:
            settings = settings_from(params, TrainingSettings)
            sets = split_frames(frames, params.seed)
            train(sets.train, sets.validation, settings, Path(output.model))
            calculator = load_calculator(output.model)
        tested = predict(calculator, sets.test)
        result |= card(calculator, tested, sets, LABELS, sources, settings)
        write_table(force_parity(tested, sets.test), FORCE_PARITY, output.parity)
        require_accurate(result["metrics"], params.max_force_mae_eV_per_A)


if __name__ == "__main__":
    from ionsieve.job import run

    run(main, snakemake)
