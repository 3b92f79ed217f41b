"""Two runs side by side: who entered, who left, whose numbers moved, and why.

Candidates are joined class by class of the hash that their buckets are made by, without their crystals, of
which only a digest stays: what grows with the tables is one class of ids and voltages. What is kept of all of
them is what entered, what left, and what changed sides at the funnel.
"""

import heapq
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from ionsieve.artifacts import digest
from ionsieve.errors import DataError
from ionsieve.report.wording import number
from ionsieve.run.candidate_rows import CandidateRows, parts
from ionsieve.run.folder import RunFolder
from ionsieve.run.lookup import beyond_limits
from ionsieve.run.story import thresholds
from ionsieve.screen import Stop, Thresholds, describe, stopped_at

# Smaller moves are told of nobody: a retrained model moves every voltage a little.
LEAST_VOLTAGE_MOVE_V = 0.01
LEAST_RELATIVE_MOVE = 0.01
LARGEST_MOVES_KEPT = 20

CANDIDATES, PASSED, SHORTLIST, RANKING = "candidates", "passed", "shortlist", "ranking"
ENTERED, LEFT, MOVED = "entered", "left", "moved"
COLUMNS = ("level", "change", "material_id", "formula", "quantity", "before", "after", "why")
# What of the ranking is compared; conductivities and scores by their ratio.
_RANKED_QUANTITIES = (
    "voltage_V",
    "conductivity_mS_per_cm",
    "conductivity_high_mS_per_cm",
    "universal_potential_voltage_V",
    "score",
    "rank",
)


@dataclass(frozen=True)
class Change:
    """One line of the comparison; the fields are :data:`COLUMNS`.

    Attributes
    ----------
    level : where: among all candidates, those that passed the funnel, the shortlist, or the ranking.
    change : ``entered``, ``left`` or ``moved``.
    quantity : the column that moved; empty for who entered or left.
    before, after : its values, as text.
    """

    level: str
    change: str
    material_id: str
    formula: str
    quantity: str
    before: str
    after: str
    why: str


@dataclass
class Counts:
    """Candidates of both runs, counted."""

    before: int = 0
    after: int = 0
    common: int = 0
    structures_changed: int = 0
    voltages_moved: int = 0
    absolute_moves_V: float = 0.0


@dataclass
class Comparison:
    """What two runs differ in.

    Attributes
    ----------
    config : keys of the configuration with both values.
    sources : lines on databases and files: versions, what came and went.
    model : lines on the voltage model.
    counts : of candidates.
    candidates : who entered and who left the catalogue.
    largest_moves : of voltages, of candidates in both runs, largest first.
    passed, shortlist, ranking : changes of these.
    """

    config: list[tuple[str, str, str]]
    sources: list[str]
    model: list[str]
    counts: Counts = field(default_factory=Counts)
    candidates: list[Change] = field(default_factory=list)
    largest_moves: list[Change] = field(default_factory=list)
    passed: list[Change] = field(default_factory=list)
    shortlist: list[Change] = field(default_factory=list)
    ranking: list[Change] = field(default_factory=list)

    @property
    def differs(self) -> bool:
        """Whether there is anything to tell."""
        of_all = (self.config, self.sources, self.model, self.candidates, self.largest_moves)
        of_few = (self.passed, self.shortlist, self.ranking)
        return any((*of_all, *of_few)) or self.counts.structures_changed > 0


def compare(
    before: RunFolder, after: RunFolder, write: Callable[[Iterable[Change]], object] = lambda changes: None
) -> Comparison:
    """Compare two runs.

    Parameters
    ----------
    before, after : the runs; what one of them has not reached is not compared.
    write : takes every change as it is found, voltages that moved among them, which are too many to keep.

    Raises
    ------
    DataError : one of them has not even a catalogue.
    """
    for run in (before, after):
        if not run.catalogue:
            raise DataError(
                f"{run.results} has no catalogue yet; `ionsieve status` tells how far that run is"
            )
    return _Comparing(before, after, write).result()


