"""Crystals from files: CIF, POSCAR, extxyz (all may be gzipped), JSON Lines and Parquet.

Everything streams: one crystal is in memory at a time, but for the blocks of one CIF. A crystal that
cannot be used is yielded as a :class:`~ionsieve.data.records.Reject` with its reason and stops nothing; a
file that cannot be read as a whole raises :class:`~ionsieve.errors.DataError`.
"""

import gzip
import json
import math
import warnings
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import numpy as np
from monty.io import zopen
from pymatgen.core import Lattice, Structure
from pymatgen.io.cif import CifParser
from pymatgen.io.vasp import Poscar

from ionsieve import structures
from ionsieve.data.formats import (
    COMPRESSED_SUFFIX,
    CRYSTAL_FORMATS,
    crystal_files,
    crystal_name,
    format_suffix,
    is_crystal_file,
    is_json_lines,
)
from ionsieve.data.records import Reject
from ionsieve.errors import DataError, first_line
from ionsieve.structures import DamagedStructure
from ionsieve.tables import CANDIDATES, stream

SOURCE = "files"
HULL_OF_FILES = "as given in the files"
ID_KEYS = ("material_id", "id")
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


def read_structures(paths: Iterable[Path]) -> Iterator[Crystal | Reject]:
    """Every crystal in the given files and folders, in a fixed order; unusable ones as Reject.

    Raises
    ------
    DataError : a file does not exist, has an unknown format, or is damaged as a whole.
    """
    for path in paths:
        files = crystal_files(path) if path.is_dir() else [path]
        if not files:
            raise DataError(f"{path} holds no structure file; known: {CRYSTAL_FORMATS}")
        for file in files:
            yield from read_structure_file(file)


def read_structure_file(path: Path) -> Iterator[Crystal | Reject]:
    """Every crystal of one file; unusable ones as Reject.

    A crystal bears the id that the file gives it. Where there is none it bears the file's name, followed by
    its number in the file (from 1; in JSON Lines, of its line) where the file can hold several.

    Raises
    ------
    DataError : the file does not exist, has an unknown format, or is damaged as a whole.
    """
    if not path.exists():
        raise DataError(f"{path} does not exist (seen from {Path.cwd()}); mend the path")
    if path.suffix == ".parquet":
        yield from _read_parquet_structures(path)
    elif is_json_lines(path):
        yield from _read_json_lines(path)
    elif is_crystal_file(path):
        yield from _read_crystal_file(path)
    else:
        raise DataError(
            f"{path}: unknown format {path.suffix!r}; allowed: .jsonl, .jsonl.gz, .parquet, a folder, "
            f"{CRYSTAL_FORMATS}"
        )


