"""Crystals in and out of table columns, and the checks every crystal passes on its way in."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from ase import Atoms
from ase.data import chemical_symbols
from matscipy.neighbours import neighbour_list
from numpy.typing import ArrayLike
from pymatgen.core import Composition, DummySpecies, Structure

from ionsieve.errors import IonSieveError

# No pair of atoms in a crystal at rest is closer than this, but for O-H and H-H (0.7 A).
SHORTEST_DISTANCE_A = 1.0
SHORTEST_DISTANCE_WITH_HYDROGEN_A = 0.6
# An atom in more space than this has no neighbours that mean anything, and looking for them takes minutes.
LARGEST_VOLUME_PER_ATOM_A3 = 1e5
LARGEST_FRAC_COORD = 1e4


class DamagedStructure(IonSieveError):
    """A structure that no stage could use; the message is the reason in the rejects table."""


def to_columns(structure: Structure | Atoms) -> dict[str, Any]:
    """The columns numbers, cell, frac_coords of a crystal (see :mod:`ionsieve.tables`)."""
    if isinstance(structure, Structure):
        strangers = sorted({str(specie) for specie in structure.species if isinstance(specie, DummySpecies)})
        if strangers:
            raise DamagedStructure(f"unknown element: {', '.join(strangers)}")
        numbers = [specie.Z for specie in structure.species]
        cell, frac_coords = structure.lattice.matrix, structure.frac_coords
    else:
        numbers = structure.numbers.tolist()
        cell, frac_coords = structure.cell.array, structure.get_scaled_positions(wrap=False)
    return {
        "numbers": [int(number) for number in numbers],
        "cell": np.asarray(cell, dtype=float).ravel().tolist(),
        "frac_coords": np.asarray(frac_coords, dtype=float).ravel().tolist(),
    }


def to_atoms(row: Mapping[str, Any]) -> Atoms:
    """An ASE Atoms from a table row with the columns numbers, cell, frac_coords."""
    return Atoms(
        numbers=np.asarray(row["numbers"], dtype=int),
        cell=np.asarray(row["cell"], dtype=float).reshape(3, 3),
        scaled_positions=np.asarray(row["frac_coords"], dtype=float).reshape(-1, 3),
        pbc=True,
    )


def to_structure(row: Mapping[str, Any]) -> Structure:
    """A pymatgen Structure from a table row with the columns numbers, cell, frac_coords."""
    return Structure(
        np.asarray(row["cell"], dtype=float).reshape(3, 3),
        [chemical_symbols[number] for number in row["numbers"]],
        np.asarray(row["frac_coords"], dtype=float).reshape(-1, 3),
    )


def composition_of(numbers: Sequence[int]) -> Composition:
    """Composition of one cell from its atomic numbers."""
    symbols, counts = np.unique([chemical_symbols[number] for number in numbers], return_counts=True)
    return Composition(dict(zip(symbols.tolist(), counts.tolist(), strict=True)))


def volume_A3(cell: ArrayLike) -> float:
    """Volume of the cell whose nine row-major components are given in angstrom."""
    return float(abs(np.linalg.det(np.asarray(cell, dtype=float).reshape(3, 3))))


def check(row: Mapping[str, Any], working_ion: str | None) -> None:
    """Refuse a crystal that no stage could use.

    Raises
    ------
    DamagedStructure : no atoms, not finite, unknown element, flat cell, overlapping atoms, or no
        working ion (where one is asked for). The message is the reason.
    """
    numbers = np.asarray(row["numbers"], dtype=int)
    cell = np.asarray(row["cell"], dtype=float)
    frac_coords = np.asarray(row["frac_coords"], dtype=float)
    if numbers.size == 0:
        raise DamagedStructure("no atoms")
    if cell.size != 9 or frac_coords.size != 3 * numbers.size:
        raise DamagedStructure(
            f"{numbers.size} atoms, {cell.size} cell and {frac_coords.size} coordinate numbers"
        )
    if not (np.isfinite(cell).all() and np.isfinite(frac_coords).all()):
        raise DamagedStructure("cell or coordinates are not finite numbers")
    if numbers.min() < 1 or numbers.max() >= len(chemical_symbols):
        raise DamagedStructure(f"unknown element with atomic number {numbers.min()} or {numbers.max()}")
    if np.abs(frac_coords).max() > LARGEST_FRAC_COORD:
        raise DamagedStructure(
            f"fractional coordinate of {np.abs(frac_coords).max():.3g}; Cartesian ones in their place?"
        )
    volume = volume_A3(cell)
    if volume > numbers.size * LARGEST_VOLUME_PER_ATOM_A3:
        raise DamagedStructure(f"cell of {volume:.4g} A3 is too large for {numbers.size} atoms")
    if volume < numbers.size * 1.0:
        raise DamagedStructure(f"cell of {volume:.2f} A3 is too small for {numbers.size} atoms")
    shortest_A = np.linalg.norm(cell.reshape(3, 3), axis=1).min()
    if shortest_A < SHORTEST_DISTANCE_WITH_HYDROGEN_A:
        raise DamagedStructure(f"cell axis of {shortest_A:.3g} A: atoms overlap with their own images")
    if working_ion is not None and working_ion not in {chemical_symbols[number] for number in numbers}:
        raise DamagedStructure(f"contains no {working_ion}, the working ion")
    if working_ion is not None and {chemical_symbols[number] for number in numbers} == {working_ion}:
        raise DamagedStructure(f"nothing but {working_ion}: no host to take the ion out of")
    _check_distances(numbers, cell.reshape(3, 3), frac_coords.reshape(-1, 3))


def _check_distances(numbers: np.ndarray, cell: np.ndarray, frac_coords: np.ndarray) -> None:
    first, second, distances = neighbour_list(
        "ijd", positions=frac_coords @ cell, cell=cell, pbc=np.ones(3, dtype=bool), cutoff=SHORTEST_DISTANCE_A
    )
    with_hydrogen = (numbers[first] == 1) | (numbers[second] == 1)
    shortest_allowed = np.where(with_hydrogen, SHORTEST_DISTANCE_WITH_HYDROGEN_A, SHORTEST_DISTANCE_A)
    overlapping = np.flatnonzero(distances < shortest_allowed)
    if overlapping.size:
        worst = overlapping[np.argmin(distances[overlapping])]
        pair = f"{chemical_symbols[numbers[first[worst]]]}-{chemical_symbols[numbers[second[worst]]]}"
        raise DamagedStructure(f"overlapping atoms: {pair} at {float(distances[worst]):.2f} A")


def reject_disorder(structure: Structure) -> None:
    """Refuse partial occupancies, which no stage can compute with.

    Raises
    ------
    DamagedStructure : a site is not fully occupied by one element.
    """
    for site in structure:
        if not site.is_ordered or not math.isclose(site.species.num_atoms, 1.0, abs_tol=1e-6):
            raise DamagedStructure(f"partial occupancies ({site.species_string}); order the structure first")
