"""All that a run knows of one material, told section by section in words of the field."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import pandas as pd

from ionsieve import tables
from ionsieve.artifacts import read_json
from ionsieve.errors import DataError
from ionsieve.outcome import OK
from ionsieve.ranking import conductivity_pass_probability, room_temperature_weight
from ionsieve.report.wording import (
    FLAG_MEANINGS,
    conductivity,
    diffusivity,
    interval,
    number,
    percent,
    tier,
    voltage,
)
from ionsieve.run import lookup
from ionsieve.run.folder import RunFolder
from ionsieve.screen import Stop, Thresholds, describe, stopped_at


@dataclass(frozen=True)
class Section:
    """A part of the story: what is told under one heading, name by name."""

    title: str
    facts: list[tuple[str, str]]


@dataclass(frozen=True)
class Story:
    """The story of one material.

    Attributes
    ----------
    headline : the outcome in a sentence.
    sections : only those that there is something to tell in.
    """

    material_id: str
    headline: str
    sections: list[Section]


def story(run: RunFolder, material_id: str) -> Story:
    """Tell what became of a candidate.

    Raises
    ------
    DataError : the run has no candidate of this id; the message says whether it was set aside and why, or
        which ids look like it.
    """
    if not run.buckets:
        raise DataError(f"{run.results} has no candidates yet; `ionsieve status` tells how far the run is")
    crystal = lookup.candidate(run, material_id)
    if crystal is None:
        raise DataError(_unknown(run, material_id))
    predicted = lookup.prediction(run, material_id)
    limits = thresholds(run)
    described = None if predicted is None else describe({**crystal, **predicted}, run.working_ion, limits)
    row = _row_of(run.candidates, material_id) if run.shortlist is not None else None
    screened = None if run.screened is None else _row_of(run.screened, material_id)
    stop = None if described is None else stopped_at(described, limits)
    sections = [_identity(crystal, described, run.working_ion), _funnel(run, material_id, described, stop)]
    if described is not None:
        sections += [_voltage(row, described), _capacities(described)]
    if row is not None:
        sections += [_potential(run, material_id), _transport(run, material_id)]
        sections += [_validation(run, material_id), _rank(run, row)]
    sections.append(_files(run, material_id))
    return Story(
        material_id=material_id,
        headline=_headline(run, crystal, row, screened, described, stop),
        sections=[section for section in sections if section.facts],
    )


def thresholds(run: RunFolder) -> Thresholds:
    """The funnel's limits: those that it was run with, before it those of the configuration."""
    known = {**run.config["screen"], **run.funnel.get("thresholds", {})}
    return Thresholds(**{field.name: known[field.name] for field in fields(Thresholds)})


def _unknown(run: RunFolder, material_id: str) -> str:
    reasons = lookup.left_out(run, material_id)
    if reasons:
        return f"{material_id} is no candidate: {'; '.join(reasons)}"
    matches = lookup.close_matches(run, material_id)
    near = f"; did you mean {', '.join(matches)}?" if matches else "; no id looks like it"
    return f"{material_id} is not among the {run.working_ion} candidates of {run.results}{near}"


def _headline(
    run: RunFolder,
    crystal: Mapping[str, Any],
    row: Mapping[str, Any] | None,
    screened: Mapping[str, Any] | None,
    described: Mapping[str, Any] | None,
    stop: Stop | None,
) -> str:
    who = f"{crystal['formula']} ({crystal['material_id']})"
    if described is None:
        return f"{who} waits for its voltage."
    if row is not None and row["role"] == "control":
        return f"{who} is a control: it goes through molecular dynamics, and is never ranked."
    if row is not None and not pd.isna(row.get("rank")):
        return f"{who} is ranked {int(row['rank'])} of {int(run.candidates['rank'].notna().sum())}."
    if row is not None:
        status = row.get("md_status", "missing")
        return f"{who} is on the shortlist, and not ranked: {FLAG_MEANINGS.get(status, status)}."
    if stop is not None:
        return f"{who} was stopped by the funnel: {stop.why}."
    if screened is not None:
        return f"{who} passed the funnel, but the shortlist ends before it."
    if run.screened is None:
        return f"{who} waits for the funnel."
    return f"{who} passed every threshold, but is the same crystal as a candidate that ranks before it."


def _identity(crystal: Mapping[str, Any], described: Mapping[str, Any] | None, ion: str) -> Section:
    above_hull = crystal["energy_above_hull_eV_per_atom"]
    hull = "not known" if above_hull is None else f"{number(above_hull)} eV/atom above the hull"
    reference = f" ({crystal['hull_reference']})" if crystal["hull_reference"] else ""
    facts = [
        ("formula", crystal["formula"]),
        ("source", crystal["source"]),
        ("licence", crystal["licence"]),
        ("sites", f"{len(crystal['numbers'])} in the cell"),
        ("stability", f"{hull}{reference}"),
    ]
    if described is not None:
        facts.insert(1, (f"host without {ion}", described["framework"]))
    return Section("Crystal", facts)


