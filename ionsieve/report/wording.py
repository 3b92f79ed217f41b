"""Numbers as a reader wants them, and the run in a few sentences."""

import math
import re
from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd
from markupsafe import Markup, escape

from ionsieve import plurals
from ionsieve.report.sources import ReportSources

DASH = "–"
NON_COMMERCIAL = "BY-NC"
FLAG_MEANINGS = {
    "control": "reference material; goes through MD, is never ranked",
    "known": "one of the training electrodes; its voltage here is the out-of-fold prediction",
    "out_of_domain": "far from what the voltage model was trained on",
    "anion_redox": "full extraction needs the anions to be oxidised",
    "hull_unknown": "distance to the convex hull is not known",
    "opinions_differ": "the voltages from crystal and from formula have intervals that do not overlap",
    "upper_bound": "too few hops for a value: the conductivity lies below the bound shown (95 %)",
    "low_conductivity": "conductivity below the threshold of the configuration",
    "framework_collapsed": "relaxed without its ions, the host is no longer the same crystal",
    "failed": "a stage failed for this candidate",
    "unstable": "molecular dynamics blew up and was stopped",
    "host_melted": "the host melted, so there is no conductivity of the crystal",
    "host_diffusing": "host atoms diffuse, so there is no conductivity of the crystal",
    "potential_rejected": "the potential's force error is above the limit; no MD was run",
    "missing": "not run yet",
}

TIERS = {"universal_potential": "universal potential", "gpaw": "GPAW", "vasp": "VASP"}


def tier(name: str) -> str:
    """A tier of the validation, as a reader calls it."""
    return TIERS.get(name, name)


def number(value: Any, digits: int = 3) -> str:
    """A number with about ``digits`` significant digits; a dash for what is not known."""
    if value is None or pd.isna(value):
        return DASH
    value = float(value)
    if value == 0:
        return "0"
    magnitude = math.floor(math.log10(abs(value)))
    if magnitude >= digits - 1 and magnitude < 7:
        return f"{value:.0f}"
    if magnitude >= -3:
        return f"{value:.{max(0, digits - 1 - magnitude)}f}"
    mantissa, exponent = f"{value:.{digits - 2}e}".split("e")
    return f"{mantissa}e{int(exponent)}"


def count(value: Any) -> str:
    """A whole number; a dash for what is not known."""
    return DASH if value is None or pd.isna(value) else f"{int(value)}"


def percent(share: Any) -> str:
    """A share between 0 and 1 in whole percent, without the sign."""
    return DASH if share is None or pd.isna(share) else f"{100 * float(share):.0f}"


def voltage(value: Any) -> str:
    """A voltage in V with two decimals."""
    return DASH if value is None or pd.isna(value) else f"{float(value):.2f}"


def interval(low: Any, high: Any, show: Callable[[Any], str] = number) -> str:
    """``low to high``, empty where unknown."""
    if low is None or high is None or pd.isna(low) or pd.isna(high):
        return ""
    return f"{show(low)} to {show(high)}"


def conductivity(row: Mapping[Any, Any]) -> str:
    """The conductivity with its interval, or its bound as ``< x``; a dash where there is neither."""
    if row["conductivity_kind"] == "upper_bound":
        return f"< {number(row['conductivity_high_mS_per_cm'], 2)}"
    return number(row["conductivity_mS_per_cm"], 2)


def diffusivity(run: Mapping[str, Any]) -> str:
    """The same of the diffusivity of one run."""
    if run.get("conductivity_kind") == "upper_bound":
        return f"< {number(run['diffusivity_high_cm2_per_s'])}"
    return number(run.get("diffusivity_cm2_per_s"))


def formula(text: str) -> Markup:
    """A formula with its digits as subscripts, escaped."""
    return Markup(re.sub(r"(?<=[A-Za-z)\]])(\d+(?:\.\d+)?)", r"<sub>\1</sub>", str(escape(text))))


def plural(count: int, noun: str) -> str:
    """``1 candidate``, ``2,000 candidates``."""
    return f"{grouped(count)} {plurals.noun(count, noun)}"


def headline(sources: ReportSources) -> list[str]:
    """The run in five sentences, in: how many, the best and why, what is behind it and what is uncertain.

    Only what is known is said, so a run that stopped early has fewer.
    """
    sentences = [
        *_sieved(sources),
        *_best(sources),
        *_why(sources),
        *_model(sources),
        *_uncertain(sources),
    ]
    return sentences or ["Nothing has been computed yet."]


def notes(sources: ReportSources) -> list[str]:
    """What a reader must know beside the summary."""
    return [*_collapsed(sources), *_controls(sources), *_not_commercial(sources)]


