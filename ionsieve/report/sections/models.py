"""Model cards: what each model is, what it was trained on, how far to trust it."""

from collections.abc import Mapping
from typing import Any

from ionsieve.report import wording
from ionsieve.report.section import Section
from ionsieve.report.sources import SHARED_POTENTIAL, ReportSources, finalists

NEQUIP = "NequIP, an equivariant graph network"


def section(sources: ReportSources) -> Section:
    """A card for each model that predicted something on this page."""
    cards = [
        *_voltage_card("Voltage model", sources.voltage_card),
        *_voltage_card("Composition model", sources.composition_card),
        *_potential_cards(sources),
    ]
    return Section(name="models", anchor="models", title="Model cards", context={"cards": cards})


def _voltage_card(title: str, card: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    if card is None:
        return []
    scored = (card.get("metrics", {}).get("protocols", {}).get("framework") or {}).get("all")
    interval = card.get("metrics", {}).get("interval", {}).get("all")
    ions = ", ".join(f"{ion} {count}" for ion, count in sorted(card["electrodes_by_ion"].items()))
    facts = [
        ("what it is", card["model"]),
        ("predicts", card["label"]),
        ("trained on", f"{wording.plural(card['electrodes'], 'electrode')} ({ions})"),
        ("labels", ", ".join(f"{kind} {count}" for kind, count in sorted(card["label_kinds"].items()))),
        ("elements it has seen", " ".join(card["elements"])),
        (
            "error on frameworks never seen",
            f"MAE {wording.voltage(scored['mae_V'])} V, R² {wording.voltage(scored['r2'])}" if scored else "",
        ),
        (
            "intervals",
            f"{card['interval']['method']}; held {wording.percent(interval['coverage'])} % of the labels, "
            f"mean width {wording.voltage(interval['mean_width_V'])} V"
            if interval
            else card["interval"]["method"],
        ),
        ("not for", "other quantities than average voltages, electrolytes, rates or cycle life"),
        ("members, seed", f"{card['members']}, {card['seed']}"),
        ("training data, SHA-256", card["electrodes_sha256"]),
        ("versions", ", ".join(f"{name} {version}" for name, version in sorted(card["versions"].items()))),
    ]
    return [{"title": title, "facts": [(name, value) for name, value in facts if value]}]


def _potential_cards(sources: ReportSources) -> list[dict[str, Any]]:
    """Of the shared potential, or one card for all of the candidates' own."""
    documents = {name: document for name, document in sources.potentials.items() if document.get("metrics")}
    if not documents:
        return []
    named = dict(finalists(sources))
    errors = sorted((document["metrics"]["force_mae_eV_per_A"], name) for name, document in documents.items())
    best, worst = errors[0], errors[-1]
    potential = (sources.config or {}).get("potential") or {}
    of = (
        "one for all candidates"
        if SHARED_POTENTIAL in documents
        else "one for the candidate"
        if len(documents) == 1
        else f"one for each of {len(documents):,} candidates"
    )
    calculators = {str(document.get("calculator", NEQUIP)) for document in documents.values()}
    labels = {str(document["labels"]) for document in documents.values() if document.get("labels")}
    # A ready model, or a calculator by name, has no settings of a training.
    was_trained = any(document.get("training", True) for document in documents.values())
    slopes = [
        slope["slope"]
        for document in documents.values()
        if (slope := document.get("softening") or document.get("teacher_softening"))
    ]
    facts = [
        ("what it is", f"{', '.join(sorted(calculators))}; {of}"),
        ("mode", str(potential.get("mode") or "")),
        ("preset", str(potential.get("preset") or "") if was_trained else "none: nothing was trained here"),
        ("labels by", ", ".join(sorted(labels)) or str(potential.get("teacher") or "")),
        (
            "force MAE on held-out frames",
            f"{wording.number(best[0])} eV/Å"
            if len(errors) == 1
            else f"{wording.number(best[0])} eV/Å ({named.get(best[1], best[1])}) to "
            f"{wording.number(worst[0])} eV/Å ({named.get(worst[1], worst[1])})",
        ),
        (
            "slope of forces",
            f"{_range(slopes)}; below 1 is soft, and barriers come out too low" if slopes else "",
        ),
        ("not for", "other crystals than those it was trained for, melts, surfaces, charged defects"),
    ]
    return [{"title": "Interatomic potential", "facts": [(name, value) for name, value in facts if value]}]


def _range(values: list[float]) -> str:
    """``0.95 to 0.97``, or ``0.97`` where both ends read the same."""
    ends = dict.fromkeys(f"{value:.2f}" for value in (min(values), max(values)))
    return " to ".join(ends)
