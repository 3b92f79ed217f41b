"""Tier 1: the pair relaxed by a universal potential, and the voltage of its energies.

    V = [E(charged) + n E(metal) - E(discharged)] / (n z)

Cell and positions of all three are relaxed with one calculator. The charged cell starts from the
discharged one without its ions, as it must for a crystal that nobody has charged. CHGNet was trained on
relaxations of the Materials Project: on crystals of that database it recalls as much as it predicts.
"""

import importlib.metadata
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any, Literal, cast

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator
from ase.filters import FrechetCellFilter
from ase.optimize import BFGS
from pymatgen.core import Structure
from pymatgen.io.ase import AseAtomsAdaptor

from ionsieve.electrochemistry import average_voltage
from ionsieve.errors import CandidateFailed, first_line
from ionsieve.potential.by_name import elements_known_to, require_known_elements
from ionsieve.structures import to_columns
from ionsieve.validation.host_survival import HostSurvival, host_survival
from ionsieve.validation.orderings import lowest_orderings
from ionsieve.validation.pair import Pair
from ionsieve.validation.voltage_curve import voltage_steps

# Half of it cost five real pairs 1.1 to 7.5 times as much, changed four voltages by at most 0.01 V, and drew
# the fifth by 0.2 V away from DFT, into a minimum that the potential alone has.
MAX_FORCE_EV_PER_A = 0.1
MAX_STEPS = 100
# A cell that leaves these bounds has fallen apart; the relaxation stops.
VOLUME_RATIO_BOUNDS = (0.5, 2.0)
# No label lies beyond. Of 2,818 real pairs CHGNet put 13 there, down to -50 V: hosts that fell into a hole.
PLAUSIBLE_VOLTAGES_V = (-3.0, 9.0)
LARGEST_STEP_A = 0.15
# eV/A^2: the stiffness of a bond in an oxide to start from; ASE's 70 takes steps half as long.
FIRST_CURVATURE = 35.0
# The metal's energy enters once for every ion: its error would be a voltage.
METAL_MAX_FORCE_EV_PER_A = 0.002
# Electrostatics proposes, the potential chooses among so many.
ORDERINGS_TRIED = 5

Order = Literal["electrostatics", "universal_potential"]


@dataclass(frozen=True)
class Relaxed:
    """A relaxed cell.

    Attributes
    ----------
    structure : the lowest in energy that the relaxation met.
    energy_eV : of that cell.
    largest_force_eV_per_A : at the end, of atoms and cell alike.
    n_steps : steps taken.
    stopped_by : "forces" (converged), "steps" (the limit) or "volume" (fell apart).
    """

    structure: Structure
    energy_eV: float
    largest_force_eV_per_A: float
    n_steps: int
    stopped_by: Literal["forces", "steps", "volume"]


@dataclass(frozen=True)
class RelaxedPair:
    """The pair after relaxation.

    Attributes
    ----------
    energy_metal_eV : per atom.
    voltage_V : average, of the full extraction.
    steps : voltage against content, see :func:`ionsieve.validation.voltage_curve.voltage_steps`.
    """

    discharged: Relaxed
    charged: Relaxed
    partial: list[Relaxed]
    energy_metal_eV: float
    voltage_V: float
    host: HostSurvival
    steps: list[dict[str, float]]


def relax_pair(
    pair: Pair, calculator: Calculator, contents: Sequence[float] = (), order: Order = "electrostatics"
) -> RelaxedPair:
    """Relax the pair, partial states included, and take voltages.

    Parameters
    ----------
    contents : contents of the working ion, between 0 and 1, of partial states.
    order : who chooses the ions that stay: the lowest Ewald energy, or the lowest energy of the
        calculator, unrelaxed, among the :data:`ORDERINGS_TRIED` lowest Ewald energies.

    Raises
    ------
    CandidateFailed : the calculator does not know an element, cannot compute a cell, or gives a voltage that
        no pair can have; or a content has no small supercell.
    """
    # CHGNet computes elements that it has never seen, from untrained weights: MgPo at 0.33 V.
    require_known_elements(
        AseAtomsAdaptor.get_atoms(pair.discharged),
        elements_known_to(calculator),
        f"the universal potential {type(calculator).__name__}",
    )
    energy_metal_eV = metal_energy(pair, calculator)
    discharged = relax(pair.discharged, calculator)
    charged = relax(pair.charged, calculator)
    partial = [
        relax(partial_state(discharged.structure, pair.working_ion, content, order, calculator), calculator)
        for content in contents
    ]
    voltage_V = average_voltage(
        charged.energy_eV, energy_metal_eV, discharged.energy_eV, pair.n_ions, pair.working_ion
    )
    lowest_V, highest_V = PLAUSIBLE_VOLTAGES_V
    if not lowest_V < voltage_V < highest_V:
        raise CandidateFailed(
            f"{voltage_V:.1f} V from the universal potential, outside {lowest_V:g} to {highest_V:g} V: its"
            f" energies of {pair.discharged.composition.reduced_formula} or its host mean nothing"
        )
    states = [(state.structure, state.energy_eV) for state in (charged, *partial, discharged)]
    return RelaxedPair(
        discharged=discharged,
        charged=charged,
        partial=partial,
        energy_metal_eV=energy_metal_eV,
        voltage_V=voltage_V,
        host=host_survival(discharged.structure, charged.structure, pair.working_ion),
        steps=voltage_steps(states, energy_metal_eV, pair.working_ion),
    )


