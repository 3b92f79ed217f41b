"""From two formulas and an ion to a pair: one host, and the ions in it when discharged and charged."""

import re
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

SYMBOLS = frozenset(Element.from_Z(number).symbol for number in range(1, N_ELEMENTS + 1))
ISOTOPES = ("D", "T")
# pymatgen passes over what it does not know at some places ("Mg@Mn2O4", "O 2"): all is looked at here.
_PART = re.compile(
    r"(?P<symbol>[A-Z][a-z]*)|(?P<bracket>[()\[\]{}])|(?P<amount>(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e-?[0-9]+)?)"
    r"|(?P<blank>\s+)"
)
_SUBSCRIPTS = str.maketrans("₀₁₂₃₄₅₆₇₈₉", "0123456789")
# The signs that chemists put between the parts of an adduct, with what follows: LiFePO4·2H2O.
_JOINED = re.compile(r"\s*[·•∙⋅・*]\s*(?P<count>[0-9.]*)\s*(?P<rest>[A-Z(\[{].*)$", re.DOTALL)
# A plain dot is one of them only before water at the end: O4.2H2O is O4 and 2 H2O, or O4.2 and H2O.
# Not after a zero, where it can only be decimal, nor before one.
_DOTTED_WATER = re.compile(
    r"(?<![0-9.])(?P<whole>[0-9]*)\.(?P<count>[0-9]+\.[0-9]+|[1-9][0-9]*|)\s*(?P<rest>H2O|\(H2O\))$"
)
# A count with a formula behind a blank ("MgMn2O4 2H2O"), and a dot that no decimals follow ("MgO.Al2O3").
_APART = re.compile(
    r"(?:\.?\s+|(?<=[A-Za-z)\]}0-9])\.(?![0-9\s]))(?P<count>[0-9.]*)(?=(?P<rest>[A-Z(\[{].*)$)", re.DOTALL
)


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

    Amounts may be written with subscripts, and blanks may stand between elements, not between formulas.

    Raises
    ------
    FormulaError : empty, not a formula, several formulas, or with an element that does not exist.
    """
    given = "" if formula is None else str(formula).strip()
    if not given or given == "nan":
        raise FormulaError("empty formula")
    if len(given) > LONGEST_FORMULA:
        raise FormulaError(
            f"not a formula: {given[:20]!r} ... of {len(given)} characters, at most {LONGEST_FORMULA}"
        )
    text = given.translate(_SUBSCRIPTS)
    _refuse_several(given, text)
    symbols = _symbols(given, text)
    try:
        composition = Composition("".join(text.split()))
    except Exception as error:  # pymatgen raises whatever a damaged formula makes it raise
        raise FormulaError(f"not a formula: {given!r} ({first_line(error)})") from error
    # pymatgen drops elements of no amount.
    none = [symbol for symbol in symbols if not composition[symbol]]
    if none:
        raise FormulaError(
            f"not a formula: {given!r} (the amount of {none[0]} is zero; mend it, or leave {none[0]} away)"
        )
    if not composition or not all(0 < amount <= LARGEST_AMOUNT for amount in composition.values()):
        raise FormulaError(
            f"not a formula: {given!r} (an amount is not positive, or above {LARGEST_AMOUNT:,.0f})"
        )
    return composition


def _refuse_several(given: str, text: str) -> None:
    """Raise FormulaError for hydrates and other sums of formulas, which can be read in several ways."""
    if water := _DOTTED_WATER.search(text):
        whole, count = water["whole"], water["count"]
        if not whole or float(whole):
            head = "".join(text[: water.start()].split()) + whole
            other = (
                f"; if the amount {whole}.{count} is meant, {water['rest']}{head}.{count}"
                if count and "." not in count
                else ""
            )
            raise FormulaError(f"not a formula: {given!r} (for a hydrate write {head}(H2O){count}{other})")
    joined = _JOINED.search(text)
    if joined is None:
        joined = next((apart for apart in _APART.finditer(text) if _is_second_formula(text, apart)), None)
    if joined:
        head, group = (re.sub(r"\s", "", part) for part in (text[: joined.start()], joined["rest"]))
        inner = group[1:-1] if re.fullmatch(r"\([^()]*\)", group) else group
        remedy = f"{head}({inner}){joined['count']}"
        is_plain = "".join(part[0] for part in _PART.finditer(remedy)) == remedy
        raise FormulaError(
            f"not a formula: {given!r} (several formulas; write one{f': {remedy}' if is_plain else ''})"
        )


def _is_second_formula(text: str, apart: re.Match[str]) -> bool:
    """Whether what stands behind a blank or a dot is another formula, not the next elements of the same."""
    if apart["count"] or "." in apart[0][: apart.start("rest") - apart.start()]:
        return True
    # A group in brackets belongs to what is before it; an element that comes again begins another formula.
    if apart["rest"][0] in "([{":
        return False
    before, after = (set(re.findall("[A-Z][a-z]*", part)) for part in (text[: apart.start()], apart["rest"]))
    return bool(before & after)


def _symbols(given: str, text: str) -> list[str]:
    """The elements of a formula, in which all else is amounts, brackets and blanks.

    Raises
    ------
    FormulaError : something else is there, amounts without an element, or unknown elements.
    """
    symbols, place, last = [], 0, ""
    while place < len(text):
        part = _PART.match(text, place)
        if part is None:
            raise FormulaError(f"not a formula: {given!r} ({text[place]!r} has no meaning in one)")
        kind = str(part.lastgroup)
        if kind == "symbol":
            symbols.append(part[0])
        if kind == "amount" and (last not in ("symbol", "bracket") or text[place - 1] in "([{"):
            raise FormulaError(f"not a formula: {given!r} (the amount {part[0]} does not follow an element)")
        place, last = part.end(), kind
    isotopes = [symbol for symbol in symbols if symbol in ISOTOPES]
    if isotopes:
        raise FormulaError(f"isotope: {isotopes[0]} in {given!r}; voltages do not know isotopes: write H")
    words = [symbol for symbol in symbols if len(symbol) > 2]
    if words:
        raise FormulaError(f"not a formula: {given!r} ({words[0]} is no element)")
    strangers = sorted(set(symbols) - SYMBOLS)
    if strangers:
        raise FormulaError(f"unknown element: {', '.join(strangers)} in {given!r}")
    return symbols


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
