"""Which neighbours of the working ions drive a prediction, for one crystal: integrated gradients.

In each convolution a working ion i gains the sum of its neighbours' messages. Let the neighbours e speak
with a loudness alpha_e between 0 and 1, and where they are silent let an average neighbour speak instead:

    s_i(alpha) = sum_e n_e [ alpha_e m_e(alpha) + (1 - alpha_e) mu / N_i ],   N_i = sum_e n_e,

with n_e the neighbours that edge e stands for, m_e a message and mu the mean sum of messages that the layer's
batch norm saw in training. alpha = 1 is the prediction; alpha = 0, the baseline, is the ion in average
surroundings, which depends on the ion's element alone. The contribution of edge e is the integrated
gradient (Sundararajan, Taly and Yan, ICML 2017) of the voltage along the straight line between them,

    c_e = integral over t from 0 to 1 of dV/dalpha_e at alpha = t (1, ..., 1),

so that the contributions of all edges add up to the prediction less the baseline (completeness).
What the neighbours themselves gathered from further atoms counts as theirs.
"""

import copy
import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import pandas as pd
import torch
from ase.data import chemical_symbols
from torch import Tensor

from ionsieve.voltage.batching import GraphBatcher
from ionsieve.voltage.graphs import build_graphs
from ionsieve.voltage.members import Member
from ionsieve.voltage.model import Batch, GatedConvolution, IonPooledCGCNN

# Gauss-Legendre points on the line. Trained networks need the fewest; more are taken until contributions
# add up to within the tolerance, which is far below what a voltage is told with.
QUADRATURE_POINTS = (16, 64, 256)
COMPLETENESS_V = 1e-5
# Neighbours of one element whose distances round to the same hundredth of an angstrom are one row.
DISTANCE_DECIMALS = 2


@dataclass(frozen=True)
class NeighborContributions:
    """How a crystal's predicted voltage comes about.

    Attributes
    ----------
    baseline_V : voltage of the ion in average surroundings, in V.
    voltage_V : predicted voltage in V: the baseline plus all contributions.
    table : one row per element and distance, nearest first: neighbor (symbol), distance_A,
        count (neighbours per working ion), contribution_V (of all these neighbours together).
    """

    baseline_V: float
    voltage_V: float
    table: pd.DataFrame


def neighbor_contributions(member: Member, row: Mapping[str, Any], working_ion: str) -> NeighborContributions:
    """Contributions of the working ions' neighbours to one member's voltage of one crystal.

    Parameters
    ----------
    member : a graph network.
    row : the crystal's columns numbers, cell, frac_coords (see :mod:`ionsieve.tables`).
    working_ion : symbol; the crystal holds it.
    """
    architecture = member.architecture
    crystal = pd.DataFrame([{name: row[name] for name in ("numbers", "cell", "frac_coords")}])
    graphs = build_graphs(crystal, [working_ion], architecture.cutoff_A, architecture.max_neighbors)
    batch = _in_double(GraphBatcher(graphs).batch(np.array([0])))
    voltage_of = _voltage_by_loudness(member, batch)
    neighbors, centers = batch.edge_index
    of_ions = batch.ion_weights[centers] > 0
    n_edges = int(of_ions.sum())
    with torch.no_grad():
        baseline_V = float(voltage_of(torch.zeros(n_edges, dtype=torch.float64)))
        voltage_V = float(voltage_of(torch.ones(n_edges, dtype=torch.float64)))
    for n_points in QUADRATURE_POINTS:
        contributions_V = _integrated_gradients(voltage_of, n_edges, n_points)
        if abs(baseline_V + float(contributions_V.sum()) - voltage_V) < COMPLETENESS_V:
            break
    counts = (batch.ion_weights[centers] * batch.edge_counts)[of_ions]
    edges = pd.DataFrame(
        {
            "neighbor": [chemical_symbols[number] for number in batch.numbers[neighbors[of_ions]].tolist()],
            "distance_A": batch.distances_A[of_ions].numpy().round(DISTANCE_DECIMALS),
            "count": counts.numpy(),
            "contribution_V": contributions_V.numpy(),
        }
    )
    table = edges.groupby(["distance_A", "neighbor"], as_index=False)[["count", "contribution_V"]].sum()
    return NeighborContributions(
        baseline_V, voltage_V, table[["neighbor", "distance_A", "count", "contribution_V"]]
    )


