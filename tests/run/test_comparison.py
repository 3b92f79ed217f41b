"""Two runs side by side: who entered, who left, whose numbers moved, and why."""

import csv

import pytest
from typer.testing import CliRunner

from ionsieve.artifacts import write_text
from ionsieve.command import app
from ionsieve.errors import DataError
from ionsieve.run.comparison import Change, compare
from ionsieve.run.folder import RunFolder

VOLTAGES_V = {"c-Mn": 3.5, "c-Fe": 3.2, "c-Ti": 2.5, "c-Co": 3.8}


def by_id(changes: list[Change]) -> dict[str, Change]:
    return {change.material_id: change for change in changes}


def test_a_run_does_not_differ_from_itself(sieve):
    run = sieve("same", VOLTAGES_V)
    found = compare(run, RunFolder.find(run.folder))
    assert (found.config, found.sources, found.model) == ([], [], [])
    assert (found.candidates, found.passed, found.shortlist, found.ranking) == ([], [], [], [])
    assert found.counts.common == len(VOLTAGES_V)
    assert found.counts.voltages_moved == found.counts.structures_changed == 0
    assert not found.differs
    result = CliRunner().invoke(app, ["diff", str(run.folder), str(run.folder)])
    assert "The two runs do not differ." in result.stdout


def test_a_new_model_or_crystal_that_moved_nothing_is_a_difference_all_the_same(sieve, perovskite):
    before = sieve("before", VOLTAGES_V)
    for name, what in (
        ("model", {"model": b"others"}),
        ("crystal", {"structures": {"c-Mn": perovskite("Mn", 4.1)}}),
    ):
        after = sieve(name, VOLTAGES_V, **what)
        found = compare(before, after)
        assert found.largest_moves == found.passed == found.shortlist == []
        assert found.differs


@pytest.mark.parametrize("swapped", [False, True])
def test_a_run_that_has_no_catalogue_yet_is_not_one_that_lost_everything(sieve, tmp_path, swapped):
    write_text(tmp_path / "early/config.yaml", "working_ion: Na\n")
    runs = (sieve("late", VOLTAGES_V), RunFolder.find(tmp_path / "early"))
    with pytest.raises(DataError, match="early/results has no catalogue yet; `ionsieve status`"):
        compare(*(runs[::-1] if swapped else runs))


def test_who_passed_a_funnel_older_than_the_candidates_is_told_so(sieve):
    before = sieve("before", VOLTAGES_V)
    after = sieve("after", VOLTAGES_V, thresholds={"min_voltage_V": 2.0})
    for path in (after.results / "voltage/predictions").iterdir():
        path.unlink()
    (entered,) = compare(before, RunFolder.find(after.folder)).passed
    assert (entered.change, entered.material_id, entered.formula) == ("entered", "c-Ti", "MgTiF3")
    assert "the funnel of that run is older than its candidates" in entered.why


def test_a_lower_threshold_lets_in_and_is_named(sieve):
    strict = sieve("strict", VOLTAGES_V)
    loose = sieve("loose", VOLTAGES_V, thresholds={"min_voltage_V": 2.0})
    found = compare(strict, loose)
    assert ("screen.min_voltage_V", "3.0", "2.0") in found.config
    (entered,) = found.passed
    assert (entered.change, entered.material_id, entered.quantity) == ("entered", "c-Ti", "voltage_V")
    assert entered.why == "screen.min_voltage_V 3.000 before, 2.000 after"
    (left,) = compare(loose, strict).passed
    assert (left.change, left.why) == ("left", "screen.min_voltage_V 2.000 before, 3.000 after")


def test_a_voltage_that_a_new_model_moved_over_the_threshold_is_told_so(sieve):
    before = sieve("before", VOLTAGES_V)
    after = sieve("after", {**VOLTAGES_V, "c-Ti": 3.1, "c-Fe": 2.9}, model=b"others")
    found = compare(before, after)
    passed = by_id(found.passed)
    assert (passed["c-Ti"].change, passed["c-Ti"].before, passed["c-Ti"].after) == (
        "entered",
        "2.500",
        "3.100",
    )
    why = "voltage_V moved over screen.min_voltage_V 3.000: model changed"
    assert passed["c-Ti"].why == passed["c-Fe"].why == why
    assert (passed["c-Fe"].change, passed["c-Fe"].before, passed["c-Fe"].after) == ("left", "3.200", "2.900")
    assert found.counts.voltages_moved == 2
    assert found.counts.absolute_moves_V == pytest.approx(0.9)
    assert [change.material_id for change in found.largest_moves] == ["c-Ti", "c-Fe"]
    assert found.model[0].startswith("another voltage model")


def test_a_crystal_that_changed_is_the_reason_for_its_voltage(sieve, perovskite):
    before = sieve("before", VOLTAGES_V)
    after = sieve("after", {**VOLTAGES_V, "c-Mn": 3.6}, structures={"c-Mn": perovskite("Mn", 4.1)})
    found = compare(before, after)
    assert found.counts.structures_changed == 1
    assert found.largest_moves[0].why == "structure changed"


