"""Batches of crystals gathered by index from the flat arrays of all graphs."""

from collections.abc import Iterator

import numpy as np
import torch
from ase.data import atomic_numbers

from ionsieve.electrochemistry import HIGHEST_OXIDATION_STATE
from ionsieve.voltage.graphs import Graphs
from ionsieve.voltage.model import Batch

_REDOX_NUMBERS = [atomic_numbers[symbol] for symbol in HIGHEST_OXIDATION_STATE]


class GraphBatcher:
    """Makes a :class:`~ionsieve.voltage.model.Batch` of any crystals of one :class:`Graphs`.

    Parameters
    ----------
    graphs : graphs of S crystals; each must hold at least one working ion.
    descriptors : shape (S, D), for networks that read them.
    """

    def __init__(self, graphs: Graphs, descriptors: np.ndarray | None = None) -> None:
        self._graphs = graphs
        self._descriptors = (
            np.empty((len(graphs), 0)) if descriptors is None else np.asarray(descriptors)
        ).astype(np.float32)
        self._n_nodes = np.diff(graphs.node_ptr)
        self._edge_starts = graphs.edge_ptr[graphs.node_ptr[:-1]]
        self._n_edges = graphs.edges_per_crystal()
        crystal_of_node = graphs.crystal_of_node()
        is_redox = np.isin(graphs.numbers, _REDOX_NUMBERS) & ~graphs.is_ion

        def weights(of_class: np.ndarray) -> np.ndarray:
            counts = of_class * graphs.atom_counts
            totals = np.bincount(crystal_of_node, weights=counts, minlength=len(graphs))
            return (counts / np.maximum(totals, 1)[crystal_of_node]).astype(np.float32)

        self._weights = {
            "ion_weights": weights(graphs.is_ion),
            "atom_weights": weights(np.ones(len(graphs.numbers), dtype=bool)),
            "host_weights": weights(~graphs.is_ion),
            "redox_weights": weights(is_redox),
        }
        center_of_edge = np.repeat(np.arange(len(graphs.numbers)), np.diff(graphs.edge_ptr))
        self._center_in_crystal = center_of_edge - graphs.node_ptr[crystal_of_node[center_of_edge]]

    def batch(self, crystals: np.ndarray) -> Batch:
        """The crystals with these indices, shape (B,), in this order."""
        graphs, n_nodes, n_edges = self._graphs, self._n_nodes[crystals], self._n_edges[crystals]
        nodes = _ranges(graphs.node_ptr[crystals], n_nodes)
        edges = _ranges(self._edge_starts[crystals], n_edges)
        first_node_of_edge = np.repeat(np.cumsum(n_nodes) - n_nodes, n_edges)
        edge_index = np.stack(
            [
                graphs.neighbors[edges] + first_node_of_edge,
                self._center_in_crystal[edges] + first_node_of_edge,
            ]
        )
        return Batch(
            numbers=torch.from_numpy(graphs.numbers[nodes].astype(np.int64)),
            **{name: torch.from_numpy(weights[nodes]) for name, weights in self._weights.items()},
            descriptors=torch.from_numpy(self._descriptors[crystals]),
            crystal_of_node=torch.from_numpy(np.repeat(np.arange(len(crystals)), n_nodes)),
            edge_index=torch.from_numpy(edge_index),
            distances_A=torch.from_numpy(graphs.distances_A[edges]),
            edge_counts=torch.from_numpy(graphs.edge_counts[edges].astype(np.float32)),
            n_crystals=len(crystals),
        )

    def batches_of_edges(self, max_edges: int) -> Iterator[Batch]:
        """All crystals in order, in batches of at most ``max_edges`` edges (but at least one crystal)."""
        start = 0
        totals = np.concatenate([[0], np.cumsum(self._n_edges)])
        while start < len(self._n_edges):
            stop = max(start + 1, int(np.searchsorted(totals, totals[start] + max_edges, side="right")) - 1)
            yield self.batch(np.arange(start, stop))
            start = stop


def _ranges(starts: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """The integers of the ranges starts[i] : starts[i] + counts[i], one after the other."""
    offsets = np.cumsum(counts) - counts
    return np.arange(counts.sum()) + np.repeat(starts - offsets, counts)
