"""What a voltage network learns of chemistry that it was not told: training with random atom inputs.

Reads the graphs; writes the member, maps of elements and of local environments, and their counts.
"""

import numpy as np
import torch

from ionsieve.artifacts import write_json
from ionsieve.tables import write_table
from ionsieve.voltage.electrodes import Electrodes
from ionsieve.voltage.ensemble import save_member
from ionsieve.voltage.interpretation import interpret
from ionsieve.voltage.interpretation_tables import LEARNED_ELEMENTS, LOCAL_ENVIRONMENTS
from ionsieve.voltage.members import Architecture
from ionsieve.voltage.training import Schedule, train_member


def main(snakemake) -> None:
    """Train one member on all electrodes and look inside."""
    torch.set_num_threads(snakemake.threads)
    params, output = snakemake.params, snakemake.output
    electrodes = Electrodes.load(snakemake.input.graphs)
    architecture = Architecture(
        cutoff_A=electrodes.cutoff_A,
        max_neighbors=electrodes.max_neighbors,
        atom_features=params.atom_features,
        convolutions=params.convolutions,
        hidden_features=params.hidden_features,
        atom_input="random_binary",
    )
    schedule = Schedule(
        params.epochs, params.batch_size, params.learning_rate, params.weight_decay, params.device
    )
    everything = np.arange(len(electrodes.graphs))
    member = train_member(
        electrodes.graphs, electrodes.voltages_V, everything, architecture, schedule, params.seed
    )
    learned = interpret(member, electrodes, params.seed)

    save_member(output.state, member)
    write_table(learned.elements, LEARNED_ELEMENTS, output.learned_elements)
    write_table(learned.environments, LOCAL_ENVIRONMENTS, output.local_environments)
    write_json(output.interpretation, learned.summary)


if __name__ == "__main__":
    from ionsieve.job import run

    run(main, snakemake)
