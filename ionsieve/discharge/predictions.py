"""What a discharge model is asked for the report, as in figures 4 and 5 of the DRXNet paper and beyond.

Profiles by rate, capacity against cycle, the map of Li-Mn-O-F, the two high-entropy compositions by window
and rate, and every charge-balanced high-entropy composition of a grid. All come from one model, and each row
says whether it lies outside of what the model learned from.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import pandas as pd
import pyarrow as pa
from pymatgen.util.string import formula_double_format

from ionsieve.discharge.ensemble import Ensemble, curve_conditions
from ionsieve.discharge.high_entropy import enumerate_compositions

HIGH_ENTROPY = {
    "HE-1": "Li1.2Mn0.1Mg0.1Cr0.3Ti0.2Nb0.1O1.8F0.2",
    "HE-2": "Li1.2Mn0.1Mg0.1Cr0.15V0.15Ti0.2Nb0.1O1.8F0.2",
}
WINDOWS_V = ((1.5, 4.8), (2.0, 4.4), (2.0, 4.0))
RATES_MA_PER_G = (10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0, 2000.0, 5000.0, 10_000.0)
# Li(x)Mn(2-x)O(2-y)F(y): x in thirtieths, so that Li4/3Mn2/3O2 is among them.
MAP_LITHIUM = tuple(number / 30 for number in range(30, 43))
MAP_FLUORINE = tuple(number / 20 for number in range(15))
MANGANESE_CHARGES = (2.0, 4.0)
CYCLE, MAP, RATE = "cycle", "map", "rate"
MAP_RATE_MA_PER_G, MAP_WINDOW_V = 20.0, (1.5, 4.8)

_CONDITION = [
    pa.field("composition", pa.string(), nullable=False),
    pa.field("rate_mA_per_g", pa.float64(), nullable=False),
    pa.field("cycle", pa.int64(), nullable=False),
    pa.field("voltage_low_V", pa.float64(), nullable=False),
    pa.field("voltage_high_V", pa.float64(), nullable=False),
]
_ANSWER = [
    pa.field("capacity_mAh_per_g", pa.float64(), nullable=False),
    pa.field("capacity_std_mAh_per_g", pa.float64(), nullable=True),  # null: an ensemble of one
]
_OUTSIDE = pa.field("extrapolation", pa.string(), nullable=False)  # empty inside the training ranges
# Points of curves, by rate.
PROFILES = pa.schema(
    [
        *_CONDITION,
        pa.field("voltage_V", pa.float64(), nullable=False),
        *_ANSWER,
        pa.field("dq_dv_mAh_per_g_per_V", pa.float64(), nullable=False),
        _OUTSIDE,
    ]
)
# Capacities of whole discharges; `shown` says for which figure: against the cycle, the map, against the rate.
CAPACITIES = pa.schema([pa.field("shown", pa.string(), nullable=False), *_CONDITION, *_ANSWER, _OUTSIDE])
HIGH_ENTROPY_CAPACITIES = pa.schema(
    [
        pa.field("composition", pa.string(), nullable=False),
        pa.field("n_metals", pa.int64(), nullable=False),
        pa.field("oxidation_states", pa.string(), nullable=False),
        *_ANSWER,
        _OUTSIDE,
    ]
)


@dataclass(frozen=True)
class Request:
    """What the report's curves are of.

    Attributes
    ----------
    compositions : of the curves.
    rates_mA_per_g : of the profiles; the first is that of all else but the map and figure 5.
    voltage_low_V, voltage_high_V : window of the curves and of the high-entropy compositions.
    last_cycle : of the curves against the cycle, and of the second map.
    high_entropy_step : grid of :func:`~ionsieve.discharge.high_entropy.enumerate_compositions`.
    """

    compositions: Sequence[str]
    rates_mA_per_g: Sequence[float]
    voltage_low_V: float
    voltage_high_V: float
    last_cycle: int
    high_entropy_step: float

    @property
    def window_V(self) -> tuple[float, float]:
        """Lower and upper limit."""
        return self.voltage_low_V, self.voltage_high_V


@dataclass(frozen=True)
class Predictions:
    """Rows of :data:`PROFILES`, :data:`CAPACITIES` and :data:`HIGH_ENTROPY_CAPACITIES`.

    ``refused`` holds, by composition, why there is no answer.
    """

    profiles: pd.DataFrame
    capacities: pd.DataFrame
    high_entropy: pd.DataFrame
    refused: Mapping[str, str]


def predict(ensemble: Ensemble, request: Request) -> Predictions:
    """Everything that the report shows of a model."""
    profiles = ensemble_rows(ensemble, _profiles(request))
    capacities = ensemble_rows(ensemble, _capacities(request))
    enumerated = enumerate_compositions(step=request.high_entropy_step)
    conditions = _whole_discharges(
        enumerated["composition"], request.rates_mA_per_g[:1], [1], [request.window_V]
    )
    high_entropy = pd.concat(
        [ensemble_rows(ensemble, conditions), enumerated.drop(columns="composition")], axis=1
    )
    refused = pd.concat([profiles, capacities, high_entropy])
    refused = refused[refused["error"] != ""]
    return Predictions(
        _answered(profiles, PROFILES),
        _answered(capacities, CAPACITIES),
        _answered(high_entropy, HIGH_ENTROPY_CAPACITIES),
        dict(zip(refused["composition"], refused["error"], strict=True)),
    )


def summary(card: Mapping[str, Any], request: Request, predictions: Predictions) -> dict[str, Any]:
    """What a reader must know of these predictions: whose model it is, and what it learned from."""
    return {
        **{
            name: card.get(name)
            for name in (
                "label",
                "provenance",
                "licence",
                "settings",
                "members",
                "training_ranges",
                "training_ranges_source",
                "data_sha256",
                "metrics",
            )
        },
        "third_party": "converted_from" in card,
        "rate_mA_per_g": request.rates_mA_per_g[0],
        "window_V": list(request.window_V),
        "last_cycle": request.last_cycle,
        "map_rate_mA_per_g": MAP_RATE_MA_PER_G,
        "map_window_V": list(MAP_WINDOW_V),
        "high_entropy_step": request.high_entropy_step,
        "refused": dict(predictions.refused),
    }


def ensemble_rows(ensemble: Ensemble, conditions: pd.DataFrame) -> pd.DataFrame:
    """Conditions with what the ensemble says of them."""
    return pd.concat([conditions, ensemble.predict(conditions)], axis=1)


def whole_discharge(
    composition: str, rate_mA_per_g: float, cycle: int, window_V: tuple[float, float]
) -> dict[str, Any]:
    """The condition whose answer is the capacity of a discharge down to the lower limit."""
    low_V, high_V = window_V
    return {
        "composition": composition,
        "rate_mA_per_g": rate_mA_per_g,
        "cycle": cycle,
        "voltage_low_V": low_V,
        "voltage_high_V": high_V,
        "voltage_V": low_V,
    }


def map_compositions() -> list[str]:
    """Li(x)Mn(2-x)O(2-y)F(y) of figure 4, with manganese between 2+ and 4+."""
    formulas = []
    for lithium, fluorine in product(MAP_LITHIUM, MAP_FLUORINE):
        manganese = 2 - lithium
        charge = (4 - fluorine - lithium) / manganese
        if not MANGANESE_CHARGES[0] - 1e-9 <= charge <= MANGANESE_CHARGES[1] + 1e-9:
            continue
        amounts = {"Li": lithium, "Mn": manganese, "O": 2 - fluorine, "F": fluorine}
        formulas.append(
            "".join(
                f"{symbol}{formula_double_format(round(amount, 3))}"
                for symbol, amount in amounts.items()
                if amount > 0
            )
        )
    return formulas


def _profiles(request: Request) -> pd.DataFrame:
    curves = [
        curve_conditions(composition, rate, 1, *request.window_V)
        for composition, rate in product(request.compositions, request.rates_mA_per_g)
    ]
    return pd.concat(curves, ignore_index=True)


def _capacities(request: Request) -> pd.DataFrame:
    tables = {
        CYCLE: _whole_discharges(
            request.compositions,
            request.rates_mA_per_g[:1],
            range(1, request.last_cycle + 1),
            [request.window_V],
        ),
        MAP: _whole_discharges(
            map_compositions(), [MAP_RATE_MA_PER_G], [1, request.last_cycle], [MAP_WINDOW_V]
        ),
        RATE: _whole_discharges(HIGH_ENTROPY.values(), RATES_MA_PER_G, [1], WINDOWS_V),
    }
    return pd.concat([table.assign(shown=name) for name, table in tables.items()], ignore_index=True)


def _whole_discharges(compositions: Any, rates_mA_per_g: Any, cycles: Any, windows_V: Any) -> pd.DataFrame:
    return pd.DataFrame(
        [
            whole_discharge(*condition)
            for condition in product(compositions, rates_mA_per_g, cycles, windows_V)
        ]
    )


def _answered(rows: pd.DataFrame, schema: pa.Schema) -> pd.DataFrame:
    return rows.loc[rows["error"] == "", schema.names].reset_index(drop=True)
