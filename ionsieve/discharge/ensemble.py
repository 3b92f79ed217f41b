"""A trained ensemble: curves with the spread of its members, and what lies beyond what it learned from."""

import importlib.metadata
import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from ionsieve.artifacts import write_json
from ionsieve.composition.formulas import FormulaError
from ionsieve.discharge.compositions import ANIONS_PER_FORMULA, Cathode, parse_cathode
from ionsieve.discharge.cycling import LARGEST_RATE_MA_PER_G, LAST_CYCLE, are_cycles
from ionsieve.discharge.network import Compositions, Discharge, Settings, configuration_of, with_slope
from ionsieve.discharge.points import CONDITIONS
from ionsieve.errors import DataError
from ionsieve.model_search import CARD, STATE
from ionsieve.voltage.state_files import RUN_AGAIN, load_state, save_state

ENSEMBLE = "ionsieve discharge ensemble 2"
LIBRARIES = ("numpy", "pandas", "torch", "elementembeddings")
POINT = ["composition", *CONDITIONS]
# All but the voltage of the point.
CONDITION = POINT[:-1]
# What stays in a core's cache.
ROWS_PER_BATCH = 4096
# Voltages are written with few decimals, windows too.
VOLTAGE_TOLERANCE_V = 1e-3
# How far from two anions a formula may be before a network that does not normalise is led astray.
_ANION_TOLERANCE = 0.02
# Formulas are written with two or three decimals: so far outside its range a ratio of amounts still counts
# as inside.
RATIO_TOLERANCE = 0.02

# What is asked of the amounts in a composition, in words.
RATIOS = {"cations_per_anion": "cations per anion", "lithium_share": "share of Li among the cations"}

Range = tuple[float, float]


