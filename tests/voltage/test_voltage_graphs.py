import numpy as np
import pandas as pd
import pytest
from pymatgen.core import Lattice, Structure

from ionsieve.errors import DataError
from ionsieve.voltage.electrodes import Electrodes
from ionsieve.voltage.graphs import nearest_neighbors

CRYSTALS = ["simple_cubic_polonium", "rocksalt_mgo", "layered_lioco", "disordered_looking_mgmno"]


@pytest.mark.parametrize("name", CRYSTALS)
def test_neighbours_are_those_of_pymatgen(name, request):
    structure = request.getfixturevalue(name)
    first, second, distances_A = nearest_neighbors(structure.cart_coords, structure.lattice.matrix, 8.0, 12)
    for atom, around in enumerate(structure.get_all_neighbors(8.0)):
        around = sorted(around, key=lambda neighbor: neighbor.nn_distance)
        expected = [n for n in around if n.nn_distance <= around[11].nn_distance + 1e-4]
        mine = first == atom
        np.testing.assert_allclose(distances_A[mine], [n.nn_distance for n in expected], atol=1e-8)
        assert sorted(second[mine]) == sorted(n.index for n in expected)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("edge_A", [2.5, 6.0, 10.0])
def test_neighbours_in_skewed_cells_dense_and_dilute_are_those_of_pymatgen(seed, edge_A):
    random = np.random.default_rng(seed)
    cell = edge_A * (np.eye(3) + random.uniform(-0.4, 0.4, (3, 3)))
    structure = Structure(cell, ["Mg"] * 5, random.random((5, 3)))
    first, second, distances_A = nearest_neighbors(structure.cart_coords, cell, 8.0, 12)
    assert (np.diff(first) >= 0).all()
    for atom, around in enumerate(structure.get_all_neighbors(8.0)):
        around = sorted((neighbor.nn_distance, neighbor.index) for neighbor in around)
        farthest_A = around[min(12, len(around)) - 1][0]
        expected = [neighbor for neighbor in around if neighbor[0] <= farthest_A + 1e-4]
        mine = first == atom
        np.testing.assert_allclose(distances_A[mine], [distance for distance, _ in expected], atol=1e-8)
        assert sorted(second[mine]) == sorted(index for _, index in expected)


def test_all_atoms_that_tie_with_the_twelfth_are_neighbours(rocksalt_mgo):
    first, _, distances_A = nearest_neighbors(rocksalt_mgo.cart_coords, rocksalt_mgo.lattice.matrix, 8.0, 12)
    # Six at a/2, and twelve at a/sqrt(2) of which only six were needed.
    assert (np.bincount(first) == 18).all()
    np.testing.assert_allclose(np.unique(distances_A.round(6)), [4.21 / 2, round(4.21 / np.sqrt(2), 6)])


def test_an_atom_with_few_neighbours_keeps_those_within_the_cutoff():
    wide = Lattice.orthorhombic(7.0, 20.0, 20.0)
    first, _, distances_A = nearest_neighbors(np.zeros((1, 3)), wide.matrix, 8.0, 12)
    np.testing.assert_allclose(distances_A, [7.0, 7.0])
    assert (first == 0).all()


def test_a_lone_atom_looks_beyond_the_cutoff():
    _, _, distances_A = nearest_neighbors(np.zeros((1, 3)), Lattice.cubic(11.0).matrix, 8.0, 12)
    np.testing.assert_allclose(distances_A, np.full(6, 11.0))


def test_equal_atoms_share_a_node_and_equal_edges_an_edge(rocksalt_mgo, graphs_of):
    graphs = graphs_of([rocksalt_mgo], "Mg")
    assert sorted(graphs.numbers) == [8, 12]
    np.testing.assert_array_equal(graphs.atom_counts, [4, 4])
    # Each sees six of the other kind, then twelve of its own.
    np.testing.assert_array_equal(graphs.edge_counts, [6, 12, 6, 12])
    magnesium = int(np.flatnonzero(graphs.is_ion)[0])
    oxygen = 1 - magnesium
    start = graphs.edge_ptr[magnesium]
    np.testing.assert_array_equal(graphs.neighbors[start : start + 2], [oxygen, magnesium])


def test_atoms_without_symmetry_keep_their_own_nodes(disordered_looking_mgmno, graphs_of):
    graphs = graphs_of([disordered_looking_mgmno], "Mg")
    assert len(graphs.numbers) == len(disordered_looking_mgmno)
    np.testing.assert_array_equal(graphs.atom_counts, 1)


def test_crystals_do_not_mix(rocksalt_mgo, layered_lioco, graphs_of):
    """A second crystal leaves the graph of the first as it was, even one of the same atoms."""
    alone = graphs_of([rocksalt_mgo], "Mg")
    expanded = rocksalt_mgo.copy()
    expanded.apply_strain(0.1)
    together = graphs_of([expanded, rocksalt_mgo, rocksalt_mgo], "Mg")
    nodes = slice(together.node_ptr[1], together.node_ptr[2])
    edges = slice(together.edge_ptr[together.node_ptr[1]], together.edge_ptr[together.node_ptr[2]])
    np.testing.assert_array_equal(together.numbers[nodes], alone.numbers)
    np.testing.assert_array_equal(together.neighbors[edges], alone.neighbors)
    np.testing.assert_array_equal(together.distances_A[edges], alone.distances_A)


def test_the_order_of_atoms_does_not_change_what_a_graph_holds(disordered_looking_mgmno, graphs_of):
    structure = disordered_looking_mgmno
    turned = Structure.from_sites([structure[at] for at in reversed(range(len(structure)))])
    one, other = graphs_of([structure], "Mg"), graphs_of([turned], "Mg")
    assert _edges_by_elements(one) == _edges_by_elements(other)


def _edges_by_elements(graphs):
    """Edges of one crystal as sorted (centre's element, neighbour's element, length, atoms)."""
    centers = np.repeat(np.arange(len(graphs.numbers)), np.diff(graphs.edge_ptr))
    return sorted(
        zip(
            graphs.numbers[centers].tolist(),
            graphs.numbers[graphs.neighbors].tolist(),
            graphs.distances_A.round(5).tolist(),
            graphs.edge_counts.tolist(),
            strict=True,
        )
    )


def test_a_supercell_has_the_graph_of_its_cell(layered_lioco, graphs_of):
    cell = graphs_of([layered_lioco], "Li")
    supercell = graphs_of([layered_lioco * (3, 2, 2)], "Li")
    assert len(supercell.numbers) == len(cell.numbers) == 3
    np.testing.assert_array_equal(np.sort(supercell.atom_counts), 12 * np.sort(cell.atom_counts))


def test_electrodes_come_back_from_disk_as_they_were(synthetic_electrodes, tmp_path):
    synthetic_electrodes.save(tmp_path / "graphs.pt")
    restored = Electrodes.load(tmp_path / "graphs.pt")
    pd.testing.assert_frame_equal(restored.table, synthetic_electrodes.table, check_dtype=False)
    for name, array in vars(synthetic_electrodes.graphs).items():
        np.testing.assert_array_equal(getattr(restored.graphs, name), array)


def test_a_crystal_without_its_ion_is_named(synthetic_table):
    wrong = synthetic_table.assign(working_ion="Ca")
    with pytest.raises(DataError, match=r"LiTiO .*contains no Ca"):
        Electrodes.from_table(wrong, 8.0, 12, "digest")


def test_no_electrodes_is_a_clear_error(synthetic_table):
    with pytest.raises(DataError, match=r"data\.sources"):
        Electrodes.from_table(synthetic_table.iloc[:0], 8.0, 12, "digest")
