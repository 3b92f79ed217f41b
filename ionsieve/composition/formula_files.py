"""Formulas from CSV files, a row in memory at a time; a damaged row is set aside and stops nothing."""

import csv
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from ionsieve.errors import DataError, first_line

if TYPE_CHECKING:
    from _csv import Reader

FORMULA, CHARGED, ION = "formula", "charged_formula", "working_ion"
MATERIAL_ID, SPACE_GROUP = "material_id", "space_group"
COLUMNS = (MATERIAL_ID, FORMULA, CHARGED, ION, SPACE_GROUP)
N_SPACE_GROUPS = 230
COLUMNS_SHOWN = 8
SEPARATORS = ",;\t"
# What tables from elsewhere call these columns, without case and signs.
_CALLED_ELSEWHERE = {
    "formula": FORMULA,
    "composition": FORMULA,
    "discharged": FORMULA,
    "dischargedformula": FORMULA,
    "formuladischarge": FORMULA,
    "formulapretty": FORMULA,
    "reducedformula": FORMULA,
    "charged": CHARGED,
    "chargedformula": CHARGED,
    "formulacharge": CHARGED,
    "ion": ION,
    "workingion": ION,
    "id": MATERIAL_ID,
    "materialid": MATERIAL_ID,
    "spacegroup": SPACE_GROUP,
    "spacegroupnumber": SPACE_GROUP,
}
_ALIKE = 0.85
_LONGEST_NAME_COMPARED = 40


@dataclass(frozen=True)
class FormulaRecord:
    """What is known of a material without a structure; nothing here is checked yet.

    Attributes
    ----------
    material_id : its name.
    formula : discharged.
    working_ion : symbol.
    charged : formula, or None where it is not given.
    """

    material_id: str
    formula: str
    working_ion: str
    charged: str | None = None


@dataclass(frozen=True)
class DamagedRow:
    """A row that holds no formula to work with: its name, its line, and why."""

    material_id: str
    line: int
    reason: str


