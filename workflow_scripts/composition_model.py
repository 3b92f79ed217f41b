"""The composition model: the framework folds' members with their calibration, metrics and card.

Reads the electrodes, the members and their held-out predictions; writes the ensemble, its card, the table
of out-of-fold predictions and the metrics.
"""


def main(snakemake) -> None:
    """Assemble the ensemble and say how good it is."""
    import pandas as pd

    from ionsieve.artifacts import digest, write_json
    from ionsieve.composition.benchmark import load_electrodes
    from ionsieve.composition.cross_validation import assemble, measure, model_card
    from ionsieve.composition.ensemble import load_member
    from ionsieve.tables import OUT_OF_FOLD, read_table, write_table

    params, output = snakemake.params, snakemake.output
    electrodes = load_electrodes(snakemake.input.electrodes)
    out_of_fold = pd.concat(
        [read_table(path, OUT_OF_FOLD) for path in snakemake.input.predictions], ignore_index=True
    )
    members = [load_member(path) for path in snakemake.input.members]
    ensemble, out_of_fold = assemble(
        members, electrodes, out_of_fold, params.folds, params.coverage, params.seed
    )
    metrics = measure(out_of_fold, params.coverage, params.seed)

    ensemble.save(output.state)
    electrodes_digest = digest(snakemake.input.electrodes)
    write_json(output.card, model_card(electrodes, ensemble, metrics, electrodes_digest, params.seed))
    write_json(output.metrics, metrics)
    write_table(out_of_fold, OUT_OF_FOLD, output.out_of_fold)


if __name__ == "__main__":
    from ionsieve.job import run

    run(main, snakemake)
