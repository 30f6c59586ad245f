"""Every law's closed forms against numerical integration, and its table against its quantiles."""

import dataclasses
from typing import Any

import numpy as np
import pytest
from scipy import integrate, stats

from sim.demand import laws
from sim.demand.drawing import chosen, draw_us, read, steady, tabulate
from sim.demand.streams import stream
from sim.scenario.parts.base import Duration, Stay
from tests.demand.cases import assert_mean

LAWS = [
    (laws.Exponential(45.0), stats.expon(scale=45)),
    (laws.Uniform(10.0, 90.0), stats.uniform(10, 80)),
    (laws.Lognormal(30.0, 1.4), stats.lognorm(1.4, scale=30)),
    (laws.Gamma(60.0, 2.5), stats.gamma(2.5, scale=24)),
    (laws.Gamma(60.0, 0.4), stats.gamma(0.4, scale=150)),
]
IDS = ["exponential", "uniform", "lognormal", "gamma", "gamma below 1"]


def in_us(law: laws.Law) -> laws.Law:
    """The same law, its times (all but sigma and shape) a million times as long."""
    times = {name: value * 1e6 for name, value in vars(law).items() if name not in ("sigma", "shape")}
    return dataclasses.replace(law, **times)  # type: ignore[type-var]


@pytest.mark.parametrize(("law", "scipy_law"), LAWS, ids=IDS)
def test_the_restricted_mean_is_the_integral_of_survival(law: laws.Law, scipy_law: Any) -> None:
    for x in (0.5, 20.0, 300.0):
        numeric, _ = integrate.quad(scipy_law.sf, 0, x, limit=200, points=[min(p, x) for p in (1e-3, 10, 90)])
        assert float(law.restricted_mean(np.array(x))) == pytest.approx(numeric, rel=1e-8)
    assert law.mean() == pytest.approx(scipy_law.mean(), rel=1e-12)


@pytest.mark.parametrize("law", [law for law, _ in LAWS], ids=IDS)
def test_the_restricted_area_is_the_integral_of_the_restricted_mean(law: laws.Law) -> None:
    for x in (0.5, 20.0, 300.0):
        numeric, _ = integrate.quad(lambda y: float(law.restricted_mean(np.array(y))), 0, x, limit=200)
        assert float(law.restricted_area(np.array(x))) == pytest.approx(numeric, rel=1e-7)


@pytest.mark.parametrize(
    "law", [laws.Capped(laws.Lognormal(30.0, 1.4), 60.0), laws.Uniform(7.0, 7.0)], ids=["capped", "constant"]
)
def test_a_cut_or_constant_law_has_the_right_areas(law: laws.Law) -> None:
    for x in (3.0, 7.0, 59.0, 200.0):
        numeric, _ = integrate.quad(
            lambda y: float(law.restricted_mean(np.array(y))), 0, x, points=[7.0, 60.0] if x > 60 else []
        )
        assert float(law.restricted_area(np.array(x))) == pytest.approx(numeric, rel=1e-7)
    assert law.mean() == pytest.approx(float(law.restricted_mean(np.array(1e9))), rel=1e-12)


@pytest.mark.parametrize(("law", "scipy_law"), LAWS, ids=IDS)
def test_drawn_durations_follow_their_law(law: laws.Law, scipy_law: Any) -> None:
    table = tabulate(in_us(law))
    seconds = draw_us(stream(1, 0, "law"), table, 20_000) / 1e6
    assert stats.kstest(seconds, scipy_law.cdf).pvalue > 1e-4


