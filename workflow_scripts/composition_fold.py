"""One framework fold of the composition model.

Reads the electrodes; writes the member that never saw the fold's hosts, and its predictions of them.
"""


def main(snakemake) -> None:
    """Train and predict the fold that the wildcard names."""
    import torch

    from ionsieve.composition.benchmark import load_electrodes
    from ionsieve.composition.cross_validation import run_fold
    from ionsieve.composition.ensemble import save_member
    from ionsieve.tables import OUT_OF_FOLD, write_table

    torch.set_num_threads(snakemake.threads)
    params = snakemake.params
    electrodes = load_electrodes(snakemake.input.electrodes)
    member, predictions = run_fold(electrodes, int(snakemake.wildcards.fold), params.folds, params.seed)
    save_member(snakemake.output.state, member)
    write_table(predictions, OUT_OF_FOLD, snakemake.output.predictions)


if __name__ == "__main__":
    from ionsieve.job import run

    run(main, snakemake)
