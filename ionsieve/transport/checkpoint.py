"""What a simulation keeps on disk while it runs: its frames in chunks, and the two last states.

A folder holds, numbered from 1, ``frames_0001_npt.npz`` and ``thermo_0001.csv`` of each segment, and
``state_0001.npz`` for where it ended: written after the frames it counts on, so that a kill at any moment
leaves a state and all the frames before it. Every state carries a digest of itself, of those frames, and of
what the run was made from.
"""

import hashlib
import io
import json
import logging
import re
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from ase import Atoms

from ionsieve.artifacts import digest, write_bytes, write_text
from ionsieve.errors import DataError
from ionsieve.transport.dynamics import Segment, State
from ionsieve.transport.protocol import Protocol
from ionsieve.transport.trajectory import save

logger = logging.getLogger(__name__)

# The last one may be damaged by what ended the run.
STATES_KEPT = 2
_DIGEST_BYTES = hashlib.sha256().digest_size
_INTEGRATOR = "integrator."


def run_key(atoms: Atoms, protocol: Protocol, made_with: Mapping[str, str]) -> str:
    """Digest of what determines a simulation: atoms with their velocities, protocol, and ``made_with``.

    Parameters
    ----------
    atoms : as the simulation starts; the velocities stand for their seed.
    protocol : how it is run.
    made_with : what else its numbers depend on, such as the potential's digest.
    """
    key = hashlib.sha256(json.dumps([asdict(protocol), dict(made_with)], sort_keys=True).encode())
    for array in (atoms.numbers, atoms.get_masses(), atoms.positions, atoms.get_momenta(), atoms.cell.array):
        key.update(np.ascontiguousarray(array).tobytes())
    return key.hexdigest()


@dataclass(frozen=True)
class Chunk:
    """Files of one segment, by their names in the folder."""

    frames: str
    thermo: str

    @property
    def stage(self) -> str:
        """``npt`` or ``nvt``."""
        return Path(self.frames).stem.rpartition("_")[2]


class Checkpoints:
    """The folder of one running simulation.

    Attributes
    ----------
    chunks : what is stored, in order; after :meth:`resume`, what belongs to the state it gave.
    """

    def __init__(self, folder: Path | str, key: str) -> None:
        """Use a folder, made when first written to; ``key`` is that of :func:`run_key`."""
        self.folder = Path(folder)
        self.key = key
        self.chunks: list[Chunk] = []
        self._digests: dict[str, str] = {}

    def resume(self) -> State | None:
        """The last state of this very run that is whole with all its frames; None when there is none.

        What is damaged, or of another run, is said in the log. Files that the state does not count on are
        removed.
        """
        state = None
        for number in sorted(self._states(), reverse=True):
            try:
                state = self._read(number)
            except DataError as error:
                logger.warning("%s; looking for an earlier checkpoint", error)
            else:
                break
        if state is None:
            if self.folder.exists():
                logger.warning("no checkpoint in %s can be used: starting anew", self.folder)
                shutil.rmtree(self.folder)
            return None
        states = [path.name for number, path in self._states().items() if number <= len(self.chunks)]
        for path in self.folder.iterdir():
            if path.name not in {*self._digests, *states}:
                path.unlink()
        return state

    def add(self, segment: Segment) -> None:
        """Store a segment's frames, then the state it ended in, if it did not end the simulation."""
        number = len(self.chunks) + 1
        chunk = Chunk(f"frames_{number:04d}_{segment.stage}.npz", f"thermo_{number:04d}.csv")
        save(segment.trajectory, self.folder / chunk.frames)
        # In full, so that means do not depend on where the run was interrupted.
        write_text(self.folder / chunk.thermo, segment.thermo.to_csv(index=False))
        self.chunks.append(chunk)
        for name in (chunk.frames, chunk.thermo):
            self._digests[name] = digest(self.folder / name)
        if segment.state is not None:
            self._write(number, segment.state)
            for earlier, path in self._states().items():
                if earlier <= number - STATES_KEPT:
                    path.unlink()

    def frames(self, stage: str) -> list[Path]:
        """Trajectories of a stage, in order."""
        return [self.folder / chunk.frames for chunk in self.chunks if chunk.stage == stage]

    def thermo(self) -> pd.DataFrame:
        """Rows of all chunks."""
        tables = [
            pd.read_csv(self.folder / chunk.thermo, float_precision="round_trip") for chunk in self.chunks
        ]
        return pd.concat([table for table in tables if len(table)] or tables[:1], ignore_index=True)

    def _states(self) -> dict[int, Path]:
        return {
            int(match[1]): path
            for path in self.folder.glob("state_*.npz")
            if (match := re.fullmatch(r"state_(\d+)\.npz", path.name))
        }

    def _path(self, number: int) -> Path:
        return self.folder / f"state_{number:04d}.npz"

    def _write(self, number: int, state: State) -> None:
        content = io.BytesIO()
        arrays = {
            "key": np.array(self.key),
            "frames": np.array([chunk.frames for chunk in self.chunks]),
            "thermo": np.array([chunk.thermo for chunk in self.chunks]),
            "digests": np.array(json.dumps(self._digests)),
            "phase": np.array(state.phase),
            "step": np.array(state.step),
            "cell_sum_A": state.cell_sum_A,
            "n_cells": np.array(state.n_cells),
            **{_INTEGRATOR + name: value for name, value in state.integrator.items()},
        }
        np.savez(content, allow_pickle=False, **arrays)
        write_bytes(self._path(number), hashlib.sha256(content.getvalue()).digest() + content.getvalue())

    def _read(self, number: int) -> State:
        path = self._path(number)
        sealed = path.read_bytes()
        seal, content = sealed[:_DIGEST_BYTES], sealed[_DIGEST_BYTES:]
        if hashlib.sha256(content).digest() != seal:
            raise DataError(f"checkpoint {path} is damaged or cut short")
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            stored = {name: arrays[name] for name in arrays.files}
        if str(stored["key"]) != self.key:
            raise DataError(
                f"checkpoint {path} is of another run: structure, potential, protocol or seed have changed"
            )
        digests = json.loads(str(stored["digests"]))
        for name, expected in digests.items():
            if not (self.folder / name).exists() or digest(self.folder / name) != expected:
                raise DataError(f"{self.folder / name}, which checkpoint {path} needs, is missing or damaged")
        self.chunks = [Chunk(str(f), str(t)) for f, t in zip(stored["frames"], stored["thermo"], strict=True)]
        self._digests = digests
        return State(
            phase=int(stored["phase"]),
            step=int(stored["step"]),
            cell_sum_A=stored["cell_sum_A"],
            n_cells=int(stored["n_cells"]),
            integrator={
                name.removeprefix(_INTEGRATOR): value
                for name, value in stored.items()
                if name.startswith(_INTEGRATOR)
            },
        )
