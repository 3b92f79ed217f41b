"""The MPtrj sampler on generated files of two sizes: speed, and whether memory grows with the file.

`python benchmarks/mptrj_sampler.py --gigabytes 2` writes a file shaped like MPtrj and one a tenth as large
into a temporary folder, samples each in a process of its own and prints both side by side.
"""

import argparse
import json
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

SAMPLER = """
import sys
from pathlib import Path
from ionsieve.artifacts import write_json
from ionsieve.data.mptrj import sample
folder = Path(sys.argv[2])
write_json(folder / "mptrj.json", sample(sys.argv[1], [folder / f"{n:04d}.extxyz" for n in range(16)]))
"""
# Frames repeat in the file: making each anew would take longer than reading it.
CRYSTALS = 200
FRAMES_PER_CRYSTAL = 8
ELEMENTS = ["Mg", "Li", "Mn", "Fe", "Co", "Ti", "O", "S", "P", "F"]


def crystals(random: np.random.Generator) -> list[list[str]]:
    """JSON of frames of random crystals of 4 to 58 atoms (MPtrj has 31 on average)."""
    made = []
    for _ in range(CRYSTALS):
        n_atoms = int(random.integers(4, 59))
        edge = int(np.ceil(n_atoms ** (1 / 3)))
        lattice = np.eye(3) * 2.8 * edge + random.normal(0, 0.01, (3, 3))
        grid = np.stack(np.meshgrid(*[np.arange(edge)] * 3), axis=-1).reshape(-1, 3)[:n_atoms] / edge
        symbols = random.choice(ELEMENTS, n_atoms).tolist()
        made.append([frame(random, lattice, grid, symbols) for _ in range(FRAMES_PER_CRYSTAL)])
    return made


def frame(random: np.random.Generator, lattice: np.ndarray, grid: np.ndarray, symbols: list[str]) -> str:
    """One frame as MPtrj stores it."""
    frac_coords = grid + random.normal(0, 0.005, grid.shape)
    energy_eV = -6.0 * len(symbols) + random.normal()
    magmoms = random.normal(0, 1, len(symbols)).round(3).tolist()
    sites = [
        {
            "species": [{"element": symbol, "occu": 1}],
            "abc": abc.round(8).tolist(),
            "xyz": (abc @ lattice).tolist(),
            "label": symbol,
            "properties": {"magmom": magmom},
        }
        for symbol, abc, magmom in zip(symbols, frac_coords, magmoms, strict=True)
    ]
    stress_kbar = random.normal(0, 20, (3, 3))
    return json.dumps(
        {
            "structure": {
                "@module": "pymatgen.core.structure",
                "@class": "Structure",
                "charge": 0.0,
                "lattice": {"matrix": lattice.round(8).tolist(), "volume": float(np.linalg.det(lattice))},
                "sites": sites,
            },
            "uncorrected_total_energy": energy_eV,
            "corrected_total_energy": energy_eV - 1.0,
            "energy_per_atom": (energy_eV - 1.0) / len(symbols),
            "ef_per_atom": -1.0,
            "e_per_atom_relaxed": -6.0,
            "ef_per_atom_relaxed": -1.0,
            "force": random.normal(0, 0.2, grid.shape).round(8).tolist(),
            "stress": (stress_kbar + stress_kbar.T).round(8).tolist(),
            "magmom": magmoms,
            "bandgap": 1.0,
            "mp_id": "mp-0",
        }
    )


def write_mptrj(path: Path, size_bytes: int, seed: int) -> None:
    """A file of at least this size: materials with one to three tasks of 2 to 12 stored frames."""
    random = np.random.default_rng(seed)
    pool = crystals(random)
    with path.open("w") as handle:
        material = 0
        while handle.tell() < size_bytes:
            handle.write("{" if material == 0 else ", ")
            frames = pool[int(random.integers(CRYSTALS))]
            entries = [
                f'"mp-{material}{task}-{1 - step % 2}-{step}": {frames[step % FRAMES_PER_CRYSTAL]}'
                for task in range(int(random.integers(1, 4)))
                for step in range(int(random.integers(2, 13)))
            ]
            handle.write(f'"mp-{material}": {{{", ".join(entries)}}}')
            material += 1
        handle.write("}")


def measure(path: Path, folder: Path) -> dict[str, float]:
    """Sample ``path`` in a process of its own: counts, times, rates by wall time, peak memory."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started_s = time.perf_counter()
    subprocess.run([sys.executable, "-c", SAMPLER, str(path), str(folder)], check=True)
    wall_s = time.perf_counter() - started_s
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    summary = json.loads((folder / "mptrj.json").read_text())
    return {
        "file, MB": path.stat().st_size / 1e6,
        "frames read": summary["frames_read"],
        "frames taken": summary["frames"],
        "wall time, s": wall_s,
        "CPU time, s": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
        "frames read per s": summary["frames_read"] / wall_s,
        "frames taken per s": summary["frames"] / wall_s,
        "MB per s": path.stat().st_size / 1e6 / wall_s,
        # Of the largest child so far, in KiB on Linux: the small file goes first.
        "peak memory, MiB": after.ru_maxrss / 1024,
    }


def main() -> None:
    """Write, sample and compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gigabytes", type=float, default=2.0, help="size of the larger file")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    columns = []
    for share in (0.1, 1.0):
        folder = Path(tempfile.mkdtemp(prefix="mptrj-benchmark-"))
        try:
            path = folder / "MPtrj.json"
            write_mptrj(path, int(arguments.gigabytes * share * 1e9), arguments.seed)
            columns.append(measure(path, folder))
        finally:
            shutil.rmtree(folder)
    for name in columns[0]:
        print(f"{name:20s}" + "".join(f"{column[name]:16,.0f}" for column in columns))


if __name__ == "__main__":
    main()
