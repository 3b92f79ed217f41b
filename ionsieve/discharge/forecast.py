"""Rolling forecast of one cell: train on its cycles 1 ... k, predict the later ones, for every k.

Scored as the mean absolute error of the capacity over the points of a measured cycle, in mAh/g, beside
persistence and the straight line through the last four cycles. Of each network four forecasts are made:

``X``             the network's curve as it is.
``X_anchored``    the last measured curve and what the network says has changed since: Q_k + f(N) - f(k).
                  What the network misses in a curve's shape cancels.
``X_residual``    the network's curve and the straight line through what it misses in the last four measured
                  cycles.
``X_and_line``    the mean of ``X_anchored`` and the straight line, which err in different ways (Bates and
                  Granger, Oper. Res. Q. 20, 451 (1969)): the network fades evenly over all measured cycles,
                  the line as the last four.

``selected`` is, for each k, the forecast that did best when cycles 1 ... j had to tell those up to k, for all
j < k: what a user can do at cycle k. It never looks at a cycle that it is scored on. The straight line wins
ties, and stands in while there is nothing to select by.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from ionsieve.discharge.baselines import linear_fade, persistence
from ionsieve.discharge.loss import LossWeights
from ionsieve.discharge.network import IONSIEVE, PUBLISHED, Settings
from ionsieve.discharge.points import Points
from ionsieve.discharge.training import Schedule, predict_points, train_member
from ionsieve.errors import DataError

PERSISTENCE, LINE, SELECTED = "persistence", "linear_fade", "selected"
# From one cycle no method can tell how a cell fades.
_FIRST_ORIGIN_TO_SELECT_BY = 2


@dataclass(frozen=True)
class Forecaster:
    """A network and how it is trained on one cell: in batches of points that are fewer than a data set's.

    Attributes
    ----------
    least_steps : of the optimiser; the few points of a cell that has just been put on test are read in more
        epochs than the schedule has, and the learning rate falls as far.
    members : of the ensemble.
    """

    settings: Settings
    schedule: Schedule
    least_steps: int
    members: int


# The released example's schedule for this task. Its loss has the smoothness term, though one composition has
# nothing to be smooth over.
PUBLISHED_FORECASTER = Forecaster(
    PUBLISHED,
    Schedule(epochs=40, batch_size=32, weights=LossWeights(first_capacity=1.0)),
    least_steps=0,
    members=1,
)
# Of one composition there is nothing to learn: its network is as small as it gets, and its smoothness is left
# out. Ten cycles count as one, since the first few must show the fade. With 240 steps the fade was not found.
IONSIEVE_FORECASTER = Forecaster(
    replace(IONSIEVE, layers=1, heads=1, message_features=16, cycle_unit=10.0),
    Schedule(epochs=40, batch_size=50, learning_rate=5e-3, decay=0.93, weights=LossWeights(smoothness=0.0)),
    least_steps=640,
    members=3,
)
FORECASTERS: Mapping[str, Forecaster] = {
    "published": PUBLISHED_FORECASTER,
    "ionsieve": IONSIEVE_FORECASTER,
}


class Curves:
    """One cell's discharges, each on its own voltages; also those that a network says."""

    def __init__(self, points: pd.DataFrame, capacity_mAh_per_g: np.ndarray) -> None:
        cycles = points["cycle"].to_numpy()
        voltages_V = points["voltage_V"].to_numpy(float)
        self._curve = {
            int(cycle): (voltages_V[cycles == cycle], capacity_mAh_per_g[cycles == cycle])
            for cycle in np.unique(cycles)
        }

    @property
    def cycles(self) -> list[int]:
        """Ascending."""
        return list(self._curve)

    def own(self, cycle: int) -> np.ndarray:
        """mAh/g at the cycle's own voltages."""
        return self._curve[cycle][1]

    def at(self, cycle: int, of: int) -> np.ndarray:
        """Capacity in ``cycle`` at the voltages of cycle ``of``, in mAh/g; straight between points."""
        return np.interp(self._curve[of][0], *self._curve[cycle])


def rolling_forecast(
    points: pd.DataFrame,
    forecasters: Mapping[str, Forecaster] = FORECASTERS,
    origins: Sequence[int] | None = None,
    seed: int = 0,
) -> pd.DataFrame:
    """Forecasts of one cell from each of its cycles.

    Parameters
    ----------
    points : a points table of one test, cycles and voltages ascending.
    forecasters : by name, which becomes the method's.
    origins : last measured cycles to forecast from; None: all but the last of the test.
    seed : of the first member; the others count on.

    Returns
    -------
    Columns test_id, label, origin, cycle, horizon (cycle less origin), method, mae_mAh_per_g.

    Raises
    ------
    DataError : several tests, or fewer than two cycles.
    """
    if points["test_id"].nunique() != 1 or points["cycle"].nunique() < 2:
        raise DataError(
            "a rolling forecast is of one test of at least two cycles; got"
            f" {points['test_id'].nunique()} tests with {points['cycle'].nunique()} cycles"
        )
    measured = Curves(points, points["capacity_mAh_per_g"].to_numpy(float))
    chosen = measured.cycles[:-1] if origins is None else [int(origin) for origin in origins]
    if strangers := sorted(set(chosen) - set(measured.cycles[:-1])):
        raise DataError(
            f"no forecast from cycle {strangers[0]}: allowed are {', '.join(map(str, measured.cycles[:-1]))}"
        )
    records = []
    for origin in chosen:
        networks = {
            name: Curves(points, _ensemble_capacity(points, origin, forecaster, seed))
            for name, forecaster in forecasters.items()
        }
        for cycle in measured.cycles:
            if cycle > origin:
                for method, curve in forecasts(measured, networks, origin, cycle).items():
                    error = float(np.abs(curve - measured.own(cycle)).mean())
                    records.append(
                        {"origin": origin, "cycle": cycle, "method": method, "mae_mAh_per_g": error}
                    )
    table = pd.DataFrame(records)
    table = pd.concat([table, _selected(table)], ignore_index=True)
    table.insert(2, "horizon", table["cycle"] - table["origin"])
    first = points.iloc[0]
    return table.assign(test_id=first["test_id"], label=first["label"])[
        ["test_id", "label", "origin", "cycle", "horizon", "method", "mae_mAh_per_g"]
    ]


