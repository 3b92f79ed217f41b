"""Shifts and scales of a NequIP network, from its training frames.

The network learns what is left once each atom has the energy of its element.
"""

from collections.abc import Sequence

import numpy as np
from ase import Atoms
from vesin import NeighborList

from ionsieve.potential.frames import elements_of
from ionsieve.potential.nequip_config import CUTOFF_A, DataScales

SMALLEST_SCALE_EV = 0.05  # frames at rest have no forces, which would make the output meaningless
RIDGE = 1e-3  # pulls elements whose share never varies towards the mean energy of an atom


def data_scales(frames: Sequence[Atoms]) -> DataScales:
    """Energy shift and scale of each element, and the mean number of neighbours.

    Scales are the root mean square force components on each element, as NequIP advises: one angstrom is
    the natural length of bonds.
    """
    elements = elements_of(frames)
    counts = np.array(
        [[np.sum(frame.symbols == element) for element in elements] for frame in frames], dtype=float
    )
    shifts_eV = energy_shifts(counts, np.array([frame.get_potential_energy() for frame in frames]))
    return DataScales(
        dict(zip(elements, shifts_eV.tolist(), strict=True)),
        {element: max(_force_rms(frames, element), SMALLEST_SCALE_EV) for element in elements},
        _average_neighbors(frames),
    )


def energy_shifts(counts: np.ndarray, energies_eV: np.ndarray) -> np.ndarray:
    """Energy per atom of each element, by ridge regression towards the mean energy of an atom.

    Parameters
    ----------
    counts : shape (n_frames, n_elements), atoms of each element.
    energies_eV : shape (n_frames,).
    """
    n_atoms = counts.sum(axis=1)
    mean = float(np.mean(energies_eV / n_atoms))
    shares = counts / n_atoms[:, None]
    residual = energies_eV / n_atoms - mean
    gram = shares.T @ shares / len(shares) + RIDGE * np.eye(shares.shape[1])
    return mean + np.linalg.solve(gram, shares.T @ residual / len(shares))


def _force_rms(frames: Sequence[Atoms], element: str) -> float:
    components = np.concatenate([frame.get_forces()[frame.symbols == element].ravel() for frame in frames])
    return float(np.sqrt(np.mean(components**2)))


def _average_neighbors(frames: Sequence[Atoms]) -> float:
    neighbors = NeighborList(cutoff=CUTOFF_A, full_list=True)
    pairs = sum(len(neighbors.compute(frame.positions, frame.cell.array, True, "i")[0]) for frame in frames)
    return pairs / sum(len(frame) for frame in frames)
