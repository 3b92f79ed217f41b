"""Migration barriers of single hops into a vacancy, and of the cheapest paths that cross the crystal.

At 300 K a doubly charged ion may hop once in milliseconds, which no molecular dynamics shows. A
climbing-image nudged elastic band (Henkelman, Uberuaga and Jónsson, J. Chem. Phys. 113, 9901 (2000)) finds
the saddle between two sites directly: at 0 K, of one ion, into one neutral vacancy of a crystal that is full
otherwise.

Sites and symmetry-distinct hops come from pymatgen's migration graph. Hops are taken from the shortest
distance at which the sites of the ion connect through the crystal, up to ``REACH`` times that distance. A
path crosses the crystal in d dimensions when its hops connect sites with their images along d directions; its
barrier is its highest saddle over the lowest energy along any hop, which may lie between two sites.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator
from ase.data import atomic_numbers
from ase.geometry import find_mic
from ase.mep import NEB
from ase.optimize import FIRE
from pymatgen.analysis.diffusion.neb.full_path_mapper import MigrationGraph
from pymatgen.analysis.dimensionality import get_dimensionality_larsen
from pymatgen.analysis.graphs import StructureGraph
from pymatgen.analysis.local_env import MinimumDistanceNN
from pymatgen.core import Structure
from pymatgen.io.ase import AseAtomsAdaptor

from ionsieve.errors import CandidateFailed
from ionsieve.potential.calculator import check_computable
from ionsieve.transport.supercell import near_cubic_supercell, primitive_cell

logger = logging.getLogger(__name__)

# No hop of a cathode's ion is longer; sites further apart are not neighbours.
LONGEST_HOP_A = 7.0
# Slightly longer hops may have lower saddles.
REACH = 1.2
# Distances that differ by less are of one shell.
SHELL_A = 0.05
# A hop this many times as long must still be the shortest way, lest relaxed ends take another.
ROOM = 1.1
# A relaxed end that lies further than this share of the hop from its site has left it.
LEFT_ITS_SITE = 0.4
ENDPOINT_FORCE_EV_PER_A, PATH_FORCE_EV_PER_A = 0.03, 0.05
# The band is first pulled tight, then its highest image climbs.
TIGHT_FORCE_EV_PER_A = 0.3
MOST_STEPS = 300
DIMENSIONS = (1, 2, 3)


@dataclass(frozen=True)
class Hop:
    """A hop that stands for all that symmetry makes equal to it.

    Attributes
    ----------
    label : its number in the migration graph.
    start_A, end_A : Cartesian positions of its two sites, shape (3,).
    """

    label: int
    start_A: np.ndarray
    end_A: np.ndarray

    @property
    def length_A(self) -> float:
        """Distance between the sites."""
        return float(np.linalg.norm(self.end_A - self.start_A))


@dataclass(frozen=True)
class Saddle:
    """What a nudged elastic band found of one hop.

    Attributes
    ----------
    hop : between which sites.
    energies_eV : of the images from the first site to the last, shape (images + 2,); one zero for all hops.
    failure : why there is no saddle, in words; None when there is one.
    """

    hop: Hop
    energies_eV: np.ndarray | None
    failure: str | None = None

    def summary(self) -> dict[str, Any]:
        """Lengths and barriers for results; null where there is no saddle."""
        found = self.energies_eV
        return {
            "length_A": self.hop.length_A,
            "barrier_eV": None if found is None else float(found.max() - found[0]),
            "barrier_back_eV": None if found is None else float(found.max() - found[-1]),
            "energies_eV": None if found is None else (found - found[0]).tolist(),
            "failure": self.failure,
        }


def migration(
    crystal: Atoms, calculator: Calculator, working_ion: str, min_atoms: int, n_images: int
) -> dict[str, Any]:
    """Barriers of all hops of a crystal, and of the paths that cross it.

    Parameters
    ----------
    crystal : the candidate, full of its ions.
    calculator : energies and forces; its model must have seen vacancies.
    working_ion : the element that moves.
    min_atoms : smallest supercell; it grows until no hop is longer than half of it.
    n_images : images of a band between its two ends.

    Returns
    -------
    ``hops``: one summary each, shortest first; ``barrier_1d_eV``, ``barrier_2d_eV``, ``barrier_3d_eV``: the
    lowest barrier with which the ions cross the crystal in so many dimensions, null where no path does by
    hops that have a saddle; ``barriers_are_upper_bounds``: whether some have none, by which ions might cross
    with less.

    Raises
    ------
    CandidateFailed : there are no ions, their sites do not connect, no hop has a saddle, or the calculator
        cannot compute the supercell.
    """
    crystal = primitive_cell(crystal)
    graph = migration_graph(crystal, working_ion)
    hops = distinct_hops(graph)
    supercell = supercell_for(hops, crystal, min_atoms)
    whole = supercell.copy()
    whole.calc = calculator
    check_computable(whole)
    saddles = [find_saddle(supercell, calculator, working_ion, hop, n_images) for hop in hops]
    found = [saddle for saddle in saddles if saddle.energies_eV is not None]
    if not found:
        raise CandidateFailed(f"no hop has a saddle: {saddles[0].failure}")
    return {
        "n_atoms": len(supercell) - 1,
        "hops": [saddle.summary() for saddle in saddles],
        "barriers_are_upper_bounds": len(found) < len(saddles),
        **crossing_barriers_eV(graph, found),
    }


def migration_graph(crystal: Atoms, working_ion: str) -> MigrationGraph:
    """Sites of the ion and their hops, up to ``REACH`` times the shortest distance at which they connect.

    Raises
    ------
    CandidateFailed : there are none, or they do not connect within ``LONGEST_HOP_A``.
    """
    if working_ion not in crystal.symbols:
        raise CandidateFailed(f"the structure has no {working_ion}")
    structure = AseAtomsAdaptor.get_structure(
        Atoms(crystal.symbols, crystal.positions, cell=crystal.cell, pbc=True)
    )
    sites = Structure.from_sites([site for site in structure if site.specie.symbol == working_ion])
    for shell_A in _shells_A(sites):
        if _dimension(sites, shell_A + SHELL_A) >= 1:
            reach_A = min(REACH * shell_A, LONGEST_HOP_A) + SHELL_A
            return MigrationGraph.with_distance(structure, working_ion, max_distance=reach_A)
    raise CandidateFailed(
        f"the sites of {working_ion} do not connect through the crystal by hops of up to {LONGEST_HOP_A:g} A"
    )


def distinct_hops(graph: MigrationGraph) -> list[Hop]:
    """One hop of each kind, shortest first."""
    hops = [
        Hop(
            int(label), np.asarray(edge["ipos_cart"], dtype=float), np.asarray(edge["epos_cart"], dtype=float)
        )
        for label, edge in graph.unique_hops.items()
    ]
    return sorted(hops, key=lambda hop: (round(hop.length_A, 3), hop.label))


def supercell_for(hops: Sequence[Hop], crystal: Atoms, min_atoms: int) -> Atoms:
    """The smallest near-cubic supercell in which each hop is the shortest way between its ends, with room.

    In a smaller one a band would take the shorter way, through the next cell.
    """
    ways_A = ROOM * np.array([hop.end_A - hop.start_A for hop in hops])
    while True:
        supercell = near_cubic_supercell(crystal, min_atoms).atoms
        shortest_A, _ = find_mic(ways_A, supercell.cell, pbc=True)
        if np.allclose(shortest_A, ways_A, atol=SHELL_A):
            return supercell
        min_atoms = len(supercell) + 1


def find_saddle(
    supercell: Atoms, calculator: Calculator, working_ion: str, hop: Hop, n_images: int
) -> Saddle:
    """The energies along one hop of an ion into a vacancy.

    Parameters
    ----------
    supercell : the crystal full of its ions.
    """
    start, end = hop_ends(supercell, working_ion, hop)
    for state, name in ((start, "first"), (end, "last")):
        state.calc = calculator
        at_site_A = state.positions[0].copy()
        if not FIRE(state, logfile=None).run(fmax=ENDPOINT_FORCE_EV_PER_A, steps=MOST_STEPS):
            return Saddle(hop, None, f"the vacancy at the {name} site did not relax in {MOST_STEPS} steps")
        if np.linalg.norm(state.positions[0] - at_site_A) > LEFT_ITS_SITE * hop.length_A:
            return Saddle(hop, None, f"the ion leaves the {name} site by itself")
    images = [start, *(start.copy() for _ in range(n_images)), end]
    for image in images[1:-1]:
        image.calc = calculator
    band = NEB(images, climb=False, method="improvedtangent", allow_shared_calculator=True)
    band.interpolate(method="idpp", mic=True)
    FIRE(band, logfile=None).run(fmax=TIGHT_FORCE_EV_PER_A, steps=MOST_STEPS)
    band.climb = True
    converged = FIRE(band, logfile=None).run(fmax=PATH_FORCE_EV_PER_A, steps=MOST_STEPS)
    energies_eV = np.array([image.get_potential_energy() for image in images])
    logger.info("hop of %.2f A: %s eV", hop.length_A, np.round(energies_eV - energies_eV[0], 3).tolist())
    if not converged:
        return Saddle(hop, None, f"the band did not converge in {MOST_STEPS} steps")
    return Saddle(hop, energies_eV)


def hop_ends(supercell: Atoms, working_ion: str, hop: Hop) -> tuple[Atoms, Atoms]:
    """The supercell with the ion on the first and on the last site of a hop, which is vacant otherwise.

    The ion is the first atom of both; all others keep their places. The supercell is large enough, see
    :func:`supercell_for`.
    """
    ions = np.flatnonzero(supercell.numbers == atomic_numbers[working_ion])
    moving, vacant = (
        int(ions[_nearest(supercell.positions[ions] - position_A, supercell)])
        for position_A in (hop.start_A, hop.end_A)
    )
    others = [index for index in range(len(supercell)) if index not in (moving, vacant)]
    start = supercell[[moving, *others]]
    end = start.copy()
    end.positions[0] += hop.end_A - hop.start_A
    return start, end


def crossing_barriers_eV(graph: MigrationGraph, saddles: Sequence[Saddle]) -> dict[str, float | None]:
    """Lowest barrier with which ions cross the crystal in one, two and three dimensions.

    Saddles are added from the lowest to the highest until the sites connect. Energies of all hops count from
    the lowest of all, since an ion that crosses rests there, at one of its sites or in between.
    """
    energies = {saddle.hop.label: saddle.energies_eV for saddle in saddles if saddle.energies_eV is not None}
    lowest_eV = min(along.min() for along in energies.values())
    heights_eV = {label: float(along.max() - lowest_eV) for label, along in energies.items()}
    barriers: dict[str, float | None] = {f"barrier_{dimension}d_eV": None for dimension in DIMENSIONS}
    for height_eV in sorted(set(heights_eV.values())):
        open_graph = graph.m_graph.__copy__()
        closed = [
            (first, last, key)
            for first, last, key, edge in graph.m_graph.graph.edges(keys=True, data=True)
            if heights_eV.get(edge["hop_label"], np.inf) > height_eV
        ]
        open_graph.graph.remove_edges_from(closed)
        crossed = get_dimensionality_larsen(open_graph)
        for dimension in DIMENSIONS[:crossed]:
            if barriers[f"barrier_{dimension}d_eV"] is None:
                barriers[f"barrier_{dimension}d_eV"] = height_eV
    return barriers


def _shells_A(sites: Structure) -> list[float]:
    """Distances between sites, from the shortest to ``LONGEST_HOP_A``, one of each shell."""
    distances_A = np.sort(sites.get_neighbor_list(LONGEST_HOP_A)[3])
    if distances_A.size == 0:
        return []
    new_shell = np.append(np.diff(distances_A) > SHELL_A, True)
    return [float(distance_A) for distance_A in distances_A[new_shell]]


def _dimension(sites: Structure, cutoff_A: float) -> int:
    strategy = MinimumDistanceNN(cutoff=cutoff_A, get_all_sites=True)
    return int(get_dimensionality_larsen(StructureGraph.from_local_env_strategy(sites, strategy)))


def _nearest(separations_A: np.ndarray, supercell: Atoms) -> int:
    _, distances_A = find_mic(separations_A, supercell.cell, pbc=True)
    return int(np.argmin(distances_A))
