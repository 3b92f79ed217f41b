"""Voltages of candidates with their intervals; training electrodes show their out-of-fold prediction."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ionsieve.errors import DataError
from ionsieve.tables import PREDICTIONS
from ionsieve.voltage.calibration import gaussian_sigma_V
from ionsieve.voltage.candidate_inputs import CandidateInputs
from ionsieve.voltage.ensemble import Ensemble
from ionsieve.voltage.graphs import Graphs
from ionsieve.voltage.splits import FRAMEWORK


@dataclass(frozen=True)
class KnownElectrodes:
    """Training electrodes of one working ion, keyed by material.

    Attributes
    ----------
    table : index material_id; columns predicted_voltage_V, voltage_low_V, voltage_high_V (out of fold),
        voltage_V (label), label_kind.
    """

    table: pd.DataFrame

    @classmethod
    def from_out_of_fold(
        cls, out_of_fold: pd.DataFrame, card: dict[str, Any], working_ion: str
    ) -> "KnownElectrodes":
        """Known electrodes from the out-of-fold table and the model card.

        A material that is the discharged end of several electrodes shows the first by electrode_id.
        """
        rows = out_of_fold[
            (out_of_fold["protocol"] == FRAMEWORK) & (out_of_fold["working_ion"] == working_ion)
        ]
        rows = rows.sort_values("electrode_id").drop_duplicates("material_id").set_index("material_id")
        kinds = rows["electrode_id"].map(card["label_kind_of_other_electrodes"]).fillna(card["label_kind"])
        columns = ["predicted_voltage_V", "voltage_low_V", "voltage_high_V", "voltage_V"]
        return cls(rows[columns].assign(label_kind=kinds.astype(object)))


def predict_candidates(
    inputs: Iterable[CandidateInputs], ensemble: Ensemble, known: KnownElectrodes, working_ion: str
) -> pd.DataFrame:
    """Voltage of each candidate: mean over the members, CV+ interval, spread.

    Parameters
    ----------
    inputs : of the candidates, in chunks.
    ensemble : the voltage model.
    known : training electrodes of this ion.
    working_ion : symbol.

    Returns
    -------
    Rows of :data:`ionsieve.tables.PREDICTIONS`, in the order of the candidates.

    Raises
    ------
    DataError : the graphs were made with another cutoff or number of neighbours than the model's.
    """
    chunks = [_predict_chunk(chunk, ensemble, known, working_ion) for chunk in inputs]
    return pd.concat(chunks, ignore_index=True) if chunks else pd.DataFrame(columns=PREDICTIONS.names)


def _has_unseen_element(graphs: Graphs, seen_numbers: frozenset[int]) -> np.ndarray:
    """Whether each crystal holds an element that some member never saw, shape (S,)."""
    unseen = ~np.isin(graphs.numbers, list(seen_numbers))
    return np.bincount(graphs.crystal_of_node(), weights=unseen, minlength=len(graphs)) > 0


def _predict_chunk(
    inputs: CandidateInputs, ensemble: Ensemble, known: KnownElectrodes, working_ion: str
) -> pd.DataFrame:
    architecture = ensemble.members[0].architecture
    made, read = ((source.cutoff_A, source.max_neighbors) for source in (inputs, architecture))
    if made != read:
        raise DataError(
            f"graphs of {made[1]} neighbours within {made[0]} A, but the model reads {read[1]} within"
            f" {read[0]} A (voltage.cutoff_A, voltage.max_neighbors); delete them and run again"
        )
    graphs, descriptors = inputs.graphs, inputs.descriptors
    predictions = [member.predict(graphs, descriptors) for member in ensemble.members]
    member_V = np.stack([prediction.voltages_V for prediction in predictions])
    unseen = _has_unseen_element(graphs, ensemble.seen_numbers)
    intervals = ensemble.uncertainty.intervals(
        member_V, np.stack([prediction.disagreements_V for prediction in predictions]), descriptors, unseen
    )
    voltage_V, low_V, high_V = member_V.mean(axis=0), intervals.low_V, intervals.high_V

    # Most members learned from a known electrode; only its out-of-fold prediction is honest.
    labels = known.table.reindex(inputs.material_ids)
    is_known = labels["predicted_voltage_V"].notna().to_numpy()
    voltage_V, low_V, high_V = (
        np.where(is_known, labels[name].to_numpy(dtype=float), values)
        for name, values in (
            ("predicted_voltage_V", voltage_V),
            ("voltage_low_V", low_V),
            ("voltage_high_V", high_V),
        )
    )
    return pd.DataFrame(
        {
            "material_id": inputs.material_ids,
            "voltage_V": voltage_V,
            "voltage_low_V": low_V,
            "voltage_high_V": high_V,
            "voltage_spread_V": member_V.std(axis=0),
            "voltage_sigma_V": gaussian_sigma_V(low_V, high_V, ensemble.uncertainty.coverage),
            "distance": intervals.distances,
            "in_domain": (intervals.distances <= ensemble.uncertainty.domain_limit)
            & ~unseen
            & (working_ion in ensemble.working_ions),
            "known": is_known,
            "label_voltage_V": labels["voltage_V"].to_numpy(dtype=float),
            "label_kind": labels["label_kind"]
            .where(labels["label_kind"].notna(), None)
            .to_numpy(dtype=object),
        }
    )
