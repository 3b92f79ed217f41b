"""NequIP's presets and the configuration of ``nequip-train`` they turn into.

``paper`` is the Mg workflow's network to the letter: four layers, 128x0e+64x1e+32x2e features, edges
0e+1e+2e, cutoff 5 angstrom. Its vectors are even (1e); ``paper_1o`` has the same sizes with vectors
odd under inversion (1o), as displacements are. ``small`` is sized for one CPU core.
"""

from dataclasses import dataclass
from typing import Any

from ionsieve.potential.resumption import BEST, STATE, STATES_KEPT

CUTOFF_A = 5.0
EMA_DECAY = 0.99
HUBER_DELTA = 1.0  # of each label in its own unit, beyond which errors count linearly

# Loss weights. Energy to forces is the paper's 1:5; energies count per atom. Stresses are of the order
# of 0.01 eV/A^3, so their square needs a large weight to be heard at all.
LOSS_WEIGHTS = (1.0, 5.0, 500.0)  # of energy, forces and stress
# The best epoch is told by mean absolute errors, not squared ones: 10 meV per atom weigh as much as 0.05 eV/A
# and 0.4 GPa.
VALIDATION_WEIGHTS = (5.0, 1.0, 20.0)


@dataclass(frozen=True)
class Preset:
    """Sizes of a NequIP network.

    Attributes
    ----------
    features : irreps of the features after each layer but the last.
    scalars : number of scalars after the last layer.
    edges : irreps of the spherical harmonics on the edges.
    layers : number of interaction layers.
    radial_width : neurons of the radial network's one hidden layer.
    type_features : numbers that describe an element.
    """

    features: str
    scalars: int
    edges: str
    layers: int
    radial_width: int
    type_features: int


PRESETS = {
    "small": Preset("32x0e+16x1o", 32, "1x0e+1x1o", 2, 64, 32),
    "paper": Preset("128x0e+64x1e+32x2e", 128, "1x0e+1x1e+1x2e", 4, 128, 32),
    "paper_1o": Preset("128x0e+64x1o+32x2e", 128, "1x0e+1x1o+1x2e", 4, 128, 32),
}


@dataclass(frozen=True)
class DataScales:
    """What the network's output is measured in; from the training frames (see :mod:`.scales`).

    Attributes
    ----------
    energy_shifts_eV : energy of an atom of each element, where the network gives zero.
    energy_scales_eV : energy that one unit of output means, by element.
    average_neighbors : mean number of neighbours within the cutoff.
    """

    energy_shifts_eV: dict[str, float]
    energy_scales_eV: dict[str, float]
    average_neighbors: float


def model_config(
    preset: str, elements: list[str], scales: DataScales, zbl: bool, seed: int
) -> dict[str, Any]:
    """The network, as NequIP's model builder wants it."""
    sizes = PRESETS[preset]
    config: dict[str, Any] = {
        "_target_": "nequip.model.FullNequIPGNNModel",
        "seed": seed,
        "model_dtype": "float32",
        "type_names": elements,
        "r_max": CUTOFF_A,
        "irreps_edge_sh": sizes.edges,
        "type_embed_num_features": sizes.type_features,
        "feature_irreps_hidden": [sizes.features] * (sizes.layers - 1) + [f"{sizes.scalars}x0e"],
        "radial_mlp_depth": [1] * sizes.layers,
        "radial_mlp_width": [sizes.radial_width] * sizes.layers,
        "num_bessels": 8,
        "polynomial_cutoff_p": 6,
        "avg_num_neighbors": scales.average_neighbors,
        "per_type_energy_shifts": scales.energy_shifts_eV,
        # Forces say nothing about the energy that a vacancy takes with it; left fixed, it stays off.
        "per_type_energy_shifts_trainable": True,
        "per_type_energy_scales": scales.energy_scales_eV,
    }
    if zbl:
        config["pair_potential"] = {
            "_target_": "ionsieve.potential.repulsion.ShortRangeZBL",
            "units": "metal",
            "chemical_species": elements,
        }
    return config


