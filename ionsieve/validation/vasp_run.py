"""One VASP relaxation where the job runs: atomate2's maker, run by jobflow, under custodian.

Every start has a job folder of its own below the relaxation's folder. A relaxation that was stopped
(walltime, memory, a cancelled job) goes on from the last ionic step that VASP wrote. POTCARs are licensed:
they are in a job folder while VASP runs there, and removed when it ends, or at the next start if the whole
job was killed.
"""

import json
import logging
import shlex
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from atomate2 import SETTINGS
from atomate2.vasp.run import DEFAULT_HANDLERS
from custodian.custodian import CustodianError, ReturnCodeError, ValidationError
from custodian.vasp.handlers import KspacingMetalHandler
from jobflow import JobStore, run_locally
from maggma.stores import MemoryStore
from monty.io import zopen
from monty.json import MontyEncoder
from monty.os.path import zpath
from pymatgen.core import Composition, Structure
from pymatgen.io.vasp import Poscar, PotcarSingle

from ionsieve.artifacts import write_json
from ionsieve.errors import CandidateFailed, IonSieveError, first_line
from ionsieve.validation.flow import relaxation_maker
from ionsieve.validation.vasp import (
    IntercalationRelaxSetGenerator,
    potcar_functional,
    potcar_symbols,
)
from ionsieve.validation.vasp_result import relaxed_cell

logger = logging.getLogger(__name__)

COMMAND = "VASP_CMD"
CORES = "VASP_CORES"
MADE_WITH = "made_with.json"
# Where VASP left off is not trusted when it lies further from the start than any relaxation goes.
MAX_VOLUME_FACTOR = 2.0
MIN_DISTANCE_A = 0.5


class VaspUnavailable(IonSieveError):
    """VASP or a POTCAR is not there."""


class VaspStopped(IonSieveError):
    """VASP ended before its relaxation did; another start goes on from there."""


def vasp_command(environment: Mapping[str, str]) -> str:
    """The command that runs VASP: VASP_CMD, else atomate2's own setting.

    Raises
    ------
    VaspUnavailable : there is no such program.
    """
    command = environment.get(COMMAND, "") or SETTINGS.VASP_CMD
    words = shlex.split(command)
    if not words or shutil.which(words[0]) is None:
        raise VaspUnavailable(
            f"validation.vasp is `run`, but there is no program {''.join(words[:1])!r} here: set {COMMAND},"
            f" as in export {COMMAND}='mpirun -n ${CORES} vasp_std' (a job sets {CORES} to its cores), or set"
            " validation.vasp to prepare; the inputs are written either way"
        )
    return command


def require_potcars(composition: Composition) -> None:
    """Check that a POTCAR of every element can be read.

    Raises
    ------
    CandidateFailed : the Materials Project has no PAW data set for an element.
    VaspUnavailable : a POTCAR is not where pymatgen looks for it.
    """
    missing, why = [], ""
    for symbol in potcar_symbols(composition).values():
        try:
            PotcarSingle.from_symbol_and_functional(symbol, potcar_functional())
        except Exception as error:  # unset folder, missing file, unreadable file: one remedy
            missing.append(symbol)
            why = first_line(error)
    if missing:
        raise VaspUnavailable(
            f"validation.vasp is `run`, but POTCARs of {potcar_functional()} are missing:"
            f" {', '.join(missing)} ({why}). Set PMG_VASP_PSP_DIR to your licensed POTCARs in pymatgen's"
            " layout (pmg config -p makes it), or set validation.vasp to prepare; inputs are written anyway"
        )


