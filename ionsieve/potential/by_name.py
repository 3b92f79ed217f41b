"""ASE calculators by name: the teacher, or what drives MD without any training.

A name is ``chgnet`` or the import path of a class or function that makes a calculator, as
``mace.calculators.mace_mp``. Nothing is imported before it is asked for, and a process should hold one
potential only: some set torch's default dtype, which others do not survive.
"""

import importlib
import io
from collections.abc import Mapping
from contextlib import redirect_stdout
from typing import Any

from ase.calculators.calculator import Calculator

from ionsieve.errors import ConfigError, first_line

CHGNET = "chgnet"
NEEDED = ("energy", "forces", "stress")


def label_kind(name: str) -> str:
    """How labels of this calculator are marked wherever they stand."""
    return "CHGNet" if name == CHGNET else name


def calculator_by_name(
    name: str, arguments: Mapping[str, Any] | None = None, key: str = "potential.teacher"
) -> Calculator:
    """Make an ASE calculator that gives energy, forces and stress.

    Parameters
    ----------
    name : ``chgnet`` (on the CPU, its weights come with its package), or an import path.
    arguments : keyword arguments of the class or function.
    key : of the configuration, for messages.

    Raises
    ------
    ConfigError : it cannot be imported or made, or gives no energy, forces or stress.
    """
    if name == CHGNET:
        return _chgnet(**(arguments or {}))
    path, _, attribute = name.rpartition(".")
    try:
        make = getattr(importlib.import_module(path), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise ConfigError(
            f"{key} {name!r} cannot be imported ({first_line(error)}): give chgnet or the import"
            " path of an ASE calculator, as mace.calculators.mace_mp, and install its package beside IonSieve"
        ) from error
    try:
        calculator = make(**(arguments or {}))
    except Exception as error:  # whatever another package raises when it is made wrongly
        raise ConfigError(
            f"{key} {name!r} cannot be made with {key}_arguments {dict(arguments or {})}:"
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


def _chgnet(**arguments: Any) -> Calculator:
    from chgnet.model.dynamics import CHGNetCalculator

    with redirect_stdout(io.StringIO()):  # it prints which device it runs on
        return CHGNetCalculator(**{"use_device": "cpu", "on_isolated_atoms": "error", **arguments})
