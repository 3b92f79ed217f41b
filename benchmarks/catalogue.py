"""Ingest, dedupe and shard half a million generated candidates: rows per second, and memory that stays flat.

    python benchmarks/catalogue.py [--rows 50000 500000] [--folder DIR]

Two sources of generated crystals: prototypes of the demo set with other and mixed metals and anions, in
supercells of about 15 to 60 atoms, displaced at random. One row in twenty of the second source is a crystal
of the first at another volume; others share a formula by chance. Each source is ingested in a process of its
own, two at a time as the workflow does on two cores, then one process makes the catalogue of 64 buckets.
Generating the rows is not counted.
"""

import argparse
import multiprocessing
import resource
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from ase.build import make_supercell
from ase.symbols import symbols2numbers

from ionsieve import structures, tables
from ionsieve.artifacts import read_json
from ionsieve.data import demo, files
from ionsieve.data.catalogue import Limits, assemble
from ionsieve.data.records import write_raw

SEED = 0
SHARED = 0.05  # of the second source's rows, crystals that the first has too
MIXED_IN = 2  # further metals, and anions, on the sites of the prototype's own
FEWEST_ATOMS, MOST_ATOMS = 15, 60
BUCKETS = 64
CHUNK_ROWS = 5000
METALS = symbols2numbers("TiVCrMnFeCoNiCuZnZrNbMoHfTaWScYAlGaInSnSiGeLaCeNdSmGdDyErYbLuRhPdAgSbBi")
ANIONS = symbols2numbers("OSSeTeFClBrIN")


def crystals(source: str, n_rows: int) -> Iterator[dict[str, Any]]:
    """Rows of CANDIDATES; equal numbers give equal crystals in both sources where they are shared."""
    prototypes = [structures.to_atoms(row) for row in demo.load_candidates().to_dict("records")]
    for number in range(n_rows):
        shared = source == "b" and np.random.default_rng((SEED, number)).random() < SHARED
        rng = np.random.default_rng((SEED, number, 0 if source == "a" or shared else 1))
        atoms = prototypes[rng.integers(len(prototypes))].copy()
        metals, anions = rng.permutation(METALS), rng.permutation(ANIONS)
        present = sorted(set(atoms.numbers.tolist()))
        swap = {z: z for z in present}
        swap |= {z: int(metals[at]) for at, z in enumerate(z for z in present if z in METALS)}
        swap |= {z: int(anions[at]) for at, z in enumerate(z for z in present if z in ANIONS)}
        atoms.numbers = [swap[z] for z in atoms.numbers.tolist()]
        repeats = rng.integers(-(-FEWEST_ATOMS // len(atoms)), max(2, MOST_ATOMS // len(atoms)) + 1)
        atoms = make_supercell(atoms, np.diag([1, 1, repeats]))
        for pool, kinds in ((METALS, metals), (ANIONS, anions)):
            mixable = np.flatnonzero(np.isin(atoms.numbers, pool))
            for kind in kinds[-MIXED_IN:] if len(mixable) else []:
                atoms.numbers[rng.choice(mixable, size=rng.integers(len(mixable)), replace=False)] = kind
        atoms.rattle(0.03, rng=rng)
        if source == "b":
            atoms.set_cell(atoms.cell * 1.01, scale_atoms=True)
        yield {
            "material_id": f"{source}-{number}",
            "source": "generated",
            "licence": "generated",
            "formula": structures.composition_of(atoms.numbers).reduced_formula,
            "energy_above_hull_eV_per_atom": float(rng.exponential(0.05)),
            "hull_reference": "generated",
            **structures.to_columns(atoms),
        }


def generate(source: str, n_rows: int, path: Path) -> None:
    """Write a source's rows as Parquet, in chunks."""
    with pq.ParquetWriter(path, tables.CANDIDATES, compression="zstd") as writer:
        chunk: list[dict[str, Any]] = []
        for row in crystals(source, n_rows):
            chunk.append(row)
            if len(chunk) == CHUNK_ROWS:
                writer.write_table(pa.Table.from_pylist(chunk, schema=tables.CANDIDATES))
                chunk = []
        if chunk:
            writer.write_table(pa.Table.from_pylist(chunk, schema=tables.CANDIDATES))


def ingest(path: Path, folder: Path) -> None:
    """One source's raw tables, with every check of the workflow; the electrodes are the demo's."""
    electrodes = Path(demo.__file__).parent / "electrodes.parquet"
    write_raw(files.pull([electrodes], [path], "Mg", "generated", "generated"), folder)


def catalogue(folder: Path) -> None:
    """The catalogue of both sources."""
    limits = Limits(max_energy_above_hull_eV_per_atom=0.15, max_sites=200)
    assemble([folder / "raw" / "a", folder / "raw" / "b"], folder, BUCKETS, limits, "Mg")


def measured(function: Callable[..., None], *arguments: Any) -> tuple[multiprocessing.Process, Any]:
    """Start a function in a fresh process; its peak memory in MB arrives on the connection."""
    receiving, sending = multiprocessing.Pipe(duplex=False)
    process = multiprocessing.Process(target=_run, args=(sending, function, arguments))
    process.start()
    return process, receiving


def _run(sending: Any, function: Callable[..., None], arguments: tuple[Any, ...]) -> None:
    function(*arguments)
    sending.send(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def finish(*started: tuple[multiprocessing.Process, Any]) -> float:
    """Wait for processes; returns the largest peak memory in MB."""
    peak_MB = max(receiving.recv() for _, receiving in started)
    for process, _ in started:
        process.join()
    return peak_MB


def run(n_rows: int, folder: Path) -> None:
    """Generate, ingest, merge; print one line of the table."""
    half = n_rows // 2
    paths = {source: folder / f"{source}.parquet" for source in "ab"}
    finish(*(measured(generate, source, half, path) for source, path in paths.items()))
    begin = time.perf_counter()
    ingest_MB = finish(*(measured(ingest, path, folder / "raw" / source) for source, path in paths.items()))
    ingested = time.perf_counter()
    catalogue_MB = finish(measured(catalogue, folder))
    end = time.perf_counter()
    counts = read_json(folder / "catalogue.json")["candidates"]
    print(
        f"| {n_rows:,} | {ingested - begin:.1f} | {end - ingested:.1f} | {n_rows / (end - begin):,.0f} "
        f"| {ingest_MB:.0f} | {catalogue_MB:.0f} | {counts['same_crystal']:,} | {counts['candidates']:,} |",
        flush=True,
    )


def main() -> None:
    """Print one line of the table for each number of rows."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, nargs="+", default=[50_000, 500_000])
    parser.add_argument("--folder", type=Path, help="where the generated files go (default: a temporary one)")
    arguments = parser.parse_args()
    multiprocessing.set_start_method("spawn")
    print(
        "| rows | ingest, s | catalogue, s | rows/s | peak ingest, MB | peak catalogue, MB | shared | kept |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- | --- |", flush=True)
    for n_rows in arguments.rows:
        with tempfile.TemporaryDirectory(dir=arguments.folder) as name:
            run(n_rows, Path(name))


if __name__ == "__main__":
    main()
