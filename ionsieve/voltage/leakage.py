"""The audit of a fold: nothing that a model reads may know the voltages of the held-out rows.

Three ways for an answer to get in, and what stands against each:

* the split: a group of the protocol on both sides, or the same crystal under another id. Crystals of
  one composition are compared by their average minimum distances (Widdowson et al., MATCH Commun.
  Math. Comput. Chem. 87, 529 (2022)), element by element: invariant under the choice of the cell and the
  order of the atoms, and continuous, so that the noise of a relaxation moves them little.
* the features: a column with the name of an answer, or one that gives it away under another name, alone
  or in a linear combination, as it is or in logarithms (energy density over capacity is a voltage).
* the labels: models get :func:`blinded` electrodes, in which held-out answers do not exist.
"""

import re
import warnings
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ionsieve.errors import DataError
from ionsieve.voltage.splits import PAPER, groups

if TYPE_CHECKING:
    from ionsieve.voltage.electrodes import Electrodes

# Columns of insertion-electrode records that are computed from the voltage, or the voltage from them.
ANSWER_NAME = re.compile(r"voltage|energy_grav|energy_vol|energy_density|adj_pairs|stability_", re.IGNORECASE)
# What an energy model computed from the crystal, voltages too; only for models that are marked as using one.
ENERGY_MODEL_PREFIX = "energy_model_"
# Above what honest features give on hosts never seen: 0.9 for CHGNet's own voltage on thousands of rows,
# up to 0.973 by chance on a few dozen.
COPY_R2 = 0.98
# With fewer rows a chance correlation is no evidence.
MIN_ROWS = 10
SPARSE_TERMS = 30
# Of standardised features; the smallest, since a voltage may be the small difference of two large energies.
RIDGE_PENALTIES = (1e-6, 1.0, 100.0)
# Largest difference of any average minimum distance between two records of one crystal. Crystals that
# differ beyond the last neighbour only, such as polytypes, are then one too: a graph hardly tells them apart.
DUPLICATE_TOLERANCE_A = 0.02


class LeakageError(DataError):
    """A model could read the answer."""


def blinded(electrodes: "Electrodes", training_rows: np.ndarray) -> "Electrodes":
    """The electrodes with every answer outside ``training_rows`` replaced by NaN."""
    return replace(electrodes, table=blinded_table(electrodes.table, training_rows))


def blinded_table(table: pd.DataFrame, training_rows: np.ndarray) -> pd.DataFrame:
    """A table with every answer, known by its column's name, outside ``training_rows`` replaced by NaN."""
    hidden = np.ones(len(table), dtype=bool)
    hidden[training_rows] = False
    answers = {name: table[name].mask(hidden) for name in table.columns if ANSWER_NAME.search(name)}
    return table.assign(**answers)


def audit(
    electrodes: "Electrodes",
    protocol: str,
    training_rows: np.ndarray,
    held_out_rows: np.ndarray,
    features: pd.DataFrame | None,
    uses_energy_model: bool,
) -> dict[str, Any]:
    """Check one fold before a model is trained on it.

    Parameters
    ----------
    features : the model's tabular input, S rows; None for a model that reads the graphs alone.
    uses_energy_model : whether the model may read voltages that an energy model computed.

    Returns
    -------
    What was counted and how near the features come to the answer, for ``audit.json``.

    Raises
    ------
    LeakageError : rows, groups or (but in the paper's protocol) crystals on both sides of the split, or
        features that carry the answer.
    """
    if len(np.intersect1d(training_rows, held_out_rows)):
        raise LeakageError("rows are in training and held out at once")
    group = groups(protocol, electrodes.table["framework"].tolist())
    shared = sorted(set(group[training_rows]) & set(group[held_out_rows]))
    duplicates = duplicated_rows(electrodes, training_rows, held_out_rows)
    if protocol != PAPER:
        if shared:
            raise LeakageError(
                f"{len(shared)} groups of protocol {protocol} are on both sides of the split,"
                f" for one {shared[0]}"
            )
        if len(duplicates):
            first = electrodes.table["electrode_id"].iloc[duplicates[0]]
            raise LeakageError(
                f"{len(duplicates)} held-out crystals are in training under another id or framework,"
                f" for one that of electrode {first}; mend the column framework"
            )
    closeness = (
        {}
        if features is None
        else refuse_answers(
            features,
            electrodes.voltages_V,
            electrodes.table["working_ion"].to_numpy(),
            training_rows,
            held_out_rows,
            uses_energy_model,
        )
    )
    return {
        "training_rows": len(training_rows),
        "held_out_rows": len(held_out_rows),
        "groups_on_both_sides": len(shared),
        "held_out_rows_with_their_crystal_in_training": len(duplicates),
        "tabular_features": 0 if features is None else features.shape[1],
        "largest_r2_of_features_with_the_answer": closeness,
    }


