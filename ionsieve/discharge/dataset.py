"""The data set of discharge curves: points of every usable cycle, what was set aside, where it comes from.

The tables depend on the content of the inputs alone, not on the order of the files: tests are sorted by name
and content. The version of a data set is a digest of its inputs' digests and of the processing.
"""

import hashlib
import json
import logging
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ionsieve.artifacts import write_json
from ionsieve.discharge import profiles
from ionsieve.discharge.cycling import CyclingTest, SetAside
from ionsieve.discharge.profiles import StandardTest, standardise_test
from ionsieve.errors import DataError
from ionsieve.plurals import noun
from ionsieve.tables import DISCHARGE_POINTS, DISCHARGE_REJECTS, write_table

logger = logging.getLogger(__name__)

# Raised when the same records would give other points.
PROCESSING_VERSION = 3
# Of every kind of reason the log has so many rejects, the first; all are in the table of rejects.
MOST_LOGGED = 5
# Kinds of reasons that a message names, and files for each.
MOST_NAMED = 3
POINTS_FILE, REJECTS_FILE, PROVENANCE_FILE = "points.parquet", "rejects.parquet", "provenance.json"


@dataclass(frozen=True)
class Dataset:
    """Discharge curves.

    Attributes
    ----------
    points : columns of :data:`~ionsieve.tables.DISCHARGE_POINTS`, sorted by test, cycle and voltage.
    set_aside : tests and cycles that are not among them, sorted.
    n_tests : tests that were read, with those set aside.
    """

    points: pd.DataFrame
    set_aside: tuple[SetAside, ...]
    n_tests: int

    @property
    def rejects(self) -> pd.DataFrame:
        """Columns of :data:`~ionsieve.tables.DISCHARGE_REJECTS`."""
        rows = [
            {"test_id": row.test_id, "cycle": row.cycle, "source": row.source, "reason": row.reason}
            for row in self.set_aside
        ]
        return pd.DataFrame(rows, columns=DISCHARGE_REJECTS.names).astype({"cycle": "Int32"})


def build(tests: Iterable[CyclingTest], set_aside: Iterable[SetAside] = ()) -> Dataset:
    """Points of every usable discharge of some tests.

    A test that is given twice is taken once; two tests of one name become NAME and NAME-2, by their content.

    Parameters
    ----------
    tests : in any order.
    set_aside : what a reader has set aside before.
    """
    distinct, repeated = _named_apart(tests)
    aside = [*set_aside, *repeated]
    tables = []
    for test in distinct:
        standard = standardise_test(test)
        aside.extend(standard.set_aside)
        table = _points(standard)
        if table is not None:
            tables.append(table)
    points = pd.concat(tables, ignore_index=True) if tables else _no_points()
    order = sorted(aside, key=lambda row: (row.test_id, row.cycle or 0, row.source, row.reason))
    return Dataset(points, tuple(order), len(distinct) + len(repeated))


def write(dataset: Dataset, inputs: Mapping[str, str], folder: Path) -> dict[str, Any]:
    """Write points.parquet, rejects.parquet and provenance.json into a folder; returns the provenance.

    Parameters
    ----------
    inputs : SHA-256 digest by the name of each input: files, or the recipe of synthetic cells.

    Raises
    ------
    DataError : no discharge could be used; the message has the most frequent reasons and the files.
    """
    if dataset.points.empty:
        raise DataError(_none_usable(dataset))
    write_table(dataset.points, DISCHARGE_POINTS, folder / POINTS_FILE)
    write_table(dataset.rejects, DISCHARGE_REJECTS, folder / REJECTS_FILE)
    document = provenance(dataset, inputs)
    write_json(folder / PROVENANCE_FILE, document)
    return document


