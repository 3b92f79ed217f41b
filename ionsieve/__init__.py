"""IonSieve screens crystal databases for intercalation cathodes.

From Python::

    import ionsieve

    ionsieve.predict_voltage("MgMn2O4.cif", ion="Mg").voltage_V
    ionsieve.predict_formula_voltage("MgMn2O4", ion="Mg").voltage_V
    ionsieve.open_run("my_screening").candidates
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ionsieve.notebook import (
        FormulaVoltagePrediction,
        VoltagePrediction,
        open_run,
        predict_formula_voltage,
        predict_voltage,
        predict_voltages,
    )

__version__ = "0.1.0"
__all__ = [
    "FormulaVoltagePrediction",
    "VoltagePrediction",
    "open_run",
    "predict_formula_voltage",
    "predict_voltage",
    "predict_voltages",
]


def __getattr__(name: str) -> Any:
    """What notebooks call, loaded when it is asked for: torch and pymatgen take seconds."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from ionsieve import notebook

    return getattr(notebook, name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
