import base64
import html
import io
import json
import re
import shutil
import sys
import zipfile
from dataclasses import fields, replace
from importlib.resources import files
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pymatgen.core import Lattice, Structure

sys.path.insert(0, str(Path(__file__).parent))
from plausible_composition import VOLUME_CHANGES_OF_EACH
from plausible_files import files_of
from plausible_run import FINALISTS, TEMPERATURE_K, write_run

from ionsieve import tables
from ionsieve.artifacts import read_json, write_json
from ionsieve.composition import leakage_audit, paper_tables
from ionsieve.composition.published import TABLE_S1
from ionsieve.report.composition_figures import residuals_by_ion, residuals_by_size
from ionsieve.report.page import SECTIONS, build_report
from ionsieve.report.sections import costs, downloads, models
from ionsieve.report.sections.voltage_model import contribution_rows, neighbor_contributions
from ionsieve.report.sources import ReportSources, finalists, load, load_partial
from ionsieve.report.wording import formula, headline, number, threshold_in_words
from ionsieve.screen import Thresholds

THRESHOLD = 100.0
VIEWER = files("ionsieve.report").joinpath("vendor/3Dmol-min.js").read_text()
PLOTLY = files("ionsieve.report").joinpath("vendor/plotly-cartesian.min.js").read_text()


def partial(results: Path) -> ReportSources:
    return load_partial(
        results, [TEMPERATURE_K], THRESHOLD, shared_potential=False, validated=True, relaxed=True
    )


def own(page: str) -> str:
    """The page without plotly.js, whose code is not ours."""
    return page.replace(PLOTLY, "").replace(VIEWER, "")


def figure(page: str, name: str) -> dict:
    found = re.search(rf'data-figure="figure-{name}">(.*?)</script>', page, re.DOTALL)
    assert found, f"no figure {name}"
    return json.loads(found.group(1))


@pytest.fixture
def finished_run(tmp_path) -> Path:
    write_run(tmp_path / "results")
    return tmp_path / "results"


@pytest.fixture(scope="module")
def finished_page(tmp_path_factory) -> str:
    results = tmp_path_factory.mktemp("finished")
    write_run(results)
    return own(build_report(load(files_of(results))))


def test_page_holds_plotly_once_and_loads_nothing(tmp_path):
    write_run(tmp_path)
    page = build_report(load(files_of(tmp_path)))
    assert page.count(PLOTLY) == 1
    text = own(page)
    assert not re.search(r"""(?:src|srcset|action)\s*=|href\s*=\s*"(?!#|data:)|url\(|@import""", text)
    assert "default-src 'none'" in own(page)


def test_every_shortlisted_material_is_in_the_table(finished_page):
    for material_id, formula_, *_ in FINALISTS:
        assert f"{formula(formula_)}</a><small>{material_id}</small>" in finished_page


def test_values_come_with_intervals_and_bounds_are_called_so(finished_page):
    assert "3.32<small>2.72 to 3.92</small>" in finished_page
    assert "214<small>134 to 342</small>" in finished_page
    assert "&lt; 62<small></small>" in finished_page


def test_a_failed_candidate_shows_its_status_and_reason(finished_page):
    assert "host melted" in finished_page
    assert "host atoms left 31 % of their sites" in finished_page


def test_funnel_counts_and_thresholds_are_shown(finished_page):
    assert "predicted voltage at or below 3 V<small><code>screen.min_voltage_V</code>" in finished_page
    assert "shortlist for molecular dynamics (beside 1 control)" in finished_page


def test_headline_tells_the_run_in_numbers(finished_run):
    sieved, best, why, model, uncertain = headline(load(files_of(finished_run)))
    assert sieved == (
        "Of 163 Mg candidates, 18 passed every threshold (the largest loss is 115: predicted voltage at or "
        "below 3 V), and 4 went on to molecular dynamics."
    )
    assert best.startswith("First of 3 ranked is MgMn2O4 (demo-spinel-MgMn2O4), predicted at 3.32 V (2.72 to")
    assert "then MgCr2O4 (demo-cf-MgCr2O4) with 3.61 V, 1480 Ah/L and less than 62 mS/cm at 1200 K" in best
    assert "0.82 (the chance that its voltage passes) × 4349 Wh/L" in why and "against 51.8 and 5.96" in why
    assert "330 electrodes with CHGNet labels" in model and "0.34 V" in model and "held 89 %" in model
    assert "1 would need its anions oxidised" in uncertain and "none has a voltage from first" in uncertain


def test_the_headline_says_why_none_is_ranked(finished_run):
    sources = load(files_of(finished_run))
    ends = ["unstable", *["host_melted"] * (len(sources.ranked) - 1)]
    ranked = sources.ranked.assign(rank=None, role="candidate", md_status=ends)
    said = " ".join(headline(replace(sources, ranked=ranked)))
    assert f"so none is ranked (molecular dynamics: 1 unstable, {len(ranked) - 1} host melted)." in said


