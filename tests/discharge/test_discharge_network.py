"""What holds of a discharge network whatever its weights are."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from discharge_networks import LMTO, untrained
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from ionsieve.composition.formulas import FormulaError
from ionsieve.discharge.compositions import element_vectors, parse_cathode
from ionsieve.discharge.network import (
    IONSIEVE,
    PAPER,
    PUBLISHED,
    SETTINGS,
    Compositions,
    ConditionFeatures,
    Discharge,
    Settings,
    with_slope,
)
from ionsieve.discharge.training import predict_with_graph

LMNOF = "Li1.2Mn0.6Nb0.2O1.8F0.2"


def curve(
    network: Discharge,
    formula: str,
    voltages_V: np.ndarray,
    rate: float = 20.0,
    cycle: float = 5.0,
    low_V: float = 1.5,
    high_V: float = 4.8,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Capacity, first capacity and slope."""
    rows = len(voltages_V)
    numbers = [torch.full((rows,), number) for number in (rate, cycle, low_V, high_V)]
    results = with_slope(
        network,
        Compositions.of([formula], network.settings),
        torch.zeros(rows, dtype=torch.int64),
        *numbers,
        torch.from_numpy(voltages_V).float(),
    )
    return tuple(result.numpy() for result in results)


def features(network: Discharge, formula: str, cycles: list[float]) -> ConditionFeatures:
    rows = len(cycles)
    with torch.no_grad():
        return network.conditions(
            Compositions.of([formula], network.settings),
            torch.zeros(rows, dtype=torch.int64),
            torch.full((rows,), 20.0),
            torch.tensor(cycles),
        )


WINDOW_V = np.linspace(1.5, 4.8, 25)


def test_element_vectors_are_those_of_word2vec():
    vectors = element_vectors()
    assert len(vectors) == 103
    assert {len(vector) for vector in vectors.values()} == {200}
    assert np.allclose([np.linalg.norm(vector) for vector in vectors.values()], 1.0, atol=1e-5)


def test_a_formula_is_its_cations_and_anions():
    cathode = parse_cathode("Ti0.4 F0.2 Li1.2 O1.8 Mn0.4")
    assert cathode.cations == ("Li", "Ti", "Mn")
    assert cathode.amounts.tolist() == [1.2, 0.4, 0.4]
    assert (cathode.oxygen, cathode.fluorine) == (1.8, 0.2)
    assert cathode.elements == ("Li", "Ti", "Mn", "O", "F")


@pytest.mark.parametrize(
    ("formula", "reason"),
    [
        ("", "empty formula"),
        ("Li1.2Mn-0.4O2", "not a formula"),
        ("LiXxO2", "not a formula|unknown element"),
        ("LiRfO2", "no vector for Rf"),
        ("LiMnF3", "no oxygen"),
        ("O2", "no cation"),
        ("OF2", "no cation"),
        ("Li nonsense 1.2", "not a formula"),
    ],
)
def test_what_is_no_oxide_or_oxyfluoride_is_refused_in_words(formula, reason):
    with pytest.raises(FormulaError, match=reason):
        parse_cathode(formula)


def test_fluorine_is_a_mean_field_on_every_cation_as_released():
    vectors = element_vectors()
    compositions = Compositions.of([LMNOF], PUBLISHED)
    expected = [vectors[cation] + (2.0 - 1.8) / 2.0 * vectors["F"] for cation in ("Li", "Mn", "Nb")]
    assert np.allclose(compositions.vectors.numpy(), expected, atol=1e-6)
    assert np.allclose(compositions.weights.numpy(), [0.6, 0.3, 0.1])
    assert compositions.fluorine_share.tolist() == pytest.approx([0.1])


def test_fluorine_is_a_mean_field_on_lithium_alone_as_printed():
    vectors = element_vectors()
    compositions = Compositions.of([LMNOF], PAPER)
    expected = [vectors["Li"] + 0.1 * vectors["F"], vectors["Mn"], vectors["Nb"]]
    assert np.allclose(compositions.vectors.numpy(), expected, atol=1e-6)


def test_every_cation_meets_every_cation_of_its_own_composition():
    compositions = Compositions.of([LMTO, "LiCoO2"], PUBLISHED)
    pairs = list(zip(compositions.receivers.tolist(), compositions.senders.tolist(), strict=True))
    assert pairs == [(i, j) for i in range(3) for j in range(3)] + [(i, j) for i in (3, 4) for j in (3, 4)]
    assert compositions.composition_of_node.tolist() == [0, 0, 0, 1, 1]
    assert len(compositions) == 2


