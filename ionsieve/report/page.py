"""Fills the template: one HTML page with everything in it, the same bytes for the same sources."""

import platform
from collections.abc import Mapping, Sequence
from importlib import metadata
from importlib.resources import files
from typing import Any

import jinja2
import numpy as np
import pandas as pd
import yaml
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from ionsieve.composition import leakage_audit, paper_tables
from ionsieve.potential.softening import stiffened
from ionsieve.report import composition_figures, figures, wording
from ionsieve.report.sources import ReportSources, potential_of
from ionsieve.transport.arrhenius import ROOM_TEMPERATURE_K

PACKAGES = (
    "ionsieve",
    "snakemake",
    "torch",
    "torch-geometric",
    "chgnet",
    "nequip",
    "e3nn",
    "ase",
    "pymatgen",
    "atomate2",
    "jobflow",
    "pandas",
    "numpy",
    "plotly",
)
PROTOCOLS = {
    "framework": "By framework: no host of the training set is scored",
    "paper": "The paper's random split: the same host may be on both sides",
    "chemical_system": "By chemical system: no host with the same elements is in the training set",
}
FIRST_STEP = "Candidates read from the sources"


def build_report(sources: ReportSources) -> str:
    """The page as HTML; it loads nothing, from nowhere."""
    drawn = [
        figure
        for figure in (
            figures.bubble(sources),
            figures.voltage_distribution(sources),
            figures.parity(sources),
            figures.learned_elements(sources),
            figures.local_environments(sources),
            figures.neighbor_contributions(sources),
            composition_figures.composition_parity(sources),
            composition_figures.residuals_by_size(sources),
            composition_figures.residuals_by_ion(sources),
            composition_figures.volume_distribution(sources),
            composition_figures.volume_parity(sources),
            figures.msd(sources),
            figures.arrhenius(sources),
            figures.force_parity(sources),
            figures.validation_parity(sources),
        )
        if figure is not None
    ]
    template = _environment().get_template("page.html.jinja")
    return template.render(
        ion=_working_ion(sources),
        missing=sources.missing,
        headline=wording.headline(sources),
        tiles=_tiles(sources),
        funnel=_funnel(sources),
        ranked=_ranked_rows(sources),
        flag_meanings=wording.FLAG_MEANINGS,
        temperature=_highest_temperature(sources),
        figures={figure.name: figure for figure in drawn},
        metrics=_metrics(sources),
        coverage=(sources.metrics or {}).get("interval"),
        coverage_rows=_coverage_rows(sources),
        learned=wording.learned(sources),
        contributions=_contribution_rows(sources),
        composition=wording.composition(sources),
        composition_rows=_composition_rows(sources),
        composition_tables=paper_tables.text_tables(sources.composition_tables)
        if sources.composition_tables
        else [],
        not_run=(sources.composition_tables or {}).get("skipped", {}),
        audit=leakage_audit.text_tables(sources.leakage_audit) if sources.leakage_audit else [],
        transport=_transport_rows(sources),
        softening=_softening_rows(sources),
        motion=_motion_rows(sources),
        validation=_validation_rows(sources),
        tiers=_tier_rows(sources),
        rejects=(sources.catalogue or {}).get("rejects") or {},
        reject_examples=_reject_examples(sources),
        catalogue=sources.catalogue,
        label_kinds=wording.label_kinds(sources),
        licences=_licences(sources),
        hulls=wording.counted(sources, "hull "),
        config=yaml.safe_dump(sources.config, sort_keys=False) if sources.config else None,
        versions=_versions(),
        style=_asset("style.css"),
        script=_asset("script.js"),
        plotly=Markup(get_plotlyjs()) if drawn else "",
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
        "json_figure": _figure_json,
    }
    return environment


def _figure_json(figure: figures.Figure) -> Markup:
    return Markup(figure.to_json())


def _asset(name: str) -> Markup:
    return Markup(files("ionsieve.report").joinpath(name).read_text(encoding="utf-8"))


def _working_ion(sources: ReportSources) -> str:
    return str((sources.config or sources.funnel or {}).get("working_ion", ""))


def _tiles(sources: ReportSources) -> list[tuple[str, str]]:
    """Key figures: label and value."""
    tiles = []
    if sources.catalogue is not None:
        tiles.append(("training electrodes", f"{sources.catalogue['electrodes']['count']}"))
    if sources.funnel is not None:
        tiles.append(("candidates", f"{sources.funnel['considered']}"))
    if sources.screened is not None:
        tiles.append(("passed the sieve", f"{(sources.screened['role'] == 'candidate').sum()}"))
    if sources.ranked is not None:
        tiles.append(("ranked after MD", f"{sources.ranked['rank'].notna().sum()}"))
    scored = wording.framework_scores(sources)
    if scored:
        tiles.append(("MAE, unseen frameworks", f"{wording.voltage(scored['mae_V'])} V"))
    return tiles


