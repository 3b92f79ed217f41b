"""An engine: CHGNet, made stiffer by the factor that its forces are known to be too small by."""

from ase.calculators.calculator import Calculator
from ase.calculators.mixing import LinearCombinationCalculator
from chgnet.model.dynamics import CHGNetCalculator


def chgnet(slope: float = 1.0, use_device: str = "cpu") -> Calculator:
    """CHGNet with energy, forces and stress divided by ``slope``.

    ``slope`` is that of CHGNet's forces against those of DFT, as `teacher_softening` in `model.json` has it.
    """
    teacher = CHGNetCalculator(use_device=use_device, on_isolated_atoms="error")
    return LinearCombinationCalculator([teacher], [1.0 / slope])
