"""What a chemist would ask of a discharged crystal, as numbers: the inputs beside the graph.

Five groups, each with a prefix, so that an ablation can leave one out:

``composition_``    elements of the ion, of the host and of its classes (redox-active, anion, other)
``redox_``          formal charges: which element gives the electrons, from which state to which
``bonding_``        bond valence sums, coordination and neighbours of the ions, redox centres and anions
``distance_``       shortest and mean distances between the classes, volumes, density
``electrostatic_``  Ewald energies and site potentials of the formal charges, full and emptied of ions

Nothing here is computed from energies or from any other electrode, and nothing depends on how a crystal
is written: not on the cell, its origin or the order of its atoms.
"""

import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cache

import numpy as np
import pandas as pd
from ase.data import atomic_masses, chemical_symbols
from pymatgen.analysis.bond_valence import BV_PARAMS
from pymatgen.analysis.ewald import EwaldSummation
from pymatgen.core import Lattice, Species, Structure

from ionsieve.electrochemistry import ANION_CHARGE, HIGHEST_OXIDATION_STATE, formal_charges
from ionsieve.ions import ion_charge
from ionsieve.voltage.element_features import N_ELEMENTS, PROPERTY_NAMES, element_properties
from ionsieve.voltage.graphs import nearest_neighbors

GROUPS = ("composition", "redox", "bonding", "distance", "electrostatic")

# Bonds weaker than this share of a valence unit do not count as coordination.
_WEAKEST_BOND = 0.12
# exp((R - d) / b) of Brown and Altermatt, Acta Cryst. B 41, 244 (1985), with b of O'Keeffe and Brese.
_BOND_SOFTNESS_A = 0.31
_CUTOFF_A, _MAX_NEIGHBORS = 8.0, 12
# Where two classes have no pair within reach, and where a class is absent.
_FAR_A = 9.0
# Digits of the Ewald sums; six are a hundred times finer than any tree's split.
_EWALD_DIGITS = 6.0
_DECIMALS = 3
# Potentials beyond this are those of formal charges that no crystal carries (metals, subvalent hosts).
_LARGEST_POTENTIAL_V = 500.0


def describe(crystals: pd.DataFrame, working_ions: Sequence[str]) -> pd.DataFrame:
    """Descriptors of discharged crystals.

    Parameters
    ----------
    crystals : S >= 1 rows with the columns numbers, cell, frac_coords; each holds its working ion and more.
    working_ions : symbol of each crystal's working ion, length S.

    Returns
    -------
    S rows of finite float32 numbers, the columns :func:`descriptor_names`.
    """
    names = descriptor_names()
    place = {name: column for column, name in enumerate(names)}
    table = np.zeros((len(crystals), len(names)), dtype=np.float32)
    for row, (numbers, cell_A, frac_coords, ion) in enumerate(
        zip(crystals["numbers"], crystals["cell"], crystals["frac_coords"], working_ions, strict=True)
    ):
        crystal = _Crystal(
            np.asarray(numbers, dtype=np.int64),
            np.asarray(cell_A, dtype=float).reshape(3, 3),
            np.asarray(frac_coords, dtype=float).reshape(-1, 3),
            ion,
        )
        for name, value in crystal.descriptors():
            table[row, place[name]] = value
    # Rounded, so that what the choice of cell leaves in an Ewald sum moves no crystal across a tree's split.
    rounded = np.round(np.nan_to_num(table, posinf=0.0, neginf=0.0), _DECIMALS)
    return pd.DataFrame(rounded, columns=list(names))


@cache
def descriptor_names() -> tuple[str, ...]:
    """Names of all descriptors: those of a crystal in which every class of atoms occurs, and all elements."""
    numbers = np.array([12, 25, 28, 8, 13])  # Mg, Mn, Ni, O, Al
    points = np.array([[0, 0, 0], [0.5, 0.5, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0.5]])
    names = [name for name, _ in _Crystal(numbers, 5.0 * np.eye(3), points, "Mg").descriptors()]
    fractions = [f"composition_share_{symbol}" for symbol in chemical_symbols[1 : N_ELEMENTS + 1]]
    return tuple(name for name in names if not name.startswith("composition_share_")) + tuple(fractions)


