import numpy as np
import pytest
import torch

from ionsieve.composition.element_graph import (
    N_NODE_NUMBERS,
    Architecture,
    ElementGraphNetwork,
    ElementGraphs,
    TrainedElementGraph,
    train,
)
from ionsieve.composition.formulas import pair_of
from ionsieve.composition.pairs import Pairs
from ionsieve.voltage.training import Schedule

SMALL = Architecture(width=16, layers=2, heads=2, head_features=8, hidden=32, dropout=0.0)
QUICK = Schedule(epochs=3, batch_size=8, learning_rate=0.01, weight_decay=0.0, device="cpu")
CPU = torch.device("cpu")
METALS = ("Ti", "V", "Cr", "Mn", "Fe", "Co", "Ni", "Cu")


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def thirty_two_pairs() -> Pairs:
    """Oxides, phosphates, sulphides and fluorides of eight metals."""
    hosts = ("{}O2", "{}PO4", "{}2S4", "{}F3")
    return Pairs.of([pair_of(f"Li{host.format(metal)}", "Li") for host in hosts for metal in METALS])


@pytest.fixture(scope="module")
def voltages_V(thirty_two_pairs) -> np.ndarray:
    return np.random.default_rng(0).uniform(1.0, 5.0, len(thirty_two_pairs))


def one(*pair: str) -> Pairs:
    return Pairs.of([pair_of(*pair)])


def graph_of(*pair: str) -> tuple[torch.Tensor, ...]:
    return ElementGraphs.of(one(*pair)).batch(np.array([0]), CPU)


def random_network() -> ElementGraphNetwork:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return ElementGraphNetwork(SMALL).eval()


def test_nodes_know_shares_and_formal_charges_of_both_formulas():
    """LiFePO4 to FePO4: Fe goes from 2+ to 3+, and the ion is the first node."""
    numbers, nodes, _ = graph_of("LiFePO4", "Li")
    assert numbers.tolist() == [[3, 8, 15, 26]]
    np.testing.assert_allclose(nodes[0, :, 0], np.array([1, 4, 1, 1]) / 7, rtol=1e-6)
    np.testing.assert_allclose(nodes[0, :, 1], np.array([0, 4, 1, 1]) / 6, rtol=1e-6)
    assert nodes[0, :, 4].tolist() == [1, 0, 0, 0]
    np.testing.assert_allclose(nodes[0, :, 5], [1, -2, 5, 2], atol=1e-6)
    np.testing.assert_allclose(nodes[0, :, 6], [1, -2, 5, 3], atol=1e-6)


def test_half_an_extraction_raises_the_charge_half_as_far():
    numbers, nodes, _ = graph_of("LiCoO2", "Li", "Li0.5CoO2")
    cobalt = numbers[0].tolist().index(27)
    np.testing.assert_allclose(nodes[0, cobalt, 5:8], [3.0, 3.5, 0.5], atol=1e-6)


@pytest.mark.parametrize("pair", [("LiFePO4", "Li"), ("Mg2Mn4O8", "Mg", "MgMn4O8"), ("AlF3V2", "Al")])
def test_formal_charges_of_both_formulas_are_neutral(pair):
    """Once the ions that leave have left."""
    _, nodes, _ = graph_of(*pair)
    np.testing.assert_allclose((nodes[0, :, 0] * nodes[0, :, 5]).sum(), 0.0, atol=1e-6)
    np.testing.assert_allclose((nodes[0, :, 1] * nodes[0, :, 6]).sum(), 0.0, atol=1e-6)


def test_a_multiple_of_a_formula_has_the_same_graph():
    small = graph_of("Li1.2Mn0.4Ti0.4O2", "Li", "Li0.6Mn0.4Ti0.4O2")
    large = graph_of("Li2.4Mn0.8Ti0.8O4", "Li", "Li1.2Mn0.8Ti0.8O4")
    for of_small, of_large in zip(small, large, strict=True):
        torch.testing.assert_close(of_small, of_large, rtol=1e-6, atol=1e-6)


def test_the_order_of_the_elements_is_immaterial():
    network = random_network()
    numbers, nodes, pair = graph_of("LiFe0.5Mn0.5PO4", "Li")
    shuffled = torch.tensor([0, 3, 1, 4, 2])  # the ion stays first
    torch.testing.assert_close(
        network(numbers[:, shuffled], nodes[:, shuffled], pair), network(numbers, nodes, pair)
    )


def test_padding_changes_no_number():
    network = random_network()
    numbers, nodes, pair = graph_of("LiFePO4", "Li")
    padded = (
        torch.nn.functional.pad(numbers, (0, 3)),
        torch.cat([nodes, torch.full((1, 3, N_NODE_NUMBERS), 9.0)], dim=1),
    )
    torch.testing.assert_close(network(*padded, pair), network(numbers, nodes, pair))


def test_a_prediction_does_not_depend_on_its_neighbours_in_the_table(thirty_two_pairs):
    model = TrainedElementGraph(random_network(), 3.0, 1.0)
    together_V = model.predict_V(thirty_two_pairs)
    alone_V = np.concatenate([model.predict_V(thirty_two_pairs[row : row + 1]) for row in range(32)])
    np.testing.assert_allclose(together_V, alone_V, atol=1e-5)


def test_no_pairs_get_no_voltages():
    model = TrainedElementGraph(random_network(), 3.0, 1.0)
    assert model.predict_V(Pairs.of([])).shape == (0,)


@pytest.mark.parametrize(
    "other",
    [("NaFePO4", "Na"), ("Li2FePO4", "Li"), ("LiFePO4", "Li", "Li0.5FePO4"), ("LiMnPO4", "Li")],
)
def test_ion_amounts_and_host_all_count(other):
    model = TrainedElementGraph(random_network(), 3.0, 1.0)
    assert abs(model.predict_V(one("LiFePO4", "Li")) - model.predict_V(one(*other)))[0] > 1e-4


def test_thirty_two_pairs_are_learned_by_heart(thirty_two_pairs, voltages_V):
    schedule = Schedule(epochs=150, batch_size=32, learning_rate=0.002, weight_decay=0.0, device="cpu")
    sizes = Architecture(width=32, layers=2, heads=2, head_features=32, hidden=64, dropout=0.0)
    model = train(thirty_two_pairs, voltages_V, np.arange(32), schedule, seed=0, architecture=sizes)
    assert np.abs(model.predict_V(thirty_two_pairs) - voltages_V).mean() < 0.3


def test_voltages_that_are_held_out_change_nothing(thirty_two_pairs, voltages_V):
    """Not a byte of the weights."""
    training, held_out = np.arange(0, 32, 2), np.arange(1, 32, 2)

    def trained(filling: float) -> list[bytes]:
        labels_V = voltages_V.copy()
        labels_V[held_out] = filling
        model = train(thirty_two_pairs, labels_V, training, QUICK, 0, architecture=SMALL)
        weights = [tensor.numpy().tobytes() for tensor in model.network.state_dict().values()]
        return [*weights, np.array([model.mean_V, model.scale_V]).tobytes()]

    assert trained(np.nan) == trained(7.0)


def test_another_seed_gives_another_network(thirty_two_pairs, voltages_V):
    first, second = (
        train(thirty_two_pairs, voltages_V, np.arange(32), QUICK, seed, architecture=SMALL) for seed in (0, 1)
    )
    assert np.abs(first.predict_V(thirty_two_pairs) - second.predict_V(thirty_two_pairs)).max() > 1e-3
