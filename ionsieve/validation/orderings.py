"""Partially charged cells: which of the working ions stay, by the electrostatics of formal charges.

The ions that stay, and the host's atoms with the charges that neutrality then asks of them
(:func:`ionsieve.electrochemistry.formal_charges`), are point charges; the Ewald sum of every ordering is

    E(s) = const + 2 z sum_i s_i h_i + z^2 sum_ij s_i s_j U_ij

with s_i 1 or 0 on ion site i, U the Ewald matrix of unit charges (Toukmaji and Board, Comput. Phys.
Commun. 95, 73 (1996), by pymatgen) and h_i = sum_j U_ij q_j over the host. A uniform background cancels,
since every state is neutral. A cell with few ions is tried in all its supercells of the size that the
content asks for (their Hermite normal forms), so that no shape of cell is preferred.
"""

import itertools
import math

import numpy as np
from pymatgen.analysis.ewald import EwaldSummation
from pymatgen.core import Structure

from ionsieve.electrochemistry import formal_charges
from ionsieve.errors import CandidateFailed
from ionsieve.ions import ion_charge
from ionsieve.transport.supercell import hermite_normal_forms

# How far the content may be from the one asked for, before a supercell is taken.
CONTENT_TOLERANCE = 0.075
MOST_CELLS = 7
# More orderings than these (17 ions, half of them out) are searched by steps, not all tried.
MOST_ORDERINGS = 20_000
# Energies within this, per atom, are of one ordering but for symmetry.
SAME_ENERGY_EV_PER_ATOM = 1e-5


def lowest_orderings(
    discharged: Structure, working_ion: str, content: float, n_orderings: int
) -> list[Structure]:
    """Cells that keep about ``content`` of their working ions, lowest electrostatic energy first.

    Parameters
    ----------
    content : share of the working ions that stay, between 0 and 1.
    n_orderings : at most these many cells are returned; of equal energies one is.

    Raises
    ------
    CandidateFailed : no host without the ions, or no working ions.
    """
    n_in_cell = sum(site.specie.symbol == working_ion for site in discharged)
    if not 0 < n_in_cell < len(discharged):
        raise CandidateFailed(
            f"{discharged.composition.reduced_formula} has no {working_ion} or nothing else: no partial state"
        )
    multiple, n_kept = _supercell_and_count(n_in_cell, content)
    ranked = []
    for matrix in hermite_normal_forms(multiple):
        supercell = discharged.make_supercell(matrix, in_place=False).get_reduced_structure("LLL")
        sites = [index for index, site in enumerate(supercell) if site.specie.symbol == working_ion]
        field_eV, coupling_eV = _electrostatics(supercell, working_ion, sites, n_kept)
        orderings = _candidates(field_eV, coupling_eV, n_kept)
        per_atom_eV = _energies(orderings, field_eV, coupling_eV) / len(supercell)
        ranked += [
            (energy_eV, supercell, [site for site, stays in zip(sites, kept, strict=True) if not stays])
            for energy_eV, kept in zip(per_atom_eV.tolist(), orderings, strict=True)
        ]
    ranked.sort(key=lambda entry: entry[0])
    distinct: list[Structure] = []
    last_eV_per_atom = -math.inf
    for energy_eV_per_atom, supercell, removed in ranked:
        if energy_eV_per_atom - last_eV_per_atom > SAME_ENERGY_EV_PER_ATOM:
            partial = supercell.copy()
            partial.remove_sites(removed)
            distinct.append(partial)
            last_eV_per_atom = energy_eV_per_atom
        if len(distinct) == n_orderings:
            break
    return distinct


def _supercell_and_count(n_in_cell: int, content: float) -> tuple[int, int]:
    """Cells per supercell, the fewest that come near enough to the content, and ions that stay in it."""
    for multiple in range(1, MOST_CELLS + 1):
        n_ions = n_in_cell * multiple
        n_kept = min(max(round(content * n_ions), 1), n_ions - 1)
        if n_ions > 1 and abs(n_kept / n_ions - content) <= CONTENT_TOLERANCE:
            return multiple, n_kept
    raise CandidateFailed(
        f"a content of {content:g} needs more than {MOST_CELLS} cells; ask for contents further from 0 and 1"
    )


def _electrostatics(
    supercell: Structure, working_ion: str, sites: list[int], n_kept: int
) -> tuple[np.ndarray, np.ndarray]:
    """Energy of each ion in the host's field, shape (n,), and of ions with each other, (n, n), in eV."""
    is_ion = np.zeros(len(supercell), dtype=bool)
    is_ion[sites] = True
    symbols = [site.specie.symbol for site in supercell]
    host: dict[str, float] = {}
    for symbol, ion in zip(symbols, is_ion, strict=True):
        if not ion:
            host[symbol] = host.get(symbol, 0.0) + 1.0
    formal = formal_charges(host, len(sites), working_ion)
    released = 1 - n_kept / len(sites)
    charges = {
        symbol: charge + (formal.step * released if symbol in formal.takers else 0.0)
        for symbol, charge in formal.discharged.items()
    }
    z = ion_charge(working_ion)
    unit = EwaldSummation(Structure(supercell.lattice, ["H+"] * len(supercell), supercell.frac_coords))
    matrix = unit.total_energy_matrix
    host_charges = np.array([charges[symbols[index]] for index in np.flatnonzero(~is_ion)])
    field_eV = 2 * z * matrix[np.ix_(is_ion, ~is_ion)] @ host_charges
    return field_eV, z**2 * matrix[np.ix_(is_ion, is_ion)]


def _energies(kept: np.ndarray, field_eV: np.ndarray, coupling_eV: np.ndarray) -> np.ndarray:
    """Energies in eV, but for a constant, of orderings ``kept`` of shape (orderings, ions), 1 or 0."""
    return kept @ field_eV + np.einsum("ki,ij,kj->k", kept, coupling_eV, kept, optimize=True)


def _candidates(field_eV: np.ndarray, coupling_eV: np.ndarray, n_kept: int) -> np.ndarray:
    """All orderings of one supercell, shape (orderings, ions); the best one found where they are too many."""
    n_ions = len(field_eV)
    if math.comb(n_ions, n_kept) <= MOST_ORDERINGS:
        stays = np.array(list(itertools.combinations(range(n_ions), n_kept)))
        orderings = np.zeros((len(stays), n_ions))
        np.put_along_axis(orderings, stays, 1.0, axis=1)
        return orderings
    kept = np.ones(n_ions)
    while kept.sum() > n_kept:  # the ion leaves whose absence lowers the energy most
        without = np.where(np.eye(n_ions, dtype=bool), 0.0, kept)[kept > 0]
        kept = without[_energies(without, field_eV, coupling_eV).argmin()]
    lowest_eV = math.inf
    while True:  # one ion moves to an empty site, as long as that helps
        moved = np.array(
            [
                np.where(np.arange(n_ions) == leaves, 0.0, np.where(np.arange(n_ions) == enters, 1.0, kept))
                for leaves in np.flatnonzero(kept > 0)
                for enters in np.flatnonzero(kept == 0)
            ]
        )
        around = np.vstack([kept, moved])
        energies_eV = _energies(around, field_eV, coupling_eV)
        kept = around[energies_eV.argmin()]
        if energies_eV.min() > lowest_eV - 1e-9:
            return kept[None, :]
        lowest_eV = energies_eV.min()
