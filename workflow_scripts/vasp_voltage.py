"""The voltage of one candidate from its VASP relaxations, with D3 and without.

Inputs: results of the discharged and the charged cell and of the metal. Output: JSON with the voltages.
"""

from typing import Any


def main(snakemake: Any) -> None:
    """Unpack the job, take the voltages, write."""
    from dataclasses import asdict

    from pymatgen.core import Structure

    from ionsieve.artifacts import read_json
    from ionsieve.outcome import candidate_outcome, require_ok
    from ionsieve.validation.dispersion import voltages
    from ionsieve.validation.host_survival import host_survival
    from ionsieve.validation.vasp_result import LABEL_KIND

    inputs = snakemake.input
    with candidate_outcome(snakemake.output.result) as result:
        result["material_id"] = snakemake.wildcards.material_id
        require_ok(inputs.discharged, inputs.charged, inputs.metal)
        discharged = read_json(inputs.discharged)
        charged, metal = read_json(inputs.charged), read_json(inputs.metal)
        working_ion = snakemake.params.working_ion
        result |= {key: discharged[key] for key in ("formula", "n_ions", "structure_digest")}
        result |= {"state": "done", "label_kind": LABEL_KIND}
        result |= voltages(discharged, charged, metal, discharged["n_ions"], working_ion)
        hosts = [Structure.from_dict(cell["structure"]) for cell in (discharged, charged)]
        result |= asdict(host_survival(*hosts, working_ion))


if __name__ == "__main__":
    from ionsieve.job import run

    run(main, snakemake)
