"""Pairs of formulas in arrays: what every model of this package reads."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from ase.data import atomic_numbers, chemical_symbols

from ionsieve.composition.formulas import N_ELEMENTS, Pair
from ionsieve.electrochemistry import formal_charges
from ionsieve.errors import DataError
from ionsieve.ions import WORKING_IONS


@dataclass(frozen=True)
class FormalCharges:
    """Formal charges of the elements of S hosts.

    Attributes
    ----------
    discharged, charged : charge of each element; 0 where it is absent; shape (S, 119).
    is_taker : whether an element gives the electrons, bool, shape (S, 119).
    """

    discharged: np.ndarray
    charged: np.ndarray
    is_taker: np.ndarray


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

    @cached_property
    def formal_charges(self) -> FormalCharges:
        """Charges by :func:`ionsieve.electrochemistry.formal_charges`, made once for all that read them."""
        discharged, charged = np.zeros_like(self.host), np.zeros_like(self.host)
        is_taker = np.zeros(self.host.shape, dtype=bool)
        for row in range(len(self)):
            numbers = np.flatnonzero(self.host[row])
            host = {chemical_symbols[number]: float(self.host[row, number]) for number in numbers}
            n_ions = float(self.ions_discharged[row])
            found = formal_charges(host, n_ions, str(self.working_ions[row]))
            share = 1.0 - float(self.ions_charged[row]) / n_ions
            for symbol, charge in found.discharged.items():
                number = atomic_numbers[symbol]
                taker = symbol in found.takers
                discharged[row, number] = charge
                charged[row, number] = charge + found.step * share * taker
                is_taker[row, number] = taker
        return FormalCharges(discharged, charged, is_taker)

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
