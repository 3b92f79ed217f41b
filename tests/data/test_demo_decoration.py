"""The list of the demo set: large enough, over seven ions, candidates on frameworks held out."""

import re
from collections import Counter

import pytest

from ionsieve.data.demo.build import shard_of
from ionsieve.data.demo.decoration import FAST_CONTROLS, FROZEN_CONTROLS, decorations

SAFE_ID = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*")


@pytest.fixture(scope="module")
def electrodes():
    return [decoration for decoration in decorations() if decoration.role == "electrode"]


@pytest.fixture(scope="module")
def candidates():
    return [decoration for decoration in decorations() if decoration.role == "candidate"]


def test_electrodes_cover_seven_ions(electrodes):
    by_ion = Counter(decoration.working_ion for decoration in electrodes)
    assert set(by_ion) == {"Li", "Na", "K", "Mg", "Ca", "Zn", "Al"}
    assert min(by_ion.values()) >= 20


def test_candidates_are_all_of_magnesium(candidates):
    assert {decoration.working_ion for decoration in candidates} == {"Mg"}


def test_no_framework_is_on_both_sides(electrodes, candidates):
    known = {decoration.framework for decoration in electrodes}
    assert known.isdisjoint(decoration.framework for decoration in candidates)


def test_ids_are_unique_and_safe_as_folder_names():
    ids = [decoration.record_id for decoration in decorations()]
    assert len(set(ids)) == len(ids)
    assert all(SAFE_ID.fullmatch(record_id) for record_id in ids)


def test_ids_are_readable(candidates):
    assert {"demo-MgCrMnO4-spinel", *FAST_CONTROLS, *FROZEN_CONTROLS} <= {
        decoration.record_id for decoration in candidates
    }


def test_cells_stay_small():
    assert max(decoration.composition.num_atoms for decoration in decorations()) <= 30


def test_the_order_is_shuffled_but_fixed():
    first, second = ([d.record_id for d in decorations()] for _ in range(2))
    assert first == second
    assert first != sorted(first)
    # Any beginning is a sample of the whole: both roles are in the first few.
    assert {decoration.role for decoration in decorations()[:20]} == {"electrode", "candidate"}


def test_shards_part_the_list():
    parts = [decoration.record_id for shard in range(7) for decoration in shard_of(shard, 7)]
    assert sorted(parts) == sorted(decoration.record_id for decoration in decorations())