def test_the_headline_holds_for_any_step_of_the_funnel(finished_run):
    sources = load(files_of(finished_run))
    for step in sources.funnel["steps"]:
        largest = {**step, "removed": 10_000}
        (sieved, *_) = headline(replace(sources, funnel={**sources.funnel, "steps": [largest]}))
        assert "(the largest loss is 10,000: " in sieved
        assert "screen.min" not in sieved and "screen.max" not in sieved
        assert "had a " not in sieved


def test_every_threshold_of_the_funnel_is_told_with_its_unit():
    found = {
        field.name: threshold_in_words(f"below screen.{field.name}", {field.name: 500.0})[0]
        for field in fields(Thresholds)
    }
    assert found["min_energy_density_Wh_per_kg"] == "below 500 Wh/kg"
    unitless = {name for name, words in found.items() if words == "below 500"}
    assert unitless == {"min_voltage_probability", "exclude_elements"}


def test_metrics_stand_by_protocol_and_ion_with_counts(finished_page):
    assert "By framework: no host of the training set is scored" in finished_page
    assert "The paper&#39;s random split" in finished_page
    voltage_model = finished_page.split('id="voltage"')[1].split("</section>")[0]
    assert voltage_model.count('<th scope="row">Zn</th>') == 4  # three protocols and coverage
    assert "0.30 to 0.37" in finished_page


def test_parity_shows_unseen_frameworks_only_and_names_the_labels(finished_page):
    plot = figure(finished_page, "parity")
    assert plot["layout"]["xaxis"]["title"]["text"] == "CHGNet voltage (V)"
    points = {trace["name"]: len(trace["x"]) for trace in plot["data"] if trace.get("mode") == "markers"}
    assert points["Li (120)"] == 120
    assert sum(points.values()) == 330


def test_bubble_plot_draws_the_configured_thresholds(finished_page):
    lines = figure(finished_page, "bubble")["layout"]["shapes"]
    assert (lines[0]["x0"], lines[1]["y0"]) == (3.0, 800.0)


def test_voltage_histogram_counts_every_candidate(finished_page):
    assert sum(sum(bars["y"]) for bars in figure(finished_page, "voltages")["data"]) == 163


def test_msd_has_a_curve_of_ions_and_of_host_for_each_material(finished_page):
    curves = figure(finished_page, "msd")["data"]
    names = [trace["name"] for trace in curves]
    assert sum(name.endswith(" host") for name in names) == len(FINALISTS)
    assert min(min(trace["x"]) for trace in curves) > 0


def test_arrhenius_shows_values_bounds_and_the_way_to_300_K(finished_page):
    plot = figure(finished_page, "arrhenius")
    lines = [trace for trace in plot["data"] if trace["mode"] == "lines"]
    with_barrier = sum(finalist[5][2] == "value" for finalist in FINALISTS)
    assert len(lines) == 4 * with_barrier  # both edges of the band, the fitted line, the extrapolated one
    dashed = [trace for trace in lines if trace["line"].get("dash") == "dash"]
    assert all(max(trace["x"]) == pytest.approx(1000 / 300, rel=1e-4) for trace in dashed)
    points = next(trace for trace in plot["data"] if trace["mode"] == "markers")
    assert points["x"] == pytest.approx([1.25, 1.0, 1 / 1.2])
    assert plot["layout"]["shapes"][0]["x0"] == pytest.approx(1000 / 300)


def test_forces_stand_beside_their_labels_in_a_panel_for_each_potential(finished_page):
    plot = figure(finished_page, "forces-rows")
    panels = {trace["xaxis"] for trace in plot["data"] if trace["mode"] == "markers"}
    assert len(panels) == len(FINALISTS)
    assert sum(len(trace["x"]) for trace in plot["data"] if trace["mode"] == "markers") == 900 * len(
        FINALISTS
    )


def test_what_softness_would_do_stands_beside_the_conductivity(finished_page):
    # slope 0.80 turns 0.40 into 0.50 eV, which divides sigma by 2.6 at 1200 K
    assert "0.80 (0.75 to 0.85) against CHGNet" in finished_page
    assert '<td class="n">0.50<small>0.47 to 0.53</small></td>' in finished_page
    assert '<td class="n">0.38<small>1200 K</small></td>' in finished_page


def test_direction_correlation_and_host_are_told_with_reasons(finished_page):
    assert "7.0 (3.1 to 16)" in finished_page
    assert "0.62<small>0.40 to 0.90</small>" in finished_page
    assert "each ion must hop 10 times or more in a run" in finished_page


