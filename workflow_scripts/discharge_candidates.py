"""First discharges of shortlisted lithium rocksalt compositions, or why there is no answer.

Reads the shortlist and the model; writes one row per candidate and control.
"""


def main(snakemake) -> None:
    """Ask the model of each candidate that it knows."""
    from pathlib import Path

    import torch

    from ionsieve.discharge.candidates import DISCHARGE_CANDIDATES, discharge_candidates
    from ionsieve.discharge.ensemble import Ensemble
    from ionsieve.tables import SCREENED, read_table, write_table

    torch.set_num_threads(snakemake.threads)
    params = snakemake.params
    rows = discharge_candidates(
        read_table(snakemake.input.shortlist, SCREENED),
        Ensemble.load(Path(snakemake.input.state).parent),
        params.working_ion,
        params.rate_mA_per_g,
        (params.voltage_low_V, params.voltage_high_V),
    )
    write_table(rows, DISCHARGE_CANDIDATES, snakemake.output.table)


if __name__ == "__main__":
    from ionsieve.job import run

    run(main, snakemake)
