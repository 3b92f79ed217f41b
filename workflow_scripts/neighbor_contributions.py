"""Which neighbours of the working ions drive one candidate's predicted voltage.

Reads the voltage model and the candidate's CIF; writes a JSON document with a row per neighbour.
"""

import torch
from pymatgen.core import Structure

from ionsieve.artifacts import write_json
from ionsieve.structures import to_columns
from ionsieve.voltage.attribution import ensemble_contributions
from ionsieve.voltage.ensemble import Ensemble


def main(snakemake) -> None:
    """Explain the mean of the model's networks."""
    torch.set_num_threads(snakemake.threads)
    document = ensemble_contributions(
        Ensemble.load(snakemake.input.model).members,
        to_columns(Structure.from_file(snakemake.input.structure)),
        snakemake.params.working_ion,
    )
    write_json(snakemake.output.contributions, document)


if __name__ == "__main__":
    from ionsieve.job import run

    run(main, snakemake)