def ensemble_contributions(
    members: Sequence[Member], row: Mapping[str, Any], working_ion: str
) -> dict[str, Any]:
    """Mean over members of their contributions, and how far the members differ, as a plain document.

    Integrated gradients are linear in the voltage, so that the means still add up.
    """
    each = [neighbor_contributions(member, row, working_ion) for member in members]
    table = each[0].table[["neighbor", "distance_A", "count"]]
    contributions_V = np.stack([one.table["contribution_V"].to_numpy() for one in each])
    table = table.assign(
        contribution_V=contributions_V.mean(axis=0), contribution_spread_V=contributions_V.std(axis=0)
    )
    return {
        "working_ion": working_ion,
        "members": len(each),
        "baseline_V": float(np.mean([one.baseline_V for one in each])),
        "voltage_V": float(np.mean([one.voltage_V for one in each])),
        "neighbors": table.to_dict("records"),
    }


def _integrated_gradients(voltage_of: Callable[[Tensor], Tensor], n_edges: int, n_points: int) -> Tensor:
    """Gradients along the line from silence to full loudness, by Gauss-Legendre, shape (n_edges,)."""
    total = torch.zeros(n_edges, dtype=torch.float64)
    points, weights = np.polynomial.legendre.leggauss(n_points)
    for point, weight in zip((points + 1.0) / 2.0, weights / 2.0, strict=True):
        loudness = torch.full_like(total, point, requires_grad=True)
        total += weight * torch.autograd.grad(voltage_of(loudness), loudness)[0]
    return total


def _voltage_by_loudness(member: Member, batch: Batch) -> Callable[[Tensor], Tensor]:
    """The voltage in V as a function of the loudness of each edge that ends at a working ion."""
    # In double precision, and a copy: the hooks must not stay with the member.
    network: IonPooledCGCNN = copy.deepcopy(member.network).double().eval()
    centers = batch.edge_index[1]
    of_ions = batch.ion_weights[centers] > 0
    n_nodes = len(batch.numbers)
    neighbors_of_node = torch.zeros(n_nodes, dtype=torch.float64).index_add(0, centers, batch.edge_counts)
    silent_share = torch.zeros(n_nodes, dtype=torch.float64)

    def add_average(norm: torch.nn.BatchNorm1d, inputs: tuple[Tensor]) -> Tensor:
        return inputs[0] + silent_share[:, None] * cast(Tensor, norm.running_mean)

    for convolution in network.convolutions:
        cast(GatedConvolution, convolution).norm_sums.register_forward_pre_hook(add_average)

    def voltage_V(loudness: Tensor) -> Tensor:
        nonlocal silent_share
        of_edge = torch.ones_like(batch.edge_counts).masked_scatter(of_ions, loudness)
        silent = (1.0 - of_edge) * batch.edge_counts / neighbors_of_node[centers]
        silent_share = torch.zeros(n_nodes, dtype=torch.float64).index_add(0, centers, silent)
        output = network(dataclasses.replace(batch, edge_counts=of_edge * batch.edge_counts))
        return output[0] * member.scale_V + member.mean_V

    return voltage_V


def _in_double(batch: Batch) -> Batch:
    """The batch with its real numbers in double precision."""
    reals: dict[str, Any] = {
        field.name: column.double()
        for field in dataclasses.fields(Batch)
        if isinstance(column := getattr(batch, field.name), Tensor) and column.is_floating_point()
    }
    return dataclasses.replace(batch, **reals)
