"""Test double of workflow_scripts/run_md.py: ions that walk at random in a host that stands still.

A candidate whose id ends in ``-explodes`` fails as an unstable run would, and one whose id ends in
``-broken`` hits a bug, so that the tests see what becomes of the others.
"""

import numpy as np
from ase.build import make_supercell
from ase.io import read

from ionsieve.artifacts import write_text
from ionsieve.errors import CandidateFailed
from ionsieve.outcome import candidate_outcome
from ionsieve.transport.trajectory import Trajectory, save

FRAMES = 60


def main(snakemake) -> None:
    material_id, temperature = snakemake.wildcards.material_id, snakemake.wildcards.temperature
    if material_id.endswith("-broken"):
        raise RuntimeError("a bug in MD")
    output = snakemake.output
    with candidate_outcome(output.result, [output.trajectory, output.thermo]) as result:
        result |= {"material_id": material_id, "temperature_K": float(temperature), "hop_distance_A": 3.0}
        if material_id.endswith("-explodes"):
            raise CandidateFailed("temperature 9000 K above its guard", "unstable")
        atoms = make_supercell(read(snakemake.input.structure), 2 * np.eye(3))
        ions = atoms.symbols == snakemake.params.working_ion
        result["n_ions"] = int(ions.sum())
        steps = np.random.default_rng(0).normal(scale=0.3, size=(FRAMES, len(atoms), 3)) * ions[None, :, None]
        save(
            Trajectory(
                times_ps=0.02 * np.arange(FRAMES),
                positions_A=atoms.positions + np.cumsum(steps, axis=0),
                cells_A=np.repeat(atoms.cell.array[None], FRAMES, axis=0),
                numbers=atoms.numbers,
                reference_frac_coords=atoms.get_scaled_positions(),
            ),
            output.trajectory,
        )
        write_text(output.thermo, "time_ps,temperature_K\n0,1200\n")


if __name__ == "__main__":
    from ionsieve.job import run

    run(main, snakemake)
