"""Rolling forecast of one cycling test: train on its cycles 1 ... k, predict the later ones.

Reads the points; writes the error of every forecast, none where the data hold no such test.
"""


def main(snakemake) -> None:
    """Forecast the test of this rank by its number of cycles."""
    import torch

    from ionsieve.discharge.long_tests import FORECASTS, forecast_of_rank
    from ionsieve.tables import DISCHARGE_POINTS, read_table, write_table

    torch.set_num_threads(snakemake.threads)
    points = read_table(snakemake.input.points, DISCHARGE_POINTS)
    rows = forecast_of_rank(points, int(snakemake.wildcards.rank), snakemake.params.seed)
    write_table(rows, FORECASTS, snakemake.output.errors)


if __name__ == "__main__":
    from ionsieve.job import run

    run(main, snakemake)
