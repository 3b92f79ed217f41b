"""One fold of the benchmark of voltage models: audited, trained, predicted.

Reads the graphs (and the energy model's features, for models that use one); writes the held-out
predictions and what the audit for leaks found.
"""

import torch

from ionsieve.artifacts import write_json
from ionsieve.tables import write_table
from ionsieve.voltage.benchmark import BENCHMARK_FOLD, run_fold
from ionsieve.voltage.electrodes import Electrodes
from ionsieve.voltage.members import Architecture
from ionsieve.voltage.rivals import Settings
from ionsieve.voltage.training import Schedule


def main(snakemake) -> None:
    """Run the model, protocol, fold and training that the wildcards name."""
    torch.set_num_threads(snakemake.threads)
    params, wildcards = snakemake.params, snakemake.wildcards
    electrodes = Electrodes.load(snakemake.input.graphs)
    architecture = Architecture(
        cutoff_A=electrodes.cutoff_A,
        max_neighbors=electrodes.max_neighbors,
        atom_features=params.atom_features,
        convolutions=params.convolutions,
        hidden_features=params.hidden_features,
    )
    schedule = Schedule(
        params.epochs, params.batch_size, params.learning_rate, params.weight_decay, params.device
    )
    held_out, audited = run_fold(
        electrodes,
        wildcards.model,
        wildcards.protocol,
        int(wildcards.fold),
        int(wildcards.training),
        params.folds,
        Settings(architecture, schedule, next(iter(snakemake.input.energy_features), None)),
        params.seed,
    )
    write_table(held_out, BENCHMARK_FOLD, snakemake.output.predictions)
    write_json(snakemake.output.audit, audited)


if __name__ == "__main__":
    from ionsieve.job import run

    run(main, snakemake)
