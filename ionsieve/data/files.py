"""The `files` source: electrodes and structures from the user's own disk.

Structures: JSON Lines (one crystal a line, plain or gzipped), Parquet with the columns of
:data:`ionsieve.tables.CANDIDATES`, CIF, POSCAR, extxyz, or folders of those. Electrodes: JSON Lines
in the shape of the Materials Project's Battery Explorer, or Parquet with the columns of
:data:`ionsieve.tables.ELECTRODES`. Everything streams: one crystal is in memory at a time.

A record that cannot be used is yielded as a :class:`Reject` with its reason and stops nothing; a file
that cannot be read as a whole raises :class:`~ionsieve.errors.DataError`.
"""

import gzip
import json
import math
import re
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import numpy as np
from pymatgen.core import Composition, Lattice, Structure
from pymatgen.io.cif import CifParser

from ionsieve import structures
from ionsieve.data.formats import CRYSTAL_FORMATS, crystal_files, crystal_name, is_crystal_file
from ionsieve.data.records import Pulled, Record, Reject, check_candidate, check_electrode, unknown_ion
from ionsieve.data.steps import voltage_steps
from ionsieve.electrochemistry import framework_formula
from ionsieve.errors import DataError, first_line
from ionsieve.ions import WORKING_IONS
from ionsieve.structures import DamagedStructure
from ionsieve.tables import CANDIDATES, ELECTRODES, stream

SOURCE = "files"
HULL_OF_FILES = "as given in the files"
# Columns that a Parquet file of the user may lack, and what stands for them.
OPTIONAL_COLUMNS: dict[str, Any] = {"hull_reference": None, "step_voltage_V": [], "step_x": []}
PARQUET_BATCH_ROWS = 2048


@dataclass(frozen=True)
class Crystal:
    """One crystal as read: its id, its structure columns, its hull distance where the file has one."""

    material_id: str
    columns: dict[str, Any]
    energy_above_hull_eV_per_atom: float | None = None
    hull_reference: str | None = None
    licence: str | None = None


def safe_id(name: str) -> str:
    """An id that can name a folder: everything but letters, digits, '.', '_' and '-' becomes '_'."""
    return re.sub(r"[^A-Za-z0-9._-]", "_", name).lstrip(".") or "unnamed"


def read_structures(paths: Iterable[Path]) -> Iterator[Crystal | Reject]:
    """Every crystal in the given files and folders, in a fixed order; unusable ones as Reject.

    Raises
    ------
    DataError : a file does not exist, has an unknown format, or is damaged as a whole.
    """
    for path in paths:
        if path.is_dir():
            files = crystal_files(path)
            if not files:
                raise DataError(f"{path} holds no structure file; known: {CRYSTAL_FORMATS}")
            for file in files:
                yield from _read_crystal_file(file)
        elif not path.exists():
            raise DataError(f"{path} does not exist (seen from {Path.cwd()}); mend data.files.structures")
        elif path.suffix == ".parquet":
            yield from _read_parquet_structures(path)
        elif ".jsonl" in path.suffixes:
            yield from _read_json_lines(path)
        elif is_crystal_file(path):
            yield from _read_crystal_file(path)
        else:
            raise DataError(
                f"{path}: unknown format {path.suffix!r}; allowed: .jsonl, .jsonl.gz, .parquet, a folder, "
                f"{CRYSTAL_FORMATS}"
            )


def pull(
    electrode_paths: Sequence[Path],
    structure_paths: Sequence[Path],
    working_ion: str,
    label_kind: str,
    licence: str,
) -> Pulled:
    """What the user's files give: electrodes, and every crystal with the working ion as a candidate."""
    return Pulled(
        electrode_rows(electrode_paths, structure_paths, label_kind, licence),
        candidate_rows(structure_paths, working_ion, licence),
        {
            "source": SOURCE,
            "version": None,
            "licences": [licence],
            "cite": [],
            "query": {"working_ion": working_ion, "label_kind": label_kind, "licence": licence},
        },
    )


