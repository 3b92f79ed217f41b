import dataclasses

import numpy as np
import pandas as pd
import pytest
import torch
from ase.data import atomic_numbers
from pymatgen.core import Structure

from ionsieve import tables
from ionsieve.errors import DataError
from ionsieve.structures import to_columns
from ionsieve.voltage.attribution import ensemble_contributions, neighbor_contributions
from ionsieve.voltage.descriptors import describe
from ionsieve.voltage.electrodes import Electrodes
from ionsieve.voltage.interpretation import (
    IONS_PER_ELEMENT,
    OTHER_ATOMS_PER_ELEMENT,
    Interpretation,
    atom_environments,
    element_class,
    interpret,
    nearest_by_cosine,
    same_class,
    sample_atoms,
    untrained_network,
)
from ionsieve.voltage.interpretation_tables import LEARNED_ELEMENTS, LOCAL_ENVIRONMENTS
from ionsieve.voltage.members import Architecture, Member
from ionsieve.voltage.training import Schedule, train_member

SEED = 3
RANDOM_BINARY = Architecture(
    8.0, 12, atom_features=16, convolutions=2, hidden_features=16, atom_input="random_binary"
)


@pytest.fixture(scope="module")
def blind_member(synthetic_electrodes) -> Member:
    """A short training with random binary atom inputs."""
    torch.set_num_threads(1)
    everything = np.arange(len(synthetic_electrodes.graphs))
    return train_member(
        synthetic_electrodes.graphs,
        synthetic_electrodes.voltages_V,
        everything,
        RANDOM_BINARY,
        Schedule(epochs=6, batch_size=16, learning_rate=5e-3, weight_decay=1e-4),
        SEED,
    )


@pytest.fixture(scope="module")
def learned(blind_member, synthetic_electrodes) -> Interpretation:
    return interpret(blind_member, synthetic_electrodes, SEED)


def test_tables_fit_their_schemas(learned):
    assert tables.to_arrow(learned.elements, LEARNED_ELEMENTS).num_rows == 13
    assert tables.to_arrow(learned.environments, LOCAL_ENVIRONMENTS).num_rows == len(learned.environments)


def test_every_element_is_counted_with_the_electrodes_that_hold_it(learned):
    held = learned.elements.set_index("element")["n_electrodes"]
    assert dict(held[["Li", "Na", "Mg", "O", "Mn"]]) == {"Li": 21, "Na": 21, "Mg": 21, "O": 21, "Mn": 9}


def test_two_components_explain_at_most_all_and_the_first_the_most(learned):
    first, second = learned.summary["explained_variance"]
    assert first >= second > 0 and first + second <= 1.0
    assert np.var(learned.elements["component_1"]) >= np.var(learned.elements["component_2"])


def test_same_seed_gives_the_same_maps(learned, blind_member, synthetic_electrodes):
    again = interpret(blind_member, synthetic_electrodes, SEED)
    assert again.summary == learned.summary
    assert again.elements.equals(learned.elements) and again.environments.equals(learned.environments)


def test_voltages_teach_what_untrained_vectors_do_not_hold(learned):
    # In these electrodes the working ion shifts the voltage and nothing else tells the ions apart.
    ions = learned.summary["working_ions_near_each_other"]
    assert ions["count"] == 63
    assert ions["share"] > ions["chance_share"]


def test_too_few_elements_for_a_map_are_refused_with_the_remedy(blind_member, synthetic_electrodes):
    knows_three = dataclasses.replace(blind_member, seen_numbers=frozenset({3, 8, 25}))
    with pytest.raises(DataError, match=r"3 elements.*voltage\.interpretation to false"):
        interpret(knows_three, synthetic_electrodes, SEED)


@pytest.mark.parametrize(
    ("symbol", "named"),
    [
        ("Li", "alkali metal"),
        ("H", "nonmetal"),
        ("Mg", "alkaline-earth metal"),
        ("Zn", "transition metal"),
        ("Y", "transition metal"),
        ("La", "f-block metal"),
        ("U", "f-block metal"),
        ("Al", "post-transition metal"),
        ("Si", "metalloid"),
        ("O", "nonmetal"),
        ("Cl", "halogen"),
    ],
)
def test_elements_have_the_class_that_a_chemist_would_name(symbol, named):
    assert element_class(atomic_numbers[symbol]) == named