def _sieved(sources: ReportSources) -> list[str]:
    if sources.funnel is None:
        return []
    ion, considered = sources.funnel["working_ion"], sources.funnel["considered"]
    entered = f"{grouped(considered)} {ion} candidate{'' if considered == 1 else 's'}"
    if sources.shortlist is None or sources.screened is None:
        return [f"{entered} entered the sieve."]
    passed = int((sources.screened["role"] == "candidate").sum())
    chosen = int((sources.shortlist["role"] == "candidate").sum())
    text = f"Of {entered}, {grouped(passed)} passed every threshold"
    if not passed:
        return [f"{text}. Loosen the thresholds under screen in config.yaml to get a shortlist."]
    removed = max(sources.funnel["steps"], key=lambda step: step["removed"], default=None)
    most = ""
    if removed is not None and removed["removed"]:
        why, _ = threshold_in_words(removed["why"], sources.funnel["thresholds"])
        most = f" (the largest loss is {grouped(removed['removed'])}: {why})"
    return [f"{text}{most}, and {chosen} went on to molecular dynamics."]


# Of the funnel's thresholds, by how their keys end.
_UNITS = {"_Ah_per_L": "Ah/L", "_mAh_per_g": "mAh/g", "_Wh_per_kg": "Wh/kg", "_V": "V"}


def threshold_in_words(why: str, thresholds: Mapping[str, Any]) -> tuple[str, str]:
    """``voltage below screen.min_voltage_V`` as ``voltage below 3.0 V``, and the key that says so."""
    for word in why.split():
        value = thresholds.get(word.removeprefix("screen."))
        if word.startswith("screen.") and isinstance(value, int | float) and not isinstance(value, bool):
            return why.replace(word, f"{value:g}{_unit_of(word)}"), word
    return why, ""


def _unit_of(name: str) -> str:
    """The unit that a name ends with, as text: `` Ah/L`` of ``min_capacity_vol_Ah_per_L``."""
    return next((f" {unit}" for ending, unit in _UNITS.items() if name.endswith(ending)), "")


def grouped(value: int) -> str:
    """A count with commas between thousands."""
    return f"{value:,}"


def _best(sources: ReportSources) -> list[str]:
    if sources.ranked is None or sources.ranked["rank"].isna().all():
        if sources.ranked is None or not (candidates := sources.ranked["role"] == "candidate").any():
            return []
        statuses = sources.ranked.loc[candidates, "md_status"].value_counts(sort=False)
        ends = ", ".join(f"{count} {str(status).replace('_', ' ')}" for status, count in statuses.items())
        return [
            f"No candidate has a conductivity or a bound, so none is ranked (molecular dynamics: {ends})."
        ]
    n_ranked = int(sources.ranked["rank"].notna().sum())
    first, *others = sources.ranked[sources.ranked["rank"] <= 3].sort_values("rank").to_dict("records")
    sentence = (
        f"First of {n_ranked} ranked is {first['formula']} ({first['material_id']}), predicted at "
        f"{voltage(first['voltage_V'])} V "
        f"({interval(first['voltage_low_V'], first['voltage_high_V'], voltage)}), "
        f"{number(first['redox_capacity_vol_Ah_per_L'])} Ah/L within its redox couples and "
        f"{_conducts(first)}{_seen(first, sources)}"
    )
    if others:
        then = " and ".join(
            f"{row['formula']} ({row['material_id']}) with {voltage(row['voltage_V'])} V, "
            f"{number(row['redox_capacity_vol_Ah_per_L'])} Ah/L and {_conducts(row)}"
            for row in others
        )
        sentence += f"; then {then}"
    return [f"{sentence}."]


def _conducts(row: Mapping[Any, Any]) -> str:
    temperature = f"at {number(row['temperature_K'])} K"
    if row["conductivity_kind"] == "upper_bound":
        return f"less than {number(row['conductivity_high_mS_per_cm'], 2)} mS/cm {temperature}"
    spread = interval(
        row["conductivity_low_mS_per_cm"], row["conductivity_high_mS_per_cm"], lambda x: number(x, 2)
    )
    value = number(row["conductivity_mS_per_cm"], 2)
    return f"{value} mS/cm{f' ({spread})' if spread else ''} {temperature}"


