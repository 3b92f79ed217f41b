"""How far a crystal is from those that a member learned from.

The distance to a crystal is the root mean square difference of the normalised descriptors, and that to a
training set the distance to its nearest crystal. What is far is told by the electrodes themselves, each seen
from the folds that do not hold its framework.
"""

from dataclasses import dataclass

import numpy as np

# Standard deviations that a single descriptor may count for.
LARGEST_DEVIATION = 4.0
# A candidate farther out than this share of electrodes are from foreign frameworks is outside the domain.
DOMAIN_SHARE = 0.95
_ROWS_PER_CHUNK = 1024


@dataclass(frozen=True)
class TrainingSet:
    """The electrodes that K members learned from.

    Attributes
    ----------
    descriptors : shape (R, D).
    folds : the member that never saw each electrode, 0 ... K - 1, shape (R,).
    """

    descriptors: np.ndarray
    folds: np.ndarray

    def distances(self, descriptors: np.ndarray) -> np.ndarray:
        """Distance of n crystals to the training electrodes of each member, shape (K, n)."""
        means, scales = self.descriptors.mean(axis=0), self.descriptors.std(axis=0)
        varying = scales > 0

        def normalized(values: np.ndarray) -> np.ndarray:
            deviations = (values[:, varying] - means[varying]) / scales[varying]
            return np.clip(deviations, -LARGEST_DEVIATION, LARGEST_DEVIATION)

        known = normalized(self.descriptors)
        known_squares = (known**2).sum(axis=1)
        n_members = int(self.folds.max()) + 1
        nearest = np.empty((n_members, len(descriptors)))
        for start in range(0, len(descriptors), _ROWS_PER_CHUNK):
            chunk = slice(start, start + _ROWS_PER_CHUNK)
            new = normalized(descriptors[chunk])
            squares = (new**2).sum(axis=1)[:, None] + known_squares - 2.0 * new @ known.T
            of_folds = np.stack(
                [squares[:, self.folds == fold].min(axis=1, initial=np.inf) for fold in range(n_members)]
            )
            for member in range(n_members):
                nearest[member, chunk] = np.delete(of_folds, member, axis=0).min(axis=0, initial=np.inf)
        return np.sqrt(np.maximum(nearest, 0.0) / max(int(varying.sum()), 1))

    def own_distances(self) -> np.ndarray:
        """Distance of each electrode to those of the member that never saw it, shape (R,)."""
        return self.distances(self.descriptors)[self.folds, np.arange(len(self.folds))]


def domain_limit(own_distances: np.ndarray) -> float:
    """The distance beyond which a crystal is outside the domain."""
    return float(np.quantile(own_distances, DOMAIN_SHARE))
