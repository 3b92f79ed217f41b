import dataclasses

import numpy as np
import pytest
import torch
from pymatgen.core import Structure

from ionsieve.voltage.batching import GraphBatcher
from ionsieve.voltage.members import Architecture, Member

CRYSTALS = [("rocksalt_mgo", "Mg"), ("layered_lioco", "Li"), ("disordered_looking_mgmno", "Mg")]


def shuffled(structure: Structure) -> Structure:
    order = np.random.default_rng(0).permutation(len(structure))
    return Structure.from_sites([structure[int(index)] for index in order])


def translated(structure: Structure) -> Structure:
    moved = structure.copy()
    return moved.translate_sites(range(len(moved)), [0.31, -0.17, 0.46], to_unit_cell=True)


def in_other_lattice_vectors(structure: Structure) -> Structure:
    """The same crystal with a' = a + b, c' = c - 2 b."""
    return Structure.from_sites((structure * [[1, 1, 0], [0, 1, 0], [0, -2, 1]]).sites)


def rotated(structure: Structure) -> Structure:
    axes, _ = np.linalg.qr(np.random.default_rng(2).normal(size=(3, 3)))
    return Structure(structure.lattice.matrix @ axes, structure.species, structure.frac_coords)


@pytest.mark.parametrize("change", [shuffled, translated, in_other_lattice_vectors, rotated])
@pytest.mark.parametrize(("name", "ion"), CRYSTALS)
def test_the_description_of_a_crystal_does_not_matter(
    name, ion, change, request, graphs_of, untrained_member
):
    structure = request.getfixturevalue(name)
    here, there = untrained_member.network_V(graphs_of([structure, change(structure)], ion))
    assert there == pytest.approx(here, abs=1e-5)


@pytest.mark.parametrize(("name", "ion"), CRYSTALS)
def test_a_supercell_has_the_voltage_of_its_cell(name, ion, request, graphs_of, untrained_member):
    structure = request.getfixturevalue(name)
    cell, supercell = untrained_member.network_V(graphs_of([structure, structure * (2, 1, 3)], ion))
    assert supercell == pytest.approx(cell, abs=1e-5)


@pytest.mark.parametrize(("name", "ion"), CRYSTALS)
def test_merged_atoms_give_what_separate_atoms_give(name, ion, request, graphs_of, untrained_member):
    """The equations of the paper written out atom by atom, edge by edge, for the merged graph."""
    structure = request.getfixturevalue(name)
    network = untrained_member.network.eval()
    with torch.no_grad():
        around = structure.get_all_neighbors(8.0)
        atoms = network.embedding(network.element_vectors[list(structure.atomic_numbers)])
        for convolution in network.convolutions:
            sums = []
            for center, neighbors in enumerate(around):
                nearest = sorted(neighbors, key=lambda n: n.nn_distance)
                nearest = [n for n in nearest if n.nn_distance <= nearest[11].nn_distance + 1e-4]
                total = torch.zeros(atoms.shape[1])
                for n in nearest:
                    gaussians = torch.exp(-(((n.nn_distance - torch.arange(41) * 0.2) / 0.2) ** 2)).float()
                    z = torch.cat([atoms[center], atoms[n.index], gaussians])
                    weight = torch.cat(
                        [convolution.center.weight, convolution.neighbor.weight, convolution.edge.weight],
                        dim=1,
                    )
                    gate, core = convolution.norm_messages((weight @ z + convolution.center.bias)[None])[
                        0
                    ].chunk(2)
                    total += torch.sigmoid(gate) * torch.nn.functional.softplus(core)
                sums.append(total)
            atoms = torch.nn.functional.softplus(atoms + convolution.norm_sums(torch.stack(sums)))
        is_ion = torch.tensor([site.specie.symbol == ion for site in structure])
        pooled = torch.nn.functional.softplus(atoms[is_ion].mean(dim=0))
        expected = network.output(torch.nn.functional.softplus(network.hidden(pooled))).item() + 3.0
    assert untrained_member.network_V(graphs_of([structure], ion))[0] == pytest.approx(expected, abs=1e-4)


def test_a_longer_bond_changes_the_voltage(rocksalt_mgo, graphs_of, untrained_member):
    expanded = rocksalt_mgo.copy()
    expanded.apply_strain(0.05)
    here, there = untrained_member.network_V(graphs_of([rocksalt_mgo, expanded], "Mg"))
    assert abs(there - here) > 1e-3


def test_only_rows_of_the_working_ion_are_pooled(disordered_looking_mgmno, graphs_of, untrained_member):
    """Without convolutions the voltage is a function of the ion alone; all other atoms may change."""
    network = untrained_member.network
    batch = GraphBatcher(graphs_of([disordered_looking_mgmno], "Mg")).batch(np.array([0]))
    is_ion = batch.numbers == 12
    torch.testing.assert_close(batch.ion_weights, is_ion.float() / is_ion.sum())
    no_messages = Architecture(8.0, 12, 16, 3, 16).network().eval()
    no_messages.load_state_dict(network.state_dict())
    no_messages.convolutions = torch.nn.ModuleList()
    other_host = dataclasses.replace(batch, numbers=torch.where(is_ion, batch.numbers, 16))
    other_ion = dataclasses.replace(batch, numbers=torch.where(is_ion, 20, batch.numbers))
    with torch.no_grad():
        assert no_messages(other_host) == no_messages(batch)
        assert no_messages(other_ion) != no_messages(batch)
        # With messages the host matters, through the ion's surroundings.
        assert network.eval()(other_host) != network(batch)


def test_a_batch_gives_what_its_crystals_give_alone(synthetic_electrodes, untrained_member):
    batcher = GraphBatcher(synthetic_electrodes.graphs)
    network = untrained_member.network.eval()
    rows = np.array([7, 3, 40])
    with torch.no_grad():
        together = network(batcher.batch(rows))
        alone = torch.cat([network(batcher.batch(rows[[i]])) for i in range(3)])
    torch.testing.assert_close(together, alone)


def test_batches_by_edges_hold_every_crystal_once_and_in_order(synthetic_electrodes):
    graphs = synthetic_electrodes.graphs
    largest = int(graphs.edges_per_crystal().max())
    for limit in (1, 3 * largest, 10**9):
        batches = list(GraphBatcher(graphs).batches_of_edges(limit))
        np.testing.assert_array_equal(np.concatenate([batch.numbers for batch in batches]), graphs.numbers)
        assert all(len(batch.distances_A) <= max(limit, largest) for batch in batches)


def test_a_member_comes_back_from_its_state(synthetic_electrodes, untrained_member):
    restored = Member.from_state(untrained_member.to_state())
    np.testing.assert_array_equal(
        restored.network_V(synthetic_electrodes.graphs),
        untrained_member.network_V(synthetic_electrodes.graphs),
    )
