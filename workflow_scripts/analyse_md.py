"""Diffusivity and conductivity of one candidate at one temperature from the trajectories of its replicas.

Inputs: the candidate's CIF, trajectory and md.json of each. Outputs: MSD of ions and host against time, the
radial distribution of the host, paths of a few ions, and diffusivity.json: diffusivity and conductivity
(values with intervals, or upper bounds), anisotropy, Haven ratio and the state of the host.
"""

from typing import Any


def main(snakemake: Any) -> None:
    """Analyse the trajectories together, or pass on why one is missing."""
    import numpy as np
    from ase.io import read

    from ionsieve.artifacts import read_json
    from ionsieve.outcome import candidate_outcome, require_ok
    from ionsieve.tables import HOST_RDF, ION_PATHS, MSD, write_table
    from ionsieve.transport.analysis import NOT_KNOWN, displacements, motion_of, transport_of
    from ionsieve.transport.anisotropy import CrystalFrame
    from ionsieve.transport.ion_paths import ion_paths
    from ionsieve.transport.trajectory import load

    working_ion, output = snakemake.params.working_ion, snakemake.output
    simulation = read_json(snakemake.input.simulations[0])
    with candidate_outcome(output.result, placeholders=[output.msd, output.rdf, output.paths]) as result:
        result |= {key: simulation[key] for key in ("material_id", "temperature_K")} | NOT_KNOWN
        require_ok(*snakemake.input.simulations)
        trajectories = [load(path) for path in snakemake.input.trajectories]
        moved = displacements(trajectories, working_ion, simulation["hop_distance_A"])
        write_table(moved.table(), MSD, output.msd)
        write_table(moved.host_distances.table(), HOST_RDF, output.rdf)
        write_table(ion_paths(trajectories[0], working_ion), ION_PATHS, output.paths)
        n_ions = simulation["n_ions"]
        volume_A3 = float(np.mean([trajectory.volume_A3 for trajectory in trajectories]))
        result |= motion_of(moved, n_ions, volume_A3)
        result |= transport_of(
            moved,
            working_ion,
            simulation["temperature_K"],
            n_ions,
            volume_A3,
            simulation["hop_distance_A"],
            CrystalFrame.of(read(snakemake.input.structure)),
        )


if __name__ == "__main__":
    from ionsieve.job import run

    run(main, snakemake)
