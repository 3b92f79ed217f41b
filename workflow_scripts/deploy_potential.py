"""Make the form of a potential that MD runs: compiled where that pays, as it was trained otherwise.

Inputs: the model, its result, and frames to compare the two forms on. Outputs: the model to run, and
deployed.json with which it is and why.
"""

from typing import Any


def main(snakemake: Any) -> None:
    """Unpack the job, compile or copy, write."""
    from pathlib import Path

    from ionsieve.outcome import candidate_outcome, require_ok
    from ionsieve.potential.deployment import deploy
    from ionsieve.potential.devices import planned_device

    params, output = snakemake.params, snakemake.output
    with candidate_outcome(output.result, placeholders=[output.model]) as result:
        result["material_id"] = snakemake.wildcards.potential
        require_ok(snakemake.input.result)
        result["deployed"] = deploy(
            Path(snakemake.input.model),
            snakemake.input.frames,
            params.choice,
            params.pays,
            Path(output.model),
            planned_device(str(snakemake.resources.device)),
        )


if __name__ == "__main__":
    from ionsieve.job import run

    run(main, snakemake)