def test_the_same_crystal_shifted_by_a_lattice_vector_has_not_changed(sieve, perovskite):
    shifted = perovskite("Mn")
    shifted.translate_sites([0], [1, 0, -1], to_unit_cell=False)
    before = sieve("before", VOLTAGES_V)
    after = sieve("after", VOLTAGES_V, structures={"c-Mn": shifted})
    assert compare(before, after).counts.structures_changed == 0


def test_who_entered_and_who_left_the_candidates_has_its_reason(sieve):
    before = sieve("before", {**VOLTAGES_V, "gone-V": 3.3, "bad-Ni": 3.3, "up-Cr": 3.3}, version="1")
    after = sieve(
        "after",
        {**VOLTAGES_V, "new-Mo": 3.4, "up-Cr": 3.3},
        rejects=(("bad-Ni", "partial occupancies (Mg:0.5)"),),
        above_hull={"up-Cr": 0.3},
        version="2",
    )
    found = compare(before, after)
    assert found.sources == ["demo: version 1 before, 2 after"]
    changes = by_id(found.candidates)
    assert {name: change.change for name, change in changes.items()} == {
        "new-Mo": "entered",
        "gone-V": "left",
        "bad-Ni": "left",
        "up-Cr": "left",
    }
    assert changes["new-Mo"].why == "new in demo"
    assert changes["gone-V"].why == "withdrawn from demo"
    assert changes["bad-Ni"].why == "set aside: partial occupancies (Mg:0.5)"
    assert changes["up-Cr"].why == (
        "0.300 eV/atom above the hull, beyond data.max_energy_above_hull_eV_per_atom 0.15"
    )
    # What left the candidates left what passed, for the same reason.
    assert by_id(found.passed)["gone-V"].why == "withdrawn from demo"


def test_the_number_of_buckets_makes_no_difference(sieve):
    before = sieve("before", VOLTAGES_V, shards=4)
    after = sieve("after", {**VOLTAGES_V, "c-Ti": 3.1}, shards=6, model=b"others")
    counts = compare(before, after).counts
    assert (counts.common, counts.voltages_moved) == (4, 1)


def test_who_only_fell_behind_on_the_shortlist_has_its_place(sieve):
    before = sieve("before", VOLTAGES_V, max_candidates=2)
    after = sieve("after", VOLTAGES_V, max_candidates=1)
    found = compare(before, after)
    assert found.passed == []
    (left,) = found.shortlist
    assert left.why == "place 2 in the other run, whose shortlist takes 1"


def test_a_twin_that_ranks_first_now_is_told_as_a_duplicate(sieve):
    before = sieve("before", {"c-Mn": 3.5, "twin-Mn": 3.4})
    after = sieve("after", {"c-Mn": 3.4, "twin-Mn": 3.5}, model=b"others")
    passed = by_id(compare(before, after).passed)
    assert passed["twin-Mn"].change == "entered"
    assert passed["c-Mn"].why == "the same crystal there as a candidate that ranks before it"


def test_every_change_goes_to_the_file(sieve, tmp_path):
    before = sieve("before", VOLTAGES_V, max_candidates=3)
    after = sieve("after", {**VOLTAGES_V, "c-Ti": 5.0, "new-Mo": 5.1}, model=b"others", max_candidates=4)
    out = tmp_path / "changes.csv"
    result = CliRunner().invoke(app, ["diff", str(before.folder), str(after.folder), "--out", str(out)])
    assert result.exit_code == 0, result.stderr
    with out.open() as handle:
        rows = list(csv.DictReader(handle))
    assert {(row["level"], row["change"], row["material_id"]) for row in rows} == {
        ("candidates", "moved", "c-Ti"),
        ("candidates", "entered", "new-Mo"),
        ("passed", "entered", "c-Ti"),
        ("passed", "entered", "new-Mo"),
        ("shortlist", "entered", "new-Mo"),
        ("shortlist", "entered", "c-Ti"),
        ("shortlist", "left", "c-Fe"),
    }
    assert "4 before, 5 after; 1 entered, 0 left, 4 in both" in result.stdout


def test_rankings_are_compared_with_what_moved(finished, tmp_path):
    import shutil

    from ionsieve.tables import RANKED, write_table

    shutil.copytree(finished.folder, tmp_path / "later")
    later = RunFolder.find(tmp_path / "later")
    ranked = finished.ranked.copy()
    first = ranked["rank"] == 1
    ranked.loc[first, "conductivity_mS_per_cm"] *= 2
    ranked.loc[first, "score"] *= 1.1
    write_table(ranked, RANKED, later.results / "report/ranked.parquet")
    for run in (finished, later):
        (run.results / "data/candidates").mkdir(exist_ok=True)
    moved = {change.quantity: change for change in compare(finished, later).ranking}
    assert moved.keys() == {"conductivity_mS_per_cm", "score"}
    assert moved["conductivity_mS_per_cm"].why == "computed again"
    assert moved["score"].why == "moved: conductivity_mS_per_cm"
