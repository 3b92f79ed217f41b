"""What the MD driver costs beyond its potential: CPU time of a step over that of a bare calculator call.

    OMP_NUM_THREADS=1 python benchmarks/md_overhead.py

Rocksalt MgO under a NequIP model of the preset ``small`` with the weights it starts from, which cost as
much as trained ones. Stretches of NVT as the workflow runs it (integrator, guards, frames, a checkpoint at
the end of each) take turns with as many bare calls on the same atoms; the best stretch of each side counts,
so that what others do on the machine counts little.
"""

import argparse
import tempfile
import time

import numpy as np
import torch
from ase.build import bulk
from nequip.integrations.utils import basic_transforms
from nequip.model import FullNequIPGNNModel
from nequip.utils import torch_default_dtype
from nequip.utils.global_state import set_global_state

from ionsieve.potential.calculator import PotentialCalculator
from ionsieve.potential.nequip_config import CUTOFF_A, DataScales, model_config
from ionsieve.transport.checkpoint import Checkpoints
from ionsieve.transport.dynamics import draw_velocities, segments
from ionsieve.transport.protocol import Protocol

FRAMES_PER_STRETCH = 2
PROTOCOL = Protocol(
    temperature_K=300.0,
    timestep_fs=1.0,
    npt_ps=0.02,
    nvt_ps=50.0,
    thermostat_fs=100.0,
    barostat_fs=1000.0,
    npt_cell="isotropic",
    pressure_GPa=0.0,
    frame_interval_fs=10.0,
    max_temperature_factor=100.0,
    max_volume_change=10.0,
    max_shape_change=10.0,
    min_distance_A=0.1,
)


def untrained_potential() -> PotentialCalculator:
    """The preset ``small`` for MgO."""
    elements = ["Mg", "O"]
    scales = DataScales(dict.fromkeys(elements, 0.0), dict.fromkeys(elements, 0.05), average_neighbors=20.0)
    config = model_config("small", elements, scales, zbl=True, seed=0)
    del config["_target_"]
    set_global_state(allow_tf32=False)
    with torch_default_dtype(torch.float64):
        model = FullNequIPGNNModel(**config).eval()
    names = {element: element for element in elements}
    transforms = basic_transforms(model.metadata, CUTOFF_A, elements, names, neighborlist_backend="vesin")
    return PotentialCalculator(model=model, device="cpu", transforms=transforms)


def main() -> None:
    """Measure in turns and print the ratio."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=8)
    rounds = parser.parse_args().rounds
    torch.set_num_threads(1)
    atoms = bulk("MgO", "rocksalt", a=4.21, cubic=True).repeat(4)
    del atoms[500:]
    atoms.calc = untrained_potential()
    draw_velocities(atoms, PROTOCOL, np.random.default_rng(0))
    n_steps = FRAMES_PER_STRETCH * PROTOCOL.steps_per_frame
    driver_s, bare_s = [], []
    with tempfile.TemporaryDirectory() as folder:
        checkpoints = Checkpoints(folder, "benchmark")
        stretches = segments(atoms, PROTOCOL, FRAMES_PER_STRETCH)
        while next(stretches).stage != "nvt":
            pass
        for _ in range(rounds):
            started_s = time.process_time()
            checkpoints.add(next(stretches))
            driver_s.append((time.process_time() - started_s) / n_steps)
            started_s = time.process_time()
            for _ in range(n_steps):
                atoms.calc.calculate(atoms)
            bare_s.append((time.process_time() - started_s) / n_steps)
    print(f"{len(atoms)} atoms, {rounds} rounds of {n_steps} steps, CPU time")
    print(f"bare call {1000 * min(bare_s):.2f} ms, MD step {1000 * min(driver_s):.2f} ms")
    ratios = np.array(driver_s) / np.array(bare_s)
    print(
        f"overhead {100 * (min(driver_s) / min(bare_s) - 1):.1f} % of the best rounds, "
        f"{100 * (np.median(ratios) - 1):.1f} % in the median round"
    )


if __name__ == "__main__":
    main()
