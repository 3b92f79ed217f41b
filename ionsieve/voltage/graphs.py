"""Crystals as graphs: neighbours within a cutoff, stored as flat arrays of all crystals together.

Edges follow the paper: neighbours within 8 angstrom, the 12 nearest. Which of several equally distant
atoms makes the twelfth would depend on the order of the atoms in the file, so all that tie with the
twelfth are kept. An atom with fewer than 12 neighbours keeps what it has; one with none looks further.

Atoms that no graph network can tell apart (same element, same distances to neighbours that cannot
be told apart either) share one node with a multiplicity, and their equal edges share one edge. That
is exact: message passing gives such atoms the same vector. It makes graphs several times smaller and
the prediction of a supercell that of its cell by construction. The classes are those of colour
refinement, the 1-dimensional Weisfeiler-Leman algorithm.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from ase.data import atomic_numbers
from vesin import NeighborList

# Distances in one crystal that differ by less are one distance: more than the noise of relaxed
# coordinates, far less than the Gaussians that describe a distance resolve (0.2 angstrom).
DISTANCE_TOLERANCE_A = 1e-4
# The sphere to search first holds this many times the neighbours wanted, were the atoms spread evenly: few
# crystals then need a second search, and few pairs are found in vain.
_EXPECTED_PER_WANTED = 2.0


@dataclass(frozen=True)
class Graphs:
    """Graphs of S crystals with N nodes and E edges in all.

    Attributes
    ----------
    numbers : atomic number of each node, shape (N,), int16.
    atom_counts : atoms of the cell that each node stands for, shape (N,), int32.
    is_ion : whether the node is the working ion, shape (N,), bool.
    node_ptr : nodes of crystal s are node_ptr[s]:node_ptr[s + 1], shape (S + 1,), int64.
    neighbors : the node at the far end of each edge, counted within its crystal, shape (E,), int32.
    distances_A : length of each edge in angstrom, shape (E,), float32.
    edge_counts : neighbouring atoms that each edge stands for, shape (E,), int16.
    edge_ptr : edges of node i are edge_ptr[i]:edge_ptr[i + 1], nearest first, shape (N + 1,), int64.
    """

    numbers: np.ndarray
    atom_counts: np.ndarray
    is_ion: np.ndarray
    node_ptr: np.ndarray
    neighbors: np.ndarray
    distances_A: np.ndarray
    edge_counts: np.ndarray
    edge_ptr: np.ndarray

    def __len__(self) -> int:
        return len(self.node_ptr) - 1

    def edges_per_crystal(self) -> np.ndarray:
        """Number of edges of each crystal, shape (S,)."""
        return np.diff(self.edge_ptr[self.node_ptr])

    def crystal_of_node(self) -> np.ndarray:
        """The crystal that each node belongs to, shape (N,)."""
        return np.repeat(np.arange(len(self)), np.diff(self.node_ptr))

    def elements_of(self, crystals: np.ndarray) -> list[int]:
        """Atomic numbers that occur in these crystals, ascending."""
        return np.unique(self.numbers[np.isin(self.crystal_of_node(), crystals)]).tolist()


def build_graphs(
    crystals: pd.DataFrame, working_ions: Sequence[str], cutoff_A: float, max_neighbors: int
) -> Graphs:
    """Graphs of crystals.

    Parameters
    ----------
    crystals : S >= 1 rows with the columns numbers, cell, frac_coords (see :mod:`ionsieve.tables`).
    working_ions : symbol of each crystal's working ion, length S.
    cutoff_A : neighbours are looked for within this distance, in angstrom.
    max_neighbors : nearest neighbours kept per atom, plus those that tie with the last.
    """
    numbers = [np.asarray(of_crystal, dtype=np.int64) for of_crystal in crystals["numbers"]]
    atom_ptr = _pointers([len(of_crystal) for of_crystal in numbers])
    centers, neighbors, distances_A = [], [], []
    for start, cell_A, frac_coords in zip(
        atom_ptr[:-1], crystals["cell"], crystals["frac_coords"], strict=True
    ):
        cell = np.asarray(cell_A, dtype=float).reshape(3, 3)
        points = np.asarray(frac_coords, dtype=float).reshape(-1, 3) @ cell
        first, second, distance_A = nearest_neighbors(points, cell, cutoff_A, max_neighbors)
        centers.append(start + first)
        neighbors.append(start + second)
        distances_A.append(distance_A)
    ion_numbers = np.array([atomic_numbers[ion] for ion in working_ions], dtype=np.int64)
    return _merge_equal_atoms(
        np.concatenate(numbers),
        atom_ptr,
        ion_numbers,
        np.concatenate(centers),
        np.concatenate(neighbors),
        np.concatenate(distances_A),
    )


def nearest_neighbors(
    points: np.ndarray, cell: np.ndarray, cutoff_A: float, max_neighbors: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Nearest periodic neighbours of each atom, those that tie with the last included.

    Parameters
    ----------
    points : Cartesian coordinates in angstrom, shape (n, 3).
    cell : lattice vectors as rows in angstrom, shape (3, 3).

    Returns
    -------
    centre, neighbour (both int64) and distance in angstrom of each edge, sorted by centre, then distance.
    """
    volume_per_atom_A3 = abs(np.linalg.det(cell)) / len(points)
    sphere_A3 = _EXPECTED_PER_WANTED * max_neighbors * volume_per_atom_A3
    reach_A = min(np.cbrt(3.0 * sphere_A3 / (4.0 * np.pi)), cutoff_A)
    while True:
        first, second, distance_A = _pairs_within(points, cell, reach_A)
        # The margin keeps a tie from being cut in two by the cutoff.
        found = np.bincount(first[distance_A < reach_A - 2 * DISTANCE_TOLERANCE_A], minlength=len(points))
        if found.min() >= max_neighbors or (reach_A >= cutoff_A and found.min() > 0):
            break
        reach_A = min(1.4 * reach_A, cutoff_A) if reach_A < cutoff_A else 1.4 * reach_A
    order = _order_within_groups(distance_A, first)
    first, second, distance_A = first[order], second[order], distance_A[order]
    starts = _pointers(np.bincount(first, minlength=len(points)))
    last_kept = np.minimum(starts[:-1] + max_neighbors, starts[1:]) - 1
    limit_A = distance_A[last_kept] + DISTANCE_TOLERANCE_A
    if reach_A > cutoff_A:
        # Only atoms without any neighbour within the cutoff may look beyond it.
        limit_A = np.minimum(limit_A, np.maximum(cutoff_A, distance_A[starts[:-1]] + DISTANCE_TOLERANCE_A))
    kept = distance_A <= limit_A[first]
    return first[kept], second[kept], distance_A[kept]


