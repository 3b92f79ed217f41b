"""High-entropy rocksalts Li(l)M(2-l)O(2-f)F(f) whose charges balance, on a grid of amounts.

The metals and charges are those that the DRXNet paper enumerates: Mn, Fe, Ni, Mg as 2+, Mn, Cr, V, Fe as 3+,
and, without d electrons, Ti4+ and Nb5+. The paper states neither its grid nor its smallest amount; ours are
arguments. Amounts are whole numbers of steps, so that every sum is exact.
"""

from fractions import Fraction
from functools import cache
from itertools import combinations

import numpy as np
import pandas as pd
from pymatgen.core import Element
from pymatgen.util.string import formula_double_format

from ionsieve.errors import DataError

# Lowest and highest charge. Fe comes before Mn: Fe2+ gives its electron more easily than Mn2+, so that what
# charge is left to place makes Fe3+ first.
CHARGES = {
    "Fe": (2, 3),
    "Mn": (2, 3),
    "Ni": (2, 2),
    "Mg": (2, 2),
    "Cr": (3, 3),
    "V": (3, 3),
    "Ti": (4, 4),
    "Nb": (5, 5),
}
FEWEST_METALS = 4
# More steps between 0 and the whole than this are more compositions than a machine holds.
MOST_STEPS = 40


def enumerate_compositions(
    lithium: float = 1.2,
    fluorine: float = 0.2,
    step: float = 0.05,
    fewest_metals: int = FEWEST_METALS,
    most_metals: int = len(CHARGES),
) -> pd.DataFrame:
    """All charge-balanced compositions of the grid.

    Parameters
    ----------
    lithium, fluorine : per two cations and two anions.
    step : of every metal's amount, which is 0 or a multiple of it; must divide the metals' sum.
    fewest_metals, most_metals : different metals, those without d electrons and Mg included.

    Returns
    -------
    Columns composition, n_metals, oxidation_states (such as ``Mn2+ 0.1, Cr3+ 0.3``), one row per composition,
    sorted by number of metals and composition.

    Raises
    ------
    DataError : lithium or fluorine outside their range, a step that does not divide, or too fine a one.
    """
    if not (0 < lithium < 2 and 0 <= fluorine < 2):
        raise DataError(f"lithium {lithium} and fluorine {fluorine} per two anions: allowed are 0 to 2")
    exact_lithium, exact_fluorine, exact_step = (_exact(value) for value in (lithium, fluorine, step))
    if not 1 <= fewest_metals <= most_metals <= len(CHARGES):
        raise DataError(
            f"{fewest_metals} to {most_metals} metals: allowed are 1 to {len(CHARGES)}, fewest first"
        )
    if exact_step <= 0 or (2 - exact_lithium) % exact_step or (2 - exact_lithium) / exact_step > MOST_STEPS:
        raise DataError(
            f"step {step} must be positive, divide the metals' {float(2 - exact_lithium):g}, and do so at"
            f" most {MOST_STEPS} times"
        )
    n_steps = int((2 - exact_lithium) / exact_step)
    # Anions carry 2 (2 - f) + f; lithium gives 1 each; the metals give the rest.
    needed = (4 - exact_fluorine - exact_lithium) / exact_step
    if needed.denominator != 1:
        raise DataError(
            f"with lithium {lithium} and fluorine {fluorine} no multiples of {step} balance the charges;"
            " take a step that divides both"
        )
    steps = _partitions(n_steps, len(CHARGES))
    lowest, highest = (np.array([charges[at] for charges in CHARGES.values()]) for at in (0, 1))
    n_metals = (steps > 0).sum(axis=1)
    balanced = (steps @ lowest <= int(needed)) & (steps @ highest >= int(needed))
    wanted = balanced & (n_metals >= fewest_metals) & (n_metals <= most_metals)
    amounts = [str(formula_double_format(float(n * exact_step))) for n in range(n_steps + 1)]
    rest = {"Li": exact_lithium, "O": 2 - exact_fluorine, "F": exact_fluorine}
    fixed = {symbol: str(formula_double_format(float(amount))) for symbol, amount in rest.items() if amount}
    table = pd.DataFrame(
        {
            "composition": [_formula(row, amounts, fixed) for row in steps[wanted].tolist()],
            "n_metals": n_metals[wanted],
            "oxidation_states": [
                _oxidation_states(row, int(needed), amounts) for row in steps[wanted].tolist()
            ],
        }
    )
    return table.sort_values(["n_metals", "composition"], ignore_index=True)


def _exact(value: float) -> Fraction:
    return Fraction(value).limit_denominator(1000)


def _partitions(total: int, parts: int) -> np.ndarray:
    """All ways to write a whole number as an ordered sum of so many whole numbers from 0; (ways, parts)."""
    bars = np.array(list(combinations(range(total + parts - 1), parts - 1)), dtype=np.int64)
    ends = np.full((len(bars), 1), total + parts - 1)
    return np.diff(np.hstack([-np.ones_like(ends), bars, ends]), axis=1) - 1


def _oxidation_states(steps: list[int], needed: int, amounts: list[str]) -> str:
    """Charges of the metals, the lowest ones raised in the order of :data:`CHARGES` until they balance."""
    missing = needed - sum(n * low for n, (low, _) in zip(steps, CHARGES.values(), strict=True))
    states = []
    for n, (symbol, (low, high)) in zip(steps, CHARGES.items(), strict=True):
        raised = min(n, missing) if high > low else 0
        missing -= raised
        for charge, size in ((low, n - raised), (high, raised)):
            if size:
                states.append(f"{symbol}{charge}+ {amounts[size] or '1'}")
    return ", ".join(states)


def _formula(steps: list[int], amounts: list[str], fixed: dict[str, str]) -> str:
    """The formula in the spelling of :func:`~ionsieve.discharge.cycling.canonical_composition`."""
    present = fixed | {symbol: amounts[n] for symbol, n in zip(CHARGES, steps, strict=True) if n}
    return "".join(f"{symbol}{present[symbol]}" for symbol in _order() if symbol in present)


@cache
def _order() -> tuple[str, ...]:
    """Symbols in the order of the canonical spelling."""
    return tuple(
        element.symbol for element in sorted(Element(symbol) for symbol in ("Li", *CHARGES, "O", "F"))
    )
