import math

import numpy as np
import pytest

from ionsieve.transport.analysis import NO_BARRIER, NOT_KNOWN, summary
from ionsieve.transport.arrhenius import Estimate, fit_arrhenius
from ionsieve.transport.conductivity import conductivity_mS_per_cm

BOLTZMANN_EV_PER_K = 8.617333262e-5
BARRIER_EV, PREFACTOR_CM2_PER_S = 0.4, 1e-3
TEMPERATURES_K = (800.0, 1000.0, 1200.0, 1500.0)


def true_diffusivity(temperature_K: float) -> float:
    return PREFACTOR_CM2_PER_S * math.exp(-BARRIER_EV / (BOLTZMANN_EV_PER_K * temperature_K))


def with_interval(value: float, log_error: float) -> Estimate:
    factor = math.exp(1.96 * log_error)
    return Estimate(value, value / factor, value * factor)


def result(temperature_K: float, kind: str = "value", status: str = "ok") -> dict:
    entry = {
        **NOT_KNOWN,
        "material_id": "x",
        "temperature_K": temperature_K,
        "status": status,
        "reason": None,
        "n_ions": 13,
        "volume_A3": 2500.0,
    }
    if status != "ok":
        return entry
    estimate = with_interval(true_diffusivity(temperature_K), 0.2)
    entry |= {"conductivity_kind": kind, "diffusivity_high_cm2_per_s": estimate.high}
    if kind == "value":
        entry |= {"diffusivity_cm2_per_s": estimate.value, "diffusivity_low_cm2_per_s": estimate.low}
    return entry


def test_exact_points_give_the_barrier_and_the_prefactor():
    fit = fit_arrhenius(TEMPERATURES_K, [with_interval(true_diffusivity(t), 0.1) for t in TEMPERATURES_K])
    assert fit.activation_energy_eV.value == pytest.approx(BARRIER_EV, rel=1e-9)
    assert math.exp(fit.log_prefactor) == pytest.approx(PREFACTOR_CM2_PER_S, rel=1e-9)
    assert fit.diffusivity_cm2_per_s(300.0).value == pytest.approx(true_diffusivity(300.0), rel=1e-9)


def test_noisy_points_hold_the_barrier_and_the_300_K_value_in_their_intervals():
    rng, errors = np.random.default_rng(0), (0.6, 0.3, 0.2, 0.1)
    barriers, extrapolated = [], []
    for _ in range(300):
        points = [
            with_interval(true_diffusivity(t) * math.exp(rng.normal(0, error)), error)
            for t, error in zip(TEMPERATURES_K, errors, strict=True)
        ]
        fit = fit_arrhenius(TEMPERATURES_K, points)
        barriers.append(fit.activation_energy_eV.low <= BARRIER_EV <= fit.activation_energy_eV.high)
        at_300K = fit.diffusivity_cm2_per_s(300.0)
        extrapolated.append(at_300K.low <= true_diffusivity(300.0) <= at_300K.high)
    assert 0.92 <= np.mean(barriers) <= 0.99
    assert 0.92 <= np.mean(extrapolated) <= 0.99


def test_a_point_with_a_large_error_hardly_moves_the_line():
    points = [with_interval(true_diffusivity(t), 0.05) for t in TEMPERATURES_K]
    points[1] = with_interval(points[1].value * 5, 3.0)
    assert fit_arrhenius(TEMPERATURES_K, points).activation_energy_eV.value == pytest.approx(
        BARRIER_EV, abs=0.01
    )


def test_points_off_the_line_widen_the_interval():
    straight = [with_interval(true_diffusivity(t), 0.05) for t in TEMPERATURES_K]
    bent = [with_interval(d.value * scale, 0.05) for d, scale in zip(straight, (1, 2, 0.5, 1), strict=True)]

    def width(points: list[Estimate]) -> float:
        barrier = fit_arrhenius(TEMPERATURES_K, points).activation_energy_eV
        return barrier.high - barrier.low

    assert width(bent) > 5 * width(straight)


def test_a_candidate_shows_its_highest_temperature_and_its_barrier():
    document = summary([result(t) for t in (1200.0, 800.0, 1000.0)], "Mg")
    assert document["temperature_K"] == 1200.0
    assert document["diffusivity_cm2_per_s"] == pytest.approx(true_diffusivity(1200.0))
    assert document["activation_energy_eV"] == pytest.approx(BARRIER_EV)
    assert document["activation_energy_low_eV"] < BARRIER_EV < document["activation_energy_high_eV"]
    expected = conductivity_mS_per_cm(true_diffusivity(300.0), 13, 2500.0, 2, 300.0)
    assert document["conductivity_300K_mS_per_cm"] == pytest.approx(expected)
    assert document["conductivity_300K_extrapolated"] is True
    assert [entry["temperature_K"] for entry in document["temperatures"]] == [800.0, 1000.0, 1200.0]


@pytest.mark.parametrize(
    "entries",
    [
        [result(1200.0)],
        [result(800.0), result(1200.0)],
        [result(800.0, "upper_bound"), result(1000.0), result(1200.0)],
        [result(800.0), result(1000.0), result(1200.0, status="host_melted")],
    ],
)
def test_bounds_failures_and_few_temperatures_give_no_barrier(entries):
    document = summary(entries, "Mg")
    assert {key: document[key] for key in NO_BARRIER} == NO_BARRIER
