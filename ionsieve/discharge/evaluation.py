"""How good predicted discharges are: capacity and average voltage of each, beside what needs no network.

As in the DRXNet paper, a discharge is scored by the capacity it gives between 2.0 and 4.4 V and by the
average voltage there (the energy over that capacity), within the first 50 cycles. Its baseline is the mean
absolute deviation: the error of one who knows the mean of the scored values. Persistence and linear fade,
which continue a test from the cycles that it has measured, stand beside it, since a cell that has been cycled
is its own best model; they cannot serve a composition that was never made. Intervals are over whole tests.
"""

from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from ionsieve.discharge.baselines import linear_fade, persistence
from ionsieve.discharge.splits import number_of_metals
from ionsieve.errors import DataError
from ionsieve.voltage.metrics import GroupBootstrap, interval

LOW_V, HIGH_V, LAST_CYCLE = 2.0, 4.4, 50
# Measured cycles of a scored test that persistence and linear fade start from.
KNOWN_CYCLES = 4
CYCLE_BOUNDS = (1, 2, 6, 11, 21, 31, LAST_CYCLE + 1)
SIGMA_BINS = 5
QUANTITIES = ("capacity_mAh_per_g", "average_voltage_V")


def window_summary(
    voltage_V: np.ndarray, capacity_mAh_per_g: np.ndarray, low_V: float = LOW_V, high_V: float = HIGH_V
) -> tuple[np.ndarray, np.ndarray]:
    """Capacity between two voltages, and the average voltage there, of one or several curves.

    Between points curves are straight. A profile that ends inside the window is taken to its end.

    Parameters
    ----------
    voltage_V : ascending, shape (V,).
    capacity_mAh_per_g : discharged down to each voltage, shape (..., V).

    Returns
    -------
    mAh/g and V, shape (...) each; both NaN where the profile does not overlap the window, the voltage NaN
    where no capacity is given either.
    """
    low_V, high_V = max(low_V, float(voltage_V[0])), min(high_V, float(voltage_V[-1]))
    if not low_V < high_V:
        nothing = np.full(capacity_mAh_per_g.shape[:-1], np.nan)
        return nothing, nothing.copy()
    inside = voltage_V[(voltage_V > low_V) & (voltage_V < high_V)]
    grid_V = np.concatenate([[low_V], inside, [high_V]])
    curves = np.apply_along_axis(lambda curve: np.interp(grid_V, voltage_V, curve), -1, capacity_mAh_per_g)
    steps = -np.diff(curves, axis=-1)
    capacity = curves[..., 0] - curves[..., -1]
    energy_mWh_per_g = (steps * (grid_V[:-1] + grid_V[1:]) / 2.0).sum(axis=-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        average_V = np.where(capacity > 0, energy_mWh_per_g / capacity, np.nan)
    return capacity, average_V


def discharges(
    points: pd.DataFrame, predicted_mAh_per_g: np.ndarray, rows: np.ndarray | None = None
) -> pd.DataFrame:
    """One row per discharge within the first 50 cycles: what was measured, what the ensemble says.

    Parameters
    ----------
    points : a points table, rows of one discharge together and ascending in voltage.
    predicted_mAh_per_g : of each member at each point, shape (M, P).
    rows : which points to take, bool, shape (P,); None: all.

    Returns
    -------
    Columns test_id, label, composition, n_metals, rate_mA_per_g, cycle and, for both of :data:`QUANTITIES`,
    the measured value, ``predicted_`` (mean over members) and ``sigma_`` (standard deviation over members).
    Values are NaN where the profile does not reach into the window.

    Raises
    ------
    DataError : shapes that do not fit, or no discharge left.
    """
    if predicted_mAh_per_g.ndim != 2 or predicted_mAh_per_g.shape[1] != len(points):
        raise DataError(
            f"predictions of the shape {predicted_mAh_per_g.shape} do not fit {len(points)} points; give"
            " (members, points)"
        )
    taken = points["cycle"].to_numpy() <= LAST_CYCLE
    taken &= True if rows is None else rows
    table = points.loc[taken]
    if table.empty:
        raise DataError(f"no point to score: the rows hold no cycle up to {LAST_CYCLE}")
    n_members = len(predicted_mAh_per_g)
    curves = np.vstack([table["capacity_mAh_per_g"].to_numpy(float), predicted_mAh_per_g[:, taken]])
    voltages_V = table["voltage_V"].to_numpy(float)
    records = []
    for _, places in table.groupby(["test_id", "cycle"], sort=True).indices.items():
        first = table.iloc[places[0]]
        summary = window_summary(voltages_V[places], curves[:, places])
        record = {name: first[name] for name in ("test_id", "label", "composition", "rate_mA_per_g", "cycle")}
        for quantity, values in zip(QUANTITIES, summary, strict=True):
            record[quantity] = values[0]
            record[f"predicted_{quantity}"] = values[1:].mean()
            record[f"sigma_{quantity}"] = values[1:].std() if n_members > 1 else np.nan
        records.append(record)
    result = pd.DataFrame(records)
    result.insert(3, "n_metals", number_of_metals(result["composition"].tolist()))
    return result


def with_baselines(
    scored: pd.DataFrame, known: pd.DataFrame | None = None, n_known: int = KNOWN_CYCLES
) -> pd.DataFrame:
    """The same discharges with what persistence and linear fade say of them.

    Parameters
    ----------
    scored : of :func:`discharges`.
    known : measured discharges of the same tests that are not scored (their trained first cycles); None:
        none.
    n_known : measured cycles of a test that both baselines may read, its first ones.

    Returns
    -------
    Added columns ``persistence_`` and ``linear_fade_`` of both :data:`QUANTITIES`, NaN for the cycles that
    the baselines read and for tests without them.
    """
    measured = scored if known is None else pd.concat([known, scored], ignore_index=True)
    measured = measured.sort_values(["test_id", "cycle"]).set_index("test_id")
    result = scored.copy()
    for quantity in QUANTITIES:
        columns = {name: np.full(len(scored), np.nan) for name in ("persistence", "linear_fade")}
        for test, places in scored.groupby("test_id").indices.items():
            history = measured.loc[[test]].dropna(subset=[quantity]).iloc[:n_known]
            cycles = scored["cycle"].to_numpy()[places]
            later = cycles > (history["cycle"].max() if len(history) == n_known else np.inf)
            if later.any():
                values = history[quantity].to_numpy(float)
                ahead = cycles[later]
                columns["persistence"][places[later]] = persistence(values, len(ahead))
                columns["linear_fade"][places[later]] = linear_fade(
                    history["cycle"].to_numpy(), values, ahead, last=n_known
                )
        for name, column in columns.items():
            result[f"{name}_{quantity}"] = column
    return result


def error_table(scored: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Errors of the ensemble and of the baselines, each on the same discharges.

    Parameters
    ----------
    scored : of :func:`with_baselines`.
    seed : of the bootstrap over tests.

    Returns
    -------
    Columns quantity, rows ("all" discharges, or those "after_known_cycles", where persistence and linear fade
    exist), method ("model", "MAD", "persistence", "linear_fade"), count, tests, mae, rmse, mae_low, mae_high
    (95 % interval over tests); errors in the unit of the quantity. Discharges without a value are left
    out and counted in ``not_scored``.
    """
    records: list[dict[str, Any]] = []
    for quantity in QUANTITIES:
        exists = scored[[quantity, f"predicted_{quantity}"]].notna().all(axis=1)
        continued = exists & scored[[f"persistence_{quantity}", f"linear_fade_{quantity}"]].notna().all(
            axis=1
        )
        for rows, chosen in (("all", exists), ("after_known_cycles", continued)):
            part = scored[chosen]
            if part.empty:
                continue
            measured = part[quantity].to_numpy(float)
            predictions = {
                "model": part[f"predicted_{quantity}"].to_numpy(float),
                "MAD": np.full(len(part), measured.mean()),
            }
            if rows == "after_known_cycles":
                predictions |= {
                    name: part[f"{name}_{quantity}"].to_numpy(float)
                    for name in ("persistence", "linear_fade")
                }
            bootstrap = GroupBootstrap(part["test_id"].to_numpy(), seed)
            errors = np.stack(list(predictions.values()), axis=1) - measured[:, None]
            draws = bootstrap.means(np.abs(errors), np.ones(len(part), dtype=bool))
            for place, method in enumerate(predictions):
                low, high = interval(draws[:, place])
                records.append(
                    {
                        "quantity": quantity,
                        "rows": rows,
                        "method": method,
                        "count": len(part),
                        "not_scored": int(len(scored) - exists.sum()),
                        "tests": part["test_id"].nunique(),
                        "mae": float(np.abs(errors[:, place]).mean()),
                        "rmse": float(np.sqrt((errors[:, place] ** 2).mean())),
                        "mae_low": low,
                        "mae_high": high,
                    }
                )
    return pd.DataFrame(records)


def error_by_cycle(scored: pd.DataFrame) -> pd.DataFrame:
    """Error of the ensemble against the cycle.

    Returns
    -------
    Columns quantity, first_cycle, last_cycle, count, mae, bias (predicted less measured); ranges of cycles
    without a discharge are left out.
    """
    bins = np.digitize(scored["cycle"], CYCLE_BOUNDS) - 1
    records = []
    for quantity in QUANTITIES:
        errors = (scored[f"predicted_{quantity}"] - scored[quantity]).to_numpy(float)
        for place, (first, after) in enumerate(pairwise(CYCLE_BOUNDS)):
            of_bin = errors[(bins == place) & np.isfinite(errors)]
            if len(of_bin):
                records.append(
                    {
                        "quantity": quantity,
                        "first_cycle": first,
                        "last_cycle": after - 1,
                        "count": len(of_bin),
                        "mae": float(np.abs(of_bin).mean()),
                        "bias": float(of_bin.mean()),
                    }
                )
    return pd.DataFrame(records)


def error_by_sigma(scored: pd.DataFrame, n_bins: int = SIGMA_BINS) -> pd.DataFrame:
    """Error of the ensemble against its own spread, in bins of equally many discharges.

    Returns
    -------
    Columns quantity, sigma (mean of the bin), count, mae, rank_correlation (Spearman's, of sigma and absolute
    error over all discharges; the same in all rows of a quantity). A spread that means something
    rises with the error. Nothing for an ensemble of one.
    """
    records = []
    for quantity in QUANTITIES:
        errors = (scored[f"predicted_{quantity}"] - scored[quantity]).abs()
        sigma = scored[f"sigma_{quantity}"]
        exists = errors.notna() & sigma.notna()
        if exists.sum() < 2:
            continue
        rank_correlation = float(sigma[exists].corr(errors[exists], method="spearman"))
        order = np.argsort(sigma[exists].to_numpy(), kind="stable")
        for places in np.array_split(order, min(n_bins, len(order))):
            records.append(
                {
                    "quantity": quantity,
                    "sigma": float(sigma[exists].to_numpy()[places].mean()),
                    "count": len(places),
                    "mae": float(errors[exists].to_numpy()[places].mean()),
                    "rank_correlation": rank_correlation,
                }
            )
    return pd.DataFrame(records)
