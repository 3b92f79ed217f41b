"""What each part of the voltage model is worth: framework folds, one member, one part changed at a time.

    python benchmarks/voltage_ablation.py results/voltage/graphs.pt --out ablation.csv

Each variant is appended to the table when it is done, so that a stopped run has not lost it.
"""

import argparse
import dataclasses
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from ionsieve.voltage.boosting import train_trees
from ionsieve.voltage.cross_validation import member_seed
from ionsieve.voltage.descriptors import GROUPS, descriptor_names
from ionsieve.voltage.electrodes import Electrodes
from ionsieve.voltage.members import Architecture
from ionsieve.voltage.splits import FRAMEWORK, held_out_rows
from ionsieve.voltage.training import Schedule, train_member

FOLDS, SEED = 5, 0
# Training rows, held-out rows and a seed to the voltages of the held-out rows.
Variant = Callable[[np.ndarray, np.ndarray, int], np.ndarray]


def variants(electrodes: Electrodes, epochs: int) -> dict[str, Variant]:
    """All variants by name."""
    schedule = Schedule(epochs, batch_size=32, learning_rate=0.002, weight_decay=1e-4)
    plain = Architecture(electrodes.cutoff_A, electrodes.max_neighbors, 64, 3, 128)
    names = np.array(descriptor_names())

    def network(columns: np.ndarray | None, pooling: str) -> Variant:
        descriptors = None if columns is None else electrodes.descriptors[:, columns]
        architecture = dataclasses.replace(
            plain, pooling=pooling, n_descriptors=0 if descriptors is None else descriptors.shape[1]
        )

        def predict(training: np.ndarray, held_out: np.ndarray, seed: int) -> np.ndarray:
            member = train_member(
                electrodes.graphs, electrodes.voltages_V, training, architecture, schedule, seed, descriptors
            )
            return member.network_V(electrodes.graphs, descriptors)[held_out]

        return predict

    def trees(columns: np.ndarray) -> Variant:
        descriptors = electrodes.descriptors[:, columns]

        def predict(training: np.ndarray, held_out: np.ndarray, seed: int) -> np.ndarray:
            model = train_trees(descriptors[training], electrodes.voltages_V[training], seed)
            return model.predict_V(descriptors[held_out])

        return predict

    everything = np.ones(len(names), dtype=bool)
    groups = {group: np.char.startswith(names, f"{group}_") for group in GROUPS}
    return {
        "network, ions alone (the paper's)": network(None, "ions"),
        "network, all atoms": network(None, "atoms"),
        "network in context": network(everything, "context"),
        "network in context, no descriptors": network(~everything, "context"),
        "trees": trees(everything),
        **{f"trees without {group}": trees(~of_group) for group, of_group in groups.items()},
        "trees, composition alone": trees(groups["composition"]),
    }


def main() -> None:
    """Run the variants that the table does not hold yet."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("graphs", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--only", nargs="*", help="names of variants")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    electrodes = Electrodes.load(arguments.graphs)
    ions, frameworks = (electrodes.table[name].tolist() for name in ("working_ion", "framework"))
    done = set(pd.read_csv(arguments.out)["variant"]) if arguments.out.exists() else set()
    for name, predict in variants(electrodes, arguments.epochs).items():
        if name in done or (arguments.only and name not in arguments.only):
            continue
        started, errors_V = time.process_time(), []
        for fold in range(FOLDS):
            training, held_out = held_out_rows(FRAMEWORK, fold, ions, frameworks, FOLDS, SEED)
            predicted_V = predict(training, held_out, member_seed(SEED, FRAMEWORK, fold))
            errors_V.append(np.abs(predicted_V - electrodes.voltages_V[held_out]))
        row = {
            "variant": name,
            "mae_V": np.concatenate(errors_V).mean(),
            **{f"fold_{fold}_V": errors.mean() for fold, errors in enumerate(errors_V)},
            "cpu_s": time.process_time() - started,
        }
        pd.DataFrame([row]).to_csv(
            arguments.out, mode="a", header=not arguments.out.exists(), index=False, float_format="%.4f"
        )
        print(f"{name}: {row['mae_V']:.4f} V", flush=True)


if __name__ == "__main__":
    main()
