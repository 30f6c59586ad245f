"""The histogram against exact percentiles on samples that are hard for it, and the laws of merging."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.measure.histogram import MAX_ERROR, Histogram, bucket_of, middle_of
from sim.measure.percentiles import beyond, percentile_of, rank_of, sure_percentile_of

PERCENTILES = (0.01, 1, 10, 25, 50, 75, 90, 95, 99, 99.9, 99.99, 100)
LARGEST = 2**63 - 1
VALUES = st.lists(st.one_of(st.integers(0, LARGEST), st.integers(0, 3_000)), max_size=30)

Values = npt.NDArray[np.int64]


def recorded(values: Any) -> Histogram:
    histogram = Histogram()
    histogram.record(values)
    return histogram


def nasty(name: str) -> Values:
    rng = np.random.default_rng(7)
    n = 200_000
    samples: dict[str, Any] = {
        "bimodal": np.where(rng.random(n) < 0.5, rng.normal(900, 60, n), rng.normal(2_000_000, 90_000, n)),
        "heavy tail": 300 * rng.pareto(1.1, n),
        "all equal": np.full(n, 123_457),
        "powers of two and their neighbours": 2 ** rng.integers(0, 40, n) + rng.integers(-1, 2, n),
        "tiny": rng.integers(0, 12, n),
        "edge of the exact": rng.integers(500, 530, n),
        "stall": np.concatenate([rng.normal(500, 20, n * 9 // 10), np.linspace(0, 2_000_000, n // 10)]),
        "a few very slow": np.concatenate([np.full(n - 25, 1_000), np.full(25, 3_599_999_999)]),
    }
    return np.maximum(np.rint(samples[name]).astype(np.int64), 0)


@pytest.mark.parametrize(
    "name",
    [
        "bimodal",
        "heavy tail",
        "all equal",
        "powers of two and their neighbours",
        "tiny",
        "edge of the exact",
        "stall",
        "a few very slow",
    ],
)
def test_every_percentile_is_within_a_fifth_of_a_percent_of_the_exact_one(name: str) -> None:
    values = nasty(name)
    exact = np.array([percentile_of(np.sort(values), percentile) for percentile in PERCENTILES])
    found = np.array(recorded(values).percentiles(PERCENTILES))
    assert np.all(np.abs(found - exact) <= MAX_ERROR * exact)
    assert MAX_ERROR < 0.002
    by_numpy = np.percentile(values, PERCENTILES, method="inverted_cdf")
    agree = np.array(PERCENTILES) != 99.9  # of which floating point makes one rank more
    assert exact[agree].tolist() == by_numpy[agree].tolist()


def test_values_up_to_511_us_are_exact() -> None:
    values = np.arange(512)
    assert middle_of(bucket_of(values)).tolist() == values.tolist()


@given(st.integers(0, LARGEST))
def test_the_middle_of_a_values_bucket_is_near_it(value: int) -> None:
    middle = int(middle_of(bucket_of(np.array([value])))[0])
    assert abs(middle - value) <= MAX_ERROR * value + 1e-9 * value
    assert recorded([value]).percentile(50) == value, "what is known exactly is told exactly"


@given(VALUES)
@settings(max_examples=50)
def test_buckets_grow_with_the_values(values: list[int]) -> None:
    buckets = bucket_of(np.sort(np.array(values, np.int64)))
    assert np.all(np.diff(buckets) >= 0)


@given(VALUES, VALUES, VALUES)
@settings(max_examples=60)
def test_merging_is_what_recording_everything_in_one_would_be(a: list[int], b: list[int], c: list[int]) -> None:
    one, two, three = recorded(a), recorded(b), recorded(c)
    assert one.merge(two) == two.merge(one) == recorded([*a, *b])
    assert one.merge(two).merge(three) == one.merge(two.merge(three)) == recorded([*a, *b, *c])
    assert one.merge(Histogram()) == one == Histogram().merge(one)
    assert one == recorded(a), "merging changes neither part"


@given(VALUES)
@settings(max_examples=50)
def test_recording_in_bulk_is_recording_one_by_one(values: list[int]) -> None:
    slowly = Histogram()
    for value in values:
        slowly.record([value])
    assert slowly == recorded(values)


def test_an_empty_histogram_has_no_percentile() -> None:
    assert Histogram().percentile(50) is None
    assert len(Histogram()) == 0
    assert Histogram() != 0


def test_a_negative_value_counts_as_nothing() -> None:
    histogram = recorded([-5, 10])
    assert (histogram.min_us, histogram.max_us, histogram.total_us, len(histogram)) == (0, 10, 10, 2)


@pytest.mark.parametrize(
    ("percentile", "n", "rank"),
    [(99.9, 10_000, 9_990), (50, 3, 2), (50, 4, 2), (95, 100, 95), (99, 1, 1), (0.001, 10, 1), (99, 0, 0)],
)
def test_ranks_are_counted_in_fractions(percentile: float, n: int, rank: int) -> None:
    assert rank_of(percentile, n) == rank


def test_a_percentile_needs_ten_observations_beyond_it() -> None:
    values = np.arange(1_000)
    assert (beyond(99, 1_000), sure_percentile_of(values, 99)) == (10, 989)
    assert (beyond(99, 999), sure_percentile_of(values[:999], 99)) == (9, None)
