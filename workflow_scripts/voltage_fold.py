"""One member of the voltage ensemble: trained on one fold's training electrodes.

Reads the graphs; writes the member and its predictions of the held-out electrodes.
"""

import torch

from ionsieve.tables import OUT_OF_FOLD, write_table
from ionsieve.voltage.cross_validation import run_fold
from ionsieve.voltage.electrodes import Electrodes
from ionsieve.voltage.ensemble import save_member
from ionsieve.voltage.members import Architecture
from ionsieve.voltage.training import Schedule


def main(snakemake) -> None:
    """Train the fold that the wildcards name."""
    torch.set_num_threads(snakemake.threads)
    params = snakemake.params
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
    member, held_out = run_fold(
        electrodes,
        params.model,
        snakemake.wildcards.protocol,
        int(snakemake.wildcards.fold),
        params.folds,
        architecture,
        schedule,
        params.seed,
    )
    save_member(snakemake.output.state, member)
    write_table(held_out, OUT_OF_FOLD, snakemake.output.predictions)


if __name__ == "__main__":
    from ionsieve.job import run

    run(main, snakemake)
