"""What a VASP relaxation gave.

VASP adds the energy of D3 to the total energy of each ionic step, and prints it in the OUTCAR as
``Edisp (eV)``.
"""

from pathlib import Path
from typing import Any

import numpy as np
from monty.os.path import zpath
from pymatgen.io.vasp import Incar, Outcar

from ionsieve.errors import CandidateFailed

LABEL_KIND = "DFT (VASP, PBE+U, D3)"
# The Hamiltonian, the basis and the sampling: a remedy of custodian's that changes one of them makes the
# energy another quantity than those it is subtracted from. How the minimum is found (ALGO, mixing, POTIM)
# may change.
PHYSICS_TAGS = (
    "GGA", "METAGGA", "ENCUT", "PREC", "LASPH", "LREAL", "ISPIN", "KSPACING", "KGAMMA", "ISMEAR", "SIGMA",
    "ISIF", "IVDW", "LDAU", "LDAUTYPE", "LDAUL", "LDAUU", "LDAUJ",
)  # fmt: skip
# VASP 5.4 and 6 print "  Edisp (eV)  -28.80731", some builds with a colon.
DISPERSION = r"Edisp\s*\(eV\)\s*:?\s*(-?\d+\.\d+)"


def relaxed_cell(task: Any, folder: Path, asked: Incar) -> dict[str, Any]:
    """What later stages need of a relaxation, as plain data.

    Parameters
    ----------
    task : emmet's TaskDoc of the run (every field of which is optional to a type checker).
    folder : where it ran.
    asked : the INCAR that it was to run with.

    Returns
    -------
    ``energy_eV`` and ``dispersion_eV`` (a part of it) per cell, ``volume_A3``, ``max_force_eV_per_A``,
    ``magnetization_muB``, the relaxed ``structure`` in pymatgen's words, the INCAR in force, the POTCARs'
    titles, VASP's version, and custodian's corrections.

    Raises
    ------
    CandidateFailed : it did not converge, or ran with other physics than asked.
    """
    run = task.calcs_reversed[0]
    if task.state != "successful":
        raise CandidateFailed(f"VASP did not converge {task.formula_pretty} (state {task.state})")
    incar = Incar.from_file(zpath(str(folder / "INCAR")))
    changed = [tag for tag in PHYSICS_TAGS if incar.get(tag) != asked.get(tag)]
    if changed:
        now = ", ".join(f"{tag} = {incar.get(tag)} in place of {asked.get(tag)}" for tag in changed)
        raise CandidateFailed(
            f"{task.formula_pretty} ran with {now}: no energy to compare (a remedy of custodian's, or"
            " VASP_INCAR_UPDATES in atomate2's settings)"
        )
    if Path(zpath(str(folder / "KPOINTS"))).exists():
        raise CandidateFailed(
            f"custodian wrote a KPOINTS file for {task.formula_pretty}: no energy to compare"
        )
    outcar = Outcar(zpath(str(folder / "OUTCAR")))
    outcar.read_pattern({"dispersion": DISPERSION}, reverse=True, terminate_on_match=True, postprocess=float)
    if not outcar.data["dispersion"]:
        raise CandidateFailed(f"no D3 energy in the OUTCAR of {task.formula_pretty}, though IVDW asks for it")
    structure = task.structure.copy(site_properties={})
    return {
        "formula": task.formula_pretty,
        "n_atoms": len(structure),
        "energy_eV": float(task.output.energy),
        "dispersion_eV": outcar.data["dispersion"][0][0],
        "volume_A3": float(structure.volume),
        "max_force_eV_per_A": float(np.linalg.norm(np.array(task.output.forces), axis=1).max()),
        "magnetization_muB": outcar.total_mag,
        "structure": structure.as_dict(verbosity=0),
        "incar": {tag: incar[tag] for tag in sorted(incar)},
        "potcar_titles": sorted(spec.titel for spec in run.input.potcar_spec),
        "vasp_version": run.vasp_version,
        "corrections": corrections(task),
    }


def corrections(task: Any) -> list[str]:
    """What custodian met and mended, in its words."""
    return [
        error
        for job in task.custodian or []
        for correction in job.corrections or []
        for error in correction.get("errors") or []
    ]
