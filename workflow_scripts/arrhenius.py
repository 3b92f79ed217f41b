"""Transport of one candidate: its highest temperature, and the barrier where three temperatures have a value.

Inputs: diffusivity.json of every configured temperature, and migration.json where bands are run. Output:
transport.json.
"""

from typing import Any


def main(snakemake: Any) -> None:
    """Gather the temperatures; the status is that of the highest."""
    from ionsieve.artifacts import read_json
    from ionsieve.outcome import OK, candidate_outcome, require_ok
    from ionsieve.transport.analysis import summary

    temperatures = [read_json(path) for path in snakemake.input.temperatures]
    highest = max(range(len(temperatures)), key=lambda index: temperatures[index]["temperature_K"])
    with candidate_outcome(snakemake.output.result) as result:
        result |= summary(temperatures, snakemake.params.working_ion)
        for path in snakemake.input.migration:
            migration = read_json(path)
            known = migration["status"] == OK and not migration["barriers_are_upper_bounds"]
            result["migration_barrier_eV"] = migration["barrier_1d_eV"] if known else None
        require_ok(snakemake.input.temperatures[highest])


if __name__ == "__main__":
    from ionsieve.job import run

    run(main, snakemake)
