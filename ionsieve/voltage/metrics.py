"""How good the voltages are: errors by protocol and ion, with intervals over frameworks, and coverage."""

from typing import Any

import numpy as np
import pandas as pd

# Above this voltage the paper screens; coverage is reported there too, since it does not survive selection.
HIGH_VOLTAGE_V = 3.0
BOOTSTRAP_SAMPLES = 1000
BOOTSTRAP_LEVEL = 0.95


def scores(labels_V: np.ndarray, predictions_V: np.ndarray) -> dict[str, float | int | None]:
    """Count, MAE, RMSE and median absolute error in V, and R2 (None where labels do not vary)."""
    errors_V = np.asarray(predictions_V) - np.asarray(labels_V)
    spread = float(np.sum((labels_V - np.mean(labels_V)) ** 2)) if len(errors_V) else 0.0
    if not len(errors_V):
        return {"count": 0, "mae_V": None, "rmse_V": None, "median_absolute_error_V": None, "r2": None}
    return {
        "count": len(errors_V),
        "mae_V": float(np.abs(errors_V).mean()),
        "rmse_V": float(np.sqrt((errors_V**2).mean())),
        "median_absolute_error_V": float(np.median(np.abs(errors_V))),
        "r2": 1.0 - float(np.sum(errors_V**2)) / spread if spread > 0 else None,
    }


class GroupBootstrap:
    """Means over rows when whole groups are drawn with replacement, the same draws for every question.

    Parameters
    ----------
    groups : name of each row's group, shape (R,).
    seed : of the draws.
    """

    def __init__(self, groups: np.ndarray, seed: int) -> None:
        _, self._group_of_row = np.unique(groups, return_inverse=True)
        self._n_groups = int(self._group_of_row.max()) + 1
        random = np.random.default_rng(seed)
        shares = np.full(self._n_groups, 1.0 / self._n_groups)
        self._draws = random.multinomial(self._n_groups, shares, size=BOOTSTRAP_SAMPLES).astype(float)

    def means(self, values: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Mean of each column of ``values`` over the chosen rows, in every draw.

        Parameters
        ----------
        values : shape (R, C).
        rows : which to average over, bool, shape (R,); the draws are of all groups.

        Returns
        -------
        Shape (BOOTSTRAP_SAMPLES, C); NaN where a draw holds none of the rows.
        """
        group = self._group_of_row[rows]
        counts = np.bincount(group, minlength=self._n_groups)
        sums = np.stack(
            [np.bincount(group, weights=column, minlength=self._n_groups) for column in values[rows].T],
            axis=1,
        )
        with np.errstate(invalid="ignore"):
            return (self._draws @ sums) / (self._draws @ counts)[:, None]


def interval(draws: np.ndarray) -> list[float]:
    """95 % percentile interval of a bootstrapped number, shape (BOOTSTRAP_SAMPLES,), without its NaN."""
    tail = 100.0 * (1.0 - BOOTSTRAP_LEVEL) / 2.0
    low, high = np.nanpercentile(draws, [tail, 100.0 - tail])
    return [float(low), float(high)]


def bootstrap_mae_V(absolute_errors_V: np.ndarray, frameworks: np.ndarray, seed: int) -> list[float]:
    """95 % percentile interval of the MAE in V when whole frameworks are drawn with replacement."""
    all_rows = np.ones(len(absolute_errors_V), dtype=bool)
    return interval(GroupBootstrap(frameworks, seed).means(absolute_errors_V[:, None], all_rows)[:, 0])


def protocol_metrics(held_out: pd.DataFrame, seed: int) -> dict[str, Any]:
    """Errors on the held-out rows of one protocol: all, by ion, and of full extraction alone.

    Parameters
    ----------
    held_out : rows of :data:`ionsieve.tables.HELD_OUT` of one protocol.
    seed : of the bootstrap over frameworks.
    """

    def score(rows: pd.DataFrame) -> dict[str, Any]:
        labels_V = rows["voltage_V"].to_numpy(dtype=float)
        predictions_V = rows["predicted_voltage_V"].to_numpy(dtype=float)
        result: dict[str, Any] = scores(labels_V, predictions_V)
        if len(rows):
            frameworks = rows["framework"].to_numpy()
            result["n_frameworks"] = len(set(frameworks))
            result["mae_interval_V"] = bootstrap_mae_V(np.abs(predictions_V - labels_V), frameworks, seed)
        return result

    return {
        "all": score(held_out),
        "by_ion": {ion: score(rows) for ion, rows in held_out.groupby("working_ion", sort=True)},
        "full_extraction": score(held_out[held_out["x_charged"] == 0.0]),
    }


def ion_mean_predictions_V(
    voltages_V: np.ndarray, working_ions: np.ndarray, training_rows: np.ndarray, held_out_rows: np.ndarray
) -> np.ndarray:
    """The baseline: each held-out row gets the mean training voltage of its ion (of all, for a new ion)."""
    training = pd.Series(voltages_V[training_rows]).groupby(working_ions[training_rows]).mean()
    by_ion = pd.Series(working_ions[held_out_rows]).map(training)
    return by_ion.fillna(voltages_V[training_rows].mean()).to_numpy(dtype=float)


def coverage_metrics(held_out: pd.DataFrame) -> dict[str, Any]:
    """Share of labels inside their interval: all, by ion, by distance, and above HIGH_VOLTAGE_V.

    The last, among predictions above it, comes with the precision of that selection: the share whose label
    is above it too. Fifths by distance run from the electrodes nearest to their training set to the farthest.

    Parameters
    ----------
    held_out : with the columns voltage_V, predicted_voltage_V, voltage_low_V, voltage_high_V, distance.
    """
    labels_V = held_out["voltage_V"].to_numpy(dtype=float)
    low_V = held_out["voltage_low_V"].to_numpy(dtype=float)
    high_V = held_out["voltage_high_V"].to_numpy(dtype=float)
    inside = (labels_V >= low_V) & (labels_V <= high_V)

    def share(rows: np.ndarray) -> dict[str, Any]:
        widths_V = (high_V - low_V)[rows]
        return {
            "count": int(rows.sum()),
            "coverage": float(inside[rows].mean()) if rows.any() else None,
            "mean_width_V": float(widths_V.mean()) if rows.any() else None,
            "median_half_width_V": float(np.median(widths_V) / 2.0) if rows.any() else None,
        }

    ions = held_out["working_ion"].to_numpy()
    selected = held_out["predicted_voltage_V"].to_numpy(dtype=float) > HIGH_VOLTAGE_V
    precision = float((labels_V[selected] > HIGH_VOLTAGE_V).mean()) if selected.any() else None
    places = held_out["distance"].rank(method="first").to_numpy() - 1.0
    fifths = np.minimum((5.0 * places / max(len(held_out), 1)).astype(int), 4)
    return {
        "all": share(np.ones(len(labels_V), dtype=bool)),
        "by_ion": {str(ion): share(ions == ion) for ion in np.unique(ions)},
        "by_distance": [share(fifths == fifth) for fifth in range(5)],
        "predicted_high": {"threshold_V": HIGH_VOLTAGE_V, "precision": precision, **share(selected)},
    }