def training_config(
    *,
    train: str,
    validation: str,
    model: dict[str, Any],
    with_stress: bool,
    epochs: int,
    batch_size: int,
    learning_rate: float,
    seed: int,
    accelerator: str,
    devices: int = 1,
) -> dict[str, Any]:
    """The whole configuration of ``nequip-train``.

    Parameters
    ----------
    train, validation : names of the extxyz files, relative to where ``nequip-train`` runs.
    model : from :func:`model_config`.
    with_stress : all frames have stress, and it is trained on.
    epochs, batch_size, learning_rate : of Adam, decaying to zero along a half cosine.
    seed : of the order of the frames.
    accelerator : Lightning's name: cpu, gpu or auto.
    devices : number of GPUs (or CPU processes) that share each batch, all on this machine.
    """
    elements = model["type_names"]
    # Lightning starts the processes itself, also within a SLURM job, whose task count it would ask otherwise.
    several: dict[str, Any] = {
        "strategy": {"_target_": "nequip.train.SimpleDDPStrategy"},
        "plugins": [{"_target_": "lightning.pytorch.plugins.environments.LightningEnvironment"}],
    }
    batch_per_device = -(-batch_size // devices)
    return {
        "run": ["train"],
        "data": {
            "_target_": "nequip.data.datamodule.ASEDataModule",
            "seed": seed,
            "train_file_path": train,
            "val_file_path": validation,
            "transforms": [
                {
                    "_target_": "nequip.data.transforms.ChemicalSpeciesToAtomTypeMapper",
                    "model_type_names": elements,
                    "chemical_species_to_atom_type_map": {element: element for element in elements},
                },
                {"_target_": "nequip.data.transforms.NeighborListTransform", "r_max": CUTOFF_A},
            ],
            "exclude_keys": [] if with_stress else ["stress"],
            "train_dataloader": {
                "_target_": "torch.utils.data.DataLoader",
                "batch_size": batch_per_device,
                "shuffle": True,
            },
            "val_dataloader": {"_target_": "torch.utils.data.DataLoader", "batch_size": batch_per_device},
        },
        "trainer": {
            "_target_": "lightning.Trainer",
            "accelerator": accelerator,
            "devices": devices,
            **(several if devices > 1 else {}),
            "max_epochs": epochs,
            "check_val_every_n_epoch": 1,  # checkpoints with an EMA do not load otherwise
            "num_sanity_val_steps": 0,
            "deterministic": True,
            "logger": False,
            "enable_progress_bar": False,
            "enable_model_summary": False,
            "callbacks": [
                {
                    "_target_": "lightning.pytorch.callbacks.ModelCheckpoint",
                    "dirpath": ".",
                    "filename": BEST,
                    "monitor": "val0_epoch/weighted_sum",
                    "save_weights_only": True,  # no optimiser state, and no paths
                },
                {
                    "_target_": "lightning.pytorch.callbacks.ModelCheckpoint",
                    "dirpath": ".",
                    "filename": STATE,
                    "auto_insert_metric_name": False,
                    "monitor": "epoch",
                    "mode": "max",
                    "save_top_k": STATES_KEPT,
                },
                {"_target_": "ionsieve.potential.resumption.ExactResumption"},
                {"_target_": "ionsieve.potential.epoch_report.EpochReport"},
            ],
        },
        "training_module": {
            "_target_": "nequip.train.EMALightningModule",
            "ema_decay": EMA_DECAY,
            "loss": _metrics("nequip.train.HuberLoss", {"delta": HUBER_DELTA}, LOSS_WEIGHTS, with_stress),
            "val_metrics": _metrics("nequip.train.MeanAbsoluteError", {}, VALIDATION_WEIGHTS, with_stress),
            "optimizer": {"_target_": "torch.optim.Adam", "lr": learning_rate},
            "lr_scheduler": {
                "scheduler": {"_target_": "torch.optim.lr_scheduler.CosineAnnealingLR", "T_max": epochs},
                "interval": "epoch",
                "frequency": 1,
            },
            "model": model,
        },
    }


def _metrics(
    metric: str, arguments: dict[str, float], weights: tuple[float, float, float], with_stress: bool
) -> dict[str, Any]:
    of_energy, of_forces, of_stress = weights
    energy_per_atom = {"_target_": "nequip.data.PerAtomModifier", "field": "total_energy"}
    terms: list[tuple[str, Any, float]] = [
        ("energy_per_atom", energy_per_atom, of_energy),
        ("forces", "forces", of_forces),
    ]
    if with_stress:
        terms.append(("stress", "stress", of_stress))
    return {
        "_target_": "nequip.train.MetricsManager",
        "metrics": [
            {"name": name, "field": what, "coeff": weight, "metric": {"_target_": metric, **arguments}}
            for name, what, weight in terms
        ],
    }