def _funnel(sources: ReportSources) -> list[dict[str, Any]]:
    """Steps with what remains as a share of the first, for the bars."""
    if sources.funnel is None:
        return []
    considered = sources.funnel["considered"]
    thresholds = sources.funnel["thresholds"]
    steps = [{"why": FIRST_STEP, "removed": None, "remaining": considered}]
    for step in sources.funnel["steps"]:
        why = " ".join(_with_threshold(word, thresholds) for word in step["why"].split())
        steps.append({"why": why, "removed": step["removed"], "remaining": step["remaining"]})
    if sources.shortlist is not None:
        chosen = int((sources.shortlist["role"] == "candidate").sum())
        controls = len(sources.shortlist) - chosen
        steps.append(
            {
                "why": f"shortlist for molecular dynamics (beside {wording.plural(controls, 'control')})",
                "removed": None,
                "remaining": chosen,
            }
        )
    for step in steps:
        step["share"] = 100.0 * step["remaining"] / considered if considered else 0.0
    return steps


def _with_threshold(word: str, thresholds: Mapping[str, Any]) -> str:
    """``screen.min_voltage_V`` becomes ``screen.min_voltage_V (3.0)``."""
    value = thresholds.get(word.removeprefix("screen."))
    return f"{word} ({value})" if isinstance(value, int | float) else word


def _ranked_rows(sources: ReportSources) -> list[dict[str, Any]] | None:
    """One row of the ranked table per candidate; None where there is no ranking."""
    if sources.ranked is None:
        return None
    return [_ranked_row(row) for row in sources.ranked.to_dict("records")]


def _ranked_row(row: Mapping[Any, Any]) -> dict[str, Any]:
    conductivity = row["conductivity_mS_per_cm"]
    bound = row["conductivity_kind"] == "upper_bound"
    return {
        **row,
        "rank": None if pd.isna(row["rank"]) else int(row["rank"]),
        "label": _label(row),
        "voltage_interval": wording.interval(row["voltage_low_V"], row["voltage_high_V"], wording.voltage),
        "composition_interval": wording.interval(
            row["composition_voltage_low_V"], row["composition_voltage_high_V"], wording.voltage
        ),
        "conductivity": wording.conductivity(row),
        "conductivity_interval": ""
        if bound
        else wording.interval(
            row["conductivity_low_mS_per_cm"],
            row["conductivity_high_mS_per_cm"],
            lambda value: wording.number(value, 2),
        ),
        # A bound sorts below every value of its size.
        "conductivity_sort": row["conductivity_high_mS_per_cm"] / 1e6 if bound else conductivity,
        "flags": [flag for flag in row["flags"].split(";") if flag],
        "reason": "" if row["md_reason"] is None or pd.isna(row["md_reason"]) else row["md_reason"],
    }


def _label(row: Mapping[Any, Any]) -> str:
    if row["label_kind"] is None or pd.isna(row["label_kind"]):
        return "prediction"
    return f"{wording.voltage(row['label_voltage_V'])} V, {row['label_kind']}"


def _highest_temperature(sources: ReportSources) -> float | None:
    temperatures = ((sources.config or {}).get("transport") or {}).get("temperatures_K")
    return max(temperatures) if temperatures else None


def _metrics(sources: ReportSources) -> list[dict[str, Any]]:
    """A block of table rows for each protocol: all ions, then each."""
    blocks = []
    protocols = (sources.metrics or {}).get("protocols", {})
    for protocol in sorted(protocols, key=lambda name: [*PROTOCOLS, name].index(name)):
        scores = protocols[protocol]
        rows = [("all", scores["all"]), *scores["by_ion"].items()]
        if scores["full_extraction"]["count"] not in (0, scores["all"]["count"]):
            rows.append(("full extraction", scores["full_extraction"]))
        rows.append(("mean of the ion", scores["ion_mean_baseline"]))
        blocks.append(
            {"title": PROTOCOLS.get(protocol, protocol), "rows": [_metrics_row(*row) for row in rows]}
        )
    return blocks


def _metrics_row(name: str, scores: Mapping[str, Any]) -> dict[str, Any]:
    low_V, high_V = scores.get("mae_interval_V") or (None, None)
    return {
        "name": name,
        "count": scores["count"],
        "frameworks": scores.get("n_frameworks", ""),
        "mae": wording.voltage(scores["mae_V"]),
        "interval": wording.interval(low_V, high_V, wording.voltage),
        "rmse": wording.voltage(scores["rmse_V"]),
        "r2": wording.voltage(scores["r2"]),
    }