def json_documents(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Number and content of each line of a JSON Lines file; empty where the line holds no JSON object.

    Raises
    ------
    DataError : the file cannot be read, or ends too early.
    """
    try:
        with _open_text(path) as lines:
            for number, line in enumerate(lines, start=1):
                if line.strip():
                    yield number, _parse_line(line)
    except (EOFError, gzip.BadGzipFile, UnicodeDecodeError, zlib.error) as error:
        raise DataError(f"{path} is damaged or truncated: {error}; copy it anew") from error
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}") from error


def parquet_rows(path: Path, columns: list[str]) -> Iterator[dict[str, Any]]:
    """Rows of a Parquet file with the given columns; None or an empty list for optional ones it lacks.

    Raises
    ------
    DataError : the file is no Parquet, or lacks a column.
    """
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


def _read_crystal_file(path: Path) -> Iterator[Crystal | Reject]:
    """Crystals of one CIF, POSCAR or (multi-frame) extxyz file."""
    name = crystal_name(path)
    try:
        if format_suffix(path) in {".xyz", ".extxyz"}:
            yield from _read_extxyz(path)
            return
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # pymatgen warns about rounding in nearly every CIF
            if format_suffix(path) == ".cif":
                blocks = CifParser(path).parse_structures(primitive=False)
            else:
                blocks = [_read_poscar(path)]
    except DamagedStructure as damage:
        yield Reject(name, SOURCE, "read", str(damage))
        return
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


def _read_poscar(path: Path) -> Structure:
    with zopen(path, "rt", encoding="utf-8") as handle:
        poscar = Poscar.from_str(handle.read(), read_velocities=False)
    if not poscar.true_names:
        # pymatgen would take the species for H, He, Li...
        raise DamagedStructure("names no elements (VASP 4); write their symbols above the numbers of atoms")
    return poscar.structure


def _read_extxyz(path: Path) -> Iterator[Crystal | Reject]:
    import ase.io

    name = crystal_name(path)
    frames = ase.io.iread(path, index=":", format="extxyz")
    following, number, damage = next(frames, None), 0, None
    while following is not None:
        atoms, number = following, number + 1
        try:
            following = next(frames, None)
        except Exception as error:  # the frames before the damage are sound
            following, damage = None, error
        alone = number == 1 and following is None and damage is None
        frame_name = _given_id(atoms.info) or (name if alone else f"{name}-{number}")
        if atoms.pbc.all():
            yield Crystal(frame_name, structures.to_columns(atoms), *_hull(atoms.info))
        else:
            yield Reject(frame_name, SOURCE, "read", "not periodic in three directions")
    if damage is not None:
        raise damage


def _read_json_lines(path: Path) -> Iterator[Crystal | Reject]:
    """Crystals of a JSON Lines file: ``{id, cell, species, xyz}``, or pymatgen's ``as_dict``.

    The latter stands alone on its line, or under ``structure`` beside a ``material_id``.
    """
    for number, document in json_documents(path):
        name = _given_id(document) or f"{crystal_name(path)}-{number}"
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
                name, SOURCE, "read", f"unreadable: line {number} of {path.name}: {first_line(error)}"
            )


def _read_parquet_structures(path: Path) -> Iterator[Crystal | Reject]:
    for number, row in enumerate(parquet_rows(path, CANDIDATES.names), start=1):
        name = _given_id(row)
        if name is None or any(row[key] is None for key in ("numbers", "cell", "frac_coords")):
            yield Reject(
                name or f"{path.stem}-{number}", SOURCE, "read", f"empty cell: row {number} of {path.name}"
            )
            continue
        yield Crystal(
            name,
            {key: row[key] for key in ("numbers", "cell", "frac_coords")},
            *_hull(row),
            licence=row["licence"],
        )


def _given_id(properties: Mapping[str, Any]) -> str | None:
    """The id among a crystal's properties; 0 is one, empty text is none."""
    given = (str(properties[key]) for key in ID_KEYS if properties.get(key) is not None)
    return next(filter(None, given), None)


def _hull(properties: Mapping[str, Any]) -> tuple[float | None, str | None]:
    """Hull distance in eV/atom and whose hull it refers to; None where the file does not tell."""
    distance = properties.get("energy_above_hull_eV_per_atom", properties.get("energy_above_hull"))
    if distance is None or not math.isfinite(float(distance)):
        return None, None
    return float(distance), str(properties.get("hull_reference", HULL_OF_FILES))


def _structure_of(document: Mapping[str, Any]) -> Structure:
    if "structure" in document:
        return Structure.from_dict(document["structure"])
    if "lattice" in document and "sites" in document:
        return Structure.from_dict(dict(document))
    missing = [key for key in ("cell", "species", "xyz") if key not in document]
    if missing:
        raise DamagedStructure(f"field {', '.join(missing)} is missing, or the line is not JSON")
    cell = np.asarray(document["cell"], dtype=float)
    lattice = Lattice.from_parameters(*cell) if cell.size == 6 else Lattice(cell.reshape(3, 3))
    return Structure(lattice, document["species"], np.asarray(document["xyz"], dtype=float).reshape(-1, 3))


def _parse_line(line: str) -> dict[str, Any]:
    try:
        document = json.loads(line)
    except (ValueError, RecursionError):
        return {}  # an empty document becomes a reject that names its missing fields
    return document if isinstance(document, dict) else {}


def _open_text(path: Path) -> TextIO:
    if path.suffix.lower() == COMPRESSED_SUFFIX:
        return gzip.open(path, "rt", encoding="utf-8")
    return path.open(encoding="utf-8")
