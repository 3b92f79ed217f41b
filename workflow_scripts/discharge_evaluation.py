"""Errors of discharge curves under the splits by the number of metals, beside their baselines.

Reads the points and what the members of each split predict; writes the errors and the scored discharges.
"""


def main(snakemake) -> None:
    """Score every split that the data allow."""
    from ionsieve.artifacts import write_json
    from ionsieve.discharge.split_evaluation import SCORED_DISCHARGES, SCORED_POINTS, evaluate
    from ionsieve.discharge.splits import PROTOCOLS
    from ionsieve.tables import DISCHARGE_POINTS, read_table, write_table

    points = read_table(snakemake.input.points, DISCHARGE_POINTS)
    n_members = snakemake.params.members
    tables = [read_table(path, SCORED_POINTS) for path in snakemake.input.predictions]
    of_protocol = {
        protocol: tables[place * n_members : (place + 1) * n_members]
        for place, protocol in enumerate(PROTOCOLS)
    }
    document, scored = evaluate(points, of_protocol, snakemake.params.seed)
    write_json(snakemake.output.errors, document)
    write_table(scored, SCORED_DISCHARGES, snakemake.output.scored)


if __name__ == "__main__":
    from ionsieve.job import run

    run(main, snakemake)
