"""Hops of atoms between sites, told from rattling by time-averaged positions.

An atom has hopped when its position, averaged over ``AVERAGING_TIME_PS`` (longer than a vibration,
shorter than a residence), is further than a threshold from the site it last settled on, and still is
one averaging time later; where it is then is its new site. An excursion that comes back within the
averaging time is no hop.
"""

import numpy as np

AVERAGING_TIME_PS = 0.2
# How far towards the next ion site an ion must get. Less than half, since intermediate sites often lie
# exactly halfway (the octahedra between the tetrahedra of a spinel) and ions rest there.
ION_HOP_FRACTION = 0.4


def count_hops(
    positions_A: np.ndarray, frame_interval_ps: float, threshold_A: np.ndarray | float
) -> np.ndarray:
    """Number of hops of each atom.

    Parameters
    ----------
    positions_A : unwrapped positions without drift, shape (F, N, 3).
    frame_interval_ps : time between frames.
    threshold_A : how far an atom must get; one number or shape (N,).

    Returns
    -------
    Integers of shape (N,).
    """
    averaged, width = _running_mean(positions_A, frame_interval_ps)
    thresholds_A = np.broadcast_to(threshold_A, positions_A.shape[1:2])
    hops = [_hops_of_one(averaged[:, atom], width, limit_A) for atom, limit_A in enumerate(thresholds_A)]
    return np.array(hops, dtype=int)


def _running_mean(positions_A: np.ndarray, frame_interval_ps: float) -> tuple[np.ndarray, int]:
    """Positions averaged over a window that ends within the trajectory, and the window's frames."""
    width = min(max(1, round(AVERAGING_TIME_PS / frame_interval_ps)), len(positions_A))
    sums = np.cumsum(positions_A, axis=0)
    sums[width:] -= sums[:-width].copy()
    return sums[width - 1 :] / width, width


def _hops_of_one(averaged_A: np.ndarray, width: int, threshold_A: float) -> int:
    site, frame, hops = averaged_A[0], 0, 0
    while True:
        away = np.flatnonzero(np.linalg.norm(averaged_A[frame:] - site, axis=1) > threshold_A)
        if away.size == 0:
            return hops
        crossing = frame + int(away[0])
        settled = min(crossing + width, len(averaged_A) - 1)
        if np.linalg.norm(averaged_A[settled] - site) > threshold_A:
            hops += 1
            site = averaged_A[settled]
        if settled == len(averaged_A) - 1:
            return hops
        frame = settled
