"""The final ranking: shortlist, transport and validation in one table, with one score.

    score = P(voltage passes) x redox-limited energy density x P(conductivity passes) x w(300 K)

in Wh/L: the energy density to be expected of a material that may turn out unusable. The first two
factors are the shortlist's ``screen_score``.

P(conductivity passes)
    The conductivity is read as log-normal. Its width joins the 95 % interval, which is symmetric in the
    logarithm and knows the statistics of one run only, with a factor POTENTIAL_FACTOR for the potential.
    Without the second, a value just below the threshold would score less than a bound far below it. An
    upper bound is the 95 % end of such a distribution: at most 5 % where it lies below the threshold;
    one above it says nothing, which is one half.

w(300 K)
    At 1200 K most solids conduct; a battery works at 300 K. Where enough temperatures for a barrier were
    run, the extrapolated conductivity s enters as s / (s + USEFUL_300K_MS_PER_CM); without a fit it is one
    half, not knowing. With fewer temperatures nothing was asked and the factor is one.

Whoever has no conductivity (melted, diffusing host, unstable, failed, rejected potential, not run) has
no score and no rank; controls are references and have none either.
"""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from scipy.stats import norm

from ionsieve import tables
from ionsieve.artifacts import write_text
from ionsieve.outcome import OK
from ionsieve.transport.arrhenius import MIN_TEMPERATURES

MISSING = "missing"
UNKNOWN = 0.5
# One standard deviation between potentials: 0.07 eV of barrier, common for learned ones, at 1200 K.
POTENTIAL_FACTOR = 2.0
USEFUL_300K_MS_PER_CM = 0.01  # D = 4e-11 cm2/s for 1e22 Mg/cm3: minutes across a micrometre
TWO_SIDED_95 = float(norm.ppf(0.975))
ONE_SIDED_95 = float(norm.ppf(0.95))

_TRANSPORT_COLUMNS = (
    "temperature_K",
    "conductivity_mS_per_cm",
    "conductivity_low_mS_per_cm",
    "conductivity_high_mS_per_cm",
    "conductivity_kind",
    "diffusivity_cm2_per_s",
    "activation_energy_eV",
    "conductivity_300K_mS_per_cm",
    "migration_barrier_eV",
)
_SECOND_OPINION_COLUMNS = (
    "composition_voltage_V",
    "composition_voltage_low_V",
    "composition_voltage_high_V",
)


def rank(
    shortlist: pd.DataFrame,
    transport: Mapping[str, Mapping[str, Any]],
    validation: Mapping[str, Mapping[str, Any]],
    universal_potential: Mapping[str, Mapping[str, Any]],
    second_opinion: Mapping[str, Mapping[str, Any]],
    potential_force_mae_eV_per_A: Mapping[str, float | None],
    min_conductivity_mS_per_cm: float,
) -> pd.DataFrame:
    """Rank the shortlist.

    Parameters
    ----------
    shortlist : rows of :data:`ionsieve.tables.SCREENED`, controls among them.
    transport, validation, universal_potential : result documents by material_id; what is missing counts as
        not run.
    second_opinion : rows of :data:`ionsieve.tables.SECOND_OPINION` by material_id.
    potential_force_mae_eV_per_A : held-out force error of the potential behind each candidate's MD.

    Returns
    -------
    Rows of :data:`ionsieve.tables.RANKED`: ranked candidates by score, then the unranked by their
    screen score, then controls.
    """
    rows = [
        _row(
            {str(key): _plain(value) for key, value in candidate.items()},
            transport.get(candidate["material_id"], {}),
            validation.get(candidate["material_id"], {}),
            universal_potential.get(candidate["material_id"], {}),
            second_opinion.get(candidate["material_id"], {}),
            potential_force_mae_eV_per_A.get(candidate["material_id"]),
            min_conductivity_mS_per_cm,
        )
        for candidate in shortlist.to_dict("records")
    ]
    rows.sort(key=_order)
    for place, row in enumerate((row for row in rows if row["score"] is not None), start=1):
        row["rank"] = place
    return tables.to_arrow(rows, tables.RANKED).to_pandas(types_mapper=_nullable)


def conductivity_pass_probability(
    transport: Mapping[str, Any], min_conductivity_mS_per_cm: float
) -> float | None:
    """P(conductivity at or above the threshold); None where there is neither value nor bound."""
    kind = transport.get("conductivity_kind")
    value = transport.get("conductivity_mS_per_cm")
    low, high = (transport.get(f"conductivity_{end}_mS_per_cm") for end in ("low", "high"))
    if kind is None:
        return None
    if min_conductivity_mS_per_cm <= 0:
        return 1.0
    potential_width = math.log(POTENTIAL_FACTOR)
    if kind == "upper_bound":
        if high is None or high >= min_conductivity_mS_per_cm:
            return UNKNOWN
        distance = math.log(min_conductivity_mS_per_cm / high) / potential_width if high > 0 else math.inf
        return float(norm.sf(ONE_SIDED_95 + distance))
    if value is None or value <= 0:
        return None
    statistical_width = math.log(high / low) / (2 * TWO_SIDED_95) if low and high else 0.0
    distance = math.log(value / min_conductivity_mS_per_cm) / math.hypot(statistical_width, potential_width)
    return float(norm.cdf(distance))


