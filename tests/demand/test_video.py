"""Traffic pools: case V27, other tiers against simulation, views over time."""

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from sim.demand import video
from sim.demand.drawing import tabulate
from sim.demand.kernels import ExponentialKernel
from sim.demand.streams import stream
from tests.demand.cases import assert_mean, assert_near, expected, params


def test_v27_reach_and_exposures_of_the_published_tiers() -> None:
    p, want = params("V27"), expected("V27")
    for found, published in zip(video.reach(p["exposures"], p["threshold"], p["q"]), want["reach"], strict=True):
        assert_near(found, published)
    for quality, name in ((0.055, "E exposures"), (0.05, "q=.05"), (0.04, "q=.04")):
        assert_near(video.expected_exposures(p["exposures"], p["threshold"], quality), want[name], 2)


def test_v27_simulated_tiers_reach_the_published_exposures() -> None:
    p = params("V27")
    cumulative = list(itertools.accumulate(p["exposures"]))

    def exposures(seed: int) -> float:
        rng = stream(seed, 0, "tiers")
        return float(np.mean([cumulative[video.draw_tiers(rng, p["exposures"], 0.05, 0.055) - 1] for _ in range(200)]))

    assert_mean(exposures, expected("V27")["E exposures"], seeds=40)


def test_other_tiers_agree_with_the_binomial_law_summed_by_hand() -> None:
    tiers, threshold, quality = [50, 200, 1000], 0.1, 0.13
    first = sum(math.comb(50, k) * quality**k * (1 - quality) ** (50 - k) for k in range(5, 51))
    second = stats.binom(200, quality).sf(19)
    assert video.reach(tiers, threshold, quality) == pytest.approx([1, first, first * second], rel=1e-9)


def test_the_threshold_is_the_decimal_number_as_written() -> None:
    assert [video.needed(e, t) for e, t in ((300, 0.05), (100, 0.07), (1000, 0.029), (7, 0.5), (10, 0.0))] == [
        15,
        7,
        29,
        4,
        0,
    ]
    assert video.pass_probability(10, 0.0, 0.0) == 1
    assert video.pass_probability(10, 0.5, 0.0) == 0
    assert video.pass_probability(10, 1.0, 1.0) == 1


def test_each_tier_is_shown_in_its_own_time_and_every_exposure_is_a_view() -> None:
    times = np.concatenate(list(video.exposure_times(stream(1, 0, "e"), [300, 3000], 1000, 500)))
    assert len(times) == 3300
    assert ((times >= 1000) & (times < 1500)).sum() == 300
    assert times.max() < 2000


def test_re_shares_multiply_views_by_the_mean_cluster_size() -> None:
    delays = tabulate(ExponentialKernel(1e6))

    def total(seed: int) -> float:
        chunks = video.views(stream(seed, 0, "e"), stream(seed, 0, "c"), [300, 3000], 0, 10**9, 0.4, delays, 10**12)
        return sum(map(len, chunks))

    assert_mean(total, 3300 / 0.6)
