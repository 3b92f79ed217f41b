"""ASE calculators by name: the teacher, or what drives MD without any training.

A name is ``chgnet`` or the import path of a class or function that makes a calculator, as
``mace.calculators.mace_mp``. Nothing is imported before it is asked for, and a process should hold one
potential only: some set torch's default dtype, which others do not survive.
"""

import importlib
import io
from collections.abc import Callable, Collection, Mapping
from contextlib import redirect_stdout
from typing import Any

from ase import Atoms
from ase.calculators.calculator import Calculator
from ase.data import chemical_symbols

from ionsieve.errors import CandidateFailed, ConfigError, first_line
from ionsieve.potential.devices import CPU

CHGNET = "chgnet"
NEEDED = ("energy", "forces", "stress")
LISTED = 12  # a message that lists more elements is not read

# MPtrj, which CHGNet learned, holds 89 elements (Deng et al., Nature Machine Intelligence 5, 1031 (2023)). It
# computes these five all the same, from weights that no crystal has trained: its own reference energies of
# their atoms are above -0.5 eV, those of their neighbours in the periodic table below -1.6 eV.
_HEAVIEST_OF_CHGNET = "Pu"
_UNKNOWN_TO_CHGNET = ("Po", "At", "Rn", "Fr", "Ra")


def label_kind(name: str) -> str:
    """How labels of this calculator are marked wherever they stand."""
    return "CHGNet" if name == CHGNET else name


def elements_known_to(calculator: Calculator) -> list[str] | None:
    """Symbols of the elements that a calculator has learned, where it tells; else None.

    Ours tell as ``elements``, MACE's calculators in their table of atomic numbers; CHGNet's are known.
    """
    if hasattr(calculator, "elements"):
        return list(calculator.elements)
    if hasattr(calculator, "z_table"):
        return [chemical_symbols[int(number)] for number in calculator.z_table.zs]
    if type(calculator).__name__ == "CHGNetCalculator":
        lighter = chemical_symbols[1 : chemical_symbols.index(_HEAVIEST_OF_CHGNET) + 1]
        return [symbol for symbol in lighter if symbol not in _UNKNOWN_TO_CHGNET]
    return None


def require_known_elements(atoms: Atoms, known: Collection[str] | None, name: str) -> None:
    """Refuse a crystal with elements that a model has never seen, where it tells which it knows.

    Parameters
    ----------
    atoms : the crystal.
    known : from :func:`elements_known_to`.
    name : what the model is called.

    Raises
    ------
    CandidateFailed : names the elements and the model.
    """
    unknown = sorted(set(atoms.symbols) - set(known)) if known is not None else []
    if known is not None and unknown:
        listed = ", ".join(sorted(known)) if len(known) <= LISTED else f"{len(known)} others"
        raise CandidateFailed(f"{name} was never trained on {', '.join(unknown)}; it knows {listed}")


def calculator_by_name(
    name: str,
    arguments: Mapping[str, Any] | None = None,
    device: str = CPU,
    key: str = "potential.teacher",
) -> Calculator:
    """Make an ASE calculator that gives energy, forces and stress.

    Parameters
    ----------
    name : ``chgnet`` (its weights come with its package), or an import path.
    arguments : keyword arguments of the class or function.
    device : of CHGNet, ``cpu`` or ``cuda``; others are told theirs in ``arguments``, by names of their own.
    key : of the configuration, for messages.

    Raises
    ------
    ConfigError : it cannot be imported or made, or gives no energy, forces or stress.
    """
    given_arguments = dict(arguments or {})
    try:
        if name == CHGNET:
            calculator = _chgnet(**{"use_device": device, **given_arguments})
        else:
            calculator = _imported(name, key)(**given_arguments)
    except ConfigError:
        raise
    except Exception as error:  # whatever another package raises when it is made wrongly
        raise ConfigError(
            f"{key} {name!r} cannot be made with {key}_arguments {given_arguments}:"
            f" {type(error).__name__}: {first_line(error)}"
        ) from error
    given = getattr(calculator, "implemented_properties", ())
    missing = [quantity for quantity in NEEDED if quantity not in given]
    if missing:
        raise ConfigError(
            f"{key} {name!r} gives no {' and no '.join(missing)}, and MD at constant pressure"
            f" needs {', '.join(NEEDED)}: choose a calculator that has them"
        )
    return calculator


def _imported(name: str, key: str) -> Callable[..., Calculator]:
    path, _, attribute = name.rpartition(".")
    try:
        return getattr(importlib.import_module(path), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise ConfigError(
            f"{key} {name!r} cannot be imported ({first_line(error)}): give chgnet or the import"
            " path of an ASE calculator, as mace.calculators.mace_mp, and install its package beside IonSieve"
        ) from error


def _chgnet(**arguments: Any) -> Calculator:
    from chgnet.model.dynamics import CHGNetCalculator

    with redirect_stdout(io.StringIO()):  # it prints which device it runs on
        return CHGNetCalculator(**{"on_isolated_atoms": "error", **arguments})
