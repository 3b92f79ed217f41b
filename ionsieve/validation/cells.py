"""The three cells behind an average voltage: discharged, charged, and the ion's metal."""

from dataclasses import dataclass

from ase.build import bulk
from pymatgen.core import Structure
from pymatgen.io.ase import AseAtomsAdaptor

from ionsieve.errors import CandidateFailed
from ionsieve.ions import WORKING_IONS


@dataclass(frozen=True)
class VoltageCells:
    """Starting points of the three relaxations.

    Attributes
    ----------
    discharged : the candidate as it is.
    charged : the same cell without any working ion.
    metal : primitive cell of the ion's metal, at its experimental lattice parameters.
    n_ions : working ions that leave the discharged cell.
    """

    discharged: Structure
    charged: Structure
    metal: Structure
    n_ions: int


def voltage_cells(discharged: Structure, ion: str) -> VoltageCells:
    """The cells of the full extraction, discharged -> charged + n metal.

    Raises
    ------
    CandidateFailed : the crystal has no working ion, or nothing but working ions.
    """
    n_ions = sum(site.specie.symbol == ion for site in discharged)
    if n_ions == 0:
        raise CandidateFailed(f"no {ion} in {discharged.composition.reduced_formula}: no voltage to validate")
    charged = discharged.copy()
    charged.remove_species([ion])
    if len(charged) == 0:
        raise CandidateFailed(f"nothing is left of {discharged.composition.reduced_formula} without {ion}")
    return VoltageCells(discharged=discharged.copy(), charged=charged, metal=metal_cell(ion), n_ions=n_ions)


def metal_cell(ion: str) -> Structure:
    """Primitive cell of the working ion's metal, with the lattice parameters of :mod:`ionsieve.ions`."""
    metal = WORKING_IONS[ion]
    c_A = metal.metal_a_A * metal.metal_c_over_a if metal.metal_c_over_a else None
    atoms = bulk(ion, metal.metal_structure, a=metal.metal_a_A, c=c_A)
    return AseAtomsAdaptor.get_structure(atoms, cls=Structure)
