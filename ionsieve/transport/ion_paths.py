"""Where ions went in a run, with the host around them: a picture, not a measurement.

The ion that got farthest is shown, and those beside it that moved most. Rattling is filtered out as in
:mod:`ionsieve.transport.hops`: a running median over an averaging time, so that what is left are sites and
the ways between them. The host stands at its mean positions.
"""

import numpy as np
import pandas as pd
from ase.data import atomic_masses, atomic_numbers, chemical_symbols
from scipy.ndimage import median_filter

from ionsieve.transport.hops import AVERAGING_TIME_PS
from ionsieve.transport.msd import without_drift
from ionsieve.transport.trajectory import Trajectory

PATHS_SHOWN = 4
POINTS_PER_PATH = 60
# Host atoms as near as this to a path are shown: the cages that an ion passes through.
CAGE_A = 2.9
# Ions that start as near as this to the first one are beside it.
BESIDE_A = 8.0


def ion_paths(trajectory: Trajectory, working_ion: str) -> pd.DataFrame:
    """Paths of a few ions and the host atoms around them, as rows of :data:`ionsieve.tables.ION_PATHS`.

    Parameters
    ----------
    trajectory : frames equally far apart, positions unwrapped.
    working_ion : the element that moves.

    Returns
    -------
    Points of path 0, 1 ... in order of time, then host atoms, which have no number. All within one region of
    space: paths and host atoms are moved there by lattice vectors of the simulation's cell.
    """
    ions = trajectory.numbers == atomic_numbers[working_ion]
    positions_A = without_drift(trajectory.positions_A, ~ions, atomic_masses[trajectory.numbers])
    cell_A = trajectory.cells_A.mean(axis=0)
    ways_A = _without_rattling(positions_A[:, ions], trajectory.frame_interval_ps)
    chosen_A = _farthest(ways_A, cell_A)
    frames = np.unique(np.linspace(0, len(ways_A) - 1, POINTS_PER_PATH).round().astype(int))
    rows = [
        {"path": number, "element": working_ion, "place_A": place_A}
        for number, way_A in enumerate(chosen_A)
        for place_A in way_A[frames]
    ]
    host_A, images = _around(positions_A[:, ~ions].mean(axis=0), cell_A, np.concatenate(chosen_A))
    symbols = [chemical_symbols[number] for number in trajectory.numbers[~ions][images]]
    rows += [
        {"path": None, "element": symbol, "place_A": place_A}
        for symbol, place_A in zip(symbols, host_A, strict=True)
    ]
    places_A = np.round([row["place_A"] for row in rows], 3)
    return pd.DataFrame(
        {
            "path": pd.array([row["path"] for row in rows], dtype="Int64"),
            "element": [row["element"] for row in rows],
            **{f"{axis}_A": places_A[:, column] for column, axis in enumerate("xyz")},
        }
    )


def _without_rattling(positions_A: np.ndarray, frame_interval_ps: float) -> np.ndarray:
    width = min(max(1, round(AVERAGING_TIME_PS / frame_interval_ps)), len(positions_A))
    return median_filter(positions_A, size=(width, 1, 1), mode="nearest")


def _farthest(ways_A: np.ndarray, cell_A: np.ndarray) -> list[np.ndarray]:
    """The way that leads farthest from its start, and the farthest of those that start beside it."""
    reach_A = np.linalg.norm(ways_A - ways_A[0], axis=2).max(axis=0)
    order = np.argsort(-reach_A, kind="stable")
    first = ways_A[0, order[0]]
    chosen = []
    for ion in order:
        fractions = (ways_A[0, ion] - first) @ np.linalg.inv(cell_A)
        shift_A = -np.round(fractions) @ cell_A
        if np.linalg.norm(ways_A[0, ion] + shift_A - first) <= BESIDE_A:
            chosen.append(ways_A[:, ion] + shift_A)
        if len(chosen) == PATHS_SHOWN:
            break
    return chosen


def _around(host_A: np.ndarray, cell_A: np.ndarray, points_A: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Positions of host atoms and their images near any of the points, and the number of each atom."""
    inverse = np.linalg.inv(cell_A)
    # As many cells to each side as a sphere of CAGE_A reaches over.
    margin = CAGE_A * np.linalg.norm(inverse, axis=0)
    points, host = points_A @ inverse, host_A @ inverse
    low = np.floor((points - margin).min(axis=0) - host.max(axis=0)).astype(int)
    high = np.ceil((points + margin).max(axis=0) - host.min(axis=0)).astype(int)
    shifts = np.stack(np.meshgrid(*(np.arange(a, b + 1) for a, b in zip(low, high, strict=True))), axis=-1)
    found_A, found = [], []
    for shift in shifts.reshape(-1, 3):
        images_A = host_A + shift @ cell_A
        nearest_A = np.linalg.norm(images_A[:, None] - points_A, axis=2).min(axis=1)
        near = np.flatnonzero(nearest_A <= CAGE_A)
        found_A.append(images_A[near])
        found.append(near)
    return np.concatenate(found_A), np.concatenate(found)
