"""A composition graph network for pairs of formulas, after Roost.

Goodall and Lee, Nat. Commun. 11, 6280 (2020): the elements of a formula are the nodes of a complete graph,
which exchange messages by attention weighted with their amounts, and a pool of the same kind reads them.
Here one graph holds both formulas of a pair: a node knows its element's share and formal charge when
discharged and when charged, one node is the working ion, and the head also reads that node.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from ionsieve.composition.network_training import fit
from ionsieve.composition.pairs import Pairs
from ionsieve.voltage.element_features import element_properties, element_vectors
from ionsieve.voltage.training import Schedule

N_NODE_NUMBERS = 8
N_PAIR_NUMBERS = 6
# Below this share a logarithm says "none" and not how little.
SMALLEST_SHARE = 1e-3
# As many as stay in a core's cache.
ROWS_PER_BATCH = 128
# Chosen on framework folds 0 and 1 of the Materials Project's electrodes, seed 0, among ten times the weight
# decay, thrice the dropout, half the epochs and batches twice as large: all within 0.01 V of one another.
SCHEDULE = Schedule(epochs=60, batch_size=64, learning_rate=2e-3, weight_decay=1e-2)


@dataclass(frozen=True)
class Architecture:
    """Sizes of the network.

    Attributes
    ----------
    width : features of a node.
    layers : rounds of messages.
    heads : of attention, per round and in the pool.
    head_features : hidden features of a message or of the pool, per head.
    hidden : features of the head's hidden layers.
    dropout : in the head.
    """

    width: int = 64
    layers: int = 3
    heads: int = 3
    head_features: int = 32
    hidden: int = 128
    dropout: float = 0.1


@dataclass(frozen=True)
class ElementGraphs:
    """Graphs of S pairs, padded to the same number of nodes K; the working ion is node 0.

    Attributes
    ----------
    numbers : atomic numbers, 0 where there is no node, shape (S, K).
    node_numbers : what the nodes know beside their element, shape (S, K, N_NODE_NUMBERS).
    pair_numbers : what is known of the pair, shape (S, N_PAIR_NUMBERS).
    """

    numbers: torch.Tensor
    node_numbers: torch.Tensor
    pair_numbers: torch.Tensor

    @classmethod
    def of(cls, pairs: Pairs) -> "ElementGraphs":
        """The graphs of some pairs, host elements in the order of their atomic numbers."""
        n_pairs = len(pairs)
        pair_of_node, element_of_node = np.nonzero(pairs.host)
        n_elements = np.bincount(pair_of_node, minlength=n_pairs)
        first = np.cumsum(n_elements) - n_elements
        place = 1 + np.arange(len(pair_of_node)) - np.repeat(first, n_elements)
        shape = (n_pairs, 1 + int(n_elements.max(initial=0)))
        numbers = np.zeros(shape, dtype=np.int64)
        numbers[:, 0] = pairs.ion_numbers
        numbers[pair_of_node, place] = element_of_node
        amounts = np.zeros((2, *shape))  # discharged, charged
        amounts[:, pair_of_node, place] = pairs.host[pair_of_node, element_of_node]
        amounts[:, :, 0] = pairs.ions_discharged, pairs.ions_charged
        shares = amounts / amounts.sum(axis=2, keepdims=True)
        formal = pairs.formal_charges
        charges = np.zeros((2, *shape))  # discharged, charged
        charges[:, pair_of_node, place] = (
            formal.discharged[pair_of_node, element_of_node],
            formal.charged[pair_of_node, element_of_node],
        )
        charges[:, :, 0] = pairs.ion_charges
        is_ion = np.zeros(shape)
        is_ion[:, 0] = 1.0
        node_numbers = np.stack(
            [*shares, *np.log(shares + SMALLEST_SHARE), is_ion, *charges, charges[1] - charges[0]], axis=2
        )
        node_numbers[numbers == 0] = 0.0
        leaving = pairs.ions_discharged - pairs.ions_charged
        pair_numbers = np.column_stack(
            [
                np.log(pairs.ions_discharged),
                np.log(leaving),
                pairs.ions_charged / pairs.ions_discharged,
                pairs.ion_charges,
                pairs.ion_charges * pairs.ions_discharged,
                pairs.ion_charges * leaving,
            ]
        )
        return cls(
            torch.from_numpy(numbers),
            torch.from_numpy(node_numbers).float(),
            torch.from_numpy(pair_numbers).float(),
        )

    def batch(
        self, rows: np.ndarray, device: torch.device
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """The network's arguments for some rows, without the nodes that none of them has."""
        numbers = self.numbers[rows]
        n_nodes = int((numbers > 0).sum(dim=1).max())
        arguments = (numbers[:, :n_nodes], self.node_numbers[rows, :n_nodes], self.pair_numbers[rows])
        numbers, node_numbers, pair_numbers = (argument.to(device) for argument in arguments)
        return numbers, node_numbers, pair_numbers


