import numpy as np
import pytest
import torch
from ase.data import chemical_symbols

from ionsieve.composition.formulas import pair_of
from ionsieve.composition.pairs import Pairs
from ionsieve.composition.recurrent import RecurrentNetwork, Sequences, predict
from ionsieve.voltage.training import Schedule

CPU = torch.device("cpu")
QUICK = Schedule(epochs=2, batch_size=8, learning_rate=4e-3, weight_decay=0.0, device="cpu")
METALS = ("Ti", "V", "Cr", "Mn", "Fe", "Co", "Ni", "Cu")


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def sixteen_pairs() -> Pairs:
    return Pairs.of(
        [pair_of(f"Li{host.format(metal)}", "Li") for host in ("{}O2", "{}PO4") for metal in METALS]
    )


@pytest.fixture(scope="module")
def network() -> RecurrentNetwork:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return RecurrentNetwork().eval()


def sequences(*pairs: tuple[str, ...]) -> Sequences:
    return Sequences.of(Pairs.of([pair_of(*pair) for pair in pairs]))


def test_the_charged_formula_comes_first_and_the_least_electronegative_element_in_each():
    read = sequences(("LiFePO4", "Li"))
    assert [chemical_symbols[number] for number in read.numbers[0]] == ["Fe", "P", "O", "Li", "Fe", "P", "O"]
    shares, is_discharged, is_ion = read.token_numbers[0].T
    np.testing.assert_allclose(shares, [1 / 6, 1 / 6, 4 / 6, 1 / 7, 1 / 7, 1 / 7, 4 / 7], rtol=1e-6)
    assert is_discharged.tolist() == [0, 0, 0, 1, 1, 1, 1]
    assert is_ion.tolist() == [0, 0, 0, 1, 0, 0, 0]


def test_a_sequence_is_as_long_as_both_formulas():
    """Ions that stay when charged are an element of the charged formula too."""
    read = sequences(("LiFePO4", "Li"), ("LiCoO2", "Li", "Li0.5CoO2"), ("LiF", "Li"))
    assert read.lengths.tolist() == [7, 6, 3]
    assert (read.numbers > 0).sum(dim=1).tolist() == [7, 6, 3]


def test_what_follows_the_end_of_a_sequence_is_not_read(network):
    """It is packed: neither padding nor a longer neighbour changes the voltage."""
    alone = network(*sequences(("LiF", "Li")).batch(np.array([0]), CPU))
    numbers, token_numbers, lengths = sequences(("LiF", "Li"), ("LiFePO4", "Li")).batch(np.arange(2), CPU)
    numbers[0, 3:], token_numbers[0, 3:] = 8, 1.0
    torch.testing.assert_close(network(numbers, token_numbers, lengths)[:1], alone)


def test_a_multiple_of_a_formula_is_read_alike(network):
    arguments = (
        sequences(pair).batch(np.array([0]), CPU)
        for pair in (("Li1.2Mn0.4Ti0.4O2", "Li"), ("Li2.4Mn0.8Ti0.8O4", "Li"))
    )
    first, second = (network(*of_pair) for of_pair in arguments)
    torch.testing.assert_close(first, second)


def test_sixteen_pairs_are_learned_by_heart(sixteen_pairs):
    voltages_V = np.random.default_rng(0).uniform(1.0, 5.0, 16)
    schedule = Schedule(epochs=60, batch_size=16, learning_rate=0.01, weight_decay=0.0, device="cpu")
    rows = np.arange(16)
    predicted_V = predict(sixteen_pairs, voltages_V, rows, rows, 0, schedule)
    assert np.abs(predicted_V - voltages_V).mean() < 0.3


def test_voltages_of_held_out_rows_change_no_byte(sixteen_pairs):
    training, held_out = np.arange(0, 16, 2), np.arange(1, 16, 2)
    voltages_V = np.linspace(1.0, 5.0, 16)
    hidden_V = voltages_V.copy()
    hidden_V[held_out] = np.nan
    first, second = (
        predict(sixteen_pairs, labels_V, training, held_out, 0, QUICK) for labels_V in (voltages_V, hidden_V)
    )
    assert first.tobytes() == second.tobytes()
    assert np.isfinite(first).all()
