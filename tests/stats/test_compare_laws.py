"""What the intervals promise, over hundreds of small studies whose true differences are known."""

from __future__ import annotations

import math

import numpy as np
import pytest

from sim.stats.best import against_best, all_pairs, critical_value
from sim.stats.intervals import t_quantile
from sim.stats.paired import paired_interval, percent_of_base
from sim.stats.sequential import (
    MOST,
    WIDENED,
    Precision,
    is_precise,
    looks,
    needed_for,
    needed_to_separate,
)

STUDIES = 2_000
FIXED_N = 20
QUICK = 3_000  # draws of the common factor: 1 % of it, enough for these laws


def study(rng: np.random.Generator, means: list[float], n: int, shared: float = 3.0) -> list[list[float]]:
    """Values of strategies that meet the same buyers: what they share varies more than what they do not."""
    common = rng.normal(0, shared, n)
    return [(mean + common + rng.normal(0, 1 + 0.3 * k, n)).tolist() for k, mean in enumerate(means)]


def share(flags: list[bool]) -> float:
    return sum(flags) / len(flags)


def test_a_single_pair_at_fixed_n_covers_its_difference_in_93_to_97_percent() -> None:
    rng = np.random.default_rng(1)
    covered = []
    for _ in range(STUDIES):
        one, other = study(rng, [100.0, 101.0], FIXED_N)
        found = paired_interval(one, other)
        assert found.low is not None
        assert found.high is not None
        covered.append(found.low <= 1.0 <= found.high)
    assert 0.93 <= share(covered) <= 0.97


def test_percent_of_the_base_covers_in_93_to_97_percent() -> None:
    rng = np.random.default_rng(2)
    covered = []
    for _ in range(STUDIES):
        one, other = study(rng, [40.0, 41.0], FIXED_N)
        found = percent_of_base(one, other)
        assert found.low is not None
        assert found.high is not None
        covered.append(found.low <= 2.5 <= found.high)
    assert 0.93 <= share(covered) <= 0.97


@pytest.mark.parametrize("strategies", [3, 5])
def test_simultaneous_intervals_cover_together_and_are_at_most_half_wider(strategies: int) -> None:
    rng = np.random.default_rng(strategies)
    means = [100.0 + 0.5 * k for k in range(strategies)]
    covered, widths = [], []
    for _ in range(500):
        values = study(rng, means, FIXED_N)
        pairs = all_pairs(values, draws=QUICK)
        hits = []
        for (i, j), found in pairs.intervals.items():
            assert found.low is not None
            assert found.high is not None
            hits.append(found.low <= means[j] - means[i] <= found.high)
        covered.append(all(hits))
        widths.append(pairs.critical / t_quantile(0.975, FIXED_N - 1))
        best = against_best(pairs, strategies)
        truth = [means[k] - max(m for j, m in enumerate(means) if j != k) for k in range(strategies)]
        if covered[-1]:
            assert all(low <= true <= high for (_, low, high), true in zip(best, truth, strict=True))
    assert share(covered) >= 0.93
    assert np.mean(widths) <= 1.5


@pytest.mark.parametrize("strategies", [2, 4])
def test_without_a_difference_that_one_beats_another_is_said_in_at_most_5_percent(strategies: int) -> None:
    rng = np.random.default_rng(40 + strategies)
    said = []
    for _ in range(500 if strategies > 2 else STUDIES):
        pairs = all_pairs(study(rng, [100.0] * strategies, FIXED_N), draws=QUICK)
        said.append(any(pairs.told_apart(i, j) for i, j in pairs.intervals))
    assert share(said) <= 0.05 + 2 * math.sqrt(0.05 * 0.95 / len(said))


