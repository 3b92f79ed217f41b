"""A ready model against the user's own cycling tests.

Reads the model and the points; writes its errors beside those of the baselines.
"""


def main(snakemake) -> None:
    """Predict every discharge of the tests."""
    from pathlib import Path

    import torch

    from ionsieve.artifacts import write_json
    from ionsieve.discharge.ensemble import Ensemble
    from ionsieve.discharge.split_evaluation import agreement
    from ionsieve.tables import DISCHARGE_POINTS, read_table

    torch.set_num_threads(snakemake.threads)
    ensemble = Ensemble.load(Path(snakemake.input.state).parent)
    points = read_table(snakemake.input.points, DISCHARGE_POINTS)
    write_json(snakemake.output.errors, agreement(ensemble.members, points, snakemake.params.seed))


if __name__ == "__main__":
    from ionsieve.job import run

    run(main, snakemake)
