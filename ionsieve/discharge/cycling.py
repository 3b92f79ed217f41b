"""What a cycling test is: one cell of one composition, cycled at one rate within one voltage window."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from pymatgen.util.string import formula_double_format

from ionsieve.composition.formulas import parse_formula
from ionsieve.errors import DataError

EXPERIMENT, SYNTHETIC = "experiment", "synthetic"
LABELS = (EXPERIMENT, SYNTHETIC)
DISCHARGE, CHARGE = "discharge", "charge"
# What no cell is cycled beyond: a rate or voltage outside is a slip of units (mV, A/g), not a test.
LARGEST_RATE_MA_PER_G = 1e6
LARGEST_VOLTAGE_V = 10.0
LAST_CYCLE = 1_000_000
# A cycle whose current is further from the rate than this share of it was cycled at another rate.
RATE_TOLERANCE = 0.2

R = TypeVar("R")


class CyclingError(DataError):
    """A test or a cycle that cannot be used; the message is the reason."""


@dataclass(frozen=True)
class Profile:
    """The record of one half cycle, as it was measured: nothing here is smoothed or checked yet.

    Attributes
    ----------
    cycle : from 1.
    voltage_V, capacity_mAh_per_g : shape (P,), in the order of the record; the capacity is what has passed
        since the half cycle began.
    direction : ``discharge`` or ``charge``.
    """

    cycle: int
    voltage_V: np.ndarray
    capacity_mAh_per_g: np.ndarray
    direction: str = DISCHARGE


@dataclass(frozen=True)
class CyclingTest:
    """A cell and how it was cycled.

    Attributes
    ----------
    test_id : its name.
    composition : formula of the active material as synthesised, of :func:`canonical_composition`.
    label : what the numbers are, ``experiment`` or ``synthetic``.
    rate_mA_per_g : current per mass of active material, positive.
    voltage_low_V, voltage_high_V : the window.
    profiles : half cycles, in the order of the record.
    source : name of the file it was read from, or of what made it.
    active_mass_mg, electrode_mass_mg : of the active material, and of the film with carbon and binder; None
        where the source does not tell.
    """

    test_id: str
    composition: str
    label: str
    rate_mA_per_g: float
    voltage_low_V: float
    voltage_high_V: float
    profiles: tuple[Profile, ...]
    source: str
    active_mass_mg: float | None = None
    electrode_mass_mg: float | None = None

    def __post_init__(self) -> None:
        """Check what every cycle shares.

        Raises
        ------
        CyclingError : a composition, label, rate, window or mass that no test has.
        """
        object.__setattr__(self, "composition", canonical_composition(self.composition))
        if self.label not in LABELS:
            raise CyclingError(f"label {self.label!r} is none of {', '.join(LABELS)}")
        if not 0 < self.rate_mA_per_g <= LARGEST_RATE_MA_PER_G:
            raise CyclingError(
                f"rate {self.rate_mA_per_g} mA/g is not between 0 and {LARGEST_RATE_MA_PER_G:,.0f}; give the"
                " current per gram of active material, positive"
            )
        if not 0 <= self.voltage_low_V < self.voltage_high_V <= LARGEST_VOLTAGE_V:
            raise CyclingError(
                f"voltage window {self.voltage_low_V} to {self.voltage_high_V} V: the lower limit must be"
                f" below the upper one, both within 0 and {LARGEST_VOLTAGE_V:.0f} V"
            )
        for name in ("active_mass_mg", "electrode_mass_mg"):
            mass = getattr(self, name)
            if mass is not None and not (math.isfinite(mass) and mass > 0):
                raise CyclingError(f"{name} is {mass}, must be positive")


@dataclass(frozen=True)
class SetAside:
    """A test, or one cycle of it, that is not in the data set, and why.

    Attributes
    ----------
    source : name of the file.
    test_id : the test, or the file's name where no test could be read from it.
    cycle : its number, or None for the whole test.
    reason : in words.
    partly : the rest of the test is used, so that it does not count as one that is set aside.
    """

    source: str
    test_id: str
    cycle: int | None
    reason: str
    partly: bool = False


def read_each(
    records: Iterable[tuple[str, R]],
    read: Callable[[R, str, str], tuple[CyclingTest, list[SetAside]]],
    source: str,
) -> tuple[list[CyclingTest], list[SetAside]]:
    """The tests of one file, and what of it is set aside: whole tests that cannot be read, and bad cycles.

    Parameters
    ----------
    records : a name and the content of each test.
    read : a test and its bad cycles, from content, name and ``source``; raises DataError where there is none.
    source : name of the file.
    """
    tests, set_aside = [], []
    for test_id, record in records:
        try:
            test, bad_cycles = read(record, test_id, source)
        except DataError as error:
            set_aside.append(SetAside(source, test_id, None, str(error)))
        else:
            tests.append(test)
            set_aside.extend(bad_cycles)
    return tests, set_aside


def are_cycles(numbers: np.ndarray | float) -> np.ndarray:
    """Whether a number, or each of several, can be that of a cycle: whole, at most ``LAST_CYCLE``."""
    numbers = np.asarray(numbers, dtype=float)
    return np.isfinite(numbers) & (numbers == np.floor(numbers)) & (np.abs(numbers) <= LAST_CYCLE)


def at_another_rate(measured: np.ndarray | float, rate: float) -> np.ndarray:
    """Whether a rate or current, or each of several, is so far from that of the test that it is another."""
    return np.abs(np.asarray(measured) - rate) > RATE_TOLERANCE * rate


def canonical_composition(formula: object) -> str:
    """One spelling per composition, without spaces; amounts are kept as they are, not reduced.

    Amounts stay because the published network reads them: Li2.4Mn0.8Ti0.8O4 is another input to it than
    Li1.2Mn0.4Ti0.4O2.

    Raises
    ------
    FormulaError : empty, not a formula, with an unknown element or an amount that is not positive.
    """
    composition = parse_formula(formula)
    return "".join(
        f"{element.symbol}{formula_double_format(composition[element])}"
        for element in sorted(composition.elements)
    )
