"""How long the Mg paper's campaign takes: 160 candidates of 512 atoms, 60 ps at 1200 K, on cores and on GPUs.

`python benchmarks/campaign_projection.py` only calculates, from rates in atom-steps per second that its
arguments change. Those of a core were measured (benchmarks/potential_speed.py; `paper` in small trials).
Those of a GPU were not, for want of one: a core's times the ratio of peak single-precision rates, as if both
reached the same share of theirs. One candidate is one job on one core or one GPU, so the last, unfilled round
of jobs counts whole; a training is taken as shared without loss.
"""

import argparse
import math

CANDIDATES, ATOMS, LENGTH_PS = 160, 512, 60.0  # the paper's: NPT 10 ps, NVT 50 ps
TIMESTEP_FS = 2.0  # ours; the paper does not say

# Distillation of one `small` student from CHGNet, CPU seconds: frames, training, compiling.
TEACHER_S, STUDENT_S, COMPILING_S = 50.0, 80.0, 76.0

# The paper's shared potential: 567,815 relaxation frames of 31 atoms (the mean of MPtrj), 38 epochs; an atom
# in training costs 2.2 times one in MD (`small`: 2,700 atoms/s against 6,000 atom-steps/s).
FRAMES, ATOMS_PER_FRAME, EPOCHS, TRAINING_COST = 567_815, 31, 38, 2.2

HOUR_S = 3600.0


def hours(jobs: int, job_s: float, workers: int) -> float:
    """Wall time of equal jobs, one on each worker at a time."""
    return math.ceil(jobs / workers) * job_s / HOUR_S


def in_words(duration_h: float) -> str:
    """Hours, or days where they are many."""
    return f"{duration_h:,.1f} h" if duration_h < 72 else f"{duration_h / 24:,.0f} days"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small-compiled", type=float, default=13_000.0, help="measured, per core")
    parser.add_argument("--small-eager", type=float, default=6_000.0, help="measured, per core")
    parser.add_argument("--chgnet", type=float, default=220.0, help="measured, per core")
    parser.add_argument("--paper-eager", type=float, default=280.0, help="measured, per core")
    parser.add_argument("--core-tflops", type=float, default=0.1, help="peak of a core, single precision")
    parser.add_argument("--gpu-tflops", type=float, default=19.5, help="peak of a GPU (A100), likewise")
    rates = parser.parse_args()
    gpu = rates.gpu_tflops / rates.core_tflops
    atom_steps = ATOMS * LENGTH_PS * 1000 / TIMESTEP_FS
    distilled_s = TEACHER_S + STUDENT_S
    paper_training_s = FRAMES * ATOMS_PER_FRAME * EPOCHS * TRAINING_COST / rates.paper_eager
    print(f"{CANDIDATES * atom_steps:.3g} atom-steps; one GPU is taken for {gpu:.0f} cores\n")
    print("| potential | before MD | 2 cores | 1 GPU (assumed) | 16 GPUs (assumed) |")
    print("| --- | --- | --- | --- | --- |")
    for name, before_s, rate in (
        ("`small` for each, compiled", distilled_s + COMPILING_S, rates.small_compiled),
        ("`small` for each, eager", distilled_s, rates.small_eager),
        ("CHGNet itself", 0.0, rates.chgnet),
    ):
        total = in_words(hours(CANDIDATES, before_s + atom_steps / rate, 2))
        before = f"{before_s / 60:.1f} min of a core each, included" if before_s else "nothing"
        print(f"| {name} | {before} | {total} | | |")
    paper_s = atom_steps / rates.paper_eager
    cells = [in_words(hours(CANDIDATES, paper_s, 2))]
    cells += [in_words(hours(CANDIDATES, paper_s / gpu, gpus)) for gpus in (1, 16)]
    print(f"| `paper`, one for all: MD | its training | {' | '.join(cells)} |")
    cells = [in_words(paper_training_s / workers / HOUR_S) for workers in (2, gpu, 16 * gpu)]
    print(f"| `paper`, the same: its training | | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
