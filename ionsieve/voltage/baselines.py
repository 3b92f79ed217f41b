"""Gradient boosting on the composition alone: what a voltage owes to the elements, without their places."""

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from ase.data import atomic_numbers, chemical_symbols

from ionsieve.ions import WORKING_IONS, ion_charge
from ionsieve.voltage.element_features import N_ELEMENTS, PROPERTY_NAMES, element_properties

if TYPE_CHECKING:
    from ionsieve.voltage.electrodes import Electrodes

# Common values with trees enough for the learning rate; the absolute error, as networks minimise it.
BOOSTING: dict[str, Any] = {
    "objective": "regression_l1",
    "n_estimators": 800,
    "learning_rate": 0.05,
    "num_leaves": 31,
    "min_child_samples": 8,
    "subsample": 0.7,
    "subsample_freq": 1,
    "colsample_bytree": 0.25,
    "reg_lambda": 2.0,
}


def composition_features(electrodes: "Electrodes") -> pd.DataFrame:
    """Statistics of the host's elements, the ion's properties, and how many ions there are.

    Returns
    -------
    S rows; per element property the mean (by atoms), standard deviation, smallest and largest of the
    host and the value of the ion; each element's share of the host's atoms; working ions, and the charge that
    they bring, per host atom.
    """
    graphs = electrodes.graphs
    crystals, numbers = graphs.crystal_of_node(), graphs.numbers.astype(np.int64)
    atoms = np.zeros((len(graphs), N_ELEMENTS + 1))
    host = ~graphs.is_ion
    np.add.at(atoms, (crystals[host], numbers[host]), graphs.atom_counts[host])
    n_host = atoms.sum(axis=1)
    n_ions = np.bincount(crystals, weights=graphs.atom_counts, minlength=len(graphs)) - n_host
    shares = atoms / n_host[:, None]
    ions = electrodes.table["working_ion"]
    charges = ions.map({ion: ion_charge(ion) for ion in WORKING_IONS}).to_numpy(dtype=float)
    ion_numbers = ions.map(atomic_numbers).to_numpy(dtype=np.int64)

    columns = {"ions_per_host_atom": n_ions / n_host, "ion_charge_per_host_atom": charges * n_ions / n_host}
    present = shares > 0
    of_elements = np.column_stack([np.arange(N_ELEMENTS + 1.0), element_properties()])
    for name, of_element in zip(("number", *PROPERTY_NAMES), of_elements.T, strict=True):
        mean = shares @ of_element
        squares = (of_element - mean[:, None]) ** 2
        columns[f"host_{name}_mean"] = mean
        columns[f"host_{name}_deviation"] = np.sqrt((shares * squares).sum(axis=1))
        columns[f"host_{name}_min"] = np.where(present, of_element, np.inf).min(axis=1)
        columns[f"host_{name}_max"] = np.where(present, of_element, -np.inf).max(axis=1)
        columns[f"ion_{name}"] = of_element[ion_numbers]
    occurring = np.flatnonzero(present.any(axis=0)).tolist()
    columns |= {f"share_{chemical_symbols[number]}": shares[:, number] for number in occurring}
    return pd.DataFrame(columns)


def gradient_boosting(
    features: np.ndarray,
    voltages_V: np.ndarray,
    training_rows: np.ndarray,
    held_out_rows: np.ndarray,
    seed: int,
) -> np.ndarray:
    """Voltages in V of the held-out rows by LightGBM; the same on every machine with one thread."""
    from lightgbm import LGBMRegressor

    model = LGBMRegressor(
        **BOOSTING, seed=seed % 2**31, n_jobs=1, deterministic=True, force_row_wise=True, verbosity=-1
    )
    model.fit(features[training_rows], voltages_V[training_rows])
    return np.asarray(model.predict(features[held_out_rows]), dtype=float)
