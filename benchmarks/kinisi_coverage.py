"""Do kinisi's intervals of D hold the true D? Beside ours, on the same walks (:mod:`diffusivity_coverage`).

    python3 -m venv kinisi-venv && kinisi-venv/bin/pip install kinisi==2.1.0   # not a dependency
    export PYTHONPATH=$(echo .venv/lib/python3*/site-packages):.
    kinisi-venv/bin/python benchmarks/kinisi_coverage.py [--walks 100] [--seed 20261122]

kinisi (McCluskey et al., J. Chem. Theory Comput. 21, 79 (2025)) models the covariance of the mean-squared
displacements and samples D by Markov chain Monte Carlo. Its one choice is where diffusion begins: 0.2 ps,
where the rattling of these walks is forgotten, or 0.6 ps, a tenth of the run, where our line begins. Its
interval is from the 2.5th to the 97.5th percentile of its samples. Ours counts where it is a value, a bound
where it holds. All walks of a class count, and all of the classes move.
"""

import argparse
import time

import numpy as np
import scipp
from ase import Atoms
from diffusivity_coverage import INTERVAL_PS, classes, measured
from kinisi.analyze import DiffusionAnalyzer

from ionsieve.units import CM2_PER_S_PER_A2_PER_PS

STARTS_PS = (0.2, 0.6)
BOX_A = 300.0  # no ion gets half as far, so that no image is taken for a hop
CLASSES = (
    "jumps, 12 ions, 10 hops", "jumps, 12 ions, 50 hops", "jumps, 12 ions, 240 hops",
    "jumps, 100 ions, 1000 hops", "half, 12 ions, 120 hops", "Brownian, 12 ions, 120 hops",
    "lattice gas, 13 ions, 20 hops", "lattice gas, 13 ions, 260 hops", "lattice gas, 100 ions, 1000 hops",
)  # fmt: skip


def posterior_cm2_per_s(positions_A: np.ndarray, seed: int) -> dict[float, np.ndarray]:
    """Samples of D by the start of the fit; the host is one atom that does not move."""
    n_ions = positions_A.shape[1]
    frames = [
        Atoms(f"Mg{n_ions}O", [*places, [0.0, 0.0, 0.0]], cell=[BOX_A] * 3, pbc=True)
        for places in positions_A
    ]
    analyzer = DiffusionAnalyzer.from_ase(
        frames,
        "Mg",
        time_step=scipp.scalar(INTERVAL_PS, unit="ps"),
        step_skip=scipp.scalar(1, unit="dimensionless"),
        progress=False,
    )
    samples = {}
    for start_ps in STARTS_PS:
        analyzer.diffusion(
            scipp.scalar(start_ps, unit="ps"), progress=False, random_state=np.random.RandomState(seed)
        )
        samples[start_ps] = analyzer.D.to(unit="cm^2/s").values
    return samples


def seconds_each(seconds: dict[str, float], n_walks: int) -> dict[float | str, float]:
    """CPU seconds of one analysis; kinisi's are shared by its fits."""
    one = {who: total / n_walks for who, total in seconds.items()}
    return {"ours": one["ours"]} | dict.fromkeys(STARTS_PS, one["kinisi"] / len(STARTS_PS))


def main() -> None:
    """Print the table."""
    formatter = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=formatter)
    parser.add_argument("--walks", type=int, default=100)
    parser.add_argument("--seed", type=int, default=20261122)
    options = parser.parse_args()
    head = [f"kinisi from {start_ps:g} ps: cover, % / bias / s" for start_ps in STARTS_PS]
    print(
        f"| walk | ours: cover, % / bias / s | {' | '.join(head)} |\n|{' --- |' * (2 + len(head))}",
        flush=True,
    )
    for name, true_A2_per_ps, walks in classes(options.walks, options.seed):
        if name not in CLASSES:
            continue
        true = true_A2_per_ps * CM2_PER_S_PER_A2_PER_PS
        held: dict[float | str, list[bool]] = {who: [] for who in ("ours", *STARTS_PS)}
        over: dict[float | str, list[float]] = {who: [] for who in held}
        seconds = dict.fromkeys(("ours", "kinisi"), 0.0)
        for number, walk in enumerate(walks):
            begin = time.process_time()
            ours = measured(walk)
            middle = time.process_time()
            held["ours"].append((ours.low_cm2_per_s or 0) <= true <= ours.high_cm2_per_s)
            if ours.cm2_per_s is not None:
                over["ours"].append(ours.cm2_per_s / true)
            for start_ps, samples in posterior_cm2_per_s(walk, number).items():
                low, median, high = np.percentile(samples, [2.5, 50, 97.5])
                held[start_ps].append(low <= true <= high)
                over[start_ps].append(median / true)
            seconds["ours"] += middle - begin
            seconds["kinisi"] += time.process_time() - middle
        cells = [
            f"{100 * np.mean(held[who]):.0f} / {np.median(over[who]):.2f} / {each:.2f}"
            for who, each in seconds_each(seconds, options.walks).items()
        ]
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