class _Crystal:
    """One discharged crystal, its atoms sorted into classes.

    Parameters
    ----------
    numbers : atomic number of each site, shape (n,).
    cell_A : lattice vectors as rows in angstrom, shape (3, 3).
    frac_coords : shape (n, 3).
    ion : symbol of the working ion.
    """

    def __init__(self, numbers: np.ndarray, cell_A: np.ndarray, frac_coords: np.ndarray, ion: str) -> None:
        self.numbers, self.cell_A, self.frac_coords, self.ion = numbers, cell_A, frac_coords, ion
        symbols = np.array(chemical_symbols)[numbers]
        self.is_ion = symbols == ion
        self.host = Counter(symbols[~self.is_ion].tolist())
        self.n_ions = int(self.is_ion.sum())
        self.charges = formal_charges(self.host, self.n_ions, ion)
        self.is_redox = np.isin(symbols, list(HIGHEST_OXIDATION_STATE)) & ~self.is_ion
        negative = [
            symbol
            for symbol, charge in self.charges.discharged.items()
            if charge < 0 and symbol in ANION_CHARGE
        ]
        self.is_anion = np.isin(symbols, negative) & ~self.is_ion & ~self.is_redox
        self.is_other = ~(self.is_ion | self.is_redox | self.is_anion)
        self.volume_A3 = abs(float(np.linalg.det(cell_A)))

    def descriptors(self) -> Iterator[tuple[str, float]]:
        """Name and value of each descriptor that this crystal has."""
        for group in GROUPS:
            for name, value in getattr(self, f"_{group}")():
                yield f"{group}_{name}", float(value)

    def _composition(self) -> Iterator[tuple[str, float]]:
        properties = element_properties()
        symbols = np.array(chemical_symbols)
        ion_number = int(np.flatnonzero(symbols == self.ion)[0])
        yield "ion_number", ion_number
        yield "ion_charge", ion_charge(self.ion)
        for name, value in zip(PROPERTY_NAMES, properties[ion_number], strict=True):
            yield f"ion_{name}", value
        host = self.numbers[~self.is_ion]
        for kind, of_kind in (
            ("host", ~self.is_ion),
            ("redox", self.is_redox),
            ("anion", self.is_anion),
            ("other", self.is_other),
        ):
            if not of_kind.any():
                continue
            values = properties[self.numbers[of_kind]]
            mean = values.mean(axis=0)
            for statistic, row in (
                ("mean", mean),
                ("deviation", np.abs(values - mean).mean(axis=0)),
                ("max", values.max(axis=0)),
                ("min", values.min(axis=0)),
            ):
                for name, value in zip(PROPERTY_NAMES, row, strict=True):
                    yield f"{kind}_{name}_{statistic}", value
        for symbol, count in self.host.items():
            yield f"share_{symbol}", count / len(host)
        n_redox, n_anion = int(self.is_redox.sum()), int(self.is_anion.sum())
        yield "n_elements", len(self.host)
        yield "redox_per_host", n_redox / len(host)
        yield "anion_per_host", n_anion / len(host)
        yield "ions_per_site", self.n_ions / len(self.numbers)
        yield "ions_per_anion", self.n_ions / max(n_anion, 0.5)
        yield "redox_per_anion", n_redox / max(n_anion, 0.5)

    def _redox(self) -> Iterator[tuple[str, float]]:
        n_electrons = self.n_ions * ion_charge(self.ion)
        takers = [symbol for symbol in self.host if symbol in HIGHEST_OXIDATION_STATE]
        n_redox = int(self.is_redox.sum())
        yield "electrons_per_center", n_electrons / max(n_redox, 0.5)
        yield "electrons_per_host", n_electrons / sum(self.host.values())
        yield "charge_step", self.charges.step
        if not takers:
            return
        discharged = self.charges.discharged[takers[0]]
        charged = discharged + self.charges.step
        yield "state_discharged", discharged
        yield "state_charged", charged
        # Beyond the highest state that a metal reaches, anions must give electrons.
        highest = sum(HIGHEST_OXIDATION_STATE[symbol] * self.host[symbol] for symbol in takers) / n_redox
        yield "headroom_discharged", highest - discharged
        yield "headroom_charged", highest - charged
        properties = element_properties()
        outer = PROPERTY_NAMES.index("outer_electrons")
        kept = [
            PROPERTY_NAMES.index(name)
            for name in (
                "mendeleev_number",
                "outer_electrons",
                "period",
                "ionization_3_eV",
                "ionization_4_eV",
                "electronegativity",
            )
        ]
        ordered = sorted(takers, key=lambda symbol: (-self.host[symbol], symbol))
        for rank, symbol in zip(("first", "second"), ordered, strict=False):
            number = chemical_symbols.index(symbol)
            for column in kept:
                yield f"{rank}_{PROPERTY_NAMES[column]}", properties[number, column]
            yield f"{rank}_electrons_discharged", properties[number, outer] - discharged
            yield f"{rank}_electrons_charged", properties[number, outer] - charged
            yield f"{rank}_share", self.host[symbol] / n_redox

    @property
    def _edges(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        if not hasattr(self, "_found_edges"):
            self._found_edges = nearest_neighbors(
                self.frac_coords @ self.cell_A, self.cell_A, _CUTOFF_A, _MAX_NEIGHBORS
            )
        return self._found_edges

    def _classes(self) -> Iterator[tuple[str, np.ndarray]]:
        yield "ion", self.is_ion
        yield "redox", self.is_redox
        yield "anion", self.is_anion
        yield "other", self.is_other

    def _bonding(self) -> Iterator[tuple[str, float]]:
        first, second, distance_A = self._edges
        n = len(self.numbers)
        valence = _bond_valences(self.numbers[first], self.numbers[second], distance_A)
        electronegativity = element_properties()[self.numbers, 0]
        sign = np.sign(electronegativity[second] - electronegativity[first])
        valence = np.where(sign == 0, 0.0, valence)
        strongest, nearest_A = np.zeros(n), np.full(n, _FAR_A)
        np.maximum.at(strongest, first, valence)
        np.minimum.at(nearest_A, first, distance_A)
        of_site = {
            "valence": np.bincount(first, weights=valence * sign, minlength=n),
            "bond_order": np.bincount(first, weights=valence, minlength=n),
            "strongest": strongest,
            "coordination": np.bincount(first, weights=valence > _WEAKEST_BOND, minlength=n),
            "nearest_A": nearest_A,
            "mean_A": np.bincount(first, weights=distance_A, minlength=n) / np.bincount(first, minlength=n),
        }
        properties = element_properties()
        for kind, of_kind in self._classes():
            if not of_kind.any():
                continue
            for name, values in of_site.items():
                yield f"{kind}_{name}", values[of_kind].mean()
            yield f"{kind}_valence_min", of_site["valence"][of_kind].min()
            yield f"{kind}_valence_max", of_site["valence"][of_kind].max()
            if kind == "other":
                continue
            edges = of_kind[first]
            weights = valence[edges] + 1e-6
            weights = weights / weights.sum()
            neighbors = second[edges]
            for name, value in zip(
                PROPERTY_NAMES, weights @ properties[self.numbers[neighbors]], strict=True
            ):
                yield f"{kind}_neighbor_{name}", value
            for other, of_other in self._classes():
                yield f"{kind}_share_to_{other}", weights @ of_other[neighbors]
        if self.is_redox.any():
            state = self.charges.discharged[self.charges.takers[0]]
            yield "strain", np.sqrt(np.mean((of_site["valence"][self.is_redox] - state) ** 2))

    def _distance(self) -> Iterator[tuple[str, float]]:
        first, second, distance_A = self._edges
        for name, of_first, of_second in (
            ("ion_ion", self.is_ion, self.is_ion),
            ("ion_redox", self.is_ion, self.is_redox),
            ("redox_redox", self.is_redox, self.is_redox),
            ("ion_anion", self.is_ion, self.is_anion),
            ("redox_anion", self.is_redox, self.is_anion),
        ):
            between = distance_A[of_first[first] & of_second[second]]
            yield f"{name}_min_A", between.min() if len(between) else _FAR_A
            yield f"{name}_mean_A", between.mean() if len(between) else _FAR_A
        yield "volume_per_site_A3", self.volume_A3 / len(self.numbers)
        yield "volume_per_host_site_A3", self.volume_A3 / (len(self.numbers) - self.n_ions)
        yield "volume_per_anion_A3", self.volume_A3 / max(int(self.is_anion.sum()), 0.5)
        yield "density_u_per_A3", atomic_masses[self.numbers].sum() / self.volume_A3
        radii_A = element_properties()[self.numbers, PROPERTY_NAMES.index("atomic_radius_A")]
        yield "packing", 4.0 / 3.0 * np.pi * (radii_A**3).sum() / self.volume_A3

    def _electrostatic(self) -> Iterator[tuple[str, float]]:
        """Energies and potentials are linear in pairs of charges: one sum serves both states."""
        symbols = np.array(chemical_symbols)[self.numbers]
        takes = np.isin(symbols, self.charges.takers) & ~self.is_ion
        charge_of = {**self.charges.discharged, self.ion: float(ion_charge(self.ion))}
        full = np.array([charge_of[symbol] for symbol in symbols])
        emptied = np.where(self.is_ion, 0.0, full + self.charges.step * takes)
        pairs_eV = _unit_charge_energies(self.numbers, self.cell_A, self.frac_coords)
        n_electrons = self.n_ions * ion_charge(self.ion)
        energy_full_eV, energy_emptied_eV = full @ pairs_eV @ full, emptied @ pairs_eV @ emptied
        potential_full_V, potential_emptied_V = (
            np.clip(2.0 * pairs_eV @ charges, -_LARGEST_POTENTIAL_V, _LARGEST_POTENTIAL_V)
            for charges in (full, emptied)
        )
        yield (
            "extraction_eV_per_charge",
            np.clip(
                (energy_emptied_eV - energy_full_eV) / n_electrons,
                -_LARGEST_POTENTIAL_V,
                _LARGEST_POTENTIAL_V,
            ),
        )
        yield "full_eV_per_site", energy_full_eV / len(full)
        yield "emptied_eV_per_site", energy_emptied_eV / len(full)
        for kind, of_kind in (("ion", self.is_ion), ("redox", takes), ("anion", self.is_anion)):
            if of_kind.any():
                yield f"{kind}_full_V", potential_full_V[of_kind].mean()
                yield f"{kind}_emptied_V", potential_emptied_V[of_kind].mean()
        if self.is_anion.any():
            yield "anion_full_min_V", potential_full_V[self.is_anion].min()
            yield "anion_full_max_V", potential_full_V[self.is_anion].max()
            if takes.any():
                yield (
                    "anion_minus_redox_V",
                    (potential_full_V[self.is_anion].mean() - potential_full_V[takes].mean()),
                )
        if takes.any():
            yield "redox_minus_ion_V", potential_full_V[takes].mean() - potential_full_V[self.is_ion].mean()


def _bond_valences(centers: np.ndarray, neighbors: np.ndarray, distances_A: np.ndarray) -> np.ndarray:
    """Bond valence exp((R - d) / b) of each edge.

    R from O'Keeffe and Brese, J. Am. Chem. Soc. 113, 3226 (1991).
    """
    radius_A, softness = _bond_valence_parameters()
    r_1, r_2 = radius_A[centers], radius_A[neighbors]
    c_1, c_2 = softness[centers], softness[neighbors]
    length_A = r_1 + r_2 - r_1 * r_2 * (np.sqrt(c_1) - np.sqrt(c_2)) ** 2 / (c_1 * r_1 + c_2 * r_2)
    return np.exp((length_A - distances_A) / _BOND_SOFTNESS_A)


@cache
def _bond_valence_parameters() -> tuple[np.ndarray, np.ndarray]:
    """Their r in angstrom and c of each atomic number; the median element's where there is none."""
    known = {element.Z: (values["r"], values["c"]) for element, values in BV_PARAMS.items()}
    table = np.tile(np.median(list(known.values()), axis=0), (N_ELEMENTS + 1, 1))
    for number, values in known.items():
        table[number] = values
    return table[:, 0], table[:, 1]


def _unit_charge_energies(numbers: np.ndarray, cell_A: np.ndarray, frac_coords: np.ndarray) -> np.ndarray:
    """A with q A q the electrostatic energy in eV of any neutral set of charges q, shape (n, n)."""
    unit_charges = [Species("H", 1)] * len(numbers)
    structure = Structure(Lattice(cell_A), unit_charges, frac_coords)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that the cell of unit charges is not neutral
        ewald = EwaldSummation(structure, acc_factor=_EWALD_DIGITS)
        pairs_eV = ewald.reciprocal_space_energy_matrix + ewald.real_space_energy_matrix
        return pairs_eV + np.diag(ewald.point_energy_matrix)