def _funnel(
    run: RunFolder, material_id: str, described: Mapping[str, Any] | None, stop: Stop | None
) -> Section:
    facts: list[tuple[str, str]] = []
    if described is None or run.screened is None or run.shortlist is None:
        return Section("Funnel", facts)
    if stop is not None:
        facts.append(("stopped by", stop.why))
        if stop.value is not None and stop.limit is not None:
            facts.append((str(stop.column), f"{number(stop.value)}, the limit is {number(stop.limit)}"))
    place = _place(run.screened, material_id)
    if place is not None:
        of = int((run.screened["role"] == "candidate").sum())
        length = int((run.shortlist["role"] == "candidate").sum())
        facts.append(("passed", f"number {place} of {of} by its score; the shortlist takes {length}"))
        twins = _same_formula(run.screened, described["formula"], material_id)
        if twins:
            facts.append(("same formula", f"also passed: {', '.join(twins)}"))
    elif stop is None and material_id not in set(run.shortlist["material_id"]):
        twins = _same_formula(run.screened, described["formula"], material_id)
        facts.append(("duplicate", f"of one of {', '.join(twins)}" if twins else "of another candidate"))
    facts.append(("score", f"{number(described['screen_score'])} Wh/L = {_score_of_the_screen(described)}"))
    return Section("Funnel", facts)


def _voltage(row: Mapping[str, Any] | None, described: Mapping[str, Any]) -> Section:
    low_V, high_V = described["voltage_low_V"], described["voltage_high_V"]
    facts = [("predicted", f"{voltage(described['voltage_V'])} V ({interval(low_V, high_V, voltage)})")]
    if described["known"]:
        kind = described["label_kind"]
        facts.append(
            (
                "known electrode",
                f"{voltage(described['label_voltage_V'])} V ({kind}); the prediction is that of the member"
                " which never saw it",
            )
        )
    if not described["in_domain"]:
        facts.append(("domain", FLAG_MEANINGS["out_of_domain"]))
    if row is None:
        return Section("Voltage", facts)
    if not pd.isna(row.get("composition_voltage_V")):
        spread = interval(row["composition_voltage_low_V"], row["composition_voltage_high_V"], voltage)
        facts.append(("from the formula alone", f"{voltage(row['composition_voltage_V'])} V ({spread})"))
    if not pd.isna(row.get("universal_potential_voltage_V")):
        facts.append(
            (
                "universal potential",
                f"{voltage(row['universal_potential_voltage_V'])} V, {row['voltage_disagreement_V']:+.2f} V"
                " from the prediction",
            )
        )
    return Section("Voltage", facts)


def _capacities(described: Mapping[str, Any]) -> Section:
    facts = [
        (
            "full extraction",
            f"{number(described['capacity_grav_mAh_per_g'])} mAh/g,"
            f" {number(described['capacity_vol_Ah_per_L'])} Ah/L",
        ),
        (
            "within the redox couples",
            f"{number(described['redox_capacity_grav_mAh_per_g'])} mAh/g,"
            f" {number(described['redox_capacity_vol_Ah_per_L'])} Ah/L",
        ),
        (
            "energy density",
            f"{number(described['energy_density_Wh_per_kg'])} Wh/kg,"
            f" {number(described['energy_density_Wh_per_L'])} Wh/L at full extraction",
        ),
    ]
    if described["anion_redox"]:
        facts.append(("anions", FLAG_MEANINGS["anion_redox"]))
    return Section("Capacity", facts)


def _potential(run: RunFolder, material_id: str) -> Section:
    shared = run.config["potential"]["mode"] == "shared"
    rounds = run.config["potential"]["refinement_rounds"]
    name = f"model-{rounds}.json" if rounds and not shared else "model.json"
    document = run.document(f"potential/{'shared' if shared else material_id}/{name}")
    if not document:
        return Section("Potential", [])
    facts = [("which", "one for all candidates" if shared else "its own, distilled from the teacher")]
    if document["status"] != OK:
        facts.append((document["status"], str(document["reason"])))
    metrics = document.get("metrics") or {}
    if metrics.get("force_mae_eV_per_A") is not None:
        limit = run.config["potential"]["max_force_mae_eV_per_A"]
        error = f"{number(metrics['force_mae_eV_per_A'])} eV/A on held-out trajectories"
        facts.append(("force error", f"{error}; the limit is {number(limit)}"))
    softening = document.get("softening") or {}
    if softening.get("slope") is not None:
        facts.append(("slope of forces", f"{number(softening['slope'])} against {softening['against']}"))
    return Section("Potential", facts)