def candidate_rows(paths: Iterable[Path], working_ion: str, licence: str) -> Iterator[Record]:
    """Rows of :data:`~ionsieve.tables.CANDIDATES` for every usable crystal with the working ion."""
    for crystal in read_structures(paths):
        if isinstance(crystal, Reject):
            yield crystal
            continue
        row = {
            "material_id": crystal.material_id,
            "source": SOURCE,
            "licence": str(crystal.licence or licence),
            "energy_above_hull_eV_per_atom": crystal.energy_above_hull_eV_per_atom,
            "hull_reference": crystal.hull_reference,
            **crystal.columns,
        }
        yield check_candidate(row, working_ion)


def electrode_rows(
    electrode_paths: Iterable[Path], structure_paths: Iterable[Path], label_kind: str, licence: str
) -> Iterator[Record]:
    """Rows of :data:`~ionsieve.tables.ELECTRODES`.

    Compositions come from the structures, never from formulas in the electrode file: some of the
    Materials Project's discharge formulas lack a digit.
    """
    documents: list[dict[str, Any]] = []
    for path in electrode_paths:
        if not path.exists():
            raise DataError(f"{path} does not exist (seen from {Path.cwd()}); mend data.files.electrodes")
        if path.suffix == ".parquet":
            yield from _read_parquet_electrodes(path)
        elif ".jsonl" in path.suffixes:
            documents.extend(_json_documents(path))
        else:
            raise DataError(
                f"{path}: unknown format {path.suffix!r}; allowed for electrodes: .jsonl, .jsonl.gz, .parquet"
            )
    if not documents:
        return
    wanted = {
        safe_id(str(doc[key])) for doc in documents for key in ("id_discharge", "id_charge") if doc.get(key)
    }
    found: dict[str, dict[str, Any]] = {}
    reasons: dict[str, str] = {}
    for crystal in read_structures(structure_paths):
        if crystal.material_id in wanted:
            if isinstance(crystal, Reject):
                reasons[crystal.material_id] = crystal.reason
            else:
                found[crystal.material_id] = crystal.columns
    for document in documents:
        yield _electrode_row(document, found, reasons, label_kind, licence)


def _electrode_row(
    document: Mapping[str, Any],
    found: Mapping[str, dict[str, Any]],
    reasons: Mapping[str, str],
    label_kind: str,
    licence: str,
) -> Record:
    electrode_id = str(document.get("battery_id", "unnamed"))

    def rejected(reason: str) -> Reject:
        return Reject(electrode_id, SOURCE, "electrodes", reason)

    missing = [key for key in ("id_discharge", "working_ion", "average_voltage") if document.get(key) is None]
    if missing:
        return rejected(f"field {', '.join(missing)} is missing or null, or the line is not JSON")
    try:
        voltage_V, n_steps = float(document["average_voltage"]), int(document.get("num_steps") or 1)
    except (TypeError, ValueError):
        return rejected(
            f"not a number: average_voltage {document['average_voltage']!r} or num_steps "
            f"{document.get('num_steps')!r}"
        )
    if document["working_ion"] not in WORKING_IONS:
        return rejected(unknown_ion(document["working_ion"]))
    material_id, ion = safe_id(str(document["id_discharge"])), str(document["working_ion"])
    if material_id not in found:
        return rejected(reasons.get(material_id, f"no such structure among the files: {material_id}"))
    columns = found[material_id]
    composition = structures.composition_of(columns["numbers"])
    x_charged = 0.0
    if document.get("id_charge"):
        charged = found.get(safe_id(str(document["id_charge"])))
        if charged is None:
            return rejected(f"no such structure among the files: {document['id_charge']} (charged)")
        try:
            x_charged = charged_content(composition, structures.composition_of(charged["numbers"]), ion)
        except DamagedStructure as damage:
            return rejected(str(damage))
    step_voltage_V, step_x = voltage_steps(document.get("adj_pairs") or [])
    row = {
        "electrode_id": electrode_id,
        "material_id": material_id,
        "source": SOURCE,
        "licence": str(document.get("licence") or licence),
        "label_kind": label_kind,
        "working_ion": ion,
        "formula": composition.reduced_formula,
        "framework": framework_formula(composition, ion),
        "voltage_V": voltage_V,
        "x_charged": x_charged,
        "n_steps": n_steps,
        "step_voltage_V": step_voltage_V,
        "step_x": step_x,
        **columns,
    }
    return check_electrode(row)


