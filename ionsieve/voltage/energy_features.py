"""An energy model's knowledge of electrodes: gathered in chunks, and as inputs of a voltage model."""

import logging
from typing import Any

import numpy as np
import pandas as pd
from ase.data import atomic_numbers
from tqdm import tqdm

from ionsieve.electrochemistry import ANION_CHARGE, HIGHEST_OXIDATION_STATE
from ionsieve.errors import DataError
from ionsieve.tables import ENERGY_FEATURES

logger = logging.getLogger(__name__)

_SCALARS = (
    "unrelaxed_voltage_V",
    "relaxed_voltage_V",
    "energy_discharged_eV_per_atom",
    "energy_host_eV_per_atom",
    "largest_force_eV_per_A",
    "volume_ratio",
    "ion_site_energy_eV",
)
_LATENTS = ("latent_ions", "latent_discharged", "latent_host")
_CLASSES = {
    "redox": [atomic_numbers[symbol] for symbol in HIGHEST_OXIDATION_STATE],
    "anion": [atomic_numbers[symbol] for symbol in ANION_CHARGE],
}


def describe_electrodes(electrodes: pd.DataFrame) -> pd.DataFrame:
    """Rows of :data:`ionsieve.tables.ENERGY_FEATURES`; an electrode that fails is logged and left out."""
    from ionsieve.voltage.energy_model import EnergyModel

    model, rows = EnergyModel(), []
    for record in tqdm(electrodes.to_dict("records"), desc="electrodes", disable=None):
        electrode = {str(name): value for name, value in record.items()}
        key = {name: electrode[name] for name in ("electrode_id", "material_id", "working_ion")}
        try:
            rows.append(key | model.describe(electrode, electrode["working_ion"]))
        except (ArithmeticError, RuntimeError, ValueError) as error:
            # Not fatal: the voltage model then sees zeros, as for a crystal that CHGNet knows nothing of.
            logger.warning("%s has no energy features: %s", electrode["electrode_id"], error)
    return pd.DataFrame(rows, columns=ENERGY_FEATURES.names)


def tabulate(features: pd.DataFrame, electrodes: pd.DataFrame) -> pd.DataFrame:
    """Plain columns for a voltage model, one row per electrode in the order of ``electrodes``.

    Moments and site energies become means and extremes over redox-active sites and anions; electrodes
    without features get zeros.

    Raises
    ------
    DataError : fewer than half of the electrodes have features: the table is of other electrodes.
    """
    known = features.set_index("electrode_id")
    missing = ~electrodes["electrode_id"].isin(known.index)
    if missing.mean() > 0.5:
        raise DataError(
            f"{int(missing.sum())} of {len(electrodes)} electrodes have no energy features: the table is of"
            " other electrodes; delete results/voltage/energy_features and run again"
        )
    rows = [
        _flat(known.loc[electrode_id]) if electrode_id in known.index else {}
        for electrode_id in electrodes["electrode_id"]
    ]
    return pd.DataFrame(rows).fillna(0.0).astype(np.float32).add_prefix("energy_model_")


def _flat(row: pd.Series) -> dict[str, Any]:
    flat = {name: float(row[name]) for name in _SCALARS}
    numbers = np.asarray(row["host_numbers"]).astype(int)
    for kind, of_kind in ((kind, np.isin(numbers, members)) for kind, members in _CLASSES.items()):
        if not of_kind.any():
            continue
        for quantity in ("moments_{}_muB", "site_energies_{}_eV"):
            full, emptied = (
                np.asarray(row[quantity.format(state)])[of_kind] for state in ("discharged", "host")
            )
            name = f"{kind}_{quantity.split('_{')[0]}"
            flat |= {
                f"{name}_discharged_mean": full.mean(),
                f"{name}_discharged_max": full.max(),
                f"{name}_discharged_min": full.min(),
                f"{name}_host_mean": emptied.mean(),
                f"{name}_host_max": emptied.max(),
                f"{name}_change_mean": (emptied - full).mean(),
                f"{name}_change_largest": np.abs(emptied - full).max(),
            }
    for latent in _LATENTS:
        flat |= {f"{latent}_{index}": value for index, value in enumerate(row[latent])}
    return flat