def refuse_answers(
    features: pd.DataFrame,
    voltages_V: np.ndarray,
    working_ions: np.ndarray,
    training_rows: np.ndarray,
    held_out_rows: np.ndarray,
    uses_energy_model: bool,
) -> dict[str, float | None]:
    """How near features come to the answer; see :func:`answer_r2`.

    Raises
    ------
    LeakageError : one has the name of an answer, or they give the held-out voltages away.
    """
    named = forbidden_names(features.columns, uses_energy_model)
    if named:
        raise LeakageError(
            f"the features {', '.join(named)} carry the answer, what is computed from it, or what an energy"
            " model knows, in a model that is not marked so; take them out"
        )
    closeness = answer_r2(
        features.to_numpy(dtype=float), voltages_V, working_ions, training_rows, held_out_rows
    )
    for kind, r2 in closeness.items():
        if r2 is not None and r2 > COPY_R2:
            raise LeakageError(
                f"the features give the held-out voltages away: R2 {r2:.4f} by {kind},"
                f" more than the {COPY_R2} that no honest feature reaches; find the copy and take it out"
            )
    return closeness


def forbidden_names(names: Iterable[str], uses_energy_model: bool) -> list[str]:
    """The names among these that a model may not read, in their order.

    They say voltage, or a quantity that is computed from it, unless an energy model computed it from the
    crystal; what an energy model computed is for models that are marked as using one.
    """
    return [
        name
        for name in names
        if (not uses_energy_model if name.startswith(ENERGY_MODEL_PREFIX) else ANSWER_NAME.search(name))
    ]


def answer_r2(
    features: np.ndarray,
    voltages_V: np.ndarray,
    working_ions: np.ndarray,
    training_rows: np.ndarray,
    held_out_rows: np.ndarray,
) -> dict[str, float | None]:
    """How exactly features reproduce the held-out voltages, as R2 by the way they do it.

    ``one feature`` is the largest squared correlation on the held-out rows alone, of values or of ranks
    (trees read a bent copy as well as a straight one); ``few features`` (orthogonal matching pursuit, at
    most SPARSE_TERMS) and ``all features`` (ridge) are fitted on the training rows. Each is the largest
    over: values and logarithms, all rows and those of the commonest ion alone (a copy that is scaled by the
    ion's charge is linear there). None where rows are too few.

    Parameters
    ----------
    features : shape (S, P); NaN where a feature is not known.
    voltages_V : labels, shape (S,).
    working_ions : shape (S,).
    """
    ions, counts = np.unique(working_ions[held_out_rows], return_counts=True)
    commonest = working_ions == ions[counts.argmax()]
    # Logarithms are of magnitudes; a feature that is often zero has none worth asking.
    logarithmic = (np.where(np.isfinite(features), features, 0.0) != 0).mean(axis=0) > 0.9
    with np.errstate(divide="ignore", invalid="ignore"):
        views = [
            (features, voltages_V),
            (np.log(np.abs(features[:, logarithmic])), np.log(np.abs(voltages_V))),
        ]
    found: dict[str, list[float]] = {"one feature": [], "few features": [], "all features": []}
    for inputs, labels in views:
        known = np.isfinite(labels)
        for rows in (known, known & commonest):
            training, held_out = training_rows[rows[training_rows]], held_out_rows[rows[held_out_rows]]
            if min(len(training), len(held_out)) < MIN_ROWS or np.ptp(labels[held_out]) == 0:
                continue
            here = _r2_by_kind(inputs[training], labels[training], inputs[held_out], labels[held_out])
            for kind, r2 in here.items():
                found[kind].append(r2)
            if inputs is features:
                found["one feature"].append(_largest_r2_of_ranks(inputs[held_out], labels[held_out]))
    return {kind: max(r2, default=None) for kind, r2 in found.items()}


def _r2_by_kind(
    training: np.ndarray, training_labels: np.ndarray, held_out: np.ndarray, labels: np.ndarray
) -> dict[str, float]:
    from sklearn.linear_model import OrthogonalMatchingPursuit, Ridge

    training, held_out = _standardised(training, held_out)
    if not training.shape[1]:
        return {}
    few = OrthogonalMatchingPursuit(n_nonzero_coefs=min(SPARSE_TERMS, *training.shape))
    every = [Ridge(alpha=penalty) for penalty in RIDGE_PENALTIES]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # features that say the same end the pursuit early, as they should
        return {
            "one feature": _largest_squared_correlation(held_out, labels),
            "few features": float(few.fit(training, training_labels).score(held_out, labels)),
            "all features": float(
                max(ridge.fit(training, training_labels).score(held_out, labels) for ridge in every)
            ),
        }


def _largest_squared_correlation(features: np.ndarray, labels: np.ndarray) -> float:
    """Over features (S, P) with labels (S,); 0 where none varies."""
    offsets, errors = features - features.mean(axis=0), labels - labels.mean()
    with np.errstate(divide="ignore", invalid="ignore"):
        squared = (offsets.T @ errors) ** 2 / ((offsets**2).sum(axis=0) * (errors**2).sum())
    return float(np.nanmax(squared, initial=0.0))


