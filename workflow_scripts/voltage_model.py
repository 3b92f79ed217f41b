"""The voltage model: the framework folds' members with their calibration, metrics and card.

Reads the graphs, the members and all held-out predictions; writes the ensemble, its card, the table
of out-of-fold predictions and the metrics.
"""

import pandas as pd

from ionsieve.artifacts import write_json
from ionsieve.tables import OUT_OF_FOLD, read_table, write_table
from ionsieve.voltage.electrodes import Electrodes
from ionsieve.voltage.ensemble import assemble, load_member, measure, model_card
from ionsieve.voltage.training import Schedule


def main(snakemake) -> None:
    """Assemble the ensemble and say how good it is."""
    params, output = snakemake.params, snakemake.output
    electrodes = Electrodes.load(snakemake.input.graphs)
    out_of_fold = pd.concat([read_table(path, OUT_OF_FOLD) for path in snakemake.input.predictions])
    members = [load_member(path) for path in snakemake.input.members]
    ensemble, out_of_fold = assemble(members, electrodes, out_of_fold, params.coverage, params.seed)
    metrics = measure(electrodes, out_of_fold, params.folds, params.coverage, params.seed)
    schedule = Schedule(params.epochs, params.batch_size, params.learning_rate, params.weight_decay)

    ensemble.save(output.state)
    write_json(output.card, model_card(electrodes, ensemble, schedule, metrics, params.seed))
    write_json(output.metrics, metrics)
    write_table(out_of_fold, OUT_OF_FOLD, output.out_of_fold)


if __name__ == "__main__":
    from ionsieve.job import run

    run(main, snakemake)
