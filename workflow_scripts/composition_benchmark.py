"""The paper's tables and the models' errors, from all experiments.

Reads the held-out predictions and audits of all experiments and the composition model; writes the
predictions together and the tables as CSV, JSON and Markdown.
"""


def main(snakemake) -> None:
    """Put all experiments together."""
    import pandas as pd

    from ionsieve.artifacts import atomic_path, write_json, write_text
    from ionsieve.composition.benchmark import (
        OUT_OF_FOLD,
        load_electrodes,
        read_experiments,
        summarise,
    )
    from ionsieve.composition.ensemble import CompositionEnsemble
    from ionsieve.composition.paper_tables import table_s1, to_markdown
    from ionsieve.composition.volume_change import HELD_OUT
    from ionsieve.composition.volume_change import summarise as summarise_volume_change
    from ionsieve.tables import read_table, write_table

    source, output, params = snakemake.input, snakemake.output, snakemake.params
    ensemble = CompositionEnsemble.load(source.model)
    out_of_fold, _, skipped = read_experiments(source.predictions, source.audits)
    summary = {
        "seed": params.seed,
        "folds": params.folds,
        "random_splits": params.random_splits,
        "scores": summarise(out_of_fold, params.seed),
        "skipped": skipped,
        "coverage": ensemble.uncertainty.coverage,
        "table_s1": table_s1(ensemble, load_electrodes(source.electrodes)),
        "table_s5": summarise_volume_change(read_table(source.volume_change, HELD_OUT), params.seed),
    }
    write_table(out_of_fold, OUT_OF_FOLD, output.out_of_fold)
    with atomic_path(output.csv) as path:
        pd.DataFrame(summary["scores"]).to_csv(path, index=False)
    write_json(output.json, summary)
    write_text(output.markdown, to_markdown(summary))


if __name__ == "__main__":
    from ionsieve.job import run

    run(main, snakemake)