def _why(sources: ReportSources) -> list[str]:
    """Why the first leads: the factors of its score, and the scores behind it."""
    if sources.ranked is None or sources.ranked["rank"].isna().all():
        return []
    first, *others = sources.ranked[sources.ranked["rank"] <= 3].sort_values("rank").to_dict("records")
    if not first["screen_score"]:
        return []
    passes = first["voltage_pass_probability"]
    behind = " and ".join(number(row["score"]) for row in others)
    return [
        f"It leads by the energy density to be expected of it: {number(passes, 2)} (the chance that its "
        f"voltage passes) × {number(first['screen_score'] / passes)} Wh/L × "
        f"{number(first['score'] / first['screen_score'], 2)} (for its conductivity) = "
        f"{number(first['score'])} Wh/L{f', against {behind}' if behind else ''}."
    ]


# By flag: said of one candidate, and of several.
_DOUBTS = {
    "upper_bound": ("moved too little for more than an upper bound of the conductivity",) * 2,
    "anion_redox": (
        "would need its anions oxidised for the full capacity",
        "would need their anions oxidised for the full capacity",
    ),
    "out_of_domain": (
        "lies far from what the voltage model was trained on",
        "lie far from what the voltage model was trained on",
    ),
    "opinions_differ": (
        "has a second voltage that contradicts the first",
        "have a second voltage that contradicts the first",
    ),
    "framework_collapsed": ("loses its framework when emptied", "lose their framework when emptied"),
}


def _uncertain(sources: ReportSources) -> list[str]:
    """What could overturn the ranking, counted over the ranked."""
    if sources.ranked is None or sources.ranked["rank"].isna().all():
        return []
    ranked = sources.ranked[sources.ranked["rank"].notna()]
    flags = ranked["flags"].str.split(";")
    counts = {name: sum(name in of for of in flags) for name in _DOUBTS}
    said = [f"{count} {_DOUBTS[name][count > 1]}" for name, count in counts.items() if count]
    if sources.validation_summary is not None:
        tiers = sources.validation_summary
        done = tiers[tiers["tier"].isin(["gpaw", "vasp"]) & tiers["computed_voltage_V"].notna()]
        computed = int(ranked["material_id"].isin(done["material_id"]).sum())
        of = "none" if not computed else str(computed)
        said.append(f"{of} ha{'s' if computed < 2 else 've'} a voltage from first principles")
    hot = number(ranked["temperature_K"].max())
    said.append(f"conductivities are of {hot} K, and a battery works at 300 K")
    return [f"Uncertain of the {len(ranked)} ranked: {'; '.join(said)}."]


def _collapsed(sources: ReportSources) -> list[str]:
    if sources.ranked is None:
        return []
    first = sources.ranked[sources.ranked["rank"] == 1]
    if first.empty or "framework_collapsed" not in first["flags"].iloc[0].split(";"):
        return []
    return [
        f"The host of {first['formula'].iloc[0]} did not survive full extraction in the universal potential."
    ]


def _seen(best: Mapping[Any, Any], sources: ReportSources) -> str:
    """From how many hops a conductivity follows: what few of them give, the next run may not repeat."""
    transport = sources.transport.get(best["material_id"], {})
    n_hops, n_ions = transport.get("n_hops"), transport.get("n_ions")
    return "" if n_hops is None or n_ions is None else f", from {n_hops} hops of {n_ions} ions"


def _not_commercial(sources: ReportSources) -> list[str]:
    candidates = counted(sources, "licence ")
    bound = sum(count for name, count in candidates.items() if NON_COMMERCIAL in name)
    electrodes = (sources.catalogue or {}).get("electrodes", {}).get("licences", {})
    bound += sum(count for name, count in electrodes.items() if NON_COMMERCIAL in name)
    if not bound:
        return []
    return [
        f"The licence of {plural(bound, 'crystal')} among the data bars commercial use (CC BY-NC), and so,"
        " perhaps, that of what is derived from them."
    ]


def counted(sources: ReportSources, prefix: str) -> dict[str, int]:
    """Numbers of candidates by what the catalogue counts under a prefix."""
    candidates = (sources.catalogue or {}).get("candidates") or {}
    return {name.removeprefix(prefix): count for name, count in candidates.items() if name.startswith(prefix)}


def _controls(sources: ReportSources) -> list[str]:
    missing = (sources.funnel or {}).get("missing_controls", [])
    if not missing:
        return []
    return [f"Not among the candidates, though listed under screen.controls: {', '.join(missing)}."]


def _model(sources: ReportSources) -> list[str]:
    scored = framework_scores(sources)
    if not scored:
        return []
    kinds = label_kinds(sources)
    labels = f" with {kinds} labels" if kinds else ""
    return [
        f"Voltages are predictions of a model trained on {plural(scored['count'], 'electrode')}{labels}; on "
        f"frameworks it never saw, its mean absolute error is {framework_mae(sources)}{_held(sources)}."
    ]


