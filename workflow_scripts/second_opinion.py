"""Voltages of the shortlist from its formulas alone, beside those of the voltage model.

Reads the shortlist and the composition model; writes one row per candidate and control.
"""


def main(snakemake) -> None:
    """Predict the extraction of all ions of each candidate."""
    from ionsieve.composition.ensemble import CompositionEnsemble
    from ionsieve.composition.second_opinion import second_opinion
    from ionsieve.tables import SCREENED, SECOND_OPINION, read_table, write_table

    shortlist = read_table(snakemake.input.shortlist, SCREENED)
    ensemble = CompositionEnsemble.load(snakemake.input.model)
    rows = second_opinion(shortlist, ensemble, snakemake.params.working_ion)
    write_table(rows, SECOND_OPINION, snakemake.output.table)


if __name__ == "__main__":
    from ionsieve.job import run

    run(main, snakemake)