def test_every_protocol_of_the_metrics_has_its_errors_by_ion_the_strict_one_first(finished_page):
    voltage_model = finished_page.split('id="voltage"')[1].split("</section>")[0]
    titles = re.findall(r"<h3>(By framework|The paper|By chemical system)", voltage_model)
    assert titles == ["By framework", "The paper", "By chemical system"]
    assert voltage_model.count('<tr><th scope="row">Mg</th><td class="n">60</td>') == 4  # and coverage


def test_coverage_is_told_in_all_by_ion_and_above_the_threshold(finished_page):
    rows = re.findall(
        r'<th scope="row">([^<]+)</th><td class="n">(\d+)</td><td class="n">89</td><td class="n">1.40</td>',
        finished_page,
    )
    assert rows[0] == ("all", "330") and rows[-1] == ("predicted above 3.00 V", "141")
    assert ("Y", "6") in rows


def test_map_of_elements_labels_each_and_states_the_variance(finished_page):
    drawn = figure(finished_page, "elements")
    assert sorted(symbol for trace in drawn["data"] for symbol in trace["text"]) == sorted(
        ["Li", "Na", "Mg", "Mn", "Fe", "La", "Al", "Si", "O", "F"]
    )
    assert drawn["layout"]["xaxis"]["title"]["text"] == "Component 1 (23 % of the variance)"


def test_working_ions_have_a_shape_of_their_own_and_each_class_one_legend_entry(finished_page):
    traces = figure(finished_page, "environments")["data"]
    shape = {text.split()[0]: trace["marker"]["symbol"] for trace in traces for text in trace["text"]}
    assert shape["Li"] == shape["Mg"] == "diamond" and shape["O"] == shape["Mn"] == "circle-open"
    shown = [trace["name"] for trace in traces if trace["showlegend"]]
    assert len(shown) == len(set(shown)) == 8


def test_what_was_learned_is_counted_against_chance(finished_page):
    assert "Of 71 elements, 38 % have one of their own class as their nearest element" in finished_page
    assert finished_page.count("23 % in the untrained network. Classes are learned.") == 2
    assert "Of 120 host atoms in their surroundings, 43 %" in finished_page
    assert "23 % in the untrained network. No more than chance allows." in finished_page
    assert "Of 80 working ions, 69 % have a working ion" in finished_page


def test_neighbours_of_the_best_candidate_are_drawn_and_all_are_listed(finished_page):
    drawn = figure(finished_page, "contributions")
    assert {trace["name"]: sum(trace["y"]) for trace in drawn["data"]} == pytest.approx(
        {"O": 0.9, "Cr": -0.38}
    )
    assert "What drives the voltage of MgMn2O4" in finished_page
    assert "the bars and the crystal&#39;s descriptors (+0.31 V) add up to its 3.05 V" in finished_page
    assert "<small>redox potential V +0.27</small>" in finished_page
    listed = finished_page[finished_page.index("By element of the neighbours") :]
    assert listed.count("Mg in average surroundings") == len(FINALISTS)
    assert (
        '<td>O</td><td class="n">12.0</td><td class="n">2.05 to 2.21</td><td class="n">+0.90</td>' in listed
    )


def test_a_run_without_interpretation_leaves_it_out(finished_run):
    shutil.rmtree(finished_run / "voltage/interpretation")
    shutil.rmtree(finished_run / "voltage/contributions")
    page = own(build_report(partial(finished_run)))
    assert "What the network has learned" not in page and "figure-elements" not in page
    assert "figure-parity" in page and "interpretation of" not in page


def test_contributions_without_maps_are_shown_alone(finished_run):
    shutil.rmtree(finished_run / "voltage/interpretation")
    page = own(build_report(partial(finished_run)))
    assert "figure-contributions" in page and "figure-environments" not in page


def test_sources_stand_with_version_licence_and_what_to_cite(finished_page):
    assert "2026.11.20" in finished_page and "Jain et al. (2013)" in finished_page
    assert "commercial use" not in finished_page


def test_data_for_non_commercial_use_are_announced(tmp_path):
    write_run(tmp_path)
    catalogue = read_json(tmp_path / "data/catalogue.json")
    catalogue["candidates"] |= {"licence CC BY-NC 4.0 (GNoME)": 3, "hull GNoME (all entries)": 3}
    write_json(tmp_path / "data/catalogue.json", catalogue)
    page = own(build_report(load(files_of(tmp_path))))
    assert "The licence of 3 crystals among the data bars commercial use" in page
    assert "GNoME (all entries) (3)" in page


def test_every_tier_of_a_finalist_stands_beside_the_prediction(finished_page):
    section = finished_page.split('id="tiers"')[1].split("</section>")[0]
    assert section.count("universal potential<small>CHGNet</small>") == len(FINALISTS)
    assert section.count(">prepared</span>") == len(FINALISTS)
    assert ">nan<" not in section
    parity = figure(finished_page, "validation-parity")["data"]
    assert len(parity) == 2 and set(parity[1]["y"]) == {3.11}


