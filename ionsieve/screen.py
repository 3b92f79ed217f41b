"""The funnel: from predicted voltages to a ranked shortlist.

Candidates stream through bucket by bucket; only those that pass stay in memory. Capacities are those
of full extraction from the discharged cell, and voltage refers to the same extraction. Each step of
the funnel counts what it removed and says why.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pymatgen.analysis.structure_matcher import StructureMatcher
from pymatgen.core import Composition
from pymatgen.io.cif import CifWriter
from scipy.stats import norm

from ionsieve import structures, tables
from ionsieve.artifacts import replace_if_changed
from ionsieve.electrochemistry import (
    framework_formula,
    gravimetric_capacity,
    redox_limited_ions,
    volumetric_capacity,
)

# Two records of one crystal from two databases differ by less than this in volume per atom.
DUPLICATE_VOLUME_TOLERANCE = 0.1
HISTOGRAM_BIN_V = 0.25


@dataclass(frozen=True, kw_only=True)
class Thresholds:
    """The funnel's limits; see :class:`ionsieve.config.ScreenConfig`."""

    min_voltage_V: float
    max_voltage_V: float
    min_voltage_probability: float | None
    min_capacity_vol_Ah_per_L: float
    min_capacity_grav_mAh_per_g: float
    min_redox_capacity_vol_Ah_per_L: float
    min_energy_density_Wh_per_kg: float
    exclude_elements: Sequence[str]


@dataclass
class Funnel:
    """What each step let through, in order (controls apart), and the voltages of all that came in."""

    removed: Counter[str] = field(default_factory=Counter)
    considered: int = 0
    voltage_histogram: dict[str, Counter[float]] = field(default_factory=lambda: defaultdict(Counter))


def screen(
    shards: Iterable[tuple[pd.DataFrame, pd.DataFrame]],
    working_ion: str,
    thresholds: Thresholds,
    controls: Sequence[str],
) -> tuple[pd.DataFrame, pd.DataFrame, dict[str, Any]]:
    """Sieve candidates.

    Parameters
    ----------
    shards : pairs of (candidates, predictions), tables CANDIDATES and PREDICTIONS with the same ids.
    controls : ids kept whatever the funnel says.

    Returns
    -------
    screened : rows of :data:`ionsieve.tables.SCREENED`, best score first; controls come last.
    crystals : the structure columns of the same ids.
    funnel : counts and reasons, voltage histograms by source, controls that were not found.
    """
    funnel = Funnel()
    survivors: list[dict[str, Any]] = []
    references: list[dict[str, Any]] = []
    for candidates, predictions in shards:
        merged = candidates.merge(predictions, on="material_id", how="left", validate="one_to_one")
        for row in merged.to_dict("records"):
            properties = describe({str(key): value for key, value in row.items()}, working_ion, thresholds)
            funnel.voltage_histogram[row["source"]][_histogram_bin(row["voltage_V"])] += 1
            if row["material_id"] in controls:
                references.append({**properties, "role": "control"})
                continue
            funnel.considered += 1
            step = _first_step_failed(properties, thresholds)
            if step is None:
                survivors.append({**properties, "role": "candidate"})
            else:
                funnel.removed[step] += 1
    survivors.sort(key=_order)
    distinct = _without_duplicates(survivors)
    funnel.removed["duplicate"] = len(survivors) - len(distinct)
    chosen = pd.DataFrame(
        [*distinct, *sorted(references, key=_order)],
        columns=[*tables.SCREENED.names, "numbers", "cell", "frac_coords"],
    )
    missing = sorted(set(controls) - {row["material_id"] for row in references})
    return (
        chosen[tables.SCREENED.names].astype({"in_domain": bool, "known": bool, "anion_redox": bool}),
        chosen[["material_id", "numbers", "cell", "frac_coords"]],
        _funnel_document(funnel, working_ion, thresholds, missing),
    )


def shortlist(screened: pd.DataFrame, max_candidates: int) -> pd.DataFrame:
    """The first ``max_candidates`` candidates and all controls."""
    candidates = screened[screened["role"] == "candidate"].head(max_candidates)
    return pd.concat([candidates, screened[screened["role"] == "control"]], ignore_index=True)


