"""Relax the metal of the working ion with VASP, the reference of all voltages.

Output: JSON with its energy and what VASP ran with, or why it could not.
"""

from typing import Any


def main(snakemake: Any) -> None:
    """Unpack the job, relax, write."""
    import os
    from pathlib import Path

    from ionsieve.job import settings_from
    from ionsieve.outcome import candidate_outcome
    from ionsieve.validation.pair import metal_cell
    from ionsieve.validation.vasp import VaspSettings, input_set_generator
    from ionsieve.validation.vasp_run import CORES, relax

    params, resources, ion = snakemake.params, snakemake.resources, snakemake.wildcards.ion
    settings = settings_from(params, VaspSettings)
    os.environ[CORES] = str(snakemake.threads)
    with candidate_outcome(snakemake.output.result) as result:
        result["cell"] = f"{ion} metal"
        result |= relax(
            f"{ion} metal",
            metal_cell(ion),
            input_set_generator(settings, metal=True),
            folder=Path(resources.vasp_folder) / "metals" / ion,
            environment=os.environ,
            made_with={"algorithm": str(params.algorithm)},
            may_start_again=resources.starts_left > 0,
        )


if __name__ == "__main__":
    from ionsieve.job import run

    run(main, snakemake)