def test_what_computed_the_voltages_of_finalists_is_told_as_it_is(finished_run):
    sources = load(files_of(finished_run))
    page = own(build_report(sources))
    assert "CHGNet was trained on the Materials Project" in page and "no voltage here is from VASP" in page
    computed = sources.validation_summary
    by_vasp = computed["tier"] == "vasp"
    computed.loc[by_vasp, ["status", "label_kind"]] = "done", "PBE+U+D3"
    computed.loc[by_vasp, "computed_voltage_V"] = 3.2
    page = own(build_report(replace(sources, validation_summary=computed[by_vasp])))
    assert "no voltage here is from VASP" not in page
    assert "CHGNet was trained on the Materials Project" not in page


def test_figures_have_a_text_for_who_cannot_see_them(finished_page):
    assert len(re.findall(r'id="figure-[\w-]+" role="img" aria-label="[^"]{30,}"', finished_page)) == 17
    pictures = re.findall(r'role="img" aria-label="([^"]*)"', finished_page)
    assert pictures and all(len(text) > 20 for text in pictures)


def candidate(page: str, material_id: str) -> str:
    return page.split(f'id="candidate-{material_id}"')[1].split("</article>")[0]


def test_each_candidate_has_a_page_with_its_voltages_capacities_and_runs(finished_page):
    assert finished_page.count('<article class="candidate"') == len(FINALISTS)
    best = candidate(finished_page, "demo-spinel-MgMn2O4")
    for said in (
        "voltage model, from the crystal",
        "composition model, from the formula",
        "universal potential",
    ):
        assert said in best
    assert "534 Wh/L = 0.82 (chance that the voltage passes) × 4349 Wh/L" in best
    assert "214 mS/cm (134 to 342) at 1200 K" in best and "0.40 eV" in best
    assert best.count('<td class="n">1310</td><td class="n">298</td>') == 2
    assert "demo, licence MIT" in best and "one of the training electrodes: 2.90 V, CHGNet" in best
    assert "nan" not in re.sub(r"<script.*?</script>|data:[^\"]*", "", best, flags=re.DOTALL)
    melted = candidate(finished_page, "demo-olivine-MgFeSiO4")
    assert "host atoms left 31 % of their sites" in melted and "Path of the ions" not in melted


def test_scenes_hold_the_cell_its_bonds_and_the_ways_of_ions(finished_page):
    text = candidate(finished_page, "demo-spinel-MgMn2O4").split('class="scenes">')[1].split("</script>")[0]
    scenes = json.loads(text)
    crystal, path = scenes["crystal"], scenes["path"]
    assert len(crystal["positions"]) == 3 * len(crystal["elements"]) and len(crystal["cell"]) == 9
    bonded = [crystal["elements"][atom] for atom in crystal["bonds"]]
    assert set(bonded[::2]) == {"Mn"} and set(bonded[1::2]) == {"O"}
    inside = [a for a in np.reshape(crystal["positions"], (-1, 3)) if (a >= 0).all() and (a <= 840).all()]
    assert len(inside) >= 56
    assert [len(way) for way in path["paths"]] == [120, 120] and path["cell"] is None
    assert crystal["colours"]["Mg"] == path["colours"]["Mg"]


def test_errors_by_ion_stand_beside_the_literature(finished_page):
    bars = {trace["name"]: trace for trace in figure(finished_page, "errors-by-ion")["data"]}
    assert len(bars) == 4
    paper = bars["Mg workflow paper, random split"]
    assert dict(zip(paper["x"], paper["y"], strict=True))["Mg<br>60"] == 0.29
    assert bars["here, frameworks never seen"]["y"][0] == 0.336


def test_cost_adds_up_by_stage_and_names_rules_that_belong_to_none(finished_run):
    section = costs.section(load(files_of(finished_run)))
    rows = {row["stage"]: row for row in section.context["costs"]}
    assert rows["voltage model"]["jobs"] == 2
    assert rows["voltage model"]["cpu_h"] == pytest.approx(1210 / 3600)
    assert rows["data"]["cpu_h"] == 0 and rows["data"]["memory_GB"] is None  # too short to be measured
    assert list(rows)[-1] == "somebodys own rule"
    assert section.context["total_cost"]["wall_h"] == pytest.approx((2 + 1250 + 1800 + 3600 + 36) / 3600)
    assert section.context["total_cost"]["gpu_h"] == 0


def test_a_measurement_that_a_killed_run_left_empty_counts_as_nothing(finished_run):
    jobs = load(files_of(finished_run)).jobs
    (finished_run / "benchmarks/arrhenius").mkdir()
    (finished_run / "benchmarks/arrhenius/demo-cf-MgCr2O4.tsv").touch()
    assert load(files_of(finished_run)).jobs.equals(jobs)


