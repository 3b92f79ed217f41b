"""Voltages of candidates with their intervals; training electrodes show their out-of-fold prediction."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from tqdm import tqdm

from ionsieve.voltage.calibration import UNSEEN_ELEMENT_FACTOR, cv_plus_interval, gaussian_sigma_V
from ionsieve.voltage.ensemble import Ensemble
from ionsieve.voltage.graphs import Graphs, build_graphs
from ionsieve.voltage.splits import FRAMEWORK

# Candidates whose graphs are in memory together; network batches are smaller still.
CANDIDATES_PER_CHUNK = 512


@dataclass(frozen=True)
class KnownElectrodes:
    """Training electrodes of one working ion, keyed by material.

    Attributes
    ----------
    table : index material_id; columns predicted_voltage_V (out of fold), voltage_V (label), label_kind.
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
        return cls(rows[["predicted_voltage_V", "voltage_V"]].assign(label_kind=kinds.astype(object)))


def predict_candidates(
    candidates: pd.DataFrame, ensemble: Ensemble, known: KnownElectrodes, working_ion: str
) -> pd.DataFrame:
    """Voltage of each candidate: mean over the members, CV+ interval, spread.

    Parameters
    ----------
    candidates : rows of :data:`ionsieve.tables.CANDIDATES`; each holds the working ion.
    ensemble : the voltage model.
    known : training electrodes of this ion.
    working_ion : symbol.

    Returns
    -------
    Rows of :data:`ionsieve.tables.PREDICTIONS`, in the order of the candidates.
    """
    architecture = ensemble.members[0].architecture
    member_V, unseen = [np.empty((len(ensemble.members), 0))], [np.empty(0, dtype=bool)]
    for chunk in tqdm(list(_chunks(candidates)), desc="candidates", disable=None):
        graphs = build_graphs(
            chunk,
            [working_ion] * len(chunk),
            architecture.cutoff_A,
            architecture.max_neighbors,
        )
        member_V.append(np.stack([member.predict_V(graphs) for member in ensemble.members]))
        unseen.append(_has_unseen_element(graphs, ensemble.seen_numbers))
    return _table(
        candidates["material_id"], np.concatenate(member_V, axis=1), np.concatenate(unseen), ensemble, known
    )


def _chunks(candidates: pd.DataFrame) -> Iterator[pd.DataFrame]:
    for start in range(0, len(candidates), CANDIDATES_PER_CHUNK):
        yield candidates.iloc[start : start + CANDIDATES_PER_CHUNK]


def _has_unseen_element(graphs: Graphs, seen_numbers: frozenset[int]) -> np.ndarray:
    """Whether each crystal holds an element that some member never saw, shape (S,)."""
    unseen = ~np.isin(graphs.numbers, list(seen_numbers))
    return np.bincount(graphs.crystal_of_node(), weights=unseen, minlength=len(graphs)) > 0


def _table(
    material_ids: pd.Series,
    member_V: np.ndarray,
    unseen: np.ndarray,
    ensemble: Ensemble,
    known: KnownElectrodes,
) -> pd.DataFrame:
    labels = known.table.reindex(material_ids)
    out_of_fold_V = labels["predicted_voltage_V"].to_numpy(dtype=float)
    is_known = np.isfinite(out_of_fold_V)
    # Four of five members learned from a known electrode; only its out-of-fold prediction is honest.
    honest_V = np.where(is_known, out_of_fold_V, member_V)
    voltage_V = np.where(is_known, out_of_fold_V, member_V.mean(axis=0))
    low_V, high_V = cv_plus_interval(honest_V, ensemble.residuals, ensemble.coverage)
    widening = np.where(unseen & ~is_known, UNSEEN_ELEMENT_FACTOR, 1.0)
    low_V, high_V = voltage_V - widening * (voltage_V - low_V), voltage_V + widening * (high_V - voltage_V)
    return pd.DataFrame(
        {
            "material_id": material_ids.to_numpy(),
            "voltage_V": voltage_V,
            "voltage_low_V": low_V,
            "voltage_high_V": high_V,
            "voltage_spread_V": member_V.std(axis=0),
            "voltage_sigma_V": gaussian_sigma_V(low_V, high_V, ensemble.coverage),
            "known": is_known,
            "label_voltage_V": labels["voltage_V"].to_numpy(dtype=float),
            "label_kind": labels["label_kind"]
            .where(labels["label_kind"].notna(), None)
            .to_numpy(dtype=object),
        }
    )
