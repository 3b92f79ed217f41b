"""What needs no network: the same as the last discharge, or a straight line through the last few.

Both continue one cell from its own measured cycles, and work on a number per cycle (a capacity) as well as on
a curve per cycle, given on a grid of voltages that all cycles share. A network that cannot beat them on a
cell that has been cycled says nothing about cycling.
"""

import numpy as np

# Cycles that the straight line goes through; the fade of early cycles slows down, so that all would lead
# astray.
LINE_CYCLES = 4


def persistence(values: np.ndarray, n_ahead: int) -> np.ndarray:
    """The last measured cycle again.

    Parameters
    ----------
    values : what was measured in K cycles, ascending, shape (K, ...), K >= 1.
    n_ahead : cycles to predict.

    Returns
    -------
    Shape (n_ahead, ...).
    """
    return np.repeat(values[-1:], n_ahead, axis=0)


def linear_fade(
    cycles: np.ndarray, values: np.ndarray, wanted: np.ndarray, last: int = LINE_CYCLES
) -> np.ndarray:
    """A straight line through the last measured cycles, by least squares for each entry.

    Parameters
    ----------
    cycles : numbers of the K measured cycles, ascending, shape (K,), K >= 1.
    values : what was measured in them, shape (K, ...).
    wanted : cycles to predict, shape (A,).
    last : how many cycles the line goes through; of fewer, through all; through a single one it is level.

    Returns
    -------
    Shape (A, ...).
    """
    x, y = np.asarray(cycles, dtype=float)[-last:], values[-last:]
    centre = x.mean()
    spread = float(((x - centre) ** 2).sum())
    slope = np.tensordot(x - centre, y, axes=1) / spread if spread > 0 else np.zeros_like(y[-1], dtype=float)
    ahead = np.asarray(wanted, dtype=float) - centre
    return y.mean(axis=0) + np.multiply.outer(ahead, slope)


def mean_absolute_deviation(values: np.ndarray) -> float:
    """MAE of predicting the mean of the scored values themselves: the paper's baseline."""
    return float(np.abs(values - values.mean()).mean())