class FormulaFile:
    """A CSV file whose first line names its columns.

    Parameters
    ----------
    path : UTF-8 text, its cells between commas, semicolons or tabs; the column ``formula``, and where they
        are there those of :data:`COLUMNS`.
    working_ion : of rows in a file without the column ``working_ion``, or None.

    Attributes
    ----------
    other_columns : names of columns that are not read; known once the first row is.
    misnamed : those of them that seem to be meant as a column that is lacking, with its name.
    line : the last line that was read.
    """

    def __init__(self, path: Path, working_ion: str | None) -> None:
        self.path = path
        self._working_ion = working_ion
        self.other_columns: list[str] = []
        self.misnamed: dict[str, str] = {}
        self.line = 0

    def rows(self) -> Iterator[FormulaRecord | DamagedRow]:
        """Its rows in their order; blank lines are passed over.

        Raises
        ------
        DataError : the file is missing, empty, not UTF-8, no CSV, or lacks a column.
        """
        try:
            with self.path.open(encoding="utf-8-sig", newline="") as handle:
                separator, lines = _separated(handle)
                # Strict: else a quotation mark that never closes swallows the rest of the file in silence.
                yield from self._rows(csv.reader(lines, delimiter=separator, strict=True))
        except FileNotFoundError as error:
            raise DataError("does not exist") from error
        except UnicodeDecodeError as error:
            raise DataError(f"is not UTF-8 text ({first_line(error)}); save it as CSV in UTF-8") from error
        except OSError as error:
            raise DataError(f"cannot be read: {error.strerror or error}") from error

    def _rows(self, reader: "Reader") -> Iterator[FormulaRecord | DamagedRow]:
        names = self._columns(reader)
        number = 0
        while True:
            first = reader.line_num + 1
            try:
                cells = next(reader)
            except StopIteration:
                break
            except csv.Error as error:
                cells, fault = [], f"not CSV: {first_line(error)}"
            else:
                fault = ""
            self.line = first
            if not cells and not fault:
                continue
            number += 1
            row = dict(zip(names, cells, strict=False))
            material_id = row.get(MATERIAL_ID, "").strip() or f"{self.path.stem}-{number}"
            if fault := fault or self._fault(names, cells, row):
                yield DamagedRow(material_id, first, fault)
            else:
                yield FormulaRecord(
                    material_id,
                    row[FORMULA],
                    row[ION].strip() if ION in row else str(self._working_ion),
                    row.get(CHARGED),
                )
        if not number:
            raise DataError("holds no row below its first line")

    def _columns(self, reader: "Reader") -> list[str]:
        try:
            first: list[str] = next((row for row in reader if any(cell.strip() for cell in row)), [])
        except csv.Error as error:
            raise DataError(f"is no CSV file: {first_line(error)}") from error
        names = [name.strip() for name in first]
        if not names:
            raise DataError("is empty")
        shown = ", ".join(name[:40] for name in names[:COLUMNS_SHOWN])
        if len(names) > COLUMNS_SHOWN:
            shown += ", ..."
        self.misnamed = _misnamed(names)
        if self.misnamed:
            shown += "; rename " + ", ".join(f"{name} to {meant}" for name, meant in self.misnamed.items())
        if FORMULA not in names:
            raise DataError(
                f"has no column {FORMULA}; the first line names the columns, separated by commas, semicolons"
                f" or tabs; found: {shown}"
            )
        if ION not in names and self._working_ion is None:
            raise DataError(f"has no column {ION}; add it, or name the ion with --ion; found: {shown}")
        twice = [name for name in COLUMNS if names.count(name) > 1]
        if twice:
            raise DataError(f"has a column twice: {twice[0]}")
        self.other_columns = [name for name in names if name not in COLUMNS]
        return names

    def _fault(self, names: list[str], cells: list[str], row: dict[str, str]) -> str:
        """Why a row cannot be used, or nothing."""
        if len(cells) != len(names):
            return f"cells do not match the columns: {len(cells)} instead of {len(names)}"
        for name in COLUMNS:
            if name in row and not row[name].strip():
                remedy = "; where all ions leave, leave the whole column away" if name == CHARGED else ""
                return f"empty cell: {name}{remedy}"
        if SPACE_GROUP in row and not _is_space_group(row[SPACE_GROUP].strip()):
            return (
                f"impossible space group: {row[SPACE_GROUP][:40]!r} is none of 1 to {N_SPACE_GROUPS}; the"
                " model does not read it, but such a record is damaged"
            )
        return ""


def _separated(lines: Iterator[str]) -> tuple[str, Iterable[str]]:
    """What separates the cells of the first line that is not blank, and all lines.

    Spreadsheets write semicolons where numbers have a decimal comma. Lines are never read twice: a pipe
    cannot be wound back.
    """
    read = []
    for line in lines:
        read.append(line)
        if line.strip():
            break
    first = read[-1] if read else ""
    return max(SEPARATORS, key=first.count), chain(read, lines)


def _misnamed(names: list[str]) -> dict[str, str]:
    """Columns that are not read, and as which column that is lacking each seems to be meant."""
    meant_as: dict[str, str] = {}
    for name in names:
        if name in COLUMNS or len(name) > _LONGEST_NAME_COMPARED:
            continue
        plain = re.sub(r"[\W_]+", "", name.casefold())
        for alike in get_close_matches(plain, _CALLED_ELSEWHERE, n=1, cutoff=_ALIKE):
            meant = _CALLED_ELSEWHERE[alike]
            if meant not in names and meant not in meant_as.values():
                meant_as[name] = meant
    return meant_as


def _is_space_group(text: str) -> bool:
    """Whether a cell holds the number of a space group, perhaps written by a library as ``227.0``."""
    return re.fullmatch(r"[0-9]{1,3}(\.0+)?", text) is not None and 1 <= float(text) <= N_SPACE_GROUPS