class _Comparing:
    def __init__(
        self, before: RunFolder, after: RunFolder, write: Callable[[Iterable[Change]], object]
    ) -> None:
        self.before, self.after, self.write = before, after, write
        self.limits = (thresholds(before), thresholds(after))
        self.comparison = Comparison(
            config=_config_changes(before.config, after.config),
            sources=_source_changes(before, after),
            model=[],
        )
        self.comparison.model = self._model_changes()
        self._moves: list[tuple[float, Change]] = []
        self._new_structures: set[str] = set()
        self._entered: dict[str, dict[str, Any]] = {}
        self._left: dict[str, dict[str, Any]] = {}
        # Of whoever passed in one run alone: all numbers in both, without the crystal.
        self._described: tuple[dict[str, Any], dict[str, Any]] = ({}, {})

    def result(self) -> Comparison:
        self._candidates()
        self._passed()
        self._shortlist()
        self._ranking()
        return self.comparison

    @cached_property
    def model_changed(self) -> bool:
        """Whether the two runs predict with different weights."""
        paths = [run.results / "voltage" / "model" / "state.pt" for run in (self.before, self.after)]
        return all(path.exists() for path in paths) and digest(paths[0]) != digest(paths[1])

    def _model_changes(self) -> list[str]:
        if not self.model_changed:
            return []
        numbers = [run.catalogue.get("electrodes", {}).get("count") for run in (self.before, self.after)]
        trained = f"trained on {numbers[0]} electrodes before, {numbers[1]} after"
        errors = [
            run.document("voltage/metrics.json").get("protocols", {}).get("framework", {}).get("all", {})
            for run in (self.before, self.after)
        ]
        known = [error.get("mae_V") for error in errors]
        measured = "" if None in known else f"; error on unseen frameworks {known[0]:.3f} V, {known[1]:.3f} V"
        return [f"another voltage model: {trained}{measured}"]

    # Candidates ------------------------------------------------------------------------------------

    def _candidates(self) -> None:
        counts = self.comparison.counts
        watched = _passing(self.before) ^ _passing(self.after)
        for one, other in parts(self.before, self.after, watched):
            counts.before += len(one.table)
            counts.after += len(other.table)
            for side, rows in enumerate((one, other)):
                for crystal in rows.watched:
                    described = describe(crystal, self._ion(side), self.limits[side])
                    self._described[side][crystal["material_id"]] = _without_crystal(described)
            self._join(one.table, other.table)
        self.comparison.candidates = [
            *_sorted(self._entries(self._entered, self.before, ENTERED)),
            *_sorted(self._entries(self._left, self.after, LEFT)),
        ]
        self.write(self.comparison.candidates)
        self.comparison.largest_moves = [move for _, move in self._moves]

    def _ion(self, side: int) -> str:
        return (self.before, self.after)[side].working_ion

    def _join(self, one: pd.DataFrame, other: pd.DataFrame) -> None:
        joined = one.merge(
            other, on="material_id", how="outer", suffixes=("_before", "_after"), indicator=True
        )
        for side, found in (("left_only", self._left), ("right_only", self._entered)):
            suffix = "_before" if side == "left_only" else "_after"
            rows = joined[joined["_merge"] == side]
            names = [name for name in one.columns if name != "material_id"]
            for row in rows.to_dict("records"):
                found[row["material_id"]] = {name: row[f"{name}{suffix}"] for name in names}
        common = joined[joined["_merge"] == "both"]
        counts = self.comparison.counts
        counts.common += len(common)
        changed = (common["crystal_before"] != common["crystal_after"]).to_numpy()
        counts.structures_changed += int(changed.sum())
        self._new_structures.update(common["material_id"][changed])
        moves_V = (common["voltage_V_after"] - common["voltage_V_before"]).to_numpy(dtype=float)
        moved = np.abs(np.nan_to_num(moves_V)) >= LEAST_VOLTAGE_MOVE_V
        counts.voltages_moved += int(moved.sum())
        counts.absolute_moves_V += float(np.abs(moves_V[moved]).sum())
        sizes_V = pd.Series(np.abs(moves_V[moved]), index=common.index[moved])
        largest = sizes_V.nlargest(LARGEST_MOVES_KEPT)
        self._moves = heapq.nlargest(
            LARGEST_MOVES_KEPT,
            [*self._moves, *zip(largest, self._voltage_moves(common.loc[largest.index]), strict=True)],
            key=lambda move: (move[0], move[1].material_id),
        )
        self.write(self._voltage_moves(common[moved]))

    def _voltage_moves(self, rows: pd.DataFrame) -> Iterator[Change]:
        columns = ("material_id", "formula_after", "voltage_V_before", "voltage_V_after")
        for material_id, formula, then_V, now_V in zip(*(rows[name] for name in columns), strict=True):
            why = self._why_voltage(material_id)
            voltages = _text(then_V), _text(now_V)
            yield Change(CANDIDATES, MOVED, material_id, formula, "voltage_V", *voltages, why)

    def _why_voltage(self, material_id: str) -> str:
        if material_id in self._new_structures:
            return "structure changed" + (", and the model" if self.model_changed else "")
        return "model changed" if self.model_changed else "label or known electrode changed"

    def _entries(
        self, rows: Mapping[str, Mapping[str, Any]], other: RunFolder, change: str
    ) -> Iterator[Change]:
        """Who is in one run alone, and why not in ``other``."""
        reasons = _reasons_of_absence(other, rows, has_left=change == LEFT)
        for material_id, row in rows.items():
            value = _text(row["voltage_V"])
            before, after = (value, "") if change == LEFT else ("", value)
            yield Change(
                CANDIDATES, change, material_id, row["formula"], "", before, after, reasons[material_id]
            )

    # Passed the funnel ---------------------------------------------------------------------------------

    def _passed(self) -> None:
        if self.before.screened is None or self.after.screened is None:
            return
        passing = _passing(self.before), _passing(self.after)
        absent = {change.material_id: change.why for change in self.comparison.candidates}
        changes = []
        for material_id in sorted(passing[1] - passing[0]):
            changes.append(self._crossing(material_id, ENTERED, absent))
        for material_id in sorted(passing[0] - passing[1]):
            changes.append(self._crossing(material_id, LEFT, absent))
        self.comparison.passed = changes
        self.write(changes)

    def _crossing(self, material_id: str, change: str, absent: Mapping[str, str]) -> Change:
        """Why a candidate passes the funnel of one run alone."""
        passes, stops = (1, 0) if change == ENTERED else (0, 1)
        here, there = (self._described[side].get(material_id) for side in (passes, stops))
        if here is None:
            formula = _formulas((self.before, self.after)[passes].screened)[material_id]
            why = "no voltage where it passed: the funnel of that run is older than its candidates"
            return Change(PASSED, change, material_id, formula, "", "", "", why)
        values = dict.fromkeys(("quantity", "before", "after"), "")
        if there is None:
            why = absent.get(material_id, "not a candidate there")
        else:
            stop = stopped_at(there, self.limits[stops])
            if stop is None:
                why = _duplicate_or_control(material_id, (self.before, self.after)[stops])
            else:
                why = self._why_stopped(material_id, stop, here, self.limits[passes], self.limits[stops])
                if stop.column is not None:
                    sides = (there, here) if change == ENTERED else (here, there)
                    moved = (_text(side[stop.column]) for side in sides)
                    values = dict(zip(values, (stop.column, *moved), strict=True))
        return Change(PASSED, change, material_id, here["formula"], **values, why=why)

    def _why_stopped(
        self,
        material_id: str,
        stop: Stop,
        where_it_passes: Mapping[str, Any],
        limits_passing: Thresholds,
        limits_stopping: Thresholds,
    ) -> str:
        """A threshold, or a number that moved over it."""
        key = stop.why.rpartition(" ")[2] if stop.column else "screen.exclude_elements"
        if stop.column is None:
            return f"{key} changed"
        asked = [getattr(limits, key.removeprefix("screen.")) for limits in (limits_passing, limits_stopping)]
        again = stopped_at(where_it_passes, limits_stopping)
        if again is not None and again.step == stop.step:
            old, new = asked if limits_passing is self.limits[0] else asked[::-1]
            return f"{key} {_text(old)} before, {_text(new)} after"
        why = self._why_voltage(material_id) if "voltage" in stop.step else "structure changed"
        return f"{stop.column} moved over {key} {_text(stop.limit)}: {why}"

    # Shortlist and ranking -------------------------------------------------------------------------

    def _shortlist(self) -> None:
        runs = (self.before, self.after)
        if any(run.shortlist is None or run.screened is None for run in runs):
            return
        ids = [_formulas(run.shortlist) for run in runs]
        crossings = {change.material_id: change.why for change in self.comparison.passed}
        changes = []
        for change, here, there in ((ENTERED, 1, 0), (LEFT, 0, 1)):
            for material_id, formula in ids[here].items():
                if material_id not in ids[there]:
                    why = crossings.get(material_id) or _place(material_id, runs[there])
                    changes.append(Change(SHORTLIST, change, material_id, formula, "", "", "", why))
        self.comparison.shortlist = changes
        self.write(changes)

    def _ranking(self) -> None:
        if self.before.ranked is None or self.after.ranked is None:
            return
        one, other = (
            {row["material_id"]: row for row in run.ranked.to_dict("records")}  # type: ignore[union-attr]
            for run in (self.before, self.after)
        )
        changes = []
        for material_id, now in other.items():
            then = one.get(material_id)
            if then is None:
                continue
            for quantity in _RANKED_QUANTITIES:
                if _differs(quantity, then[quantity], now[quantity]):
                    values = _text(then[quantity]), _text(now[quantity])
                    why = self._why_ranked(material_id, quantity, then, now)
                    changes.append(
                        Change(RANKING, MOVED, material_id, now["formula"], quantity, *values, why)
                    )
        self.comparison.ranking = changes
        self.write(changes)

    def _why_ranked(
        self, material_id: str, quantity: str, then: Mapping[Any, Any], now: Mapping[Any, Any]
    ) -> str:
        if quantity == "voltage_V":
            return self._why_voltage(material_id)
        if quantity == "rank":
            moved = _differs("score", then["score"], now["score"])
            return "its score moved" if moved else "others entered, left or moved"
        if quantity == "score":
            factors = ("screen_score", "conductivity_mS_per_cm", "conductivity_high_mS_per_cm", "md_status")
            moved_factors = [name for name in factors if _differs(name, then[name], now[name])]
            return f"moved: {', '.join(moved_factors)}" if moved_factors else "what the ranking asks changed"
        if material_id in self._new_structures:
            return "structure changed"
        if then["md_status"] != now["md_status"] and quantity.startswith("conductivity"):
            return f"molecular dynamics: {then['md_status']} before, {now['md_status']} after"
        sections = ("validation",) if quantity.startswith("universal") else ("potential", "transport")
        keys = [key for key, *_ in self.comparison.config if key.partition(".")[0] in sections]
        return f"changed: {', '.join(keys)}" if keys else "computed again"


