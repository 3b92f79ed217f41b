"""The `gnome` source: DeepMind's predicted stable crystals (Merchant et al., Nature 624, 80, 2023).

A release is two files: ``stable_materials_summary.csv``, one row per crystal, and ``by_id.zip``, one CIF
each. The table says which crystals are asked for; only those are read out of the archive, which is never
unpacked, and from a server only in pieces that hold some of them. Columns are taken by name, since their
order and number differ between releases.

What has been converted is kept in the cache in chunks, so that a pull that breaks off goes on there.
"""

import csv
import hashlib
import io
import json
import logging
import math
import re
import warnings
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from pymatgen.io.cif import CifParser

from ionsieve import algorithms, structures
from ionsieve.data.download import RemoteFile, RemoteIdentity, download, identity, shown
from ionsieve.data.files import safe_id
from ionsieve.data.formats import is_address
from ionsieve.data.network import SourceError
from ionsieve.data.records import Pulled, Record, Reject, check_candidate
from ionsieve.errors import DataError, first_line
from ionsieve.structures import DamagedStructure
from ionsieve.tables import CANDIDATES, REJECTS, write_table

logger = logging.getLogger(__name__)

SOURCE = "gnome"
LICENCE = "CC BY-NC 4.0 (GNoME)"
CITE = "A. Merchant et al., Nature 624, 80 (2023), doi:10.1038/s41586-023-06735-9"
SUMMARY = "stable_materials_summary.csv"
ARCHIVE = "by_id.zip"

ID = "MaterialId"
FORMATION_ENERGY = "Formation Energy Per Atom"
# Any of these tells the elements: ['Mg', 'O'], O-Mg, MgO, Mg1 O1.
ELEMENTS = ("Elements", "Reduced Formula", "Composition")
# Columns with the signed distance to a convex hull, the better first, and whose hull that is.
HULLS = {
    "Decomposition Energy Per Atom All": "GNoME (all entries: MP, OQMD, WBM, GNoME)",
    "Decomposition Energy Per Atom": "GNoME (its Materials Project snapshot)",
}
SYMBOL = re.compile(r"[A-Z][a-z]?")

CHUNK_MEMBERS = 500
# One range request. About 1 of 30 members of 1.5 kB is asked for, one in every 45 kB: a buffer much smaller
# would cost a round trip (0.1 s) for each, more than its bytes do, and one much larger would fetch what lies
# between the members of a rare ion.
BUFFER_BYTES = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Query:
    """Which crystals are asked for, and where the release is (http or https address, or folder)."""

    working_ion: str
    location: str
    max_formation_energy_eV_per_atom: float
    max_energy_above_hull_eV_per_atom: float


@dataclass(frozen=True, slots=True)
class _Entry:
    """A row of the summary that passes the filter."""

    name: str
    energy_above_hull_eV_per_atom: float | None
    hull_reference: str | None


@dataclass
class _Selection:
    """What the summary gives: entries by lower-case name, rows set aside, and how many rows fell where."""

    entries: dict[str, _Entry] = field(default_factory=dict)
    rejects: list[Reject] = field(default_factory=list)
    counts: dict[str, int] = field(
        default_factory=lambda: {
            "rows": 0,
            "rows_without_the_ion": 0,
            "rows_above_formation_energy": 0,
            "rows_above_hull": 0,
        }
    )


def pull(query: Query, cache: Path) -> Pulled:
    """GNoME's crystals with the working ion, below both energy limits, as candidates; it has no electrodes.

    The summary is read at once, the archive while the candidates are consumed, in the order of the archive.

    Raises
    ------
    SourceError : the server cannot be reached or refuses, a file changed meanwhile, or columns are missing.
    DataError : a file is missing or damaged as a whole.
    """
    summary, files = _release(query.location, cache)
    selection = _select(summary, query)
    logger.info("%s: %d crystals asked for; %s", SUMMARY, len(selection.entries), selection.counts)
    provenance = {
        "source": SOURCE,
        "version": _version(files[SUMMARY]),
        "licences": [LICENCE],
        "cite": [CITE],
        # The same release may lie elsewhere next time.
        "query": {key: value for key, value in asdict(query).items() if key != "location"},
        "files": {name: _described(version) for name, version in files.items()},
        **selection.counts,
    }
    return Pulled((), _candidates(query, selection, files, cache), provenance)


def _address(location: str, name: str) -> str:
    return f"{location.rstrip('/')}/{name}"


def _release(location: str, cache: Path) -> tuple[Path, dict[str, RemoteIdentity]]:
    """The summary on this disk, and the identities of both files."""
    if not is_address(location):
        return Path(location) / SUMMARY, {
            name: _local_identity(Path(location) / name) for name in (SUMMARY, ARCHIVE)
        }
    files = {name: identity(_address(location, name)) for name in (SUMMARY, ARCHIVE)}
    summary = cache / f"summary-{_key(asdict(files[SUMMARY]))}.csv"
    if not summary.exists():
        arrived = download(_address(location, SUMMARY), summary)
        if not arrived.same_version(files[SUMMARY]):
            summary.unlink()
            raise SourceError(
                f"{shown(_address(location, SUMMARY))} has changed during the pull; "
                "run the same command again"
            )
    return summary, files


