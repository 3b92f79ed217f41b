"""Write the VASP inputs and the atomate2 flow that would validate one candidate's voltage.

Input: the candidate's CIF. Output: a zip of inputs (no POTCARs) with the flow as JSON, and
validation.json with what was prepared or why it could not be.
"""

from typing import Any


def main(snakemake: Any) -> None:
    """Unpack the job, prepare, write."""
    from pymatgen.core import Structure

    from ionsieve.artifacts import write_bytes
    from ionsieve.job import settings_from
    from ionsieve.outcome import candidate_outcome
    from ionsieve.validation.bundle import prepare
    from ionsieve.validation.vasp import VaspSettings

    settings = settings_from(snakemake.params, VaspSettings)
    with candidate_outcome(snakemake.output.result, placeholders=[snakemake.output.inputs]) as result:
        prepared = prepare(
            snakemake.wildcards.material_id,
            Structure.from_file(snakemake.input.structure),
            snakemake.params.working_ion,
            settings,
        )
        write_bytes(snakemake.output.inputs, prepared.archive)
        result |= prepared.summary


if __name__ == "__main__":
    from ionsieve.job import run

    run(main, snakemake)