def _config_changes(
    before: Mapping[str, Any], after: Mapping[str, Any], prefix: str = ""
) -> list[tuple[str, str, str]]:
    changes = []
    for key in sorted(before.keys() | after.keys()):
        values = before.get(key), after.get(key)
        if isinstance(values[0], dict) and isinstance(values[1], dict):
            changes += _config_changes(values[0], values[1], f"{prefix}{key}.")
        elif values[0] != values[1]:
            changes.append((f"{prefix}{key}", str(values[0]), str(values[1])))
    return changes


def _source_changes(before: RunFolder, after: RunFolder) -> list[str]:
    old, new = (run.catalogue.get("sources", {}) for run in (before, after))
    lines = [f"{name}: no longer a source" for name in sorted(old.keys() - new.keys())]
    lines += [f"{name}: a source now" for name in sorted(new.keys() - old.keys())]
    for name in sorted(old.keys() & new.keys()):
        versions = old[name].get("version"), new[name].get("version")
        if versions[0] != versions[1]:
            lines.append(f"{name}: version {versions[0]} before, {versions[1]} after")
        elif old[name] != new[name]:
            lines.append(f"{name}: the same version, asked for something else or with other files")
    return lines


def _reasons_of_absence(
    run: RunFolder, rows: Mapping[str, Mapping[str, Any]], *, has_left: bool
) -> dict[str, str]:
    """Why each of these candidates of the other run is none of ``run``."""
    sources, limits = run.catalogue.get("sources", {}), run.config["data"]
    reasons: dict[str, str] = {}
    for reject in run.rejects():
        if reject["material_id"] in rows and reject["stage"] == "candidates":
            reasons.setdefault(reject["material_id"], f"set aside: {reject['reason']}")
    for material_id, above_hull, n_sites in _raw(run, rows):
        reasons.setdefault(
            material_id, beyond_limits(above_hull, n_sites, limits) or "left out by the catalogue"
        )
    for material_id, row in rows.items():
        if material_id in reasons:
            continue
        if row["source"] not in sources:
            reasons[material_id] = f"{row['source']} is no source of that run"
        else:
            source = row["source"]
            reasons[material_id] = f"withdrawn from {source}" if has_left else f"new in {source}"
    return reasons


