"""Cells that change under pressure: what of the change is strain, and what a mere rotation."""

import numpy as np
from scipy.linalg import polar


def stretch(cell_A: np.ndarray, reference_A: np.ndarray) -> np.ndarray:
    """The symmetric strain S >= 0 of ``cell = reference S R`` with a rotation R, shape (3, 3).

    Parameters
    ----------
    cell_A, reference_A : lattice vectors as rows, shape (3, 3).
    """
    _, symmetric = polar(np.linalg.solve(reference_A, cell_A), side="left")
    return symmetric


def without_rotation(cell_A: np.ndarray, reference_A: np.ndarray) -> np.ndarray:
    """The cell turned back to where the reference lies: means of such cells are not smeared by rotations."""
    return reference_A @ stretch(cell_A, reference_A)


def shape_change(cell_A: np.ndarray, reference_A: np.ndarray) -> float:
    """Largest relative change of a length that is not due to the change in volume; zero for similar cells."""
    lengths = np.linalg.eigvalsh(stretch(cell_A, reference_A))
    return float(np.abs(lengths / np.cbrt(lengths.prod()) - 1).max())
