"""The page as a browser shows it: headless Chromium, without a network, wide and narrow, light and dark."""

import io
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

sys.path.insert(0, str(Path(__file__).parent))
from plausible_files import files_of
from plausible_run import FINALISTS, write_run

from ionsieve.report.page import build_report
from ionsieve.report.sources import load

playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
if CHROMIUM is None:
    pytest.skip("there is no Chromium; on Debian: apt-get install chromium", allow_module_level=True)

# Both libraries, the fonts' absence and a small run; a report of 200 candidates is weighed in benchmarks/.
HEAVIEST_SMALL_REPORT_MB = 3.5
BEST = FINALISTS[0][0]
# Columns of the table by their place, beside those of candidates.csv.
COLUMNS = {
    0: "rank",
    2: "score",
    3: "voltage_V",
    4: "composition_voltage_V",
    5: "voltage_pass_probability",
    7: "redox_capacity_vol_Ah_per_L",
    8: "capacity_vol_Ah_per_L",
    9: "energy_density_Wh_per_L",
}


@pytest.fixture(scope="module")
def results(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    write_run(folder)
    (folder / "index.html").write_text(build_report(load(files_of(folder))))
    return folder


@pytest.fixture(scope="module")
def browser() -> Iterator:
    with playwright.sync_playwright() as started:
        # A software renderer, since machines that test have no graphics card.
        flags = ["--no-sandbox", "--disable-quic", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
        browser = started.chromium.launch(executable_path=CHROMIUM, args=flags, timeout=120_000)
        yield browser
        browser.close()


@pytest.fixture
def open_page(browser, results) -> Iterator:
    """Opens the report; complaints and requests are kept on the page as ``complaints`` and ``requests``."""
    contexts = []

    def open_it(address: str = "", width: int = 1400, scheme: str = "light"):
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(120_000)
        page.complaints, page.requests = [], []
        page.on("pageerror", lambda error: page.complaints.append(str(error)))
        page.on(
            "console",
            lambda said: page.complaints.append(said.text) if said.type in ("error", "warning") else None,
        )
        page.on("request", lambda request: page.requests.append(request.url))
        page.goto(f"file://{results / 'index.html'}{address}")
        return page

    yield open_it
    for context in contexts:
        context.close()


def ids(page) -> list[str]:
    return page.eval_on_selector_all(
        "#ranked tbody tr:not([hidden]) th small", "all => all.map(e => e.textContent)"
    )


def test_page_opens_without_complaints_and_without_the_network(open_page):
    page = open_page()
    page.evaluate(
        """async () => {
          for (const target of document.querySelectorAll('main > section .canvas')) await drawPlot(target);
        }"""
    )
    assert page.complaints == []
    assert [url[:60] for url in page.requests if not url.startswith(("file:", "data:", "blob:"))] == []


def test_every_figure_has_marks(open_page):
    page = open_page()
    marks = page.evaluate(
        """async () => {
          const counts = {};
          for (const target of document.querySelectorAll('main > section .canvas')) {
            await drawPlot(target);
            counts[target.id] = target.querySelectorAll('.point, .js-line, .boxlayer path, .errorbar').length;
          }
          return counts;
        }"""
    )
    assert len(marks) == 17
    assert {name: count for name, count in marks.items() if count < 2} == {}


def test_table_shows_what_candidates_csv_says(open_page, results):
    page, csv = open_page(), pd.read_csv(results / "candidates.csv")
    rows = page.eval_on_selector_all(
        "#ranked tbody tr",
        """rows => rows.map((row) =>
            [row.querySelector('th small').textContent, ...[...row.children].map((c) => c.dataset.sort)])""",
    )
    assert [row[0] for row in rows] == csv["material_id"].tolist()
    for place, column in COLUMNS.items():
        shown = pd.to_numeric(pd.Series([row[1 + place] for row in rows]), errors="coerce").to_numpy(float)
        np.testing.assert_allclose(shown, csv[column].to_numpy(float), rtol=1e-5, err_msg=column)
    assert [row[2] for row in rows] == csv["formula"].tolist()


def test_a_click_sorts_and_another_turns_it_round(open_page, results):
    page, csv = open_page(), pd.read_csv(results / "candidates.csv")
    largest_first = csv.sort_values("voltage_V", ascending=False)["material_id"].tolist()
    page.click("#ranked th:nth-child(4) button")
    assert ids(page) == largest_first
    assert page.get_attribute("#ranked th:nth-child(4)", "aria-sort") == "descending"
    page.click("#ranked th:nth-child(4) button")
    assert ids(page) == largest_first[::-1]


def test_search_and_filters_narrow_the_table_and_say_how_many_are_left(open_page):
    page = open_page()
    page.fill("#filters [name=text]", "mgcr2o4")
    assert ids(page) == ["demo-cf-MgCr2O4"]
    assert page.text_content("#filters output") == "1 of 5"
    page.fill("#filters [name=text]", "")
    page.select_option("#filters [name=status]", "host_melted")
    assert ids(page) == ["demo-olivine-MgFeSiO4"]
    page.click("#filters [type=reset]")
    # Not wait_for_function: the page's policy forbids evaluating text, to Playwright too.
    playwright.expect(page.locator("#filters output")).to_have_text("5 of 5")
    page.select_option("#filters [name=flag]", "!anion_redox")
    assert ids(page) == [BEST, "demo-cf-MgCr2O4"]
    page.fill("#filters [name=text]", "no such crystal")
    assert page.is_visible("#none-found")


def test_enter_opens_a_candidate_and_escape_leads_back_to_its_row(open_page):
    page = open_page()
    page.focus(f"#row-{BEST} th a")
    page.keyboard.press("Enter")
    page.wait_for_selector(f"#candidate-{BEST} h2", state="visible")
    assert not page.is_visible("#ranking")
    assert page.evaluate("document.activeElement.tagName") == "H2"
    assert page.title().startswith("MgMn2O4")
    page.keyboard.press("ArrowRight")
    page.wait_for_selector("#candidate-demo-cf-MgCr2O4 h2", state="visible")
    page.keyboard.press("Escape")
    page.wait_for_selector("#row-demo-cf-MgCr2O4", state="visible")
    assert page.complaints == []


def test_tab_reaches_navigation_search_columns_and_candidates_in_the_order_of_the_page(open_page):
    page = open_page()
    reached = page.evaluate(
        """() => [...document.querySelectorAll('a[href], button, input, select, summary, [tabindex="0"]')]
            .filter((e) => e.checkVisibility()).map((e) => e.closest('nav, form, thead, tbody')?.localName)"""
    )
    order = [name for name in ("nav", "form", "thead", "tbody")]
    places = [reached.index(name) for name in order]
    assert places == sorted(places)


def test_viewer_draws_the_crystal_and_the_way_of_the_ions(open_page):
    page = open_page(f"#candidate-{BEST}")
    page.wait_for_selector(".candidate:target .viewer canvas")
    shots = {}
    for scene in ("crystal", "path"):
        page.click(f".candidate:target [data-scene={scene}]")
        page.wait_for_timeout(300)
        shots[scene] = np.array(
            Image.open(io.BytesIO(page.locator(".candidate:target .viewer").screenshot()))
        )
    for scene, pixels in shots.items():
        assert len(np.unique(pixels[..., :3].reshape(-1, 3), axis=0)) > 50, scene
    assert (shots["crystal"] != shots["path"]).any()
    assert page.complaints == []


def test_candidate_page_shows_its_own_curves_alone(open_page):
    page = open_page(f"#candidate-{BEST}")
    page.wait_for_selector(".candidate:target [data-from=figure-arrhenius] .point")
    materials = page.evaluate(
        "document.querySelector('.candidate:target [data-from=figure-msd]').data.map((t) => t.meta ?? null)"
    )
    assert set(materials) == {BEST, None}


@pytest.mark.parametrize("address", ["", f"#candidate-{BEST}"])
def test_nothing_is_wider_than_a_phone(open_page, address):
    page = open_page(address, width=390)
    page.wait_for_timeout(500)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    if not address:
        small = page.evaluate(
            """[...document.querySelectorAll('.filters input, .filters select, .filters button')]
                .filter((e) => e.getBoundingClientRect().height < 24).length"""
        )
        assert small == 0


def test_dark_follows_the_system_and_the_choice_goes_before_it(open_page):
    page = open_page(scheme="dark")
    ground = "getComputedStyle(document.body).backgroundColor"
    assert page.evaluate(ground) == "rgb(20, 23, 27)"
    page.select_option("#theme", "light")
    assert page.evaluate(ground) == "rgb(251, 251, 249)"


def test_figures_and_crystals_take_the_colours_of_the_theme(open_page):
    page = open_page(f"#candidate-{BEST}", scheme="dark")
    page.wait_for_selector(".candidate:target .viewer canvas")
    page.wait_for_selector(".candidate:target .js-plotly-plot .point")
    dark, light = ("rgb(231, 234, 238)", (27, 32, 38)), ("rgb(28, 33, 38)", (255, 255, 255))
    for choice, (ink, panel) in (("auto", dark), ("light", light), ("dark", dark)):
        page.select_option("#theme", choice)
        page.wait_for_timeout(500)
        figure = "document.querySelector('.candidate:target .js-plotly-plot').layout.font.color"
        assert page.evaluate(figure) == ink
        shot = Image.open(io.BytesIO(page.locator(".candidate:target .viewer").screenshot()))
        assert shot.convert("RGB").getpixel((5, 5)) == panel


def test_print_shows_the_tables_whole_and_no_controls(open_page):
    page = open_page()
    page.emulate_media(media="print")
    assert not page.is_visible("#filters") and not page.is_visible(".masthead")
    assert page.evaluate("getComputedStyle(document.querySelector('.scroll.tall')).overflowY") == "visible"


def test_downloads_are_in_the_page(open_page, results):
    page = open_page()
    with page.expect_download() as caught:
        page.click("a[download='candidates.csv']")
    assert Path(caught.value.path()).read_bytes() == (results / "candidates.csv").read_bytes()


def test_weight_of_a_small_report_is_bounded(results):
    page = (results / "index.html").read_bytes()
    assert len(page) / 1e6 < HEAVIEST_SMALL_REPORT_MB
    assert not re.search(rb"<script src|<link ", page)
