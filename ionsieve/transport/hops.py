"""Hops of atoms between sites, told from rattling by time-filtered positions.

Positions pass a running median over ``AVERAGING_TIME_PS`` (longer than a vibration, shorter than a
residence). A mean would put an atom that hops within the window between two sites; a median does not. An atom
has hopped when it is further than a threshold from the site it last settled on, and still is one
averaging time later; where it is then is its new site. An excursion that comes back within the averaging
time is no hop.

A second hop either takes an atom back to where it came from or onward. Ions that only go forth and back
conduct nothing, however often they hop: what tells them from ions that diffuse is the onward hops.
"""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import median_filter

AVERAGING_TIME_PS = 0.2
# How far towards the next ion site an ion must get. Less than half, since intermediate sites often lie
# exactly halfway (the octahedra between the tetrahedra of a spinel) and ions rest there.
ION_HOP_FRACTION = 0.4


@dataclass(frozen=True)
class Hops:
    """What each atom did; all arrays of shape (N,).

    Attributes
    ----------
    hops : hops.
    sites : distinct sites held, the first included.
    returns : hops that lead back to the site before the last; of ``hops - 1`` where there was a hop.
    """

    hops: np.ndarray
    sites: np.ndarray
    returns: np.ndarray

    @property
    def second_hops(self) -> int:
        """Hops by atoms that had hopped before: those that can return."""
        return int(np.maximum(self.hops - 1, 0).sum())

    @property
    def onward_hops(self) -> int:
        """Second hops that did not return."""
        return self.second_hops - int(self.returns.sum())

    @classmethod
    def pooled(cls, parts: "list[Hops]") -> "Hops":
        """The atoms of all parts, one after the other."""
        return cls(
            *(np.concatenate([getattr(p, name) for p in parts]) for name in ("hops", "sites", "returns"))
        )


def find_hops(positions_A: np.ndarray, frame_interval_ps: float, threshold_A: np.ndarray | float) -> Hops:
    """Hops, sites and returns of each atom.

    Parameters
    ----------
    positions_A : unwrapped positions without drift, shape (F, N, 3).
    frame_interval_ps : time between frames.
    threshold_A : how far an atom must get; one number or shape (N,).
    """
    thresholds_A = np.broadcast_to(threshold_A, positions_A.shape[1:2])
    width = min(max(1, round(AVERAGING_TIME_PS / frame_interval_ps)), len(positions_A))
    inside = slice(width // 2, len(positions_A) - (width - 1) // 2)  # where the window is full
    found = np.zeros((positions_A.shape[1], 3), dtype=int)
    for atom, limit_A in enumerate(thresholds_A):
        filtered_A = median_filter(positions_A[:, atom], size=(width, 1))[inside]
        path = _settled_sites(filtered_A, width, float(limit_A))
        found[atom] = len(path) - 1, _distinct(path, float(limit_A)), _returns(path, float(limit_A))
    return Hops(*found.T)


def _settled_sites(filtered_A: np.ndarray, width: int, threshold_A: float) -> list[np.ndarray]:
    """Positions of the sites that one atom settled on, in order."""
    path, frame, last = [filtered_A[0]], 0, len(filtered_A) - 1
    while True:
        away = np.flatnonzero(((filtered_A[frame:] - path[-1]) ** 2).sum(axis=1) > threshold_A**2)
        if away.size == 0:
            return path
        frame = min(frame + int(away[0]) + width, last)
        if ((filtered_A[frame] - path[-1]) ** 2).sum() > threshold_A**2:
            path.append(filtered_A[frame])
        if frame == last:
            return path


def _distinct(path: list[np.ndarray], threshold_A: float) -> int:
    sites = path[:1]
    for place in path[1:]:
        if all(((place - site) ** 2).sum() > threshold_A**2 for site in sites):
            sites.append(place)
    return len(sites)


def _returns(path: list[np.ndarray], threshold_A: float) -> int:
    return sum(((b - a) ** 2).sum() <= threshold_A**2 for a, b in zip(path, path[2:], strict=False))
