"""Splits of cycling tests by the number of metals of their compositions, as in the DRXNet paper.

``2TM``                 train on compositions of one or two metals; test on three (``3TM``) and on four and
                        more (``HE``, high entropy).
``2TM+first_cycles``    the same, and the first cycles of the tests that are scored: what a cell tells that
                        was just put on test. Only their later cycles are scored.
``2+3TM``               train on up to three metals; test on four and more.

But for those first cycles a test, and with it its composition, is wholly on one side. The paper gives for
``2+3TM`` also an error on three metals: there those compositions are of the training.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np
import pandas as pd
from pymatgen.core import Composition

from ionsieve.errors import DataError, first_line

Protocol = Literal["2TM", "2TM+first_cycles", "2+3TM"]
PROTOCOLS: tuple[Protocol, ...] = ("2TM", "2TM+first_cycles", "2+3TM")
THREE_METALS, HIGH_ENTROPY = "3TM", "HE"
# Cycles of a scored test that "2TM+first_cycles" trains on.
FIRST_CYCLES = 1
WORKING_ION = "Li"


@cache
def metals(composition: str) -> frozenset[str]:
    """The metals of a composition that count: every metal of the periodic table but the working ion, Li.

    In the paper's data these are 13 of its 14 metals (Mg, Al, Ti, V, Cr, Mn, Fe, Co, Ni, Zr, Nb, Mo, W). It
    speaks of transition metals (TM); Mg and Al sit on the same sites and are counted here with them.

    Raises
    ------
    DataError : no formula.
    """
    try:
        elements = Composition(composition).elements
        return frozenset(element.symbol for element in elements if element.is_metal) - {WORKING_ION}
    except (ValueError, AttributeError) as error:
        raise DataError(
            f"{composition!r} is no formula of elements ({first_line(error)}); write one"
            " such as Li1.2Mn0.4Ti0.4O2"
        ) from error


@cache
def canonical(composition: str) -> str:
    """One name for all spellings and multiples of a composition: atomic fractions, elements sorted."""
    fractions = Composition(composition).fractional_composition.as_dict()
    return " ".join(f"{element}{fractions[element]:.5f}" for element in sorted(fractions))


@dataclass(frozen=True)
class Split:
    """Rows of a points table.

    Attributes
    ----------
    training : bool, shape (P,).
    scored : by the name of the group, bool, shape (P,) each; no row is in two of all these.
    """

    training: np.ndarray
    scored: Mapping[str, np.ndarray]


def split_by_metals(points: pd.DataFrame, protocol: str, first_cycles: int = FIRST_CYCLES) -> Split:
    """Training and scored rows by the number of metals.

    Parameters
    ----------
    points : a points table; the columns ``composition`` and ``cycle`` are read.
    protocol : one of :data:`PROTOCOLS`.
    first_cycles : cycles 1 ... of scored tests that ``2TM+first_cycles`` trains on.

    Raises
    ------
    DataError : unknown protocol, no training test, or nothing to score.
    """
    if protocol not in PROTOCOLS:
        raise DataError(f"there is no split {protocol!r}; use one of {', '.join(PROTOCOLS)}")
    if first_cycles < 1:
        raise DataError(f"first_cycles is {first_cycles}; at least 1 is needed, or use the split 2TM")
    counts = number_of_metals(points["composition"].tolist())
    most_trained = 3 if protocol == "2+3TM" else 2
    training = counts <= most_trained
    scored = (
        {HIGH_ENTROPY: counts >= 4}
        if most_trained == 3
        else {THREE_METALS: counts == 3, HIGH_ENTROPY: counts >= 4}
    )
    if protocol == "2TM+first_cycles":
        first = points["cycle"].to_numpy() <= first_cycles
        scored = {name: rows & ~first for name, rows in scored.items()}
        training = training | first
    if not training.any() or not any(rows.any() for rows in scored.values()):
        raise DataError(
            f"the split {protocol} has {int(training.sum())} points to train on and"
            f" {int(sum(rows.sum() for rows in scored.values()))} to score: it needs tests of up to"
            f" {most_trained} metals besides Li, and tests of more; metals found: {_tally(counts)}"
        )
    return Split(training, {name: rows for name, rows in scored.items() if rows.any()})


def hold_out_compositions(points: pd.DataFrame, share: float, seed: int) -> np.ndarray:
    """Rows of a share of the compositions, all tests of one composition together: what a network never saw
    though it saw its like.

    Returns
    -------
    bool, shape (P,): the held-out rows.

    Raises
    ------
    DataError : fewer than two compositions.
    """
    place, spelled = pd.factorize(points["composition"], sort=True)
    names, composition_of_spelling = np.unique([canonical(name) for name in spelled], return_inverse=True)
    if len(names) < 2:
        raise DataError(
            f"{len(names)} composition cannot be split into training and held out; add tests of another one"
        )
    n_held_out = min(max(1, round(share * len(names))), len(names) - 1)
    held_out = np.random.default_rng(seed).permutation(len(names))[:n_held_out]
    return np.isin(composition_of_spelling[place], held_out)


def number_of_metals(compositions: Sequence[str]) -> np.ndarray:
    """Of each composition, shape (P,); see :func:`metals`."""
    place, spelled = pd.factorize(np.asarray(compositions, dtype=object))
    return np.array([len(metals(str(name))) for name in spelled], dtype=np.int64)[place]


def _tally(counts: np.ndarray) -> str:
    numbers, points = np.unique(counts, return_counts=True)
    return ", ".join(f"{number} in {n:,} points" for number, n in zip(numbers, points, strict=True))