@dataclass(frozen=True)
class TrainingRanges:
    """What a model learned from; each range with its ends.

    Attributes
    ----------
    elements : symbols, anions included.
    cations_per_anion, lithium_share : smallest and largest over the compositions; see
        :class:`~ionsieve.discharge.compositions.Cathode`.
    rate_mA_per_g, voltage_low_V, voltage_high_V, cycle : smallest and largest.
    """

    elements: tuple[str, ...]
    cations_per_anion: Range
    lithium_share: Range
    rate_mA_per_g: Range
    voltage_low_V: Range
    voltage_high_V: Range
    cycle: Range

    @classmethod
    def of_points(cls, points: pd.DataFrame) -> "TrainingRanges":
        """The ranges of a table with the columns of a condition."""
        cathodes = [parse_cathode(formula) for formula in points["composition"].unique()]
        elements = {element for cathode in cathodes for element in cathode.elements}
        lowest, highest = points[CONDITION[1:]].min(), points[CONDITION[1:]].max()
        ranges = {name: (float(lowest[name]), float(highest[name])) for name in CONDITION[1:]}
        for name in RATIOS:
            ratios = [float(getattr(cathode, name)) for cathode in cathodes]
            ranges[name] = (min(ratios), max(ratios))
        return cls(tuple(sorted(elements)), **ranges)

    def outside(self, cathode: Cathode, condition: Mapping[str, Any]) -> list[str]:
        """What of a condition lies outside, in words; ``condition`` is by the names of the columns."""
        found = []
        if strangers := [element for element in cathode.elements if element not in self.elements]:
            found.append(f"no training data with {', '.join(strangers)}")
        for name, what in RATIOS.items():
            ratio = getattr(cathode, name)
            low, high = getattr(self, name)
            if not low - RATIO_TOLERANCE <= ratio <= high + RATIO_TOLERANCE:
                found.append(f"{what} {ratio:.3g} outside {low:.3g} to {high:.3g}")
        for name, what, unit in (
            ("rate_mA_per_g", "rate", " mA/g"),
            ("voltage_low_V", "lower voltage", " V"),
            ("voltage_high_V", "upper voltage", " V"),
            ("cycle", "cycle", ""),
        ):
            low, high = getattr(self, name)
            if not low <= condition[name] <= high:
                found.append(f"{what} {condition[name]:g}{unit} outside {low:g} to {high:g}{unit}")
        return found

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for a state or a card."""
        return {name: list(value) for name, value in asdict(self).items()}

    @classmethod
    def from_dict(cls, state: Mapping[str, Any]) -> "TrainingRanges":
        """The ranges that :meth:`to_dict` describes."""
        return cls(**{name: tuple(value) for name, value in state.items()})


@dataclass(frozen=True)
class Ensemble:
    """Trained networks of one kind.

    Attributes
    ----------
    members : in the order in which they were trained or given, of equal settings.
    ranges : of the training data.
    """

    members: tuple[Discharge, ...]
    ranges: TrainingRanges

    def __post_init__(self) -> None:
        if not self.members:
            raise ValueError("an ensemble needs at least one member")
        for member in self.members:
            if member.settings != self.settings:
                raise ValueError("members of an ensemble need the same settings")
            member.eval()

    @property
    def settings(self) -> Settings:
        """Of every member."""
        return self.members[0].settings

    def predict(self, conditions: pd.DataFrame) -> pd.DataFrame:
        """Capacities of S points.

        Parameters
        ----------
        conditions : the columns ``composition``, ``rate_mA_per_g``, ``cycle``, ``voltage_low_V``,
            ``voltage_high_V``, ``voltage_V``.

        Returns
        -------
        S rows with the index of ``conditions``: ``capacity_mAh_per_g`` (mean over members, discharged from
        V_high to V), ``capacity_std_mAh_per_g`` (spread of the members, NaN of a single one),
        ``first_capacity_mAh_per_g`` (of cycle 1 at the same voltage), ``dq_dv_mAh_per_g_per_V``,
        ``extrapolation`` (what lies outside the training ranges, in words, else empty), ``error`` (why a row
        has no answer, else empty; its numbers are NaN).

        Raises
        ------
        DataError : a column is missing.
        """
        if missing := [name for name in POINT if name not in conditions]:
            raise DataError(f"the conditions lack {', '.join(missing)}; they need {', '.join(POINT)}")
        rows = conditions[POINT].reset_index(drop=True)
        checked = _checked(rows, self)
        answers = np.full((4, len(rows)), np.nan)
        usable = np.flatnonzero(checked.errors == "")
        for batch in _batches(usable, checked.cathode_of_row):
            answers[:, batch] = self._answers(rows.iloc[batch], checked, batch)
        return pd.DataFrame(
            {
                "capacity_mAh_per_g": answers[0],
                "capacity_std_mAh_per_g": answers[1],
                "first_capacity_mAh_per_g": answers[2],
                "dq_dv_mAh_per_g_per_V": answers[3],
                "extrapolation": checked.outside,
                "error": checked.errors,
            },
            index=conditions.index,
        )

    def _answers(self, rows: pd.DataFrame, checked: "_Checked", batch: np.ndarray) -> np.ndarray:
        """Mean, spread, first capacity and slope of some rows, shape (4, B)."""
        distinct, composition_of_row = np.unique(checked.cathode_of_row[batch], return_inverse=True)
        compositions = Compositions.of_cathodes(
            [checked.cathodes[number] for number in distinct], self.settings
        )
        numbers = [torch.from_numpy(rows[name].to_numpy(dtype=np.float32)) for name in CONDITIONS]
        of_row = torch.from_numpy(composition_of_row)
        # float64: means and spreads of float32 would lose digits.
        answers = np.stack(
            [
                torch.stack(with_slope(member, compositions, of_row, *numbers)).double().numpy()
                for member in self.members
            ]
        )
        capacity, first, slope = answers.mean(axis=0)
        spread = answers[:, 0].std(axis=0) if len(self.members) > 1 else np.full(len(batch), np.nan)
        return np.stack([capacity, spread, first, slope])

    def save(self, folder: Path | str, card: Mapping[str, Any]) -> None:
        """Write ``state.pt`` and ``card.json``; a card is what :func:`model_card` makes."""
        folder = Path(folder)
        save_state(
            folder / STATE,
            ENSEMBLE,
            {
                "settings": asdict(self.settings),
                "ranges": self.ranges.to_dict(),
                "members": [dict(member.state_dict()) for member in self.members],
            },
        )
        write_json(folder / CARD, dict(card))

    @classmethod
    def load(cls, folder: Path | str, remedy: str = RUN_AGAIN) -> "Ensemble":
        """Read what :meth:`save` wrote; raises DataError, which ends in the remedy, for any other file."""
        state = load_state(Path(folder) / STATE, ENSEMBLE, remedy)
        settings = Settings(**state["settings"])
        members = []
        for weights in state["members"]:
            member = Discharge(settings)
            member.load_state_dict(weights)
            members.append(member)
        return cls(tuple(members), TrainingRanges.from_dict(state["ranges"]))


def model_card(
    ensemble: Ensemble, *, label: str, data_digest: str | None, provenance: str, licence: str, **more: Any
) -> dict[str, Any]:
    """The content of ``card.json``: what the model is and what it learned from.

    Parameters
    ----------
    label : what the capacities are: "experiment" or "synthetic".
    data_digest : SHA-256 of the training table; None where it is not known.
    provenance : where the model comes from, a sentence.
    licence : of the weights.
    more : further entries, such as metrics, seed, schedule.
    """
    return {
        "model": "DRXNet; prediction is the mean over members, its error bar their standard deviation",
        "settings": configuration_of(ensemble.settings) or "own",
        "switches": asdict(ensemble.settings),
        "members": len(ensemble.members),
        "parameters_per_member": sum(weight.numel() for weight in ensemble.members[0].parameters()),
        "training_ranges": ensemble.ranges.to_dict(),
        "label": label,
        "data_sha256": data_digest,
        "provenance": provenance,
        "licence": licence,
        "versions": {name: importlib.metadata.version(name) for name in LIBRARIES},
        **more,
    }


def curve_conditions(
    composition: str,
    rate_mA_per_g: float,
    cycle: int,
    voltage_low_V: float,
    voltage_high_V: float,
    points: int = 100,
) -> pd.DataFrame:
    """The rows of one discharge curve for :meth:`Ensemble.predict`, uniform in V, both ends included."""
    return pd.DataFrame(
        {
            "composition": composition,
            "rate_mA_per_g": float(rate_mA_per_g),
            "cycle": cycle,
            "voltage_low_V": voltage_low_V,
            "voltage_high_V": voltage_high_V,
            "voltage_V": np.linspace(voltage_low_V, voltage_high_V, points),
        }
    )


@dataclass(frozen=True)
class _Checked:
    """What is known of S rows before a network sees them.

    ``cathodes`` are distinct; ``cathode_of_row`` is -1 where there is none. ``outside`` and ``errors`` are of
    shape (S,), texts.
    """

    cathodes: list[Cathode]
    cathode_of_row: np.ndarray
    outside: np.ndarray
    errors: np.ndarray


def _checked(rows: pd.DataFrame, ensemble: Ensemble) -> _Checked:
    """Each distinct condition is looked at once."""
    numbers = rows[POINT[1:]].apply(pd.to_numeric, errors="coerce")
    formulas = rows["composition"].fillna("").astype(str)
    cathodes: list[Cathode] = []
    number_of: dict[str, int] = {}
    reason_of: dict[str, str] = {}
    for formula in formulas.unique():
        try:
            cathodes.append(parse_cathode(formula))
            number_of[formula] = len(cathodes) - 1
        except FormulaError as error:
            reason_of[formula] = str(error)
    conditions = numbers[CONDITION[1:]].assign(composition=formulas)
    group_of_row = conditions.groupby(CONDITION, sort=False, dropna=False).ngroup().to_numpy()
    _, first_rows = np.unique(group_of_row, return_index=True)
    outside, errors = [], []
    for condition in conditions.iloc[first_rows].to_dict("records"):
        formula = condition["composition"]
        reason = reason_of.get(formula) or condition_error({str(k): v for k, v in condition.items()})
        errors.append(reason)
        outside.append("" if reason else _outside(ensemble, cathodes[number_of[formula]], condition))
    low_V, high_V, voltage_V = (
        numbers[name].to_numpy() for name in ("voltage_low_V", "voltage_high_V", "voltage_V")
    )
    error_of_row = np.array(errors, dtype=object)[group_of_row]
    within = (voltage_V >= low_V - VOLTAGE_TOLERANCE_V) & (voltage_V <= high_V + VOLTAGE_TOLERANCE_V)
    for row in np.flatnonzero((error_of_row == "") & ~within):
        error_of_row[row] = (
            f"voltage {rows['voltage_V'].iloc[row]} outside the window {low_V[row]:g} to {high_V[row]:g} V"
        )
    return _Checked(
        cathodes,
        formulas.map(lambda formula: number_of.get(formula, -1)).to_numpy(dtype=np.int64),
        np.where(error_of_row == "", np.array(outside, dtype=object)[group_of_row], ""),
        error_of_row,
    )


def condition_error(condition: Mapping[str, Any]) -> str:
    """Why no test can have this rate, cycle and window, in words; empty where one can."""
    rate, cycle = condition["rate_mA_per_g"], condition["cycle"]
    low_V, high_V = condition["voltage_low_V"], condition["voltage_high_V"]
    if not 0 < rate <= LARGEST_RATE_MA_PER_G:
        return f"rate {rate:g} mA/g; it must be above 0, and at most {LARGEST_RATE_MA_PER_G:,.0f}"
    if not (cycle >= 1 and are_cycles(cycle)):
        return f"cycle {cycle:g}; cycles are counted from 1 to {LAST_CYCLE:,}, in whole numbers"
    if not (math.isfinite(low_V) and math.isfinite(high_V) and low_V < high_V):
        return f"window {low_V:g} to {high_V:g} V; the first voltage must be below the second"
    return ""


def _outside(ensemble: Ensemble, cathode: Cathode, condition: Mapping[Any, Any]) -> str:
    found = ensemble.ranges.outside(cathode, condition)
    if (
        not ensemble.settings.normalised_amounts
        and abs(cathode.anions - ANIONS_PER_FORMULA) > _ANION_TOLERANCE
    ):
        found.append(f"{cathode.anions:g} anions per formula, and this model knows formulas with two")
    return "; ".join(found)


def _batches(rows: np.ndarray, cathode_of_row: np.ndarray) -> Iterator[np.ndarray]:
    """Rows of like compositions together, so that few are in a batch."""
    rows = rows[np.argsort(cathode_of_row[rows], kind="stable")]
    for start in range(0, len(rows), ROWS_PER_BATCH):
        yield rows[start : start + ROWS_PER_BATCH]
