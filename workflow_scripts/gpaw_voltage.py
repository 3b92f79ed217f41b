"""The voltage of one candidate by GPAW, in the cells that the universal potential has relaxed.

Inputs: results of the universal potential and of GPAW's metal. Output: JSON with energies and voltages, with
D3 and without, or why there are none.
"""

from typing import Any

# GPAW computes in the cells of the universal potential: what became of the host was seen there.
OF_THE_CELLS = ("formula", "n_ions", "structure_digest", "volume_change", "framework_collapsed")


def main(snakemake: Any) -> None:
    """Unpack the job, compute both cells, write."""
    import tempfile
    from pathlib import Path

    from ionsieve.artifacts import read_json
    from ionsieve.job import settings_from
    from ionsieve.outcome import candidate_outcome, require_ok
    from ionsieve.structures import to_structure
    from ionsieve.validation.dispersion import voltages
    from ionsieve.validation.gpaw_static import LABEL_KIND, GpawSettings, require_gpaw, static_energies

    params, inputs = snakemake.params, snakemake.input
    material_id = snakemake.wildcards.material_id
    settings = settings_from(params, GpawSettings)
    with (
        candidate_outcome(snakemake.output.result) as result,
        tempfile.TemporaryDirectory(dir=snakemake.resources.tmpdir) as folder,
    ):
        result["material_id"] = material_id
        require_ok(inputs.relaxed, inputs.metal)
        relaxed = read_json(inputs.relaxed)
        result |= {key: relaxed[key] for key in OF_THE_CELLS}
        result["versions"] = require_gpaw()
        cells = {
            cell: static_energies(
                f"{material_id} {cell}",
                to_structure(relaxed["cells"][cell]),
                settings,
                Path(folder) / cell,
                metal=False,
            )
            for cell in ("discharged", "charged")
        }
        result |= {"state": "done", "label_kind": LABEL_KIND, "cells": cells}
        result |= voltages(
            cells["discharged"],
            cells["charged"],
            read_json(inputs.metal),
            relaxed["n_ions"],
            params.working_ion,
        )


if __name__ == "__main__":
    from ionsieve.job import run

    run(main, snakemake)
