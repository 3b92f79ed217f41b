"""Tables in text files as cyclers and spreadsheets write them: separators, decimal commas, damage."""

import gzip
import io
import re
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from ionsieve.errors import DataError, first_line

SEPARATORS = "\t;,"
_EC_LAB_HEADER = re.compile(rb"Nb header lines\s*:\s*(\d+)")
_HEAD_BYTES = 4096
EMPTY = "is empty: it holds no text; export it again"
_COMMAS = (
    "numbers may have a decimal comma only where semicolons or tabs separate the values and no number has a"
    " point; else write them all with a decimal point"
)


def read_text_table(path: Path, text_columns: Sequence[str] = ()) -> pd.DataFrame:
    """The table of a text file, gzipped or not; the first line names its columns.

    Commas, semicolons or tabs separate. Decimal commas are read where that is clear; where it is not, the
    values of the column stay text, and :func:`numbers` refuses them.

    Parameters
    ----------
    path : of the file.
    text_columns : names of columns that stay as they are written, numbers too.

    Raises
    ------
    DataError : the file cannot be read, is empty or no table; the message tells the way out.
    """
    try:
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        if header := _EC_LAB_HEADER.search(content[:_HEAD_BYTES]):
            raise DataError(_ec_lab_hint(path.name, int(header[1])))
        text = content.decode("utf-8-sig")
    except (OSError, zlib.error) as error:
        raise DataError(f"cannot be read: {first_line(error)}") from error
    except (UnicodeDecodeError, EOFError) as error:
        raise DataError(f"is not UTF-8 text: {first_line(error)}; save it as CSV in UTF-8") from error
    if not text.strip():
        raise DataError(EMPTY)
    rows = [line for line in text.splitlines() if line.strip()][:2]
    separator = next((mark for mark in SEPARATORS if all(mark in row for row in rows)), ",")
    decimal = "," if _has_decimal(",", text, separator) and not _has_decimal(".", text, separator) else "."
    options: dict[str, Any] = {
        "sep": separator,
        "decimal": decimal,
        "dtype": dict.fromkeys(text_columns, str),
        "low_memory": False,
    }
    try:
        table = pd.read_csv(io.StringIO(text), **options)
        if not isinstance(table.index, pd.RangeIndex):
            # More values than names: pandas takes the first ones for names of rows.
            if not table.iloc[:, -table.index.nlevels :].isna().all(axis=None):
                raise DataError(
                    f"has more values in a row than names in its first line, {len(table.columns)}; {_COMMAS}"
                )
            table = pd.read_csv(io.StringIO(text), index_col=False, **options)
    except (ValueError, pd.errors.ParserError) as error:
        raise DataError(
            f"is no CSV table: {first_line(error)}; the first line must name the columns, and {_COMMAS}"
        ) from error
    table.columns = table.columns.astype(str).str.strip()
    return table


def numbers(column: pd.Series) -> pd.Series:
    """The values of a column as numbers; what is none is NaN.

    Raises
    ------
    DataError : numbers have a decimal comma that reading the file did not allow.
    """
    _check_commas(column)
    return pd.to_numeric(column, errors="coerce")


def _ec_lab_hint(name: str, header_lines: int) -> str:
    return (
        f"begins with a header of EC-Lab ('Nb header lines : {header_lines}'), and the first line must name"
        f" the columns; cut it off with `tail -n +{header_lines} {name} | iconv -f latin1 -t utf8 > NEW.txt`,"
        " or export without it"
    )


def _has_decimal(mark: str, text: str, separator: str) -> bool:
    """Whether a value of a table has a decimal comma or point; the comma separates no values then."""
    if separator == ",":
        return mark == "."
    number = rf"[+-]?\d*{re.escape(mark)}\d+(?:[eE][+-]?\d+)?"
    return re.search(rf'(?m)(?:^|{separator}) *"?{number}"? *(?={separator}|\r|$)', text) is not None


def _check_commas(column: pd.Series) -> None:
    """Raise DataError where numbers of a column have a decimal comma that reading the file did not allow."""
    if pd.api.types.is_numeric_dtype(column):
        return
    texts = column.dropna().astype(str).str.strip()
    commas = texts[texts.str.fullmatch(r"[+-]?\d*,\d+(?:[eE][+-]?\d+)?")]
    if not commas.empty:
        raise DataError(f"column {column.name!r} holds {commas.iloc[0]!r}; {_COMMAS}")
