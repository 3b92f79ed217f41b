"""Synthetic cells: discharge curves by simple laws, to test what a model can learn of them. No cell is real.

A cation e of amount x_e takes electrons in steps k of n_k per atom around a potential E_k of width w_k:

    Q(V) = A(V) - A(V_high),   A(V) = F / (3.6 M) sum_e x_e sum_k n_k s_e / (1 + exp((V - E'_k) / w'_k))

with M the molar mass and F Faraday's constant. The laws, for rate r in mA/g and cycle N:

    E'_k = E_k - a ln(1 + r / r_0) - b (N - 1) + t dE        polarisation grows with the logarithm of the rate
    w'_k = w_k (1 + c (N - 1))                               steps slope more from cycle to cycle
    s_e  = (1 - f_e)^(N - 1) / (1 + r / r_e) (1 + t dQ)      fade, and capacity lost to the rate

With ``three_body`` 0, t is 0 and the capacity per mol is a sum over elements: cells with one or two metals
tell all of it. Otherwise t is ``three_body`` times 27 times the sum, over every three different metals, of
the product of their shares of the metals: ``three_body`` itself for three metals in equal shares, 0 for two
metals. No cell of two metals tells that part.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from types import MappingProxyType

import numpy as np
from pymatgen.util.string import formula_double_format

from ionsieve.composition.formulas import parse_formula
from ionsieve.discharge.cycling import SYNTHETIC, CyclingTest, Profile, canonical_composition
from ionsieve.units import COULOMB_PER_MILLIAMPERE_HOUR, FARADAY_C_PER_MOL

RATE_SCALE_MA_PER_G = 10.0  # r_0
POLARISATION_V = 0.03  # a
VOLTAGE_FADE_V = 0.002  # b, per cycle
SLOPING = 0.004  # c, per cycle
THREE_BODY_VOLTAGE_V = -0.3  # dE
THREE_BODY_CAPACITY = 0.35  # dQ


@dataclass(frozen=True)
class Step:
    """Electrons per atom that an element takes around one potential."""

    electrons: float
    potential_V: float
    width_V: float


@dataclass(frozen=True)
class Metal:
    """What an element does in a synthetic cell.

    Attributes
    ----------
    steps : none for an element that holds its charge.
    fade : share of the capacity that each cycle takes.
    half_rate_mA_per_g : rate that halves the capacity.
    """

    steps: tuple[Step, ...]
    fade: float = 0.0
    half_rate_mA_per_g: float = 3000.0


# In the manner of the elements, not measured. At most 1.5 electrons per atom: Li1.2M0.8 holds that many.
METALS: Mapping[str, Metal] = MappingProxyType(
    {
        "Mn": Metal((Step(0.9, 3.2, 0.13), Step(0.5, 2.4, 0.20)), 0.006, 1500.0),
        "Fe": Metal((Step(1.0, 2.7, 0.15), Step(0.3, 3.7, 0.12)), 0.010, 900.0),
        "Ni": Metal((Step(1.4, 3.9, 0.14),), 0.004, 2000.0),
        "Co": Metal((Step(1.0, 4.0, 0.10),), 0.005, 2500.0),
        "Cr": Metal((Step(1.0, 3.0, 0.25), Step(0.5, 3.9, 0.15)), 0.008, 6000.0),
        "V": Metal((Step(0.8, 2.2, 0.18), Step(0.7, 2.9, 0.20)), 0.009, 4000.0),
        "Mo": Metal((Step(0.7, 2.6, 0.22), Step(0.4, 1.9, 0.15)), 0.012, 1200.0),
        "Ti": Metal((Step(0.15, 1.7, 0.10),), 0.002, 1000.0),
        "Nb": Metal((), 0.0),
        "Zr": Metal((), 0.0),
        "Mg": Metal((), 0.0),
    }
)
POOL = tuple(METALS)
METAL_STEPS = 16  # of 0.05, in Li1.2M0.8


@dataclass(frozen=True)
class Recipe:
    """How a set of synthetic cells is made; the same recipe makes the same cells.

    Attributes
    ----------
    n_metals : different metals in each cell.
    n_compositions : different compositions.
    rates_mA_per_g, windows_V : every composition is cycled at one of these rates in one of these windows,
        drawn with the seed.
    n_cycles : of each cell.
    n_points : recorded in each discharge.
    three_body : strength of the part that only cells of three metals or more show.
    noise_mAh_per_g : standard deviation of the noise on every recorded capacity.
    pool : metals to draw from.
    seed : of compositions, conditions and noise.
    """

    n_metals: int
    n_compositions: int
    rates_mA_per_g: tuple[float, ...] = (20.0, 100.0, 500.0)
    windows_V: tuple[tuple[float, float], ...] = ((1.5, 4.8),)
    n_cycles: int = 10
    n_points: int = 150
    three_body: float = 0.0
    noise_mAh_per_g: float = 0.0
    pool: tuple[str, ...] = POOL
    seed: int = 0

    def digest(self) -> str:
        """SHA-256 of the recipe, in the place of an input file's."""
        return hashlib.sha256(repr(sorted(asdict(self).items())).encode()).hexdigest()