def test_every_rule_of_the_workflow_belongs_to_a_stage_of_the_cost():
    rules = Path(__file__).parents[2] / "rules"
    named = {
        rule for path in rules.glob("*.smk") for rule in re.findall(r"benchmarks/(\w+)", path.read_text())
    }
    assert named - set(costs.STAGE_OF) == set()


def test_gpu_hours_are_those_of_jobs_sent_to_a_gpu(finished_run):
    sources = load(files_of(finished_run))
    config = {**sources.config, "transport": {**sources.config["transport"], "device": "cuda"}}
    rows = costs.section(replace(sources, config=config)).context["costs"]
    assert {row["stage"]: row["gpu_h"] for row in rows}["molecular dynamics"] == 1.0


def test_model_cards_say_what_was_trained_on_what_and_how_well(finished_page):
    section = finished_page.split('id="models"')[1].split("</section>")[0]
    assert section.count('class="panel card"') == 3
    assert "337 electrodes (Al 18, Ca 47" in section and "CHGNet 337" in section
    assert "force MAE on held-out frames" in section and "0.113 eV/Å" in section


def test_the_card_of_a_calculator_by_name_does_not_speak_of_nequip(finished_run):
    sources = load(files_of(finished_run))
    document = {
        "calculator": "mace.calculators.mace_mp",
        "training": None,
        "labels": "the frames given",
        "metrics": {"force_mae_eV_per_A": 0.062},
    }
    card = models.section(replace(sources, potentials={"shared": document})).context["cards"][-1]
    facts = dict(card["facts"])
    assert facts["what it is"] == "mace.calculators.mace_mp; one for all candidates"
    assert facts["labels by"] == "the frames given"
    assert facts["preset"] == "none: nothing was trained here"


def test_downloads_hold_the_table_the_crystals_and_what_to_cite(finished_run):
    sources = load(files_of(finished_run))
    kept = {entry["name"]: str(entry["link"]) for entry in downloads.section(sources).context["downloads"]}
    content = {name: base64.b64decode(link.split(",", 1)[1]) for name, link in kept.items()}
    assert content["candidates.csv"] == (finished_run / "candidates.csv").read_bytes()
    archive = zipfile.ZipFile(io.BytesIO(content["structures.zip"]))
    assert sorted(archive.namelist()) == sorted(f"{finalist[0]}.cif" for finalist in FINALISTS)
    cited = re.findall(r"@\w+\{(\w+),", content["citations.bib"].decode())
    assert {"ionsieve", "nequip", "nequip_framework", "chgnet", "lightgbm"} <= set(cited)
    assert not {"gpaw", "drxnet"} & set(cited)
    assert "materials_project_1" in cited  # a source whose article is not among the known ones


def test_a_source_with_a_known_article_is_cited_in_full(finished_run):
    sources = load(files_of(finished_run))
    cite = {"materials_project": {"cite": ["Jain et al. (2013), doi:10.1063/1.4812323"]}}
    bib = downloads.citations(replace(sources, catalogue={**sources.catalogue, "sources": cite}))
    assert "@article{materials_project," in bib and bib.count("@misc") == 1


def test_a_teacher_by_name_is_not_cited_as_chgnet(finished_run):
    sources = load(files_of(finished_run))
    config = dict(sources.config) | {
        "potential": {**sources.config["potential"], "teacher": "mace.calculators.mace_mp"},
        "validation": {**sources.config["validation"], "universal_potential": "mace.calculators.mace_mp"},
        "data": {**sources.config["data"], "sources": ["files"]},
    }
    assert "@article{chgnet," in downloads.citations(sources)
    assert "@article{chgnet," not in downloads.citations(replace(sources, config=config))


def test_same_run_gives_the_same_bytes(finished_run, tmp_path):
    shutil.copytree(finished_run, tmp_path / "again")
    assert build_report(load(files_of(finished_run))) == build_report(load(files_of(tmp_path / "again")))


def test_markup_in_data_stays_text(tmp_path):
    evil = "Mg<script>alert(1)</script>"
    write_run(tmp_path, finalists=(("demo-evil", evil, *FINALISTS[0][2:]),))
    transport = tmp_path / "transport/demo-evil/transport.json"
    document = read_json(transport) | {"status": "failed", "reason": "<img src=x onerror=alert(2)>"}
    write_json(transport, document)
    page = own(build_report(partial(tmp_path)))
    assert "<script>alert" not in page and "<img" not in page
    assert "&lt;script&gt;alert" in page and "&lt;img src=x" in page


def test_nothing_passing_still_gives_a_report_that_says_so(tmp_path):
    write_run(tmp_path, finalists=())
    page = own(build_report(load(files_of(tmp_path))))
    assert "No candidate passed the sieve" in page
    assert "Loosen the thresholds under screen" in page
    assert "figure-parity" in page and "figure-msd" not in page


