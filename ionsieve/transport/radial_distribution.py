"""Radial distribution of the host: does it keep the distances of a crystal?

    g(r) = pairs at r / (N (N - 1) / 2  4 pi r^2 dr / V)

A crystal keeps peaks at all distances; a melt keeps the first shell only, and g is 1 beyond. The r.m.s. of
g - 1 beyond the first shells therefore tells one from the other, whatever the atoms' paths were: evidence
beside mobility, sites kept and Lindemann's ratio (:mod:`ionsieve.transport.host`).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from ase.data import atomic_numbers
from vesin import NeighborList

from ionsieve.transport.trajectory import Trajectory

BIN_A = 0.1
LONGEST_A = 8.0
# Beyond the first shells of a host, within the smallest cells and their nearest images.
ORDER_FROM_A = 5.0
# Start and end are this share of a run each, seen in at most so many frames.
SHARE = 0.1
FRAMES = 20
EDGES_A = np.arange(round(LONGEST_A / BIN_A) + 1) * BIN_A
DISTANCES_A = EDGES_A[:-1] + BIN_A / 2


@dataclass(frozen=True)
class HostDistances:
    """g(r) of all pairs of host atoms at the distances ``DISTANCES_A``, mean over runs.

    Attributes
    ----------
    crystal : of the sites that the atoms started from.
    start, end : of the first and last tenth of the runs.
    """

    crystal: np.ndarray
    start: np.ndarray
    end: np.ndarray

    def table(self) -> pd.DataFrame:
        """The three against distance, with the columns of ``ionsieve.tables.HOST_RDF``."""
        return pd.DataFrame(
            {"distance_A": DISTANCES_A, "crystal": self.crystal, "start": self.start, "end": self.end}
        )


def host_distances(trajectories: Sequence[Trajectory], working_ion: str) -> HostDistances:
    """Radial distribution of the host in the crystal, and at the start and the end of runs.

    Parameters
    ----------
    trajectories : runs of one crystal.
    working_ion : the element that is not host.
    """
    parts = [_of_one(trajectory, working_ion) for trajectory in trajectories]
    return HostDistances(*(np.mean(column, axis=0) for column in zip(*parts, strict=True)))


def order(g: np.ndarray) -> float:
    """R.m.s. of g - 1 from ``ORDER_FROM_A`` on."""
    return float(np.sqrt(((g[DISTANCES_A > ORDER_FROM_A] - 1) ** 2).mean()))


def radial_distribution(positions_A: np.ndarray, cells_A: np.ndarray) -> np.ndarray:
    """g(r) of all pairs of different atoms, images included; shape (len(DISTANCES_A),).

    Parameters
    ----------
    positions_A : shape (F, N, 3), two atoms or more.
    cells_A : lattice vectors as rows, shape (F, 3, 3).
    """
    search = NeighborList(cutoff=LONGEST_A, full_list=False)
    shells_A3 = 4 / 3 * np.pi * np.diff(EDGES_A**3)
    total = np.zeros(len(shells_A3))
    for positions, cell in zip(positions_A, cells_A, strict=True):
        first, second, distances_A = search.compute(
            points=positions, box=cell, periodic=True, quantities="ijd"
        )
        pairs, _ = np.histogram(distances_A[first != second], EDGES_A)
        expected = len(positions) * (len(positions) - 1) / 2 * shells_A3 / abs(np.linalg.det(cell))
        total += pairs / expected
    return total / len(positions_A)


def _of_one(trajectory: Trajectory, working_ion: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    host = trajectory.numbers != atomic_numbers[working_ion]
    n_frames = len(trajectory.times_ps)
    part = max(1, round(SHARE * n_frames))
    chosen = np.unique(np.linspace(0, part - 1, FRAMES).round().astype(int))
    cell_A = trajectory.cells_A.mean(axis=0)
    crystal = radial_distribution((trajectory.reference_frac_coords[host] @ cell_A)[None], cell_A[None])
    start, end = (
        radial_distribution(trajectory.positions_A[frames][:, host], trajectory.cells_A[frames])
        for frames in (chosen, n_frames - 1 - chosen)
    )
    return crystal, start, end
