"""The model file that drives MD as an ASE calculator, whichever of the kinds in :mod:`.formats` it is.

NequIP wants float64 as torch's default dtype while it loads and while it computes; the default that was
there is put back each time, so that the rest of the process does not notice. CHGNet still belongs in a
process of its own.
"""

import tempfile
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes
from nequip.integrations.ase import NequIPCalculator
from nequip.utils import torch_default_dtype

from ionsieve.artifacts import read_json, write_json
from ionsieve.errors import CandidateFailed, DataError, first_line
from ionsieve.potential.by_name import calculator_by_name, elements_known_to, require_known_elements
from ionsieve.potential.devices import CPU
from ionsieve.potential.formats import COMPILED, NAMED, SUFFIXES, model_format


class PotentialCalculator(NequIPCalculator):
    """NequIP in ASE: energy (eV), forces (eV/angstrom), stress (eV/angstrom^3, ASE's sign)."""

    def calculate(
        self, atoms: Atoms | None = None, properties: Any = ("energy",), system_changes: Any = all_changes
    ) -> None:
        """Compute all properties under the dtype NequIP was trained with."""
        with torch_default_dtype(torch.float64):
            super().calculate(atoms, properties, system_changes)

    @property
    def elements(self) -> list[str]:
        """Elements the model knows."""
        return list(self.transforms[0].model_type_names)

    @property
    def cutoff_A(self) -> float:
        """Distance within which atoms are neighbours."""
        return float(self.transforms[1].r_max)

    @property
    def n_parameters(self) -> int | None:
        """Number of trained weights; a compiled model does not tell."""
        return sum(weight.numel() for weight in self.model.parameters() if weight.requires_grad) or None


def load_calculator(model: Path | str, device: str = CPU) -> Calculator:
    """The calculator of a model file, on one CPU thread or on a graphics processor.

    Checkpoints and packages are pickles, and compiled models are programs: load only those you trust.

    Parameters
    ----------
    model : of any of the kinds in :mod:`.formats`.
    device : ``cpu`` or ``cuda``; a compiled model is a program for the CPU, and runs there.

    Raises
    ------
    DataError : NequIP cannot load it.
    ConfigError : it names an ASE calculator that cannot be made.
    """
    torch.set_num_threads(1)
    kind = model_format(model)
    if kind == NAMED:
        document = read_json(model)
        return calculator_by_name(document["calculator"], document["arguments"], device)
    load = (
        PotentialCalculator.from_compiled_model if kind == COMPILED else PotentialCalculator._from_saved_model
    )
    with (
        torch_default_dtype(torch.get_default_dtype()),
        warnings.catch_warnings(),
        tempfile.TemporaryDirectory(prefix="ionsieve-model-") as folder,
    ):
        warnings.simplefilter("ignore")
        named = Path(folder) / f"model{SUFFIXES[kind]}"
        named.symlink_to(Path(model).resolve())
        try:
            return load(
                named,
                device=CPU if kind == COMPILED else device,
                chemical_species_to_atom_type_map=True,
                neighborlist_backend="vesin",
            )
        except Exception as error:  # unpickling raises whatever the bytes suggest
            raise DataError(
                f"{model} is not a {kind} that this NequIP can load: {type(error).__name__}: {error}"
            ) from error


def name_calculator(name: str, arguments: Mapping[str, Any], path: Path | str) -> Calculator:
    """Make an ASE calculator, and write its name to where the workflow looks for a model."""
    calculator = calculator_by_name(name, arguments)
    write_json(path, {"calculator": name, "arguments": dict(arguments)})
    return calculator


def description(calculator: Calculator) -> dict[str, Any]:
    """Elements a calculator knows, its cutoff and number of weights; None for what it does not tell."""
    return {
        "elements": elements_known_to(calculator),
        "cutoff_A": getattr(calculator, "cutoff_A", None),
        "n_parameters": getattr(calculator, "n_parameters", None),
    }


def check_elements(result: Path | str, atoms: Atoms) -> None:
    """Refuse a crystal with elements the potential has never seen, where it tells which it knows.

    Parameters
    ----------
    result : the potential's ``model.json``.
    atoms : the crystal.

    Raises
    ------
    CandidateFailed : names the elements and the potential.
    """
    document = read_json(result)
    require_known_elements(atoms, document["elements"], document.get("calculator", "the potential"))


def check_computable(atoms: Atoms) -> None:
    """Refuse a simulation cell that its calculator cannot compute.

    A calculator by name may not tell which elements it knows, and raises whatever its authors chose, so it
    computes the forces once. A NequIP model tells its elements beforehand: what it raises is a bug.

    Parameters
    ----------
    atoms : the simulation cell with its calculator.

    Raises
    ------
    CandidateFailed : the cell is thinner than the potential reaches, with both lengths; or the forces cannot
        be computed, with the elements, the calculator and what it said.
    """
    if isinstance(atoms.calc, PotentialCalculator):
        require_room(atoms, atoms.calc.cutoff_A)
        return
    try:
        atoms.get_forces()
    except (MemoryError, torch.OutOfMemoryError):  # the machine's fault, not the crystal's
        raise
    except Exception as error:
        name, elements = type(atoms.calc).__name__, ", ".join(sorted(set(atoms.symbols)))
        raise CandidateFailed(
            f"{name} cannot compute a crystal of {elements}: {type(error).__name__}: {first_line(error)}"
        ) from error


def require_room(atoms: Atoms, reach_A: float) -> None:
    """Refuse a cell in which an atom would see its own image.

    Raises
    ------
    CandidateFailed : with the cell's smallest height and the potential's reach.
    """
    height_A = float(1 / np.linalg.norm(atoms.cell.reciprocal().array, axis=1).max())
    if height_A <= reach_A:
        raise CandidateFailed(
            f"the cell is {height_A:.1f} A thin, but the potential reaches {reach_A:g} A, and no atom may see"
            " its own image: raise transport.min_atoms"
        )
