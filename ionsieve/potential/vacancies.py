"""Working ions taken out of a crystal, and one of those that stay put on its way into the gap."""

import numpy as np
from ase import Atoms
from ase.geometry import find_mic

# Ions that much further from a vacancy than the nearest may be the one that hops.
NEAREST = 1.2
# The way bends around anions: at most this far from the straight line, in steps of the second.
BEND_A, BEND_STEP_A = 1.0, 0.1


def number_to_remove(crystal: Atoms, working_ion: str, fraction: float) -> int:
    """How many working ions are that ``fraction``: at least one leaves if any shall, at least one stays."""
    n_ions = int(np.sum(crystal.symbols == working_ion))
    return 0 if fraction == 0 or n_ions < 2 else min(max(1, round(fraction * n_ions)), n_ions - 1)


def remove_ions(crystal: Atoms, working_ion: str, fraction: float, rng: np.random.Generator) -> Atoms:
    """A copy without a random ``fraction`` of the working ions, as :func:`number_to_remove` rounds it."""
    host = crystal.copy()
    del host[_chosen(crystal, working_ion, fraction, rng)]
    return host


def start_hop(
    crystal: Atoms, working_ion: str, fraction: float, along: float, rng: np.random.Generator
) -> tuple[Atoms, int, np.ndarray]:
    """Remove ions and put one of their neighbours between its site and a vacancy.

    Across the straight line between the two the ion is where its nearest neighbour is furthest away, within
    ``BEND_A`` of the line.

    Parameters
    ----------
    crystal : the crystal with all its ions.
    working_ion, fraction : as for :func:`remove_ions`.
        At least one ion must leave (:func:`number_to_remove`).
    along : how far the ion is on its way, from 0 (its site) to 1 (the vacancy).

    Returns
    -------
    The host, the index of the ion in it, and the unit vector of the hop, shape (3,).
    """
    removed = _chosen(crystal, working_ion, fraction, rng)
    vacancy_A = crystal.positions[rng.choice(removed)]
    host = crystal.copy()
    del host[removed]
    ions = np.flatnonzero(host.symbols == working_ion)
    ways, lengths_A = find_mic(vacancy_A - host.positions[ions], host.cell, pbc=True)
    chosen = rng.choice(np.flatnonzero(lengths_A <= NEAREST * lengths_A.min()))
    ion, way = int(ions[chosen]), ways[chosen]
    direction = way / lengths_A[chosen]
    host.positions[ion] = _roomiest(host, ion, host.positions[ion] + along * way, direction)
    return host, ion, direction


def _chosen(crystal: Atoms, working_ion: str, fraction: float, rng: np.random.Generator) -> np.ndarray:
    sites = np.flatnonzero(crystal.symbols == working_ion)
    n_removed = number_to_remove(crystal, working_ion, fraction)
    return rng.choice(sites, size=n_removed, replace=False) if n_removed else sites[:0]


def _roomiest(host: Atoms, ion: int, middle_A: np.ndarray, direction: np.ndarray) -> np.ndarray:
    """The point of the disc across ``direction`` whose nearest atom is furthest, nearest to its middle."""
    steps_A = np.arange(-BEND_A, BEND_A + BEND_STEP_A / 2, BEND_STEP_A)
    plane = np.stack(np.meshgrid(steps_A, steps_A), axis=-1).reshape(-1, 2)
    plane = plane[np.linalg.norm(plane, axis=1) <= BEND_A + 1e-9]
    plane = plane[np.argsort(np.linalg.norm(plane, axis=1), kind="stable")]
    across = np.linalg.svd(direction[None])[2][1:]
    points_A = middle_A + plane @ across
    others_A = np.delete(host.positions, ion, axis=0)
    between_A = (points_A[:, None] - others_A[None]).reshape(-1, 3)
    distances_A = find_mic(between_A, host.cell, pbc=True)[1].reshape(len(points_A), -1)
    return points_A[np.argmax(distances_A.min(axis=1).round(3))]