def capacity_mAh_per_g(
    composition: str,
    voltage_V: np.ndarray,
    rate_mA_per_g: float,
    cycle: int,
    voltage_high_V: float,
    three_body: float = 0.0,
) -> np.ndarray:
    """Capacity discharged from ``voltage_high_V`` until each voltage is reached; see the module's equations.

    Raises
    ------
    FormulaError : no composition.
    """
    parsed = parse_formula(composition)
    metals = {element.symbol: float(amount) for element, amount in parsed.items() if element.symbol in METALS}
    coupling = three_body * three_body_share(metals)
    polarisation_V = POLARISATION_V * float(np.log1p(rate_mA_per_g / RATE_SCALE_MA_PER_G))
    lowering_V = polarisation_V + VOLTAGE_FADE_V * (cycle - 1) - THREE_BODY_VOLTAGE_V * coupling
    per_mol = np.zeros(np.shape(voltage_V))
    for symbol, amount in metals.items():
        metal = METALS[symbol]
        share = (1.0 - metal.fade) ** (cycle - 1) / (1.0 + rate_mA_per_g / metal.half_rate_mA_per_g)
        for step in metal.steps:
            width_V = step.width_V * (1.0 + SLOPING * (cycle - 1))
            taken = [
                1.0 / (1.0 + np.exp((at - step.potential_V + lowering_V) / width_V))
                for at in (np.asarray(voltage_V, dtype=float), voltage_high_V)
            ]
            per_mol += amount * step.electrons * share * (taken[0] - taken[1])
    molar_mass_g = float(parsed.weight)
    scale = FARADAY_C_PER_MOL / (COULOMB_PER_MILLIAMPERE_HOUR * molar_mass_g)
    return scale * (1.0 + THREE_BODY_CAPACITY * coupling) * per_mol


def three_body_share(metals: Mapping[str, float]) -> float:
    """27 times the sum over triples of metals of the product of their shares: 1 for three equal ones."""
    total = sum(metals.values())
    if not total:
        return 0.0
    shares = [amount / total for amount in metals.values()]
    return 27.0 * sum(one * two * three for one, two, three in combinations(shares, 3))


def compositions(n_metals: int, count: int, pool: Sequence[str] = POOL, seed: int = 0) -> list[str]:
    """Different compositions Li1.2 M0.8 O(2-y)F(y), with ``n_metals`` metals and y of 0, 0.1 or 0.2; sorted.

    At least one of the metals gives electrons. Amounts are multiples of 0.05. Charges are not balanced: the
    equations do not ask for it.

    Raises
    ------
    ValueError : the pool holds fewer metals, or the grid fewer compositions than asked for.
    """
    most = min(len(pool), METAL_STEPS)
    if not 1 <= n_metals <= most:
        raise ValueError(f"{n_metals} metals of a pool of {len(pool)}; allowed are 1 to {most}")
    random = np.random.default_rng([seed, n_metals])
    found: set[tuple[tuple[str, int], ...]] = set()  # twentieths of each metal, tenths of F
    for _ in range(200 * count):
        if len(found) == count:
            break
        chosen = sorted(pool[at] for at in random.choice(len(pool), n_metals, replace=False))
        if not any(METALS[symbol].steps for symbol in chosen):
            continue
        cuts = np.sort(random.choice(METAL_STEPS - 1, n_metals - 1, replace=False) + 1)
        parts = np.diff([0, *cuts, METAL_STEPS]).tolist()
        found.add((*zip(chosen, parts, strict=True), ("F", int(random.integers(3)))))
    if len(found) < count:
        raise ValueError(
            f"only {len(found)} different compositions of {n_metals} metals were found, not {count}"
        )
    return sorted(_formula(dict(amounts)) for amounts in found)


def cell(
    test_id: str,
    composition: str,
    rate_mA_per_g: float,
    window_V: tuple[float, float],
    n_cycles: int,
    n_points: int = 150,
    three_body: float = 0.0,
    noise_mAh_per_g: float = 0.0,
    seed: int = 0,
) -> CyclingTest:
    """One synthetic cell: its discharges from the upper to the lower limit, uniform in V, with noise on Q."""
    random = np.random.default_rng(seed)
    voltage_V = np.linspace(window_V[1], window_V[0], n_points)
    profiles = []
    for cycle in range(1, n_cycles + 1):
        exact = capacity_mAh_per_g(composition, voltage_V, rate_mA_per_g, cycle, window_V[1], three_body)
        noise = noise_mAh_per_g * random.standard_normal(n_points)
        profiles.append(Profile(cycle, voltage_V, exact + noise))
    return CyclingTest(
        test_id, composition, SYNTHETIC, rate_mA_per_g, *window_V, tuple(profiles), source="synthetic"
    )


def cells(recipe: Recipe) -> list[CyclingTest]:
    """The cells of a recipe, one per composition, named ``synthetic-{n_metals}M-{number}``."""
    made = []
    formulas = compositions(recipe.n_metals, recipe.n_compositions, recipe.pool, recipe.seed)
    random = np.random.default_rng([recipe.seed, recipe.n_metals, 1])
    for number, formula in enumerate(formulas):
        rate = recipe.rates_mA_per_g[int(random.integers(len(recipe.rates_mA_per_g)))]
        window = recipe.windows_V[int(random.integers(len(recipe.windows_V)))]
        made.append(
            cell(
                f"synthetic-{recipe.n_metals}M-{number:05d}",
                formula,
                rate,
                window,
                recipe.n_cycles,
                recipe.n_points,
                recipe.three_body,
                recipe.noise_mAh_per_g,
                int(random.integers(2**31)),
            )
        )
    return made


def _formula(steps: Mapping[str, int]) -> str:
    """The formula of twentieths of each metal and tenths of F."""
    amounts = {symbol: 0.05 * n for symbol, n in steps.items() if symbol != "F"}
    amounts |= {"Li": 1.2, "O": 2 - 0.1 * steps["F"], "F": 0.1 * steps["F"]}
    present = {symbol: round(amount, 4) for symbol, amount in amounts.items() if amount}
    return canonical_composition(
        "".join(f"{symbol}{formula_double_format(amount)}" for symbol, amount in present.items())
    )
