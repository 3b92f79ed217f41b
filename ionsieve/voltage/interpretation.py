"""What a network that was told nothing of chemistry has learned of it, as in the paper's figure 5.

Elements enter as random binary vectors, so that any likeness of elements comes from their voltages
and from where they sit in crystals. Two views of the trained network:

* the vectors of the elements after the embedding, projected on two principal components;
* the vectors of atoms after the convolutions (their local environments), by t-SNE.

The eye sees patterns in noise, so each view comes with a count: the share of elements (atoms) whose nearest
neighbour is of their own class. Nearest is by the cosine of vectors without their mean. An atom's
nearest is sought among atoms of OTHER elements in OTHER frameworks: that oxygen is next to oxygen, or
next to what shares its crystal, would say nothing of classes. Atoms are counted twice: those of the hosts
among themselves, and all with the working ions. The shares stand against those of

* shuffled classes: elements exchange their classes, class sizes stay (permutation test);
* the untrained network: same initial weights, batch norms that know the data. Its atoms differ by their
  elements' random vectors and by geometry, so what it reaches is not learned.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from ase.data import chemical_symbols
from numpy.typing import NDArray
from pymatgen.core import Element
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE

from ionsieve.errors import DataError
from ionsieve.voltage.batching import GraphBatcher
from ionsieve.voltage.electrodes import Electrodes
from ionsieve.voltage.graphs import Graphs
from ionsieve.voltage.members import EDGES_PER_BATCH, Member
from ionsieve.voltage.model import IonPooledCGCNN

# Atoms shown of each element, so that the commonest (a half of all atoms is oxygen) leave room for others.
IONS_PER_ELEMENT = 150
OTHER_ATOMS_PER_ELEMENT = 30
FEWEST_ELEMENTS = 5
SHUFFLES = 1000
PERPLEXITY = 30.0


@dataclass(frozen=True)
class Interpretation:
    """What a network has learned.

    Attributes
    ----------
    elements : rows of :data:`ionsieve.voltage.interpretation_tables.LEARNED_ELEMENTS`.
    environments : rows of :data:`ionsieve.voltage.interpretation_tables.LOCAL_ENVIRONMENTS`.
    summary : counts and shares as plain values.
    """

    elements: pd.DataFrame
    environments: pd.DataFrame
    summary: dict[str, Any]


def interpret(member: Member, electrodes: Electrodes, seed: int) -> Interpretation:
    """Project what a member has learned, and count how far it follows the classes of the elements.

    Parameters
    ----------
    member : trained on all ``electrodes`` with random binary atom inputs.
    seed : of the initial weights that training began with, of the sample, t-SNE and the shuffles.

    Raises
    ------
    DataError : the electrodes hold fewer than FEWEST_ELEMENTS elements.
    """
    graphs = electrodes.graphs
    untrained = untrained_network(member, graphs, seed)
    numbers = np.array(sorted(member.seen_numbers))
    if len(numbers) < FEWEST_ELEMENTS:
        raise DataError(
            f"the electrodes hold {len(numbers)} elements, of which no map can be drawn; at least"
            f" {FEWEST_ELEMENTS} are needed (add electrodes, or set voltage.interpretation to false)"
        )
    vectors = element_embeddings(member.network, numbers)
    projection = PCA(n_components=2, svd_solver="full").fit(vectors)
    components = projection.transform(vectors)
    elements = pd.DataFrame(
        {
            "element": [chemical_symbols[number] for number in numbers],
            "element_class": [element_class(number) for number in numbers],
            "n_electrodes": _electrodes_with(graphs, numbers),
            "component_1": components[:, 0],
            "component_2": components[:, 1],
        }
    )

    sample = sample_atoms(graphs, seed)
    environments = atom_environments(member.network, graphs)[sample]
    places = TSNE(
        n_components=2,
        perplexity=min(PERPLEXITY, (len(sample) - 1) / 3.0),
        init="pca",
        random_state=seed,
    ).fit_transform(environments)
    rows = electrodes.table.iloc[graphs.crystal_of_node()[sample]]
    sampled_numbers = graphs.numbers[sample].astype(np.int64)
    is_ion = graphs.is_ion[sample]
    atoms = pd.DataFrame(
        {
            "electrode_id": rows["electrode_id"].to_numpy(),
            "framework": rows["framework"].to_numpy(),
            "element": [chemical_symbols[number] for number in sampled_numbers],
            "element_class": [element_class(number) for number in sampled_numbers],
            "is_working_ion": is_ion,
            "tsne_1": places[:, 0].astype(float),
            "tsne_2": places[:, 1].astype(float),
        }
    )

    frameworks = pd.factorize(rows["framework"])[0]
    excluded = (sampled_numbers[:, None] == sampled_numbers) | (frameworks[:, None] == frameworks)
    untrained_environments = atom_environments(untrained, graphs)[sample]
    nearest = nearest_by_cosine(environments, excluded)
    untrained_nearest = nearest_by_cosine(untrained_environments, excluded)
    # Working ions stand together whatever their class, which hides the classes where they are counted.
    host, among_hosts = ~is_ion, excluded[np.ix_(~is_ion, ~is_ion)]
    itself = np.eye(len(numbers), dtype=bool)
    summary = {
        "electrodes": len(electrodes.table),
        "frameworks": int(electrodes.table["framework"].nunique()),
        "label_kinds": sorted(set(electrodes.table["label_kind"])),
        "explained_variance": [float(share) for share in projection.explained_variance_ratio_],
        "elements_of_own_class": same_class(
            numbers,
            nearest_by_cosine(vectors, itself),
            nearest_by_cosine(element_embeddings(untrained, numbers), itself),
            seed,
        ),
        "host_environments_of_own_class": same_class(
            sampled_numbers[host],
            nearest_by_cosine(environments[host], among_hosts),
            nearest_by_cosine(untrained_environments[host], among_hosts),
            seed,
        ),
        "environments_of_own_class": same_class(sampled_numbers, nearest, untrained_nearest, seed),
        "working_ions_near_each_other": _ions_near_ions(is_ion, nearest, untrained_nearest, excluded),
    }
    return Interpretation(elements, atoms, summary)


def element_class(number: int) -> str:
    """The class of an element that a chemist would name, for colours and counts."""
    element = Element.from_Z(int(number))
    if element.is_alkali:
        return "alkali metal"
    if element.is_alkaline:
        return "alkaline-earth metal"
    if element.is_lanthanoid or element.is_actinoid:
        return "f-block metal"
    if element.is_transition_metal:
        return "transition metal"
    if element.is_post_transition_metal:
        return "post-transition metal"
    if element.is_metalloid:
        return "metalloid"
    return "halogen" if element.is_halogen else "nonmetal"


@torch.no_grad()
def element_embeddings(network: IonPooledCGCNN, numbers: np.ndarray) -> np.ndarray:
    """Vectors of elements as the convolutions get them, shape (n, atom_features), float64."""
    inputs = network.element_vectors[torch.from_numpy(numbers)]
    return np.asarray(network.embedding(inputs).double().numpy())


@torch.no_grad()
def atom_environments(network: IonPooledCGCNN, graphs: Graphs) -> np.ndarray:
    """Vectors of all nodes after the last convolution, shape (N, atom_features), float64."""
    network.eval()
    vectors: list[torch.Tensor] = []
    hook = network.convolutions[-1].register_forward_hook(lambda _, __, atoms: vectors.append(atoms))
    try:
        for batch in GraphBatcher(graphs).batches_of_edges(EDGES_PER_BATCH):
            network(batch)
    finally:
        hook.remove()
    return np.asarray(torch.cat(vectors).double().numpy())


@torch.no_grad()
def untrained_network(member: Member, graphs: Graphs, seed: int) -> IonPooledCGCNN:
    """The network with which a training of this seed begins, batch norms set to the data's statistics.

    Without those its outputs would be off by the missing normalisation, and no fair comparison.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = member.architecture.network()
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm1d):
            module.momentum = None  # the plain mean over batches
    network.train()
    for batch in GraphBatcher(graphs).batches_of_edges(EDGES_PER_BATCH):
        network(batch)
    return network.eval()


