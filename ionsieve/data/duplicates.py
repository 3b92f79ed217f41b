"""The same crystal from two databases: recognised by structure, not by name.

Compared are only crystals of one reduced formula whose volumes per atom are close, so that the search stays
linear in the number of crystals. Within one source nothing is compared: databases keep their own polymorphs
apart, and the funnel takes care of what a user's own files repeat.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pymatgen.analysis.structure_matcher import StructureMatcher
from pymatgen.core import Structure

from ionsieve import structures

# Two relaxations of one crystal, with two functionals or settings, differ by less in volume per atom.
VOLUME_TOLERANCE = 0.1


def duplicates(rows: pa.Table) -> dict[int, int]:
    """Which rows are crystals that a preferred source has too.

    Parameters
    ----------
    rows : columns material_id, formula, priority (0 is the most preferred source), numbers, cell,
        frac_coords. All rows of a formula must be here.

    Returns
    -------
    Index of each row to leave out, with the index of the row that stands for it.
    """
    twins: dict[int, int] = {}
    for indices in _shared_formulas(rows):
        members = rows.take(pa.array(indices)).to_pylist()
        order = sorted(
            range(len(members)), key=lambda at: (members[at]["priority"], members[at]["material_id"])
        )
        twins |= {indices[left_out]: indices[kept] for left_out, kept in _twins_of(members, order).items()}
    return twins


def _shared_formulas(rows: pa.Table) -> list[list[int]]:
    """Row indices of each formula that more than one source has."""
    sources = (
        pa.table({"formula": rows["formula"], "priority": rows["priority"]})
        .group_by("formula")
        .aggregate([("priority", "count_distinct")])
    )
    shared = sources.filter(pc.greater(sources["priority_count_distinct"], 1))["formula"]
    members = np.flatnonzero(pc.is_in(rows["formula"], value_set=shared.combine_chunks()).to_numpy())
    groups: dict[str, list[int]] = defaultdict(list)
    for index, formula in zip(members.tolist(), rows["formula"].take(members).to_pylist(), strict=True):
        groups[formula].append(index)
    return [groups[formula] for formula in sorted(groups)]


def _twins_of(members: Sequence[Mapping[str, Any]], order: Sequence[int]) -> dict[int, int]:
    volumes_A3 = [structures.volume_A3(row["cell"]) / len(row["numbers"]) for row in members]
    comparison = _Comparison(members)
    kept: list[int] = []
    twins: dict[int, int] = {}
    for at in order:
        alike = (
            other
            for other in kept
            if members[other]["priority"] < members[at]["priority"]
            and abs(volumes_A3[other] / volumes_A3[at] - 1) < VOLUME_TOLERANCE
            and comparison.alike(other, at)
        )
        twin = next(alike, None)
        if twin is None:
            kept.append(at)
        else:
            twins[at] = twin
    return twins


class _Comparison:
    """pymatgen's StructureMatcher over a few crystals, each reduced once and only where it must be."""

    def __init__(self, members: Sequence[Mapping[str, Any]]) -> None:
        self._matcher = StructureMatcher()
        self._members = members
        self._as_given: dict[int, Structure] = {}
        self._reduced: dict[int, Structure] = {}

    def alike(self, one: int, other: int) -> bool:
        """Databases mostly keep primitive cells: cells of one size are tried as they are, which is cheap."""
        given = self._given(one), self._given(other)
        return (len(given[0]) == len(given[1]) and self._fit(*given)) or self._fit(
            self._primitive(one), self._primitive(other)
        )

    def _fit(self, one: Structure, other: Structure) -> bool:
        return bool(self._matcher.fit(one, other, skip_structure_reduction=True))

    def _given(self, at: int) -> Structure:
        if at not in self._as_given:
            self._as_given[at] = structures.to_structure(self._members[at])
        return self._as_given[at]

    def _primitive(self, at: int) -> Structure:
        if at not in self._reduced:
            self._reduced[at] = self._given(at).get_reduced_structure().get_primitive_structure()
        return self._reduced[at]
