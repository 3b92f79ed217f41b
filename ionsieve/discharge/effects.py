"""What each fix of the settings ``ionsieve`` is worth: all of them, and each switched off alone.

Scored on held-out synthetic cells, of compositions that the training did not have, and in the forecast of a
real cell where one is given.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import torch
from pymatgen.core import Composition

from ionsieve.discharge.cycling import canonical_composition
from ionsieve.discharge.forecast import (
    IONSIEVE_FORECASTER,
    PUBLISHED_FORECASTER,
    Forecaster,
    rolling_forecast,
)
from ionsieve.discharge.network import PUBLISHED, Settings
from ionsieve.discharge.points import Points
from ionsieve.discharge.splits import hold_out_compositions, number_of_metals
from ionsieve.discharge.training import Batcher, Member, predict_points, predict_with_graph, train_member
from ionsieve.discharge.transfer import SMALL, Experiment, synthetic_worlds

# What is switched back to, by the name of the fix that is missing then.
FIXES: Mapping[str, Mapping[str, Any]] = {
    "normalised amounts": {"normalised_amounts": False},
    "logarithm of the rate": {"log_rate": False},
    "no batch norm": {"batch_norm_encoders": True, "batch_norm_gates": True},
    "Q(V_high) = 0": {"zero_at_v_high": False},
    "Q(V) monotone": {"monotone": False},
    "fade linear in N - 1": {"cycle_in_gate": True},
    "cycles in units": {"cycle_unit": 1.0},
}
# Three rates, so that reading them matters; two metals, held-out compositions.
CELLS = Experiment(
    n_compositions={1: 6, 2: 80}, rates_mA_per_g=(20.0, 100.0, 500.0), members=1, three_body=0.0
)


@dataclass(frozen=True)
class Variant:
    """One row of the table: settings for many cells, and a forecaster for one."""

    name: str
    settings: Settings
    forecaster: Forecaster


def variants(fixes: Sequence[str] | None = None) -> list[Variant]:
    """``ionsieve``, it without each of the fixes, and ``published``; sizes are the same throughout."""
    chosen = list(FIXES) if fixes is None else fixes
    sizes = {name: getattr(SMALL, name) for name in ("layers", "heads", "message_features")}
    return [
        Variant("ionsieve", SMALL, IONSIEVE_FORECASTER),
        *(
            Variant(
                f"without {name}",
                replace(SMALL, **FIXES[name]),
                replace(IONSIEVE_FORECASTER, settings=replace(IONSIEVE_FORECASTER.settings, **FIXES[name])),
            )
            for name in chosen
        ),
        Variant("published", replace(PUBLISHED, **sizes), PUBLISHED_FORECASTER),
    ]


def effect_table(
    rows: Sequence[Variant],
    experiment: Experiment = CELLS,
    cell: pd.DataFrame | None = None,
    origins: Sequence[int] = (4, 8),
) -> pd.DataFrame:
    """Errors of each variant, one member each, in mAh/g over points.

    Parameters
    ----------
    experiment : which synthetic cells; cells of up to two metals are trained on, but for the held-out share.
    cell : a points table of one test to forecast from the given origins; None: no forecast.

    Returns
    -------
    Columns variant; held_out_mae (synthetic); doubled_mae (the same cells, formulas written twofold);
    rising_share (of held-out points where dQ/dV > 0); at_v_high (mean Q predicted at the upper limit); and
    with a cell forecast_mae (the network as it is) and anchored_mae (see :mod:`ionsieve.discharge.forecast`),
    means over all forecasts from the origins.
    """
    table = synthetic_worlds(experiment)[0.0]
    two = number_of_metals(table["composition"].tolist()) <= 2
    hidden = two & hold_out_compositions(table, experiment.held_out, experiment.seed)
    learned, held_out = Points.from_table(table[two & ~hidden]), table[hidden]
    records = []
    for row in rows:
        member = train_member(learned, row.settings, experiment.schedule, experiment.seed)
        record = {"variant": row.name, **_synthetic_scores(member, held_out)}
        if cell is not None:
            forecaster = replace(row.forecaster, members=1)
            errors = rolling_forecast(cell, {"net": forecaster}, origins, experiment.seed)
            means = errors.groupby("method")["mae_mAh_per_g"].mean()
            record |= {"forecast_mae": means["net"], "anchored_mae": means["net_anchored"]}
        records.append(record)
    return pd.DataFrame(records)


def _synthetic_scores(member: Member, held_out: pd.DataFrame) -> dict[str, float]:
    measured = held_out["capacity_mAh_per_g"].to_numpy(float)
    doubled = held_out.assign(composition=held_out["composition"].map(_twofold))
    at_limit = Points.from_table(held_out.assign(voltage_V=held_out["voltage_high_V"]))
    errors, errors_doubled = (
        np.abs(predict_points(member.network, Points.from_table(table)) - measured)
        for table in (held_out, doubled)
    )
    points = Points.from_table(held_out)
    compositions, conditions, _ = Batcher(points, member.network.settings).batch(np.arange(len(points)))
    slope = predict_with_graph(member.network, compositions, conditions, smoothness=False).slope
    return {
        "held_out_mae": float(errors.mean()),
        "doubled_mae": float(errors_doubled.mean()),
        "rising_share": float(torch.mean((slope > 0).float())),
        "at_v_high": float(np.abs(predict_points(member.network, at_limit)).mean()),
    }


def _twofold(formula: str) -> str:
    return canonical_composition((Composition(formula) * 2).formula)
