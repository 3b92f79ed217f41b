"""Weight of a report and how fast Chromium opens it: 20,000 candidates in the funnel, 200 in the table.

The run is made up (tests/report/plausible_run.py), so that this needs no screening:

    python benchmarks/report_size.py [--candidates 20000] [--finalists 200] [--keep FOLDER]

It prints the size of the page and of its parts, the time to build it, and, where Playwright and Chromium are
there, the time until the page is loaded, until a search has filtered the table, and until a candidate's page
shows its crystal.
"""

import argparse
import gzip
import re
import shutil
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "report"))
from plausible_files import files_of
from plausible_run import write_run

from ionsieve.report.page import build_report
from ionsieve.report.sources import load


def finalists(count: int) -> tuple:
    """So many candidates with MD of different outcomes."""
    random = np.random.default_rng(0)
    outcomes = (("ok", 214.0, "value"), ("ok", 62.0, "upper_bound"), ("host_melted", None, None))
    metals = ("Mn", "Cr", "V", "Fe", "Co", "Ni", "Ti", "Mo")
    return tuple(
        (
            f"mp-{100000 + number}",
            f"Mg{metals[number % 8]}2O4",
            float(random.uniform(3.0, 4.4)),
            float(random.uniform(820, 1500)),
            float(random.uniform(400, 820)),
            outcomes[number % 3],
            "candidate",
        )
        for number in range(count)
    )


def weigh(page: str) -> None:
    """Sizes of the page and of what is large in it."""
    raw = page.encode()
    print(f"page: {len(raw) / 1e6:.2f} MB, {len(gzip.compress(raw)) / 1e6:.2f} MB compressed")
    parts = {
        "libraries": r"<script>/\*\*.*?</script>|<script type=\"text/plain\".*?</script>",
        "figures": r'<script type="application/json" data-figure.*?</script>',
        "crystals and paths": r'<script type="application/json" class="scenes".*?</script>',
        "downloads": r'href="data:[^"]*"',
    }
    for name, pattern in parts.items():
        size = sum(len(part) for part in re.findall(pattern, page, re.DOTALL))
        print(f"  {name}: {size / 1e6:.2f} MB")


def time_in_chromium(path: Path, material_id: str) -> None:
    """Times in a headless Chromium that draws without a graphics card."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        chromium = None
    if chromium is None:
        print("not opened: Playwright or Chromium is missing")
        return
    with sync_playwright() as started:
        flags = ["--no-sandbox", "--disable-quic", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
        browser = started.chromium.launch(executable_path=chromium, args=flags, timeout=240_000)
        page = browser.new_page(viewport={"width": 1400, "height": 900})
        page.set_default_timeout(240_000)
        page.goto(f"file://{path}")
        loaded = page.evaluate(
            """() => {
                const [timing] = performance.getEntriesByType('navigation');
                return [timing.domInteractive, timing.loadEventEnd];
            }"""
        )
        nodes = page.evaluate("document.querySelectorAll('*').length")
        print(
            f"parsed after {loaded[0] / 1000:.2f} s, loaded after {loaded[1] / 1000:.2f} s, {nodes} elements"
        )
        searched = page.evaluate(
            """() => {
                const from = performance.now();
                document.getElementById('filters').text.value = 'cr';
                filterRanking();
                document.body.offsetHeight;
                return performance.now() - from;
            }"""
        )
        print(f"search: {searched:.0f} ms")
        began = time.perf_counter()
        page.evaluate(f"location.hash = 'candidate-{material_id}'")
        page.wait_for_selector(".candidate:target .viewer canvas")
        print(f"candidate with its crystal: {time.perf_counter() - began:.2f} s")
        browser.close()


def main() -> None:
    """Make up the run, build, weigh, open."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--candidates", type=int, default=20_000)
    parser.add_argument("--finalists", type=int, default=200)
    parser.add_argument("--keep", type=Path, help="folder for the page and its run")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = (arguments.keep or Path(temporary)).resolve()
        chosen = finalists(arguments.finalists)
        write_run(folder, finalists=chosen, considered=arguments.candidates)
        began = time.process_time()
        page = build_report(load(files_of(folder)))
        print(f"built in {time.process_time() - began:.1f} s of one processor")
        (folder / "index.html").write_text(page)
        weigh(page)
        time_in_chromium(folder / "index.html", chosen[0][0])


if __name__ == "__main__":
    main()
