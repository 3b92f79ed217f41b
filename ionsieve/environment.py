"""What this machine can run: what each stage needs, whether it is there, and what helps where it is not.

Nothing is installed, submitted or written. Secrets are looked for, and never told.
"""

import importlib
import importlib.metadata
import os
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ionsieve.errors import IonSieveError, first_line

State = Literal["ok", "missing", "warning"]
SCREENING, OWN_DATA, DATABASES = "screening", "own data", "databases"
HPC, VALIDATION = "large runs", "validation"
GROUPS = (SCREENING, OWN_DATA, DATABASES, HPC, VALIDATION)

ROOT = Path(__file__).resolve().parents[1]
LOCK = ROOT / "envs" / "requirements.lock"
PROJECT = "ionsieve"
OLDEST_PYTHON = (3, 11)
# The demo's peak, and what its results take, with room for a second run.
LEAST_MEMORY_GB, LEAST_DISK_GB = 4.0, 2.0
TIMEOUT_S = 5
INSTALL = "pip install -r envs/requirements.lock, in the folder of the workflow"


@dataclass(frozen=True)
class Check:
    """One thing that was looked for.

    Attributes
    ----------
    group : what it is needed for; of :data:`GROUPS`.
    name : what was looked for.
    state : ``ok``; ``missing``, then what the group needs it for cannot run; or ``warning``.
    found : what is there.
    remedy : what to do; empty where it is ok.
    """

    group: str
    name: str
    state: State
    found: str
    remedy: str = ""


def checks(folder: Path, *, online: bool = False) -> Iterator[Check]:
    """Look at this machine, one thing after the other.

    Parameters
    ----------
    folder : where a screening would run.
    online : also ask the Materials Project whether it accepts the key.
    """
    yield _python()
    yield from _versions()
    yield _imports(SCREENING, "LightGBM", "lightgbm", "apt-get install libgomp1 (the OpenMP library)")
    yield _imports(SCREENING, "CHGNet", "chgnet.model.dynamics", INSTALL)
    yield _cores()
    yield _memory()
    yield _disk(folder)
    yield _imports(OWN_DATA, "readers of CIF, POSCAR and extxyz", "ionsieve.data.structure_files", INSTALL)
    yield from _databases(online)
    yield _gpu()
    yield _compiler()
    yield from _slurm()
    yield from _vasp()
    yield _gpaw()


def can_screen(found: list[Check]) -> bool:
    """Whether the screening of the shipped data can run here."""
    return not any(check.group == SCREENING and check.state == "missing" for check in found)


def _python() -> Check:
    version = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info >= OLDEST_PYTHON:
        return Check(SCREENING, "Python", "ok", version)
    return Check(SCREENING, "Python", "missing", version, "make PYTHON=/path/to/python3.11 install")


def _versions() -> Iterator[Check]:
    """Packages that this project asks for, beside the versions that were tested together."""
    needed = _requirements()
    if not LOCK.is_file():
        remedy = "clone the repository: the workflow itself is there, and the tested versions"
        yield Check(SCREENING, "tested versions", "warning", f"no {LOCK}", remedy)
        return
    pinned = dict(line.split("==") for line in LOCK.read_text().split() if "==" in line)
    tested = {_normal(name): version for name, version in pinned.items()}
    absent, others = [], []
    for name in needed:
        try:
            # A build tag, as torch's +cpu, is no other version.
            version = importlib.metadata.version(name).partition("+")[0]
        except importlib.metadata.PackageNotFoundError:
            absent.append(name)
            continue
        if tested.get(_normal(name), version) != version:
            others.append(f"{name} {version} (tested: {tested[_normal(name)]})")
    if absent:
        yield Check(SCREENING, "packages", "missing", f"not installed: {', '.join(absent)}", INSTALL)
    if others:
        yield Check(SCREENING, "tested versions", "warning", ", ".join(others), INSTALL)
    if not absent and not others:
        found = f"{len(needed)} packages as in {LOCK.relative_to(ROOT)}"
        yield Check(SCREENING, "tested versions", "ok", found)


def _requirements() -> list[str]:
    """What the project itself depends on, extras apart."""
    try:
        lines = importlib.metadata.requires(PROJECT) or []
    except importlib.metadata.PackageNotFoundError:
        import tomllib

        lines = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    return [re.split(r"[^A-Za-z0-9._-]", line)[0] for line in lines if "extra ==" not in line]


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _imports(group: str, name: str, module: str, remedy: str) -> Check:
    """Whether a package loads, libraries of the system and all."""
    try:
        importlib.import_module(module)
    except Exception as error:  # whatever a broken installation raises
        return Check(group, name, "missing", f"does not load: {first_line(error)}", remedy)
    return Check(group, name, "ok", "loads")


def _cores() -> Check:
    return Check(SCREENING, "cores", "ok", f"{len(os.sched_getaffinity(0))}")


def _memory() -> Check:
    import psutil

    memory = psutil.virtual_memory()
    total_GB, free_GB = memory.total / 1e9, memory.available / 1e9
    found = f"{total_GB:.0f} GB, {free_GB:.0f} GB of it free"
    if free_GB >= LEAST_MEMORY_GB:
        return Check(SCREENING, "memory", "ok", found)
    remedy = f"jobs take up to {LEAST_MEMORY_GB:g} GB: close something, or run snakemake with --cores 1"
    return Check(SCREENING, "memory", "warning", found, remedy)


