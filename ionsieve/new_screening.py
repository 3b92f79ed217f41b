"""A new screening: a folder with its configuration, and the command that runs it.

The workflow is run from where it is (``snakemake --snakefile``), in the new folder; nothing is copied but the
configuration, so that an update of the workflow reaches every screening.
"""

import os
import shlex
from dataclasses import dataclass
from pathlib import Path

from ionsieve.artifacts import write_text
from ionsieve.data.formats import (
    CRYSTAL_FORMATS,
    JSON_LINES_SUFFIX,
    crystal_files,
    is_crystal_file,
    is_json_lines,
)
from ionsieve.errors import DataError, IonSieveError
from ionsieve.ions import ion_charge
from ionsieve.workflow_call import SNAKEFILE

DEMO_ION = "Mg"  # whose candidates ship with IonSieve

# Mg's thresholds are the paper's: 3.0 V and 800 Ah/L. A host that has 3.0 V against Mg has less against a
# nobler metal, by the difference of the standard potentials (V against hydrogen, CRC Handbook, 97th edition).
PAPER_VOLTAGE_V, PAPER_CAPACITY_AH_PER_L = 3.0, 800.0
MG_POTENTIAL_V = -2.37
NOBLER_THAN_MG_V = {"Zn": -0.76, "Al": -1.66}


@dataclass(frozen=True)
class Started:
    """A new screening.

    Attributes
    ----------
    config : its configuration.
    command : what runs it, in its folder.
    remarks : what to know before, a line each.
    """

    config: Path
    command: str
    remarks: list[str]


def start(folder: Path, ion: str, structures: Path | None) -> Started:
    """Make the folder of a screening.

    Parameters
    ----------
    folder : new, or there without config.yaml and results.
    ion : the working ion.
    structures : a file or folder of the user's crystals; None to screen databases.

    Raises
    ------
    DataError : the folder holds a screening, or there is no structure where one was named.
    IonSieveError : the workflow is not where this package is installed.
    """
    if not SNAKEFILE.is_file():
        raise IonSieveError(
            f"the workflow is not beside this installation (no {SNAKEFILE}): clone the repository and install"
            " with `make install`, or `pip install -e .` there"
        )
    for name in ("config.yaml", "results"):
        if (folder / name).exists():
            raise DataError(f"{folder / name} is there already; name a new folder, nothing is overwritten")
    if folder.exists() and not folder.is_dir():
        raise DataError(f"{folder} is a file; name a folder")
    has_key = _has_key()
    sources, remarks = _sources(ion, structures, has_key)
    command = f"snakemake --snakefile {shlex.quote(str(SNAKEFILE))} --cores {_cores()}"
    write_text(folder / "config.yaml", _config(ion, structures, sources, command))
    return Started(folder / "config.yaml", command, remarks)


def voltage_threshold(ion: str) -> float:
    """Lowest voltage in V against the ion's metal: what 3.0 V against Mg is, where the metal is nobler."""
    shift_V = NOBLER_THAN_MG_V.get(ion, MG_POTENTIAL_V) - MG_POTENTIAL_V
    return round(PAPER_VOLTAGE_V - shift_V, 1)


def capacity_threshold(ion: str) -> float:
    """Lowest capacity in Ah/L: the paper's is for two electrons an ion, so half of it for one."""
    return PAPER_CAPACITY_AH_PER_L * min(1.0, ion_charge(ion) / 2)


def _sources(ion: str, structures: Path | None, has_key: bool) -> tuple[list[str], list[str]]:
    """Where electrodes and candidates come from, and what to know of it."""
    if structures is not None:
        n_files = len(_structure_files(structures))
        remarks = [f"{n_files} structure file{'' if n_files == 1 else 's'} in {structures}"]
        if has_key:
            return ["files", "materials_project"], [
                *remarks,
                "electrodes to learn from, and more candidates, are the Materials Project's: a key was found",
            ]
        return ["files", "demo"], [
            *remarks,
            "no key for the Materials Project was found: the voltage model learns from the small shipped set"
            " of CHGNet's voltages; with MP_API_KEY set, put materials_project in place of demo",
        ]
    if ion == DEMO_ION and not has_key:
        return ["demo"], ["candidates and electrodes are those that ship with IonSieve: no key was found"]
    remarks = [] if has_key else ["the Materials Project needs a key: set MP_API_KEY before you run"]
    return ["materials_project"], remarks


def _structure_files(structures: Path) -> list[Path]:
    if not structures.exists():
        raise DataError(f"--structures {structures} does not exist; name a folder of CIF files, or a file")
    if structures.is_file():
        if not (is_crystal_file(structures) or is_json_lines(structures) or structures.suffix == ".parquet"):
            raise DataError(
                f"--structures {structures}: unknown format {structures.suffix!r}; allowed: a folder,"
                f" .parquet, .jsonl, .jsonl.gz, {CRYSTAL_FORMATS}"
            )
        return [structures]
    files = crystal_files(structures)
    if files:
        return files
    lines = sorted(path.name for path in structures.rglob("*") if is_json_lines(path))
    hint = f"; name the file itself: {lines[0]}" if lines else ""
    raise DataError(
        f"--structures {structures} holds no structure file; known: {CRYSTAL_FORMATS} (a {JSON_LINES_SUFFIX}"
        f" is named itself){hint}"
    )


def _has_key() -> bool:
    from ionsieve.data.materials_project.client import find_key

    try:
        find_key()
    except IonSieveError:
        return False
    return True


def _cores() -> int:
    return len(os.sched_getaffinity(0))


def _config(ion: str, structures: Path | None, sources: list[str], command: str) -> str:
    """The configuration as YAML; what it leaves out has the default of the workflow's config.yaml."""
    listed = "" if structures is None else f"\n  files:\n    structures: [{_quoted(structures.resolve())}]"
    listed += "" if structures is None else "\n    licence: unknown  # of your files; travels with every row"
    shards = (
        "\n  shards: 64  # buckets of candidates; for 10^5 of them" if "materials_project" in sources else ""
    )
    controls = (
        "" if sources == ["demo"] else "\n  controls: []  # material_ids of known conductors, as references"
    )
    volt, capacity = f"{voltage_threshold(ion):g}", f"{capacity_threshold(ion):g}"
    nobler = f", less by the nobler {ion} metal" if ion in NOBLER_THAN_MG_V else ""
    half = ", half for one electron an ion" if ion_charge(ion) == 1 else ""
    return f"""\
# A screening for {ion} cathodes. In this folder:
#   {command}
# -n shows what would run; `ionsieve status` how far it is. Results: results/report/index.html.
# Every key is explained in {SNAKEFILE.parent / "config.yaml"};
# what is not named here has its default there.

working_ion: {ion}

data:
  sources: [{", ".join(sources)}]  # earlier ones win{listed}{shards}

screen:
  min_voltage_V: {volt}  # V against {ion} metal (the paper's 3.0 for Mg{nobler})
  min_capacity_vol_Ah_per_L: {capacity}  # Ah/L at full extraction (the paper's 800 for Mg{half})
  max_candidates: 4  # length of the shortlist that goes on to molecular dynamics{controls}
"""


def _quoted(path: Path) -> str:
    import json

    return json.dumps(str(path), ensure_ascii=False)
