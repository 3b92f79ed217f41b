"""Do the intervals of D hold the true D? Random walks of known diffusivity, with seeds that no test uses.

    python benchmarks/diffusivity_coverage.py [--walks 500] [--seed 20261121] [--correlation-factors]

Every walk lasts 6 ps in 300 frames; all rattle by 0.25 A in each
direction with a memory of 0.05 ps. Hops are 3 A.

* jumps: independent ions on a simple cubic lattice;
* half: the same, but half of the ions are stuck;
* plane: hops in two dimensions;
* Brownian: continuous motion;
* lattice gas: a fifth of the sites empty, occupied ones block (periodic cells of 16 bcc, 27 and 125 simple
  cubic sites). D = f n a^2 / (6 N t) with the tracer correlation factor f of that very cell, from runs a
  hundred hops per ion long; --correlation-factors measures them again;
* two sites: each ion hops between two sites of its own, D = 0.

Of each class: the share of walks that get a value, the share of values whose interval holds D, the share of
bounds that hold, the median upper end over the value, and the median value over the true one. Twice the
standard error of a coverage of 95 % is 2 % at 500 walks. A second table: how often a host of 80 atoms is
taken for diffusing beside 12 ions that hop 50 times, when it does so at a share of their rate.
"""

import argparse
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.signal import lfilter

from ionsieve.transport.analysis import host_diffuses
from ionsieve.transport.diffusivity import Diffusivity, diffusivity, ion_diffusivities_A2_per_ps
from ionsieve.transport.hops import ION_HOP_FRACTION, find_hops
from ionsieve.transport.msd import mean_squared_displacement_A2
from ionsieve.units import CM2_PER_S_PER_A2_PER_PS

FRAMES, INTERVAL_PS = 300, 0.02
TIME_PS = FRAMES * INTERVAL_PS
HOP_A, RATTLING_A, MEMORY_PS = 3.0, 0.25, 0.05
CUBIC = np.array([[1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0], [0, 0, 1], [0, 0, -1]])
CUBE_CORNERS = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)])
GAS_BATCH = 100
# Measured by --correlation-factors, to 0.5 %.
CORRELATION_FACTORS = {"bcc 16": 0.824, "sc 27": 0.785, "sc 125": 0.740}


def true_diffusivity(hops_per_ion: float) -> float:
    """Diffusivity in A2/ps of ions without memory."""
    return hops_per_ion * HOP_A**2 / (6 * TIME_PS)


