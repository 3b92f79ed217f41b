"""Voltage steps of an electrode between charged and discharged, as tables keep them."""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any


def voltage_steps(pairs: Sequence[Mapping[str, Any]]) -> tuple[list[float], list[float]]:
    """Voltage of each step and the ion content at their ends, from charged to discharged.

    Parameters
    ----------
    pairs : the Materials Project's ``adj_pairs``: ``average_voltage`` in V, and ``fracA_charge`` and
        ``fracA_discharge``, the atomic fraction f of the working ion at the step's ends.

    Returns
    -------
    step_voltage_V : one per step.
    step_x : one more, ascending to 1: ions per host atom f / (1 - f), over those of the discharged end.
        Both are empty where the pairs are incomplete or do not follow one another.
    """
    keys = ("average_voltage", "fracA_charge", "fracA_discharge")
    try:
        steps = sorted((tuple(float(pair[key]) for key in keys) for pair in pairs), key=lambda step: step[1])
        contents = [
            (charged / (1 - charged), discharged / (1 - discharged)) for _, charged, discharged in steps
        ]
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        return [], []
    following = all(abs(before[1] - after[0]) < 1e-6 for before, after in itertools.pairwise(contents))
    if not contents or not following or any(low >= high for low, high in contents):
        return [], []
    most = contents[-1][1]
    return [voltage_V for voltage_V, _, _ in steps], [low / most for low, _ in contents] + [1.0]