def sample_atoms(graphs: Graphs, seed: int) -> np.ndarray:
    """Nodes to show, ascending: of each element at most IONS_PER_ELEMENT working ions and
    OTHER_ATOMS_PER_ELEMENT other atoms.

    One node of an element in one role from each crystal at most, since equal sites crowd a map.
    """
    random = np.random.default_rng(seed)
    nodes = pd.DataFrame({"node": random.permutation(len(graphs.numbers))})
    nodes["crystal"] = graphs.crystal_of_node()[nodes["node"]]
    nodes["number"] = graphs.numbers[nodes["node"]]
    nodes["is_ion"] = graphs.is_ion[nodes["node"]]
    nodes = nodes.drop_duplicates(["crystal", "number", "is_ion"])
    place = nodes.groupby(["number", "is_ion"]).cumcount()
    limit = np.where(nodes["is_ion"], IONS_PER_ELEMENT, OTHER_ATOMS_PER_ELEMENT)
    return np.sort(nodes.loc[place < limit, "node"].to_numpy())


def nearest_by_cosine(vectors: np.ndarray, excluded: NDArray[np.bool_]) -> np.ndarray:
    """The row with the largest cosine to each row, the mean of all rows subtracted first.

    Parameters
    ----------
    vectors : shape (n, d).
    excluded : rows that may not be the nearest of row i, shape (n, n).

    Returns
    -------
    Indices, shape (n,); -1 where all are excluded.
    """
    centred = vectors - vectors.mean(axis=0)
    lengths = np.linalg.norm(centred, axis=1, keepdims=True)
    directions = centred / np.where(lengths > 0, lengths, 1.0)
    cosines = np.where(excluded, -np.inf, directions @ directions.T)
    return np.where(excluded.all(axis=1), -1, cosines.argmax(axis=1))


