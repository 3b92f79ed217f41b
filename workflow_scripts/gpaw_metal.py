"""GPAW's energy of the working ion's metal, at its experimental lattice parameters.

Output: JSON with the energy and its D3 part, or why there is none.
"""

from typing import Any


def main(snakemake: Any) -> None:
    """Unpack the job, compute, write."""
    import tempfile
    from pathlib import Path

    from ionsieve.job import settings_from
    from ionsieve.outcome import candidate_outcome
    from ionsieve.validation.gpaw_static import GpawSettings, require_gpaw, static_energies
    from ionsieve.validation.pair import metal_cell

    params, ion = snakemake.params, snakemake.wildcards.ion
    settings = settings_from(params, GpawSettings)
    with (
        candidate_outcome(snakemake.output.result) as result,
        tempfile.TemporaryDirectory(dir=snakemake.resources.tmpdir) as folder,
    ):
        result["versions"] = require_gpaw()
        result |= static_energies(f"{ion} metal", metal_cell(ion), settings, Path(folder), metal=True)


if __name__ == "__main__":
    from ionsieve.job import run

    run(main, snakemake)
