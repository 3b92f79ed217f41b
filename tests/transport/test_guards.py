"""How close atoms may come."""

import numpy as np
import pytest
from ase import Atoms

from ionsieve.transport.guards import Guards, Unstable


def pair(symbols: str, distance_A: float) -> tuple[Guards, Atoms]:
    atoms = Atoms(symbols, positions=[[0, 0, 0], [0, 0, distance_A]], cell=[6.0] * 3, pbc=True)
    return Guards(2000.0, atoms.cell.array, 0.5, 0.3, min_distance_A=0.8), atoms


@pytest.mark.parametrize(("symbols", "distance_A"), [("OH", 0.66), ("HH", 0.6), ("MgO", 0.81)])
def test_a_bond_of_hydrogen_may_vibrate(symbols, distance_A):
    guards, atoms = pair(symbols, distance_A)
    guards.check_geometry(atoms)


@pytest.mark.parametrize(("symbols", "distance_A"), [("OH", 0.45), ("MgO", 0.66)])
def test_an_overlap_stops_md_with_the_pair_and_the_limit_it_broke(symbols, distance_A):
    guards, atoms = pair(symbols, distance_A)
    limit = "0.50" if "H" in symbols else "0.80"
    with pytest.raises(Unstable, match=rf"came to {distance_A:.2f} A, allowed {limit} A"):
        guards.check_geometry(atoms)


def test_a_harmless_bond_does_not_hide_an_overlap():
    atoms = Atoms("OHMgMn", positions=np.diag([0, 0, 0, 0])[:, :3] * 1.0, cell=[9.0] * 3, pbc=True)
    atoms.positions[1:] = [[0, 0, 0.62], [4, 4, 4], [4, 4, 4.7]]
    with pytest.raises(Unstable, match="Mg-Mn came to 0.70"):
        Guards(2000.0, atoms.cell.array, 0.5, 0.3, min_distance_A=0.8).check_geometry(atoms)
