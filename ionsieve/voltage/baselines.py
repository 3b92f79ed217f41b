"""Gradient boosting on the composition alone: what a voltage owes to the elements, without their places."""

import warnings
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from pymatgen.core import Element

from ionsieve.ions import WORKING_IONS, ion_charge

if TYPE_CHECKING:
    from ionsieve.voltage.electrodes import Electrodes

N_ELEMENTS = 118
# Tuned on nothing: common values, with trees enough for the learning rate.
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
    they bring, per host atom. NaN where an element's property is not known.
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
    ion_numbers = ions.map({ion: Element(ion).Z for ion in WORKING_IONS}).to_numpy()

    columns = {"ions_per_host_atom": n_ions / n_host, "ion_charge_per_host_atom": charges * n_ions / n_host}
    present = shares > 0
    for name, of_element in element_properties().items():
        values = np.where(present, of_element, 0.0)
        mean = (shares * values).sum(axis=1)
        columns[f"host_mean_{name}"] = mean
        columns[f"host_std_{name}"] = np.sqrt(
            (shares * np.where(present, values - mean[:, None], 0.0) ** 2).sum(axis=1)
        )
        columns[f"host_min_{name}"] = np.where(present, of_element, np.inf).min(axis=1)
        columns[f"host_max_{name}"] = np.where(present, of_element, -np.inf).max(axis=1)
        columns[f"ion_{name}"] = of_element[ion_numbers]
    occurring = np.flatnonzero(present.any(axis=0))
    columns |= {f"share_{Element.from_Z(number)}": shares[:, number] for number in occurring.tolist()}
    return pd.DataFrame(columns)


@cache
def element_properties() -> dict[str, np.ndarray]:
    """Properties of the elements, each of shape (119,): index is the atomic number, NaN where not known."""
    read = {
        "number": lambda element: element.Z,
        "mass": lambda element: element.atomic_mass,
        "group": lambda element: element.group,
        "period": lambda element: element.row,
        "mendeleev_number": lambda element: element.mendeleev_no,
        "electronegativity": lambda element: element.X,
        "ionization_energy": lambda element: element.ionization_energies[0],
        "second_ionization_energy": lambda element: element.ionization_energies[1],
        "third_ionization_energy": lambda element: element.ionization_energies[2],
        "electron_affinity": lambda element: element.electron_affinity,
        "atomic_radius": lambda element: element.atomic_radius,
        "ionic_radius": lambda element: element.average_ionic_radius,
        "largest_oxidation_state": lambda element: element.max_oxidation_state,
        "smallest_oxidation_state": lambda element: element.min_oxidation_state,
        "melting_point": lambda element: element.melting_point,
        "molar_volume": lambda element: element.molar_volume,
    }
    properties = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pymatgen warns of each value it does not have
        for name, value in read.items():
            properties[name] = np.full(N_ELEMENTS + 1, np.nan)
            for number in range(1, N_ELEMENTS + 1):
                try:
                    properties[name][number] = float(value(Element.from_Z(number)))
                except (AttributeError, IndexError, KeyError, TypeError, ValueError):
                    continue  # not known
            properties[name].setflags(write=False)
    return properties


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
