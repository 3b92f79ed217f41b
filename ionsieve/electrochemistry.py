"""Capacity, average voltage, energy density, and how many ions the redox couples can release.

Notation: ``n`` working ions of charge number ``z`` leave per cell of volume ``V`` and molar mass
``M``; both capacities refer to the DISCHARGED cell (the paper's filter, as we read it).
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from pymatgen.core import Composition

from ionsieve.ions import ion_charge
from ionsieve.units import (
    AH_PER_L_PER_ELEMENTARY_CHARGE_PER_A3,
    COULOMB_PER_MILLIAMPERE_HOUR,
    FARADAY_C_PER_MOL,
)

# Highest oxidation states that cathodes reach in practice. Lower than the highest states known to
# chemistry (Mn 7, Fe 6): those exist in molecules and oxoanions, not in hosts that survive cycling.
# Sources: the redox couples tabulated by Goodenough and Kim, Chem. Mater. 22, 587 (2010), and
# Hautier et al., Chem. Mater. 23, 3495 (2011); Cu3+ and Ag3+ as in pymatgen's BatteryAnalyzer.
HIGHEST_OXIDATION_STATE: dict[str, int] = {
    "Ti": 4, "V": 5, "Cr": 6, "Mn": 4, "Fe": 4, "Co": 4, "Ni": 4, "Cu": 3,
    "Zr": 4, "Nb": 5, "Mo": 6, "Ru": 6, "Rh": 4, "Pd": 4, "Ag": 3,
    "Hf": 4, "Ta": 5, "W": 6, "Re": 7, "Os": 6, "Ir": 6, "Pt": 4, "Au": 3,
    "Sn": 4, "Sb": 5, "Bi": 5, "Pb": 4, "Tl": 3, "In": 3, "Ce": 4, "Pr": 4, "Tb": 4, "Eu": 3, "U": 6,
}  # fmt: skip

# Elements whose charge does not change on extraction.
FIXED_OXIDATION_STATE: dict[str, int] = {
    "H": 1, "Li": 1, "Na": 1, "K": 1, "Rb": 1, "Cs": 1,
    "Be": 2, "Mg": 2, "Ca": 2, "Sr": 2, "Ba": 2, "Zn": 2, "Cd": 2, "Hg": 2,
    "B": 3, "Al": 3, "Ga": 3, "Sc": 3, "Y": 3, "La": 3, "Nd": 3, "Pm": 3, "Sm": 3, "Gd": 3,
    "Dy": 3, "Ho": 3, "Er": 3, "Tm": 3, "Yb": 3, "Lu": 3, "Si": 4, "Ge": 4, "Th": 4,
}  # fmt: skip

# Anions, and what they become as the centre of an oxoanion: (charge, fewest and most O and F per
# centre), so that a chloride beside twelve oxygens of phosphate stays a chloride.
ANION_CHARGE = {
    "O": -2, "F": -1, "Cl": -1, "Br": -1, "I": -1, "S": -2, "Se": -2, "Te": -2,
    "N": -3, "P": -3, "As": -3, "C": -4,
}  # fmt: skip
OXOANION_CENTRE: dict[str, tuple[tuple[int, float, float], ...]] = {
    "P": ((5, 2.0, math.inf),),
    "As": ((5, 2.0, math.inf),),
    "S": ((6, 3.5, math.inf), (4, 2.5, 3.5)),
    "Se": ((6, 3.5, math.inf), (4, 2.5, 3.5)),
    "Te": ((6, 3.5, math.inf), (4, 2.5, 3.5)),
    "N": ((5, 2.0, math.inf),),
    "C": ((4, 1.5, math.inf),),
    "Cl": ((7, 3.5, 4.5), (5, 2.5, 3.5)),
    "I": ((7, 3.5, 4.5), (5, 2.5, 3.5)),
}


def gravimetric_capacity(n_ions: float, ion: str, molar_mass_g_per_mol: float) -> float:
    """Gravimetric capacity n z F / (3.6 M) in mAh/g of the discharged cell."""
    charge_C_per_mol = n_ions * ion_charge(ion) * FARADAY_C_PER_MOL
    return charge_C_per_mol / (COULOMB_PER_MILLIAMPERE_HOUR * molar_mass_g_per_mol)


def volumetric_capacity(n_ions: float, ion: str, volume_A3: float) -> float:
    """Volumetric capacity n z e / V in Ah/L of the discharged cell."""
    return AH_PER_L_PER_ELEMENTARY_CHARGE_PER_A3 * n_ions * ion_charge(ion) / volume_A3


def average_voltage(
    energy_charged_eV: float, energy_metal_eV: float, energy_discharged_eV: float, n_ions: float, ion: str
) -> float:
    """Average voltage [E(charged) + n E(metal) - E(discharged)] / (n z) in V against the metal.

    Energies in eV: ``charged`` and ``discharged`` per the same host, ``metal`` per atom. Energies,
    not free energies: the neglected entropy is worth about 25 meV.
    """
    released_eV = energy_charged_eV + n_ions * energy_metal_eV - energy_discharged_eV
    return released_eV / (n_ions * ion_charge(ion))


def framework_formula(composition: Composition, ion: str) -> str:
    """Reduced formula of the host without the working ion; the key of every honest split."""
    host = Composition({element: amount for element, amount in composition.items() if element.symbol != ion})
    return host.reduced_formula


def redox_limited_ions(composition: Composition, ion: str) -> float:
    """Working ions per cell that can leave before a metal exceeds its highest oxidation state.

    The charged host must satisfy sum(n_i q_i) = 0 with every cation at or below its entry in
    HIGHEST_OXIDATION_STATE, so n z <= sum(cations, highest) - sum(anions) once the ions are gone.
    Beyond that the anions must be oxidised (``anion_redox``).

    Returns
    -------
    A number between 0 and the working ions in the cell.
    """
    amounts = {element.symbol: float(amount) for element, amount in composition.items()}
    in_cell = amounts.pop(ion, 0.0)
    if not any(symbol in ANION_CHARGE or symbol == "H" for symbol in amounts):
        return 0.0  # an alloy: oxidation states mean nothing
    reachable = sum(amount * _highest_charge(symbol, amounts) for symbol, amount in amounts.items())
    # With all ions in, the host carries charge -n z; it can be raised to `reachable` at most.
    releasable = (reachable + in_cell * ion_charge(ion)) / ion_charge(ion)
    return min(in_cell, max(0.0, releasable))


@dataclass(frozen=True)
class FormalCharges:
    """Formal charges of a discharged cell and what becomes of them when all working ions leave.

    Attributes
    ----------
    discharged : charge of each element of the host.
    takers : the elements that give the electrons, and share evenly what neutrality asks of them.
    step : by how much the charge of a taker's atom rises.
    """

    discharged: dict[str, float]
    takers: tuple[str, ...]
    step: float


def formal_charges(host: Mapping[str, float], n_ions: float, ion: str) -> FormalCharges:
    """Every element but those of HIGHEST_OXIDATION_STATE has its fixed charge; these share the rest.

    In a host without them the anions do.

    Parameters
    ----------
    host : atoms of each element in the cell but the working ions; not empty.
    n_ions : working ions in the cell.
    """
    charges = {symbol: float(_highest_charge(symbol, host)) for symbol in host}
    takers = (
        tuple(symbol for symbol in host if symbol in HIGHEST_OXIDATION_STATE)
        or tuple(symbol for symbol in host if charges[symbol] < 0)
        or tuple(host)
    )
    if takers[0] in HIGHEST_OXIDATION_STATE:
        charges |= dict.fromkeys(takers, 0.0)
    n_takers = sum(host[symbol] for symbol in takers)
    released = n_ions * ion_charge(ion)
    excess = (sum(charges[symbol] * host[symbol] for symbol in host) + released) / n_takers
    charges |= {symbol: charges[symbol] - excess for symbol in takers}
    return FormalCharges(charges, takers, released / n_takers)


def _highest_charge(symbol: str, host: Mapping[str, float]) -> float:
    """Highest charge an element can carry in this host (anions: their fixed negative charge)."""
    if symbol == "H" and not any(other in ANION_CHARGE for other in host):
        return -1  # a hydride
    if symbol == "N" and host.get("H", 0.0) >= 3 * host["N"]:
        return ANION_CHARGE["N"]  # ammonium, ammonia
    ligands = (host.get("O", 0.0) + host.get("F", 0.0)) / host[symbol]
    if symbol in ("Cl", "I") and any(other in OXOANION_CENTRE for other in host if other != symbol):
        return ANION_CHARGE[symbol]  # the oxygens belong to the phosphate, sulphate... beside it
    for charge, fewest, most in OXOANION_CENTRE.get(symbol, ()):
        if fewest <= ligands < most:
            return charge
    if symbol in ANION_CHARGE:
        return ANION_CHARGE[symbol]
    return HIGHEST_OXIDATION_STATE.get(symbol, FIXED_OXIDATION_STATE.get(symbol, 3))
