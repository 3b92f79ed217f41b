import numpy as np
import pytest
from ase import Atoms

from ionsieve.potential.frames import labelled
from ionsieve.potential.softening import slope_through_origin, softening, stiffened


def frame(forces: np.ndarray, trajectory: str) -> Atoms:
    atoms = Atoms("Ar" * len(forces), positions=np.arange(3 * len(forces)).reshape(-1, 3), pbc=True)
    atoms.info["trajectory"] = trajectory
    return labelled(atoms, 0.0, forces, None)


@pytest.fixture
def true_forces() -> list[np.ndarray]:
    return list(np.random.default_rng(0).normal(size=(6, 4, 3)))


def compare(predicted: list[np.ndarray], reference: list[np.ndarray]) -> dict:
    names = [f"run-{number // 2}" for number in range(len(reference))]
    return softening(
        [frame(forces, name) for forces, name in zip(predicted, names, strict=True)],
        [frame(forces, name) for forces, name in zip(reference, names, strict=True)],
        "teacher",
    )


def test_forces_four_fifths_as_large_mean_a_barrier_a_quarter_higher(true_forces):
    told = compare([0.8 * forces for forces in true_forces], true_forces)
    assert told["slope"] == told["slope_lower"] == told["slope_upper"] == 0.8
    assert told["barrier_factor"] == told["barrier_factor_lower"] == told["barrier_factor_upper"] == 1.25
    assert (told["n_frames"], told["n_trajectories"], told["against"]) == (6, 3, "teacher")


def test_the_slope_is_that_of_least_squares_through_the_origin(true_forces):
    noisy = [0.9 * forces + np.random.default_rng(1).normal(size=(4, 3)) for forces in true_forces]
    expected = np.linalg.lstsq(np.ravel(true_forces)[:, None], np.ravel(noisy), rcond=None)[0][0]
    told = compare(noisy, true_forces)
    assert told["slope"] == pytest.approx(expected, abs=1e-4)
    assert told["slope_lower"] < expected < told["slope_upper"]
    assert told["barrier_factor_lower"] < told["barrier_factor"] < told["barrier_factor_upper"]


def test_one_trajectory_has_a_slope_and_no_interval(true_forces):
    told = compare([0.8 * forces for forces in true_forces[:2]], true_forces[:2])
    assert told["slope"] == 0.8
    assert told["slope_lower"] is None and told["barrier_factor_upper"] is None


def test_a_potential_that_points_uphill_has_no_barrier_factor(true_forces):
    assert compare([-forces for forces in true_forces], true_forces)["barrier_factor"] is None


def test_forces_that_are_not_finite_have_no_slope(true_forces):
    assert compare([np.full((4, 3), np.nan)] * 6, true_forces)["slope"] is None


@pytest.mark.parametrize("n_trajectories", [3, 4, 12])
def test_intervals_hold_the_true_slope_when_trajectories_differ(n_trajectories):
    rng = np.random.default_rng(n_trajectories)
    held = 0
    for _ in range(1000):
        true = rng.normal(size=(n_trajectories, 300))
        # Every run has a softness of its own (its vacancies, its strain), around 0.9.
        own = rng.normal(0.9, 0.05, size=(n_trajectories, 1))
        predicted = own * true + rng.normal(scale=0.2, size=true.shape)
        _, lower, upper = slope_through_origin(np.sum(true * predicted, axis=1), np.sum(true**2, axis=1))
        held += lower < 0.9 < upper
    assert 0.93 < held / 1000 < 0.97


SOFT = {"barrier_factor": 1.25, "barrier_factor_lower": 1.1, "barrier_factor_upper": 1.4}


def test_a_slope_of_four_fifths_turns_0_40_eV_into_0_50_and_divides_sigma_by_2_6_at_1200_K():
    # 0.10 eV over k T = 0.103408 eV at 1200 K, 0.025852 eV at 300 K
    stiff = stiffened(0.40, (1200.0, 300.0), [SOFT, None])
    assert stiff.barrier_eV == pytest.approx(0.50)
    assert stiff.conductivity_factors == pytest.approx((0.3802, 0.02090), rel=1e-3)


def test_softening_of_student_and_of_teacher_multiply():
    stiff = stiffened(0.40, (1200.0,), [SOFT, {**SOFT, "barrier_factor": 1.1}])
    assert stiff.barrier_eV == pytest.approx(0.40 * 1.25 * 1.1)


def test_the_ends_of_the_slope_give_those_of_the_barrier():
    ends = [stiffened(0.40, (), [SOFT], end).barrier_eV for end in ("_lower", "_upper")]
    assert ends == pytest.approx([0.44, 0.56])


@pytest.mark.parametrize(
    ("barrier_eV", "softenings"),
    [(None, [SOFT]), (0.4, [None, None]), (0.4, [{**SOFT, "barrier_factor": None}])],
)
def test_without_barrier_or_slope_there_is_nothing_to_correct(barrier_eV, softenings):
    assert stiffened(barrier_eV, (300.0,), softenings) is None
