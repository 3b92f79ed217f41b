"""Diffusivities of one candidate's ab initio MD beside those of MLMD.

Inputs: the candidate's CIF, vasprun.xml of its ab initio runs, and MLMD's results per temperature. Outputs:
JSON with both, and a plot of both against the inverse temperature.
"""

from typing import Any


def main(snakemake: Any) -> None:
    """Analyse the runs as MLMD's are, compare, write."""
    from pathlib import Path

    from ase.io import read

    from ionsieve.artifacts import read_json, write_text
    from ionsieve.outcome import candidate_outcome
    from ionsieve.validation.aimd import analysed, compared, comparison_plot

    inputs, output, working_ion = snakemake.input, snakemake.output, snakemake.params.working_ion
    with candidate_outcome(output.result, placeholders=[output.plot]) as result:
        result["material_id"] = snakemake.wildcards.material_id
        crystal = read(inputs.structure)
        aimd = [analysed(Path(path), working_ion, crystal) for path in inputs.aimd]
        rows = compared(aimd, [read_json(path) for path in inputs.mlmd])
        result |= {"aimd": aimd, "temperatures": rows}
        write_text(output.plot, comparison_plot(rows, snakemake.wildcards.material_id))


if __name__ == "__main__":
    from ionsieve.job import run

    run(main, snakemake)
