"""Voltages of one bucket of candidates, with intervals.

Reads the voltage model and a bucket's graphs and descriptors; writes one row per candidate. Candidates
that are training electrodes show their out-of-fold prediction and their label.
"""

import torch

from ionsieve.artifacts import read_json
from ionsieve.tables import OUT_OF_FOLD, PREDICTIONS, read_table, write_table
from ionsieve.voltage.candidate_inputs import load_inputs
from ionsieve.voltage.devices import compute_device
from ionsieve.voltage.ensemble import Ensemble
from ionsieve.voltage.prediction import KnownElectrodes, predict_candidates


def main(snakemake) -> None:
    """Predict the bucket's voltages."""
    torch.set_num_threads(snakemake.threads)
    working_ion = snakemake.params.working_ion
    known = KnownElectrodes.from_out_of_fold(
        read_table(snakemake.input.out_of_fold, OUT_OF_FOLD), read_json(snakemake.input.card), working_ion
    )
    predictions = predict_candidates(
        load_inputs(snakemake.input.inputs),
        Ensemble.load(snakemake.input.model).to(compute_device(snakemake.params.device)),
        known,
        working_ion,
    )
    write_table(predictions, PREDICTIONS, snakemake.output.predictions)


if __name__ == "__main__":
    from ionsieve.job import run

    run(main, snakemake)
