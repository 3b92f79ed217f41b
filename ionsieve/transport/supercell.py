"""The simulation cell: a near-cubic supercell, and working ions removed from it at random.

Every superlattice of an index n is one integer matrix in Hermite normal form, so all shapes of a size
can be compared, whatever cell the crystal came in. A shape is judged by its smallest height (the
distance between opposite faces) over the cube root of its volume: 1 for a cube, less for all others.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import spglib
from ase import Atoms
from ase.build import make_supercell
from ase.data import atomic_numbers
from vesin import NeighborList

from ionsieve.errors import CandidateFailed
from ionsieve.transport.seeding import generator, replica_names

# The interaction range of the potentials: no atom may see its own image.
CUTOFF_A = 5.0
# A cube has 1, the primitive cell of fcc 0.92.
NEAR_CUBIC = 0.85
# Larger supercells than this multiple of the smallest one are not worth a better shape.
LARGEST_EXCESS = 1.5
SYMMETRY_PRECISION_A = 0.01


@dataclass(frozen=True)
class Supercell:
    """A supercell before vacancies.

    Attributes
    ----------
    atoms : the crystal.
    height_A : smallest distance between opposite faces.
    """

    atoms: Atoms
    height_A: float


@dataclass(frozen=True)
class SimulationCell:
    """A supercell with its vacancies, ready for a calculator.

    Attributes
    ----------
    atoms : what is simulated.
    n_ions : working ions in it.
    n_vacancies : working ions removed.
    height_A : smallest distance between opposite faces.
    hop_distance_A : shortest distance between two sites of the working ion in the crystal.
    """

    atoms: Atoms
    n_ions: int
    n_vacancies: int
    height_A: float
    hop_distance_A: float

    def summary(self) -> dict[str, Any]:
        """The facts about the cell that go into results."""
        return {
            "formula": self.atoms.get_chemical_formula(),
            "n_atoms": len(self.atoms),
            "n_ions": self.n_ions,
            "n_vacancies": self.n_vacancies,
            "smallest_height_A": self.height_A,
            "hop_distance_A": self.hop_distance_A,
        }


def simulation_cell(
    crystal: Atoms,
    working_ion: str,
    min_atoms: int,
    vacancy_fraction: float,
    seed: int,
    material_id: str,
    replica: int = 0,
) -> SimulationCell:
    """Supercell and vacancies of one candidate (see :func:`near_cubic_supercell`, :func:`with_vacancies`).

    Raises
    ------
    CandidateFailed : the crystal has no working ion, no host, or too few ions.
    """
    supercell = near_cubic_supercell(crystal, min_atoms)
    atoms = with_vacancies(supercell.atoms, working_ion, vacancy_fraction, seed, material_id, replica)
    number = atomic_numbers[working_ion]
    return SimulationCell(
        atoms=atoms,
        n_ions=int((atoms.numbers == number).sum()),
        n_vacancies=len(supercell.atoms) - len(atoms),
        height_A=supercell.height_A,
        hop_distance_A=nearest_site_distance_A(supercell.atoms, {number}),
    )


def near_cubic_supercell(crystal: Atoms, min_atoms: int) -> Supercell:
    """The smallest near-cubic supercell with at least ``min_atoms`` atoms.

    The first size from ``min_atoms`` on whose best shape reaches ``NEAR_CUBIC`` is taken; if none does
    up to ``LARGEST_EXCESS`` times the smallest size, the best shape met. Every height exceeds
    ``CUTOFF_A``.
    """
    primitive = primitive_cell(crystal)
    smallest = max(1, -(-min_atoms // len(primitive)))
    best_matrix, best_ratio = np.eye(3, dtype=int), -1.0
    size = smallest
    while True:
        matrix, ratio = _best_shape(primitive.cell.array, size)
        height_A = ratio * (size * primitive.get_volume()) ** (1 / 3)
        if height_A > CUTOFF_A:
            if ratio > best_ratio + 1e-9:
                best_matrix, best_ratio = matrix, ratio
            if best_ratio >= NEAR_CUBIC or size >= LARGEST_EXCESS * smallest:
                break
        size += 1
    atoms = make_supercell(primitive, best_matrix)
    atoms.wrap()
    return Supercell(atoms=atoms, height_A=float(_heights(atoms.cell.array[None])[0].min()))


def with_vacancies(
    supercell: Atoms,
    working_ion: str,
    vacancy_fraction: float,
    seed: int,
    material_id: str,
    replica: int = 0,
) -> Atoms:
    """The supercell without ``vacancy_fraction`` of its working ions, chosen by seed, material and replica.

    The number removed is rounded to the nearest integer, and is at least one where a fraction is asked
    for. The atoms go as neutral vacancies: the host is oxidised.

    Raises
    ------
    CandidateFailed : no working ion, no host, or no ion would be left.
    """
    ions = np.flatnonzero(supercell.numbers == atomic_numbers[working_ion])
    if ions.size == 0:
        raise CandidateFailed(f"the structure has no {working_ion}")
    if ions.size == len(supercell):
        raise CandidateFailed(f"the structure is {working_ion} alone: there is no host to move in")
    n_vacancies = max(1, round(vacancy_fraction * ions.size)) if vacancy_fraction > 0 else 0
    if n_vacancies >= ions.size:
        raise CandidateFailed(
            f"{ions.size} {working_ion} in the supercell: {n_vacancies} vacancies would leave none to move;"
            " lower transport.vacancy_fraction or raise transport.min_atoms"
        )
    removed = generator(seed, "vacancies", material_id, *replica_names(replica)).choice(
        ions, size=n_vacancies, replace=False
    )
    kept = np.setdiff1d(np.arange(len(supercell)), removed)
    return supercell[kept]


def nearest_site_distance_A(atoms: Atoms, numbers: set[int] | None = None) -> float:
    """Shortest distance between two sites of one kind, images included.

    Parameters
    ----------
    atoms : a periodic crystal.
    numbers : atomic numbers of the sites; all when None.
    """
    chosen = atoms if numbers is None else atoms[np.isin(atoms.numbers, list(numbers))]
    reach_A = 1.0001 * min(chosen.cell.lengths())  # an atom's own image is never further away
    distances = NeighborList(cutoff=reach_A, full_list=True).compute(
        points=chosen.positions, box=chosen.cell.array, periodic=True, quantities="d"
    )[0]
    return float(distances.min())


def primitive_cell(crystal: Atoms) -> Atoms:
    """The primitive cell in the crystal's own orientation; the crystal itself where no symmetry is found."""
    cell = (crystal.cell.array, crystal.get_scaled_positions(), crystal.numbers)
    found = spglib.standardize_cell(cell, to_primitive=True, no_idealize=True, symprec=SYMMETRY_PRECISION_A)
    if found is None:
        return crystal
    lattice, frac_coords, numbers = found
    return Atoms(numbers=numbers, cell=lattice, scaled_positions=frac_coords, pbc=True)