def log_rejects(dataset: Dataset) -> None:
    """Tell what is set aside: a warning with the numbers, and the first :data:`MOST_LOGGED` of every kind.

    The warning reaches the terminal too. Nothing is said where nothing is set aside.
    """
    by_kind = _by_kind(dataset.set_aside)
    for kind, rows in by_kind.items():
        for row in rows[:MOST_LOGGED]:
            of_what = row.source if row.test_id in row.source else f"{row.source}, test {row.test_id}"
            cycle = "" if row.cycle is None else f", cycle {row.cycle}"
            how = "used in part" if row.partly else "set aside"
            logger.info("%s: %s%s: %s", how, of_what, cycle, row.reason)
        if len(rows) > MOST_LOGGED:
            logger.info("and %d more of the reason: %s", len(rows) - MOST_LOGGED, kind)
    if by_kind and not dataset.points.empty:  # else it is an error, and its message tells
        tests, cycles = _n_set_aside(dataset)
        numbers = (
            (tests, "file or test", "files or tests"),
            (cycles, "cycle"),
            (len(dataset.set_aside) - tests - cycles, "part of a test", "parts of tests"),
        )
        logger.warning(
            "set aside: %s; reasons: %s%s. All are in %s",
            ", ".join(_counted(*number) for number in numbers if number[0]),
            ", ".join(f"{kind} ({len(rows)})" for kind, rows in list(by_kind.items())[:MOST_NAMED]),
            _others(len(by_kind)),
            REJECTS_FILE,
        )


def provenance(dataset: Dataset, inputs: Mapping[str, str]) -> dict[str, Any]:
    """What the data set is made of, as a JSON document without paths or dates."""
    points = dataset.points
    kept = points.groupby("label")["test_id"].nunique()
    tests_set_aside, cycles_set_aside = _n_set_aside(dataset)
    return {
        "dataset_version": version(inputs),
        "inputs": [{"name": name, "sha256": inputs[name]} for name in sorted(inputs)],
        "labels": {str(label): int(count) for label, count in kept.items()},  # tests of each
        "n_tests": dataset.n_tests,
        "n_tests_with_points": int(points["test_id"].nunique()),
        "n_cycles": int(points.groupby(["test_id", "cycle"]).ngroups),
        "n_points": len(points),
        "n_tests_set_aside": tests_set_aside,
        "n_cycles_set_aside": cycles_set_aside,
        "reasons": dict(sorted(Counter(_kind(row.reason) for row in dataset.set_aside).items())),
        "processing": _processing(),
    }


