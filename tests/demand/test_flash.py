"""Flash deals: case V25, reaction rates and pools."""

import math

import numpy as np
import pytest
from scipy import integrate

from sim.demand import flash
from sim.demand.arrivals import arrivals, curve
from sim.demand.drawing import tabulate
from sim.demand.laws import Exponential, Lognormal
from sim.demand.streams import stream
from tests.demand.cases import assert_mean, assert_near, expected, params

S = 1e6


def test_v25_the_sell_out_time_is_gamma() -> None:
    p, want = params("V25"), expected("V25")
    assert_near(flash.sell_out_mean(p["Q"], p["lam_per_s"]), want["mean"])
    assert_near(flash.sell_out_sd(p["Q"], p["lam_per_s"]), want["sd"])
    assert_near(flash.sell_out_quantile(p["Q"], p["lam_per_s"], 0.95), want["p95"])


@pytest.mark.parametrize(("units", "per_s"), [(500, 50.0), (40, 3.0)])
def test_simulated_orders_at_a_constant_rate_sell_out_as_the_gamma_law_says(units: int, per_s: float) -> None:
    rates = curve([(0, per_s), (4 * units / per_s * S, per_s)])
    times = [flash.sell_out_time(arrivals(stream(seed, 0, "v25"), rates), units) / S for seed in range(400)]
    error = flash.sell_out_sd(units, per_s) / math.sqrt(400)
    assert abs(np.mean(times) - flash.sell_out_mean(units, per_s)) <= 4 * error
    assert np.std(times) == pytest.approx(flash.sell_out_sd(units, per_s), rel=0.15)
    assert np.mean(np.array(times) <= flash.sell_out_quantile(units, per_s, 0.95)) == pytest.approx(0.95, abs=0.044)


@pytest.mark.parametrize("law", [Exponential(2.0), Lognormal(2.0, 0.7)])
def test_the_order_rate_integrates_to_the_pool_times_the_intent(law: Exponential | Lognormal) -> None:
    total, _ = integrate.quad(
        lambda t: float(flash.order_rate(10_000, 0.05, law, np.array(t))), 0, 400, points=[1, 10], limit=200
    )
    assert total == pytest.approx(500, rel=1e-7)
    grid = np.linspace(0, 20, 20_001)
    assert flash.order_rate(10_000, 0.05, law, grid).max() == pytest.approx(
        flash.peak_rate(10_000, 0.05, law), rel=1e-5
    )


def test_ten_thousand_viewers_at_five_per_cent_peak_at_250_a_second() -> None:
    assert flash.peak_rate(10_000, 0.05, Exponential(2.0)) == pytest.approx(250)


def test_reactions_are_sorted_and_as_many_and_as_fast_as_they_should_be() -> None:
    table = tabulate(Exponential(2 * S))
    drawn = flash.reactions(stream(1, 0, "r"), 10_000, 0.05, table)
    assert np.all(np.diff(drawn) >= 0)
    assert_mean(lambda seed: len(flash.reactions(stream(seed, 0, "r"), 10_000, 0.05, table)), 500)
    assert_mean(
        lambda seed: float((flash.reactions(stream(seed, 0, "r"), 50_000, 0.1, table) < S).sum()),
        5000 * -math.expm1(-0.5),
    )


def test_a_finite_pool_sells_out_when_its_order_statistic_says() -> None:
    rng = stream(1, 0, "pool")
    times = np.sort(rng.exponential(2.0, (4000, 100)), axis=1)[:, 59]
    assert flash.finite_pool_sell_out_mean(60, 100, 2.0) == pytest.approx(
        times.mean(), abs=4 * times.std() / math.sqrt(4000)
    )
    assert flash.finite_pool_sell_out_mean(101, 100, 2.0) == math.inf


def test_stock_that_outlasts_the_orders_never_sells_out() -> None:
    assert flash.sell_out_time(np.array([3, 5, 9]), 2) == 5
    assert flash.sell_out_time(np.array([3, 5, 9]), 4) == -1
