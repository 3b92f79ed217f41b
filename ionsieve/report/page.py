"""Fills the templates: one HTML page with everything in it, the same bytes for the same sources."""

import json
from importlib.resources import files
from typing import Any

import jinja2
from markupsafe import Markup

from ionsieve.report import wording
from ionsieve.report.figures import Figure
from ionsieve.report.sections import (
    candidates,
    composition_models,
    costs,
    discharge,
    downloads,
    leakage_audit,
    models,
    provenance,
    ranking,
    sieve,
    transport,
    validation,
    voltage_from_formulas,
    voltage_model,
)
from ionsieve.report.sources import ReportSources

# In the order of the page.
SECTIONS = (
    ranking,
    candidates,
    sieve,
    transport,
    voltage_model,
    voltage_from_formulas,
    validation,
    composition_models,
    leakage_audit,
    discharge,
    models,
    costs,
    downloads,
    provenance,
)


def build_report(sources: ReportSources) -> str:
    """The page as HTML; it loads nothing, from nowhere."""
    environment = _environment()
    shared = {"ion": _working_ion(sources), "flag_meanings": wording.FLAG_MEANINGS}
    sections, drawn = [], False
    pages: list[dict[str, Any]] = []
    for module in SECTIONS:
        section = module.section(sources)
        pages = pages or section.context.get("pages", [])
        template = environment.get_template(f"sections/{section.name}.html.jinja")
        filled = template.render(**shared, **section.context, figures=section.drawn()).strip()
        if filled:
            reached = f'id="{section.anchor}"' in filled
            sections.append(
                {
                    "anchor": section.anchor if reached else None,
                    "title": section.title,
                    "html": Markup(filled),
                }
            )
            drawn = drawn or bool(section.drawn())
    return environment.get_template("page.html.jinja").render(
        **shared,
        missing=sources.missing,
        headline=[candidates.linked(sentence, pages) for sentence in wording.headline(sources)],
        notes=wording.notes(sources),
        tiles=_tiles(sources),
        sections=sections,
        style=_asset("style.css"),
        script=_asset("script.js"),
        plotly=_asset("vendor/plotly-cartesian.min.js") if drawn else "",
        viewer=_asset("vendor/3Dmol-min.js") if any(page["scenes"] for page in pages) else "",
    )


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(lambda name: str(_asset(name))),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters |= {
        "number": wording.number,
        "count": wording.count,
        "percent": wording.percent,
        "voltage": wording.voltage,
        "formula": wording.formula,
        "prose": wording.prose,
        "json": _json,
        "json_figure": _figure_json,
    }
    return environment


def _figure_json(figure: Figure) -> Markup:
    return Markup(figure.to_json())


def _json(document: Any) -> Markup:
    """JSON that can stand inside a script element."""
    text = json.dumps(document, separators=(",", ":"), ensure_ascii=False, sort_keys=True)
    return Markup(text.replace("<", "\\u003c"))


def _asset(name: str) -> Markup:
    return Markup(files("ionsieve.report").joinpath(name).read_text(encoding="utf-8"))


def _working_ion(sources: ReportSources) -> str:
    return str((sources.config or sources.funnel or {}).get("working_ion", ""))


def _tiles(sources: ReportSources) -> list[tuple[str, str]]:
    """Key figures: label and value."""
    tiles = []
    if sources.catalogue is not None:
        tiles.append(("training electrodes", wording.grouped(sources.catalogue["electrodes"]["count"])))
    if sources.funnel is not None:
        tiles.append(("candidates", wording.grouped(sources.funnel["considered"])))
    if sources.screened is not None:
        tiles.append(("passed the sieve", wording.grouped((sources.screened["role"] == "candidate").sum())))
    if sources.ranked is not None:
        tiles.append(("ranked after MD", wording.grouped(sources.ranked["rank"].notna().sum())))
    if wording.framework_scores(sources):
        tiles.append(("MAE, unseen frameworks", wording.framework_mae(sources)))
    return tiles
