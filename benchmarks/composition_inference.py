"""`ionsieve predict-formula` on generated formulas: seconds, rows per second, peak memory.

    OMP_NUM_THREADS=1 python benchmarks/composition_inference.py --model results/composition/model

Formulas of two transition metals, often with an oxoanion, in a CSV file; each run is a process of its own,
from reading the model to the last row.
"""

import argparse
import csv
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

COMMAND = "from ionsieve.command import app; app()"
METALS = ("Ti", "V", "Cr", "Mn", "Fe", "Co", "Ni", "Cu", "Nb", "Mo", "W", "Sn", "Zr", "Al", "Si")
GROUPS = ("", "(PO4)", "(SiO4)", "(P2O7)", "(SO4)", "(BO3)")
ANIONS = ("O", "S", "F", "Se")


def write_formulas(path: Path, n_rows: int, ion: str) -> None:
    """A CSV file of random formulas, the same on each run."""
    draw = random.Random(0)
    with path.open("w", newline="") as handle:
        writer = csv.writer(handle)
        writer.writerow(["material_id", "formula"])
        for row in range(n_rows):
            first, second = draw.sample(METALS, 2)
            group = draw.choice(GROUPS)
            group += str(draw.randint(1, 4)) if group else ""
            metals = f"{first}{draw.randint(1, 4)}{second}{draw.randint(1, 4)}"
            anions = f"{draw.choice(ANIONS)}{draw.randint(1, 12)}"
            writer.writerow([f"x{row}", f"{ion}{draw.randint(1, 4)}{metals}{group}{anions}"])


def main() -> None:
    """Print one line of the table for each number of rows."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", type=Path, help="folder of a composition model; else that which ships")
    parser.add_argument("--ion", default="Mg")
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 100_000])
    arguments = parser.parse_args()
    options = [] if arguments.model is None else ["--model", str(arguments.model)]
    print("| rows | wall time, s | CPU time, s | rows per s of CPU time | peak memory, MB |")
    print("| --- | --- | --- | --- | --- |", flush=True)
    for n_rows in arguments.rows:
        with tempfile.TemporaryDirectory(prefix="composition-") as name:
            formulas, voltages = Path(name) / "formulas.csv", Path(name) / "voltages.csv"
            write_formulas(formulas, n_rows, arguments.ion)
            call = ["predict-formula", "--csv", str(formulas), "--ion", arguments.ion, "--out", str(voltages)]
            started_s = time.perf_counter()
            process = subprocess.Popen(
                [sys.executable, "-c", COMMAND, *call, *options],
                env={**os.environ, "OMP_NUM_THREADS": "1"},
                stderr=subprocess.DEVNULL,
            )
            _, status, usage = os.wait4(process.pid, 0)
            wall_s = time.perf_counter() - started_s
            process.returncode = os.waitstatus_to_exitcode(status)
            if process.returncode:
                raise SystemExit(f"the command ended with {process.returncode}")
        cpu_s, peak_MB = usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024
        print(
            f"| {n_rows:,} | {wall_s:.0f} | {cpu_s:.0f} | {n_rows / cpu_s:,.0f} | {peak_MB:.0f} |", flush=True
        )


if __name__ == "__main__":
    main()
