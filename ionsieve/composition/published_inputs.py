"""Inputs of the MHA-ResNet paper: one-hot formulas, ion and crystal systems; their scaling and PCA.

Differences from the paper's code: formulas are parsed with their parentheses and decimals, and all that is
fitted is fitted on the training rows alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from ase.data import chemical_symbols
from sklearn.decomposition import PCA
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from ionsieve.composition.formulas import N_ELEMENTS
from ionsieve.composition.pairs import Pairs
from ionsieve.data.calculated import CRYSTAL_SYSTEMS
from ionsieve.errors import DataError
from ionsieve.ions import WORKING_IONS

EXPLAINED_VARIANCE = 0.99


def element_amounts(pairs: Pairs) -> pd.DataFrame:
    """Atoms of each element as a share of all atoms of the charged and of the discharged formula.

    Columns ``charged_H`` ... ``charged_Og``, ``discharged_H`` ... ``discharged_Og``: 118 + 118.
    """
    blocks = []
    for state, ions in (("charged", pairs.ions_charged), ("discharged", pairs.ions_discharged)):
        amounts = pairs.amounts(ions)[:, 1:]
        columns = [f"{state}_{symbol}" for symbol in chemical_symbols[1 : N_ELEMENTS + 1]]
        blocks.append(pd.DataFrame(amounts / amounts.sum(axis=1, keepdims=True), columns=columns))
    return pd.concat(blocks, axis=1)


def working_ion(pairs: Pairs) -> pd.DataFrame:
    """1 in the column of the working ion, ``ion_Li`` ... ``ion_Y``, and 0 in the other nine."""
    return pd.DataFrame({f"ion_{ion}": (pairs.working_ions == ion).astype(float) for ion in WORKING_IONS})


def crystal_systems(charged: Sequence[str | None], discharged: Sequence[str | None]) -> pd.DataFrame:
    """1 in the column of each crystal's system, ``charged_system_cubic`` and so on; zeros where not known.

    Parameters
    ----------
    charged, discharged : names of crystal systems in any case, None where not known; length S each.

    Raises
    ------
    DataError : a name that is none of the seven.
    """
    columns: dict[str, list[float]] = {}
    for state, names in (("charged", charged), ("discharged", discharged)):
        lower = ["" if pd.isna(name) else str(name).lower() for name in names]
        strangers = sorted(set(lower) - {"", *CRYSTAL_SYSTEMS})
        if strangers:
            raise DataError(
                f"{strangers[0]!r} is no crystal system; known: {', '.join(CRYSTAL_SYSTEMS)}; leave the cell"
                " empty where it is not known"
            )
        for system in CRYSTAL_SYSTEMS:
            columns[f"{state}_system_{system}"] = [float(name == system) for name in lower]
    return pd.DataFrame(columns)


@dataclass(frozen=True)
class Preparation:
    """From the columns of a table to what the network reads: principal components between 0 and 1.

    Attributes
    ----------
    columns : names of the columns it was fitted on, in their order.
    steps : scikit-learn's fitted steps.
    """

    columns: tuple[str, ...]
    steps: Pipeline

    @classmethod
    def fit(
        cls, inputs: pd.DataFrame, training_rows: np.ndarray, kind: Literal["published", "corrected"]
    ) -> "Preparation":
        """Fit PCA to 99 % of the variance and min-max scaling on the training rows; no other row is read.

        Parameters
        ----------
        inputs : numeric columns of S rows.
        training_rows : positions of the training rows.
        kind : "published": PCA on the columns as they are, so that those with the largest numbers
            (``energy_grav`` in mWh/g where it is among them) are all that is kept. "corrected": columns of
            mean 0 and standard deviation 1 first.

        Raises
        ------
        DataError : an empty or infinite cell in a training row.
        """
        training = inputs.iloc[training_rows]
        _check_finite(training)
        pca = ("pca", PCA(EXPLAINED_VARIANCE, svd_solver="full"))
        steps = [pca, ("range", MinMaxScaler())]
        if kind == "corrected":
            steps.insert(0, ("standard", StandardScaler()))
        return cls(tuple(inputs.columns), Pipeline(steps).fit(training.to_numpy(dtype=float)))

    def transform(self, inputs: pd.DataFrame) -> np.ndarray:
        """Components of S rows, shape (S, D); those of training rows are between 0 and 1.

        Raises
        ------
        DataError : an empty or infinite cell, or a column it was fitted on is missing.
        """
        missing = [column for column in self.columns if column not in inputs.columns]
        if missing:
            raise DataError(f"these columns are needed and missing: {', '.join(missing)}")
        used = inputs[list(self.columns)]
        _check_finite(used)
        return self.steps.transform(used.to_numpy(dtype=float))

    @property
    def n_components(self) -> int:
        """D, the number of components kept."""
        return int(self.steps["pca"].n_components_)


def _check_finite(inputs: pd.DataFrame) -> None:
    bad = [column for column in inputs.columns if not np.isfinite(inputs[column].to_numpy(dtype=float)).all()]
    if bad:
        raise DataError(
            f"empty or infinite cells in {', '.join(map(str, bad))}; fill them in, or set the rows aside"
        )