@pytest.mark.parametrize("settings", [PAPER, IONSIEVE, replace(PUBLISHED, normalised_amounts=True)])
@pytest.mark.parametrize(
    ("formula", "multiple"),
    [(LMTO, "Li2.4Mn0.8Ti0.8O4"), (LMNOF, "Li12Mn6Nb2O18F2")],
)
def test_a_multiple_of_a_formula_is_the_same_composition(settings, formula, multiple):
    network = untrained(settings)
    for one, other in zip(curve(network, formula, WINDOW_V), curve(network, multiple, WINDOW_V), strict=True):
        assert one == pytest.approx(other, rel=1e-5, abs=1e-5)


def test_the_released_weights_of_cations_follow_the_factor_of_the_formula():
    network = untrained(PUBLISHED)
    one, other = (curve(network, formula, WINDOW_V)[0] for formula in (LMTO, "Li2.4Mn0.8Ti0.8O4"))
    assert np.abs(one - other).max() > 0.1


def test_normalising_changes_nothing_for_formulas_of_two_anions():
    released, normalised = untrained(PUBLISHED), untrained(replace(PUBLISHED, normalised_amounts=True))
    assert curve(released, LMNOF, WINDOW_V)[0] == pytest.approx(curve(normalised, LMNOF, WINDOW_V)[0])


@pytest.mark.parametrize("name", SETTINGS)
def test_the_order_of_elements_does_not_matter(name):
    network = untrained(SETTINGS[name])
    one, other = (curve(network, formula, WINDOW_V) for formula in (LMNOF, "F0.2O1.8Nb0.2Li1.2Mn0.6"))
    for first, second in zip(one, other, strict=True):
        assert np.array_equal(first, second)


@pytest.mark.parametrize("name", SETTINGS)
def test_a_row_does_not_depend_on_the_others(name):
    network = untrained(SETTINGS[name])
    compositions = Compositions.of([LMTO, LMNOF, "LiCoO2"], network.settings)
    random = torch.Generator().manual_seed(3)
    owners = torch.randint(3, (40,), generator=random)
    rates = 10.0 ** (1.0 + 3.0 * torch.rand(40, generator=random))
    cycles = torch.randint(1, 50, (40,), generator=random).float()
    voltages = 1.5 + 3.3 * torch.rand(40, generator=random)
    low, high = torch.full((40,), 1.5), torch.full((40,), 4.8)
    together = with_slope(network, compositions, owners, rates, cycles, low, high, voltages)[0]
    for row in range(0, 40, 8):
        alone = curve(
            network,
            [LMTO, LMNOF, "LiCoO2"][owners[row]],
            voltages[row : row + 1].double().numpy(),
            float(rates[row]),
            float(cycles[row]),
        )[0]
        assert alone[0] == pytest.approx(float(together[row]), rel=1e-4, abs=1e-4)


@pytest.mark.parametrize("name", SETTINGS)
@pytest.mark.parametrize("switch", ["as it is", "zero_at_v_high", "monotone"])
def test_the_slope_is_the_finite_difference_of_the_capacity(name, switch):
    settings = SETTINGS[name]
    if switch != "as it is":
        settings = replace(settings, **{switch: not getattr(settings, switch)})
    network = untrained(settings).double()
    step_V = 1e-4
    voltages = torch.linspace(1.6, 4.7, 12, dtype=torch.float64)
    full = [torch.full((12,), number, dtype=torch.float64) for number in (20.0, 4.0, 1.5, 4.8)]
    compositions = Compositions.of([LMTO], settings)
    compositions = replace(
        compositions,
        vectors=compositions.vectors.double(),
        weights=compositions.weights.double(),
    )
    owners = torch.zeros(12, dtype=torch.int64)
    slope = with_slope(network, compositions, owners, *full, voltages)[2]
    with torch.no_grad():
        above, _ = network(compositions, owners, *full, voltages + step_V)
        below, _ = network(compositions, owners, *full, voltages - step_V)
    expected = ((above - below) / (2.0 * step_V)).numpy()
    assert slope.numpy() == pytest.approx(expected, rel=1e-4, abs=1e-6)
    assert np.abs(expected).max() > 1e-3


def test_the_slope_can_be_learned_from():
    network = untrained(IONSIEVE)
    voltages = torch.linspace(2.0, 4.0, 5)
    full = [torch.full((5,), number) for number in (20.0, 4.0, 1.5, 4.8)]
    compositions = Compositions.of([LMTO], IONSIEVE)
    conditions = (torch.zeros(5, dtype=torch.int64), *full, voltages)
    predicted = predict_with_graph(network, compositions, conditions, smoothness=True)
    (predicted.slope.square().mean() + predicted.sensitivity.norm()).backward()
    assert predicted.sensitivity.norm() > 0
    for name, weight in network.named_parameters():
        assert weight.grad is not None and torch.isfinite(weight.grad).all(), name


@pytest.mark.parametrize("name", SETTINGS)
def test_the_first_cycle_has_no_fade(name):
    network = untrained(SETTINGS[name])
    found = features(network, LMTO, [1.0])
    assert torch.equal(found.cycle, found.first_cycle)
    capacity, first, _ = curve(network, LMTO, WINDOW_V, cycle=1.0)
    assert np.array_equal(capacity, first)