def _composition_rows(sources: ReportSources) -> list[dict[str, Any]]:
    """Errors and coverage of voltages from formulas on hosts never seen: all ions, then each."""
    metrics = sources.composition_metrics
    if metrics is None:
        return []
    scores, intervals = metrics["protocols"]["framework"], metrics["interval"]
    shares = {"all": intervals["all"], **intervals["by_ion"]}
    rows = [
        ("all", scores["all"]),
        *scores["by_ion"].items(),
        ("mean of the ion", scores["ion_mean_baseline"]),
    ]
    return [
        {
            **_metrics_row(name, scored),
            "coverage": wording.percent(shares.get(name, {}).get("coverage")),
            "width": wording.voltage(shares.get(name, {}).get("mean_width_V")),
        }
        for name, scored in rows
    ]


def _coverage_rows(sources: ReportSources) -> list[dict[str, Any]]:
    """How often intervals held the label: all, by ion, and above the threshold."""
    measured = (sources.metrics or {}).get("interval")
    if not measured:
        return []
    high = measured["predicted_high"]
    fifths = ("nearest fifth", "second fifth", "third fifth", "fourth fifth", "farthest fifth")
    shares = [
        ("all", measured["all"]),
        *measured["by_ion"].items(),
        *zip(fifths, measured.get("by_distance", ()), strict=False),
        (f"predicted above {wording.number(high['threshold_V'])} V", high),
        *((name, measured[key]) for name, key in (("all, with one width", "one_width"),) if key in measured),
    ]
    return [
        {
            "name": name,
            "count": share["count"],
            "coverage": wording.percent(share["coverage"]),
            "width": wording.voltage(share["mean_width_V"]),
        }
        for name, share in shares
    ]


def _contribution_rows(sources: ReportSources) -> list[dict[str, Any]]:
    """What each element around the working ion adds, candidate by candidate."""
    rows = []
    for formula, material_id, document in figures.explained_candidates(sources):
        by_element = (
            pd.DataFrame(document["neighbors"])
            .groupby("neighbor")
            .agg(
                count=("count", "sum"),
                nearest_A=("distance_A", "min"),
                farthest_A=("distance_A", "max"),
                contribution_V=("contribution_V", "sum"),
            )
            .sort_values("contribution_V", key=np.abs, ascending=False, kind="stable")
        )
        rows.append(
            {
                "formula": formula,
                "material_id": material_id,
                "baseline_V": document["baseline_V"],
                "voltage_V": document["voltage_V"],
                "descriptors_V": document["descriptors_V"],
                "largest_descriptors": document["largest_descriptors"],
                "elements": by_element.reset_index().to_dict("records"),
            }
        )
    return rows


def _transport_rows(sources: ReportSources) -> list[dict[str, Any]]:
    """One row per candidate and temperature, with the potential's error."""
    rows: list[dict[str, Any]] = []
    for material_id, formula in _shortlisted(sources):
        result = sources.transport.get(material_id)
        if result is None:
            continue
        errors = potential_of(sources.potentials, material_id).get("metrics") or {}
        for run in result.get("temperatures") or [result]:
            rows.append(
                {
                    "formula": formula,
                    "material_id": material_id,
                    "status": run["status"],
                    "reason": run.get("reason") or "",
                    "temperature_K": run.get("temperature_K"),
                    "n_ions": run.get("n_ions"),
                    "n_hops": run.get("n_hops"),
                    "n_onward_hops": run.get("n_onward_hops"),
                    "diffusivity_cm2_per_s": run.get("diffusivity_cm2_per_s"),
                    "diffusivity": wording.diffusivity(run),
                    "diffusivity_interval": ""
                    if run.get("conductivity_kind") == "upper_bound"
                    else wording.interval(
                        run.get("diffusivity_low_cm2_per_s"), run.get("diffusivity_high_cm2_per_s")
                    ),
                    "activation_energy_eV": result.get("activation_energy_eV"),
                    "migration_barrier_eV": result.get("migration_barrier_eV"),
                    "conductivity_300K_mS_per_cm": result.get("conductivity_300K_mS_per_cm"),
                    "force_mae_eV_per_A": errors.get("force_mae_eV_per_A"),
                    "energy_mae_meV_per_atom": errors.get("energy_mae_meV_per_atom"),
                }
            )
    return rows


