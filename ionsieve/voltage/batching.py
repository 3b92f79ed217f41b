"""Batches of crystals gathered by index from the flat arrays of all graphs."""

from collections.abc import Iterator

import numpy as np
import torch

from ionsieve.voltage.graphs import Graphs
from ionsieve.voltage.model import Batch


class GraphBatcher:
    """Makes a :class:`~ionsieve.voltage.model.Batch` of any crystals of one :class:`Graphs`.

    Parameters
    ----------
    graphs : graphs of S crystals; each must hold at least one working ion.
    """

    def __init__(self, graphs: Graphs) -> None:
        self._graphs = graphs
        self._n_nodes = np.diff(graphs.node_ptr)
        self._edge_starts = graphs.edge_ptr[graphs.node_ptr[:-1]]
        self._n_edges = graphs.edges_per_crystal()
        crystal_of_node = graphs.crystal_of_node()
        self._ion_weights, self._atom_weights = (
            (counts / np.bincount(crystal_of_node, weights=counts)[crystal_of_node]).astype(np.float32)
            for counts in (graphs.is_ion * graphs.atom_counts, graphs.atom_counts)
        )
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
            ion_weights=torch.from_numpy(self._ion_weights[nodes]),
            atom_weights=torch.from_numpy(self._atom_weights[nodes]),
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
