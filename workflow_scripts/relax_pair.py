"""Relax a candidate's discharged and charged cell with a universal potential, and take the voltage.

Input: the candidate's CIF.
Output: JSON with energies, voltage, volume change, the relaxed cells and flags, or why there are none.
"""

from typing import Any


def main(snakemake: Any) -> None:
    """Unpack the job, relax, write."""
    from pymatgen.core import Structure

    from ionsieve.outcome import candidate_outcome
    from ionsieve.potential.by_name import calculator_by_name, label_kind
    from ionsieve.validation import universal_potential
    from ionsieve.validation.pair import intercalation_pair

    params = snakemake.params
    calculator = calculator_by_name(
        params.calculator, params.calculator_arguments, key="validation.universal_potential"
    )
    with candidate_outcome(snakemake.output.result) as result:
        result["material_id"] = snakemake.wildcards.material_id
        result["label_kind"] = label_kind(params.calculator)
        result["provenance"] = universal_potential.provenance(params.calculator, calculator)
        pair = intercalation_pair(Structure.from_file(snakemake.input.structure), params.working_ion)
        relaxed = universal_potential.relax_pair(
            pair, calculator, params.partial_states, params.partial_states_by
        )
        result |= universal_potential.document(pair, relaxed)


if __name__ == "__main__":
    from ionsieve.job import run

    run(main, snakemake)