def _raw(run: RunFolder, wanted: Mapping[str, object]) -> Iterator[tuple[str, float | None, int]]:
    """Of a run's raw tables, the wanted rows: id, distance from the hull, number of sites."""
    import pyarrow.compute as pc

    from ionsieve import tables

    for path in sorted((run.results / "data" / "raw").glob("*/candidates.parquet")):
        for batch in tables.stream(path).iter_batches(
            CandidateRows.BATCH_ROWS, columns=["material_id", "energy_above_hull_eV_per_atom", "numbers"]
        ):
            ids, above_hull = (batch.column(name).to_pylist() for name in batch.schema.names[:2])
            sizes = pc.list_value_length(batch.column("numbers")).to_pylist()
            yield from (row for row in zip(ids, above_hull, sizes, strict=True) if row[0] in wanted)


def _passing(run: RunFolder) -> set[str]:
    if run.screened is None:
        return set()
    return set(run.screened.loc[run.screened["role"] == "candidate", "material_id"])


def _duplicate_or_control(material_id: str, run: RunFolder) -> str:
    if material_id in run.config["screen"]["controls"]:
        return "a control there"
    return "the same crystal there as a candidate that ranks before it"


def _place(material_id: str, run: RunFolder) -> str:
    """Why one that passed the funnel of ``run`` is not on its shortlist."""
    screened = run.screened
    assert screened is not None
    candidates = screened.loc[screened["role"] == "candidate", "material_id"].tolist()
    if material_id not in candidates:
        return "screen.controls changed"
    length = run.config["screen"]["max_candidates"]
    return f"place {candidates.index(material_id) + 1} in the other run, whose shortlist takes {length}"


