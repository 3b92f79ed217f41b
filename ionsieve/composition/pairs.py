"""Pairs of formulas in arrays: what every model of this package reads."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from ase.data import atomic_numbers

from ionsieve.composition.formulas import N_ELEMENTS, Pair
from ionsieve.errors import DataError
from ionsieve.ions import WORKING_IONS


@dataclass(frozen=True)
class Pairs:
    """Compositions of S pairs of one host each.

    Attributes
    ----------
    working_ions : symbols, shape (S,).
    host : atoms of each element but the working ion, per atom of the host, shape (S, 119), float64.
    ions_discharged, ions_charged : working ions per atom of the host, shape (S,).
    """

    working_ions: np.ndarray
    host: np.ndarray
    ions_discharged: np.ndarray
    ions_charged: np.ndarray

    def __len__(self) -> int:
        return len(self.working_ions)

    def __getitem__(self, rows: np.ndarray | slice) -> "Pairs":
        """The pairs of some rows."""
        return Pairs(
            self.working_ions[rows], self.host[rows], self.ions_discharged[rows], self.ions_charged[rows]
        )

    @property
    def ion_numbers(self) -> np.ndarray:
        """Atomic number of each working ion, shape (S,)."""
        return np.array([atomic_numbers[ion] for ion in self.working_ions], dtype=np.int64)

    @property
    def ion_charges(self) -> np.ndarray:
        """Charge number of each working ion, shape (S,)."""
        return np.array([float(WORKING_IONS[ion].charge) for ion in self.working_ions])

    def amounts(self, ions_per_host_atom: np.ndarray) -> np.ndarray:
        """Atoms of each element per atom of the host, with so many working ions; shape (S, 119)."""
        amounts = self.host.copy()
        amounts[np.arange(len(self)), self.ion_numbers] += ions_per_host_atom
        return amounts

    @classmethod
    def of(cls, pairs: Sequence[Pair]) -> "Pairs":
        """Arrays of single pairs."""
        return cls(
            np.array([pair.working_ion for pair in pairs], dtype=object),
            np.stack([pair.host for pair in pairs]) if pairs else np.zeros((0, N_ELEMENTS + 1)),
            np.array([pair.ions_discharged for pair in pairs]),
            np.array([pair.ions_charged for pair in pairs]),
        )

    @classmethod
    def from_electrodes(cls, electrodes: pd.DataFrame) -> "Pairs":
        """Pairs of a table with the columns of :data:`ionsieve.tables.ELECTRODES`, in its order.

        Raises
        ------
        DataError : a discharged cell lacks its working ion, or holds nothing else.
        """
        ion_numbers = electrodes["working_ion"].map(atomic_numbers).to_numpy(dtype=np.int64)
        atoms = np.stack(
            [np.bincount(numbers, minlength=N_ELEMENTS + 1) for numbers in electrodes["numbers"]]
        ).astype(float)
        rows = np.arange(len(atoms))
        n_ions = atoms[rows, ion_numbers]
        atoms[rows, ion_numbers] = 0.0
        n_host = atoms.sum(axis=1)
        bad = np.flatnonzero((n_ions == 0) | (n_host == 0))
        if len(bad):
            row = electrodes.iloc[int(bad[0])]
            raise DataError(
                f"the discharged cell of electrode {row['electrode_id']} ({row['formula']}) has no"
                f" {row['working_ion']}, or nothing else; mend or remove the electrode"
            )
        discharged = n_ions / n_host
        charged = discharged * electrodes["x_charged"].to_numpy(dtype=float)
        ions = electrodes["working_ion"].to_numpy(dtype=object)
        return cls(ions, atoms / n_host[:, None], discharged, charged)