def room_temperature_weight(transport: Mapping[str, Any]) -> float:
    """Factor between 0 and 1 for the conductivity at 300 K; see the module's notes."""
    if len(transport.get("temperatures") or []) < MIN_TEMPERATURES:
        return 1.0
    conductivity = transport.get("conductivity_300K_mS_per_cm")
    if conductivity is None:
        return UNKNOWN
    return conductivity / (conductivity + USEFUL_300K_MS_PER_CM)


def as_csv(ranked: pd.DataFrame) -> str:
    """The ranked table as CSV; six significant digits, so that noise in the last bit stays out."""
    return ranked.to_csv(index=False, float_format="%.6g", lineterminator="\n")


def write_csv(ranked: pd.DataFrame, path: Path | str) -> None:
    """Write the ranked table as CSV."""
    write_text(path, as_csv(ranked))


def _row(
    candidate: Mapping[str, Any],
    transport: Mapping[str, Any],
    validation: Mapping[str, Any],
    universal_potential: Mapping[str, Any],
    second_opinion: Mapping[str, Any],
    force_mae: float | None,
    min_conductivity_mS_per_cm: float,
) -> dict[str, Any]:
    md_status = transport.get("status", MISSING)
    succeeded = md_status == OK
    measured = {name: transport.get(name) if succeeded else None for name in _TRANSPORT_COLUMNS}
    measured["temperature_K"] = transport.get("temperature_K")
    reason = transport.get("reason") if transport else "no result of molecular dynamics yet"
    relaxed_V = universal_potential.get("voltage_V")
    collapsed = bool(universal_potential.get("framework_collapsed"))
    score = None
    if succeeded and candidate["role"] == "candidate":
        passes = conductivity_pass_probability(transport, min_conductivity_mS_per_cm)
        if passes is not None:
            score = candidate["screen_score"] * passes * room_temperature_weight(transport)
        else:
            reason = "molecular dynamics gave neither a conductivity nor a bound"
    return {
        "rank": None,
        **candidate,
        **measured,
        "potential_force_mae_eV_per_A": force_mae,
        "md_status": md_status,
        "md_reason": reason,
        "validation_status": _validation_status(validation),
        "universal_potential_voltage_V": relaxed_V,
        "voltage_disagreement_V": None if relaxed_V is None else relaxed_V - candidate["voltage_V"],
        **{name: second_opinion.get(name) for name in _SECOND_OPINION_COLUMNS},
        "score": score,
        "flags": ";".join(
            _flags(candidate, second_opinion, measured, md_status, collapsed, min_conductivity_mS_per_cm)
        ),
    }


def _validation_status(validation: Mapping[str, Any]) -> str:
    if not validation:
        return MISSING
    return validation.get("state", "prepared") if validation["status"] == OK else "failed"


def _flags(
    candidate: Mapping[str, Any],
    second_opinion: Mapping[str, Any],
    measured: Mapping[str, Any],
    md_status: str,
    collapsed: bool,
    min_conductivity_mS_per_cm: float,
) -> Sequence[str]:
    bound = measured["conductivity_kind"] == "upper_bound"
    value = measured["conductivity_mS_per_cm"]
    present = {
        "control": candidate["role"] == "control",
        "known": candidate["known"],
        "out_of_domain": not candidate["in_domain"],
        "anion_redox": candidate["anion_redox"],
        "hull_unknown": candidate["energy_above_hull_eV_per_atom"] is None,
        "opinions_differ": _opinions_differ(candidate, second_opinion),
        "upper_bound": bound,
        "low_conductivity": value is not None and value < min_conductivity_mS_per_cm,
        "framework_collapsed": collapsed,
        md_status: md_status != OK,
    }
    return [name for name, is_set in present.items() if is_set]


def _opinions_differ(candidate: Mapping[str, Any], second_opinion: Mapping[str, Any]) -> bool:
    """Whether the voltage from the crystal and that from the formula have intervals that do not overlap."""
    if not second_opinion:
        return False
    return bool(
        second_opinion["composition_voltage_high_V"] < candidate["voltage_low_V"]
        or second_opinion["composition_voltage_low_V"] > candidate["voltage_high_V"]
    )


def _order(row: Mapping[str, Any]) -> tuple[bool, bool, float, str]:
    unranked = row["score"] is None
    score = row["screen_score"] if unranked else row["score"]
    return row["role"] == "control", unranked, -score, row["material_id"]


def _plain(value: Any) -> Any:
    """None for pandas' missing values, which an Arrow column of text or numbers calls null."""
    return None if pd.api.types.is_scalar(value) and pd.isna(value) else value


def _nullable(arrow_type: Any) -> Any:
    """An integer column with empty cells stays an integer one: a rank of 1, not 1.0."""
    import pyarrow as pa

    return pd.Int64Dtype() if arrow_type == pa.int64() else None
