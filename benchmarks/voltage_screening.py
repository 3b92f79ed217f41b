"""Screening real candidates: Parquet to voltages with intervals, two buckets at a time, one thread each.

    python benchmarks/voltage_screening.py --candidates candidates.parquet --voltage results/voltage

``--candidates`` is a Parquet table of tables.CANDIDATES (a bucket of `results/data/candidates`), repeated to
the number of rows asked for; ``--voltage`` holds a trained model as the workflow leaves it. Each bucket goes
through the scripts of the rules candidate_inputs and predict_voltage, each in a process of its own, so that
starting Python counts too.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ionsieve.tables import CANDIDATES

AT_ONCE = 2
# What the configuration advises for data.shards.
FEW_BUCKETS, MANY_BUCKETS, MANY_ROWS = 4, 64, 100_000
# The script sees what Snakemake would give it.
JOB = """
import runpy, sys
from pathlib import Path
from types import SimpleNamespace
script, voltage, candidates, working_ion = sys.argv[1:]
inputs = candidates + ".pt"
results = Path(voltage)
snakemake = SimpleNamespace(
    input=SimpleNamespace(
        model=results / "model/state.pt",
        card=results / "model/card.json",
        out_of_fold=results / "out_of_fold.parquet",
        candidates=candidates,
        inputs=inputs,
    ),
    output=SimpleNamespace(inputs=inputs, predictions=candidates + ".predictions"),
    params=SimpleNamespace(working_ion=working_ion, cutoff_A=8.0, max_neighbors=12, device="cpu"),
    threads=1,
    log=[candidates + ".log"],
    rule=Path(script).stem,
)
runpy.run_path(script, init_globals={"snakemake": snakemake}, run_name="__main__")
"""
SCRIPTS = [
    Path(__file__).parents[1] / "workflow_scripts" / f"{rule}.py"
    for rule in ("candidate_inputs", "predict_voltage")
]


def write_buckets(candidates: pa.Table, n_rows: int, folder: Path) -> list[Path]:
    """Buckets of n_rows candidates in all, the given ones in turn as often as it takes."""
    n_buckets = MANY_BUCKETS if n_rows >= MANY_ROWS else FEW_BUCKETS
    paths = []
    for bucket in range(n_buckets):
        rows = candidates.take(np.arange(bucket, n_rows, n_buckets) % len(candidates))
        paths.append(folder / f"{bucket:04d}.parquet")
        pq.write_table(rows, paths[-1], compression="zstd", row_group_size=16_384)
    return paths


def predict(bucket: Path, voltage: Path, working_ion: str) -> tuple[float, float]:
    """CPU seconds of a bucket's two jobs, and the larger one's peak memory in MB."""
    cpu_s, peak_MB = 0.0, 0.0
    for script in SCRIPTS:
        job = subprocess.Popen(
            [sys.executable, "-c", JOB, str(script), str(voltage), str(bucket), working_ion],
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            stderr=subprocess.DEVNULL,
        )
        _, status, usage = os.wait4(job.pid, 0)
        job.returncode = os.waitstatus_to_exitcode(status)
        if job.returncode:
            raise SystemExit(f"the job of {bucket} failed:\n{Path(f'{bucket}.log').read_text()}")
        cpu_s += usage.ru_utime + usage.ru_stime
        peak_MB = max(peak_MB, usage.ru_maxrss / 1024)
    return cpu_s, peak_MB


def main() -> None:
    """Print one line of the table for each number of rows."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--candidates", type=Path, required=True, help="Parquet of tables.CANDIDATES")
    parser.add_argument("--voltage", type=Path, required=True, help="results/voltage of a finished workflow")
    parser.add_argument("--working-ion", default="Mg")
    parser.add_argument("--rows", type=int, nargs="+", default=[20_000, 500_000])
    arguments = parser.parse_args()
    candidates = pq.read_table(arguments.candidates, columns=CANDIDATES.names).combine_chunks()
    print("| rows | buckets | wall time, s | CPU time, s | ms of CPU per row | peak memory of a job, MB |")
    print("| --- | --- | --- | --- | --- | --- |", flush=True)
    for n_rows in arguments.rows:
        with tempfile.TemporaryDirectory(prefix="screening-") as name:
            buckets = write_buckets(candidates, n_rows, Path(name))
            started_s = time.perf_counter()
            with ThreadPoolExecutor(AT_ONCE) as pool:
                jobs = list(
                    pool.map(lambda path: predict(path, arguments.voltage, arguments.working_ion), buckets)
                )
            wall_s = time.perf_counter() - started_s
        cpu_s, peak_MB = sum(cpu_s for cpu_s, _ in jobs), max(peak_MB for _, peak_MB in jobs)
        print(
            f"| {n_rows:,} | {len(buckets)} | {wall_s:.0f} | {cpu_s:.0f} | {1000 * cpu_s / n_rows:.2f}"
            f" | {peak_MB:.0f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
