"""The form of a potential that MD runs: compiled where that pays, as it was trained otherwise.

``nequip-compile`` turns a model into a program of its own (AOTInductor), two to three times as fast on one
core, and takes about as long as the steps below save. A compiled model is used only if its forces are those
of the model it was made from.
"""

import logging
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from ionsieve.artifacts import atomic_path
from ionsieve.errors import ConfigError, first_line
from ionsieve.potential.devices import CPU
from ionsieve.potential.formats import CHECKPOINT, PACKAGE, model_format

if TYPE_CHECKING:  # most models stay as they are, and that takes neither torch nor NequIP
    from ase import Atoms
    from ase.calculators.calculator import Calculator

ALWAYS, NEVER = "always", "never"

EXAMPLES = 8  # frames on which compiled and eager forces are compared
TOLERANCE_EV_PER_A = 1e-3  # far above rounding in single precision, far below any force error
TOLERANCE_GPA = 0.01  # the same of stress, which NPT follows

logger = logging.getLogger(__name__)


def deploy(
    model: Path, frames: Sequence[Path | str], choice: str, pays: bool, output: Path, device: str = CPU
) -> str:
    """Write the model that MD is to use, compiled or as it is, and say in words which and why.

    Parameters
    ----------
    model : any that :func:`~ionsieve.potential.calculator.load_calculator` reads.
    frames : extxyz files of crystals it knows, for the shapes of its input and for the comparison.
    choice : ``always``, ``never``, or ``auto``: where the planned MD pays for it and there is a C++ compiler.
    pays : the planned MD pays for compiling.
    output : where it goes.
    device : on which MD is going to run, ``cpu`` or ``cuda``.

    Raises
    ------
    ConfigError : the choice is ``always``, and there is no C++ compiler, or MD is to run on a GPU.
    """
    reason = _reason_against(model_format(model), choice, pays, device)
    examples = example_frames(frames) if reason is None else []
    if reason is None and not examples:
        reason = "there are no frames to compare a compiled model on; give some as potential.shared_frames"
    if reason is None:
        with tempfile.TemporaryDirectory(prefix="ionsieve-compile-") as folder:
            compiled = Path(folder) / "model.nequip.pt2"
            reason = _compile(model, examples, compiled) or _difference(model, compiled, examples)
            if reason is None:
                _copy(compiled, output)
                return "compiled"
        logger.warning("the model stays as it is: %s", reason)
    else:
        logger.info("the model stays as it is: %s", reason)
    _copy(model, output)
    return f"as it is: {reason}"


def example_frames(paths: Sequence[Path | str]) -> list["Atoms"]:
    """The first few frames of the first file that has any."""
    from ase.io import iread

    for path in paths:
        if Path(path).stat().st_size:
            return list(islice(iread(path, index=":", format="extxyz"), EXAMPLES))
    return []


def _reason_against(kind: str, choice: str, pays: bool, device: str) -> str | None:
    if choice == NEVER:
        return "potential.compile is never"
    if kind not in (CHECKPOINT, PACKAGE):
        return f"a model of the kind {kind} is run as it comes"
    if device != CPU:
        message = "models are compiled for the CPU, and MD runs on a GPU"
        if choice == ALWAYS:
            raise ConfigError(
                f"potential.compile is always, but {message}: use auto, or transport.device: cpu"
            )
        return message
    if choice != ALWAYS and not pays:
        return "the planned MD is too short to pay for compiling"
    if shutil.which(os.environ.get("CXX", "g++")) is None:
        message = "compiling needs a C++ compiler, and there is no g++ on the PATH"
        if choice == ALWAYS:
            raise ConfigError(f"potential.compile is always, but {message}: install one, or use auto")
        return message
    return None


def _compile(model: Path, examples: Sequence["Atoms"], compiled: Path) -> str | None:
    """Run ``nequip-compile``; what went wrong, or None."""
    from ionsieve.potential.frames import write_frames

    folder = compiled.parent
    # A checkpoint takes an example of its input from the files that its training was given.
    for subset in ("train", "validation"):
        write_frames(folder / f"{subset}.extxyz", examples)
    ready = folder / f"ready{'.nequip.zip' if model_format(model) == PACKAGE else '.ckpt'}"
    ready.symlink_to(model.resolve())
    command = [sys.executable, "-m", "nequip.scripts.compile", ready.name, compiled.name]
    command += ["--mode", "aotinductor", "--device", "cpu", "--target", "ase"]
    environment = {
        **os.environ,
        "OMP_NUM_THREADS": "1",
        "TORCHINDUCTOR_CACHE_DIR": str(folder / "cache"),
        "TORCHINDUCTOR_COMPILE_THREADS": "1",
    }
    run = subprocess.run(
        command, cwd=folder, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    logger.info(run.stdout.rstrip())
    if run.returncode or not compiled.exists():
        return f"nequip-compile exited with {run.returncode}; its output is in this job's log"
    return None


def _difference(model: Path, compiled: Path, examples: Sequence["Atoms"]) -> str | None:
    """Why a compiled model must not be used, or None."""
    from ionsieve.potential.calculator import load_calculator

    try:
        fast = load_calculator(compiled)
        difference, of_stress = largest_differences(load_calculator(model), fast, examples)
    except Exception as error:  # a compiled model is a foreign program
        return f"the compiled model does not run here: {type(error).__name__}: {first_line(error)}"
    logger.info("compiled and eager differ by at most %.2g eV/A and %.2g GPa", difference, of_stress)
    if not difference <= TOLERANCE_EV_PER_A:
        return f"compiled and eager forces differ by {difference:.2g} eV/A"
    if not of_stress <= TOLERANCE_GPA:
        return f"compiled and eager stresses differ by {of_stress:.2g} GPa"
    return None


def largest_differences(
    reference: "Calculator", calculator: "Calculator", frames: Sequence["Atoms"]
) -> tuple[float, float]:
    """Largest difference of a force and of a stress component between two calculators, in eV/A and GPa.

    NaN if one is not finite.
    """
    import numpy as np
    from ase import units

    differences = []
    for frame in frames:
        computed = []
        for each in (reference, calculator):
            atoms = frame.copy()
            atoms.calc = each
            computed.append((atoms.get_forces(), atoms.get_stress() / units.GPa))
        differences.append([np.abs(one - other).max() for one, other in zip(*computed, strict=True)])
    forces_eV_per_A, stress_GPa = np.max(differences, axis=0)
    return float(forces_eV_per_A), float(stress_GPa)


def _copy(model: Path, output: Path) -> None:
    with atomic_path(output) as temporary:
        shutil.copyfile(model, temporary)
