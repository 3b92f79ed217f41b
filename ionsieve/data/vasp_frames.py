"""Frames of the user's own VASP runs: the first three and the last ionic step of every vasprun.xml.

Energy is VASP's free energy (``e_fr_energy``), whose derivatives the forces and the stress are; ASE calls it
force consistent. It also is the one that holds the dispersion energy in every version of VASP. The work
of an external pressure, which VASP adds to it, is taken out.

Nothing is corrected: frames of runs with other functionals, U values or pseudopotentials must not be mixed,
nor with MPtrj's, which carry the Materials Project's corrections.
"""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ase import Atoms
from pymatgen.io.vasp.outputs import Vasprun

from ionsieve import structures
from ionsieve.data.frame_shards import DamagedFrame, Tally, first_three_and_last, make_frame, open_shards
from ionsieve.data.vasp_files import NAMES
from ionsieve.errors import DataError
from ionsieve.structures import volume_A3
from ionsieve.units import EV_PER_A3_PER_KBAR


def sample(files: Sequence[Path | str], shard: Path) -> dict[str, Any]:
    """Write the first three and the last ionic step of each run into ``shard``; returns their counts.

    A file that cannot be read and a step that did not converge are set aside. ``material_id`` is
    ``vasp-`` and the reduced formula: runs of one compound resemble each other, so a split never parts them.

    Raises
    ------
    DataError : there are no files, or no frame of them is left.
    """
    if not files:
        raise DataError(f"the folders of data.vasp_outputs hold none of {', '.join(NAMES)}")
    tally = Tally()
    n_steps = 0
    materials: set[str] = set()
    with open_shards([shard], tally) as write:
        for number, file in enumerate(files):
            try:
                run = _read(Path(file))
            except DamagedFrame as damage:
                tally.add_damaged(str(file), damage)
                continue
            n_steps += len(run.ionic_steps)
            for step in first_three_and_last(range(len(run.ionic_steps))):
                frame_id = f"run-{number}-step-{step}"
                try:
                    frame = _frame(run, step, frame_id)
                except DamagedFrame as damage:
                    tally.add_damaged(f"{file}, ionic step {step + 1}", damage)
                    continue
                write(frame)
                materials.add(frame.info["material_id"])
        if not tally.kept:
            raise DataError(
                f"no frame of the {len(files)} files in data.vasp_outputs is left; set aside:"
                f" {tally.reasons()}"
            )
    return {
        "source": "VASP",
        "energy": "VASP's free energy (e_fr_energy), uncorrected",
        "sampling": "first three and last ionic step of each run",
        "files_read": len(files),
        "frames_read": n_steps,
        "materials": len(materials),
        **tally.document(),
    }


def _read(path: Path) -> Vasprun:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # unconverged runs are judged step by step
        try:
            run = Vasprun(str(path), parse_dos=False, parse_eigen=False, parse_potcar_file=False)
        except Exception as error:  # pymatgen and the XML parser raise whatever they meet
            raise DamagedFrame("unreadable vasprun.xml", f"{type(error).__name__}: {error}") from None
    if not run.ionic_steps:
        raise DamagedFrame("no ionic steps", "the run broke off in its first step")
    return run


def _frame(run: Vasprun, number: int, frame_id: str) -> Atoms:
    step = run.ionic_steps[number]
    _require_converged(run, step)
    try:
        columns = structures.to_columns(step["structure"])
    except (structures.DamagedStructure, AttributeError, KeyError) as error:
        raise DamagedFrame("damaged structure", str(error)) from None
    energy_eV = step.get("e_fr_energy")
    if energy_eV is not None:
        pressure_kbar = float(run.parameters.get("PSTRESS", 0.0))
        energy_eV -= pressure_kbar * EV_PER_A3_PER_KBAR * volume_A3(columns["cell"])
    formula = structures.composition_of(columns["numbers"]).reduced_formula
    return make_frame(
        columns,
        energy_eV,
        step.get("forces"),
        step.get("stress"),
        {"material_id": f"vasp-{formula}", "frame_id": frame_id},
    )


def _require_converged(run: Vasprun, step: dict[str, Any]) -> None:
    """Refuse energies and forces of a density that is not self-consistent."""
    n_iterations, limit = len(step["electronic_steps"]), run.parameters.get("NELM", 60)
    if n_iterations == 0:
        raise DamagedFrame(
            "no electronic steps", "not from DFT, as steps of VASP's machine-learned force fields"
        )
    if n_iterations >= limit:
        raise DamagedFrame("electronic steps not converged", f"all {limit} (NELM) were used up")
