"""One member trained on the training side of a split by the number of metals; a killed job goes on.

Reads the points; writes what the member says of the points that are scored, none where the data hold no such
split.
"""


def main(snakemake) -> None:
    """Train on one side, predict the other."""
    from pathlib import Path

    import torch

    from ionsieve.discharge import split_evaluation
    from ionsieve.discharge.network import SETTINGS
    from ionsieve.discharge.training import Schedule, train_member
    from ionsieve.tables import DISCHARGE_POINTS, read_table, write_table

    torch.set_num_threads(snakemake.threads)
    params, wildcards = snakemake.params, snakemake.wildcards
    output = Path(snakemake.output.predictions)
    checkpoint = output.with_suffix(".checkpoint.pt")
    points = read_table(snakemake.input.points, DISCHARGE_POINTS)
    split, _ = split_evaluation.possible_split(points, wildcards.protocol)
    if split is None:
        rows = split_evaluation.SCORED_POINTS.empty_table().to_pandas()
    else:
        learned = split_evaluation.training_points(points, split)
        member = train_member(
            learned,
            SETTINGS[params.configuration],
            Schedule(epochs=params.epochs).for_points(len(learned), params.least_steps),
            params.seed + int(wildcards.member),
            checkpoint,
        )
        rows = split_evaluation.predicted_rows(member.network, points, split)
    write_table(rows, split_evaluation.SCORED_POINTS, output)
    checkpoint.unlink(missing_ok=True)


if __name__ == "__main__":
    from ionsieve.job import run

    run(main, snakemake)