def charged_content(discharged: Composition, charged: Composition, ion: str) -> float:
    """Working ions that stay when charged, as a fraction of those in the discharged cell.

    Raises
    ------
    DamagedStructure : the two hosts differ, or the charged cell holds as many ions or more.
    """
    host_charged, host_discharged = framework_formula(charged, ion), framework_formula(discharged, ion)
    if host_charged != host_discharged:
        raise DamagedStructure(f"charged and discharged hosts differ: {host_charged}, {host_discharged}")
    hosts = [composition.num_atoms - composition[ion] for composition in (discharged, charged)]
    if not discharged[ion] or not all(hosts):
        raise DamagedStructure(f"discharged cell {discharged.reduced_formula} has no {ion} or no host")
    fraction = (charged[ion] / hosts[1]) / (discharged[ion] / hosts[0])
    if fraction >= 1 - 1e-6:
        raise DamagedStructure(f"charged cell holds {fraction:.2f} times the {ion} of the discharged cell")
    return fraction


def _read_crystal_file(path: Path) -> Iterator[Crystal | Reject]:
    """Crystals of one CIF, POSCAR or (multi-frame) extxyz file, named after the file."""
    name = safe_id(crystal_name(path))
    try:
        if path.suffix.lower() in {".xyz", ".extxyz"}:
            yield from _read_extxyz(path)
            return
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # pymatgen warns about rounding in nearly every CIF
            blocks = (
                CifParser(path).parse_structures(primitive=False)
                if path.suffix.lower() == ".cif"
                else [Structure.from_file(path)]
            )
    except Exception as error:  # the parsers raise whatever their input makes them raise
        yield Reject(name, SOURCE, "read", f"unreadable file: {path.name}: {first_line(error)}")
        return
    for number, structure in enumerate(blocks, start=1):
        block_name = name if len(blocks) == 1 else f"{name}-{number}"
        try:
            structures.reject_disorder(structure)
            yield Crystal(block_name, structures.to_columns(structure))
        except DamagedStructure as damage:
            yield Reject(block_name, SOURCE, "read", str(damage))


def _read_extxyz(path: Path) -> Iterator[Crystal | Reject]:
    import ase.io

    for index, atoms in enumerate(ase.io.iread(path, index=":", format="extxyz")):
        name = safe_id(str(atoms.info.get("material_id", f"{path.stem}-{index}")))
        if not atoms.pbc.all():
            yield Reject(name, SOURCE, "read", "not periodic in three directions")
            continue
        yield Crystal(name, structures.to_columns(atoms), *_hull(atoms.info))


def _read_json_lines(path: Path) -> Iterator[Crystal | Reject]:
    """Crystals of a JSON Lines file: ``{id, cell, species, xyz}`` or ``{material_id, structure}``."""
    for number, document in enumerate(_json_documents(path), start=1):
        name = safe_id(str(document.get("material_id") or document.get("id") or f"{path.stem}-{number}"))
        try:
            structure = _structure_of(document)
            structures.reject_disorder(structure)
            yield Crystal(
                name, structures.to_columns(structure), *_hull(document), licence=document.get("licence")
            )
        except DamagedStructure as damage:
            yield Reject(name, SOURCE, "read", str(damage))
        except Exception as error:  # pymatgen raises whatever a damaged document makes it raise
            yield Reject(
                name, SOURCE, "read", f"line {number} of {path.name} is unreadable: {first_line(error)}"
            )


