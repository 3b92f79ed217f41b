"""One trained network with all that it needs to predict: normaliser, sizes, elements it saw."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import torch

from ionsieve.voltage.batching import GraphBatcher
from ionsieve.voltage.element_features import element_vectors, random_binary_vectors
from ionsieve.voltage.graphs import Graphs
from ionsieve.voltage.model import IonPooledCGCNN

# Edges per forward pass: about 100 MB of activations, and still large enough for fast matrix products.
EDGES_PER_BATCH = 50_000


@dataclass(frozen=True)
class Architecture:
    """Sizes of the graph and the network; see the section ``voltage`` of the configuration.

    ``pooling`` is over the working ions, or over all atoms (to test the paper's claim that it matters);
    ``atom_input`` is an element's properties, or random bits that leave chemistry to be learned.
    """

    cutoff_A: float
    max_neighbors: int
    atom_features: int
    convolutions: int
    hidden_features: int
    pooling: Literal["ions", "atoms"] = "ions"
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
            over_ions=self.pooling == "ions",
            element_inputs=element_vectors() if self.atom_input == "properties" else random_binary_vectors(),
        )


@dataclass(frozen=True)
class Member:
    """A trained network.

    Attributes
    ----------
    network : its weights.
    architecture : its sizes.
    mean_V, scale_V : the network's output times ``scale_V`` plus ``mean_V`` is the voltage.
    seen_numbers : atomic numbers of the training crystals.
    """

    network: IonPooledCGCNN
    architecture: Architecture
    mean_V: float
    scale_V: float
    seen_numbers: frozenset[int]

    @torch.no_grad()
    def predict_V(self, graphs: Graphs) -> np.ndarray:
        """Voltages of all crystals in V, shape (S,), float64."""
        self.network.eval()
        outputs = [self.network(batch) for batch in GraphBatcher(graphs).batches_of_edges(EDGES_PER_BATCH)]
        return torch.cat(outputs).double().numpy() * self.scale_V + self.mean_V

    def to_state(self) -> dict[str, Any]:
        """Tensors and plain values, loadable with ``weights_only=True``."""
        return {
            "architecture": self.architecture.to_dict(),
            "mean_V": self.mean_V,
            "scale_V": self.scale_V,
            "seen_numbers": sorted(self.seen_numbers),
            "weights": dict(self.network.state_dict()),
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> "Member":
        """The member that :meth:`to_state` describes."""
        architecture = Architecture(**state["architecture"])
        network = architecture.network()
        network.load_state_dict(state["weights"])
        return cls(network, architecture, state["mean_V"], state["scale_V"], frozenset(state["seen_numbers"]))
