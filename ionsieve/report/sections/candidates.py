"""A page for each candidate: crystal, voltages, capacities, transport, validation, provenance."""

import base64
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from markupsafe import Markup, escape

from ionsieve.report import wording
from ionsieve.report.crystal import Scene, crystal_scene, drawing, path_scene
from ionsieve.report.section import Section
from ionsieve.report.sections.ranking import ranked_row
from ionsieve.report.sections.transport import transport_rows
from ionsieve.report.sections.validation import tier_rows
from ionsieve.report.sections.voltage_model import contribution_rows
from ionsieve.report.sources import ReportSources

EXAMPLES_SHOWN = 6
BAR_WIDTH_PX = 220


def section(sources: ReportSources) -> Section:
    """Example structures on the page, and the candidates' own pages."""
    ranked = sources.ranked
    ion = str((sources.config or {}).get("working_ion", ""))
    pages = [] if ranked is None else _pages(sources, ranked, ion)
    return Section(
        name="candidates",
        anchor="structures",
        title="Structures",
        context={"pages": pages, "examples": [page for page in pages if page["drawing"]][:EXAMPLES_SHOWN]},
    )


def _pages(sources: ReportSources, ranked: pd.DataFrame, ion: str) -> list[dict[str, Any]]:
    runs, tiers = _grouped(transport_rows(sources)), _grouped(tier_rows(sources))
    neighbours = _grouped(contribution_rows(sources))
    validation = sources.validation
    rows = [
        ranked_row({name: None if _unknown(value) else value for name, value in row.items()})
        for row in ranked.to_dict("records")
    ]
    ids = [row["material_id"] for row in rows]
    pages = []
    for place, row in enumerate(rows):
        material_id = row["material_id"]
        cif = sources.structures.get(material_id)
        scene = crystal_scene(cif, ion) if cif else None
        paths = sources.paths.get(material_id)
        documents = {"crystal": scene.to_document() if scene else None, "path": None}
        if paths is not None:
            documents["path"] = path_scene(paths, ion).to_document()
        label = f"Unit cell of {row['formula']} ({material_id})"
        pages.append(
            {
                **row,
                "previous": ids[place - 1] if place else None,
                "next": ids[place + 1] if place + 1 < len(ids) else None,
                "score_parts": _score_parts(row),
                "opinions": _opinions(row, tiers.get(material_id, [])),
                "runs": runs.get(material_id, []),
                "barriers": _barriers(sources.transport.get(material_id, {})),
                "neighbours": neighbours.get(material_id, []),
                "validation": validation.get(material_id),
                "scenes": documents if scene or paths else None,
                "path_temperature_K": paths.temperature_K if paths else None,
                "drawing": drawing(scene, label) if scene and place < EXAMPLES_SHOWN else None,
                "legend": _legend(scene, ion),
                "cif": data_link(cif, "chemical/x-cif") if cif else None,
            }
        )
    return pages


def data_link(text: str | bytes, media_type: str) -> Markup:
    """Content as an address that holds it: a download that needs no server."""
    content = text.encode() if isinstance(text, str) else text
    return Markup(f"data:{media_type};base64,{base64.b64encode(content).decode()}")


def _legend(scene: Scene | None, ion: str) -> list[dict[str, str]]:
    if scene is None:
        return []
    present = set(scene.elements)
    return [
        {"element": name, "colour": colour, "what": "working ion" if name == ion else ""}
        for name, colour in scene.colours.items()
        if name in present
    ]


def _score_parts(row: Mapping[str, Any]) -> dict[str, float] | None:
    """The factors of the score; None for those that have none."""
    if row["score"] is None or pd.isna(row["score"]) or not row["screen_score"]:
        return None
    return {
        "voltage": row["voltage_pass_probability"],
        "energy_Wh_per_L": row["screen_score"] / row["voltage_pass_probability"],
        "conductivity": row["score"] / row["screen_score"],
    }