def test_the_fade_is_linear_in_the_cycle():
    cycles = [2.0, 3.0, 11.0, 51.0]
    found = features(untrained(IONSIEVE), LMTO, cycles)
    per_cycle = (found.cycle - found.first_cycle) / (torch.tensor(cycles)[:, None] - 1.0)
    assert torch.allclose(per_cycle, per_cycle[:1].expand_as(per_cycle), rtol=1e-3, atol=1e-6)
    assert per_cycle.abs().max() > 1e-4


@pytest.mark.parametrize("settings", [PUBLISHED, PAPER])
def test_the_fade_is_linear_in_the_cycle_apart_from_its_gate(settings):
    cycles = [2.0, 3.0, 11.0, 51.0]
    network = untrained(settings)
    found = features(network, LMTO, cycles)
    expected = found.fade_gate * network.fade.weight[:, 0] * (torch.tensor(cycles)[:, None] - 1.0)
    assert torch.allclose(found.cycle - found.first_cycle, expected, rtol=1e-3, atol=1e-4)
    assert not torch.allclose(found.fade_gate[0], found.fade_gate[-1])


@hypothesis_settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 1000),
    scale=st.sampled_from([0.1, 0.3, 1.0]),
    rate=st.floats(1.0, 20000.0),
    cycle=st.integers(1, 900),
    low_V=st.floats(1.0, 2.5),
    high_V=st.floats(4.0, 5.0),
)
def test_the_capacity_is_zero_at_the_top_and_falls_with_voltage_whatever_was_learned(
    seed, scale, rate, cycle, low_V, high_V
):
    network = untrained(IONSIEVE, seed)
    with torch.no_grad():
        for weight in network.parameters():
            weight.mul_(scale)
    voltages = np.linspace(low_V, high_V, 60).astype(np.float32)
    capacity, first, slope = curve(network, LMNOF, voltages, rate, cycle, low_V, float(voltages[-1]))
    for values in (capacity, first):
        assert values[-1] == 0.0
        # Rounding of float32, relative to what is subtracted.
        assert np.diff(values).max() <= 1e-5 * max(1.0, values.max())
    assert slope.max() <= 0.0


def test_zero_at_the_top_holds_without_the_monotone_form():
    network = untrained(replace(PUBLISHED, zero_at_v_high=True))
    capacity, _, _ = curve(network, LMTO, WINDOW_V)
    assert capacity[-1] == pytest.approx(0.0, abs=1e-4)
    assert (capacity[:-1] > 0).all()


def test_the_monotone_form_holds_without_zero_at_the_top():
    network = untrained(replace(IONSIEVE, zero_at_v_high=False))
    capacity, _, slope = curve(network, LMTO, WINDOW_V)
    assert (slope < 0).all() and (np.diff(capacity) < 0).all()
    assert capacity[-1] > 0


def test_what_is_added_last_is_the_windows_upper_end_not_its_lower():
    network = untrained(IONSIEVE)
    wide, narrow = (curve(network, LMTO, np.array([4.4, 4.8]), high_V=high)[0] for high in (4.8, 4.4))
    assert narrow[0] == 0.0
    assert wide[0] > wide[1] == 0.0


SWITCHES = {
    "normalised_amounts": True,
    "fluorine_on": "lithium",
    "message_features": 0,
    "hidden_encoders": False,
    "batch_norm_encoders": False,
    "batch_norm_gates": False,
    "log_rate": True,
    "cycle_unit": 10.0,
    "cycle_in_gate": False,
    "window_activation": "softplus",
    "zero_at_v_high": True,
    "monotone": True,
}


@pytest.mark.parametrize("switch", SWITCHES)
def test_each_switch_alone_changes_what_is_predicted(switch):
    settings: Settings = replace(PUBLISHED, **{switch: SWITCHES[switch]})
    formula = "Li2.4Mn1.2Nb0.4O3.6F0.4"
    one, other = (curve(untrained(kind), formula, WINDOW_V) for kind in (PUBLISHED, settings))
    assert np.isfinite(other).all()
    assert np.abs(one[0] - other[0]).max() > 1e-2


def test_a_rate_enters_as_its_logarithm_above_100_mA_per_g():
    compositions, owners = Compositions.of([LMTO], PUBLISHED), torch.zeros(3, dtype=torch.int64)
    rates, cycles = torch.tensor([10.0, 100.0, 10000.0]), torch.ones(3)
    raw, logarithmic = untrained(PUBLISHED), untrained(replace(PUBLISHED, log_rate=True))
    expected = raw.conditions(compositions, owners, torch.tensor([-1.0, 0.0, 2.0]), cycles)
    found = logarithmic.conditions(compositions, owners, rates, cycles)
    assert torch.allclose(found.first_cycle, expected.first_cycle, rtol=1e-4, atol=1e-5)
