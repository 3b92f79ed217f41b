"""Crystal graphs, ours beside the original CGCNN's CIFData: milliseconds per real electrode, one thread.

    OMP_NUM_THREADS=1 python benchmarks/voltage_graphs.py --cgcnn cgcnn.git --electrodes electrodes.parquet

The second is the workflow's `results/data/electrodes.parquet`; the first is a clone of
github.com/txie-93/cgcnn (see `original_cgcnn.py`). Both sides get the same crystals, take turns, and the
best of the rounds counts. CIFData parses CIF files, so it is timed twice:
as it is, against ours reading Parquet, and with crystals parsed beforehand, against ours from memory.
"""

import argparse
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import original_cgcnn
import pandas as pd
from vesin import NeighborList

from ionsieve.tables import ELECTRODES, read_table, write_table
from ionsieve.voltage.graphs import build_graphs

CUTOFF_A, MAX_NEIGHBORS = 8.0, 12


def search_neighbors(electrodes: pd.DataFrame) -> None:
    """All pairs within the cutoff, and nothing else."""
    for cell_A, frac_coords in zip(electrodes["cell"], electrodes["frac_coords"], strict=True):
        cell = np.reshape(cell_A, (3, 3))
        points = np.reshape(frac_coords, (-1, 3)) @ cell
        NeighborList(cutoff=CUTOFF_A, full_list=True, n_threads=1).compute(
            points=points, box=cell, periodic=True, quantities="ijd"
        )


def build(electrodes: pd.DataFrame) -> None:
    """Our graphs."""
    build_graphs(electrodes, electrodes["working_ion"].tolist(), CUTOFF_A, MAX_NEIGHBORS)


def in_turns_ms(turns: dict[str, Callable[[], object]], rounds: int, crystals: int) -> dict[str, float]:
    """Milliseconds of CPU per crystal of the best round: what others do on the machine counts little."""
    seconds: dict[str, list[float]] = {what: [] for what in turns}
    for what in list(turns) * rounds:
        started_s = time.process_time()
        turns[what]()
        seconds[what].append(time.process_time() - started_s)
    return {what: 1000.0 * min(times) / crystals for what, times in seconds.items()}


def main() -> None:
    """Time both sides in turns and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cgcnn", type=Path, required=True, help="git directory of txie-93/cgcnn")
    parser.add_argument("--electrodes", type=Path, required=True, help="Parquet of tables.ELECTRODES")
    parser.add_argument("--crystals", type=int, default=300, help="electrodes to draw at random")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    electrodes = read_table(arguments.electrodes, ELECTRODES)
    electrodes = electrodes.sample(min(arguments.crystals, len(electrodes)), random_state=0)

    with tempfile.TemporaryDirectory(prefix="cgcnn-") as name:
        folder = Path(name)
        original_cgcnn.check_out(arguments.cgcnn, folder / "checkout")
        original_cgcnn.write_cif_folder(electrodes, folder / "checkout", folder / "cif")
        write_table(electrodes, ELECTRODES, folder / "electrodes.parquet")
        from cgcnn import data as cgcnn_data

        def original() -> None:
            cgcnn_data.CIFData.__getitem__.cache_clear()  # it keeps every graph it made
            dataset = cgcnn_data.CIFData(str(folder / "cif"), MAX_NEIGHBORS, CUTOFF_A)
            for crystal in range(len(dataset)):
                dataset[crystal]

        from_files_ms = in_turns_ms(
            {
                "CIFData": original,
                "ours": lambda: build(read_table(folder / "electrodes.parquet", ELECTRODES)),
            },
            arguments.rounds,
            len(electrodes),
        )
        original_cgcnn.skip_cif_parsing(cgcnn_data, folder / "cif")
        from_memory_ms = in_turns_ms(
            {
                "CIFData": original,
                "ours": lambda: build(electrodes),
                "search": lambda: search_neighbors(electrodes),
            },
            arguments.rounds,
            len(electrodes),
        )

    print(
        f"{len(electrodes)} crystals of {np.mean([*map(len, electrodes['numbers'])]):.0f} atoms on average\n"
    )
    print("| CPU time per crystal, ms | CIFData | ours | ratio |\n| --- | --- | --- | --- |")
    for what, times_ms in (("from files", from_files_ms), ("crystals in memory", from_memory_ms)):
        print(
            f"| {what} | {times_ms['CIFData']:.1f} | {times_ms['ours']:.2f} "
            f"| {times_ms['CIFData'] / times_ms['ours']:.0f} |"
        )
    print(f"\nall pairs within {CUTOFF_A} A alone (vesin): {from_memory_ms['search']:.2f} ms")


if __name__ == "__main__":
    main()
