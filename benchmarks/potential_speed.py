"""The preset `small`, eager and compiled, against CHGNet: atom-steps per CPU-second, and when compiling pays.

`python benchmarks/potential_speed.py` trains a student of copper-gold for one epoch (how good it is does not
matter here), compiles it and lets all three compute forces of the same crystals in turn, each in a process
of its own on one thread. `--folder DIR` keeps the models there, and takes them from there the next time.
"""

import argparse
import multiprocessing
import os
import tempfile
import time
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT

REPEATS = (2, 4, 5)  # of a cell of 4 atoms: 32, 256 and 500
ROUNDS = 5
STEPS = {"chgnet": 1, "eager": 4, "compiled": 10}  # per round: about as long for each


def copper_gold(repeat: int) -> Atoms:
    """Ordered CuAu (L1_0), 4 atoms in each cell, all of them displaced."""
    crystal = bulk("Cu", "fcc", a=3.95, cubic=True)
    crystal.symbols[:2] = "Au"
    crystal = crystal.repeat(repeat)
    crystal.rattle(0.05, seed=0)
    return crystal


def make_models(folder: Path) -> float:
    """Train and compile a student; gives the CPU seconds of compiling."""
    from ionsieve.potential.deployment import ALWAYS, deploy
    from ionsieve.potential.frames import write_frames
    from ionsieve.potential.teacher import teacher_frames
    from ionsieve.potential.training import TrainingSettings, train

    frames, _ = teacher_frames(copper_gold(1), EMT(), "Au", 0.2, 900.0, 20, seed=0)
    settings = TrainingSettings("small", epochs=1, batch_size=1, learning_rate=0.01, zbl=True, seed=0)
    train(frames.train, frames.validation, settings, folder / "eager")
    write_frames(folder / "test.extxyz", frames.test)
    before_s = _cpu_of_children_s()
    told = deploy(folder / "eager", [folder / "test.extxyz"], ALWAYS, True, folder / "compiled")
    if told != "compiled":
        raise SystemExit(told)
    return _cpu_of_children_s() - before_s


def _cpu_of_children_s() -> float:
    times = os.times()
    return times.children_user + times.children_system


def work(name: str, model: Path, pipe: Connection) -> None:
    """Compute forces as often as asked for; answers with CPU seconds per step."""
    import torch

    from ionsieve.potential.by_name import CHGNET, calculator_by_name
    from ionsieve.potential.calculator import load_calculator

    torch.set_num_threads(1)
    calculator = calculator_by_name(CHGNET) if name == "chgnet" else load_calculator(model)
    pipe.send("ready")
    rng = np.random.default_rng(0)
    while (repeat := pipe.recv()) is not None:
        crystal = copper_gold(repeat)
        crystal.calc = calculator
        crystal.get_forces()
        start_s = time.process_time()
        for _ in range(STEPS[name]):
            crystal.positions += rng.normal(scale=0.01, size=crystal.positions.shape)
            crystal.get_forces()
        pipe.send((time.process_time() - start_s) / STEPS[name])


def main() -> None:
    """Make the models, run the rounds, print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, help="where models are kept and taken from")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.folder or Path(temporary)
        if not (folder / "compiled").exists():
            folder.mkdir(parents=True, exist_ok=True)
            print(f"compiling took {make_models(folder):.0f} CPU-s", flush=True)
        measure(folder)


def measure(folder: Path) -> None:
    """Print CPU seconds per step of the three, their ratios, and what compiling saves."""
    context = multiprocessing.get_context("spawn")
    pipes = {}
    for name in STEPS:
        pipes[name], other = context.Pipe()
        context.Process(target=work, args=(name, folder / name, other), daemon=True).start()
    for pipe in pipes.values():
        pipe.recv()
    print("| atoms | CHGNet | eager | compiled | eager / CHGNet | compiled / CHGNet | saved per step, ms |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for repeat in REPEATS:
        seconds: dict[str, list[float]] = {name: [] for name in STEPS}
        for _ in range(ROUNDS):
            for name, pipe in pipes.items():
                pipe.send(repeat)
                seconds[name].append(pipe.recv())
        step_s = {name: float(np.median(values)) for name, values in seconds.items()}
        n_atoms = 4 * repeat**3
        speeds = " | ".join(f"{n_atoms / step_s[name]:,.0f}" for name in STEPS)
        ratios = " | ".join(f"{step_s['chgnet'] / step_s[name]:.1f}" for name in ("eager", "compiled"))
        print(f"| {n_atoms} | {speeds} | {ratios} | {1000 * (step_s['eager'] - step_s['compiled']):.1f} |")
    for pipe in pipes.values():
        pipe.send(None)


if __name__ == "__main__":
    main()
