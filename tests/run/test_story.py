"""What `ionsieve explain` tells: where the funnel stopped a candidate, and who is near an unknown id."""

import pytest
from typer.testing import CliRunner

from ionsieve.command import app
from ionsieve.errors import DataError
from ionsieve.run.lookup import close_matches
from ionsieve.run.story import story
from ionsieve.tables import RANKED, VALIDATION_SUMMARY, write_table


def facts(told, title: str) -> dict[str, str]:
    return next(dict(section.facts) for section in told.sections if section.title == title)


@pytest.fixture
def run(sieve):
    return sieve(
        "run",
        {"c-Mn": 3.5, "c-Fe": 3.2, "c-Ti": 2.5, "c-U": 3.4, "far-V": 3.3},
        rejects=(("broken-1", "overlapping atoms: Mg-O at 0.42 A"),),
        above_hull={"far-V": 0.4, "c-Mn": 0.02},
        max_candidates=1,
    )


def test_a_voltage_below_the_threshold_is_told_with_both_numbers(run):
    told = story(run, "c-Ti")
    assert told.headline.endswith(
        "stopped by the funnel: predicted voltage at or below screen.min_voltage_V."
    )
    assert facts(told, "Funnel")["voltage_V"] == "2.50, the limit is 3.00"


def test_an_excluded_element_is_told(run):
    assert "exclude_elements" in story(run, "c-U").headline


def test_who_passed_beyond_the_end_of_the_shortlist_has_its_place(run):
    told = story(run, "c-Fe")
    assert "the shortlist ends before it" in told.headline
    assert facts(told, "Funnel")["passed"].startswith("number 2 of 2 by its score; the shortlist takes 1")


def test_the_crystal_names_source_licence_and_hull(run):
    told = facts(story(run, "c-Mn"), "Crystal")
    assert (told["formula"], told["source"], told["licence"]) == ("MgMnF3", "demo", "MIT")
    assert told["stability"] == "0.0200 eV/atom above the hull (Materials Project)"
    assert told["host without Mg"] == "MnF3"


def test_a_twin_of_a_better_candidate_is_told_as_a_duplicate(sieve):
    run = sieve("twins", {"c-Mn": 3.5, "twin-Mn": 3.4})
    told = story(run, "twin-Mn")
    assert "same crystal as a candidate that ranks before it" in told.headline
    assert facts(told, "Funnel")["duplicate"] == "of one of c-Mn"


def test_a_rejected_record_is_refused_with_its_reason(run):
    with pytest.raises(DataError, match="broken-1 is no candidate: set aside .* overlapping atoms"):
        story(run, "broken-1")


def test_a_record_far_above_the_hull_is_refused_with_its_distance(run):
    with pytest.raises(DataError, match=r"far-V is no candidate: left out \(demo\): 0.400 eV/atom above"):
        story(run, "far-V")


def test_a_formula_is_answered_with_its_candidates(run):
    assert close_matches(run, "MgFeF3") == ["c-Fe"]


def test_an_id_that_is_misspelt_is_answered_with_those_near(run):
    result = CliRunner().invoke(app, ["explain", "c-Mm", str(run.folder)])
    assert result.exit_code == 2
    (line,) = result.stderr.splitlines()
    assert "did you mean c-Mn" in line
    assert result.stdout == ""


def test_an_id_unlike_any_other_is_answered_so(run):
    with pytest.raises(DataError, match="no id looks like it"):
        story(run, "zzzzzzzzzzzzzzzz")


def test_a_ranked_candidate_is_told_to_its_end(run, finished):
    """Transport, validation and rank of the made-up run, for a candidate that the catalogue holds."""
    name = "demo-spinel-MgMn2O4"
    ranked = finished.ranked.assign(
        material_id=finished.ranked["material_id"].replace({name: "c-Mn"}),
    )
    write_table(ranked, RANKED, run.results / "report/ranked.parquet")
    computed = finished.table("validation/summary.parquet", VALIDATION_SUMMARY)
    computed["material_id"] = computed["material_id"].replace({name: "c-Mn"})
    write_table(computed, VALIDATION_SUMMARY, run.results / "validation/summary.parquet")
    for stage in ("transport", "potential", "validation"):
        (run.results / stage).mkdir(exist_ok=True)
        (finished.results / stage / name).rename(run.results / stage / "c-Mn")
    told = story(run, "c-Mn")
    assert told.headline == "MgMnF3 (c-Mn) is ranked 1 of 3."
    transport = facts(told, "Molecular dynamics")
    assert transport["status"] == "ok"
    assert transport["at 1200 K"].startswith("214 mS/cm (134 to 342)")
    assert transport["at 600 K"].startswith("<")
    assert facts(told, "Voltage")["universal potential"] == "3.11 V, -0.21 V from the prediction"
    assert "0.113 eV/A" in facts(told, "Potential")["force error"]
    validation = facts(told, "Validation")
    assert validation == {
        "universal potential": "done: 3.11 V (-0.21 V), volume -4 % when charged",
        "VASP": "prepared",
    }
    assert "P(conductivity passes)" in facts(told, "Rank")["score"]
    files = facts(told, "Files")
    assert files["molecular dynamics"].endswith("transport/c-Mn/transport.json")


def test_the_command_shows_the_story(run):
    result = CliRunner().invoke(app, ["explain", "c-Ti", str(run.folder)])
    assert result.exit_code == 0
    assert "2.50, the limit is 3.00" in result.stdout
