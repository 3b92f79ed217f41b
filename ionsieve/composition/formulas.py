"""From two formulas and an ion to a pair: one host, and the ions in it when discharged and charged."""

from dataclasses import dataclass

import numpy as np
from pymatgen.core import Composition, Element
from pymatgen.util.string import formula_double_format

from ionsieve.errors import DataError, first_line
from ionsieve.ions import WORKING_IONS

N_ELEMENTS = 118
# Shares of a host's atoms that differ by less are one host: formulas are often rounded, Ni0.33Mn0.33Co0.33O2
# for one. V5O12 and V9O22 differ by more.
HOST_TOLERANCE = 2.5e-3
# What no formula of a crystal exceeds; beyond lie slips of the keyboard, overflows, and parsers that recurse.
LARGEST_AMOUNT = 1e6
LONGEST_FORMULA = 300


class FormulaError(DataError):
    """A formula or a pair of formulas that no voltage belongs to; the message is the reason."""


@dataclass(frozen=True)
class Pair:
    """A charged and a discharged formula of one host.

    Attributes
    ----------
    working_ion : symbol.
    host : atoms of each element but the working ion, per atom of the host, shape (119,); its sum is 1.
    ions_discharged, ions_charged : working ions per atom of the host.
    """

    working_ion: str
    host: np.ndarray
    ions_discharged: float
    ions_charged: float

    @property
    def x_charged(self) -> float:
        """Ions that stay when charged, as a fraction of those when discharged."""
        return self.ions_charged / self.ions_discharged


def parse_formula(formula: object) -> Composition:
    """The composition of a formula such as ``Li2Co3(P2O7)2`` or ``Li1.2Mn0.4Ti0.4O2``.

    Raises
    ------
    FormulaError : empty, not a formula, or with an element that does not exist.
    """
    text = "" if formula is None else str(formula).strip()
    if not text or text == "nan":
        raise FormulaError("empty formula")
    if len(text) > LONGEST_FORMULA:
        raise FormulaError(
            f"not a formula: {text[:20]!r} ... of {len(text)} characters, at most {LONGEST_FORMULA}"
        )
    try:
        composition = Composition(text)
    except Exception as error:  # pymatgen raises whatever a damaged formula makes it raise
        raise FormulaError(f"not a formula: {text!r} ({first_line(error)})") from error
    # pymatgen takes symbols that it does not know, and X, for dummy species.
    strangers = sorted(
        element.symbol
        for element in composition
        if not isinstance(element, Element) or element.Z > N_ELEMENTS
    )
    if strangers:
        raise FormulaError(f"unknown element: {', '.join(strangers)} in {text!r}")
    if not composition or not all(0 < amount <= LARGEST_AMOUNT for amount in composition.values()):
        raise FormulaError(
            f"not a formula: {text!r} (an amount is not positive, or above {LARGEST_AMOUNT:,.0f})"
        )
    return composition


def pair_of(discharged: object, working_ion: str, charged: object = None) -> Pair:
    """The pair of two formulas; without a charged one, that of the extraction of all ions.

    Raises
    ------
    FormulaError : a formula that does not parse, an ion that is unknown or absent from the discharged
        formula, a charged formula of another host or with as many ions or more.
    """
    if working_ion not in WORKING_IONS:
        raise FormulaError(f"not a working ion: {working_ion!r}; known: {', '.join(WORKING_IONS)}")
    host, ions_discharged = _host(parse_formula(discharged), working_ion, f"discharged formula {discharged}")
    if ions_discharged == 0:
        raise FormulaError(f"ion absent: the discharged formula {discharged} holds no {working_ion}")
    if charged is None:
        return Pair(working_ion, host, ions_discharged, 0.0)
    other, ions_charged = _host(parse_formula(charged), working_ion, f"charged formula {charged}")
    if np.abs(other - host).max() > HOST_TOLERANCE:
        raise FormulaError(
            f"unbalanced hosts: without {working_ion}, {charged} and {discharged} are not the same"
        )
    if ions_charged >= ions_discharged * (1 - 1e-6):
        raise FormulaError(
            f"charged formula with as much {working_ion} as the discharged one or more: {charged},"
            f" {discharged}"
        )
    return Pair(working_ion, host, ions_discharged, ions_charged)


def charged_formula(discharged: object, working_ion: str) -> str:
    """The formula that is left when all ions leave, with the discharged formula's own amounts and order."""
    return "".join(
        f"{element.symbol}{formula_double_format(amount)}"
        for element, amount in parse_formula(discharged).items()
        if element.symbol != working_ion
    )


def _host(composition: Composition, working_ion: str, what: str) -> tuple[np.ndarray, float]:
    """Atoms of the host per atom of it, shape (119,), and the working ions per atom of it."""
    atoms = np.zeros(N_ELEMENTS + 1)
    n_ions = 0.0
    for element, amount in composition.items():
        if element.symbol == working_ion:
            n_ions = float(amount)
        else:
            atoms[element.Z] += float(amount)
    n_host = atoms.sum()
    if not n_host:
        raise FormulaError(f"no host: the {what} is nothing but {working_ion}")
    return atoms / n_host, n_ions / n_host
