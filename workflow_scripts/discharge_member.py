"""One member of the ensemble for discharge curves; a killed job goes on after its last epoch.

Reads the points; writes the member. The checkpoint beside it goes when the training is done.
"""


def main(snakemake) -> None:
    """Train on all points."""
    from pathlib import Path

    import torch

    from ionsieve.discharge.members import save_member
    from ionsieve.discharge.network import SETTINGS
    from ionsieve.discharge.points import Points
    from ionsieve.discharge.training import Schedule, train_member
    from ionsieve.tables import DISCHARGE_POINTS, read_table

    torch.set_num_threads(snakemake.threads)
    params, checkpoint = snakemake.params, Path(snakemake.output.state).with_name("checkpoint.pt")
    points = Points.from_table(read_table(snakemake.input.points, DISCHARGE_POINTS))
    seed = params.seed + int(snakemake.wildcards.member)
    schedule = Schedule(epochs=params.epochs).for_points(len(points), params.least_steps)
    save_member(
        snakemake.output.state,
        train_member(points, SETTINGS[params.configuration], schedule, seed, checkpoint),
    )
    checkpoint.unlink(missing_ok=True)


if __name__ == "__main__":
    from ionsieve.job import run

    run(main, snakemake)
