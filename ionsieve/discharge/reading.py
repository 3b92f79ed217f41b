"""Cycling tests from any mix of files; what a file is shows in its content, not in its name.

A cycler's table needs what it does not tell (:class:`~ionsieve.discharge.cycler_table.Cell`): in
``NAME.yaml`` beside ``NAME.csv``, or given by file name. A file that cannot be used is set aside with the
reason.
"""

import gzip
import hashlib
import json
import re
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import yaml

from ionsieve.artifacts import digest
from ionsieve.discharge import cycler_table, point_table, published_json
from ionsieve.discharge.cycler_table import Cell
from ionsieve.discharge.cycling import CyclingTest, SetAside
from ionsieve.discharge.text_table import EMPTY, SEPARATORS
from ionsieve.errors import DataError, first_line

# EC-Lab writes its text as .mpt.
SUFFIXES = (".json", ".csv", ".csv.gz", ".txt", ".tsv", ".mpt")
CELL_SUFFIXES = (".yaml", ".yml")


@dataclass(frozen=True)
class Reading:
    """What some files hold.

    Attributes
    ----------
    tests : in the order of the files' names.
    set_aside : files, tests and cycles that cannot be used.
    inputs : SHA-256 digest by file name, with those of the cells that the tables need.
    """

    tests: tuple[CyclingTest, ...]
    set_aside: tuple[SetAside, ...]
    inputs: dict[str, str]


def read(paths: Iterable[Path], cells: Mapping[str, Cell] | None = None) -> Reading:
    """All tests of some files and folders; a folder gives all its files of :data:`SUFFIXES`.

    Parameters
    ----------
    paths : files in the published JSON, the point table, or a cycler's CSV.
    cells : by file name, of cyclers' tables without a YAML file beside them.

    Raises
    ------
    DataError : a path does not exist, a folder holds no such file, or a given cell is for no file.
    """
    cells = cells or {}
    files = _files(paths)
    strangers = sorted(set(cells) - {path.name for path in files})
    if strangers:
        raise DataError(f"cells are given for {', '.join(strangers)}, which is not among the files")
    tests: list[CyclingTest] = []
    set_aside: list[SetAside] = []
    digests: list[tuple[str, str]] = []
    seen: dict[str, str] = {}
    contents: dict[Path, str] = {}
    for path in files:
        try:
            contents[path] = digest(path)
        except OSError as error:
            set_aside.append(_unreadable(path, error))
    # By name and content, so that their order and place do not matter.
    for path in sorted(contents, key=lambda path: (path.name, contents[path], str(path))):
        found, beside = contents[path], _cell_file(path)
        digests.append((path.name, found))
        try:
            if path.name in cells:
                digests.append((f"cell of {path.name}", _cell_digest(cells[path.name])))
            elif beside is not None:
                digests.append((beside.name, digest(beside)))
        except OSError as error:
            set_aside.append(_unreadable(path, error))
            continue
        if found in seen and beside is None and path.name not in cells:
            set_aside.append(SetAside(path.name, path.name, None, f"given twice: same file as {seen[found]}"))
            continue
        try:
            read_tests, bad = _read_file(path, beside, cells.get(path.name))
        except DataError as error:
            set_aside.append(SetAside(path.name, path.name, None, str(error)))
        else:
            # Only what was read makes another copy needless: it may have what this one lacks.
            if read_tests:
                seen.setdefault(found, path.name)
            tests.extend(read_tests)
            set_aside.extend(bad)
    return Reading(tuple(tests), tuple(set_aside), _by_name(digests))


def _unreadable(path: Path, error: OSError) -> SetAside:
    return SetAside(path.name, path.name, None, f"cannot be read: {error.strerror or error}")


def _files(paths: Iterable[Path]) -> set[Path]:
    """The files that are given, and those of the folders that are."""
    files: set[Path] = set()
    for path in map(Path, paths):
        if path.is_dir():
            # A link to nothing is a file too, one that cannot be read.
            inside = [
                file
                for file in path.rglob("*")
                if file.name.endswith(SUFFIXES) and (file.is_file() or not file.exists())
            ]
            if not inside:
                raise DataError(f"{path} holds no file that ends with {', '.join(SUFFIXES)}")
            files.update(file.resolve() for file in inside)
        elif path.is_file():
            files.add(path.resolve())
        else:
            raise DataError(f"{path} does not exist (seen from {Path.cwd()})")
    return files


def _by_name(digests: list[tuple[str, str]]) -> dict[str, str]:
    """Digests by name; files of one name and different content are numbered."""
    named: dict[str, str] = {}
    for name, found in sorted(set(digests)):
        key, number = name, 1
        while key in named:
            number += 1
            key = f"{name} ({number})"
        named[key] = found
    return named


def _read_file(
    path: Path, beside: Path | None, cell: Cell | None
) -> tuple[list[CyclingTest], list[SetAside]]:
    head = _head(path)
    if head.lstrip().startswith(("{", "[")):
        return published_json.read(path)
    if not head.strip():
        raise DataError(EMPTY)
    names = re.split(f"[{SEPARATORS}]", head.lstrip().splitlines()[0])
    if set(point_table.SIGNATURE) <= {name.strip(' "') for name in names}:
        return point_table.read(path)
    if cell is None:
        if beside is None:
            raise DataError(
                "is neither the published JSON nor the point table (with columns Vii, Qii): a cycler's table"
                f" needs {path.name.split('.')[0]}.yaml beside it with composition, active_mass_mg,"
                " voltage_low_V and voltage_high_V"
            )
        cell = _cell(beside)
    return cycler_table.read(path, cell)


def _head(path: Path) -> str:
    """The first characters of a file."""
    opened = gzip.open if path.suffix == ".gz" else open
    try:
        with opened(path, "rb") as handle:
            return handle.read(4096).decode("utf-8-sig", errors="replace")
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"cannot be read: {first_line(error)}") from error


def _cell_file(path: Path) -> Path | None:
    """The YAML file that belongs to a table: NAME.yaml for NAME.csv, NAME.bdf.csv or NAME.csv.gz."""
    stems = dict.fromkeys((path.stem, path.name.split(".")[0]))
    candidates = (path.with_name(stem + suffix) for stem in stems for suffix in CELL_SUFFIXES)
    return next((candidate for candidate in candidates if candidate.is_file()), None)


def _cell_digest(cell: Cell) -> str:
    return hashlib.sha256(json.dumps(asdict(cell), sort_keys=True).encode()).hexdigest()


def _cell(path: Path) -> Cell:
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise DataError(f"{path.name} is no YAML: {first_line(error)}") from error
    try:
        return Cell.of(document)
    except DataError as error:
        raise DataError(f"{path.name}: {error}") from error
