"""How long `snakemake -n` takes with many candidates: half a screening is there, the rest is to be planned.

    python benchmarks/dry_run.py [--rows 10000 100000]

Generated candidates (see catalogue.py) and the demo's electrodes are ingested and merged into 64 buckets, in
a folder of its own; then the dry run is timed, with nothing predicted yet: the best of three.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml
from catalogue import BUCKETS, generate

from ionsieve.data import demo

ROOT = Path(__file__).resolve().parent.parent


def snakemake(folder: Path, *arguments: str) -> float:
    """Run the workflow in a folder; returns the seconds it took."""
    begin = time.perf_counter()
    command = [sys.executable, "-m", "snakemake", "--snakefile", ROOT / "Snakefile", "--cores", "2"]
    command += [*arguments, "--configfile", "screening.yaml"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return time.perf_counter() - begin


def run(n_rows: int, folder: Path) -> None:
    """Print one line of the table."""
    generate("a", n_rows, folder / "candidates.parquet")
    files = {
        "electrodes": [str(Path(demo.__file__).parent / "electrodes.parquet")],
        "structures": [str(folder / "candidates.parquet")],
    }
    data = {"sources": ["files"], "files": files, "shards": BUCKETS}
    (folder / "screening.yaml").write_text(yaml.safe_dump({"data": data, "screen": {"controls": []}}))
    until_s = snakemake(folder, "--until", "catalogue")
    dry_s = min(snakemake(folder, "-n") for _ in range(3))
    print(f"| {n_rows:,} | {until_s:.1f} | {dry_s:.1f} |", flush=True)


def main() -> None:
    """Print one line of the table for each number of rows."""
    formatter = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=formatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 100_000])
    print("| rows | ingest and catalogue, s | snakemake -n, s |")
    print("| --- | --- | --- |", flush=True)
    for n_rows in parser.parse_args().rows:
        with tempfile.TemporaryDirectory() as name:
            run(n_rows, Path(name))


if __name__ == "__main__":
    main()
