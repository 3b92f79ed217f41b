"""Predicted and computed voltages side by side: one row per finalist and tier, whatever became of it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from ionsieve.artifacts import read_json
from ionsieve.outcome import OK

DECOMPOSITION = "decomposition_energy_eV_per_atom"  # of the host that the universal potential charged
PREPARED, RUNNING, DONE, FAILED, STALE = "prepared", "running", "done", "failed", "stale"


def summary(
    shortlist: pd.DataFrame,
    digests: Mapping[str, str],
    tiers: Mapping[str, Mapping[str, Mapping[str, Any]]],
) -> pd.DataFrame:
    """Rows of :data:`ionsieve.tables.VALIDATION_SUMMARY`, finalists in the order of the shortlist.

    Parameters
    ----------
    shortlist : rows of :data:`ionsieve.tables.SCREENED`.
    digests : of each finalist's crystal as it is now (:func:`ionsieve.validation.pair.pair_digest`); a
        result that carries another one is ``stale``.
    tiers : result documents of each tier by material_id. A finalist without one gets no row.
    """
    rows = [
        _row(candidate, tier, documents[candidate["material_id"]], digests[candidate["material_id"]])
        for candidate in shortlist.to_dict("records")
        for tier, documents in tiers.items()
        if candidate["material_id"] in documents
    ]
    return pd.DataFrame(rows, columns=_COLUMNS)


def with_hulls(
    relaxed: Mapping[str, Mapping[str, Any]], hulls: Mapping[str, Mapping[str, Any]]
) -> dict[str, dict[str, Any]]:
    """Results of the universal potential by material_id, each with what its charged host's hull says."""
    return {
        name: {**document, DECOMPOSITION: hulls.get(name, {}).get(DECOMPOSITION)}
        for name, document in relaxed.items()
    }


def vasp_so_far(validation: Path, logs: Path, material_id: str) -> dict[str, Any] | None:
    """What is known of a candidate's VASP tier while a campaign runs.

    Parameters
    ----------
    validation, logs : folders of results and of the scripts' logs.

    Returns
    -------
    Its result, if there is one; else that of its inputs, with the state ``running`` once VASP was started;
    None where there are not even inputs.
    """
    folder = validation / material_id
    if (folder / "vasp.json").exists():
        return read_json(folder / "vasp.json")
    if not (folder / "validation.json").exists():
        return None
    prepared = read_json(folder / "validation.json")
    started = prepared["status"] == OK and (logs / "vasp_relax" / material_id).is_dir()
    return prepared | ({"state": RUNNING} if started else {})


_COLUMNS = [
    "material_id",
    "formula",
    "role",
    "tier",
    "status",
    "reason",
    "predicted_voltage_V",
    "computed_voltage_V",
    "disagreement_V",
    "volume_change",
    "framework_collapsed",
    "decomposition_energy_eV_per_atom",
    "label_kind",
]


def _row(candidate: Mapping[Any, Any], tier: str, document: Mapping[str, Any], digest: str) -> dict[str, Any]:
    status, reason = _status(document, digest)
    computed_V = document.get("voltage_V") if status == DONE else None
    return {
        **{name: candidate[name] for name in ("material_id", "formula", "role")},
        "tier": tier,
        "status": status,
        "reason": reason,
        "predicted_voltage_V": candidate["voltage_V"],
        "computed_voltage_V": computed_V,
        "disagreement_V": None if computed_V is None else computed_V - candidate["voltage_V"],
        **{
            name: document.get(name) if status == DONE else None
            for name in (
                "volume_change",
                "framework_collapsed",
                "decomposition_energy_eV_per_atom",
                "label_kind",
            )
        },
    }


def _status(document: Mapping[str, Any], digest: str) -> tuple[str, str | None]:
    if document["status"] != OK:
        return FAILED, document["reason"]
    if document.get("structure_digest", digest) != digest:
        return STALE, "computed for another crystal than the one of this id now: compute it again"
    return document.get("state", PREPARED), None