def describe(row: Mapping[str, Any], working_ion: str, thresholds: Thresholds) -> dict[str, Any]:
    """Capacities, energy densities, pass probability and score of one candidate with its prediction."""
    composition = structures.composition_of(row["numbers"])
    volume_A3 = structures.volume_A3(row["cell"])
    n_ions = float(composition[working_ion])
    mass_g_per_mol = float(composition.weight)
    n_redox = _redox_limited_fraction(composition.reduced_formula, working_ion) * n_ions
    capacity_vol = volumetric_capacity(n_ions, working_ion, volume_A3)
    capacity_grav = gravimetric_capacity(n_ions, working_ion, mass_g_per_mol)
    redox_vol = volumetric_capacity(n_redox, working_ion, volume_A3)
    voltage_V = float(row["voltage_V"])
    sigma_V = max(float(row["voltage_sigma_V"]), 1e-6)
    passes = norm.cdf(thresholds.max_voltage_V, voltage_V, sigma_V) - norm.cdf(
        thresholds.min_voltage_V, voltage_V, sigma_V
    )
    return {
        **{name: row[name] for name in tables.SCREENED.names if name in row},
        **{name: row[name] for name in ("numbers", "cell", "frac_coords")},
        "framework": framework_formula(composition, working_ion),
        "n_sites": len(row["numbers"]),
        "volume_A3": volume_A3,
        "voltage_pass_probability": float(passes),
        "capacity_grav_mAh_per_g": capacity_grav,
        "capacity_vol_Ah_per_L": capacity_vol,
        "redox_capacity_grav_mAh_per_g": gravimetric_capacity(n_redox, working_ion, mass_g_per_mol),
        "redox_capacity_vol_Ah_per_L": redox_vol,
        "energy_density_Wh_per_kg": voltage_V * capacity_grav,
        "energy_density_Wh_per_L": voltage_V * capacity_vol,
        "anion_redox": n_redox < n_ions * (1 - 1e-9),
        "screen_score": float(passes) * max(voltage_V, 0.0) * redox_vol,
    }


# Name, the sentence for the report, and the property that is compared with its limit; in the order of the
# funnel.
_STEPS = (
    ("excluded_element", "holds an element that screen.exclude_elements leaves out", None),
    ("voltage_low", "predicted voltage at or below screen.min_voltage_V", "voltage_V"),
    ("voltage_high", "predicted voltage above screen.max_voltage_V", "voltage_V"),
    (
        "voltage_probability",
        "P(voltage in the window) below screen.min_voltage_probability",
        "voltage_pass_probability",
    ),
    (
        "capacity_vol",
        "volumetric capacity at or below screen.min_capacity_vol_Ah_per_L",
        "capacity_vol_Ah_per_L",
    ),
    (
        "capacity_grav",
        "gravimetric capacity below screen.min_capacity_grav_mAh_per_g",
        "capacity_grav_mAh_per_g",
    ),
    (
        "redox_capacity",
        "redox-limited capacity below screen.min_redox_capacity_vol_Ah_per_L",
        "redox_capacity_vol_Ah_per_L",
    ),
    (
        "energy_density",
        "energy density below screen.min_energy_density_Wh_per_kg",
        "energy_density_Wh_per_kg",
    ),
    ("duplicate", "same crystal as a candidate that ranks before it", None),
)


@dataclass(frozen=True)
class Stop:
    """Where the funnel stopped a candidate.

    Attributes
    ----------
    step : its name.
    why : in words, with the key of the configuration.
    column : of the table, that was compared; None where no number was.
    value : of that column.
    limit : that it was compared with.
    """

    step: str
    why: str
    column: str | None
    value: float | None
    limit: float | None


def stopped_at(properties: Mapping[str, Any], limits: Thresholds) -> Stop | None:
    """The first step that a candidate fails, with its number; None where it passes (duplicates apart).

    Parameters
    ----------
    properties : what :func:`describe` gives.
    """
    failed = _first_step_failed(properties, limits)
    for step, why, column in _STEPS:
        if step == failed:
            key = why.partition("screen.")[2]
            value, limit = (None, None) if column is None else (properties[column], getattr(limits, key))
            return Stop(step, why, column, value, limit)
    return None


