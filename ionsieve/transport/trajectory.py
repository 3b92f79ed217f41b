"""A stored trajectory: unwrapped positions, cells and times, as a compressed npz with stable bytes."""

import io
import zipfile
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from ionsieve.artifacts import write_bytes


@dataclass(frozen=True)
class Trajectory:
    """Frames of one simulation.

    Attributes
    ----------
    times_ps : time of each frame from the start of its stage, shape (F,).
    positions_A : unwrapped positions, shape (F, N, 3).
    cells_A : lattice vectors as rows, shape (F, 3, 3).
    numbers : atomic numbers, shape (N,).
    reference_frac_coords : sites of the crystal that the atoms started from, shape (N, 3).
    """

    times_ps: np.ndarray
    positions_A: np.ndarray
    cells_A: np.ndarray
    numbers: np.ndarray
    reference_frac_coords: np.ndarray

    @property
    def volume_A3(self) -> float:
        """Mean volume of the cell."""
        return float(np.abs(np.linalg.det(self.cells_A)).mean())

    @property
    def frame_interval_ps(self) -> float:
        """Time between frames."""
        return float(self.times_ps[-1] - self.times_ps[0]) / (len(self.times_ps) - 1)


# Positions in single precision: 1e-6 A at 10 A, far below what an MSD shows.
_TYPES = {
    "times_ps": np.float64,
    "positions_A": np.float32,
    "cells_A": np.float64,
    "numbers": np.int16,
    "reference_frac_coords": np.float64,
}
# np.savez_compressed stamps entries with the clock; zip's first date gives the same bytes every time.
_DATE = (1980, 1, 1, 0, 0, 0)


def save(trajectory: Trajectory, path: Path | str) -> None:
    """Write a trajectory as npz; the same frames give the same bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression=zipfile.ZIP_DEFLATED) as archive:
        for field in fields(trajectory):
            array = io.BytesIO()
            np.lib.format.write_array(
                array, np.ascontiguousarray(getattr(trajectory, field.name), dtype=_TYPES[field.name])
            )
            entry = zipfile.ZipInfo(f"{field.name}.npy", date_time=_DATE)
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, array.getvalue())
    write_bytes(path, buffer.getvalue())


def load(path: Path | str) -> Trajectory:
    """Read a trajectory written by :func:`save`; positions come back in double precision."""
    with np.load(path) as arrays:
        values = {field.name: arrays[field.name] for field in fields(Trajectory)}
    values["positions_A"] = values["positions_A"].astype(float)
    return Trajectory(**values)