def _opinions(row: Mapping[str, Any], tiers: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Every voltage of a candidate, predicted or computed, with a bar on a scale that they share."""
    opinions = [
        {
            "who": "voltage model, from the crystal",
            "note": "out-of-fold, since it is one of the training electrodes"
            if row["known"]
            else "far from the training electrodes"
            if not row["in_domain"]
            else "",
            "voltage_V": row["voltage_V"],
            "low_V": row["voltage_low_V"],
            "high_V": row["voltage_high_V"],
        },
        {
            "who": "composition model, from the formula",
            "note": "a second opinion for the extraction of all ions",
            "voltage_V": row["composition_voltage_V"],
            "low_V": row["composition_voltage_low_V"],
            "high_V": row["composition_voltage_high_V"],
        },
        {
            "who": "label of the training set",
            "note": row["label_kind"],
            "voltage_V": row["label_voltage_V"],
            "low_V": None,
            "high_V": None,
        },
        *(
            {
                "who": tier["tier"],
                "note": tier["reason"] or tier["status"],
                "voltage_V": tier["computed_voltage_V"],
                "low_V": None,
                "high_V": None,
            }
            for tier in tiers
        ),
    ]
    said = [opinion for opinion in opinions if not _unknown(opinion["voltage_V"]) or opinion["who"] in _TIERS]
    ends = [
        value
        for opinion in said
        for value in (opinion["voltage_V"], opinion["low_V"], opinion["high_V"])
        if not _unknown(value)
    ]
    low_V, high_V = min(ends) - 0.1, max(ends) + 0.1
    return [{**opinion, "bar": _bar(opinion, low_V, high_V)} for opinion in said]


_TIERS = tuple(wording.TIERS.values())


def _unknown(value: Any) -> bool:
    return value is None or bool(pd.isna(value))


def _bar(opinion: Mapping[str, Any], low_V: float, high_V: float) -> Markup:
    """Interval and value as a small drawing; the numbers stand beside it."""
    if _unknown(opinion["voltage_V"]):
        return Markup("")

    def x(value: float) -> str:
        return f"{BAR_WIDTH_PX * (value - low_V) / (high_V - low_V):.1f}"

    line = ""
    if not _unknown(opinion["low_V"]):
        line = f'<line x1="{x(opinion["low_V"])}" x2="{x(opinion["high_V"])}" y1="8" y2="8"/>'
    mark = f'<circle cx="{x(opinion["voltage_V"])}" cy="8" r="4.5"/>'
    return Markup(
        f'<svg class="opinion" viewBox="0 0 {BAR_WIDTH_PX} 16" width="{BAR_WIDTH_PX}" height="16" '
        f'aria-hidden="true">{line}{mark}</svg>'
    )


def _barriers(transport: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What the runs at several temperatures, and the bands, say together."""
    barrier = wording.voltage(transport.get("activation_energy_eV"))
    spread = wording.interval(
        transport.get("activation_energy_low_eV"),
        transport.get("activation_energy_high_eV"),
        wording.voltage,
    )
    known = [
        ("barrier of diffusion", f"{barrier} eV{f' ({spread})' if spread else ''}", barrier),
        (
            "barrier of single hops",
            f"{wording.voltage(transport.get('migration_barrier_eV'))} eV",
            wording.voltage(transport.get("migration_barrier_eV")),
        ),
        (
            "conductivity at 300 K",
            f"{wording.number(transport.get('conductivity_300K_mS_per_cm'))} mS/cm, extrapolated",
            wording.number(transport.get("conductivity_300K_mS_per_cm")),
        ),
    ]
    return [(name, text) for name, text, value in known if value != wording.DASH]


def _grouped(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[Mapping[str, Any]]]:
    by_id: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        by_id.setdefault(str(row["material_id"]), []).append(row)
    return by_id


def linked(text: str, pages: Sequence[Mapping[str, Any]]) -> Markup:
    """Text with each ``formula (material_id)`` as a link to the candidate's page."""
    marked = str(escape(text))
    for page in pages:
        name = str(escape(f"{page['formula']} ({page['material_id']})"))
        link = f'<a href="#candidate-{escape(page["material_id"])}">{wording.formula(page["formula"])}</a>'
        marked = marked.replace(name, f"{link} ({escape(page['material_id'])})")
    return Markup(marked)
