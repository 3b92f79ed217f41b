"""The pair behind a voltage: discharged cell, charged cell and the ion's metal, the same for every tier."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ase.build import bulk
from pymatgen.core import Structure
from pymatgen.io.ase import AseAtomsAdaptor

from ionsieve.errors import CandidateFailed
from ionsieve.ions import WORKING_IONS

# Far below what a relaxation changes, far above what a CIF or another machine's arithmetic does.
DIGEST_DECIMALS = 5


@dataclass(frozen=True)
class Pair:
    """Starting points of the relaxations behind one voltage.

    Attributes
    ----------
    working_ion : symbol of the ion that leaves.
    discharged : the candidate as it is.
    charged : the same cell without any working ion, the other sites in the same order.
    metal : primitive cell of the ion's metal, at its experimental lattice parameters.
    n_ions : working ions that leave the discharged cell.
    digest : of the discharged cell and its ion; a result that carries another one is of another crystal.
    """

    working_ion: str
    discharged: Structure
    charged: Structure
    metal: Structure
    n_ions: int
    digest: str


def intercalation_pair(discharged: Structure, working_ion: str) -> Pair:
    """The pair of the full extraction, discharged -> charged + n metal.

    Raises
    ------
    CandidateFailed : the crystal has no working ion, or nothing but working ions.
    """
    n_ions = sum(site.specie.symbol == working_ion for site in discharged)
    formula = discharged.composition.reduced_formula
    if n_ions == 0:
        raise CandidateFailed(f"no {working_ion} in {formula}: no voltage to validate")
    charged = discharged.copy()
    charged.remove_species([working_ion])
    if len(charged) == 0:
        raise CandidateFailed(f"nothing is left of {formula} without {working_ion}")
    return Pair(
        working_ion=working_ion,
        discharged=discharged.copy(),
        charged=charged,
        metal=metal_cell(working_ion),
        n_ions=n_ions,
        digest=pair_digest(discharged, working_ion),
    )


def pair_digest(discharged: Structure, working_ion: str) -> str:
    """SHA-256 of a discharged cell and its ion, in hexadecimal; the order of the sites does not matter."""
    frac_coords = np.round(discharged.frac_coords, DIGEST_DECIMALS) % 1.0
    sites = sorted(
        (site.specie.symbol, *coords)
        for site, coords in zip(discharged, np.round(frac_coords, DIGEST_DECIMALS).tolist(), strict=True)
    )
    # Adding zero turns -0.0 into 0.0, which JSON would write differently.
    cell_A = (np.round(discharged.lattice.matrix, DIGEST_DECIMALS) + 0.0).tolist()
    return hashlib.sha256(json.dumps([working_ion, cell_A, sites]).encode()).hexdigest()


def digests(structures: Iterable[Path | str], working_ion: str) -> dict[str, str]:
    """:func:`pair_digest` of crystals in files, by material_id, which is the name of each."""
    return {Path(path).stem: pair_digest(Structure.from_file(path), working_ion) for path in structures}


def metal_cell(ion: str) -> Structure:
    """Primitive cell of the working ion's metal, with the lattice parameters of :mod:`ionsieve.ions`."""
    metal = WORKING_IONS[ion]
    c_A = metal.metal_a_A * metal.metal_c_over_a if metal.metal_c_over_a else None
    atoms = bulk(ion, metal.metal_structure, a=metal.metal_a_A, c=c_A)
    return AseAtomsAdaptor.get_structure(atoms, cls=Structure)