def _local_identity(path: Path) -> RemoteIdentity:
    try:
        with path.open("rb") as file:
            md5 = hashlib.file_digest(file, "md5").hexdigest()
    except OSError as error:
        raise DataError(
            f"{path}: {error.strerror}; data.gnome.location must be an address or a folder that holds "
            f"{SUMMARY} and {ARCHIVE}"
        ) from error
    return RemoteIdentity(path.stat().st_size, None, md5)


def _version(summary: RemoteIdentity) -> str | None:
    """GNoME's releases have no names: the first digits of its table's checksum tell them apart."""
    return f"md5 {summary.md5[:8]}" if summary.md5 else None


def _described(version: RemoteIdentity) -> dict[str, Any]:
    # The md5 follows the content alone; an ETag changes when the same file is uploaded anew.
    told = {"md5": version.md5} if version.md5 else {"etag": version.etag}
    return {"size_bytes": version.size_bytes, **told}


def _key(document: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()[:16]


def _select(summary: Path, query: Query) -> _Selection:
    """Filter the summary, one row in memory at a time."""
    selection = _Selection()
    try:
        with summary.open(newline="", encoding="utf-8-sig") as file:
            rows = csv.reader(file)
            header = next(rows, [])
            columns = _columns(header)
            row: list[str] = header
            for row in rows:
                _select_row(row, columns, query, selection)
        if len(row) < len(header) and not _ends_with_newline(summary):
            raise DataError(
                f"{SUMMARY} is cut short: row {selection.counts['rows']} ends in the middle; fetch it anew"
            )
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{SUMMARY} is damaged ({error}); fetch it anew") from error
    return selection


def _ends_with_newline(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(-1, io.SEEK_END)
        return file.read(1) == b"\n"


def _columns(header: Sequence[str]) -> dict[str, int]:
    """Position of each column that is used."""
    names = [name.strip() for name in header]
    places = {name: names.index(name) for name in (ID, FORMATION_ENERGY, *ELEMENTS, *HULLS) if name in names}
    if ID not in places or FORMATION_ENERGY not in places or not places.keys() & set(ELEMENTS):
        raise SourceError(
            f"{SUMMARY} has the columns {', '.join(names) or '(none)'}; needed: {ID}, {FORMATION_ENERGY} and "
            f"one of {', '.join(ELEMENTS)}. See that data.gnome.location is a GNoME release"
        )
    return places


def _select_row(row: list[str], columns: dict[str, int], query: Query, selection: _Selection) -> None:
    counts = selection.counts
    counts["rows"] += 1
    cells = {name: row[place].strip() for name, place in columns.items() if place < len(row)}
    name = cells.get(ID) or f"row-{counts['rows']}"

    def set_aside(reason: str) -> None:
        selection.rejects.append(Reject(_material_id(name), SOURCE, "summary", reason))

    if len(cells) < len(columns):
        set_aside(f"row {counts['rows']} of {SUMMARY} ends after {len(row)} cells")
        return
    if not cells[ID]:
        set_aside(f"row {counts['rows']} of {SUMMARY} has no {ID}")
        return
    elements = next((cells[column] for column in ELEMENTS if cells.get(column)), None)
    if elements is None:
        set_aside(f"row {counts['rows']} of {SUMMARY} names no elements")
        return
    if query.working_ion not in SYMBOL.findall(elements):
        counts["rows_without_the_ion"] += 1
        return
    try:
        formation_energy = _number(cells, FORMATION_ENERGY)
        distance, reference = _hull(cells)
    except ValueError as error:
        set_aside(str(error))
        return
    if formation_energy is None:
        set_aside(f"no {FORMATION_ENERGY}")
    elif formation_energy >= query.max_formation_energy_eV_per_atom:
        counts["rows_above_formation_energy"] += 1
    elif distance is not None and distance > query.max_energy_above_hull_eV_per_atom:
        counts["rows_above_hull"] += 1
    elif name.lower() in selection.entries:
        set_aside(f"{ID} {name} occurs more than once; the first row counts")
    else:
        selection.entries[name.lower()] = _Entry(name, distance, reference)


def _hull(cells: dict[str, str]) -> tuple[float | None, str | None]:
    """Distance to a convex hull in eV/atom, at least 0, and whose hull that is; None where nothing tells."""
    for column, reference in HULLS.items():
        distance = _number(cells, column)
        if distance is not None:
            return max(0.0, distance), reference
    return None, None


def _number(cells: dict[str, str], column: str) -> float | None:
    """A finite number, or None where the cell is empty or absent; ValueError tells what else is there."""
    text = cells.get(column)
    if not text:
        return None
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise ValueError(f"{column} is not a number: {text[:40]!r}")
    return number


def _material_id(name: str) -> str:
    return safe_id(f"{SOURCE}-{name}")


def _candidates(
    query: Query, selection: _Selection, files: dict[str, RemoteIdentity], cache: Path
) -> Iterator[Record]:
    yield from selection.rejects
    # All that the chunks depend on, so that none is taken for another's.
    content = {name: asdict(version) for name, version in files.items()}
    asked = {**asdict(query), "location": None}
    folder = (
        cache / f"rows-{_key({**content, **asked, 'members': CHUNK_MEMBERS, 'version': algorithms.DATA})}"
    )
    with _archive(query.location, files[ARCHIVE]) as archive:
        members = _members(archive, selection)
        for name in sorted(selection.entries.keys() - members.keys()):
            entry = selection.entries[name]
            yield Reject(_material_id(entry.name), SOURCE, "read", f"no CIF of it in {ARCHIVE}")
        yield from _without_row(archive, selection)
        # In the order of the archive, its bytes are read forward.
        names = sorted(members, key=lambda name: members[name].header_offset)
        for start in range(0, len(names), CHUNK_MEMBERS):
            chunk = {name: members[name] for name in names[start : start + CHUNK_MEMBERS]}
            rows = folder / f"{start:07d}.parquet"
            if not rows.exists():
                _convert(archive, chunk, selection, query.working_ion, rows)
            yield from pq.read_table(rows).to_pylist()
            for reject in pq.read_table(_rejects_beside(rows)).to_pylist():
                yield Reject(**reject)
            logger.info("%s: %d of %d crystals", ARCHIVE, start + len(chunk), len(names))


@contextmanager
def _archive(location: str, version: RemoteIdentity) -> Iterator[zipfile.ZipFile]:
    address = _address(location, ARCHIVE)
    with (
        io.BufferedReader(RemoteFile(address, version), BUFFER_BYTES)
        if is_address(location)
        else Path(address).open("rb")
    ) as file:
        try:
            archive = zipfile.ZipFile(file)
            if any(info.header_offset < 0 for info in archive.infolist()):
                raise zipfile.BadZipFile("its beginning is missing")
        except (zipfile.BadZipFile, NotImplementedError, ValueError, OSError) as error:
            raise DataError(
                f"{shown(address)} is no complete zip archive ({error}); it was cut short or is something "
                "else: fetch or upload it anew, then run the same command again"
            ) from error
        with archive:
            yield archive


def _members(archive: zipfile.ZipFile, selection: _Selection) -> dict[str, zipfile.ZipInfo]:
    """The archive's CIFs that are asked for, by lower-case name."""
    members = {}
    for info in archive.infolist():
        stem, _, suffix = info.filename.rpartition("/")[2].lower().rpartition(".")
        if suffix == "cif" and stem in selection.entries:
            members[stem] = info
    return members


def _without_row(archive: zipfile.ZipFile, selection: _Selection) -> Iterator[Reject]:
    """One reject for all CIFs beyond the number of rows: a table cut at the end of a line looks whole."""
    missing = sum(name.lower().endswith(".cif") for name in archive.namelist()) - selection.counts["rows"]
    if missing > 0:
        reason = f"{missing} CIFs of {ARCHIVE} have no row in {SUMMARY}, which may be cut short"
        logger.warning("%s; fetch it anew if it is", reason)
        yield Reject(SOURCE, SOURCE, "summary", f"rows are missing: {reason}")


def _convert(
    archive: zipfile.ZipFile,
    chunk: dict[str, zipfile.ZipInfo],
    selection: _Selection,
    working_ion: str,
    path: Path,
) -> None:
    """Write one chunk's rows; they are there only if the rejects beside them are, too."""
    rows, rejects = [], []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pymatgen warns about rounding in nearly every CIF
        for name, info in chunk.items():
            record = _candidate(archive, info, selection.entries[name], working_ion)
            if isinstance(record, Reject):
                rejects.append(asdict(record))
            else:
                rows.append(record)
    write_table(rejects, REJECTS, _rejects_beside(path))
    write_table(rows, CANDIDATES, path)


def _rejects_beside(rows: Path) -> Path:
    return rows.with_suffix(".rejects.parquet")


def _candidate(archive: zipfile.ZipFile, info: zipfile.ZipInfo, entry: _Entry, working_ion: str) -> Record:
    material_id = _material_id(entry.name)
    try:
        columns = _columns_of_cif(_text(archive, info))
    except DamagedStructure as damage:
        return Reject(material_id, SOURCE, "read", str(damage))
    row = {
        "material_id": material_id,
        "source": SOURCE,
        "licence": LICENCE,
        "energy_above_hull_eV_per_atom": entry.energy_above_hull_eV_per_atom,
        "hull_reference": entry.hull_reference,
        **columns,
    }
    return check_candidate(row, working_ion)


def _text(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> str:
    try:
        return archive.read(info).decode()
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, UnicodeDecodeError) as error:
        # RuntimeError: encrypted, or packed in a way that zipfile does not know.
        raise DamagedStructure(f"damaged in {ARCHIVE}: {info.filename}: {error}") from error


def _columns_of_cif(text: str) -> dict[str, Any]:
    try:
        structure = CifParser.from_str(text).parse_structures(primitive=False)[0]
    except Exception as error:  # the parser raises whatever its input makes it raise
        raise DamagedStructure(f"unreadable CIF: {first_line(error)}") from error
    structures.reject_disorder(structure)
    return structures.to_columns(structure)
