"""A trained NequIP model as an ASE calculator for MD.

NequIP wants float64 as torch's default dtype while it loads and while it computes; the default that was
there is put back each time, so that the rest of the process does not notice. CHGNet still belongs in a
process of its own.
"""

import warnings
from pathlib import Path
from typing import Any

import torch
from ase import Atoms
from ase.calculators.calculator import all_changes
from nequip.integrations.ase import NequIPCalculator
from nequip.utils import torch_default_dtype

from ionsieve.artifacts import read_json
from ionsieve.errors import CandidateFailed, DataError


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
        return str(self.model.metadata["type_names"]).split(" ")

    @property
    def n_parameters(self) -> int:
        """Number of trained weights."""
        return sum(weight.numel() for weight in self.model.parameters() if weight.requires_grad)


def load_calculator(model: Path | str) -> PotentialCalculator:
    """The eager model of a checkpoint, on one CPU thread.

    A checkpoint is a pickle: load only those you trust.

    Raises
    ------
    DataError : the file is no NequIP checkpoint.
    """
    torch.set_num_threads(1)
    with torch_default_dtype(torch.get_default_dtype()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            calculator = PotentialCalculator._from_saved_model(
                Path(model),
                device="cpu",
                chemical_species_to_atom_type_map=True,
                neighborlist_backend="vesin",
            )
        except Exception as error:  # unpickling raises whatever the bytes suggest
            raise DataError(
                f"{model} is not a checkpoint that this NequIP can load: {type(error).__name__}: {error}"
            ) from error
    return calculator


def check_elements(result: Path | str, atoms: Atoms) -> None:
    """Refuse a crystal with elements the potential has never seen.

    Parameters
    ----------
    result : the potential's ``model.json``.
    atoms : the crystal.

    Raises
    ------
    CandidateFailed : names the elements.
    """
    known = set(read_json(result)["elements"])
    unknown = sorted(set(atoms.symbols) - known)
    if unknown:
        raise CandidateFailed(
            f"the potential was never trained on {', '.join(unknown)}; it knows {', '.join(sorted(known))}"
        )