def version(inputs: Mapping[str, str]) -> str:
    """Sixteen hexadecimal digits for the inputs' contents and the processing; file names do not enter."""
    content = json.dumps([sorted(inputs.values()), _processing()], sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()[:16]


def _processing() -> dict[str, Any]:
    return {
        "version": PROCESSING_VERSION,
        "n_points": profiles.N_POINTS,
        "smoothing_length_V": profiles.SMOOTHING_LENGTH_V,
    }


def _n_set_aside(dataset: Dataset) -> tuple[int, int]:
    """Whole files or tests that are set aside, and cycles."""
    whole = sum(row.cycle is None and not row.partly for row in dataset.set_aside)
    return whole, sum(row.cycle is not None for row in dataset.set_aside)


def _none_usable(dataset: Dataset) -> str:
    files = len({row.source for row in dataset.set_aside})
    lines = [
        f"no discharge can be used, of {_counted(files, 'file')} with"
        f" {_counted(dataset.n_tests, 'test')} that could be read"
    ]
    by_kind = _by_kind(dataset.set_aside)
    for rows in list(by_kind.values())[:MOST_NAMED]:
        sources = list(dict.fromkeys(row.source for row in rows))
        more = f" and {len(sources) - MOST_NAMED} more" if len(sources) > MOST_NAMED else ""
        lines.append(f"{len(rows)} x {rows[0].reason} ({', '.join(sources[:MOST_NAMED])}{more})")
    return "\n  ".join(lines) + _others(len(by_kind))


def _by_kind(set_aside: Iterable[SetAside]) -> dict[str, list[SetAside]]:
    """What is set aside by the kind of its reason, the most frequent kind first."""
    kinds: defaultdict[str, list[SetAside]] = defaultdict(list)
    for row in set_aside:
        kinds[_kind(row.reason)].append(row)
    return dict(sorted(kinds.items(), key=lambda kind: (-len(kind[1]), kind[0])))


def _others(n_kinds: int) -> str:
    """How many kinds of reasons are not named, in words; empty where all are."""
    others = n_kinds - MOST_NAMED
    return f", and {_counted(others, 'other reason')}, in the log" if others > 0 else ""


def _counted(count: int, one: str, several: str | None = None) -> str:
    """``1 file``, ``2 files``."""
    return f"{count:,} {noun(count, one, several)}"


def _kind(reason: str) -> str:
    """A reason without its numbers: what stands before the first colon, semicolon or digit."""
    head = re.split("[:;]", reason)[0]
    digit = next((at for at, letter in enumerate(head) if letter.isdigit()), len(head))
    return head[:digit].strip() or "other"


def _named_apart(tests: Iterable[CyclingTest]) -> tuple[list[CyclingTest], list[SetAside]]:
    """Tests sorted by name and content, each once and with a name of its own."""
    keyed = sorted(((test.test_id, _content(test), test) for test in tests), key=lambda row: row[:2])
    distinct: list[CyclingTest] = []
    repeated = []
    taken: set[str] = {test_id for test_id, _, _ in keyed}
    seen: dict[str, str] = {}  # name of the test by content
    named: set[str] = set()
    for test_id, content, test in keyed:
        if content in seen:
            repeated.append(
                SetAside(test.source, test_id, None, f"given twice: it is the test {seen[content]}")
            )
            continue
        name, number = test_id, 1
        while name in named or (number > 1 and name in taken):
            number += 1
            name = f"{test_id}-{number}"
        named.add(name)
        seen[content] = name
        distinct.append(replace(test, test_id=name))
    return sorted(distinct, key=lambda test: test.test_id), repeated


def _content(test: CyclingTest) -> str:
    """Digest of all of a test but its name and source."""
    digest = hashlib.sha256()
    head = (test.composition, test.label, test.rate_mA_per_g, test.voltage_low_V, test.voltage_high_V)
    digest.update(repr(head).encode())
    for profile in test.profiles:
        digest.update(f"{profile.cycle} {profile.direction} {np.size(profile.voltage_V)}".encode())
        for values in (profile.voltage_V, profile.capacity_mAh_per_g):
            digest.update(np.ascontiguousarray(values, dtype=float).tobytes())
    return digest.hexdigest()


def _points(standard: StandardTest) -> pd.DataFrame | None:
    """Points of one test, or None where no cycle is left."""
    test, cycles = standard.test, standard.profiles
    if not cycles:
        return None
    first = next((profile for profile in cycles if profile.cycle == 1), None)
    first_capacity = [
        profile.capacity_mAh_per_g
        if profile is first
        else np.full(len(profile.voltage_V), np.nan)
        if first is None
        else first.capacity_at(profile.voltage_V)
        for profile in cycles
    ]
    numbers = np.array([profile.cycle for profile in cycles], dtype=np.int32)
    return pd.DataFrame(
        {
            "test_id": test.test_id,
            "label": test.label,
            "composition": test.composition,
            "rate_mA_per_g": float(test.rate_mA_per_g),
            "voltage_low_V": float(test.voltage_low_V),
            "voltage_high_V": float(test.voltage_high_V),
            "cycle": np.repeat(numbers, [len(profile.voltage_V) for profile in cycles]),
            "voltage_V": np.concatenate([profile.voltage_V for profile in cycles]),
            "capacity_mAh_per_g": np.concatenate([profile.capacity_mAh_per_g for profile in cycles]),
            "first_capacity_mAh_per_g": np.concatenate(first_capacity),
            "dq_dv_mAh_per_g_per_V": np.concatenate([profile.dq_dv_mAh_per_g_per_V for profile in cycles]),
        }
    )


def _no_points() -> pd.DataFrame:
    return DISCHARGE_POINTS.empty_table().to_pandas()