def metal_energy(pair: Pair, calculator: Calculator) -> float:
    """Energy per atom of the ion's metal in eV, relaxed."""
    metal = relax(pair.metal, calculator, METAL_MAX_FORCE_EV_PER_A)
    return metal.energy_eV / len(metal.structure)


def relax(
    structure: Structure, calculator: Calculator, max_force_eV_per_A: float = MAX_FORCE_EV_PER_A
) -> Relaxed:
    """Relax cell and positions: BFGS on ASE's FrechetCellFilter, at most :data:`MAX_STEPS` steps.

    Raises
    ------
    CandidateFailed : the calculator cannot compute the cell.
    """
    atoms = _right_handed(AseAtomsAdaptor.get_atoms(structure))
    atoms.calc = calculator
    best, best_eV, force_eV_per_A = atoms.copy(), np.inf, np.inf
    stopped_by: Literal["forces", "steps", "volume"] = "steps"
    n_steps = 0
    with _calculator_errors(structure):
        moving = FrechetCellFilter(atoms)
        optimizer = BFGS(cast(Atoms, moving), logfile=None, maxstep=LARGEST_STEP_A, alpha=FIRST_CURVATURE)
        for _ in optimizer.irun(fmax=max_force_eV_per_A, steps=MAX_STEPS):
            n_steps = optimizer.nsteps
            energy_eV = atoms.get_potential_energy()
            if not np.isfinite(energy_eV):
                raise CandidateFailed(f"energy of {structure.composition.reduced_formula} is not a number")
            force_eV_per_A = float(np.linalg.norm(moving.get_forces(), axis=1).max())
            if energy_eV < best_eV:
                best, best_eV = atoms.copy(), energy_eV
            ratio = atoms.get_volume() / structure.volume
            if not VOLUME_RATIO_BOUNDS[0] < ratio < VOLUME_RATIO_BOUNDS[1]:
                best, best_eV, stopped_by = atoms.copy(), energy_eV, "volume"
                break
            if force_eV_per_A < max_force_eV_per_A:
                stopped_by = "forces"
    return Relaxed(
        structure=AseAtomsAdaptor.get_structure(best, cls=Structure),
        energy_eV=float(best_eV),
        largest_force_eV_per_A=force_eV_per_A,
        n_steps=n_steps,
        stopped_by=stopped_by,
    )


def partial_state(
    discharged: Structure, working_ion: str, content: float, order: Order, calculator: Calculator
) -> Structure:
    """A cell that keeps about ``content`` of its working ions; who chooses them: see :func:`relax_pair`."""
    if order == "electrostatics":
        return lowest_orderings(discharged, working_ion, content, 1)[0]
    proposed = lowest_orderings(discharged, working_ion, content, ORDERINGS_TRIED)
    return min(proposed, key=lambda structure: static_energy(structure, calculator) / len(structure))


def static_energy(structure: Structure, calculator: Calculator) -> float:
    """Energy in eV of a cell as it stands."""
    atoms = AseAtomsAdaptor.get_atoms(structure)
    atoms.calc = calculator
    with _calculator_errors(structure):
        return float(atoms.get_potential_energy())


def document(pair: Pair, relaxed: RelaxedPair) -> dict[str, Any]:
    """What the result file says: energies, voltages, flags, cells, and the digest of the crystal."""
    return {
        "formula": pair.discharged.composition.reduced_formula,
        "working_ion": pair.working_ion,
        "n_ions": pair.n_ions,
        "structure_digest": pair.digest,
        "state": "done",
        "voltage_V": relaxed.voltage_V,
        "energy_metal_eV_per_atom": relaxed.energy_metal_eV,
        **asdict(relaxed.host),
        "voltage_steps": relaxed.steps,
        "cells": {
            "discharged": _cell_document(relaxed.discharged),
            "charged": _cell_document(relaxed.charged),
            "partial": [_cell_document(state) for state in relaxed.partial],
        },
    }


def provenance(name: str, calculator: Calculator) -> dict[str, Any]:
    """Which potential it was: calculator, package, its version and licence, and the model's own version."""
    package = name.partition(".")[0]
    try:
        metadata = importlib.metadata.metadata(package).json
    except importlib.metadata.PackageNotFoundError:
        return {"calculator": name, "package": package, "version": None, "licence": None, "model": None}
    licence = str(metadata.get("license_expression") or metadata.get("license") or "")
    model = getattr(getattr(calculator, "model", None), "version", None)
    return {
        "calculator": name,
        "package": package,
        "version": metadata["version"],
        "licence": licence.strip().splitlines()[0] if licence.strip() else None,
        "model": None if model is None else str(model),
    }


def _cell_document(relaxed: Relaxed) -> dict[str, Any]:
    return {
        **{key: value for key, value in vars(relaxed).items() if key != "structure"},
        "volume_A3": relaxed.structure.volume,
        **to_columns(relaxed.structure),
    }


def _right_handed(atoms: Atoms) -> Atoms:
    """The same crystal in a right-handed cell; in a left-handed one CHGNet turns the stress's sign round."""
    if atoms.cell.handedness < 0:
        atoms.set_cell(-atoms.cell.array, scale_atoms=False)
    return atoms


@contextmanager
def _calculator_errors(structure: Structure) -> Iterator[None]:
    try:
        yield
    except CandidateFailed:
        raise
    except Exception as error:  # whatever another package raises at an element or a cell it does not know
        raise CandidateFailed(
            f"the universal potential cannot compute {structure.composition.reduced_formula}:"
            f" {type(error).__name__}: {first_line(error)}"
        ) from error
