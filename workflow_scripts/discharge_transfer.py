"""Does what is learned of two metals hold for three? Synthetic cells, with and without a three-body part.

Reads nothing; writes the errors.
"""


def main(snakemake) -> None:
    """Train on both worlds and score."""
    import torch

    from ionsieve.artifacts import write_json
    from ionsieve.discharge.split_evaluation import json_rows
    from ionsieve.discharge.transfer import Experiment, transfer

    torch.set_num_threads(snakemake.threads)
    rows = transfer(Experiment(seed=snakemake.params.seed))
    write_json(snakemake.output.errors, {"label": "synthetic", "rows": json_rows(rows)})


if __name__ == "__main__":
    from ionsieve.job import run

    run(main, snakemake)
