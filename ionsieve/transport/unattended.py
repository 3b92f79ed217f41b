"""A simulation that survives a kill: checkpoints as it runs, and the last one is where it goes on.

The results are the same to the last bit whether it was interrupted or not, on the same machine.
"""

import logging
import time
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
from ase import Atoms
from tqdm import tqdm

from ionsieve.artifacts import write_text
from ionsieve.potential.calculator import check_computable
from ionsieve.transport.checkpoint import Checkpoints, run_key
from ionsieve.transport.dynamics import Segment, draw_velocities, n_steps, segments, summary, thermo_csv
from ionsieve.transport.protocol import Protocol
from ionsieve.transport.trajectory import save_joined

logger = logging.getLogger(__name__)


class StoredSimulation:
    """A finished simulation whose frames are still in the chunks of its checkpoints.

    Attributes
    ----------
    thermo : one row per frame of both stages.
    stopped : why a guard stopped the simulation, in words; None when it ran to its end.
    summary : see :func:`.dynamics.summary`.
    """

    def __init__(self, checkpoints: Checkpoints, stopped: str | None) -> None:
        self._checkpoints = checkpoints
        self.stopped = stopped
        self.thermo: pd.DataFrame = checkpoints.thermo()
        self.summary = summary(self.thermo)

    def save(self, trajectory: Path | str, thermo: Path | str) -> None:
        """Write the frames of NVT (of NPT, where that was stopped), and the thermodynamics."""
        save_joined(self._checkpoints.frames(self.summary["stage_reached"]), trajectory)
        write_text(thermo, thermo_csv(self.thermo))


def simulate_unattended(
    atoms: Atoms,
    protocol: Protocol,
    rng: np.random.Generator,
    *,
    folder: Path | str,
    made_with: Mapping[str, str],
    checkpoint_ps: float,
    label: str = "MD",
) -> StoredSimulation:
    """Run NPT, then NVT (see :func:`.dynamics.simulate`), from the last checkpoint where there is one.

    Parameters
    ----------
    atoms, protocol, rng, label : as for :func:`.dynamics.simulate`. The calculator must give the same
        forces for the same positions, whatever it computed before.
    folder : of the checkpoints, for this simulation alone. Remove it when the results are written.
    made_with : what the numbers depend on beside atoms, protocol and velocities: the potential's digest,
        the algorithm's version. A checkpoint made with something else is not used.
    checkpoint_ps : simulated time between checkpoints; it changes no number.

    Returns
    -------
    StoredSimulation : also when a guard stops it.

    Raises
    ------
    CandidateFailed : the calculator cannot compute the cell.
    """
    check_computable(atoms)
    draw_velocities(atoms, protocol, rng)
    checkpoints = Checkpoints(folder, run_key(atoms, protocol, made_with))
    state = checkpoints.resume()
    done, total = (0 if state is None else state.steps_done(protocol)), n_steps(protocol)
    if state is not None:
        logger.info("going on after step %d of %d, from the checkpoint in %s", done, total, folder)
    segment: Segment | None = None
    pace = _Pace(done, total, protocol.timestep_fs)
    with tqdm(total=total, initial=done, desc=label, unit="step", disable=None) as progress:
        frames_per_segment = protocol.frames(checkpoint_ps)
        for segment in segments(atoms, protocol, frames_per_segment, state, after_step=progress.update):
            checkpoints.add(segment)
            if segment.state is not None:
                logger.info("%s", pace.line(segment.stage, segment.state.steps_done(protocol)))
    return StoredSimulation(checkpoints, None if segment is None else segment.stopped)


class _Pace:
    """How fast a run is, and when it will end."""

    def __init__(self, done: int, total: int, timestep_fs: float) -> None:
        self._first, self._total, self._timestep_fs = done, total, timestep_fs
        self._started_s = time.monotonic()

    def line(self, stage: str, done: int) -> str:
        elapsed_s = max(time.monotonic() - self._started_s, 1e-9)
        per_s = (done - self._first) / elapsed_s
        left = timedelta(seconds=round((self._total - done) / per_s))
        reached_ps, total_ps = (steps * self._timestep_fs / 1000 for steps in (done, self._total))
        return (
            f"{stage}: step {done} of {self._total}, {reached_ps:.2f} of {total_ps:.2f} ps, "
            f"{per_s:.1f} steps/s, {left} left"
        )
