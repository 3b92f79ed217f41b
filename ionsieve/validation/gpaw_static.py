"""Tier 2, a free DFT: GPAW energies (PBE+U, plane waves) and D3, in cells that tier 1 has relaxed.

Static, because a cell relaxed in plane waves of less than about 700 eV shrinks towards a denser basis; the
cells are those of the universal potential, and the metal's is the experimental one. The calculators are in
atomate2's ASE makers, and jobflow runs them. Everything per element is the Materials Project's, as in
:mod:`.vasp`: U on the d shells of Co, Cr, Fe, Mn, Mo, Ni, V and W in oxides and fluorides, and starting
moments. Those U values were fitted for VASP's PAW data sets; GPAW projects on orbitals of its own, so the two
need not agree.

GPAW is an optional part: its modules are imported when a calculation asks for them.
"""

import importlib.metadata
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ase.spacegroup.symmetrize import refine_symmetry
from atomate2.ase.jobs import AseMaker
from jobflow import Flow, JobStore, run_locally
from maggma.stores import MemoryStore
from pymatgen.core import Structure
from pymatgen.io.ase import AseAtomsAdaptor

from ionsieve.errors import CandidateFailed, IonSieveError, first_line
from ionsieve.validation.vasp import hubbard_u, starting_moment

logger = logging.getLogger(__name__)

PACKAGES = ("gpaw", "dftd3")
LABEL_KIND = "DFT (GPAW, PBE+U, D3)"
SYMMETRY_PRECISION_A = 0.01
# Fermi-Dirac widths in eV: hosts may have a gap or none, metals have none.
HOST_SMEARING_EV, METAL_SMEARING_EV = 0.05, 0.2


class GpawUnavailable(IonSieveError):
    """GPAW or its D3 is not installed."""


@dataclass(frozen=True)
class GpawSettings:
    """What the user may set; defaults and reasons are in ``config.yaml``.

    Attributes
    ----------
    cutoff_eV : plane-wave cutoff.
    kspacing_per_A : distance of k points at most, as VASP's KSPACING; Gamma-centred.
    d3_damping : "zero" or "bj".
    """

    cutoff_eV: float
    kspacing_per_A: float
    d3_damping: Literal["zero", "bj"]


@dataclass
class GpawStaticMaker(AseMaker):
    """GPAW's energy of a cell; its report is in ``gpaw.txt`` of the job's folder."""

    name: str = "GPAW static"

    def _get_calculator(self) -> Any:
        from gpaw import GPAW

        return GPAW(**self.calculator_kwargs)


@dataclass
class D3StaticMaker(AseMaker):
    """D3's energy of a cell, by s-dftd3."""

    name: str = "D3 static"

    def _get_calculator(self) -> Any:
        from dftd3.ase import DFTD3

        return DFTD3(**self.calculator_kwargs)


def gpaw_parameters(structure: Structure, settings: GpawSettings, *, metal: bool) -> dict[str, Any]:
    """GPAW's keyword arguments for a cell."""
    return {
        "mode": {"name": "pw", "ecut": settings.cutoff_eV},
        "xc": "PBE",
        # ASE's density counts points per reciprocal angstrom without the 2 pi that KSPACING's unit holds.
        "kpts": {"density": 1 / settings.kspacing_per_A, "gamma": True},
        "occupations": {"name": "fermi-dirac", "width": METAL_SMEARING_EV if metal else HOST_SMEARING_EV},
        "setups": {symbol: f":d,{u_eV:g}" for symbol, u_eV in hubbard_u(structure.composition).items()},
        "spinpol": not metal,
        "convergence": {"energy": 1e-4},
        "txt": "gpaw.txt",
    }


def d3_parameters(settings: GpawSettings) -> dict[str, Any]:
    """s-dftd3's keyword arguments: pairs alone, as in VASP."""
    return {"method": "PBE", "damping": f"d3{settings.d3_damping}"}


def prepared(structure: Structure, *, metal: bool) -> Structure:
    """The Niggli cell, which needs fewest plane waves, with starting moments on its sites.

    A relaxation leaves noise in the cell that hides its symmetry from GPAW, and with it most of the k points
    that are the same: the symmetry is put back.
    """
    atoms = AseAtomsAdaptor.get_atoms(structure.copy(site_properties={}).get_reduced_structure("niggli"))
    refine_symmetry(atoms, symprec=SYMMETRY_PRECISION_A)
    cell: Structure = AseAtomsAdaptor.get_structure(atoms, cls=Structure)
    if not metal:
        cell.add_site_property("magmom", [starting_moment(site.specie.symbol) for site in cell])
    return cell


def static_energies(
    name: str, structure: Structure, settings: GpawSettings, folder: Path, *, metal: bool
) -> dict[str, Any]:
    """Energies of a cell by GPAW and D3, as :func:`ionsieve.validation.dispersion.voltages` wants them.

    Parameters
    ----------
    folder : where both run.

    Raises
    ------
    GpawUnavailable : one of the packages is not installed.
    CandidateFailed : an element without a PAW data set, or no convergence.
    """
    require_gpaw()
    cell = prepared(structure, metal=metal)
    dft = GpawStaticMaker(calculator_kwargs=gpaw_parameters(cell, settings, metal=metal)).make(cell)  # type: ignore[misc]
    d3 = D3StaticMaker(calculator_kwargs=d3_parameters(settings)).make(cell)  # type: ignore[misc]
    folder.mkdir(parents=True, exist_ok=True)
    try:
        responses = run_locally(
            Flow([dft, d3], name=name),
            log=False,
            store=JobStore(MemoryStore()),
            root_dir=folder,
            raise_immediately=True,
        )
    except Exception as error:  # GPAW's own errors are many: no data set, no convergence, too few bands
        raise CandidateFailed(
            f"GPAW cannot compute {name}: {type(error).__name__}: {first_line(error)}"
        ) from error
    energy_eV, dispersion_eV = (float(responses[job.uuid][1].output.output.energy) for job in (dft, d3))
    return {
        "formula": cell.composition.reduced_formula,
        "n_atoms": len(cell),
        "energy_eV": energy_eV + dispersion_eV,
        "dispersion_eV": dispersion_eV,
        "volume_A3": float(cell.volume),
        "hubbard_u_eV": hubbard_u(cell.composition),
    }


def require_gpaw() -> dict[str, str]:
    """Versions of the packages.

    Raises
    ------
    GpawUnavailable : one is not installed.
    """
    try:
        return {package: importlib.metadata.version(package) for package in PACKAGES}
    except importlib.metadata.PackageNotFoundError as error:
        raise GpawUnavailable(
            f"validation.gpaw is true, but {error.name} is not installed: on Debian apt-get install libxc-dev"
            " libopenblas-dev libopenmpi-dev, then pip install gpaw dftd3; or run with --sdm conda, or set"
            " validation.gpaw to false"
        ) from error
