"""Relaxing crystals with CHGNet, cell and positions, within the symmetry they start with.

CHGNet: Deng et al., Nat. Mach. Intell. 5, 1031 (2023); the weights come with its package. Keeping the
space group makes a relaxation cheap and repeatable (no soft mode is entered by rounding noise), and
the host topotactic: what is compared is the same host with and without its ions.

CHGNet must not share a process with a NequIP model, which changes torch's default dtype.
"""

from dataclasses import dataclass

from ase import Atoms
from ase.build import bulk
from ase.calculators.calculator import Calculator
from ase.constraints import FixSymmetry
from ase.filters import FrechetCellFilter
from ase.optimize import LBFGS

from ionsieve.errors import CandidateFailed
from ionsieve.ions import WORKING_IONS

MAX_FORCE_EV_PER_A = 0.05
MAX_STEPS = 150


@dataclass(frozen=True)
class Relaxed:
    """A relaxed crystal, its energy in eV per cell, and the optimiser's steps."""

    atoms: Atoms
    energy_eV: float
    steps: int


def chgnet_calculator() -> Calculator:
    """CHGNet on the CPU, in one thread, as an ASE calculator."""
    import torch
    from chgnet.model.dynamics import CHGNetCalculator

    torch.set_num_threads(1)
    # An atom without neighbours has no energy in CHGNet: an error, not a warning.
    return CHGNetCalculator(use_device="cpu", on_isolated_atoms="error")


def relax(atoms: Atoms, calculator: Calculator) -> Relaxed:
    """Relax cell and positions in the crystal's own space group.

    Raises
    ------
    CandidateFailed : the forces do not converge, or an atom drifts out of reach of all others.
    """
    relaxing = atoms.copy()
    relaxing.set_constraint(FixSymmetry(relaxing))
    relaxing.calc = calculator
    # ASE's annotations know neither the filter nor the silent log that its documentation describes.
    optimizer = LBFGS(FrechetCellFilter(relaxing), logfile=None)  # type: ignore[arg-type]
    try:
        converged = optimizer.run(fmax=MAX_FORCE_EV_PER_A, steps=MAX_STEPS)
        energy_eV = float(relaxing.get_potential_energy())
    except (ValueError, RuntimeError, ArithmeticError) as error:
        raise CandidateFailed(f"relaxation broke down: {error}") from error
    if not converged:
        raise CandidateFailed(f"forces above {MAX_FORCE_EV_PER_A} eV/A after {MAX_STEPS} steps")
    relaxing.calc = None
    relaxing.set_constraint()
    return Relaxed(relaxing, energy_eV, int(optimizer.nsteps))


def metal_energy_eV(ion: str, calculator: Calculator) -> float:
    """Energy per atom of a working ion's metal, relaxed."""
    metal = WORKING_IONS[ion]
    covera = metal.metal_c_over_a
    cell = bulk(ion, metal.metal_structure, a=metal.metal_a_A, covera=covera)
    return relax(cell, calculator).energy_eV / len(cell)