class ElementGraphNetwork(nn.Module):
    """The network; its output is the scaled voltage of each pair."""

    element_inputs: torch.Tensor

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        width = architecture.width
        self.register_buffer("element_inputs", _element_inputs())
        self.embed_element = nn.Linear(self.element_inputs.shape[1], width)
        self.embed_numbers = nn.Sequential(
            nn.Linear(N_NODE_NUMBERS, width), nn.SiLU(), nn.Linear(width, width)
        )
        self.messages = nn.ModuleList(
            WeightedAttention(width, architecture.heads, architecture.head_features)
            for _ in range(architecture.layers)
        )
        self.pool = WeightedAttention(width, architecture.heads, architecture.head_features)
        self.head = nn.Sequential(
            nn.Dropout(architecture.dropout),
            nn.Linear(2 * width + N_PAIR_NUMBERS, architecture.hidden),
            nn.SiLU(),
            nn.Dropout(architecture.dropout),
            nn.Linear(architecture.hidden, architecture.hidden),
            nn.SiLU(),
            nn.Linear(architecture.hidden, 1),
        )

    def forward(
        self, numbers: torch.Tensor, node_numbers: torch.Tensor, pair_numbers: torch.Tensor
    ) -> torch.Tensor:
        """Scaled voltages, shape (B,), of what :class:`ElementGraphs` holds."""
        present = numbers > 0
        log_shares = node_numbers[:, :, 2]
        nodes = self.embed_element(self.element_inputs[numbers]) + self.embed_numbers(node_numbers)
        for message in self.messages:
            nodes = nodes + message(nodes, nodes, log_shares, present)
        ion = nodes[:, :1]
        pooled = self.pool(ion, nodes, log_shares, present)
        inputs = torch.cat([ion.squeeze(1), pooled.squeeze(1), pair_numbers], dim=1)
        return self.head(inputs).squeeze(1)


class WeightedAttention(nn.Module):
    """Messages from all nodes, weighted with share^p exp(gate) and normalised, one p per head.

    The layer after the hidden one is linear, and so can follow the weighted sum instead of each message.
    """

    def __init__(self, width: int, heads: int, head_features: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(width)
        self.from_receiver = nn.Linear(width, heads * head_features)
        self.from_sender = nn.Linear(width, heads * head_features, bias=False)
        self.gate = nn.Parameter(torch.randn(heads, head_features) / head_features**0.5)
        self.power = nn.Parameter(torch.ones(heads))
        self.out = nn.Linear(heads * head_features, width)

    def forward(
        self, receivers: torch.Tensor, senders: torch.Tensor, log_shares: torch.Tensor, present: torch.Tensor
    ) -> torch.Tensor:
        """What R receivers (B, R, width) get of K senders (B, K, width), shape (B, R, width)."""
        receiver = self.from_receiver(self.norm(receivers)).unsqueeze(2)
        sender = self.from_sender(self.norm(senders)).unsqueeze(1)
        hidden = nn.functional.silu(receiver + sender).unflatten(3, (self.heads, -1))
        logits = (hidden * self.gate).sum(dim=4) + log_shares[:, None, :, None] * self.power
        attention = logits.masked_fill(~present[:, None, :, None], -torch.inf).softmax(dim=2)
        return self.out((attention.unsqueeze(4) * hidden).sum(dim=2).flatten(2))


@dataclass(frozen=True)
class TrainedElementGraph:
    """A trained network, and mean and scale of its targets."""

    network: ElementGraphNetwork
    mean_V: float
    scale_V: float

    @torch.no_grad()
    def predict_V(self, pairs: Pairs) -> np.ndarray:
        """Volts for each of S pairs, shape (S,), float64."""
        graphs = ElementGraphs.of(pairs)
        voltages_V = np.empty(len(pairs))
        # Pairs of like many elements together: less padding.
        order = np.argsort((graphs.numbers > 0).sum(dim=1).numpy(), kind="stable")
        for start in range(0, len(voltages_V), ROWS_PER_BATCH):
            rows = order[start : start + ROWS_PER_BATCH]
            outputs = self.network(*graphs.batch(rows, torch.device("cpu")))
            voltages_V[rows] = outputs.double().numpy() * self.scale_V + self.mean_V
        return voltages_V


def train(
    pairs: Pairs,
    targets_V: np.ndarray,
    training_rows: np.ndarray,
    schedule: Schedule,
    seed: int,
    architecture: Architecture = Architecture(),
) -> TrainedElementGraph:
    """Train one network on some pairs; the same on each run.

    Parameters
    ----------
    targets_V : voltages in V, shape (S,); those outside ``training_rows`` are never read.
    training_rows : rows to train on, which also give means and scales.
    seed : of the initial weights, of dropout and of the order of the batches.
    architecture : sizes.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = ElementGraphNetwork(architecture)
    batch = ElementGraphs.of(pairs).batch
    mean_V, scale_V = fit(network, batch, targets_V, training_rows, schedule, seed)
    return TrainedElementGraph(network, mean_V, scale_V)


def _element_inputs() -> torch.Tensor:
    """One-hot property bits and standardised properties of each element, shape (119, 105); row 0 is zero."""
    properties = element_properties()[1:]
    scaled = (properties - properties.mean(axis=0)) / properties.std(axis=0)
    plain = np.vstack([np.zeros(scaled.shape[1]), scaled])
    return torch.from_numpy(np.hstack([element_vectors(), plain])).float()