def relax(
    name: str,
    structure: Structure,
    generator: IntercalationRelaxSetGenerator,
    folder: Path,
    environment: Mapping[str, str],
    made_with: Mapping[str, str],
    *,
    may_start_again: bool,
) -> dict[str, Any]:
    """Relax one cell, or go on with a relaxation of the same cell and settings that was stopped.

    Parameters
    ----------
    name : of the relaxation, in logs.
    folder : where its job folders lie. What lies there of another structure, settings or version is removed.
    environment : of the process; for VASP_CMD.
    made_with : versions that the result depends on beside structure and settings.
    may_start_again : another start follows if VASP is stopped; without one the candidate has failed.

    Returns
    -------
    What :func:`ionsieve.validation.vasp_result.relaxed_cell` says of it.

    Raises
    ------
    VaspUnavailable : no VASP or no POTCARs here, or what VASP_CMD starts is not VASP.
    VaspStopped : VASP was killed or crashed in a way that custodian has no remedy for.
    CandidateFailed : custodian gave up, it did not converge, a remedy changed the physics, or VASP was
        stopped once too often.
    """
    command = vasp_command(environment)
    require_potcars(structure.composition)
    cell = json.dumps([structure.as_dict(verbosity=0), generator.as_dict()], cls=MontyEncoder, sort_keys=True)
    _clear_if_other(folder, {**made_with, "cell": cell})
    remove_potcars(folder)  # of starts that were killed before they could
    start = last_ionic_step(folder, structure)
    logger.info("%s: %s", name, "from the start" if start is None else f"going on from {start[1]}")
    maker = replace(
        relaxation_maker(name, generator),
        run_vasp_kwargs={
            "vasp_cmd": command,
            # Above 0.22 it would change KSPACING in metallic hosts only, and spoil the difference.
            "handlers": [each for each in DEFAULT_HANDLERS if not isinstance(each, KspacingMetalHandler)],
            # The monitors look every five minutes as by default; small cells need not wait for ten seconds.
            "custodian_kwargs": {"polling_time_step": 1, "monitor_freq": 300},
        },
        stop_children_kwargs={"handle_unsuccessful": False},
    )
    job = maker.make(structure if start is None else start[0])  # type: ignore[misc]  # untyped decorator
    try:
        responses = run_locally(
            job,
            log=False,
            store=JobStore(MemoryStore()),
            create_folders=True,
            root_dir=folder,
            raise_immediately=True,
        )
    except (ValidationError, ReturnCodeError) as error:
        if not _has_spoken(folder):
            raise VaspUnavailable(
                f"{command!r} ended before VASP wrote an OUTCAR{_last_words(folder)}: try {COMMAND} by hand"
                " where jobs run; nothing is lost"
            ) from error
        stopped = f"VASP ended before the relaxation of {name} did ({first_line(error)}){_last_words(folder)}"
        if not may_start_again:
            raise CandidateFailed(f"{stopped}, at its last start too") from error
        raise VaspStopped(
            f"{stopped}: the next start goes on from its last ionic step, with more memory"
        ) from error
    except CustodianError as error:
        raise CandidateFailed(f"custodian gave up on {name}: {first_line(error)}") from error
    finally:
        remove_potcars(folder)
    response = responses[job.uuid][1]
    asked = generator.get_input_set(structure, potcar_spec=True).incar
    return relaxed_cell(response.output, Path(response.job_dir), asked)


def last_ionic_step(folder: Path, structure: Structure) -> tuple[Structure, str] | None:
    """Where the newest job folder's VASP left off, and that folder's name; None where nothing is to trust.

    A CONTCAR that VASP was killed while writing, or that has fallen apart, counts as not there.
    """
    for job_folder in sorted(folder.glob("job_*"), reverse=True):
        path = zpath(str(job_folder / "CONTCAR"))
        try:
            with zopen(path, "rt") as handle:
                reached = Poscar.from_str(handle.read()).structure
        except Exception:  # pymatgen raises whatever the missing half of a file leads to
            continue
        factor = reached.volume / structure.volume
        if (
            reached.composition == structure.composition
            and 1 / MAX_VOLUME_FACTOR < factor < MAX_VOLUME_FACTOR
            and reached.is_valid(MIN_DISTANCE_A)
        ):
            return reached.copy(site_properties={}), job_folder.name
    return None


def remove_potcars(folder: Path) -> None:
    """Remove POTCARs, backed up and compressed ones too, below a folder."""
    for path in folder.rglob("POTCAR*"):
        if not path.name.startswith("POTCAR.spec"):
            path.unlink()


def _clear_if_other(folder: Path, made_with: Mapping[str, str]) -> None:
    """Remove what another structure, other settings or an older version left, and note what is made now."""
    note = folder / MADE_WITH
    try:
        same = json.loads(note.read_text()) == made_with
    except (OSError, ValueError):
        same = False
    if not same:
        shutil.rmtree(folder, ignore_errors=True)
        write_json(note, dict(made_with))


def _newest_job(folder: Path) -> Path | None:
    """The job folder of the last start."""
    return max(folder.glob("job_*"), default=None)


def _has_spoken(folder: Path) -> bool:
    """Whether VASP itself ran in the newest job folder."""
    newest = _newest_job(folder)
    return newest is not None and any(newest.glob("OUTCAR*"))


def _last_words(folder: Path) -> str:
    """The last line that VASP printed, if any."""
    newest = _newest_job(folder)
    if newest is not None:
        for name in ("std_err.txt", "vasp.out"):
            path = newest / name
            lines = path.read_text(errors="replace").split("\n") if path.is_file() else []
            spoken = [line.strip() for line in lines if line.strip()]
            if spoken:
                return f"; its last words: {spoken[-1][:200]}"
    return ""