def _transport(run: RunFolder, material_id: str) -> Section:
    document = run.document(f"transport/{material_id}/transport.json")
    if not document:
        return Section("Molecular dynamics", [("status", FLAG_MEANINGS["missing"])])
    facts = [("status", document["status"])]
    if document["status"] != OK:
        facts.append(("why", str(document["reason"])))
        return Section("Molecular dynamics", facts)
    for at in document.get("temperatures") or [document]:
        if at.get("conductivity_kind") is None:
            continue
        low, high = at["conductivity_low_mS_per_cm"], at["conductivity_high_mS_per_cm"]
        spread = "" if at["conductivity_kind"] == "upper_bound" else interval(low, high)
        hops = f", {at['n_hops']} hops of {at['n_ions']} ions" if at.get("n_ions") else ""
        told = f"{conductivity(at)} mS/cm{f' ({spread})' if spread else ''}, D {diffusivity(at)} cm2/s{hops}"
        facts.append((f"at {number(at['temperature_K'])} K", told))
    if document.get("activation_energy_eV") is not None:
        facts.append(("activation energy", f"{number(document['activation_energy_eV'])} eV"))
    if document.get("conductivity_300K_mS_per_cm") is not None:
        value = number(document["conductivity_300K_mS_per_cm"])
        facts.append(("at 300 K, extrapolated", f"{value} mS/cm"))
    if document.get("migration_barrier_eV") is not None:
        facts.append(("barrier of single hops", f"{number(document['migration_barrier_eV'])} eV"))
    return Section("Molecular dynamics", facts)


def _validation(run: RunFolder, material_id: str) -> Section:
    summary = run.table("validation/summary.parquet", tables.VALIDATION_SUMMARY)
    facts: list[tuple[str, str]] = []
    rows = [] if summary is None else summary[summary["material_id"] == material_id].to_dict("records")
    for row in rows:
        told = str(row["status"])
        if not pd.isna(row["computed_voltage_V"]):
            told += f": {voltage(row['computed_voltage_V'])} V ({row['disagreement_V']:+.2f} V)"
        if not pd.isna(row["volume_change"]):
            told += f", volume {100 * row['volume_change']:+.0f} % when charged"
        if row["framework_collapsed"] is True:
            told += f"; {FLAG_MEANINGS['framework_collapsed']}"
        if not pd.isna(row["decomposition_energy_eV_per_atom"]):
            energy = number(row["decomposition_energy_eV_per_atom"])
            told += f"; charged host {energy} eV/atom above known phases"
        if not pd.isna(row["reason"]):
            told += f": {row['reason']}"
        facts.append((tier(str(row["tier"])), told))
    return Section("Validation", facts)


def _rank(run: RunFolder, row: Mapping[str, Any]) -> Section:
    if "score" not in row:
        return Section("Rank", [])
    facts = []
    if not pd.isna(row["score"]):
        transport = run.document(f"transport/{row['material_id']}/transport.json")
        passes = conductivity_pass_probability(transport, run.min_conductivity_mS_per_cm)
        weight = room_temperature_weight(transport)
        facts.append(("rank", f"{int(row['rank'])} of {int(run.candidates['rank'].notna().sum())}"))
        facts.append(
            (
                "score",
                f"{number(row['score'])} Wh/L = {number(row['screen_score'])} Wh/L of the funnel"
                f" x P(conductivity passes) {number(passes)} x weight at 300 K {number(weight)}",
            )
        )
    elif row["role"] == "candidate":
        facts.append(("not ranked", str(row["md_reason"])))
    for flag in filter(None, str(row["flags"]).split(";")):
        facts.append((flag, FLAG_MEANINGS.get(flag, "")))
    return Section("Rank", facts)


def _files(run: RunFolder, material_id: str) -> Section:
    known = [
        ("structure", f"screen/structures/{material_id}.cif"),
        ("potential", f"potential/{material_id}/model.json"),
        ("molecular dynamics", f"transport/{material_id}/transport.json"),
        ("why this voltage", f"voltage/contributions/{material_id}/contributions.json"),
        ("relaxed pair", f"validation/{material_id}/universal_potential.json"),
        ("VASP inputs", f"validation/{material_id}/inputs.zip"),
        ("report", "report/index.html"),
    ]
    facts = [(name, str(run.results / path)) for name, path in known if (run.results / path).exists()]
    facts += [
        ("failed", str(path))
        for path in sorted((run.results / "transport" / material_id).glob("*/*/md.json"))
        if read_json(path).get("status", OK) != OK
    ]
    return Section("Files", facts)


def _score_of_the_screen(described: Mapping[str, Any]) -> str:
    redox_Wh_per_L = max(described["voltage_V"], 0.0) * described["redox_capacity_vol_Ah_per_L"]
    passes = percent(described["voltage_pass_probability"])
    return f"P(voltage passes) {passes} % x {number(redox_Wh_per_L)} Wh/L within the redox couples"


def _row_of(table: pd.DataFrame, material_id: str) -> dict[str, Any] | None:
    rows = table[table["material_id"] == material_id].to_dict("records")
    return {str(key): value for key, value in rows[0].items()} if rows else None


def _place(screened: pd.DataFrame, material_id: str) -> int | None:
    candidates = screened.loc[screened["role"] == "candidate", "material_id"].tolist()
    return candidates.index(material_id) + 1 if material_id in candidates else None


def _same_formula(screened: pd.DataFrame, formula: str, material_id: str) -> list[str]:
    same = screened[(screened["formula"] == formula) & (screened["material_id"] != material_id)]
    return same["material_id"].tolist()
