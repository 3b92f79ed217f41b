"""What the report shows of a discharge model: curves, maps, high-entropy compositions.

Reads the model; writes three tables and a summary of whose predictions they are.
"""


def main(snakemake) -> None:
    """Ask the model."""
    from pathlib import Path

    import torch

    from ionsieve.artifacts import read_json, write_json
    from ionsieve.discharge import predictions
    from ionsieve.discharge.ensemble import Ensemble
    from ionsieve.job import settings_from
    from ionsieve.tables import write_table

    torch.set_num_threads(snakemake.threads)
    output = snakemake.output
    request = settings_from(snakemake.params, predictions.Request)
    found = predictions.predict(Ensemble.load(Path(snakemake.input.state).parent), request)
    write_table(found.profiles, predictions.PROFILES, output.profiles)
    write_table(found.capacities, predictions.CAPACITIES, output.capacities)
    write_table(found.high_entropy, predictions.HIGH_ENTROPY_CAPACITIES, output.high_entropy)
    write_json(output.summary, predictions.summary(read_json(snakemake.input.card), request, found))


if __name__ == "__main__":
    from ionsieve.job import run

    run(main, snakemake)
