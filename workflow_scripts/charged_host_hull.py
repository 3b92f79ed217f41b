"""Set the relaxed charged host against known phases: does it last, or fall apart into them?

Inputs: result of the universal potential, and, where given, entries of the phases. Output: JSON with the
decomposition energy and its products, or why there are none.
"""

from typing import Any


def main(snakemake: Any) -> None:
    """Unpack the job, compare, write."""
    from ionsieve.artifacts import read_json
    from ionsieve.outcome import candidate_outcome, require_ok
    from ionsieve.validation.hull import charged_host_decomposition

    with candidate_outcome(snakemake.output.result) as result:
        result["material_id"] = snakemake.wildcards.material_id
        require_ok(snakemake.input.relaxed)
        relaxed = read_json(snakemake.input.relaxed)
        result["structure_digest"] = relaxed["structure_digest"]
        result |= charged_host_decomposition(relaxed, snakemake.input.hull_entries)


if __name__ == "__main__":
    from ionsieve.job import run

    run(main, snakemake)
