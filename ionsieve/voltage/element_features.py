"""Atoms as one-hot property vectors of length 92, generated from element data.

The properties and ranges are those of CGCNN (Xie and Grossman, Phys. Rev. Lett. 120, 145301 (2018),
supplement, table II): each property is one block of the vector and each block holds exactly one 1.
The f elements have no group and share two rows, so that CGCNN's coarse bins would give neighbours
like Ho and Er one vector. They are placed as the d elements are: in the column that counts their
electrons outside the closed shells (La 3, Ce 4, ... Yb 16), in a row of their own (8).
"""

import math
import warnings
from collections.abc import Callable, Sequence
from functools import cache

import numpy as np
from ase.data import covalent_radii
from pymatgen.core import Element

N_ELEMENTS = 118
# Length of each block; they add up to 92.
BLOCK_SIZES: dict[str, int] = {
    "group": 18,
    "period": 8,  # 8: the f rows
    "electronegativity": 10,  # Pauling, 0.5 to 4.0
    "covalent_radius": 10,  # 25 to 250 pm (Cordero)
    "valence_electrons": 12,
    "log_ionization_energy": 10,  # ln of eV, 1.3 to 3.3
    "electron_affinity": 10,  # -3.0 to 3.7 eV
    "block": 4,
    "log_atomic_volume": 10,  # ln of cm3/mol, 1.5 to 4.3
}
N_FEATURES = sum(BLOCK_SIZES.values())

_NO_RADIUS_A = 0.2  # ASE's mark for "not known"
_F_ROW = 8


RANDOM_BITS = 640
_RANDOM_BITS_SEED = 640


@cache
def random_binary_vectors() -> np.ndarray:
    """One fixed vector of random bits per element, which says nothing of chemistry.

    Returns
    -------
    float32 zeros and ones, shape (119, 640); row 0 is zero.
    """
    random = np.random.default_rng(_RANDOM_BITS_SEED)
    vectors = random.integers(0, 2, size=(N_ELEMENTS + 1, RANDOM_BITS)).astype(np.float32)
    vectors[0] = 0.0
    vectors.setflags(write=False)
    return vectors


@cache
def element_vectors() -> np.ndarray:
    """One-hot property vectors of all elements.

    Returns
    -------
    float32, shape (119, 92); row Z is the element of atomic number Z, row 0 is zero.
    """
    elements = [Element.from_Z(number) for number in range(1, N_ELEMENTS + 1)]
    categories = {
        "group": np.array([_column(element) - 1 for element in elements]),
        "period": np.array([(_F_ROW if element.block == "f" else element.row) - 1 for element in elements]),
        "electronegativity": _bins(_known(elements, lambda e: e.X), 0.5, 4.0, 10),
        "covalent_radius": _bins(_known(elements, _covalent_radius_pm), 25.0, 250.0, 10),
        "valence_electrons": np.array([min(_outer_electrons(element), 12) - 1 for element in elements]),
        "log_ionization_energy": _bins(
            _known(elements, lambda e: math.log(e.ionization_energies[0])), 1.3, 3.3, 10
        ),
        "electron_affinity": _bins(_known(elements, lambda e: e.electron_affinity), -3.0, 3.7, 10),
        "block": np.array(["spdf".index(element.block) for element in elements]),
        "log_atomic_volume": _bins(_known(elements, lambda e: math.log(e.molar_volume)), 1.5, 4.3, 10),
    }
    blocks = [np.eye(size, dtype=np.float32)[categories[name]] for name, size in BLOCK_SIZES.items()]
    vectors = np.vstack([np.zeros(N_FEATURES, dtype=np.float32), np.hstack(blocks)])
    vectors.setflags(write=False)
    return vectors


PROPERTY_NAMES = (
    "electronegativity",
    "atomic_radius_A",
    "mendeleev_number",
    "ionization_1_eV",
    "ionization_2_eV",
    "ionization_3_eV",
    "ionization_4_eV",
    "electron_affinity_eV",
    "outer_electrons",
    "period",
    "melting_point_K",
    "molar_volume_cm3",
    "mass_u",
)


@cache
def element_properties() -> np.ndarray:
    """The properties PROPERTY_NAMES of all elements as plain numbers.

    Returns
    -------
    float64, shape (119, 13); row Z is the element of atomic number Z, row 0 is zero.
    """
    elements = [Element.from_Z(number) for number in range(1, N_ELEMENTS + 1)]
    columns = [
        _known(elements, lambda e: e.X),
        _known(elements, lambda e: e.atomic_radius),
        _known(elements, lambda e: e.mendeleev_no),
        *(_known(elements, _ionization_energy_eV(nth)) for nth in range(4)),
        _known(elements, lambda e: e.electron_affinity),
        np.array([_outer_electrons(element) for element in elements], dtype=float),
        np.array([element.row for element in elements], dtype=float),
        _known(elements, lambda e: e.melting_point),
        _known(elements, lambda e: e.molar_volume),
        _known(elements, lambda e: e.atomic_mass),
    ]
    table = np.vstack([np.zeros(len(columns)), np.stack(columns, axis=1)])
    table.setflags(write=False)
    return table


def _ionization_energy_eV(nth: int) -> Callable[[Element], float]:
    def of_element(element: Element) -> float:
        return float(element.ionization_energies[nth])

    return of_element


def _outer_electrons(element: Element) -> int:
    """Electrons outside the closed shells: s and p in the p block, s, d and f elsewhere."""
    if element.block == "p":
        return element.group - 10 if element.group > 2 else 2
    if element.block == "f":
        # Counted along the row: La 3 ... Yb 16, Ac 3 ... No 16.
        return element.Z - (57 if element.row == 6 else 89) + 3
    return element.group


def _column(element: Element) -> int:
    return _outer_electrons(element) if element.block == "f" else element.group


def _covalent_radius_pm(element: Element) -> float:
    radius_A = covalent_radii[element.Z]
    return math.nan if radius_A == _NO_RADIUS_A else 100.0 * float(radius_A)


def _known(elements: Sequence[Element], value: Callable[[Element], float | None]) -> np.ndarray:
    """A property of all elements; where it is not known, that of the nearest element by atomic number.

    Missing are the electronegativities of He, Ne, Ar and data of a few short-lived elements.
    """
    values = np.full(len(elements), math.nan)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pymatgen warns of each value it does not have
        for index, element in enumerate(elements):
            try:
                known = value(element)
            except (IndexError, KeyError, TypeError, ValueError):
                known = None
            values[index] = math.nan if known is None else float(known)
    known_at = np.flatnonzero(np.isfinite(values))
    nearest = np.abs(np.arange(len(elements))[:, None] - known_at).argmin(axis=1)
    return values[known_at[nearest]]


def _bins(values: np.ndarray, low: float, high: float, n_bins: int) -> np.ndarray:
    """Index of the equal bin that holds each value; values outside fall in the first or last."""
    return np.clip(((values - low) / (high - low) * n_bins).astype(int), 0, n_bins - 1)
