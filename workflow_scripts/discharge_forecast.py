"""The forecasts of all tests, beside persistence and the straight line.

Reads the error of every forecast; writes them by horizon and origin, and which method matches the baselines.
"""


def main(snakemake) -> None:
    """Put the tests together."""
    from ionsieve.artifacts import write_json
    from ionsieve.discharge.long_tests import FORECASTS, forecast_document
    from ionsieve.tables import read_table

    tables = [read_table(path, FORECASTS) for path in snakemake.input]
    write_json(snakemake.output.errors, forecast_document(tables))


if __name__ == "__main__":
    from ionsieve.job import run

    run(main, snakemake)