def _disk(folder: Path) -> Check:
    there = folder.resolve()
    while not there.exists():
        there = there.parent
    free_GB = shutil.disk_usage(there).free / 1e9
    found = f"{free_GB:.0f} GB free in {there}"
    if not os.access(there, os.W_OK):
        return Check(SCREENING, "disk", "missing", f"{there} is not writable", "run in a folder of yours")
    if free_GB >= LEAST_DISK_GB:
        return Check(SCREENING, "disk", "ok", found)
    remedy = f"a screening takes {LEAST_DISK_GB:g} GB and more: free some, or run elsewhere"
    return Check(SCREENING, "disk", "warning", found, remedy)


def _databases(online: bool) -> Iterator[Check]:
    from ionsieve.data.materials_project.client import GET_A_KEY, find_key

    try:
        find_key()
        yield Check(DATABASES, "MP_API_KEY", "ok", "there is a key (not shown)")
        has_key = True
    except IonSieveError as error:
        yield Check(DATABASES, "MP_API_KEY", "missing", str(error).partition(";")[0], GET_A_KEY)
        has_key = False
    yield _network()
    if online and has_key:
        yield _key_answers()


def _network() -> Check:
    import requests
    from mp_api.client.core.utils import validate_endpoint

    address = f"{validate_endpoint(os.environ.get('MP_API_ENDPOINT'))}heartbeat"
    try:
        requests.get(address, timeout=TIMEOUT_S).raise_for_status()
    except requests.RequestException as error:
        found = f"no answer from {address} ({type(error).__name__})"
        remedy = "pull where there is a network (snakemake --cores 1 fetch_all); all else runs without"
        return Check(DATABASES, "network", "missing", found, remedy)
    return Check(DATABASES, "network", "ok", f"{address} answers")


def _key_answers() -> Check:
    """Ask for one document with the key."""
    from ionsieve.data.materials_project.client import GET_A_KEY, Client

    try:
        client = Client()
        client.search("summary", "doctor", fields=["material_id"], limit=1, page=1, elements=["Mg"])
    except IonSieveError as error:
        return Check(DATABASES, "the key is accepted", "missing", str(error).partition(";")[0], GET_A_KEY)
    found = f"the Materials Project answers, database {client.version}"
    return Check(DATABASES, "the key is accepted", "ok", found)


def _gpu() -> Check:
    remedy = "the demo and the preset small need none; for potential.preset paper, run where one is"
    try:
        import torch
    except Exception as error:
        return Check(HPC, "GPU", "warning", f"torch does not load: {first_line(error)}", INSTALL)
    if torch.cuda.is_available():
        return Check(HPC, "GPU", "ok", torch.cuda.get_device_name(0))
    return Check(HPC, "GPU", "warning", f"torch {torch.__version__} finds no CUDA device", remedy)


def _compiler() -> Check:
    compiler = os.environ.get("CXX", "g++")
    path = shutil.which(compiler)
    if path is not None:
        return Check(HPC, "C++ compiler", "ok", path)
    remedy = "apt-get install g++; without one, molecular dynamics runs uncompiled, and slower"
    return Check(HPC, "C++ compiler", "warning", f"no {compiler} on the PATH", remedy)


def _slurm() -> Iterator[Check]:
    path = shutil.which("sbatch")
    if path is None:
        remedy = "on a cluster, run on a login node; elsewhere nothing needs it"
        yield Check(HPC, "SLURM", "warning", "no sbatch on the PATH", remedy)
        return
    yield Check(HPC, "SLURM", "ok", path)
    yield _imports(HPC, "Snakemake's SLURM plugin", "snakemake_executor_plugin_slurm", INSTALL)
    profile = ROOT / "profiles" / "slurm" / "config.yaml"
    if profile.is_file():
        yield Check(HPC, "SLURM profile", "ok", f"{profile.parent}")
    else:
        remedy = "clone the repository: profiles/slurm is there"
        yield Check(HPC, "SLURM profile", "warning", f"no {profile}", remedy)


def _vasp() -> Iterator[Check]:
    prepared = "validation.vasp: prepare writes inputs without it"
    yield _attempt(VALIDATION, "VASP", _vasp_command, f"export VASP_CMD='mpirun -n 16 vasp_std'; {prepared}")
    remedy = f"set PMG_VASP_PSP_DIR to your licensed POTCARs as `pmg config -p` lays them out; {prepared}"
    yield _attempt(VALIDATION, "POTCARs", _potcars, remedy)


def _attempt(group: str, name: str, look: Callable[[], str], remedy: str) -> Check:
    try:
        return Check(group, name, "ok", look())
    except LookupError as error:
        return Check(group, name, "missing", str(error.args[0]), remedy)
    except Exception as error:  # a package that does not load
        return Check(group, name, "missing", f"does not load: {first_line(error)}", INSTALL)


def _vasp_command() -> str:
    from ionsieve.validation.vasp_run import VaspUnavailable, vasp_command

    try:
        return vasp_command(os.environ)
    except VaspUnavailable:
        raise LookupError("no program of that name; VASP_CMD names it") from None


def _potcars() -> str:
    from pymatgen.core import Composition

    from ionsieve.validation.vasp_run import VaspUnavailable, require_potcars

    try:
        require_potcars(Composition("MgMn2O4"))
    except VaspUnavailable:
        raise LookupError("those of Mg, Mn and O cannot be read") from None
    return "those of Mg, Mn and O can be read"


def _gpaw() -> Check:
    from importlib.util import find_spec

    if find_spec("gpaw") is None:
        remedy = "make gpaw (docs/validation.md tells what it is built with); a free DFT"
        return Check(VALIDATION, "GPAW", "missing", "not installed", remedy)
    return _imports(VALIDATION, "GPAW", "gpaw", "make gpaw builds it anew")