def _largest_r2_of_ranks(features: np.ndarray, labels: np.ndarray) -> float:
    """Squared rank correlation (Spearman); an unknown value has the middle rank."""
    from scipy.stats import rankdata

    known = np.where(np.isfinite(features), features, np.nan)
    ranks = rankdata(known, axis=0, nan_policy="omit")
    middle = (1.0 + np.isfinite(known).sum(axis=0)) / 2.0
    return _largest_squared_correlation(np.where(np.isfinite(ranks), ranks, middle), rankdata(labels))


def _standardised(training: np.ndarray, held_out: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both with the training rows' mean and scale; unknown values are the mean, constant columns go.

    Held-out values stay within the training rows' range and half of it beyond its ends: a feature that hardly
    varies there (the share of a rare element) would else spoil the fit of the others, and hide a copy among
    them. Cut at the range itself, one row outside it would hide a small difference of two large columns.
    """
    training, held_out = (np.where(np.isfinite(rows), rows, np.nan) for rows in (training, held_out))
    kept = np.isfinite(training).any(axis=0)
    training, held_out = training[:, kept], held_out[:, kept]
    mean, scale = np.nanmean(training, axis=0), np.nanstd(training, axis=0)
    varies = scale > 1e-12 * np.maximum(np.abs(mean), 1e-300)
    low, high = np.nanmin(training, axis=0), np.nanmax(training, axis=0)
    held_out = np.clip(held_out, low - (high - low) / 2.0, high + (high - low) / 2.0)
    return tuple(  # type: ignore[return-value]
        np.nan_to_num((rows[:, varies] - mean[varies]) / scale[varies]) for rows in (training, held_out)
    )


def duplicated_rows(
    electrodes: "Electrodes", training_rows: np.ndarray, held_out_rows: np.ndarray
) -> np.ndarray:
    """Held-out rows whose discharged crystal is in training too, whatever its id; ascending."""
    distances_A = _minimum_distances_A(electrodes)
    of_formula: dict[tuple[tuple[int, int], ...], list[list[int]]] = defaultdict(lambda: [[], []])
    formulas = _reduced_formulas(electrodes)
    for side, rows in enumerate((training_rows, held_out_rows)):
        for row in rows.tolist():
            of_formula[formulas[row]][side].append(row)
    found = []
    for in_training, held_out in of_formula.values():
        if not in_training:
            continue
        known = np.stack([distances_A[row] for row in in_training])
        for row in held_out:
            if np.abs(known - distances_A[row]).max(axis=(1, 2)).min() < DUPLICATE_TOLERANCE_A:
                found.append(row)
    return np.array(sorted(found), dtype=np.int64)


def _reduced_formulas(electrodes: "Electrodes") -> list[tuple[tuple[int, int], ...]]:
    """(atomic number, count) of each element, ascending, counts without a common divisor."""
    graphs, formulas = electrodes.graphs, []
    for start, stop in zip(graphs.node_ptr[:-1], graphs.node_ptr[1:], strict=True):
        numbers, element = np.unique(graphs.numbers[start:stop], return_inverse=True)
        counts = np.bincount(element, weights=graphs.atom_counts[start:stop]).astype(np.int64)
        formulas.append(tuple(zip(numbers.tolist(), (counts // np.gcd.reduce(counts)).tolist(), strict=True)))
    return formulas


def _minimum_distances_A(electrodes: "Electrodes") -> list[np.ndarray]:
    """Distance to the k-th neighbour, averaged over the atoms of each element, in angstrom.

    Returns
    -------
    One array (elements ascending, max_neighbors) per crystal. Neighbours that an atom does not have
    within the cutoff count as being at the cutoff.
    """
    graphs, n_neighbors = electrodes.graphs, electrodes.max_neighbors
    sorted_A = np.repeat(graphs.distances_A.astype(float), graphs.edge_counts)
    ends = np.concatenate([[0], np.cumsum(graphs.edge_counts.astype(np.int64))])[graphs.edge_ptr]
    place = ends[:-1, None] + np.arange(n_neighbors)
    of_node_A = np.where(
        place < ends[1:, None], sorted_A[np.minimum(place, len(sorted_A) - 1)], electrodes.cutoff_A
    )
    key = graphs.crystal_of_node() * 128 + graphs.numbers
    elements, element_of_node = np.unique(key, return_inverse=True)
    weights = graphs.atom_counts.astype(float)
    sums_A = np.zeros((len(elements), n_neighbors))
    np.add.at(sums_A, element_of_node, of_node_A * weights[:, None])
    means_A = sums_A / np.bincount(element_of_node, weights=weights)[:, None]
    starts = np.searchsorted(elements // 128, np.arange(1, len(graphs)))
    return np.split(means_A, starts)