def test_nearest_follows_direction_and_not_length():
    vectors = np.array([[1.0, 0.0], [9.0, 1.0], [-1.0, 0.2], [-4.0, -0.4], [0.0, 5.0], [-5.0, -5.8]])
    assert np.allclose(vectors.mean(axis=0), 0.0)
    nearest = nearest_by_cosine(vectors, np.eye(6, dtype=bool))
    assert nearest[:4].tolist() == [1, 0, 3, 2]


def test_a_row_whose_others_are_all_excluded_has_no_nearest():
    excluded = np.eye(3, dtype=bool)
    excluded[1] = True
    assert nearest_by_cosine(np.eye(3), excluded)[1] == -1


def test_perfect_grouping_is_a_share_of_one_and_beyond_chance():
    numbers = np.array([3, 11, 19, 9, 17, 35, 25, 26, 27])  # alkali metals, halogens, transition metals
    grouped = np.array([1, 2, 0, 4, 5, 3, 7, 8, 6])
    scattered = np.array([3, 4, 5, 6, 7, 8, 0, 1, 2])
    counted = same_class(numbers, grouped, scattered, SEED)
    assert counted["share"] == 1.0 and counted["untrained_share"] == 0.0
    # Two others of eight are of the own class.
    assert counted["shuffled_share"] == pytest.approx(0.25, abs=0.03)
    assert counted["p_value"] < 0.02


def test_grouping_by_chance_is_not_called_learned():
    random = np.random.default_rng(0)
    numbers = np.arange(3, 60)
    nearest = (np.arange(57) + random.integers(1, 57, 57)) % 57
    assert same_class(numbers, nearest, nearest, SEED)["p_value"] > 0.05


