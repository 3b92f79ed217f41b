"""The ensemble for discharge curves, of its trained members, and its card.

Reads the members, the points and where they come from; writes the model's folder.
"""


def main(snakemake) -> None:
    """Assemble the members and say how well they fit what they learned from."""
    from pathlib import Path

    import torch

    from ionsieve.artifacts import digest, read_json
    from ionsieve.discharge.ensemble import Ensemble, TrainingRanges, model_card
    from ionsieve.discharge.members import load_member
    from ionsieve.discharge.split_evaluation import agreement
    from ionsieve.discharge.training import Schedule
    from ionsieve.plurals import noun
    from ionsieve.tables import DISCHARGE_POINTS, read_table

    torch.set_num_threads(snakemake.threads)
    params = snakemake.params
    points = read_table(snakemake.input.points, DISCHARGE_POINTS)
    provenance = read_json(snakemake.input.provenance)
    members = [load_member(path) for path in snakemake.input.members]
    ensemble = Ensemble(tuple(member.network for member in members), TrainingRanges.of_points(points))
    cycles, tests = provenance["n_cycles"], provenance["n_tests_with_points"]
    card = model_card(
        ensemble,
        label=" and ".join(sorted(provenance["labels"])),
        data_digest=digest(snakemake.input.points),
        provenance=(
            f"trained by this workflow on {cycles:,} {noun(cycles, 'discharge')}"
            f" of {tests:,} {noun(tests, 'cycling test')}, data set {provenance['dataset_version']}"
        ),
        licence="that of the cycling tests",
        schedule=Schedule(epochs=params.epochs).for_points(len(points), params.least_steps).to_dict(),
        seeds=[member.seed for member in members],
        epoch_losses=[list(member.epoch_losses) for member in members],
        metrics={"fit_to_training_data": agreement(ensemble.members, points, params.seed)},
    )
    ensemble.save(Path(snakemake.output.state).parent, card)


if __name__ == "__main__":
    from ionsieve.job import run

    run(main, snakemake)
