import numpy as np
import pytest

from ionsieve.discharge.baselines import linear_fade, mean_absolute_deviation, persistence


def test_persistence_repeats_the_last_curve():
    curves = np.arange(6.0).reshape(3, 2)
    assert persistence(curves, 2).tolist() == [[4.0, 5.0], [4.0, 5.0]]


def test_a_line_is_continued_exactly_also_over_a_missing_cycle():
    cycles = np.array([1, 2, 4, 5, 6])
    curves = 250.0 - np.multiply.outer(cycles, [2.0, 3.0])
    curves[0] = 999.0  # older than the last four
    assert linear_fade(cycles, curves, np.array([7, 10])) == pytest.approx(
        250.0 - np.multiply.outer([7, 10], [2.0, 3.0])
    )


def test_two_cycles_give_their_line_and_one_gives_persistence():
    assert linear_fade(np.array([1, 2]), np.array([10.0, 8.0]), np.array([3])).tolist() == [6.0]
    assert linear_fade(np.array([3]), np.array([[10.0, 8.0]]), np.array([4, 9])).tolist() == [[10.0, 8.0]] * 2


def test_mad_is_the_error_of_the_mean():
    assert mean_absolute_deviation(np.array([1.0, 2.0, 6.0])) == pytest.approx(2.0)
