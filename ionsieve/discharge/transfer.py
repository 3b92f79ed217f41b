"""Does what is learned of two metals hold for three? An experiment with synthetic cells, where the answer is
known.

The synthetic cells of :mod:`ionsieve.discharge.synthetic` follow a sum over elements, and with ``three_body``
also a part that only cells of three metals and more show. Cells of one and two metals are the same in both
worlds. So one ensemble, trained on them, is scored on held-out cells of two metals, and on cells of three and
more in both worlds:

* without the three-body part their error should be near that of the held-out cells of two metals,
* with it clearly larger, since nothing in the training tells it.

A second ensemble also sees part of the three-metal cells of the world with the three-body part: that it then
predicts the others shows that the network could have learned the part, had it been shown. All is labelled
synthetic.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from ionsieve.discharge.baselines import mean_absolute_deviation
from ionsieve.discharge.dataset import build
from ionsieve.discharge.evaluation import QUANTITIES, discharges
from ionsieve.discharge.network import IONSIEVE, Settings
from ionsieve.discharge.points import Points
from ionsieve.discharge.splits import hold_out_compositions, number_of_metals
from ionsieve.discharge.synthetic import Recipe, cells
from ionsieve.discharge.training import Schedule, predict_points, train_member

# A sixth of the composition network's work; the laws of the synthetic cells are simple.
SMALL = replace(IONSIEVE, layers=2, heads=1, message_features=32)
SCHEDULE = Schedule(epochs=100, batch_size=512, learning_rate=5e-3, decay=0.96)


@dataclass(frozen=True)
class Experiment:
    """Sizes of the experiment; the defaults take about 40 s of one core per member.

    Attributes
    ----------
    pool : metals; each pair and triple of a small pool occurs.
    n_compositions : by the number of metals.
    n_cycles, rates_mA_per_g : of each cell.
    every : every n-th point of a curve is trained on and scored.
    three_body : strength of the part in the world that has it.
    held_out : share of the two-metal compositions, and of the three-metal ones that the second ensemble does
        not see.
    members : of each ensemble.
    """

    pool: tuple[str, ...] = ("Mn", "Fe", "Ni", "Cr", "V", "Ti")
    n_compositions: dict[int, int] = field(default_factory=lambda: {1: 6, 2: 120, 3: 80, 4: 40})
    n_cycles: int = 3
    rates_mA_per_g: tuple[float, ...] = (20.0, 100.0)
    every: int = 9
    three_body: float = 1.0
    held_out: float = 0.25
    members: int = 2
    settings: Settings = SMALL
    schedule: Schedule = SCHEDULE
    seed: int = 0


def synthetic_worlds(experiment: Experiment) -> dict[float, pd.DataFrame]:
    """Thinned points of the cells, without and with the three-body part, row by row the same cells.

    A cell that the processing sets aside in one world is in none.
    """
    worlds = {strength: _synthetic_points(experiment, strength) for strength in (0.0, experiment.three_body)}
    keys = ["test_id", "cycle"]
    common = set.intersection(*(set(map(tuple, points[keys].to_numpy())) for points in worlds.values()))
    return {
        strength: points[[tuple(key) in common for key in points[keys].to_numpy()]].reset_index(drop=True)
        for strength, points in worlds.items()
    }


def _synthetic_points(experiment: Experiment, three_body: float) -> pd.DataFrame:
    tests = [
        test
        for n_metals, count in experiment.n_compositions.items()
        for test in cells(
            Recipe(
                n_metals,
                count,
                rates_mA_per_g=experiment.rates_mA_per_g,
                n_cycles=experiment.n_cycles,
                three_body=three_body,
                pool=experiment.pool,
                seed=experiment.seed,
            )
        )
    ]
    points = build(tests).points
    place = points.groupby(["test_id", "cycle"]).cumcount()
    return points[place % experiment.every == 0]


def transfer(experiment: Experiment) -> pd.DataFrame:
    """Train both ensembles and score them.

    Returns
    -------
    One row per ensemble, world, group and quantity: columns label, trained_on ("2TM" or "2TM + part of 3TM"),
    three_body, group ("2TM held out", "3TM", "HE"), quantity, discharges, compositions, mae, mad (of the
    group itself), ratio (mae over that of the held-out two-metal cells of the same ensemble).
    """
    worlds = synthetic_worlds(experiment)
    without, having = worlds[0.0], worlds[experiment.three_body]
    n_metals = number_of_metals(without["composition"].tolist())
    hidden = np.zeros(len(without), dtype=bool)
    for count in (2, 3):
        rows = np.flatnonzero(n_metals == count)
        held_out = hold_out_compositions(without.iloc[rows], experiment.held_out, experiment.seed)
        hidden[rows[held_out]] = True
    groups = {"2TM held out": (n_metals == 2) & hidden, "3TM": n_metals == 3, "HE": n_metals >= 4}
    shown = {**groups, "3TM": groups["3TM"] & hidden}
    trials = [
        ("2TM", without, (n_metals <= 2) & ~hidden, worlds, groups),
        ("2TM + part of 3TM", having, (n_metals <= 3) & ~hidden, {experiment.three_body: having}, shown),
    ]
    records = [
        {"label": "synthetic", "trained_on": trained_on, **record}
        for trained_on, table, training, worlds, scored in trials
        for record in _scores(experiment, table[training], worlds, scored)
    ]
    result = pd.DataFrame(records)
    keys = ["trained_on", "quantity"]
    reference = result.loc[result["group"] == "2TM held out", [*keys, "mae"]]
    joined = result[keys].merge(reference, on=keys, how="left", validate="many_to_one")
    return result.assign(ratio=result["mae"].to_numpy() / joined["mae"].to_numpy())


def _scores(
    experiment: Experiment,
    training: pd.DataFrame,
    worlds: dict[float, pd.DataFrame],
    groups: dict[str, np.ndarray],
) -> Iterator[dict[str, object]]:
    learned = Points.from_table(training)
    networks = [
        train_member(learned, experiment.settings, experiment.schedule, experiment.seed + member).network
        for member in range(experiment.members)
    ]
    for three_body, table in worlds.items():
        points = Points.from_table(table)
        predicted = np.stack([predict_points(network, points) for network in networks])
        for group, rows in groups.items():
            if group == "2TM held out" and three_body != min(worlds):
                continue  # the same cells in every world
            scored = discharges(table, predicted, rows)
            for quantity in QUANTITIES:
                exists = scored[[quantity, f"predicted_{quantity}"]].notna().all(axis=1)
                measured = scored.loc[exists, quantity].to_numpy(float)
                errors = scored.loc[exists, f"predicted_{quantity}"].to_numpy(float) - measured
                yield {
                    "three_body": three_body,
                    "group": group,
                    "quantity": quantity,
                    "discharges": int(exists.sum()),
                    "compositions": scored.loc[exists, "composition"].nunique(),
                    "mae": float(np.abs(errors).mean()),
                    "mad": mean_absolute_deviation(measured),
                }
