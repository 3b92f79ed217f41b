"""Write VASP inputs of one candidate's ab initio MD.

Input: the candidate's CIF. Output: a zip of inputs per temperature (no POTCARs), and JSON with the simulation
cell, or why there is none.
"""

from typing import Any


def main(snakemake: Any) -> None:
    """Unpack the job, build the cell, write."""
    from ase.io import read

    from ionsieve.artifacts import write_bytes
    from ionsieve.job import settings_from
    from ionsieve.outcome import candidate_outcome
    from ionsieve.transport.supercell import simulation_cell
    from ionsieve.validation.aimd import AimdSettings, aimd_inputs
    from ionsieve.validation.bundle import text_archive
    from ionsieve.validation.vasp import VaspSettings

    params, output, material_id = snakemake.params, snakemake.output, snakemake.wildcards.material_id
    settings = AimdSettings(params.temperatures_K, params.length_ps, params.timestep_fs)
    vasp = settings_from(params, VaspSettings)
    with candidate_outcome(output.result, placeholders=[output.inputs]) as result:
        result["material_id"] = material_id
        cell = simulation_cell(
            read(snakemake.input.structure),
            params.working_ion,
            params.min_atoms,
            params.vacancy_fraction,
            params.seed,
            material_id,
        )
        result |= cell.summary()
        files = aimd_inputs(material_id, cell.atoms, settings, vasp)
        write_bytes(output.inputs, text_archive(files, folder=material_id))


if __name__ == "__main__":
    from ionsieve.job import run

    run(main, snakemake)
