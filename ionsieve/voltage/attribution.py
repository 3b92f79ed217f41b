"""Which neighbours of the working ions drive a prediction, for one crystal: integrated gradients.

In each convolution a working ion i gains the sum of its neighbours' messages. Let the neighbours e speak
with a loudness alpha_e between 0 and 1, and where they are silent let an average neighbour speak instead:

    s_i(alpha) = sum_e n_e [ alpha_e m_e(alpha) + (1 - alpha_e) mu / N_i ],   N_i = sum_e n_e,

with n_e the neighbours that edge e stands for, m_e a message and mu the mean sum of messages that the layer's
batch norm saw in training. alpha = 1 is the prediction; alpha = 0, the baseline, is the ion in average
surroundings. A network that pools over ions alone then knows the ion's element and nothing else; one with
context still sees its host, and each of its descriptors takes part likewise, between its mean over the
training crystals and its own value. The contribution of edge e is the integrated gradient (Sundararajan,
Taly and Yan, ICML 2017) of the voltage along the straight line between them,

    c_e = integral over t from 0 to 1 of dV/dalpha_e at alpha = t (1, ..., 1),

so that all contributions add up to the prediction less the baseline (completeness).
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
from ionsieve.voltage.descriptors import describe
from ionsieve.voltage.graphs import build_graphs
from ionsieve.voltage.members import Member
from ionsieve.voltage.model import LARGEST_DEVIATION, Batch, GatedConvolution, IonPooledCGCNN

# Gauss-Legendre points on the line. Trained networks need the fewest; more are taken until contributions
# add up to within the tolerance, which is far below what a voltage is told with.
QUADRATURE_POINTS = (16, 64, 256)
COMPLETENESS_V = 1e-5
# Neighbours of one element whose distances round to the same hundredth of an angstrom are one row.
DISTANCE_DECIMALS = 2
# Of a hundred descriptors a document names those that contribute most.
DESCRIPTORS_TOLD = 5


@dataclass(frozen=True)
class NeighborContributions:
    """How a network's voltage of a crystal comes about: baseline, descriptors and neighbours add up to it.

    Attributes
    ----------
    baseline_V : voltage of the ion in average surroundings, in V.
    voltage_V : the network's voltage in V.
    descriptors_V : contributions of the crystal's descriptors in V by name; empty where none are read.
    table : one row per element and distance, nearest first: neighbor (symbol), distance_A,
        count (neighbours per working ion), contribution_V (of all these neighbours together).
    """

    baseline_V: float
    voltage_V: float
    descriptors_V: pd.Series
    table: pd.DataFrame


def neighbor_contributions(member: Member, row: Mapping[str, Any], working_ion: str) -> NeighborContributions:
    """Contributions of the working ions' neighbours to one network's voltage of one crystal.

    Parameters
    ----------
    member : its network is explained; trees, if it has any, are not.
    row : the crystal's columns numbers, cell, frac_coords (see :mod:`ionsieve.tables`).
    working_ion : symbol; the crystal holds it.
    """
    architecture = member.architecture
    crystal = pd.DataFrame([{name: row[name] for name in ("numbers", "cell", "frac_coords")}])
    graphs = build_graphs(crystal, [working_ion], architecture.cutoff_A, architecture.max_neighbors)
    descriptors = (
        describe(crystal, [working_ion]) if architecture.n_descriptors else pd.DataFrame(index=crystal.index)
    )
    batch = _in_double(GraphBatcher(graphs, descriptors.to_numpy()).batch(np.array([0])))
    voltage_of = _voltage_by_loudness(member, batch)
    neighbors, centers = batch.edge_index
    of_ions = batch.ion_weights[centers] > 0
    n_edges = int(of_ions.sum())
    n_voices = n_edges + descriptors.shape[1]
    with torch.no_grad():
        baseline_V = float(voltage_of(torch.zeros(n_voices, dtype=torch.float64)))
        voltage_V = float(voltage_of(torch.ones(n_voices, dtype=torch.float64)))
    for n_points in QUADRATURE_POINTS:
        contributions_V = _integrated_gradients(voltage_of, n_voices, n_points)
        if abs(baseline_V + float(contributions_V.sum()) - voltage_V) < COMPLETENESS_V:
            break
    counts = (batch.ion_weights[centers] * batch.edge_counts)[of_ions]
    edges = pd.DataFrame(
        {
            "neighbor": [chemical_symbols[number] for number in batch.numbers[neighbors[of_ions]].tolist()],
            "distance_A": batch.distances_A[of_ions].numpy().round(DISTANCE_DECIMALS),
            "count": counts.numpy(),
            "contribution_V": contributions_V[:n_edges].numpy(),
        }
    )
    table = edges.groupby(["distance_A", "neighbor"], as_index=False)[["count", "contribution_V"]].sum()
    return NeighborContributions(
        baseline_V,
        voltage_V,
        pd.Series(contributions_V[n_edges:].numpy(), index=descriptors.columns),
        table[["neighbor", "distance_A", "count", "contribution_V"]],
    )


def ensemble_contributions(
    members: Sequence[Member], row: Mapping[str, Any], working_ion: str
) -> dict[str, Any]:
    """Mean over members of their contributions, and how far the members differ, as a plain document.

    Integrated gradients are linear in the voltage, so that the means still add up.
    """
    each = [neighbor_contributions(member, row, working_ion) for member in members]
    by_descriptor_V = pd.concat([one.descriptors_V for one in each], axis=1).mean(axis=1)
    largest = by_descriptor_V.abs().sort_values(ascending=False, kind="stable").index[:DESCRIPTORS_TOLD]
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
        "descriptors_V": float(np.mean([one.descriptors_V.sum() for one in each])),
        "largest_descriptors": [
            {"name": str(name), "contribution_V": float(by_descriptor_V[name])} for name in largest
        ],
        "neighbors": table.to_dict("records"),
    }


def _integrated_gradients(voltage_of: Callable[[Tensor], Tensor], n_voices: int, n_points: int) -> Tensor:
    """Gradients along the line from silence to full loudness, by Gauss-Legendre, shape (n_voices,)."""
    total = torch.zeros(n_voices, dtype=torch.float64)
    points, weights = np.polynomial.legendre.leggauss(n_points)
    for point, weight in zip((points + 1.0) / 2.0, weights / 2.0, strict=True):
        loudness = torch.full_like(total, point, requires_grad=True)
        total += weight * torch.autograd.grad(voltage_of(loudness), loudness)[0]
    return total


def _voltage_by_loudness(member: Member, batch: Batch) -> Callable[[Tensor], Tensor]:
    """The voltage in V as a function of the loudness of each edge that ends at a working ion, and of each
    descriptor.
    """
    # In double precision, and a copy: the hooks must not stay with the member.
    network: IonPooledCGCNN = copy.deepcopy(member.network).double().eval()
    centers = batch.edge_index[1]
    of_ions = batch.ion_weights[centers] > 0
    n_edges, n_nodes = int(of_ions.sum()), len(batch.numbers)
    neighbors_of_node = torch.zeros(n_nodes, dtype=torch.float64).index_add(0, centers, batch.edge_counts)
    silent_share = torch.zeros(n_nodes, dtype=torch.float64)

    def add_average(norm: torch.nn.BatchNorm1d, inputs: tuple[Tensor]) -> Tensor:
        return inputs[0] + silent_share[:, None] * cast(Tensor, norm.running_mean)

    for convolution in network.convolutions:
        cast(GatedConvolution, convolution).norm_sums.register_forward_pre_hook(add_average)

    def voltage_V(loudness: Tensor) -> Tensor:
        nonlocal silent_share
        of_edge = torch.ones_like(batch.edge_counts).masked_scatter(of_ions, loudness[:n_edges])
        silent = (1.0 - of_edge) * batch.edge_counts / neighbors_of_node[centers]
        silent_share = torch.zeros(n_nodes, dtype=torch.float64).index_add(0, centers, silent)
        output = network(
            dataclasses.replace(
                batch,
                edge_counts=of_edge * batch.edge_counts,
                descriptors=_descriptors(network, batch, loudness[n_edges:]),
            )
        )
        return output[0] * member.scale_V + member.mean_V

    return voltage_V


def _descriptors(network: IonPooledCGCNN, batch: Batch, loudness: Tensor) -> Tensor:
    """Descriptors between the training mean and the crystal's own, shape (1, D).

    Those that the network clamps are clamped here first, so that the line has no kink.
    """
    if network.pooling != "context":
        return batch.descriptors
    means, reach = network.descriptor_means, LARGEST_DEVIATION * network.descriptor_scales
    return means + loudness * (batch.descriptors.clamp(means - reach, means + reach) - means)


def _in_double(batch: Batch) -> Batch:
    """The batch with its real numbers in double precision."""
    reals: dict[str, Any] = {
        field.name: column.double()
        for field in dataclasses.fields(Batch)
        if isinstance(column := getattr(batch, field.name), Tensor) and column.is_floating_point()
    }
    return dataclasses.replace(batch, **reals)