def forecasts(
    measured: Curves, networks: Mapping[str, Curves], origin: int, cycle: int
) -> dict[str, np.ndarray]:
    """Capacities of one cycle at its own voltages, in mAh/g, by each method; only cycles up to the origin are
    read.

    Parameters
    ----------
    networks : what each network, trained up to the origin, says of all cycles.
    """
    known = np.array([number for number in measured.cycles if number <= origin])
    wanted = np.array([cycle])
    history = np.stack([measured.at(number, of=cycle) for number in known])
    line = linear_fade(known, history, wanted)[0]
    result = {PERSISTENCE: persistence(history, 1)[0], LINE: line}
    for name, said in networks.items():
        missed = history - np.stack([said.at(number, of=cycle) for number in known])
        anchored = said.own(cycle) + missed[-1]
        result |= {
            name: said.own(cycle),
            f"{name}_anchored": anchored,
            f"{name}_residual": said.own(cycle) + linear_fade(known, missed, wanted)[0],
            f"{name}_and_line": (anchored + line) / 2.0,
        }
    return result


def by_horizon(table: pd.DataFrame) -> pd.DataFrame:
    """Mean error in mAh/g by horizon (rows, how many forecasts in the column ``forecasts``) and method."""
    errors = table.pivot_table(index="horizon", columns="method", values="mae_mAh_per_g", aggfunc="mean")
    errors.insert(0, "forecasts", table[table["method"] == LINE].groupby("horizon").size())
    return errors.rename_axis(columns=None).reset_index()


def by_origin(table: pd.DataFrame) -> pd.DataFrame:
    """Mean error in mAh/g over the cycles ahead, by origin (rows) and method."""
    errors = table.pivot_table(index="origin", columns="method", values="mae_mAh_per_g", aggfunc="mean")
    return errors.rename_axis(columns=None).reset_index()


def verdict(table: pd.DataFrame) -> pd.DataFrame:
    """Each method over all forecasts beside the better of persistence and the line.

    Returns
    -------
    Columns method, mae_mAh_per_g, better_baseline, baseline_mae_mAh_per_g, matches (not worse),
    origins_matched and origins (from how many of the cycles the method is not worse than the better baseline
    from that cycle), best first.
    """
    origins = by_origin(table).set_index("origin")
    better_each = origins[[PERSISTENCE, LINE]].min(axis=1)
    overall = table.groupby("method")["mae_mAh_per_g"].mean().sort_values()
    baseline = str(overall[[PERSISTENCE, LINE]].idxmin())
    return pd.DataFrame(
        {
            "method": method,
            "mae_mAh_per_g": float(error),
            "better_baseline": baseline,
            "baseline_mae_mAh_per_g": float(overall[baseline]),
            "matches": bool(error <= overall[baseline]),
            "origins_matched": int((origins[method] <= better_each).sum()),
            "origins": len(origins),
        }
        for method, error in overall.items()
    )


def _ensemble_capacity(points: pd.DataFrame, origin: int, forecaster: Forecaster, seed: int) -> np.ndarray:
    """Mean over members trained on cycles up to the origin, at all points, in mAh/g."""
    learned = Points.from_table(points[points["cycle"] <= origin])
    everything = Points.from_table(points)
    schedule = forecaster.schedule.for_points(len(learned), forecaster.least_steps)
    said = [
        predict_points(
            train_member(learned, forecaster.settings, schedule, seed + member).network, everything
        )
        for member in range(forecaster.members)
    ]
    return np.stack(said).mean(axis=0, dtype=np.float64)


def _selected(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of the method that did best in the forecasts of measured cycles from earlier origins."""
    # The line first: it wins ties.
    methods = [LINE, *(name for name in table["method"].unique() if name != LINE)]
    parts = []
    for origin, ahead in table.groupby("origin"):
        past = table[
            (table["origin"] >= _FIRST_ORIGIN_TO_SELECT_BY)
            & (table["origin"] < origin)
            & (table["cycle"] <= origin)
        ]
        errors = past.groupby("method")["mae_mAh_per_g"].mean().reindex(methods)
        best = LINE if past.empty else str(errors.idxmin())
        parts.append(ahead[ahead["method"] == best].assign(method=SELECTED))
    return pd.concat(parts)
