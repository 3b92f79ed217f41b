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
    matcher = StructureMatcher()
    volumes_A3 = [structures.volume_A3(row["cell"]) / len(row["numbers"]) for row in members]
    crystals: dict[int, Structure] = {}

    def crystal(at: int) -> Structure:
        if at not in crystals:
            crystals[at] = structures.to_structure(members[at])
        return crystals[at]

    kept: list[int] = []
    twins: dict[int, int] = {}
    for at in order:
        alike = (
            other
            for other in kept
            if members[other]["priority"] < members[at]["priority"]
            and abs(volumes_A3[other] / volumes_A3[at] - 1) < VOLUME_TOLERANCE
            and matcher.fit(crystal(other), crystal(at))
        )
        twin = next(alike, None)
        if twin is None:
            kept.append(at)
        else:
            twins[at] = twin
    return twins
