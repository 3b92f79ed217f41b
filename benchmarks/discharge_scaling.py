"""Training of a discharge network: batches per second, time per epoch and peak memory by the number of
points.

    OMP_NUM_THREADS=1 python benchmarks/discharge_scaling.py --points 1000 100000 1300000

Generated points of curves in the shape of the open DRXNet data (12,688 profiles of 100 points are 1.3
million): a composition for every 8,000 points, at most 160, with two to five metals each. Each number of
points is a process of its own. With more batches than ``--batches`` the rest of the epoch is extrapolated,
and the table says so.
"""

import argparse
import resource
import subprocess
import sys
import time

import numpy as np
import pandas as pd

METALS = ("Mn", "Ti", "Nb", "Cr", "Fe", "Ni", "V", "Mo", "Co", "Zr", "Al", "Mg")
POINTS_PER_CURVE, CYCLES_PER_TEST = 100, 20
POINTS_PER_COMPOSITION, MOST_COMPOSITIONS = 8_000, 160


def points_table(n_points: int) -> pd.DataFrame:
    """Curves that fall with voltage, rate and cycle; the same on each run."""
    random = np.random.default_rng(0)
    n_compositions = int(np.clip(n_points // POINTS_PER_COMPOSITION, 1, MOST_COMPOSITIONS))
    formulas = []
    for _ in range(n_compositions):
        metals = random.choice(METALS, random.integers(2, 6), replace=False)
        shares = 0.05 * (1 + random.multinomial(16 - len(metals), np.full(len(metals), 1 / len(metals))))
        formulas.append(
            "Li1.2" + "".join(f"{m}{x:.2f}" for m, x in zip(metals, shares, strict=True)) + "O1.9F0.1"
        )
    row = np.arange(n_points)
    curve = row // POINTS_PER_CURVE
    test = curve // CYCLES_PER_TEST
    rate = random.choice([20.0, 100.0, 500.0], test.max() + 1)[test]
    cycle = 1 + curve % CYCLES_PER_TEST
    voltage_V = 1.5 + 3.3 * (row % POINTS_PER_CURVE) / (POINTS_PER_CURVE - 1)
    first = (280.0 - 30.0 * np.log10(rate)) * (4.8 - voltage_V) / 3.3
    fade = 1.0 - 0.005 * (cycle - 1)
    return pd.DataFrame(
        {
            "composition": np.array(formulas, dtype=object)[test % n_compositions],
            "rate_mA_per_g": rate,
            "voltage_low_V": 1.5,
            "voltage_high_V": 4.8,
            "cycle": cycle.astype(np.int32),
            "voltage_V": voltage_V,
            "capacity_mAh_per_g": first * fade,
            "first_capacity_mAh_per_g": first,
            "dq_dv_mAh_per_g_per_V": -(280.0 - 30.0 * np.log10(rate)) / 3.3 * fade,
        }
    )


def measure(n_points: int, n_batches: int, settings_name: str) -> None:
    """Print one row of the table."""
    import torch

    from ionsieve.discharge.network import SETTINGS, Discharge
    from ionsieve.discharge.points import Points
    from ionsieve.discharge.training import Batcher, Schedule, adam, batches_of_epoch, train_batch

    torch.set_num_threads(1)
    torch.manual_seed(0)
    schedule = Schedule()
    points = Points.from_table(points_table(n_points))
    network = Discharge(SETTINGS[settings_name])
    optimizer = adam(network, schedule)
    batcher = Batcher(points, network.settings)
    network.train()
    batches = batches_of_epoch(len(points), schedule, seed=0, epoch=0)
    train_batch(network, optimizer, batcher, batches[0], schedule.weights)  # what is made once is not timed
    timed = batches[:n_batches]
    started_s, started_cpu_s = time.perf_counter(), time.process_time()
    for rows in timed:
        train_batch(network, optimizer, batcher, rows, schedule.weights)
    wall_s, cpu_s = time.perf_counter() - started_s, time.process_time() - started_cpu_s
    peak_MB = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    whole = len(batches) / len(timed)
    print(
        f"| {settings_name} | {n_points:,} | {len(points.compositions)} | {len(batches):,} | {len(timed):,}"
        f" | {len(timed) / cpu_s:.1f} | {cpu_s * whole:.1f} | {wall_s * whole:.1f} | {peak_MB:.0f} |",
        flush=True,
    )


def main() -> None:
    """Print the table, a process for each row."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--points", type=int, nargs="+", default=[1_000, 100_000, 1_300_000])
    parser.add_argument("--batches", type=int, default=1_500, help="timed at most in each row")
    parser.add_argument("--settings", nargs="+", default=["ionsieve"])
    parser.add_argument("--row", action="store_true", help="only the first row, in this process")
    arguments = parser.parse_args()
    if arguments.row:
        measure(arguments.points[0], arguments.batches, arguments.settings[0])
        return
    print(
        "| settings | points | compositions | batches per epoch | timed | batches per s of CPU time"
        " | CPU time per epoch, s | wall time per epoch, s | peak memory, MB |"
    )
    print("| --- " * 9 + "|", flush=True)
    for settings in arguments.settings:
        for n_points in arguments.points:
            options = ["--points", str(n_points), "--batches", str(arguments.batches), "--settings", settings]
            subprocess.run([sys.executable, __file__, "--row", *options], check=True)


if __name__ == "__main__":
    main()
