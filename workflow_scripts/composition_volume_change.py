"""Volume changes from formulas, on held-out electrodes.

Reads the electrodes and what their sources calculated; writes the held-out predictions.
"""


def main(snakemake) -> None:
    """Run all folds of both protocols."""
    from ionsieve.composition.benchmark import load_electrodes
    from ionsieve.composition.volume_change import HELD_OUT, run
    from ionsieve.tables import write_table

    params = snakemake.params
    electrodes = load_electrodes(snakemake.input.electrodes, snakemake.input.calculated)
    held_out = run(electrodes, params.folds, params.random_splits, params.seed)
    write_table(held_out, HELD_OUT, snakemake.output.predictions)


if __name__ == "__main__":
    from ionsieve.job import run

    run(main, snakemake)
