"""From a formula to what a discharge network reads: cations, their amounts, the share of fluorine.

Elements are the 200-dimensional vectors that word2vec made of abstracts (Tshitoyan et al., Nature 571, 95
(2019)), as the library ``elementembeddings`` ships them under the name "matscholar". Only its data file is
read: its code would import a dozen libraries for plots.
"""

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np
from pymatgen.core import Composition

from ionsieve.composition.formulas import FormulaError, parse_formula
from ionsieve.errors import DataError

ANIONS = ("O", "F")
# The formulas of the DRXNet data are written for two anions, LiMO2.
ANIONS_PER_FORMULA = 2.0
_VECTORS = "data/element_representations/matscholar-embedding.json"


@dataclass(frozen=True)
class Cathode:
    """A composition as written.

    Attributes
    ----------
    cations : symbols of all elements but O and F, by atomic number.
    amounts : of the cations, shape (K,), per formula as written.
    oxygen, fluorine : amounts per formula as written.
    """

    cations: tuple[str, ...]
    amounts: np.ndarray
    oxygen: float
    fluorine: float

    @property
    def elements(self) -> tuple[str, ...]:
        """Symbols of the cations, then of the anions that are there."""
        return (*self.cations, "O", *(["F"] if self.fluorine else []))

    @property
    def anions(self) -> float:
        """Amount of O and F together."""
        return self.oxygen + self.fluorine

    @property
    def cations_per_anion(self) -> float:
        """1 in a rocksalt."""
        return float(self.amounts.sum()) / self.anions

    @property
    def lithium_share(self) -> float:
        """Amount of Li per amount of all cations; 0 without Li."""
        return dict(zip(self.cations, self.amounts.tolist(), strict=True)).get("Li", 0.0) / float(
            self.amounts.sum()
        )

    def per_two_anions(self) -> "Cathode":
        """The same composition, written for two anions."""
        factor = ANIONS_PER_FORMULA / self.anions
        return Cathode(self.cations, self.amounts * factor, self.oxygen * factor, self.fluorine * factor)


@cache
def element_vectors() -> dict[str, np.ndarray]:
    """The vector of each element from H to Lr, by symbol; shape (200,), of length 1.

    Raises
    ------
    DataError : the library that ships them is not installed.
    """
    try:
        text = files("elementembeddings").joinpath(_VECTORS).read_text()
    except (ModuleNotFoundError, FileNotFoundError) as error:
        raise DataError(
            f"the element vectors are missing ({error}); pip install elementembeddings"
        ) from error
    return {symbol: np.array(vector) for symbol, vector in json.loads(text).items()}


def parse_cathode(formula: object) -> Cathode:
    """The cations and anions of a formula such as ``Li1.2Mn0.4Ti0.4O2`` or ``Li1.2Mn0.6Nb0.2O1.8F0.2``.

    Raises
    ------
    FormulaError : no formula, an amount that is not positive, an element without a vector, no oxygen, or
        nothing but anions.
    """
    composition: Composition = parse_formula(formula)
    amounts = {element.symbol: float(composition[element]) for element in sorted(composition, key=_number)}
    vectors = element_vectors()
    if strangers := [symbol for symbol in amounts if symbol not in vectors]:
        raise FormulaError(f"no vector for {', '.join(strangers)} in {str(formula)!r}; H to Lr have one")
    if "O" not in amounts:
        raise FormulaError(f"no oxygen in {str(formula)!r}; oxides and oxyfluorides only")
    cations = tuple(symbol for symbol in amounts if symbol not in ANIONS)
    if not cations:
        raise FormulaError(f"no cation in {str(formula)!r}; oxides and oxyfluorides only")
    return Cathode(
        cations, np.array([amounts[symbol] for symbol in cations]), amounts["O"], amounts.get("F", 0.0)
    )


def _number(element: object) -> int:
    return getattr(element, "Z", 0)
