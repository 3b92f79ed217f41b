"""One experiment on composition models, all folds of one protocol: audited, trained, predicted.

Reads the electrodes and what their sources calculated; writes the held-out predictions and the audits.
"""


def main(snakemake) -> None:
    """Run the experiment and protocol that the wildcards name."""
    import torch

    from ionsieve.artifacts import write_json
    from ionsieve.composition.benchmark import load_electrodes, run
    from ionsieve.tables import HELD_OUT, write_table

    torch.set_num_threads(snakemake.threads)
    params, wildcards = snakemake.params, snakemake.wildcards
    held_out, audits = run(
        load_electrodes(snakemake.input.electrodes, snakemake.input.calculated),
        wildcards.experiment,
        wildcards.protocol,
        params.folds,
        params.random_splits,
        params.seed,
    )
    write_table(held_out, HELD_OUT, snakemake.output.predictions)
    write_json(snakemake.output.audits, {"folds": audits})


if __name__ == "__main__":
    from ionsieve.job import run

    run(main, snakemake)
