"""One training epoch, ours beside the original CGCNN: seconds on the same real electrodes, one thread.

    OMP_NUM_THREADS=1 python benchmarks/voltage_training.py --cgcnn cgcnn.git --electrodes electrodes.parquet

The second is the workflow's `results/data/electrodes.parquet`; the first is a clone of
github.com/txie-93/cgcnn (see `original_cgcnn.py`). Same crystals, batches, layer
sizes and optimiser; the graphs are in memory on both sides. Both take turns, and the best round counts.
"""

import argparse
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
import original_cgcnn
import torch
from torch.nn import functional

from ionsieve.tables import ELECTRODES, read_table
from ionsieve.voltage.electrodes import Electrodes
from ionsieve.voltage.members import Architecture
from ionsieve.voltage.training import Schedule, train_member

ARCHITECTURE = Architecture(8.0, 12, atom_features=64, convolutions=3, hidden_features=128)
BATCH_SIZE, LEARNING_RATE, WEIGHT_DECAY = 32, 2e-3, 1e-4


class Original:
    """CGCNN's network on graphs that CIFData has made and keeps."""

    def __init__(self, cif_folder: Path) -> None:
        from cgcnn.data import CIFData, collate_pool
        from cgcnn.model import CrystalGraphConvNet

        dataset = CIFData(str(cif_folder), ARCHITECTURE.max_neighbors, ARCHITECTURE.cutoff_A)
        graphs = [dataset[crystal] for crystal in range(len(dataset))]
        (atoms, gaussians, _), _, _ = graphs[0]
        self.network = CrystalGraphConvNet(
            atoms.shape[-1],
            gaussians.shape[-1],
            atom_fea_len=ARCHITECTURE.atom_features,
            n_conv=ARCHITECTURE.convolutions,
            h_fea_len=ARCHITECTURE.hidden_features,
        )
        self.optimizer = torch.optim.AdamW(
            self.network.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY
        )
        self.batches = torch.utils.data.DataLoader(
            graphs, batch_size=BATCH_SIZE, shuffle=True, collate_fn=collate_pool
        )

    def epoch(self) -> None:
        """One pass over all crystals."""
        self.network.train()
        for graphs, voltages_V, _ in self.batches:
            loss = functional.l1_loss(self.network(*graphs), voltages_V)
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
            loss.item()


class Ours:
    """The networks that `voltage_fold` trains."""

    def __init__(self, electrodes: Electrodes) -> None:
        self.electrodes = electrodes

    def epoch(self) -> None:
        """One pass over all crystals, the making of the network included."""
        train_member(
            self.electrodes.graphs,
            self.electrodes.voltages_V,
            np.arange(len(self.electrodes.graphs)),
            ARCHITECTURE,
            Schedule(1, BATCH_SIZE, LEARNING_RATE, WEIGHT_DECAY),
            seed=0,
        )


def main() -> None:
    """Time epochs of both sides in turns and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cgcnn", type=Path, required=True, help="git directory of txie-93/cgcnn")
    parser.add_argument("--electrodes", type=Path, required=True, help="Parquet of tables.ELECTRODES")
    parser.add_argument("--crystals", type=int, default=640, help="electrodes to draw at random")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    table = read_table(arguments.electrodes, ELECTRODES)
    table = table.sample(min(arguments.crystals, len(table)), random_state=0)
    ours = Ours(Electrodes.from_table(table, ARCHITECTURE.cutoff_A, ARCHITECTURE.max_neighbors, "benchmark"))
    with tempfile.TemporaryDirectory(prefix="cgcnn-") as name:
        folder = Path(name)
        original_cgcnn.check_out(arguments.cgcnn, folder / "checkout")
        original_cgcnn.write_cif_folder(table, folder / "checkout", folder / "cif")
        original = Original(folder / "cif")

    seconds: dict[str, list[float]] = {"CGCNN": [], "ours": []}
    for _ in range(arguments.rounds):
        for what, side in (("CGCNN", original), ("ours", ours)):
            started_s = time.process_time()
            side.epoch()
            seconds[what].append(time.process_time() - started_s)
    best_s = {what: min(times) for what, times in seconds.items()}
    graphs = ours.electrodes.graphs
    print(
        f"{len(table)} crystals in batches of {BATCH_SIZE}; {graphs.atom_counts.sum():,} atoms are"
        f" {len(graphs.numbers):,} nodes\n"
    )
    print("| CPU time per epoch, s | CGCNN | ours | ratio |\n| --- | --- | --- | --- |")
    print(
        f"| {len(table)} crystals | {best_s['CGCNN']:.2f} | {best_s['ours']:.2f}"
        f" | {best_s['CGCNN'] / best_s['ours']:.1f} |"
    )


if __name__ == "__main__":
    main()
