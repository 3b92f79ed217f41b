"""Raw tables: what a source that shrinks, or answers another question, may not do to them."""

import pytest

from ionsieve.artifacts import digest
from ionsieve.data import demo
from ionsieve.data.network import SourceError
from ionsieve.data.records import Pulled, Reject, refresh, require_pulled, write_raw
from ionsieve.errors import DataError

QUERY = {"working_ion": "Mg", "max_energy_above_hull_eV_per_atom": 0.15}


def _database(electrodes: int, candidates: int, query=QUERY):
    """A pull of so many of the shipped records."""
    shipped = demo.pull("Mg")
    rows = {
        "electrodes": [row for row, _ in zip(shipped.electrodes, range(electrodes), strict=False)],
        "candidates": [row for row, _ in zip(shipped.candidates, range(candidates), strict=False)],
    }
    rejects = [Reject("mp-1", "test", "candidates", "overlapping atoms: Mg-O at 0.20 A")]
    provenance = {"source": "test", "version": "1", "query": query}
    return lambda cache: Pulled([*rows["electrodes"]], [*rows["candidates"], *rejects], provenance)


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "raw" / "test"


def _digests(folder):
    return {path.name: digest(path) for path in folder.iterdir()}


def test_what_was_written_is_told_in_numbers_and_reasons(folder):
    written = refresh(_database(3, 5), folder)
    assert written.changed
    assert str(written) == "3 electrodes, 5 candidates, 1 records set aside (1 x overlapping atoms)"
    assert not refresh(_database(3, 5), folder).changed


@pytest.mark.parametrize(("electrodes", "candidates"), [(0, 10), (10, 0), (4, 10), (10, 4)])
def test_a_database_that_lost_most_of_a_table_replaces_nothing(folder, electrodes, candidates):
    refresh(_database(10, 10), folder)
    before = _digests(folder)
    with pytest.raises(SourceError, match="would go from 10 to .* nothing was replaced"):
        refresh(_database(electrodes, candidates), folder)
    assert _digests(folder) == before


def test_a_database_may_withdraw_some(folder):
    refresh(_database(10, 10), folder)
    assert refresh(_database(9, 6), folder).changed


def test_another_question_may_have_far_fewer_answers(folder):
    refresh(_database(10, 10), folder)
    assert refresh(_database(2, 2, {**QUERY, "working_ion": "Y"}), folder).changed


def test_a_database_that_gives_nothing_is_an_error_from_the_start(folder):
    with pytest.raises(SourceError, match="gave 0 electrodes, 0 candidates, 1 records set aside"):
        refresh(_database(0, 0), folder)
    assert not list(folder.iterdir())


def test_tables_that_answer_the_query_are_taken(folder):
    refresh(_database(3, 3), folder)
    require_pulled(folder, QUERY)


@pytest.mark.parametrize(
    "asked", [{**QUERY, "working_ion": "Li"}, {"working_ion": "Mg"}, {**QUERY, "include_gnome": True}]
)
def test_tables_that_answer_another_query_are_refused(folder, asked):
    refresh(_database(3, 3), folder)
    with pytest.raises(DataError, match="another configuration asked for .* remove that folder"):
        require_pulled(folder, asked)


def test_tables_that_are_not_there_are_to_be_pulled_first(folder):
    with pytest.raises(DataError, match="fetch_all"):
        require_pulled(folder, QUERY)


def test_what_a_killed_job_left_half_written_is_removed(folder):
    folder.mkdir(parents=True)
    (folder / ".writing-abc").mkdir()
    (folder / ".writing-abc" / "candidates.parquet").write_bytes(b"half")
    write_raw(_database(1, 1)(None), folder)
    assert not list(folder.glob(".writing-*"))
