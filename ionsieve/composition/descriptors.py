"""What a chemist would ask of two formulas, as numbers: the inputs of trees.

Three groups, each with a prefix:

``elements_``  statistics of the elements of the host and of its classes, each element's share, the ion
``content_``   how many ions there are, how many leave, and the charge that they take along
``redox_``     formal charges: which element gives the electrons, from which state to which, and what it
               costs a free atom

Nothing here depends on a crystal, on an energy, or on any other electrode. Formulas that differ by a
factor have the same descriptors.
"""

from functools import cache

import numpy as np
import pandas as pd
from ase.data import chemical_symbols
from pymatgen.core import Element

from ionsieve.composition.formulas import N_ELEMENTS
from ionsieve.composition.pairs import Pairs
from ionsieve.electrochemistry import ANION_CHARGE, HIGHEST_OXIDATION_STATE
from ionsieve.voltage.element_features import PROPERTY_NAMES, element_properties

_CLASSES = ("host", "redox", "anion", "other")
_STATISTICS = ("mean", "deviation", "min", "max")
_OF_TAKERS = (
    "mendeleev_number",
    "outer_electrons",
    "period",
    "electronegativity",
    "ionization_2_eV",
    "ionization_3_eV",
    "ionization_4_eV",
)
# Of free atoms that are stripped bare, and of formal charges that no atom carries.
_LARGEST_IONIZATION_EV = 150.0
# What "per anion" divides by at least. Hosts whose anions give the electrons, or that have none, thus stand
# beyond those with anions and not, at 0, beside those with few ions; trees read nothing but that order. On 77
# such hosts of the Materials Project's electrodes 0 makes no difference beyond that of one fold to the next.
_LEAST_ANION_SHARE = 1e-2
_DECIMALS = 4


def describe(pairs: Pairs) -> pd.DataFrame:
    """Descriptors of S pairs: S rows of finite float32 numbers, 0 where a class of elements is absent.

    Two are not 0 then: without elements of the class "anion", what is told per anion is a hundred times that
    per atom of the host.
    """
    charges = _Classes(pairs)
    columns = {
        **{f"elements_{name}": values for name, values in _elements(pairs, charges).items()},
        **{f"content_{name}": values for name, values in _content(pairs, charges).items()},
        **{f"redox_{name}": values for name, values in _redox(pairs, charges).items()},
    }
    # Rounded, so that rounding in a formula's amounts moves no pair across a tree's split.
    return pd.DataFrame(columns).fillna(0.0).round(_DECIMALS).astype(np.float32)


class _Classes:
    """Formal charges of S hosts, each element's, shape (S, 119), and the classes that follow from them.

    Attributes
    ----------
    discharged, charged : charge of each element of the host; 0 where it is absent.
    is_taker : the elements that give the electrons, bool.
    is_anion : elements of negative charge that give none, bool.
    """

    def __init__(self, pairs: Pairs) -> None:
        formal = pairs.formal_charges
        self.discharged, self.charged, self.is_taker = formal.discharged, formal.charged, formal.is_taker
        self.is_anion = (self.discharged < 0) & _ANIONS & ~self.is_taker


_ANIONS = np.isin(np.array(chemical_symbols[: N_ELEMENTS + 1]), list(ANION_CHARGE))
_HIGHEST = np.array(
    [float(HIGHEST_OXIDATION_STATE.get(symbol, 0)) for symbol in chemical_symbols[: N_ELEMENTS + 1]]
)


def _elements(pairs: Pairs, charges: _Classes) -> dict[str, np.ndarray]:
    """Statistics of element properties by class, shares, and the ion's own properties."""
    of_elements = np.column_stack([np.arange(N_ELEMENTS + 1.0), element_properties()])
    names = ("number", *PROPERTY_NAMES)
    in_host = pairs.host > 0
    classes = {
        "host": in_host,
        "redox": charges.is_taker,
        "anion": charges.is_anion,
        "other": in_host & ~charges.is_taker & ~charges.is_anion,
    }
    columns: dict[str, np.ndarray] = {}
    for kind in _CLASSES:
        for name, values in zip(names, of_elements.T, strict=True):
            for statistic, column in _statistics(pairs.host, classes[kind], values).items():
                columns[f"{kind}_{name}_{statistic}"] = column
        columns[f"{kind}_share"] = (pairs.host * classes[kind]).sum(axis=1)
        columns[f"{kind}_elements"] = classes[kind].sum(axis=1).astype(float)
    for name, values in zip(names, of_elements.T, strict=True):
        columns[f"ion_{name}"] = values[pairs.ion_numbers]
    for number in range(1, N_ELEMENTS + 1):
        columns[f"share_{chemical_symbols[number]}"] = pairs.host[:, number]
    return columns


def _statistics(amounts: np.ndarray, chosen: np.ndarray, values: np.ndarray) -> dict[str, np.ndarray]:
    """Mean (by atoms), mean deviation, smallest and largest value of the chosen elements, each (S,)."""
    weights = amounts * chosen
    total = weights.sum(axis=1)
    with np.errstate(invalid="ignore"):
        mean = weights @ values / total
        deviation = (weights * np.abs(values - mean[:, None])).sum(axis=1) / total
    absent = ~chosen.any(axis=1)
    smallest, largest = (
        np.where(absent, np.nan, edge)
        for edge in (
            np.where(chosen, values, np.inf).min(axis=1),
            np.where(chosen, values, -np.inf).max(axis=1),
        )
    )
    return dict(zip(_STATISTICS, (mean, deviation, smallest, largest), strict=True))