def _best_shape(cell: np.ndarray, size: int) -> tuple[np.ndarray, float]:
    """The superlattice of one index with the largest smallest height; matrix and shape ratio."""
    matrices = _reduce(hermite_normal_forms(size), cell)
    volume_A3 = size * abs(np.linalg.det(cell))
    ratios = _heights(matrices @ cell).min(axis=1) / volume_A3 ** (1 / 3)
    best = int(np.argmax(np.round(ratios, 9)))
    matrix = matrices[best]
    return (matrix if np.linalg.det(matrix) > 0 else -matrix), float(ratios[best])


def hermite_normal_forms(size: int) -> np.ndarray:
    """All integer matrices in Hermite normal form with determinant ``size``, shape (m, 3, 3)."""
    forms = []
    divisors = [number for number in range(1, size + 1) if size % number == 0]
    for a in divisors:
        for b in (divisor for divisor in divisors if (size // a) % divisor == 0):
            c = size // (a * b)
            d, e, f = (grid.ravel() for grid in np.meshgrid(range(b), range(c), range(c), indexing="ij"))
            block = np.zeros((d.size, 3, 3), dtype=int)
            block[:, 0, 0], block[:, 1, 1], block[:, 2, 2] = a, b, c
            block[:, 1, 0] = 0
            block[:, 0, 1], block[:, 0, 2], block[:, 1, 2] = d, e, f
            forms.append(block)
    return np.concatenate(forms)


def _reduce(matrices: np.ndarray, cell: np.ndarray) -> np.ndarray:
    """Replace each basis by short vectors of the same superlattice, by repeated pairwise reduction."""
    matrices = matrices.copy()
    steps = [(0, 1), (0, 2), (1, 0), (1, 2), (2, 0), (2, 1)]
    for _ in range(50):
        changed = False
        for i, j in steps:
            vectors = matrices @ cell
            overlap = np.einsum("mk,mk->m", vectors[:, i], vectors[:, j])
            multiple = np.rint(overlap / np.einsum("mk,mk->m", vectors[:, j], vectors[:, j]) * (1 - 1e-9))
            if multiple.any():
                matrices[:, i] -= multiple.astype(int)[:, None] * matrices[:, j]
                changed = True
        if not changed:
            break
    return matrices


def _heights(cells: np.ndarray) -> np.ndarray:
    """Distances between opposite faces, shape (m, 3), of cells of shape (m, 3, 3)."""
    volumes = np.abs(np.linalg.det(cells))
    areas = np.linalg.norm(np.cross(cells[:, [1, 2, 0]], cells[:, [2, 0, 1]]), axis=2)
    return volumes[:, None] / areas