def _hull(properties: Mapping[str, Any]) -> tuple[float | None, str | None]:
    """Hull distance in eV/atom and whose hull it refers to; None where the file does not tell."""
    distance = properties.get("energy_above_hull_eV_per_atom", properties.get("energy_above_hull"))
    if distance is None or not math.isfinite(float(distance)):
        return None, None
    return float(distance), str(properties.get("hull_reference", HULL_OF_FILES))


def _structure_of(document: Mapping[str, Any]) -> Structure:
    if "structure" in document:
        return Structure.from_dict(document["structure"])
    missing = [key for key in ("cell", "species", "xyz") if key not in document]
    if missing:
        raise DamagedStructure(f"field {', '.join(missing)} is missing")
    cell = np.asarray(document["cell"], dtype=float)
    lattice = Lattice.from_parameters(*cell) if cell.size == 6 else Lattice(cell.reshape(3, 3))
    return Structure(lattice, document["species"], np.asarray(document["xyz"], dtype=float).reshape(-1, 3))


def _json_documents(path: Path) -> Iterator[dict[str, Any]]:
    try:
        with _open_text(path) as lines:
            for line in lines:
                if line.strip():
                    yield _parse_line(line)
    except (EOFError, gzip.BadGzipFile, UnicodeDecodeError) as error:
        raise DataError(f"{path} is damaged or truncated: {error}; copy it anew") from error


def _parse_line(line: str) -> dict[str, Any]:
    try:
        document = json.loads(line)
    except json.JSONDecodeError:
        return {}  # an empty document becomes a reject that names its missing fields
    return document if isinstance(document, dict) else {}


def _open_text(path: Path) -> TextIO:
    return gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8")


def _read_parquet_structures(path: Path) -> Iterator[Crystal | Reject]:
    for number, row in enumerate(_parquet_rows(path, CANDIDATES.names), start=1):
        if any(row[key] is None for key in ("material_id", "numbers", "cell", "frac_coords")):
            name = safe_id(str(row["material_id"] or f"{path.stem}-{number}"))
            yield Reject(name, SOURCE, "read", f"empty cell: row {number} of {path.name}")
            continue
        yield Crystal(
            safe_id(row["material_id"]),
            {key: row[key] for key in ("numbers", "cell", "frac_coords")},
            *_hull(row),
            licence=row["licence"],
        )


def _read_parquet_electrodes(path: Path) -> Iterator[Record]:
    for number, row in enumerate(_parquet_rows(path, ELECTRODES.names), start=1):
        if any(row[key] is None for key in ELECTRODES.names):
            name = str(row["electrode_id"] or f"{path.stem}-{number}")
            yield Reject(name, SOURCE, "electrodes", f"empty cell: row {number} of {path.name}")
            continue
        yield check_electrode({**row, "source": SOURCE, "material_id": safe_id(row["material_id"])})


def _parquet_rows(path: Path, columns: list[str]) -> Iterator[dict[str, Any]]:
    try:
        table = stream(path)
    except Exception as error:  # pyarrow has no common base class for damaged files
        raise DataError(f"{path} is not a readable Parquet file: {first_line(error)}") from error
    absent = {name for name in columns if name not in table.schema_arrow.names}
    missing = sorted(absent - OPTIONAL_COLUMNS.keys())
    if missing:
        raise DataError(f"{path} lacks the columns {', '.join(missing)}; see ionsieve/tables.py")
    stand_ins = {name: OPTIONAL_COLUMNS[name] for name in absent}
    present = [name for name in columns if name not in absent]
    for batch in table.iter_batches(PARQUET_BATCH_ROWS, columns=present):
        for row in batch.to_pylist():
            yield row | stand_ins
