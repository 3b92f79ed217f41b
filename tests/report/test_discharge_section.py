"""The report's section on discharge curves: whose numbers they are, beside what, and what is extrapolated."""

import re
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from plausible_discharge import KNOWN, UNKNOWN, write_discharge

from ionsieve.report import discharge_figures, discharge_sources
from ionsieve.report.discharge_sources import DischargeSources
from ionsieve.report.page import build_report
from ionsieve.report.sources import ReportSources


@pytest.fixture(scope="module")
def found(tmp_path_factory) -> DischargeSources:
    """A made-up stage, as the report reads it."""
    results = tmp_path_factory.mktemp("discharge")
    write_discharge(results)
    loaded = discharge_sources.load(discharge_sources.existing(results))
    assert loaded is not None
    return loaded


@pytest.fixture(scope="module")
def section(found) -> str:
    """The section's HTML without its figures' data."""
    page = build_report(ReportSources(discharge=found))
    html = re.search(r'<section aria-labelledby="discharge">.*?</section>', page, re.DOTALL)
    assert html
    return re.sub(r"<script.*?</script>", "", html[0], flags=re.DOTALL)


def test_a_run_without_the_stage_has_no_such_section():
    assert 'aria-labelledby="discharge"' not in build_report(ReportSources())
    assert discharge_sources.load({}) is None


def test_third_party_weights_labels_and_licence_are_told_first(section):
    first = section.index("Third-party weights: converted from weights released with P. Zhong")
    assert first < section.index("<figure")
    assert "Labels: experiment" in section and "Licence: MIT" in section


def test_a_model_of_ones_own_is_not_called_third_party(tmp_path):
    write_discharge(tmp_path, third_party=False)
    sources = ReportSources(discharge=discharge_sources.load(discharge_sources.existing(tmp_path)))
    assert "Third-party" not in build_report(sources)


def test_errors_stand_beside_their_baselines_and_skipped_splits_beside_their_reason(section):
    row = re.search(r"capacity, later cycles</td>(.*?)</tr>", section, re.DOTALL)
    assert row and all(value in row[1] for value in ("23.4", "36.6", "2.70", "0.640"))
    assert section.count("Not scored: it needs tests of three metals") == 2


def test_a_forecast_that_does_not_match_a_straight_line_says_so(section):
    assert "3.40 mAh/g over the curve, and does not match the better of the two simple rules" in section


def test_synthetic_cells_are_called_so(section):
    assert "Labels: synthetic; no cell here is real." in section


def test_candidates_without_an_answer_show_the_reason(section):
    assert "0.75 cations per anion" in section and "212" in section
    assert "No answer for LiXx: unknown element: Xx." in section


def test_curves_outside_the_training_are_dotted_and_counted(found):
    figure = discharge_figures.profiles(found)
    dashes = [trace.line.dash for trace in figure.plot.data if trace.line.dash]
    assert dashes.count("dot") == 2 and len(dashes) == 4
    assert "Outside the training ranges: 2 of 4 predictions, dotted" in figure.caption
    titles = [note.text for note in figure.plot.layout.annotations]
    assert titles == [discharge_figures._formula(name) for name in (KNOWN, UNKNOWN)]


def test_capacities_outside_the_training_have_open_symbols(found):
    known, unknown = (
        trace for trace in discharge_figures.cycles(found).plot.data if trace.mode == "lines+markers"
    )
    assert not any("open" in symbol for symbol in known.marker.symbol)
    assert all("open" in symbol for symbol in unknown.marker.symbol)


def test_every_figure_is_drawn(found):
    drawn = discharge_figures.figures(found)
    assert None not in drawn and len({figure.name for figure in drawn}) == len(drawn) == 8