def _first_step_failed(properties: Mapping[str, Any], limits: Thresholds) -> str | None:
    elements = {structures.chemical_symbols[number] for number in properties["numbers"]}
    likely = limits.min_voltage_probability
    failed = {
        "excluded_element": not elements.isdisjoint(limits.exclude_elements),
        "voltage_low": likely is None and not properties["voltage_V"] > limits.min_voltage_V,
        "voltage_high": likely is None and properties["voltage_V"] > limits.max_voltage_V,
        "voltage_probability": likely is not None and properties["voltage_pass_probability"] < likely,
        "capacity_vol": not properties["capacity_vol_Ah_per_L"] > limits.min_capacity_vol_Ah_per_L,
        "capacity_grav": properties["capacity_grav_mAh_per_g"] < limits.min_capacity_grav_mAh_per_g,
        "redox_capacity": properties["redox_capacity_vol_Ah_per_L"] < limits.min_redox_capacity_vol_Ah_per_L,
        "energy_density": properties["energy_density_Wh_per_kg"] < limits.min_energy_density_Wh_per_kg,
    }
    return next((name for name, *_ in _STEPS if failed.get(name)), None)


def _order(row: Mapping[str, Any]) -> tuple[float, str]:
    return -row["screen_score"], row["material_id"]


def _without_duplicates(ranked: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Keep the first of several records of one crystal (pymatgen's StructureMatcher, scaled volumes)."""
    matcher = StructureMatcher()
    kept_by_formula: dict[str, list[tuple[float, Any]]] = defaultdict(list)
    distinct = []
    for row in ranked:
        structure = structures.to_structure(row)
        volume_per_atom = row["volume_A3"] / row["n_sites"]
        twins = kept_by_formula[row["formula"]]
        if any(
            abs(other_volume / volume_per_atom - 1) < DUPLICATE_VOLUME_TOLERANCE
            and matcher.fit(structure, other)
            for other_volume, other in twins
        ):
            continue
        twins.append((volume_per_atom, structure))
        distinct.append(row)
    return distinct


@lru_cache(maxsize=100_000)
def _redox_limited_fraction(formula: str, working_ion: str) -> float:
    composition = Composition(formula)
    return redox_limited_ions(composition, working_ion) / float(composition[working_ion])


def _histogram_bin(voltage_V: float) -> float:
    return float(np.floor(voltage_V / HISTOGRAM_BIN_V) * HISTOGRAM_BIN_V)


def _funnel_document(
    funnel: Funnel, working_ion: str, thresholds: Thresholds, missing_controls: list[str]
) -> dict[str, Any]:
    steps, remaining = [], funnel.considered
    for name, why, _ in _STEPS:
        remaining -= funnel.removed[name]
        steps.append({"name": name, "why": why, "removed": funnel.removed[name], "remaining": remaining})
    return {
        "working_ion": working_ion,
        "considered": funnel.considered,
        "steps": steps,
        "thresholds": {**vars(thresholds), "exclude_elements": list(thresholds.exclude_elements)},
        "voltage_histogram": {
            "bin_V": HISTOGRAM_BIN_V,
            "by_source": {
                source: {str(edge): count for edge, count in sorted(counts.items())}
                for source, counts in sorted(funnel.voltage_histogram.items())
            },
        },
        "missing_controls": missing_controls,
    }


def read_shards(
    candidates: Sequence[Path | str], predictions: Sequence[Path | str]
) -> Iterator[tuple[pd.DataFrame, pd.DataFrame]]:
    """Pairs of (candidates, predictions), one bucket in memory at a time."""
    for candidate_path, prediction_path in zip(candidates, predictions, strict=True):
        yield (
            tables.read_table(candidate_path, tables.CANDIDATES),
            tables.read_table(prediction_path, tables.PREDICTIONS),
        )


def write_structures(crystals: pd.DataFrame, material_ids: Iterable[str], folder: Path) -> None:
    """One CIF per id; an unchanged crystal keeps its file and date, and with it its potential and MD.

    The CIF holds the structure only: no rank, no voltage.
    """
    folder.mkdir(parents=True, exist_ok=True)
    columns = dict(zip(crystals["material_id"], crystals.itertuples(index=False), strict=True))
    for material_id in material_ids:
        structure = structures.to_structure(columns[material_id]._asdict())
        writer = CifWriter(structure, significant_figures=10)
        replace_if_changed(folder / f"{material_id}.cif", writer.write_file)