def rattling(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Displacements from the site: an Ornstein-Uhlenbeck process, frames first."""
    keep = np.exp(-INTERVAL_PS / MEMORY_PS)
    noise = rng.normal(0, RATTLING_A * np.sqrt(1 - keep**2), shape)
    noise[0] /= np.sqrt(1 - keep**2)
    return lfilter([1.0], [1.0, -keep], noise, axis=0)


def events(rng: np.random.Generator, n_ions: int, hops_per_ion: float) -> tuple[np.ndarray, np.ndarray]:
    """Frames and ions of hops at random times."""
    number = rng.poisson(hops_per_ion * n_ions)
    return rng.integers(0, FRAMES, number), rng.integers(0, n_ions, number)


def jumps(
    rng: np.random.Generator, n_ions: int, hops_per_ion: float, directions: np.ndarray = CUBIC
) -> np.ndarray:
    """Independent ions, shape (F, N, 3)."""
    steps = np.zeros((FRAMES, n_ions, 3))
    frames, ions = events(rng, n_ions, hops_per_ion)
    np.add.at(steps, (frames, ions), HOP_A * directions[rng.integers(len(directions), size=frames.size)])
    return steps.cumsum(axis=0) + rattling(rng, steps.shape)


def half_stuck(rng: np.random.Generator, n_ions: int, hops_per_ion: float) -> np.ndarray:
    """Half of the ions hop twice as often, the others never."""
    moving = jumps(rng, n_ions // 2, 2 * hops_per_ion)
    return np.concatenate([moving, rattling(rng, (FRAMES, n_ions - n_ions // 2, 3))], axis=1)


def brownian(rng: np.random.Generator, n_ions: int, hops_per_ion: float) -> np.ndarray:
    """Continuous motion with the diffusivity of that many hops."""
    step_A = np.sqrt(2 * true_diffusivity(hops_per_ion) * INTERVAL_PS)
    walk = rng.normal(0, step_A, (FRAMES, n_ions, 3)).cumsum(axis=0)
    return walk + rattling(rng, walk.shape)


def two_sites(rng: np.random.Generator, n_ions: int, hops_per_ion: float) -> np.ndarray:
    """Each ion between two sites of its own."""
    flips = np.zeros((FRAMES, n_ions), dtype=int)
    np.add.at(flips, events(rng, n_ions, hops_per_ion), 1)
    positions = rattling(rng, (FRAMES, n_ions, 3))
    positions[..., 0] += HOP_A * (flips.cumsum(axis=0) % 2)
    return positions


@dataclass(frozen=True)
class Lattice:
    """Sites of a periodic lattice gas, in units of which a hop is ``step_A`` times a direction."""

    sites: np.ndarray
    directions: np.ndarray
    period: int
    step_A: float

    @classmethod
    def named(cls, name: str) -> "Lattice":
        """Either simple cubic (``sc 27``, ``sc 125``) or body-centred (``bcc 16``)."""
        kind, size = name.split()
        if kind == "bcc":
            corners = 2 * np.indices((2, 2, 2)).reshape(3, -1).T
            return cls(np.concatenate([corners, corners + 1]), CUBE_CORNERS, 4, HOP_A / np.sqrt(3))
        edge = round(int(size) ** (1 / 3))
        return cls(np.indices((edge,) * 3).reshape(3, -1).T, CUBIC, edge, HOP_A)

    @property
    def n_ions(self) -> int:
        """Ions: four fifths of the sites."""
        return round(0.8 * len(self.sites))

    def hops(
        self, rng: np.random.Generator, n_walks: int, hops_per_ion: float, n_frames: int = FRAMES
    ) -> np.ndarray:
        """Steps of ``n_walks`` gases in each frame, shape (W, F, N, 3), integers.

        Attempts come at random times; at equilibrium (any arrangement is as likely) a target is empty with
        the probability (sites - ions) / (sites - 1).
        """
        n_sites, n_ions = len(self.sites), self.n_ions
        index = {tuple(site): number for number, site in enumerate(self.sites.tolist())}
        neighbours = np.array(
            [
                [index[tuple(((site + step) % self.period).tolist())] for step in self.directions]
                for site in self.sites
            ]
        )
        free = (n_sites - n_ions) / (n_sites - 1)
        attempts = rng.poisson(hops_per_ion * n_ions / free, n_walks)
        when = np.where(
            np.arange(attempts.max()) < attempts[:, None], rng.random((n_walks, attempts.max())), 1.0
        )
        frames = (np.sort(when, axis=1) * n_frames).astype(int)
        walks, steps = np.arange(n_walks), np.zeros((n_walks, n_frames, n_ions, 3), dtype=np.int8)
        places = np.argsort(rng.random((n_walks, n_sites)), axis=1)[:, :n_ions]
        occupied = np.zeros((n_walks, n_sites), dtype=bool)
        occupied[walks[:, None], places] = True
        for attempt in range(attempts.max()):
            ions = rng.integers(n_ions, size=n_walks)
            ways = rng.integers(len(self.directions), size=n_walks)
            old = places[walks, ions]
            new = neighbours[old, ways]
            moves = np.flatnonzero(~occupied[walks, new] & (frames[:, attempt] < n_frames))
            occupied[moves, old[moves]], occupied[moves, new[moves]] = False, True
            places[moves, ions[moves]] = new[moves]
            steps[moves, frames[moves, attempt], ions[moves]] += self.directions[ways[moves]].astype(np.int8)
        return steps

    def correlation_factor(self, rng: np.random.Generator) -> float:
        """Long-time slope of the MSD over that of ions without memory, lags of 5 to 20 hops per ion."""
        n_frames, hops_per_ion = 200, 100.0
        path = self.step_A * self.hops(rng, 100, hops_per_ion, n_frames).cumsum(axis=1, dtype=float)

        def msd_A2(lag: int) -> float:
            return float(((path[:, lag:] - path[:, :-lag]) ** 2).sum(axis=3).mean())

        return (msd_A2(40) - msd_A2(10)) / 30 * n_frames / (hops_per_ion * HOP_A**2)


def classes(n_walks: int, seed: int) -> Iterator[tuple[str, float, Iterator[np.ndarray]]]:
    """Name, true diffusivity in A2/ps and walks of each class."""

    def seeded(name: str, walk: int = 0) -> np.random.Generator:
        return np.random.default_rng((seed, zlib.crc32(name.encode()), walk))

    kinds = {
        "jumps": (jumps, [(8, 20), (12, 5), (12, 10), (12, 20), (12, 50), (12, 240), (100, 20), (100, 50),
                          (100, 1000)]),
        "half": (half_stuck, [(12, 24), (12, 120)]),
        "Brownian": (brownian, [(8, 40), (12, 20), (12, 120), (100, 500)]),
        "two sites": (two_sites, [(12, 5), (12, 12), (12, 36), (12, 120), (12, 480), (100, 50), (100, 1000)]),
    }  # fmt: skip
    for kind, (walk, sizes) in kinds.items():
        for n_ions, total in sizes:
            name, hops_per_ion = f"{kind}, {n_ions} ions, {total} hops", total / n_ions
            true = 0.0 if kind == "two sites" else true_diffusivity(hops_per_ion)
            yield name, true, (walk(seeded(name, k), n_ions, hops_per_ion) for k in range(n_walks))
    name = "plane, 12 ions, 60 hops"
    yield name, true_diffusivity(5), (jumps(seeded(name, k), 12, 5, CUBIC[:4]) for k in range(n_walks))
    for lattice, total in (
        ("bcc 16", 10), ("bcc 16", 20), ("bcc 16", 50), ("bcc 16", 260), ("sc 27", 50), ("sc 125", 50),
        ("sc 125", 1000),
    ):  # fmt: skip
        gas = Lattice.named(lattice)
        name, hops_per_ion = f"lattice gas, {gas.n_ions} ions, {total} hops", total / gas.n_ions
        true = CORRELATION_FACTORS[lattice] * true_diffusivity(hops_per_ion)
        yield name, true, gas_walks(gas, seeded(name), n_walks, hops_per_ion)


def gas_walks(
    gas: Lattice, rng: np.random.Generator, n_walks: int, hops_per_ion: float
) -> Iterator[np.ndarray]:
    """Trajectories of a lattice gas, simulated in batches."""
    for first in range(0, n_walks, GAS_BATCH):
        for steps in gas.hops(rng, min(GAS_BATCH, n_walks - first), hops_per_ion):
            path = gas.step_A * steps.cumsum(axis=0, dtype=float)
            yield path + rattling(rng, path.shape)


def slopes_of(positions_A: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Diffusivity of each atom and how long it was watched."""
    slopes = ion_diffusivities_A2_per_ps(mean_squared_displacement_A2(positions_A), INTERVAL_PS)
    return slopes, np.full(slopes.size, (len(positions_A) - 1) * INTERVAL_PS)


def measured(positions_A: np.ndarray) -> Diffusivity:
    """What the workflow would say about a walk."""
    slopes, observed_ps = slopes_of(positions_A)
    hops = find_hops(positions_A, INTERVAL_PS, ION_HOP_FRACTION * HOP_A)
    return diffusivity(slopes, observed_ps, hops, HOP_A)


def row(name: str, true_A2_per_ps: float, results: list[Diffusivity]) -> str:
    """One line of the table."""
    true = true_A2_per_ps * CM2_PER_S_PER_A2_PER_PS
    values = [r for r in results if r.kind == "value"]
    bounds = [r for r in results if r.kind == "upper_bound"]
    cover = [(r.low_cm2_per_s or 0) <= true <= r.high_cm2_per_s for r in values]
    width = [r.high_cm2_per_s / (r.cm2_per_s or 1) for r in values]
    bias = [(r.cm2_per_s or 0) / true for r in values] if true else []
    held = [true <= r.high_cm2_per_s for r in bounds]
    cells = [
        name, f"{true:.1e}", f"{100 * len(values) / len(results):.0f}", percent(cover), percent(held),
        f"{np.median(width):.2f}" if width else "", f"{np.median(bias):.2f}" if bias else "",
    ]  # fmt: skip
    return "| " + " | ".join(cells) + " |"


def host_row(share: float, n_walks: int, seed: int) -> str:
    """How often a host that diffuses at a share of the ions' rate is found out."""
    found = []
    for walk in range(n_walks):
        rng = np.random.default_rng((seed, round(1000 * share), walk))
        ions = measured(jumps(rng, 12, 50 / 12))
        found.append(host_diffuses(*slopes_of(jumps(rng, 80, share * 50 / 12)), ions))
    return f"| {share:g} | {percent(found)} |"


def percent(outcomes: list[bool]) -> str:
    """Share in percent; with its count where that is small."""
    if not outcomes:
        return ""
    few = f" (of {len(outcomes)})" if len(outcomes) < 50 else ""
    return f"{100 * np.mean(outcomes):.1f}{few}"


def main() -> None:
    """Print the table."""
    formatter = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=formatter)
    parser.add_argument("--walks", type=int, default=500)
    parser.add_argument("--seed", type=int, default=20261121)
    parser.add_argument("--correlation-factors", action="store_true")
    options = parser.parse_args()
    if options.correlation_factors:
        for name in CORRELATION_FACTORS:
            runs = [
                Lattice.named(name).correlation_factor(np.random.default_rng((options.seed, k)))
                for k in range(4)
            ]
            print(f"{name}: {np.mean(runs):.3f} +- {np.std(runs, ddof=1) / 2:.3f}", flush=True)
        return
    print("| walk | true D, cm2/s | values, % | cover, % | bounds hold, % | width factor | bias |")
    print("| --- | --- | --- | --- | --- | --- | --- |", flush=True)
    for name, true_A2_per_ps, walks in classes(options.walks, options.seed):
        print(row(name, true_A2_per_ps, [measured(walk) for walk in walks]), flush=True)
    print("\n| host's D over that of the ions | taken for diffusing, % |\n| --- | --- |", flush=True)
    for share in (0.0, 0.05, 0.1, 0.3, 0.5, 1.0):
        print(host_row(share, options.walks, options.seed), flush=True)


if __name__ == "__main__":
    main()
