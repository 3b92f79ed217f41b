"""The ion-pooled crystal graph network of the paper, on PyTorch Geometric.

With v_i the vector of atom i, d_ij the length of an edge and u_ij its Gaussians,

    u_t(d)  = exp(-(d - mu_t)^2 / sigma^2),  mu_t = 0, 0.2, ... 8 angstrom, sigma = 0.2 angstrom
    z_ij    = v_i + v_j + u_ij                                      (+ is concatenation here)
    v_i    <- softplus(v_i + BN sum_j sigmoid(BN(z_ij W_f + b_f)) * softplus(BN(z_ij W_s + b_s)))
    voltage = linear(softplus(linear(mean of v_i over the WORKING IONS)))

z W is computed as v_i W_1 + v_j W_2 + u_ij W_3, which is the same product with the atom parts done
once per atom and not once per edge. Batch norms as in CGCNN (Xie and Grossman, 2018).
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch_geometric.utils import scatter

GAUSSIAN_STEP_A = 0.2
LAST_GAUSSIAN_A = 8.0


@dataclass(frozen=True)
class Batch:
    """Graphs of B crystals with n nodes and e edges in all; see :class:`ionsieve.voltage.graphs.Graphs`.

    Attributes
    ----------
    numbers : atomic numbers, shape (n,).
    ion_weights : share of each node in the mean over its crystal's working ions, shape (n,).
    atom_weights : share of each node in the mean over its crystal's atoms, shape (n,).
    crystal_of_node : shape (n,).
    edge_index : neighbour and centre of each edge, shape (2, e), sorted by centre.
    distances_A : shape (e,).
    edge_counts : atoms that each edge stands for, shape (e,).
    n_crystals : B.
    """

    numbers: Tensor
    ion_weights: Tensor
    atom_weights: Tensor
    crystal_of_node: Tensor
    edge_index: Tensor
    distances_A: Tensor
    edge_counts: Tensor
    n_crystals: int


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
        sums = torch.zeros_like(atoms).index_add(0, centers, messages)
        return functional.softplus(atoms + self.norm_sums(sums))


class IonPooledCGCNN(nn.Module):
    """Voltage of a discharged crystal from the vectors of its working ions.

    Parameters
    ----------
    atom_features : width of the atom vectors.
    convolutions : number of gated convolutions.
    hidden_features : width of the layer after pooling.
    over_ions : the mean is over the working ions, else over all atoms.
    element_inputs : input vector of each element, row Z that of atomic number Z, shape (119, F).
    """

    element_vectors: Tensor
    gaussian_centers_A: Tensor

    def __init__(
        self,
        atom_features: int,
        convolutions: int,
        hidden_features: int,
        over_ions: bool,
        element_inputs: np.ndarray,
    ) -> None:
        super().__init__()
        n_gaussians = round(LAST_GAUSSIAN_A / GAUSSIAN_STEP_A) + 1
        self.over_ions = over_ions
        self.register_buffer("element_vectors", torch.tensor(element_inputs), persistent=False)
        centers_A = torch.linspace(0.0, LAST_GAUSSIAN_A, n_gaussians)
        self.register_buffer("gaussian_centers_A", centers_A, persistent=False)
        self.embedding = nn.Linear(element_inputs.shape[1], atom_features)
        self.convolutions = nn.ModuleList(
            GatedConvolution(atom_features, n_gaussians) for _ in range(convolutions)
        )
        self.hidden = nn.Linear(atom_features, hidden_features)
        self.output = nn.Linear(hidden_features, 1)

    def forward(self, batch: Batch) -> Tensor:
        """Normalised voltage of each crystal, shape (B,)."""
        atoms = self.embedding(self.element_vectors[batch.numbers])
        offsets = (batch.distances_A[:, None] - self.gaussian_centers_A) / GAUSSIAN_STEP_A
        # Beyond exp(-80) floats are subnormal, and arithmetic on those is several times slower.
        gaussians = torch.exp(-(offsets**2).clamp(max=80.0))
        for convolution in self.convolutions:
            atoms = convolution(atoms, batch.edge_index, gaussians, batch.edge_counts)
        weights = batch.ion_weights if self.over_ions else batch.atom_weights
        pooled = scatter(
            atoms * weights[:, None], batch.crystal_of_node, dim_size=batch.n_crystals, reduce="sum"
        )
        return self.output(functional.softplus(self.hidden(functional.softplus(pooled)))).squeeze(-1)