def test_every_run_shows_a_diffusivity_with_its_interval_or_its_bound(finished_page):
    section = finished_page[finished_page.index(">Molecular dynamics</h2>") :]
    assert '<td class="n" data-sort="None">&lt; 1.7e-7</td>' in section
    assert ">7.4e-7<small>4.6e-7 to 1.2e-6</small></td>" in section


def test_partial_report_without_any_file_says_what_is_missing(tmp_path):
    page = own(build_report(partial(tmp_path)))
    assert "Partial report." in page
    assert (
        "Missing: the catalogue of electrodes and candidates; the voltage model; the composition model;"
        in page
    )


def test_whatever_one_stage_has_left_makes_sections_and_a_headline(finished_run):
    whole = load(files_of(finished_run))
    for part in fields(ReportSources):
        alone = ReportSources(**{part.name: getattr(whole, part.name)})
        assert len([module.section(alone) for module in SECTIONS]) == len(SECTIONS), part.name
        assert headline(alone), part.name


def test_what_passed_the_sieve_is_drawn_before_there_is_a_ranking(finished_run):
    sources = load(files_of(finished_run))
    page = own(build_report(ReportSources(screened=sources.screened, missing=["the shortlist"])))
    (passed,) = figure(page, "bubble")["data"]
    assert len(passed["x"]) == len(sources.screened)


def test_voltages_from_formulas_do_not_wait_for_the_voltage_model(finished_run):
    page = own(build_report(replace(load(files_of(finished_run)), metrics=None, structures={}, paths={})))
    assert "over 330 electrodes.</p>" in page and "which sees the crystal" not in page


def test_an_ion_without_neighbours_is_told_with_the_rest_of_its_voltage(finished_run):
    sources = load(files_of(finished_run))
    best, *others = (material_id for material_id, _ in finalists(sources))
    alone = {best: {**sources.contributions[best], "neighbors": []}}
    assert neighbor_contributions(replace(sources, contributions=alone)) is None
    (row,) = contribution_rows(replace(sources, contributions=alone))
    assert row["elements"] == [] and row["baseline_V"] == 2.22
    drawn = neighbor_contributions(replace(sources, contributions={**sources.contributions, **alone}))
    assert others[0] in drawn.alternative


def test_second_opinion_stands_beside_the_voltage_and_a_flag_tells_where_both_part(finished_page):
    ranking = finished_page.split('id="ranking"')[1].split("</section>")[0]
    assert '>3.32<small>2.72 to 3.92</small></td>\n      <td class="n" data-sort="2.82' in ranking
    assert ">2.82<small>2.02 to 3.62</small></td>" in ranking
    assert ranking.count(">opinions differ</span>") == 1  # of the control, 1.10 V against 3.10 V
    assert "<dt>from formula</dt>" in ranking and "<dt>opinions differ</dt>" in ranking


def test_a_ranking_without_second_opinion_shows_a_dash(finished_run):
    (finished_run / "composition/shortlist.parquet").unlink()
    page = own(build_report(partial(finished_run)))
    row = page.split("demo-spinel-MgMn2O4</small>")[1].split("</tr>")[0]
    assert "2.72 to 3.92" in row and '<td class="n" data-sort="nan">–<small></small></td>' in row


def test_voltages_from_formulas_are_told_with_errors_by_ion_and_coverage(finished_page):
    section = finished_page.split('id="formulas"')[1].split("</section>")[0]
    assert "never seen is 0.41 V (0.39 to 0.43) over 330 electrodes; the voltage model, which sees" in section
    assert "held 90 % of the labels, where 90 % was the aim" in section
    zinc = section.split('<th scope="row">Zn</th>')[1].split("</tr>")[0]
    assert re.findall(r">([^<>]+)</td>", zinc) == ["30", "7", "0.41", "0.39 to 0.43", "0.81", "90", "1.61"]
    points = [t for t in figure(finished_page, "composition-parity")["data"] if t.get("mode") == "markers"]
    assert sum(len(trace["x"]) for trace in points) == 330


def test_every_table_of_the_paper_stands_beside_ours(finished_page):
    section = finished_page.split('id="composition"')[1].split("</section>")[0]
    assert re.findall(r"<summary>(S\d)", section) == ["S1", "S2", "S3", "S4", "S5"]
    assert section.count(" / Li") + section.count(" / Na") + section.count(" / Cs") + section.count(
        " / Rb"
    ) == len(TABLE_S1)
    assert '<td class="n">0.08 / 0.13 / 0.983</td>' in section  # magnesium, as published
    assert "0.850 (0.791 to 0.910)" in section  # the mean of the ion on new hosts
    assert "Not run: boosting crystal; no source of these electrodes states space groups." in section


