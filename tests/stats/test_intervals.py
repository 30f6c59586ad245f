"""Intervals: against the formulas of textbooks, and by how often they hold."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from sim.stats.intervals import mean, quantile, t_interval, t_quantile, variance, wilson_interval


def test_the_interval_is_students() -> None:
    values = [9.1, 10.4, 8.7, 11.2, 10.1]
    low, high = stats.t.interval(0.95, 4, loc=np.mean(values), scale=stats.sem(values))
    found = t_interval(values)
    assert found.mean == pytest.approx(9.9)
    assert (found.low, found.high, found.n) == (pytest.approx(low), pytest.approx(high), 5)


def test_95_of_100_intervals_hold_the_true_mean() -> None:
    rng = np.random.Generator(np.random.PCG64(1))
    held = 0
    for values in rng.normal(3.0, 2.0, (2000, 8)).tolist():
        found = t_interval(values)
        assert found.low is not None
        assert found.high is not None
        held += found.low <= 3.0 <= found.high
    assert 0.935 < held / 2000 < 0.965


def test_one_value_has_a_mean_but_no_interval() -> None:
    assert t_interval([4.0]) == (4.0, None, None, 1)


def test_no_value_has_no_mean() -> None:
    with pytest.raises(ValueError, match="no values"):
        t_interval([])


def test_one_value_has_no_variance() -> None:
    with pytest.raises(ValueError, match="at least 2"):
        variance([1.0])


def test_a_mean_is_summed_without_rounding_on_the_way() -> None:
    assert mean([1e16, 1.0, -1e16]) == pytest.approx(1 / 3, rel=1e-15)


def test_values_all_alike_have_an_interval_of_no_width() -> None:
    assert t_interval([7.0] * 10) == (7.0, 7.0, 7.0, 10)


@pytest.mark.parametrize(("degrees", "expected"), [(1, 12.7062), (4, 2.7764), (29, 2.0452), (1000, 1.9623)])
def test_quantiles_of_students_t_are_those_of_the_tables(degrees: int, expected: float) -> None:
    assert t_quantile(0.975, degrees) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize(
    ("probability", "expected"), [(0.01, 1), (0.1, 1), (0.11, 2), (0.5, 5), (0.7, 7), (0.95, 10), (1.0, 10)]
)
def test_a_quantile_is_the_nearest_rank(probability: float, expected: float) -> None:
    assert quantile([10, 9, 8, 7, 6, 5, 4, 3, 2, 1], probability) == expected


@pytest.mark.parametrize("probability", [0.0, -0.1, 1.1, math.nan])
def test_a_quantile_needs_a_probability(probability: float) -> None:
    with pytest.raises(ValueError, match="probability"):
        quantile([1.0], probability)


def test_a_share_has_wilsons_interval() -> None:
    found = wilson_interval(4, 10)
    expected = stats.binomtest(4, 10).proportion_ci(method="wilson")
    assert (found.mean, found.low, found.high) == (0.4, pytest.approx(expected.low), pytest.approx(expected.high))
    assert wilson_interval(0, 5).low == 0.0
    assert wilson_interval(5, 5).high == 1.0


def test_a_share_needs_trials() -> None:
    with pytest.raises(ValueError, match="trial"):
        wilson_interval(0, 0)
