"""The composition model: boosted trees per framework fold, and what calibrates their interval.

A formula whose host was in training is predicted by the one member that never saw it; all others by the mean
of the members. Whatever the model says is therefore leak-free.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pymatgen.core import Composition

from ionsieve.composition.descriptors import describe
from ionsieve.composition.formulas import HOST_TOLERANCE, N_ELEMENTS
from ionsieve.composition.pairs import Pairs
from ionsieve.voltage.boosting import BoostedTrees, train_trees
from ionsieve.voltage.state_files import RUN_AGAIN, load_state, save_state
from ionsieve.voltage.uncertainty import Uncertainty

MEMBER = "ionsieve composition member 1"
ENSEMBLE = "ionsieve composition ensemble 1"
# That fit a core's cache together.
TREES_AT_ONCE = 150


@dataclass(frozen=True)
class CompositionMember:
    """Boosted trees on the descriptors of pairs.

    Attributes
    ----------
    trees : trained.
    seen_numbers : atomic numbers of the training pairs.
    """

    trees: BoostedTrees
    seen_numbers: frozenset[int]

    def predict_V(self, descriptors: np.ndarray) -> np.ndarray:
        """Voltages of S pairs in V, shape (S,); ``descriptors`` are theirs, shape (S, D)."""
        return self.trees.predict_V(descriptors, TREES_AT_ONCE)

    def to_state(self) -> dict[str, Any]:
        """Tensors and plain values, loadable with ``weights_only=True``."""
        return {"trees": self.trees.to_state(), "seen_numbers": sorted(self.seen_numbers)}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> "CompositionMember":
        """The member that :meth:`to_state` describes."""
        return cls(BoostedTrees.from_state(state["trees"]), frozenset(state["seen_numbers"]))


def train_member(
    pairs: Pairs, voltages_V: np.ndarray, training_rows: np.ndarray, seed: int
) -> CompositionMember:
    """Train on some pairs; voltages of other rows, shape (S,), are never read."""
    rows = np.sort(training_rows)
    seen = np.flatnonzero(pairs.amounts(pairs.ions_discharged)[rows].any(axis=0))
    trees = train_trees(describe(pairs[rows]).to_numpy(), voltages_V[rows], seed)
    return CompositionMember(trees, frozenset(seen.tolist()))


@dataclass(frozen=True)
class CompositionEnsemble:
    """One member per framework fold, in the order of the folds.

    Attributes
    ----------
    members : K; member k never saw the frameworks of fold k.
    uncertainty : of their predictions.
    fold_of_framework : fold of each host that was in training, by its reduced formula.
    working_ions : of the training electrodes.
    """

    members: tuple[CompositionMember, ...]
    uncertainty: Uncertainty
    fold_of_framework: Mapping[str, int]
    working_ions: frozenset[str]

    @property
    def seen_numbers(self) -> frozenset[int]:
        """Atomic numbers that every member saw in training."""
        return frozenset.intersection(*(member.seen_numbers for member in self.members))

    def predict(self, pairs: Pairs) -> pd.DataFrame:
        """Voltages of S pairs.

        Returns
        -------
        S rows: ``voltage_V``, ``voltage_low_V``, ``voltage_high_V``, ``in_domain``, and ``known_host``:
        whether the host was in training, so that one member alone predicts.
        """
        descriptors = describe(pairs).to_numpy()
        member_V = np.stack([member.predict_V(descriptors) for member in self.members])
        disagreements_V = np.zeros_like(member_V)  # of one half alone there are none
        unseen = ~np.isin(np.arange(pairs.host.shape[1]), list(self.seen_numbers))
        has_unseen = np.any(pairs.amounts(pairs.ions_discharged)[:, unseen] > 0, axis=1)
        new = self.uncertainty.intervals(member_V, disagreements_V, descriptors, has_unseen)
        voltage_V, low_V, high_V = member_V.mean(axis=0), new.low_V.copy(), new.high_V.copy()
        distances = new.distances.copy()
        folds = self._folds(pairs)
        for fold in np.unique(folds[folds >= 0]).tolist():
            own = folds == fold
            voltage_V[own] = member_V[fold, own]
            known = self.uncertainty.intervals_of_fold(
                voltage_V[own], disagreements_V[fold, own], descriptors[own], fold
            )
            low_V[own], high_V[own], distances[own] = known.low_V, known.high_V, known.distances
        known_ion = np.isin(pairs.working_ions.astype(str), sorted(self.working_ions))
        return pd.DataFrame(
            {
                "voltage_V": voltage_V,
                "voltage_low_V": low_V,
                "voltage_high_V": high_V,
                "in_domain": (distances <= self.uncertainty.domain_limit) & ~has_unseen & known_ion,
                "known_host": folds >= 0,
            }
        )

    def _folds(self, pairs: Pairs) -> np.ndarray:
        """Fold of the training host that is each pair's own, or within rounding of it; -1 of a new host."""
        folds = np.full(len(pairs), -1)
        for row, host in enumerate(pairs.host):
            if (known := self._known_hosts.get((host > 0).tobytes())) is None:
                continue
            hosts, of_hosts = known
            differences = np.abs(hosts - host).max(axis=1)
            nearest = int(differences.argmin())
            if differences[nearest] <= HOST_TOLERANCE:
                folds[row] = of_hosts[nearest]
        return folds

    @cached_property
    def _known_hosts(self) -> dict[bytes, tuple[np.ndarray, np.ndarray]]:
        """Hosts that were in training, shape (H, 119), and their folds, by the elements that they hold."""
        known: dict[bytes, tuple[list[np.ndarray], list[int]]] = {}
        for framework, fold in self.fold_of_framework.items():
            host = np.zeros(N_ELEMENTS + 1)
            for element, share in Composition(framework).fractional_composition.items():
                host[element.Z] = share
            hosts, folds = known.setdefault((host > 0).tobytes(), ([], []))
            hosts.append(host)
            folds.append(fold)
        return {key: (np.stack(hosts), np.array(folds)) for key, (hosts, folds) in known.items()}

    def save(self, path: Path | str) -> None:
        """Write all that predictions need to one torch file."""
        save_state(
            path,
            ENSEMBLE,
            {
                "members": [member.to_state() for member in self.members],
                **self.uncertainty.to_state(),
                "fold_of_framework": dict(sorted(self.fold_of_framework.items())),
                "working_ions": sorted(self.working_ions),
            },
        )

    @classmethod
    def load(cls, path: Path | str, remedy: str = RUN_AGAIN) -> "CompositionEnsemble":
        """Read what :meth:`save` wrote; raises DataError, which ends in the remedy, for any other file."""
        state = load_state(path, ENSEMBLE, remedy)
        return cls(
            tuple(CompositionMember.from_state(member) for member in state["members"]),
            Uncertainty.from_state(state),
            state["fold_of_framework"],
            frozenset(state["working_ions"]),
        )


def save_member(path: Path | str, member: CompositionMember) -> None:
    """Write one member to a torch file."""
    save_state(path, MEMBER, member.to_state())


def load_member(path: Path | str) -> CompositionMember:
    """Read what :func:`save_member` wrote; raises DataError for any other file."""
    return CompositionMember.from_state(load_state(path, MEMBER))
