"""The ion-pooled crystal graph network of the paper, on PyTorch Geometric.

With v_i the vector of atom i, d_ij the length of an edge and u_ij its Gaussians,

    u_t(d)  = exp(-(d - mu_t)^2 / sigma^2),  mu_t = 0, 0.2, ... 8 angstrom, sigma = 0.2 angstrom
    z_ij    = v_i + v_j + u_ij                                      (+ is concatenation here)
    v_i    <- softplus(v_i + BN sum_j sigmoid(BN(z_ij W_f + b_f)) * softplus(BN(z_ij W_s + b_s)))
    voltage = linear(softplus(linear(mean of v_i over the WORKING IONS)))

z W is computed as v_i W_1 + v_j W_2 + u_ij W_3, which is the same product with the atom parts done
once per atom and not once per edge. Batch norms as in CGCNN (Xie and Grossman, 2018).
"""

from dataclasses import dataclass, fields
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch_geometric.utils import scatter

GAUSSIAN_STEP_A = 0.2
LAST_GAUSSIAN_A = 8.0
Pooling = Literal["ions", "atoms", "context"]
DESCRIPTOR_DROPOUT = 0.1
# Standard deviations beyond which a descriptor says only that it is unlike the training crystals'.
LARGEST_DEVIATION = 4.0


@dataclass(frozen=True)
class Batch:
    """Graphs of B crystals with n nodes and e edges in all; see :class:`ionsieve.voltage.graphs.Graphs`.

    Attributes
    ----------
    numbers : atomic numbers, shape (n,).
    ion_weights : share of each node in the mean over its crystal's working ions, shape (n,).
    atom_weights, host_weights, redox_weights : the same of all atoms, of all but the ions, and of the
        redox-active among these (all zero where there is none), each of shape (n,).
    descriptors : of each crystal, shape (B, D); D is 0 for networks that read none.
    crystal_of_node : shape (n,).
    edge_index : neighbour and centre of each edge, shape (2, e), sorted by centre.
    distances_A : shape (e,).
    edge_counts : atoms that each edge stands for, shape (e,).
    n_crystals : B.
    """

    numbers: Tensor
    ion_weights: Tensor
    atom_weights: Tensor
    host_weights: Tensor
    redox_weights: Tensor
    descriptors: Tensor
    crystal_of_node: Tensor
    edge_index: Tensor
    distances_A: Tensor
    edge_counts: Tensor
    n_crystals: int

    def to(self, device: torch.device) -> "Batch":
        """The same batch on a device."""
        moved: dict[str, Any] = {
            field.name: value.to(device) if isinstance(value, Tensor) else value
            for field in fields(self)
            for value in [getattr(self, field.name)]
        }
        return Batch(**moved)


class GatedConvolution(nn.Module):
    """One convolution of CGCNN: each atom gains the gated messages of its neighbours.

    Written out, because PyTorch Geometric's MessagePassing leaves a generated file in the temporary folder
    for every layer ever made.
    """

    def __init__(self, atom_features: int, n_gaussians: int) -> None:
        super().__init__()
        self.center = nn.Linear(atom_features, 2 * atom_features)
        self.neighbor = nn.Linear(atom_features, 2 * atom_features, bias=False)
        self.edge = nn.Linear(n_gaussians, 2 * atom_features, bias=False)
        self.norm_messages = nn.BatchNorm1d(2 * atom_features)
        self.norm_sums = nn.BatchNorm1d(atom_features)

    def forward(self, atoms: Tensor, edge_index: Tensor, gaussians: Tensor, edge_counts: Tensor) -> Tensor:
        """New atom vectors, shape (n, atom_features)."""
        neighbors, centers = edge_index
        gate, core = self.norm_messages(
            self.center(atoms).index_select(0, centers)
            + self.neighbor(atoms).index_select(0, neighbors)
            + self.edge(gaussians)
        ).chunk(2, dim=1)
        messages = torch.sigmoid(gate) * functional.softplus(core) * edge_counts[:, None]
        sums = scatter(messages, centers, dim_size=len(atoms), reduce="sum")
        return functional.softplus(atoms + self.norm_sums(sums))