@pytest.mark.parametrize(("difference", "goal"), [(0.0, 0.4), (1.0, 0.4), (1.0, 0.7), (1.0, 0.25)])
def test_stopping_at_a_precision_keeps_coverage(difference: float, goal: float) -> None:
    rng = np.random.default_rng(round(100 * goal) + round(difference))
    covered, widths, said = [], [], []
    for _ in range(1_000):
        d = rng.normal(difference, 1.0, 400)
        for n in looks(most=400):
            half = t_quantile(0.975, n - 1) * float(np.std(d[:n], ddof=1)) / math.sqrt(n)
            if is_precise(half, n, goal):
                break
        half *= WIDENED
        centre = float(np.mean(d[:n]))
        covered.append(abs(centre - difference) <= half)
        said.append(abs(centre) > half)
        widths.append(half / (t_quantile(0.975, n - 1) / math.sqrt(n)))
    assert share(covered) >= 0.93
    assert np.mean(widths) <= 1.5
    if difference == 0:
        assert share(said) <= 0.05


def test_two_strategies_need_no_correction() -> None:
    rng = np.random.default_rng(9)
    assert critical_value(study(rng, [1.0, 2.0], 12)) == t_quantile(0.975, 11)


def test_the_factor_is_the_same_for_the_same_values_and_never_above_bonferroni() -> None:
    values = study(np.random.default_rng(10), [1.0, 2.0, 3.0, 4.0], 15)
    assert critical_value(values) == critical_value(values) <= t_quantile(1 - 0.05 / 12, 14)


def test_the_factor_nears_tukeys_for_independent_strategies() -> None:
    values = np.random.default_rng(11).normal(0, 1, (4, 2_000)).tolist()
    assert critical_value(values) == pytest.approx(3.633 / math.sqrt(2), abs=0.05)  # studentised range, 4, infinite


def test_strategies_that_come_to_the_same_are_not_told_apart() -> None:
    values = study(np.random.default_rng(12), [1.0, 3.0], 12)
    pairs = all_pairs([values[0], values[0], values[1]])
    assert not pairs.told_apart(0, 1)
    assert pairs.of(0, 1)[:3] == (0.0, 0.0, 0.0)
    assert pairs.of(2, 0).mean == -pairs.of(0, 2).mean


def test_the_percentage_and_the_difference_never_disagree_on_zero() -> None:
    rng = np.random.default_rng(13)
    for _ in range(300):
        base, other = study(rng, [30.0, 30.4], 8)
        difference, percent = paired_interval(base, other), percent_of_base(base, other)
        assert difference.low is not None
        assert percent.low is not None
        assert percent.high is not None
        assert difference.high is not None
        assert (difference.low <= 0 <= difference.high) == (percent.low <= 0 <= percent.high)


def test_a_loss_that_shrinks_is_a_plus() -> None:
    found = percent_of_base([-100.0, -101.0, -99.0], [-90.0, -92.0, -89.0])
    assert found.mean is not None
    assert found.mean > 9


def test_nothing_is_said_in_percent_of_a_base_that_may_be_nothing() -> None:
    assert percent_of_base([-1.0, 1.0, 0.5], [2.0, 3.0, 4.0]).low is None
    assert percent_of_base([0.0, 0.0], [1.0, 2.0]) == (None, None, None)


def test_the_replications_needed_would_do_and_one_fewer_would_not() -> None:
    sigma, n = 2.0, 10
    half = t_quantile(0.975, n - 1) * sigma / math.sqrt(n)
    m = needed_to_separate(0.5, half, n)
    assert t_quantile(0.975, m - 1) * sigma / math.sqrt(m) < 0.5 <= t_quantile(0.975, m - 2) * sigma / math.sqrt(m - 1)


def test_what_cannot_be_reached_is_told_as_beyond_the_most() -> None:
    assert needed_to_separate(0.0, 1.0, 10) == MOST + 1
    assert needed_for(1.0, 10, 1e-9) == MOST + 1
    assert needed_for(0.0, 10, 1e-9) == 10


@pytest.mark.parametrize("given", [{}, {"absolute": 1.0, "relative": 0.1}, {"relative": 0.0}, {"absolute": math.inf}])
def test_a_precision_is_one_half_width_above_nothing(given: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="a precision is one half-width"):
        Precision(**given)


def test_looks_grow_and_end_at_the_most() -> None:
    found = list(looks(10, 100))
    assert found[:4] == [10, 12, 15, 18]
    assert found[-1] == 100
    assert found == sorted(set(found))
    assert list(looks(10, 5)) == [5]
