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
RIDGE = 1e-6  # pulls elements whose share never varies towards the mean energy of an atom
CALM_EV_PER_A = 0.2  # RMS force around which frames begin to count less for the energies of atoms


def data_scales(frames: Sequence[Atoms]) -> DataScales:
    """Energy shift and scale of each element, and the mean number of neighbours.

    Scales are the root mean square force components on each element, as NequIP advises: one angstrom is
    the natural length of bonds.
    """
    elements = elements_of(frames)
    counts = np.array(
        [[np.sum(frame.symbols == element) for element in elements] for frame in frames], dtype=float
    )
    energies_eV = np.array([frame.get_potential_energy() for frame in frames])
    shifts_eV = energy_shifts(counts, energies_eV, np.array([_calmness(frame) for frame in frames]))
    return DataScales(
        dict(zip(elements, shifts_eV.tolist(), strict=True)),
        {element: max(_force_rms(frames, element), SMALLEST_SCALE_EV) for element in elements},
        _average_neighbors(frames),
    )


def energy_shifts(counts: np.ndarray, energies_eV: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Energy per atom of each element, by weighted ridge regression towards the mean energy of an atom.

    Parameters
    ----------
    counts : shape (n_frames, n_elements), atoms of each element.
    energies_eV, weights : shape (n_frames,).
    """
    n_atoms = counts.sum(axis=1)
    weights = weights / weights.sum()
    mean = float(weights @ (energies_eV / n_atoms))
    shares = counts / n_atoms[:, None]
    weighted = shares * weights[:, None]
    gram = weighted.T @ shares + RIDGE * np.eye(shares.shape[1])
    return mean + np.linalg.solve(gram, weighted.T @ (energies_eV / n_atoms - mean))


def _calmness(frame: Atoms) -> float:
    """Weight of a frame for the shifts: heat would pass for the energy of the atoms that it has more of."""
    return 1 / (float(np.mean(frame.get_forces() ** 2)) + CALM_EV_PER_A**2)


def _force_rms(frames: Sequence[Atoms], element: str) -> float:
    components = np.concatenate([frame.get_forces()[frame.symbols == element].ravel() for frame in frames])
    return float(np.sqrt(np.mean(components**2)))


def _average_neighbors(frames: Sequence[Atoms]) -> float:
    neighbors = NeighborList(cutoff=CUTOFF_A, full_list=True)
    pairs = sum(len(neighbors.compute(frame.positions, frame.cell.array, True, "i")[0]) for frame in frames)
    return pairs / sum(len(frame) for frame in frames)