def _softening_rows(sources: ReportSources) -> list[dict[str, Any]]:
    """What the softness of each candidate's potential would do to its barrier and conductivity."""
    rows = []
    for material_id, formula in _shortlisted(sources):
        potential = potential_of(sources.potentials, material_id)
        slopes = [potential.get("softening"), potential.get("teacher_softening")]
        if not any(slopes):
            continue
        transport = sources.transport.get(material_id, {})
        barrier_eV, hot_K = transport.get("activation_energy_eV"), transport.get("temperature_K")
        temperatures_K = (hot_K or ROOM_TEMPERATURE_K, ROOM_TEMPERATURE_K)
        stiff, low, high = (
            stiffened(barrier_eV, temperatures_K, slopes, end) for end in ("", "_lower", "_upper")
        )
        rows.append(
            {
                "formula": formula,
                "material_id": material_id,
                "slopes": [
                    {
                        "against": slope["against"],
                        "slope": wording.voltage(slope["slope"]),
                        "interval": wording.interval(
                            slope["slope_lower"], slope["slope_upper"], wording.voltage
                        ),
                    }
                    for slope in slopes
                    if slope
                ],
                "barrier_eV": barrier_eV,
                "stiff_barrier_eV": stiff and stiff.barrier_eV,
                "stiff_interval": wording.interval(
                    low and low.barrier_eV, high and high.barrier_eV, wording.voltage
                ),
                "temperature_K": hot_K,
                "hot_factor": stiff and stiff.conductivity_factors[0],
                "room_factor": stiff and stiff.conductivity_factors[1],
            }
        )
    return rows


def _motion_rows(sources: ReportSources) -> list[dict[str, Any]]:
    """Direction, correlation and the host, for each run that was analysed."""
    rows = []
    for material_id, formula in _shortlisted(sources):
        for run in sources.transport.get(material_id, {}).get("temperatures") or []:
            if "host" not in run:
                continue
            haven = run.get("haven_ratio") or {}
            rows.append(
                {
                    "formula": formula,
                    "material_id": material_id,
                    "temperature_K": run["temperature_K"],
                    "anisotropy": run.get("anisotropy"),
                    "ratio": _anisotropy_ratio(run.get("anisotropy")),
                    "haven_ratio": haven.get("value"),
                    "haven_interval": wording.interval(haven.get("low"), haven.get("high"), wording.voltage),
                    "haven_unknown": haven.get("unknown_because"),
                    "host": run["host"],
                }
            )
    return rows


def _anisotropy_ratio(anisotropy: Mapping[str, Any] | None) -> str:
    """``3.1 (2.2 to 5.0)``, ``> 12`` where the slow direction may be closed, or that none is seen."""
    if anisotropy is None:
        return wording.DASH
    if anisotropy["ratio_low"] is None:
        return "not significant" if anisotropy["p_isotropic"] < 1 else "isotropic by symmetry"
    if anisotropy["ratio_high"] is None:
        return f"> {wording.number(anisotropy['ratio_low'], 2)}"
    ends = wording.interval(anisotropy["ratio_low"], anisotropy["ratio_high"], lambda x: wording.number(x, 2))
    return f"{wording.number(anisotropy['ratio'], 2)} ({ends})"


def _validation_rows(sources: ReportSources) -> list[dict[str, Any]]:
    rows = []
    for material_id, formula in _shortlisted(sources):
        result = sources.validation.get(material_id)
        if result is not None:
            rows.append({"formula": formula, "material_id": material_id, **result})
    return rows


def _tier_rows(sources: ReportSources) -> list[dict[str, Any]]:
    """Predicted and computed voltage of each finalist, tier by tier."""
    if sources.validation_summary is None:
        return []
    rows = [
        {str(name): None if pd.isna(value) else value for name, value in row.items()}
        for row in sources.validation_summary.to_dict("records")
    ]
    return [{**row, "tier": wording.tier(str(row["tier"]))} for row in rows]


def _shortlisted(sources: ReportSources) -> list[tuple[str, str]]:
    """(material_id, formula) of the shortlist, in the order of the ranking where there is one."""
    table = sources.ranked if sources.ranked is not None else sources.shortlist
    if table is None:
        return []
    return list(zip(table["material_id"], table["formula"], strict=True))


def _reject_examples(sources: ReportSources, shown: int = 20) -> Sequence[Mapping[Any, Any]]:
    return [] if sources.rejects is None else sources.rejects.head(shown).to_dict("records")


def _licences(sources: ReportSources) -> dict[str, list[str]]:
    """Licences of what the page shows, and on what."""
    licences: dict[str, list[str]] = {}
    if sources.catalogue is not None:
        licences["electrodes"] = sorted(sources.catalogue["electrodes"]["licences"])
        licences["candidates"] = sorted(wording.counted(sources, "licence "))
    return licences


def _versions() -> dict[str, str]:
    return {"python": platform.python_version(), **{name: metadata.version(name) for name in PACKAGES}}
