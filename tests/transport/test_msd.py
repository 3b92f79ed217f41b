import numpy as np
import pytest

from ionsieve.transport.msd import mean_squared_displacement_A2, without_drift


def direct_msd(positions: np.ndarray) -> np.ndarray:
    msd = np.zeros(positions.shape[:2])
    for lag in range(1, len(positions)):
        msd[lag] = ((positions[lag:] - positions[:-lag]) ** 2).sum(axis=2).mean(axis=0)
    return msd


@pytest.mark.parametrize("n_frames", [2, 7, 64, 101])
def test_fft_equals_the_direct_sum_over_time_origins(n_frames):
    positions = np.random.default_rng(n_frames).normal(size=(n_frames, 3, 3)).cumsum(axis=0) + 50.0
    np.testing.assert_allclose(mean_squared_displacement_A2(positions), direct_msd(positions), atol=1e-9)


def test_ballistic_motion_gives_velocity_squared_times_time_squared():
    times = np.arange(50) * 0.1
    velocity = np.array([[1.0, 2.0, -0.5], [0.0, 0.0, 3.0]])
    positions = times[:, None, None] * velocity
    expected = times[:, None] ** 2 * (velocity**2).sum(axis=1)
    np.testing.assert_allclose(mean_squared_displacement_A2(positions), expected, atol=1e-9)


def test_brownian_motion_gives_six_d_t():
    diffusivity, interval = 0.4, 0.05
    steps = np.random.default_rng(1).normal(0, np.sqrt(2 * diffusivity * interval), size=(2000, 200, 3))
    msd = mean_squared_displacement_A2(steps.cumsum(axis=0)).mean(axis=1)
    lags = np.arange(1, 100)
    np.testing.assert_allclose(msd[lags], 6 * diffusivity * lags * interval, rtol=0.05)


def test_drift_of_the_framework_is_removed_from_all_atoms():
    rng = np.random.default_rng(2)
    still = rng.normal(size=(1, 5, 3)).repeat(30, axis=0)
    ion_path = rng.normal(size=(30, 3)).cumsum(axis=0)
    still[:, 0] += ion_path - ion_path[0]
    drifting = still + rng.normal(size=(30, 1, 3)).cumsum(axis=0)
    framework = np.array([False, True, True, True, True])
    cleaned = without_drift(drifting, framework, np.array([1.0, 2.0, 3.0, 4.0, 5.0]))
    np.testing.assert_allclose(cleaned - cleaned[0], still - still[0], atol=1e-12)


def test_the_drift_is_that_of_the_mass_weighted_centre():
    positions = np.zeros((2, 2, 3))
    positions[1, 0, 0], positions[1, 1, 0] = 3.0, -1.0  # masses 1 and 3: the centre rests
    cleaned = without_drift(positions, np.array([True, True]), np.array([1.0, 3.0]))
    np.testing.assert_allclose(cleaned, positions, atol=1e-12)


def test_removing_drift_where_there_is_none_changes_nothing():
    positions = np.random.default_rng(3).normal(size=(40, 6, 3)).cumsum(axis=0)
    masses, framework = np.array([1.0, 1.0, 2.0, 3.0, 4.0, 5.0]), np.array([False] * 2 + [True] * 4)
    still = without_drift(positions, framework, masses)
    np.testing.assert_allclose(without_drift(still, framework, masses), still, atol=1e-12)


def test_removing_drift_keeps_the_distances_between_atoms():
    positions = np.random.default_rng(4).normal(size=(40, 6, 3)).cumsum(axis=0)
    cleaned = without_drift(positions, np.array([False] * 2 + [True] * 4), np.arange(1.0, 7.0))
    before, after = (np.linalg.norm(x[:, :, None] - x[:, None], axis=3) for x in (positions, cleaned))
    np.testing.assert_allclose(after, before, atol=1e-12)