def _formulas(table: pd.DataFrame | None) -> dict[str, str]:
    """Formulas by material_id."""
    assert table is not None
    return dict(zip(table["material_id"], table["formula"], strict=True))


def _without_crystal(described: Mapping[str, Any]) -> dict[str, Any]:
    """What the funnel asks: the elements stay, coordinates go."""
    kept = {name: value for name, value in described.items() if name not in ("cell", "frac_coords")}
    return {**kept, "numbers": sorted(set(described["numbers"]))}


def _differs(quantity: str, then: Any, now: Any) -> bool:
    if pd.isna(then) or pd.isna(now):
        return bool(pd.isna(then)) != bool(pd.isna(now))
    if isinstance(then, str) or quantity == "rank":
        return bool(then != now)
    if quantity.endswith("voltage_V"):
        return abs(now - then) >= LEAST_VOLTAGE_MOVE_V
    return not math.isclose(then, now, rel_tol=LEAST_RELATIVE_MOVE)


def _text(value: Any) -> str:
    """A number as a table shows it; empty for what is not known."""
    if value is None or isinstance(value, list | tuple):
        return "" if value is None else ", ".join(map(str, value))
    return "" if pd.isna(value) else number(value, 4)


def _sorted(changes: Iterable[Change]) -> list[Change]:
    return sorted(changes, key=lambda change: change.material_id)
