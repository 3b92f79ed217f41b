"""One trained network with all that it needs to predict: normaliser, sizes, elements it saw.

The voltage of a member that also holds gradient-boosted trees is the mean of the two.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import torch

from ionsieve.voltage.batching import GraphBatcher
from ionsieve.voltage.boosting import BoostedTrees
from ionsieve.voltage.element_features import element_vectors, random_binary_vectors
from ionsieve.voltage.graphs import Graphs
from ionsieve.voltage.model import IonPooledCGCNN, Pooling

# Edges per forward pass: activations that stay in the processor's cache; larger batches take twice as long.
EDGES_PER_BATCH = 8_000


@dataclass(frozen=True)
class Architecture:
    """Sizes of the graph and the network; see the section ``voltage`` of the configuration.

    ``pooling`` is over the working ions, over all atoms (to test the paper's claim that it matters), or over
    the ions in the context of their host and ``n_descriptors`` descriptors;
    ``atom_input`` is an element's properties, or random bits that leave chemistry to be learned.
    """

    cutoff_A: float
    max_neighbors: int
    atom_features: int
    convolutions: int
    hidden_features: int
    pooling: Pooling = "ions"
    n_descriptors: int = 0
    atom_input: Literal["properties", "random_binary"] = "properties"

    def to_dict(self) -> dict[str, float | str]:
        """Plain values for state files and the model card."""
        return asdict(self)

    def network(self) -> IonPooledCGCNN:
        """A network of this shape, its weights random."""
        return IonPooledCGCNN(
            self.atom_features,
            self.convolutions,
            self.hidden_features,
            pooling=self.pooling,
            n_descriptors=self.n_descriptors,
            element_inputs=element_vectors() if self.atom_input == "properties" else random_binary_vectors(),
        )


@dataclass(frozen=True)
class MemberPrediction:
    """Voltages of S crystals by one member.

    Attributes
    ----------
    voltages_V : shape (S,), float64.
    disagreements_V : distance between the network's voltage and the trees', shape (S,); 0 without trees.
    """

    voltages_V: np.ndarray
    disagreements_V: np.ndarray


@dataclass(frozen=True)
class Member:
    """A trained network, alone or with trees.

    Attributes
    ----------
    network : its weights.
    architecture : its sizes.
    mean_V, scale_V : the network's output times ``scale_V`` plus ``mean_V`` is the voltage.
    seen_numbers : atomic numbers of the training crystals.
    trees : gradient-boosted trees on the same descriptors, or None.
    """

    network: IonPooledCGCNN
    architecture: Architecture
    mean_V: float
    scale_V: float
    seen_numbers: frozenset[int]
    trees: BoostedTrees | None = None

    def predict(self, graphs: Graphs, descriptors: np.ndarray) -> MemberPrediction:
        """Voltages of S crystals; ``descriptors`` has the shape (S, D)."""
        network_V = self.network_V(graphs, descriptors)
        trees_V = network_V if self.trees is None else self.trees.predict_V(descriptors)
        return MemberPrediction((network_V + trees_V) / 2.0, np.abs(network_V - trees_V))

    @torch.no_grad()
    def network_V(self, graphs: Graphs, descriptors: np.ndarray | None = None) -> np.ndarray:
        """The network's voltages in V alone, shape (S,), float64; descriptors for pooling "context"."""
        device = next(self.network.parameters()).device
        self.network.eval()
        reads = self.architecture.pooling == "context"
        batches = GraphBatcher(graphs, descriptors if reads else None).batches_of_edges(EDGES_PER_BATCH)
        outputs = torch.cat([self.network(batch.to(device)).cpu() for batch in batches])
        return outputs.double().numpy() * self.scale_V + self.mean_V

    def to_state(self) -> dict[str, Any]:
        """Tensors and plain values, loadable with ``weights_only=True``."""
        return {
            "architecture": self.architecture.to_dict(),
            "mean_V": self.mean_V,
            "scale_V": self.scale_V,
            "seen_numbers": sorted(self.seen_numbers),
            "weights": dict(self.network.state_dict()),
            "trees": None if self.trees is None else self.trees.to_state(),
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> "Member":
        """The member that :meth:`to_state` describes."""
        architecture = Architecture(**state["architecture"])
        network = architecture.network()
        network.load_state_dict(state["weights"])
        trees = None if state["trees"] is None else BoostedTrees.from_state(state["trees"])
        return cls(
            network, architecture, state["mean_V"], state["scale_V"], frozenset(state["seen_numbers"]), trees
        )