def test_residuals_are_drawn_by_size_of_the_training_set_and_by_ion(finished_page):
    by_size = figure(finished_page, "residuals-by-size")["data"]
    assert len(by_size) == 10
    assert [t["name"] for t in by_size if t["showlegend"]] == [
        "all",
        "at most 200",
        "at most 150",
        "at most 100",
        "at most 50",
    ]
    assert all(90 < sum(trace["y"]) <= 100.1 for trace in by_size)
    boxes = figure(finished_page, "residuals-by-ion")["data"]
    assert [box["name"] for box in boxes] == ["MHA-ResNet as meant", "IonSieve"]
    assert boxes[1]["x"][:2] == ["Li<br>120", "Na<br>60"] and len(boxes[1]["x"]) == 8
    for box in boxes:
        ordered = [box[name] for name in ("lowerfence", "q1", "median", "q3", "upperfence")]
        assert all(
            low <= high for lower, upper in pairwise(ordered) for low, high in zip(lower, upper, strict=True)
        )


def test_residuals_of_one_model_alone_keep_their_legend_and_their_ions(finished_run):
    sources = load(files_of(finished_run))
    held_out = sources.composition_held_out
    alone = replace(sources, composition_held_out=held_out[held_out["experiment"].str.startswith("ionsieve")])
    assert [trace.showlegend for trace in residuals_by_size(alone).plot.data] == [True] * 5
    box, with_both = residuals_by_ion(alone).plot.data[-1], residuals_by_ion(sources).plot.data[-1]
    assert box.x == with_both.x and box.median == with_both.median


def test_quantiles_of_residuals_are_those_of_the_held_out_rows(finished_run):
    held_out = load(files_of(finished_run)).composition_held_out
    rows = held_out[(held_out["experiment"] == "ionsieve") & (held_out["working_ion"] == "Li")]
    residuals_V = rows["predicted_voltage_V"] - rows["voltage_V"]
    box = residuals_by_ion(load(files_of(finished_run))).plot.data[1]
    assert box.median[0] == pytest.approx(residuals_V.median(), abs=6e-4)
    assert box.upperfence[0] == pytest.approx(residuals_V.quantile(0.95), abs=6e-4)


def test_volume_changes_keep_their_tail_on_logarithmic_axes(finished_page):
    distribution, drawn = (figure(finished_page, f"volume-{name}") for name in ("distribution", "parity"))
    stated, predicted, median = distribution["data"]
    assert sum(stated["y"]) == sum(predicted["y"]) == VOLUME_CHANGES_OF_EACH
    assert median["x"] == [0.051, 0.051]
    points = next(trace for trace in drawn["data"] if trace["mode"] == "markers")
    assert (min(points["x"]), max(points["x"])) == (0.001, 41.0)
    # Plotly would write powers of ten larger than all other ticks.
    axes = (distribution["layout"]["xaxis"], drawn["layout"]["xaxis"], drawn["layout"]["yaxis"])
    assert {axis["exponentformat"] for axis in axes} == {"none"}
    assert drawn["layout"]["xaxis"]["type"] == drawn["layout"]["yaxis"]["type"] == "log"


def test_the_audit_gives_a_verdict_for_each_block_and_shows_the_overlaps(finished_page):
    section = finished_page.split('id="audit"')[1].split("</section>")[0]
    energy = section.split('<th scope="row">gravimetric energy</th>')[1].split("</tr>")[0]
    assert "+330 mV (+82 %)" in energy and "<td>leaks</td>" in energy
    assert "<code>energy_grav / capacity_grav</code> against the voltage, 330 electrodes" in section
    assert '<td class="n">71 %</td><td class="n">22 %</td><td class="n">5 %</td>' in section
    assert "0.377 V (random, a tenth held out), 0.420 V (no host on both sides)" in section
    assert section.index('<th scope="row">random') < section.index('<th scope="row">no host on both sides')


def test_markdown_and_page_show_the_same_cells(finished_run, finished_page):
    sources = load(files_of(finished_run))
    markdown = paper_tables.to_markdown(sources.composition_tables)
    markdown += leakage_audit.to_markdown(sources.leakage_audit)
    cells = {cell.strip() for line in markdown.splitlines() if line[:1] == "|" for cell in line.split("|")}
    text = html.unescape(re.sub(r"</?(sub|code)>", "", finished_page)).replace("–", "-")
    assert {cell for cell in cells if f">{cell}<" not in text} <= {"", "---"}


def test_a_run_without_the_benchmark_leaves_it_out(finished_run):
    shutil.rmtree(finished_run / "composition/benchmark")
    shutil.rmtree(finished_run / "composition/experiments")
    (finished_run / "composition/leakage_audit.json").unlink()
    page = own(build_report(partial(finished_run)))
    assert "figure-composition-parity" in page and 'id="formulas"' in page
    assert 'id="composition"' not in page and 'id="audit"' not in page and "figure-residuals" not in page