def framework_mae(sources: ReportSources) -> str:
    """``0.36 V (Na 0.47 V)``: error on held-out frameworks, of all ions and of the screened one."""
    protocol = (sources.metrics or {}).get("protocols", {}).get("framework", {})
    ion = str((sources.config or {}).get("working_ion", ""))
    of_ion = protocol.get("by_ion", {}).get(ion, {}).get("mae_V")
    of_all = f"{voltage(protocol['all']['mae_V'])} V"
    return of_all if of_ion is None else f"{of_all} ({ion} {voltage(of_ion)} V)"


def _held(sources: ReportSources) -> str:
    """How often the intervals held the label."""
    measured = (sources.metrics or {}).get("interval")
    if not measured:
        return ""
    return (
        f", and its intervals held {percent(measured['all']['coverage'])} % of the labels where "
        f"{percent(measured['nominal_coverage'])} % was the aim"
    )


def framework_scores(sources: ReportSources) -> Mapping[str, Any]:
    """Errors on held-out frameworks; empty where they are not known."""
    protocols = (sources.metrics or {}).get("protocols", {})
    return protocols.get("framework", {}).get("all", {})


def learned(sources: ReportSources) -> list[str]:
    """What a network without chemistry learned, counted; empty where that was not asked for."""
    summary = sources.interpretation
    if summary is None:
        return []
    ions = summary["working_ions_near_each_other"]
    together = ions["share"] > max(ions["chance_share"], ions["untrained_share"])
    return [
        f"Another network was trained on {plural(summary['electrodes'], 'electrode')} with random bits for "
        "each element, so that what it knows of chemistry it has learned from voltages.",
        _own_class("elements", "as their nearest element", summary["elements_of_own_class"]),
        _own_class(
            "host atoms in their surroundings",
            "as their nearest host atom of another element and framework",
            summary["host_environments_of_own_class"],
        ),
        _own_class(
            "atoms, working ions among them",
            "as their nearest atom of another element and framework",
            summary["environments_of_own_class"],
        ),
        f"Of {ions['count']} working ions, {percent(ions['share'])} % have a working ion as their nearest "
        f"atom of another element and framework; {percent(ions['chance_share'])} % would by chance, "
        f"{percent(ions['untrained_share'])} % do in the untrained network. They "
        f"{'keep together' if together else 'do not keep together'}.",
    ]


def _own_class(what: str, nearest: str, counted: Mapping[str, Any]) -> str:
    if counted["share"] <= counted["shuffled_high_share"]:
        verdict = "No more than chance allows"
    elif counted["share"] <= counted["untrained_share"]:
        verdict = "No more than without training"
    else:
        verdict = "Classes are learned"
    return (
        f"Of {counted['count']} {what}, {percent(counted['share'])} % have one of their own class {nearest}; "
        f"{percent(counted['shuffled_share'])} % do when classes are shuffled (up to "
        f"{percent(counted['shuffled_high_share'])} % in 97.5 % of shuffles), "
        f"{percent(counted['untrained_share'])} % in the untrained network. {verdict}."
    )


def composition(sources: ReportSources) -> list[str]:
    """How good voltages from formulas are, beside those from crystals; empty where it is not known."""
    metrics = sources.composition_metrics
    if metrics is None:
        return []
    scored, share = metrics["protocols"]["framework"]["all"], metrics["interval"]["all"]
    low_V, high_V = scored.get("mae_interval_V") or (None, None)
    spread = interval(low_V, high_V, voltage)
    of_crystals = framework_scores(sources).get("mae_V")
    beside = (
        ""
        if of_crystals is None
        else f"; the voltage model, which sees the crystal, has {voltage(of_crystals)} V"
    )
    return [
        f"From the charged and the discharged formula and the ion alone, the mean absolute error on hosts "
        f"never seen is {voltage(scored['mae_V'])} V{f' ({spread})' if spread else ''} over "
        f"{plural(scored['count'], 'electrode')}{beside}.",
        f"The intervals held {percent(share['coverage'])} % of the labels, where "
        f"{percent(metrics['interval']['nominal_coverage'])} % was the aim; in the ranking this voltage is a "
        "second opinion, for the extraction of all ions, and decides nothing.",
    ]


def prose(text: str) -> Markup:
    """Text of a table, escaped: code between backticks is marked up, and a lone hyphen is a dash."""
    if text == "-":
        return Markup(DASH)
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))


def label_kinds(sources: ReportSources) -> str:
    """What the training voltages are: ``CHGNet``, or several joined."""
    if sources.catalogue is None:
        return ""
    return ", ".join(sources.catalogue["electrodes"]["by_label_kind"])
