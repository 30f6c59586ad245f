"""Mt/G/inf: cases V06, V06b and V07, and other laws and rates."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from scipy import integrate, stats

from sim.demand.arrivals import RateCurve, arrivals, curve, expected_count, held, sinusoid
from sim.demand.audience import draw_stays, mean_present, present_counts
from sim.demand.laws import Exponential, Gamma, Law, Lognormal, Mixture, Uniform
from sim.demand.streams import stream
from tests.demand.cases import assert_mean, assert_near, expected, params

S, MIN = 1e6, 60e6


def simulated(rates: RateCurve, stay: Law, seed: int, grid_us: list[float]) -> np.ndarray:
    enter = arrivals(stream(seed, 0, "enter"), rates)
    return present_counts(enter, enter + draw_stays(stream(seed, 0, "stay"), stay, len(enter)), grid_us)


def assert_simulation_agrees(rates: RateCurve, stay: Law, grid_us: list[float], means: list[float]) -> None:
    runs = np.array([simulated(rates, stay, seed, grid_us) for seed in range(20)])
    error = runs.std(axis=0, ddof=1) / math.sqrt(20)
    assert np.all(np.abs(runs.mean(axis=0) - means) <= np.maximum(0.01 * np.array(means), 4 * error) + 1e-9)


def test_v06_a_sinusoidal_rate_gives_the_published_mean() -> None:
    # one unit of the case is a second; 40 units before 0 stand for the endless past
    rates = sinusoid(10, 2, 2 * math.pi * S, int(-40 * S), int(10 * S))
    want = expected("V06")
    stay = Exponential(S / params("V06")["mu"])
    found = mean_present(rates, stay, [0.0, math.pi / 2 * S])
    assert_near(found[0], want["m(0)"])
    assert_near(found[1], want["m(pi/2)"])
    grid = np.linspace(0, 2 * math.pi * S, 6284)
    present = mean_present(rates, stay, grid)
    assert_near(present.max(), want["peak"])
    assert grid[present.argmax()] / S - math.pi / 2 == pytest.approx(want["lag"], abs=2e-3)


def test_v06b_viewers_of_a_live_room() -> None:
    want, stay = expected("V06b"), Exponential(params("V06b")["ES_min"] * MIN)
    rates = sinusoid(200 / 60, 100 / 60, 60 * MIN, int(-60 * MIN), int(60 * MIN))
    grid = np.linspace(0, 60 * MIN, 6001)
    present = mean_present(rates, stay, grid)
    assert_near(present.max(), want["peak"])
    assert_near(present[:-1].mean(), want["mean"])
    assert_near((present.max() - present.min()) / 2, want["amp"])
    assert grid[present.argmax()] / MIN == pytest.approx(want["peak_t"], abs=0.01)
    times = [0.0, want["peak_t"] * MIN, 40 * MIN]
    assert_simulation_agrees(rates, stay, times, mean_present(rates, stay, times).tolist())


def test_v07_a_rectangular_burst() -> None:
    p, want = params("V07"), expected("V07")
    low, high = p["lam0"] / 60, (p["lam0"] + p["delta"]) / 60
    rates = curve([(-60 * MIN, low), (0, low), (0, high), (p["T"] * MIN, high), (p["T"] * MIN, low), (10 * MIN, low)])
    times = [1.0, 3.0, 3.75, 6.0]
    present = mean_present(rates, Exponential(p["ES"] * MIN), [t * MIN for t in times])
    for t, found in zip(times, present, strict=True):
        assert_near(found, want[f"m({t:g})"])
    assert_simulation_agrees(rates, Exponential(p["ES"] * MIN), [t * MIN for t in times], present.tolist())


@pytest.mark.parametrize(
    ("stay", "survival"),
    [
        (Lognormal(30 * S, 1.4), stats.lognorm(1.4, scale=30 * S).sf),
        (Gamma(80 * S, 3.0), stats.gamma(3, scale=80 / 3 * S).sf),
        (Uniform(0.0, 100 * S), stats.uniform(0, 100 * S).sf),
        (
            Mixture(0.2, Uniform(0.0, 3 * S), Lognormal(30 * S, 1.4)),
            lambda x: 0.2 * stats.uniform(0, 3 * S).sf(x) + 0.8 * stats.lognorm(1.4, scale=30 * S).sf(x),
        ),
    ],
    ids=["lognormal", "gamma", "uniform", "bounce"],
)
def test_any_stay_law_gives_the_numerical_integral_and_the_simulated_mean(
    stay: Law, survival: Callable[[float], float]
) -> None:
    rates = curve([(0, 2.0), (120 * S, 14.0), (120 * S, 5.0), (400 * S, 5.0), (600 * S, 0.0)])
    times = [30 * S, 119 * S, 250 * S, 700 * S]
    present = mean_present(rates, stay, times)

    apart = rates.times_us + np.array([0, 0, 1e-3, 0, 0])  # np.interp wants rising times

    def integrand(u: float, t: float) -> float:
        return float(np.interp(u, apart, rates.per_s)) / S * float(survival(t - u))

    for t, found in zip(times, present, strict=True):
        knots = [k * S for k in (120, 400, 600) if k * S < t] + [t - 3 * S]
        numeric, _ = integrate.quad(
            integrand, 0, min(t, 600 * S), (t,), limit=400, points=[k for k in knots if k < 600 * S]
        )
        assert found == pytest.approx(numeric, rel=1e-6)
    assert_simulation_agrees(rates, stay, times, present.tolist())


def test_arrivals_are_sorted_and_as_many_as_the_area_under_the_rate() -> None:
    rates = curve([(0, 0.0), (10 * S, 50.0), (10 * S, 0.0), (20 * S, 0.0), (30 * S, 100.0)])
    assert expected_count(rates) == 750
    assert_mean(lambda seed: len(arrivals(stream(seed, 0, "a"), rates)), 750)
    drawn = arrivals(stream(1, 0, "a"), rates)
    assert np.all(np.diff(drawn) >= 0)
    assert drawn.min() >= 0
    assert drawn.max() < 30 * S
    assert not np.any((drawn >= 10 * S) & (drawn < 20 * S))


def test_arrivals_on_a_sloping_rate_follow_its_cumulative_curve() -> None:
    rates = curve([(0, 10.0), (100 * S, 1000.0), (300 * S, 0.0)])
    drawn = arrivals(stream(3, 0, "a"), rates)

    def share(t: np.ndarray) -> np.ndarray:
        seconds = t / S
        up = 10 * np.minimum(seconds, 100) + 9.9 * np.minimum(seconds, 100) ** 2 / 2
        down = np.maximum(seconds - 100, 0)
        return (up + 1000 * down - 5 * down**2 / 2) / (50500 + 100000)

    assert stats.kstest(drawn, share).pvalue > 1e-4


def test_a_rate_of_nothing_gives_no_arrivals() -> None:
    assert len(arrivals(stream(1, 0, "a"), curve([(0, 0.0), (S, 0.0)]))) == 0


def test_knots_are_held_before_the_first_and_after_the_last() -> None:
    rates = held([(10, 4.0), (20, 8.0), (20, 2.0)], 0, 30)
    assert rates.times_us.tolist() == [0, 10, 20, 20, 30]
    assert rates.per_s.tolist() == [4.0, 4.0, 8.0, 2.0, 2.0]
    assert held([(0, 4.0)], 0, 30).per_s.tolist() == [4.0, 4.0, 4.0]


@pytest.mark.parametrize("knots", [[(0, 1.0)], [(5, 1.0), (3, 1.0)], [(0, -1.0), (3, 1.0)], [(0, math.nan), (3, 1.0)]])
def test_impossible_knots_are_refused(knots: list[tuple[float, float]]) -> None:
    with pytest.raises(ValueError, match=r"knots|rates"):
        curve(knots)