def _content(pairs: Pairs, charges: _Classes) -> dict[str, np.ndarray]:
    """Ions and their charge, per atom of the host and per anion."""
    z = pairs.ion_charges
    extracted = pairs.ions_discharged - pairs.ions_charged
    anions = np.maximum((pairs.host * charges.is_anion).sum(axis=1), _LEAST_ANION_SHARE)
    masses = element_properties()[:, PROPERTY_NAMES.index("mass_u")]
    mass = pairs.amounts(pairs.ions_discharged) @ masses
    return {
        "ion_charge": z,
        "discharged": pairs.ions_discharged,
        "charged": pairs.ions_charged,
        "extracted": extracted,
        "x_charged": pairs.ions_charged / pairs.ions_discharged,
        "charge_discharged": z * pairs.ions_discharged,
        "charge_extracted": z * extracted,
        "discharged_per_anion": pairs.ions_discharged / anions,
        "charge_extracted_per_anion": z * extracted / anions,
        "charge_per_mass": z * extracted / mass,
    }


def _redox(pairs: Pairs, charges: _Classes) -> dict[str, np.ndarray]:
    """States of the elements that give the electrons, and what those electrons cost a free atom."""
    takers = pairs.host * charges.is_taker
    n_takers = takers.sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        discharged = (takers * charges.discharged).sum(axis=1) / n_takers
        charged = (takers * charges.charged).sum(axis=1) / n_takers
        highest = (takers @ _HIGHEST) / n_takers
    metals = (charges.is_taker & (_HIGHEST > 0)).any(axis=1)
    columns = {
        "by_metals": metals.astype(float),
        "electrons_per_taker": charged - discharged,
        "state_discharged": discharged,
        "state_charged": charged,
        "headroom_discharged": np.where(metals, highest - discharged, np.nan),
        "headroom_charged": np.where(metals, highest - charged, np.nan),
        "takers_per_host": n_takers,
        "beyond_highest": np.where(metals, np.maximum(charged - highest, 0.0) * n_takers, np.nan),
    }
    properties = element_properties()
    outer = properties[:, PROPERTY_NAMES.index("outer_electrons")]
    # Ties by number: descriptors do not depend on the order of elements in a formula.
    order = np.argsort(-takers, axis=1, kind="stable")
    rows = np.arange(len(pairs))
    for rank, name in enumerate(("first", "second", "third")):
        number = order[:, rank]
        here = takers[rows, number] > 0
        for wanted in _OF_TAKERS:
            values = properties[number, PROPERTY_NAMES.index(wanted)]
            columns[f"{name}_{wanted}"] = np.where(here, values, np.nan)
        states = charges.discharged[rows, number], charges.charged[rows, number]
        columns[f"{name}_share"] = np.where(here, takers[rows, number] / n_takers, np.nan)
        for when, state in zip(("discharged", "charged"), states, strict=True):
            columns[f"{name}_electrons_{when}"] = np.where(here, outer[number] - state, np.nan)
            columns[f"{name}_ionization_{when}_eV"] = np.where(here, _ionization_eV(number, state), np.nan)
        columns[f"{name}_ionization_mean_eV"] = np.where(here, _mean_ionization_eV(number, *states), np.nan)
    each = np.zeros_like(takers)
    taking_rows, numbers = np.nonzero(takers)
    each[taking_rows, numbers] = _mean_ionization_eV(
        numbers, charges.discharged[taking_rows, numbers], charges.charged[taking_rows, numbers]
    )
    columns["ionization_mean_eV"] = (takers * each).sum(axis=1) / n_takers
    columns["ionization_min_eV"] = np.where(takers > 0, each, np.inf).min(axis=1)
    columns["ionization_max_eV"] = np.where(takers > 0, each, -np.inf).max(axis=1)
    ions = pairs.ion_numbers
    cumulative = _cumulative_ionization_eV()
    columns["ion_ionization_mean_eV"] = cumulative[ions, pairs.ion_charges.astype(int)] / pairs.ion_charges
    return columns


@cache
def _cumulative_ionization_eV() -> np.ndarray:
    """Energy to strip 0 ... 8 electrons off a free atom, shape (119, 9); the last step repeats."""
    table = np.zeros((N_ELEMENTS + 1, 9))
    for number in range(1, N_ELEMENTS + 1):
        energies = [value for value in Element.from_Z(number).ionization_energies or [] if value is not None][
            :8
        ]
        energies = [min(float(value), _LARGEST_IONIZATION_EV) for value in energies] or [8.0]
        energies += energies[-1:] * (8 - len(energies))
        table[number, 1:] = np.cumsum(energies)
    return table


def _stripped_eV(numbers: np.ndarray, states: np.ndarray) -> np.ndarray:
    """Energy of free atoms in fractional charge states, linear between whole ones, in eV."""
    table = _cumulative_ionization_eV()
    bounded = np.clip(states, 0.0, 7.999)
    low = bounded.astype(int)
    inside = table[numbers, low] + (bounded - low) * (table[numbers, low + 1] - table[numbers, low])
    # Below zero an electron is worth a tenth of the first ionisation: an order, not an affinity.
    return np.where(states < 0, 0.1 * states * table[numbers, 1], inside)


def _ionization_eV(numbers: np.ndarray, states: np.ndarray) -> np.ndarray:
    """Energy of the next electron at a charge state, in eV."""
    return _stripped_eV(numbers, states + 0.5) - _stripped_eV(numbers, states - 0.5)


def _mean_ionization_eV(numbers: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Mean energy per electron between two charge states, in eV."""
    step = np.maximum(high - low, 1e-3)
    return (_stripped_eV(numbers, low + step) - _stripped_eV(numbers, low)) / step