def same_class(
    numbers: np.ndarray, nearest: np.ndarray, untrained_nearest: np.ndarray, seed: int
) -> dict[str, float | int]:
    """Share of rows whose nearest row is of their element's class, against chance.

    Parameters
    ----------
    numbers : atomic number of each row, shape (n,).
    nearest, untrained_nearest : nearest row of each in the trained and the untrained network, -1 for none.
    seed : of the shuffles, in which elements exchange their classes.

    Returns
    -------
    count (rows that have a nearest), share, untrained_share, shuffled_share (mean over the shuffles),
    shuffled_high_share (its 97.5th percentile), p_value (one-sided).
    """
    elements, element_of_row = np.unique(numbers, return_inverse=True)
    class_of_element = pd.factorize(np.array([element_class(number) for number in elements]))[0]

    def share(classes: np.ndarray, neighbors: np.ndarray) -> float:
        has = neighbors >= 0
        of_row = classes[element_of_row]
        return float((of_row[has] == of_row[neighbors[has]]).mean()) if has.any() else 0.0

    random = np.random.default_rng(seed)
    found = share(class_of_element, nearest)
    shuffled = np.array([share(random.permutation(class_of_element), nearest) for _ in range(SHUFFLES)])
    return {
        "count": int((nearest >= 0).sum()),
        "share": found,
        "untrained_share": share(class_of_element, untrained_nearest),
        "shuffled_share": float(shuffled.mean()),
        "shuffled_high_share": float(np.percentile(shuffled, 97.5)),
        "p_value": float((1 + (shuffled >= found).sum()) / (1 + SHUFFLES)),
    }


def _ions_near_ions(
    is_ion: np.ndarray, nearest: np.ndarray, untrained_nearest: np.ndarray, excluded: np.ndarray
) -> dict[str, float | int]:
    """Share of working ions whose nearest atom is a working ion too, against ions' share of the atoms."""

    def share(neighbors: np.ndarray) -> float:
        rows = is_ion & (neighbors >= 0)
        return float(is_ion[neighbors[rows]].mean()) if rows.any() else 0.0

    ions = np.flatnonzero(is_ion & (nearest >= 0))
    allowed = ~excluded[ions]
    chance = (allowed & is_ion).sum(axis=1) / allowed.sum(axis=1)
    return {
        "count": len(ions),
        "share": share(nearest),
        "untrained_share": share(untrained_nearest),
        "chance_share": float(chance.mean()) if len(ions) else 0.0,
    }


def _electrodes_with(graphs: Graphs, numbers: np.ndarray) -> list[int]:
    """Crystals that hold each element."""
    held = np.unique(np.stack([graphs.crystal_of_node(), graphs.numbers.astype(np.int64)]), axis=1)[1]
    return [int((held == number).sum()) for number in numbers]