def test_atoms_of_one_element_repeated_many_times_count_as_one_element():
    # A hundred atoms of two elements of one class are no evidence: half of all shuffles do as well.
    numbers = np.repeat([3, 11, 9, 17], 100)
    nearest = (np.arange(400) + 100) % 200 + 200 * (np.arange(400) // 200)
    counted = same_class(numbers, nearest, nearest, SEED)
    assert counted["share"] == 1.0 and counted["p_value"] > 0.2


def test_sample_leaves_room_for_rare_elements(synthetic_electrodes):
    graphs = synthetic_electrodes.graphs
    sample = sample_atoms(graphs, SEED)
    of_sample = list(zip(graphs.numbers[sample].tolist(), graphs.is_ion[sample].tolist(), strict=True))
    assert set(of_sample) == set(zip(graphs.numbers.tolist(), graphs.is_ion.tolist(), strict=True))
    for number, is_ion in set(of_sample):
        limit = IONS_PER_ELEMENT if is_ion else OTHER_ATOMS_PER_ELEMENT
        assert of_sample.count((number, is_ion)) <= limit
    assert len(set(sample.tolist())) == len(sample)


def test_untrained_network_has_the_weights_that_training_began_with(blind_member, synthetic_electrodes):
    with torch.random.fork_rng():
        torch.manual_seed(SEED)
        first_weights = RANDOM_BINARY.network().embedding.weight
    network = untrained_network(blind_member, synthetic_electrodes.graphs, SEED)
    assert torch.equal(network.embedding.weight, first_weights)
    assert not network.training and not torch.equal(
        network.embedding.weight, blind_member.network.embedding.weight
    )


def test_environments_do_not_depend_on_other_crystals(blind_member, synthetic_electrodes, synthetic_table):
    alone = Electrodes.from_table(synthetic_table.iloc[[5]], 8.0, 12, "one").graphs
    nodes = synthetic_electrodes.graphs.crystal_of_node() == 5
    together = atom_environments(blind_member.network, synthetic_electrodes.graphs)[nodes]
    np.testing.assert_allclose(atom_environments(blind_member.network, alone), together, atol=1e-5)


def test_contributions_add_up_to_the_prediction_less_the_baseline(
    untrained_member, disordered_looking_mgmno, graphs_of
):
    found = neighbor_contributions(untrained_member, to_columns(disordered_looking_mgmno), "Mg")
    added_V = found.baseline_V + found.table["contribution_V"].sum()
    assert added_V == pytest.approx(found.voltage_V, abs=1e-5)
    predicted_V = untrained_member.network_V(graphs_of([disordered_looking_mgmno], "Mg"))[0]
    assert found.voltage_V == pytest.approx(predicted_V, abs=1e-4)
    assert found.table["contribution_V"].abs().max() > 1e-3
    assert found.descriptors_V.empty


def test_contributions_of_a_network_with_context_add_up_with_its_descriptors(rocksalt_mgo, graphs_of):
    columns = to_columns(rocksalt_mgo)
    descriptors = describe(pd.DataFrame([columns]), ["Mg"]).to_numpy()
    architecture = Architecture(8.0, 12, 16, 3, 16, pooling="context", n_descriptors=descriptors.shape[1])
    with torch.random.fork_rng():
        torch.manual_seed(2)
        network = architecture.network()
    # One descriptor far outside, which the network clamps; one that never varied.
    training = descriptors + np.linspace(-1, 1.5, 4)[:, None] * np.ones_like(descriptors)
    training[:, 0] += 99.0
    training[:, 1] = 7.0
    network.normalize_descriptors(training)
    member = Member(network, architecture, 3.0, 1.0, frozenset())
    found = neighbor_contributions(member, columns, "Mg")
    added_V = found.baseline_V + found.descriptors_V.sum() + found.table["contribution_V"].sum()
    assert added_V == pytest.approx(found.voltage_V, abs=1e-5)
    predicted_V = member.network_V(graphs_of([rocksalt_mgo], "Mg"), descriptors)[0]
    assert found.voltage_V == pytest.approx(predicted_V, abs=1e-4)
    assert found.descriptors_V.abs().max() > 1e-4
    # What never varied in training says nothing.
    assert found.descriptors_V.iloc[1] == 0.0


def test_baseline_knows_the_ion_and_nothing_of_its_crystal(
    untrained_member, disordered_looking_mgmno, rocksalt_mgo, layered_lioco
):
    baselines_V = [
        neighbor_contributions(untrained_member, to_columns(structure), ion).baseline_V
        for structure, ion in [(rocksalt_mgo, "Mg"), (disordered_looking_mgmno, "Mg"), (layered_lioco, "Li")]
    ]
    assert baselines_V[0] == pytest.approx(baselines_V[1], abs=1e-9)
    assert abs(baselines_V[0] - baselines_V[2]) > 1e-4


def test_equal_neighbours_are_one_row_with_their_number(untrained_member, rocksalt_mgo):
    table = neighbor_contributions(untrained_member, to_columns(rocksalt_mgo), "Mg").table
    # The twelfth neighbour is in the second shell, which stays whole.
    assert table["neighbor"].tolist() == ["O", "Mg"]
    assert table["count"].tolist() == [6.0, 12.0]
    np.testing.assert_allclose(table["distance_A"], [4.21 / 2, 4.21 / np.sqrt(2)], atol=0.006)


def test_a_supercell_has_the_contributions_of_its_cell(untrained_member, layered_lioco):
    cell = neighbor_contributions(untrained_member, to_columns(layered_lioco), "Li")
    supercell = neighbor_contributions(untrained_member, to_columns(layered_lioco * (2, 2, 1)), "Li")
    np.testing.assert_allclose(
        supercell.table["contribution_V"], cell.table["contribution_V"], rtol=1e-4, atol=1e-6
    )
    np.testing.assert_allclose(supercell.table["count"], cell.table["count"], rtol=1e-5)


def test_explaining_leaves_the_member_as_it_was(untrained_member, rocksalt_mgo, graphs_of):
    graphs = graphs_of([rocksalt_mgo], "Mg")
    before_V = untrained_member.network_V(graphs)
    neighbor_contributions(untrained_member, to_columns(rocksalt_mgo), "Mg")
    assert untrained_member.network_V(graphs) == before_V


def test_means_over_members_still_add_up(untrained_member, rocksalt_mgo: Structure):
    shifted = dataclasses.replace(untrained_member, scale_V=2.0)
    document = ensemble_contributions([untrained_member, shifted], to_columns(rocksalt_mgo), "Mg")
    contributions_V = [row["contribution_V"] for row in document["neighbors"]]
    assert document["baseline_V"] + sum(contributions_V) == pytest.approx(document["voltage_V"], abs=1e-5)
    assert document["descriptors_V"] == 0.0 and document["largest_descriptors"] == []
    for row in document["neighbors"]:
        # Contributions of 1 and 2 parts: mean 1.5, standard deviation 0.5.
        assert row["contribution_spread_V"] == pytest.approx(abs(row["contribution_V"]) / 3.0)