class IonPooledCGCNN(nn.Module):
    """Voltage of a discharged crystal from the vectors of its working ions.

    With ``pooling`` "context" the hidden layer also reads the mean vectors of the host and of its
    redox-active atoms, and the crystal's descriptors, normalised and passed through a layer of their own.

    Parameters
    ----------
    atom_features : width of the atom vectors.
    convolutions : number of gated convolutions.
    hidden_features : width of the layer after pooling.
    pooling : what the mean is over: "ions", "atoms" (all of them), or "context".
    n_descriptors : D, read with "context" alone.
    element_inputs : input vector of each element, row Z that of atomic number Z, shape (119, F).
    """

    element_vectors: Tensor
    gaussian_centers_A: Tensor
    descriptor_means: Tensor
    descriptor_scales: Tensor

    def __init__(
        self,
        atom_features: int,
        convolutions: int,
        hidden_features: int,
        pooling: Pooling,
        n_descriptors: int,
        element_inputs: np.ndarray,
    ) -> None:
        super().__init__()
        self.pooling = pooling
        n_gaussians = round(LAST_GAUSSIAN_A / GAUSSIAN_STEP_A) + 1
        self.register_buffer("element_vectors", torch.tensor(element_inputs), persistent=False)
        centers_A = torch.linspace(0.0, LAST_GAUSSIAN_A, n_gaussians)
        self.register_buffer("gaussian_centers_A", centers_A, persistent=False)
        self.embedding = nn.Linear(element_inputs.shape[1], atom_features)
        self.convolutions = nn.ModuleList(
            GatedConvolution(atom_features, n_gaussians) for _ in range(convolutions)
        )
        pooled_features = atom_features
        if pooling == "context":
            self.register_buffer("descriptor_means", torch.zeros(n_descriptors))
            self.register_buffer("descriptor_scales", torch.ones(n_descriptors))
            self.description = nn.Sequential(
                nn.Dropout(DESCRIPTOR_DROPOUT),
                nn.Linear(n_descriptors, atom_features),
                nn.Softplus(),
                nn.Dropout(DESCRIPTOR_DROPOUT),
            )
            pooled_features = 4 * atom_features
        self.hidden = nn.Linear(pooled_features, hidden_features)
        self.output = nn.Linear(hidden_features, 1)

    def normalize_descriptors(self, training: np.ndarray) -> None:
        """Take means and scales from the descriptors of the training crystals, shape (R, D)."""
        means, scales = training.mean(axis=0), training.std(axis=0)
        self.descriptor_means.copy_(torch.from_numpy(means))
        # What does not vary in training says nothing, and must not shout about a new crystal.
        self.descriptor_scales.copy_(torch.from_numpy(np.where(scales > 0, scales, np.inf)))

    def forward(self, batch: Batch) -> Tensor:
        """Normalised voltage of each crystal, shape (B,)."""
        atoms = self.embedding(self.element_vectors[batch.numbers])
        offsets = (batch.distances_A[:, None] - self.gaussian_centers_A) / GAUSSIAN_STEP_A
        # Beyond exp(-80) floats are subnormal, and arithmetic on those is several times slower.
        gaussians = torch.exp(-(offsets**2).clamp(max=80.0))
        for convolution in self.convolutions:
            atoms = convolution(atoms, batch.edge_index, gaussians, batch.edge_counts)
        pooled = functional.softplus(self._pool(atoms, batch))
        if self.pooling == "context":
            deviations = (batch.descriptors - self.descriptor_means) / self.descriptor_scales
            pooled = torch.cat(
                [pooled, self.description(deviations.clamp(-LARGEST_DEVIATION, LARGEST_DEVIATION))], dim=1
            )
        return self.output(functional.softplus(self.hidden(pooled))).squeeze(-1)

    def _pool(self, atoms: Tensor, batch: Batch) -> Tensor:
        weights = {
            "ions": [batch.ion_weights],
            "atoms": [batch.atom_weights],
            "context": [batch.ion_weights, batch.host_weights, batch.redox_weights],
        }[self.pooling]
        means = [
            scatter(atoms * of_class[:, None], batch.crystal_of_node, dim_size=batch.n_crystals, reduce="sum")
            for of_class in weights
        ]
        return torch.cat(means, dim=1)
