"""Analysis of a trajectory as long as the paper's: seconds, and peak memory.

    python benchmarks/md_analysis.py [--frames 3000] [--repeats 5]

Calcium hops in solid argon (4 atoms per repeated cell; five repeats are 500 atoms, a ninth of them ions), all
atoms rattle; 0.02 ps between frames. Times the whole of the rule's work, from loading to the result.
"""

import argparse
import resource
import tempfile
import time
from pathlib import Path

import numpy as np
from ase.build import bulk

from ionsieve.transport.analysis import displacements, motion_of, transport_of
from ionsieve.transport.anisotropy import CrystalFrame
from ionsieve.transport.trajectory import Trajectory, load, save

INTERVAL_PS, LATTICE_A, HOPS_PER_ION = 0.02, 5.3, 10


def trajectory_of(n_frames: int, repeats: int) -> Trajectory:
    """Ions that hop at random, all atoms rattling."""
    rng = np.random.default_rng(0)
    crystal = bulk("Ar", cubic=True, a=LATTICE_A).repeat(repeats)
    crystal.numbers[::9] = 20
    positions = np.repeat(crystal.positions[None].astype(np.float32), n_frames, axis=0)
    for atom in np.flatnonzero(crystal.numbers == 20):
        for frame in rng.integers(0, n_frames, HOPS_PER_ION):
            positions[frame:, atom, rng.integers(3)] += rng.choice([-1, 1]) * LATTICE_A / np.sqrt(2)
    positions += rng.normal(0, 0.2, positions.shape).astype(np.float32)
    return Trajectory(
        times_ps=np.arange(1, n_frames + 1) * INTERVAL_PS,
        positions_A=positions,
        cells_A=np.repeat(crystal.cell.array[None], n_frames, axis=0),
        numbers=crystal.numbers,
        reference_frac_coords=crystal.get_scaled_positions(),
    )


def peak_MB() -> float:
    """Largest memory of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """Print one line."""
    formatter = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=formatter)
    parser.add_argument("--frames", type=int, default=3000)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "trajectory.npz"
        save(trajectory_of(options.frames, options.repeats), path)
        before_MB, begin, cpu = peak_MB(), time.perf_counter(), time.process_time()
        trajectory = load(path)
        spacing_A = LATTICE_A / np.sqrt(2)
        frame = CrystalFrame.of(bulk("Ar", cubic=True, a=LATTICE_A))
        moved = displacements([trajectory], "Ca", spacing_A)
        n_ions = moved.hops.hops.size
        motion_of(moved, n_ions, trajectory.volume_A3)
        result = transport_of(moved, "Ca", 1200.0, n_ions, trajectory.volume_A3, spacing_A, frame)
        seconds, cpu_s = time.perf_counter() - begin, time.process_time() - cpu
    print(
        f"{options.frames} frames of {len(trajectory.numbers)} atoms, {n_ions} ions: {seconds:.1f} s "
        f"({cpu_s:.1f} s of CPU), peak {peak_MB():.0f} MB ({before_MB:.0f} MB before), "
        f"positions {trajectory.positions_A.nbytes / 2**20:.0f} MB; {result['conductivity_kind']}"
    )


if __name__ == "__main__":
    main()
