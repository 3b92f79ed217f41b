"""Graphs and descriptors of one bucket of candidates, for any voltage model to read."""

import torch

from ionsieve.tables import CANDIDATES, read_table
from ionsieve.voltage.candidate_inputs import inputs_of, save_inputs


def main(snakemake) -> None:
    """Make the bucket's inputs."""
    torch.set_num_threads(snakemake.threads)
    params = snakemake.params
    candidates = read_table(snakemake.input.candidates, CANDIDATES)
    inputs = inputs_of(candidates, params.working_ion, params.cutoff_A, params.max_neighbors)
    save_inputs(snakemake.output.inputs, inputs)


if __name__ == "__main__":
    from ionsieve.job import run

    run(main, snakemake)
