"""Distance to the training set, and the error to expect, where both are known."""

import numpy as np
import pytest

from ionsieve.voltage.difficulty import (
    LARGEST_ERROR_V,
    SMALLEST_DIFFICULTY_V,
    cross_fit,
    difficulty_inputs,
    difficulty_V,
)
from ionsieve.voltage.domain import DOMAIN_SHARE, TrainingSet, domain_limit


def test_distance_is_the_root_mean_square_of_normalised_differences():
    """Two descriptors that vary by 1 and by 100, one that does not vary and so does not count."""
    known = np.array([[-1.0, -100.0, 7.0], [1.0, 100.0, 7.0], [-1.0, 100.0, 7.0], [1.0, -100.0, 7.0]])
    training = TrainingSet(known, np.array([0, 0, 1, 1]))
    # One standard deviation off in the first descriptor: sqrt((1 + 0) / 2), for both members the nearest
    # of their own rows: the first member's are the last two.
    distances = training.distances(np.array([[0.0, 100.0, 99.0]]))
    assert distances[:, 0] == pytest.approx([np.sqrt(1 / 2), np.sqrt(1 / 2)])
    assert training.distances(known)[0] == pytest.approx([np.sqrt(2), np.sqrt(2), 0, 0])
    assert training.own_distances() == pytest.approx(np.full(4, np.sqrt(2)))


def test_one_absurd_descriptor_does_not_hide_the_others():
    known = np.random.default_rng(0).normal(size=(50, 10))
    training = TrainingSet(known, np.arange(50) % 5)
    strange = np.tile(known[0], (1, 1))
    strange[0, 3] = 1e9
    assert np.isfinite(training.distances(strange)).all()
    assert training.distances(strange).max() < 4.0


def test_the_limit_leaves_the_stated_share_inside():
    own = np.random.default_rng(1).exponential(size=2000)
    assert (own <= domain_limit(own)).mean() == pytest.approx(DOMAIN_SHARE, abs=0.001)


def test_difficulty_finds_the_crystals_that_are_predicted_badly():
    """Errors are large where the first descriptor is positive; each fold is judged by the others."""
    random = np.random.default_rng(2)
    descriptors = random.normal(size=(1500, 6))
    hard = descriptors[:, 0] > 0
    errors_V = np.abs(random.normal(size=1500)) * np.where(hard, 0.8, 0.1)
    inputs = difficulty_inputs(descriptors, np.zeros(1500), np.zeros(1500), np.zeros(1500))
    trees, difficulties_V = cross_fit(inputs, errors_V, np.arange(1500) % 5, seed=0)
    assert len(trees) == 5
    assert np.median(difficulties_V[hard]) > 3 * np.median(difficulties_V[~hard])
    again = cross_fit(inputs, errors_V, np.arange(1500) % 5, seed=0)[1]
    np.testing.assert_array_equal(difficulties_V, again)


def test_a_folds_own_errors_do_not_tell_its_difficulty():
    random = np.random.default_rng(3)
    inputs, folds = random.normal(size=(300, 4)), np.arange(300) % 3
    errors_V = np.abs(random.normal(size=300))
    absurd_V = np.where(folds == 1, 50.0, errors_V)
    _, before_V = cross_fit(inputs, errors_V, folds, seed=0)
    _, after_V = cross_fit(inputs, absurd_V, folds, seed=0)
    np.testing.assert_array_equal(before_V[folds == 1], after_V[folds == 1])
    assert not np.array_equal(before_V[folds == 0], after_V[folds == 0])


def test_difficulty_stays_between_its_floor_and_the_largest_error():
    inputs, folds = np.random.default_rng(4).normal(size=(200, 3)), np.arange(200) % 2
    trees, _ = cross_fit(inputs, np.zeros(200), folds, seed=0)
    assert (difficulty_V(trees[0], inputs) == SMALLEST_DIFFICULTY_V).all()
    _, wrong_labels_V = cross_fit(inputs, np.full(200, 9.0), folds, seed=0)
    assert wrong_labels_V == pytest.approx(LARGEST_ERROR_V)