def test_electrodes_whose_source_states_no_volumes_leave_those_figures_out(finished_run):
    sources = load(files_of(finished_run))
    summary = dict(sources.composition_tables) | {"table_s5": []}
    bare = replace(sources, volume_changes=sources.volume_changes.head(0), composition_tables=summary)
    page = own(build_report(bare))
    assert "No source of these electrodes states one." in page and "figure-volume" not in page


def test_partial_report_before_md_shows_the_shortlist_unranked(finished_run):
    shutil.rmtree(finished_run / "transport")
    shutil.rmtree(finished_run / "potential")
    sources = partial(finished_run)
    assert sources.ranked is not None and sources.ranked["rank"].isna().all()
    page = own(build_report(sources))
    assert "molecular dynamics of demo-spinel-MgMn2O4" in page
    assert "no result of molecular dynamics yet" in page


def test_partial_report_ranks_what_is_there_and_names_what_is_not(finished_run):
    shutil.rmtree(finished_run / "transport/demo-cf-MgCr2O4")
    sources = partial(finished_run)
    assert sources.missing == ["molecular dynamics of demo-cf-MgCr2O4"]
    places = sources.ranked.set_index("material_id")["rank"]
    assert places["demo-spinel-MgMn2O4"] == 1
    assert pd.isna(places["demo-cf-MgCr2O4"])


def test_a_partial_report_holds_its_own_table_to_download(finished_run):
    (finished_run / "candidates.csv").unlink()
    shutil.rmtree(finished_run / "transport/demo-cf-MgCr2O4")
    sources = partial(finished_run)
    entry = downloads.section(sources).context["downloads"][0]
    table = pd.read_csv(io.BytesIO(base64.b64decode(str(entry["link"]).split(",", 1)[1])))
    assert (entry["name"], list(table["material_id"])) == (
        "candidates.csv",
        list(sources.ranked["material_id"]),
    )
    assert "as far as this run came" in entry["what"]


def test_partial_report_shows_what_of_the_validation_is_done_and_what_is_running(finished_run):
    (finished_run / "validation/summary.parquet").unlink()
    crystal = Structure(Lattice.cubic(3.9), ["Mg", "Mn", "O"], np.eye(3) / 2)
    for material_id in ("demo-spinel-MgMn2O4", "demo-cf-MgCr2O4"):
        (finished_run / "screen/structures").mkdir(exist_ok=True)
        crystal.to(str(finished_run / f"screen/structures/{material_id}.cif"))
        path = finished_run / f"validation/{material_id}/validation.json"
        write_json(path, {key: value for key, value in read_json(path).items() if key != "structure_digest"})
    (finished_run / "logs/vasp_relax/demo-cf-MgCr2O4").mkdir(parents=True)
    table = partial(finished_run).validation_summary.set_index(["material_id", "tier"])
    assert table.loc[("demo-spinel-MgMn2O4", "vasp"), "status"] == "prepared"
    assert table.loc[("demo-cf-MgCr2O4", "vasp"), "status"] == "running"
    assert "running" in own(build_report(partial(finished_run)))


def test_partial_report_ignores_results_of_withdrawn_candidates(finished_run):
    shutil.copytree(finished_run / "transport/demo-cf-MgCr2O4", finished_run / "transport/withdrawn")
    assert "withdrawn" not in partial(finished_run).transport


def test_a_run_that_failed_has_no_curve(finished_run):
    path = finished_run / f"transport/demo-olivine-MgFeSiO4/{TEMPERATURE_K:g}K/msd.parquet"
    path.write_text("no result: the potential was rejected\n")
    curves = load(files_of(finished_run)).msd
    assert "demo-olivine-MgFeSiO4" not in {curve.material_id for curve in curves}
    assert len(curves) == len(FINALISTS) - 1


def test_a_shared_potential_gives_its_error_to_every_candidate(tmp_path):
    write_run(tmp_path)
    shutil.rmtree(tmp_path / "potential")
    write_json(
        tmp_path / "potential/shared/model.json", {"status": "ok", "metrics": {"force_mae_eV_per_A": 0.062}}
    )
    sources = load_partial(
        tmp_path, [TEMPERATURE_K], THRESHOLD, shared_potential=True, validated=True, relaxed=True
    )
    assert set(sources.ranked["potential_force_mae_eV_per_A"]) == {0.062}


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0, "0"), (None, "–"), (1234.5, "1234"), (12.345, "12.3"), (0.01234, "0.0123"), (2.4e-8, "2.4e-8")],
)
def test_numbers_keep_three_digits(value, shown):
    assert number(value) == shown


def test_formulas_get_subscripts_and_lose_markup():
    assert formula("Mg(VO2)2") == "Mg(VO<sub>2</sub>)<sub>2</sub>"
    assert formula("<b>") == "&lt;b&gt;"


def test_curves_are_read_with_their_schema(finished_run):
    curve = load(files_of(finished_run)).msd[0]
    assert list(curve.table.columns) == tables.MSD.names
    assert curve.temperature_K == TEMPERATURE_K
