"""A stored trajectory: unwrapped positions, cells and times, as a compressed npz with stable bytes."""

import io
import math
import zipfile
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from functools import partial
from pathlib import Path

import numpy as np

from ionsieve.artifacts import atomic_path
from ionsieve.errors import DataError, first_line


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
_BY_FRAME = ("times_ps", "positions_A", "cells_A")
# np.savez_compressed stamps entries with the clock; zip's first date gives the same bytes every time.
_DATE = (1980, 1, 1, 0, 0, 0)


def save(trajectory: Trajectory, path: Path | str) -> None:
    """Write a trajectory as npz; the same frames give the same bytes."""
    _save(path, [lambda: trajectory])


def save_joined(parts: Sequence[Path], path: Path | str) -> None:
    """Write trajectories, stored one after the other, as one; the bytes are those of :func:`save`.

    One part at a time is in memory.
    """
    _save(path, [partial(_read, part) for part in parts])


def joined(parts: Sequence[Trajectory]) -> Trajectory:
    """One trajectory of several that follow one another."""
    return replace(
        parts[0], **{name: np.concatenate([getattr(part, name) for part in parts]) for name in _BY_FRAME}
    )


def load(path: Path | str) -> Trajectory:
    """Read a trajectory written by :func:`save`; positions come back in double precision.

    Raises
    ------
    DataError : the file is damaged.
    """
    try:
        trajectory = _read(path)
    except (EOFError, KeyError, OSError, ValueError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(
            f"{path} is damaged ({first_line(error)}); delete it and run the same command again: that run of"
            " MD is then made anew"
        ) from error
    return replace(trajectory, positions_A=trajectory.positions_A.astype(float))


def _read(path: Path | str) -> Trajectory:
    with np.load(path) as arrays:
        return Trajectory(**{field.name: arrays[field.name] for field in fields(Trajectory)})


def _save(path: Path | str, parts: Sequence[Callable[[], Trajectory]]) -> None:
    lengths = [len(part().times_ps) for part in parts]
    first = parts[0]()
    with atomic_path(path) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        for field in fields(Trajectory):
            along_time = field.name in _BY_FRAME
            shape = np.shape(getattr(first, field.name))
            dtype = np.dtype(_TYPES[field.name])
            header = io.BytesIO()
            np.lib.format.write_array_header_1_0(
                header,
                {
                    "descr": np.lib.format.dtype_to_descr(dtype),
                    "fortran_order": False,
                    "shape": (sum(lengths), *shape[1:]) if along_time else shape,
                },
            )
            entry = zipfile.ZipInfo(f"{field.name}.npy", date_time=_DATE)
            entry.compress_type = zipfile.ZIP_DEFLATED
            n_values = math.prod(shape[1:]) * sum(lengths) if along_time else math.prod(shape)
            entry.file_size = len(header.getvalue()) + dtype.itemsize * n_values  # zip64 where it is needed
            with archive.open(entry, "w") as file:
                file.write(header.getvalue())
                for part in parts if along_time else parts[:1]:
                    file.write(np.ascontiguousarray(getattr(part(), field.name), dtype=dtype).tobytes())