def _pairs_within(
    points: np.ndarray, cell: np.ndarray, cutoff_A: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Both atoms (int64) and distance in angstrom of each periodic pair within the cutoff, in no order."""
    # Each pair once, then mirrored: less work than to have it found twice. One thread: a cell is too little
    # for more, and others run beside.
    first, second, distance_A = NeighborList(cutoff=cutoff_A, full_list=False, n_threads=1).compute(
        points=points, box=cell, periodic=True, quantities="ijd"
    )
    first, second = first.astype(np.int64), second.astype(np.int64)
    return (
        np.concatenate([first, second]),
        np.concatenate([second, first]),
        np.concatenate([distance_A, distance_A]),
    )


def _merge_equal_atoms(
    numbers: np.ndarray,
    atom_ptr: np.ndarray,
    ion_numbers: np.ndarray,
    centers: np.ndarray,
    neighbors: np.ndarray,
    distances_A: np.ndarray,
) -> Graphs:
    """One node per class of atoms that colour refinement cannot tell apart, one edge per kind of edge."""
    crystal_of_atom = np.repeat(np.arange(len(atom_ptr) - 1), np.diff(atom_ptr))
    shells = _distance_classes(distances_A, crystal_of_atom[centers])
    hashed_shells = _hash(shells)
    edge_starts = np.flatnonzero(np.diff(centers, prepend=-1))
    colors = _hash(crystal_of_atom * 128 + numbers)
    n_classes = 0
    while True:
        _, representatives, classes, atom_counts = np.unique(
            colors, return_index=True, return_inverse=True, return_counts=True
        )
        if len(representatives) == n_classes:
            break
        n_classes = len(representatives)
        # A sum of hashes is the hash of a multiset: the order of the neighbours does not matter.
        surroundings = np.add.reduceat(_hash(colors[neighbors] ^ hashed_shells), edge_starts)
        colors = _hash(colors ^ _hash(surroundings))
    # Nodes in the order of their first atoms, which keeps those of one crystal together.
    by_first_atom = np.argsort(representatives)
    representatives, atom_counts = representatives[by_first_atom], atom_counts[by_first_atom]
    node_of_atom = np.argsort(by_first_atom)[classes]
    node_ptr = np.searchsorted(representatives, atom_ptr)

    is_representative = np.zeros(len(numbers), dtype=bool)
    is_representative[representatives] = True
    of_representative = np.flatnonzero(is_representative[centers])
    crystal_of_node = crystal_of_atom[representatives]
    center_nodes = node_of_atom[centers[of_representative]]
    # Neighbours and shells are counted within their crystal: edges are then of one kind if one integer is
    # equal, and the integer stays far below 2^63 for any number of crystals that memory holds.
    neighbors_in_crystal = (
        node_of_atom[neighbors[of_representative]] - node_ptr[crystal_of_node[center_nodes]]
    )
    shape = (len(representatives), int(shells.max()) + 1, int(np.diff(node_ptr).max()))
    kinds, kind_of_edge, edge_counts = np.unique(
        np.ravel_multi_index((center_nodes, shells[of_representative], neighbors_in_crystal), shape),
        return_inverse=True,
        return_counts=True,
    )
    kind_centers, _, kind_neighbors = np.unravel_index(kinds, shape)
    lengths_A = np.bincount(kind_of_edge, weights=distances_A[of_representative]) / edge_counts
    return Graphs(
        numbers=numbers[representatives].astype(np.int16),
        atom_counts=atom_counts.astype(np.int32),
        is_ion=numbers[representatives] == ion_numbers[crystal_of_node],
        node_ptr=node_ptr,
        neighbors=kind_neighbors.astype(np.int32),
        distances_A=lengths_A.astype(np.float32),
        edge_counts=edge_counts.astype(np.int16),
        edge_ptr=_pointers(np.bincount(kind_centers, minlength=len(representatives))),
    )


def _distance_classes(distances_A: np.ndarray, crystals: np.ndarray) -> np.ndarray:
    """Number the distances of each crystal, ascending; those within the tolerance share a number."""
    order = _order_within_groups(distances_A, crystals)
    steps = (np.diff(distances_A[order], prepend=-1.0) > DISTANCE_TOLERANCE_A) | (
        np.diff(crystals[order], prepend=-1) > 0
    )
    classes = np.empty(len(order), dtype=np.int64)
    classes[order] = np.cumsum(steps)
    return classes


def _order_within_groups(values: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """The order by group, then by value: that of ``np.lexsort((values, groups))`` but for equal values.

    Several times faster, since one sort may be unstable and the other is by small integers.
    """
    by_value = np.argsort(values)
    by_group = np.argsort(groups[by_value].astype(np.min_scalar_type(groups.max())), kind="stable")
    return by_value[by_group]


def _hash(values: np.ndarray) -> np.ndarray:
    """A 64-bit hash of integers: the finaliser of splitmix64 (Steele et al., OOPSLA 2014)."""
    mixed = values.astype(np.uint64) + np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))


def _pointers(counts: Sequence[int] | np.ndarray) -> np.ndarray:
    """Start of each run, and the end of the last: the cumulative sum of counts with a leading 0."""
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
