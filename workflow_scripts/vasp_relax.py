"""Relax one cell of a candidate with VASP, or go on where VASP was stopped.

Input: the candidate's CIF. Output: JSON with energies, the relaxed structure and what VASP ran with, or why
it could not. VASP's own files are below ``vasp_folder``, undeclared, since Snakemake removes outputs.
"""

from typing import Any


def main(snakemake: Any) -> None:
    """Unpack the job, relax, write."""
    import os
    from pathlib import Path

    from pymatgen.core import Structure

    from ionsieve.job import settings_from
    from ionsieve.outcome import candidate_outcome
    from ionsieve.validation.pair import intercalation_pair
    from ionsieve.validation.vasp import VaspSettings, input_set_generator
    from ionsieve.validation.vasp_run import CORES, relax

    params, resources = snakemake.params, snakemake.resources
    material_id, cell = snakemake.wildcards.material_id, snakemake.wildcards.cell
    settings = settings_from(params, VaspSettings)
    os.environ[CORES] = str(snakemake.threads)
    with candidate_outcome(snakemake.output.result) as result:
        result |= {"material_id": material_id, "cell": cell}
        pair = intercalation_pair(Structure.from_file(snakemake.input.structure), params.working_ion)
        result |= {"n_ions": pair.n_ions, "structure_digest": pair.digest}
        result |= relax(
            f"{material_id} {cell}",
            getattr(pair, cell),
            input_set_generator(settings, metal=False),
            folder=Path(resources.vasp_folder) / material_id / cell,
            environment=os.environ,
            made_with={"algorithm": str(params.algorithm)},
            may_start_again=resources.starts_left > 0,
        )


if __name__ == "__main__":
    from ionsieve.job import run

    run(main, snakemake)