@pytest.mark.parametrize(("law", "scipy_law"), LAWS, ids=IDS)
def test_the_mean_and_variance_of_a_table_are_those_of_its_law(law: laws.Law, scipy_law: Any) -> None:
    table = tabulate(in_us(law))
    step = 1 << 10
    uniform = np.arange(step // 2, 2**32, step, dtype=np.uint32)
    seconds = read(table, uniform) / 1e6
    assert seconds.mean() == pytest.approx(scipy_law.mean(), rel=2e-4)
    assert seconds.var() == pytest.approx(scipy_law.var(), rel=5e-3)


def test_the_far_tail_is_kept() -> None:
    table = tabulate(laws.Exponential(1e6))
    at = np.array([2**32 - 1 - (2**32 >> k) for k in (8, 12, 16, 20, 22)], np.uint32)
    assert read(table, at) / 1e6 == pytest.approx(-np.log(1 - (at + 0.5) / 2**32), rel=3e-3)


def test_durations_are_cut_at_the_largest_value_of_their_column() -> None:
    assert draw_us(stream(1, 0, "x"), tabulate(laws.Uniform(3e9, 4e9)), 3, "i4").tolist() == [2**31 - 1] * 3


def test_drawing_in_parts_gives_the_numbers_of_one_long_draw() -> None:
    table = tabulate(laws.Exponential(1e6))
    rng = stream(1, 0, "parts")
    parts = np.concatenate([draw_us(rng, table, 300_000), draw_us(rng, table, 100_000)])
    assert np.array_equal(parts, draw_us(stream(1, 0, "parts"), table, 400_000))


def test_a_share_is_chosen_with_its_probability_and_both_ends_are_exact() -> None:
    assert_mean(lambda seed: float(chosen(stream(seed, 0, "c"), 0.31, 5000).mean()), 0.31)
    assert chosen(stream(1, 0, "c"), 1.0, 1000).all()
    assert not chosen(stream(1, 0, "c"), 0.0, 1000).any()


def test_a_difference_in_the_last_bit_is_rounded_away() -> None:
    values = np.exp(np.linspace(0.0, 9.0, 500))
    assert np.array_equal(steady(values), steady(values * (1 + 2e-16)))
    assert steady(values) == pytest.approx(values, abs=1e-6)


def test_every_law_of_a_scenario_is_understood_in_microseconds() -> None:
    found = [
        laws.from_duration(Duration.model_validate(written)).mean()
        for written in (
            "2s",
            {"dist": "uniform", "low": "1s", "high": "3s"},
            {"dist": "exponential", "mean": "2s"},
            {"dist": "gamma", "mean": "2s", "shape": 3},
            {"dist": "lognormal", "median": "2s", "sigma": 0.00001},
            {"dist": "uniform", "low": "3s", "high": "5s", "at_most": "2s"},
        )
    ]
    assert found == pytest.approx([2e6] * 6)


def test_the_default_stay_is_as_its_text_says() -> None:
    # 0.05 x 1.5 s + 0.95 x 30 s x e^(1.4^2 / 2)
    stay, alone = laws.from_stay(Stay()), stats.lognorm(1.4, scale=30)
    assert stay.mean() / 1e6 == pytest.approx(0.075 + 0.95 * 30 * np.exp(0.98)) == pytest.approx(76, abs=0.1)
    assert 0.95 * alone.sf(60) == pytest.approx(0.29, abs=0.006)
    assert 0.05 + 0.95 * alone.cdf(3) == pytest.approx(0.10, abs=0.003)
    assert (alone.mean(), alone.sf(60), alone.cdf(3)) == pytest.approx((80, 0.31, 0.05), abs=0.1)


def test_clicks_over_the_default_stay_are_as_the_funnels_text_says() -> None:
    alone = stats.lognorm(1.4, scale=30)

    def clicking(an_hour: float) -> float:
        """The share of viewers who click once or more."""
        stays, _ = integrate.quad(lambda u: -np.expm1(-an_hour * alone.ppf(u) / 3600), 0, 1, limit=500)
        bounces, _ = integrate.quad(lambda s: -np.expm1(-an_hour * s / 3600) / 3, 0, 3)
        return 0.95 * float(stays) + 0.05 * float(bounces)

    assert 4 * laws.from_stay(Stay()).mean() / 3600e6 == pytest.approx(0.084, abs=5e-4)
    assert clicking(4) == pytest.approx(0.069, abs=5e-4)
    assert clicking(5.6) == pytest.approx(0.0915, abs=5e-4)


@pytest.mark.parametrize(("sigma", "off"), [(1.4, 2e-4), (2, 1e-3), (3, 0.01)])
def test_means_of_wide_lognormals_are_as_close_as_the_page_says(sigma: float, off: float) -> None:
    law = laws.Lognormal(1e6, sigma)
    every = np.arange(512, 2**32, 1 << 10, dtype=np.uint32)
    assert read(tabulate(law), every).mean() == pytest.approx(law.mean(), rel=off)
