"""Stations and batches keep the laws of queueing: cases V01, V03, V08, V09f, V20 and V33, and other parameters."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pytest

from sim.demand.arrivals import RateCurve, arrivals, cumulative, curve, place, sinusoid
from sim.demand.drawing import draw_us, tabulate
from sim.demand.laws import Exponential, Gamma, Law, Lognormal, Uniform
from sim.demand.streams import stream
from sim.flow.batches import TAIL, TAKEN, release_waves, take_batch
from sim.flow.environment import MAX_WINDOW_US
from sim.flow.jit import choose
from sim.flow.stations import Station
from tests.demand.cases import assert_mean, assert_near, expected, params
from tests.oracle import queues

S = 1_000_000  # one unit of time is a second
SEEDS = 20
Ints = npt.NDArray[np.int64]


class Served(NamedTuple):
    """Customers in the order of arrival: when each came, was put to work and left."""

    arrive_us: Ints
    begin_us: Ints
    leave_us: Ints

    def mean_wait(self, from_s: float = 0) -> float:
        """Mean wait in seconds of who came from then on."""
        late = self.arrive_us >= from_s * S
        return float((self.begin_us - self.arrive_us)[late].mean()) / S

    def share_waiting(self, from_s: float = 0) -> float:
        """Share of them that waited."""
        late = self.arrive_us >= from_s * S
        return float((self.begin_us > self.arrive_us)[late].mean())

    def mean_present(self, from_s: float, to_s: float) -> float:
        """Mean number in the system over a stretch of time."""
        return present_us(self.arrive_us, self.leave_us, round(from_s * S), round(to_s * S)) / ((to_s - from_s) * S)

    def share_busy(self, servers: int, from_s: float, to_s: float) -> float:
        """Share of a stretch of time in which all `servers` work."""
        times = np.concatenate([self.arrive_us, self.leave_us])
        steps = np.repeat([1, -1], len(self.arrive_us))
        order = np.argsort(times, kind="stable")
        level, ends = np.cumsum(steps[order]), np.clip(times[order], from_s * S, to_s * S)
        return float(np.diff(ends)[level[:-1] >= servers].sum()) / ((to_s - from_s) * S)


def present_us(arrive_us: Ints, leave_us: Ints, from_us: int, to_us: int) -> int:
    """Integral of the number present over time, by steps: an independent way to L."""
    times = np.concatenate([arrive_us, leave_us])
    order = np.argsort(times, kind="stable")
    level = np.cumsum(np.repeat([1, -1], len(arrive_us))[order])
    return int(np.diff(np.clip(times[order], from_us, to_us)) @ level[:-1])


def serve(arrive_us: Ints, work_us: npt.NDArray[np.int32], servers: int) -> Served:
    """Everybody through one station of machine code, a few hours at a time, until it is empty."""
    station = Station(work_us, np.full(len(work_us), -1, dtype=np.int64), servers, fast=True)
    leave_us, sent, end_us = np.empty(len(work_us), dtype=np.int64), 0, 0
    while sent < len(arrive_us) or station.busy or station.waiting:
        end_us += MAX_WINDOW_US // 2
        until = int(np.searchsorted(arrive_us, end_us, side="left"))
        station.join(np.arange(sent, until, dtype=np.int32), arrive_us[sent:until])
        sent = until
        for ids, at_us in station.serve_until(end_us):
            leave_us[ids] = at_us
    return Served(arrive_us, leave_us - work_us, leave_us)


def queue(seed: int, rates: RateCurve, law: Law, servers: int) -> Served:
    """Customers at `rates`, work of `law`."""
    arrive_us = arrivals(stream(seed, 0, "arrivals"), rates)
    work_us = draw_us(stream(seed, 0, "work"), tabulate(law), len(arrive_us), "i4")
    return serve(arrive_us, np.maximum(work_us, 1), servers)


def steady(per_s: float, length_s: float) -> RateCurve:
    """A constant rate."""
    return curve([(0, per_s), (length_s * S, per_s)])


def assert_means(draw: Callable[[int], tuple[float, ...]], truths: tuple[float, ...], seeds: int = SEEDS) -> None:
    """`assert_mean` for several figures of the same runs."""
    drawn = [draw(seed) for seed in range(seeds)]
    for number, truth in enumerate(truths):
        assert_mean([figures[number] for figures in drawn].__getitem__, truth, seeds)


def test_v01_the_calculator_gives_the_published_figures_of_erlang_c() -> None:
    p, want = params("V01"), expected("V01")
    found = queues.mmc(p["lam"], p["mu"], p["c"])
    for value, name in zip(
        (found.p_wait, found.wait, found.waiting, found.present), ("P_wait", "Wq", "Lq", "L"), strict=True
    ):
        assert_near(value, want[name], 5 if name in ("P_wait", "Wq") else 6)


@pytest.mark.parametrize(
    ("per_s", "service_s", "servers"), [(8.0, 1.0, 10), (0.7, 1.0, 1), (57.0, 0.5, 32), (9.0, 0.1, 2)]
)
def test_v01_a_station_waits_as_erlang_c_says(per_s: float, service_s: float, servers: int) -> None:
    want = queues.mmc(per_s, 1 / service_s, servers)
    customers, warm_s = 60_000, 3000 / per_s
    end_s = customers / per_s

    def draw(seed: int) -> tuple[float, ...]:
        served = queue(seed, steady(per_s, end_s), Exponential(service_s * S), servers)
        wait = served.mean_wait(warm_s)
        return served.share_waiting(warm_s), wait, per_s * wait, served.mean_present(warm_s, end_s)

    assert_means(draw, (want.p_wait, want.wait, want.waiting, want.present))


SERVICE: dict[str, tuple[Law, float]] = {
    "Wq M/D/1": (Uniform(1.0 * S, 1.0 * S), 0.0),
    "Wq M/E2/1": (Gamma(1.0 * S, 2.0), 0.5),
    "Wq M/M/1": (Exponential(1.0 * S), 1.0),
    "Wq cv2=2": (Gamma(1.0 * S, 0.5), 2.0),
    "Wq cv2=4": (Lognormal(S / math.sqrt(5), math.sqrt(math.log(5))), 4.0),
}


@pytest.mark.parametrize("name", SERVICE)
def test_v03_a_station_with_one_server_waits_as_pollaczek_and_khinchine_say(name: str) -> None:
    law, squared_cv = SERVICE[name]
    load = params("V03")["lam"]
    assert queues.pollaczek_khinchine(load, 1.0, squared_cv) == pytest.approx(expected("V03")[name], rel=1e-6)
    length_s = 150_000.0
    assert_mean(lambda seed: queue(seed, steady(load, length_s), law, 1).mean_wait(2000), expected("V03")[name], SEEDS)


def test_v03_holds_at_other_loads_and_with_a_mixed_scale() -> None:
    for load, law, service_s, squared_cv in (
        (0.4, Gamma(0.2 * S, 4.0), 0.2, 0.25),
        (0.6, Uniform(0.0, 2.0 * S), 1.0, 1 / 3),
        (0.5, Lognormal(3 * S / math.sqrt(2), math.sqrt(math.log(2))), 3.0, 1.0),
    ):
        per_s = load / service_s
        want = queues.pollaczek_khinchine(per_s, service_s, squared_cv)
        rates = steady(per_s, 60_000 / per_s)
        assert_mean(lambda seed, r=rates, x=law: queue(seed, r, x, 1).mean_wait(), want)  # type: ignore[misc]


def test_many_servers_with_constant_work_wait_as_crommelin_says() -> None:
    want = queues.mdc_wait(8.0, 1.0, 10)
    assert_mean(lambda seed: queue(seed, steady(8.0, 8000.0), Uniform(1.0 * S, 1.0 * S), 10).mean_wait(100), want)


def rate_v08(t: float) -> float:
    return 6 + 3 * math.sin(2 * math.pi * t / 24)


def test_v08_the_calculator_gives_the_published_figures_of_a_periodic_queue() -> None:
    want, exact = expected("V08"), queues.periodic_mmc(rate_v08, 1.0, 10, 24.0, step=0.06)
    assert_near(exact.p_delay_of_arrivals, want["Pd_arrivals"])
    assert_near(exact.p_delay_over_time, want["Pd_time"])
    assert_near(exact.mean_waiting, want["Lq"])
    assert_near(exact.mean_wait, want["Wq"])
    # The peaks were published as read on a grid of 0.06.
    assert_near(float(exact.p_delay.max()), want["max Pd"])
    assert_near(float(exact.waiting.max()), want["max Lq"])
    assert exact.times[exact.p_delay.argmax()] == pytest.approx(want["t_maxPd"])
    assert exact.times[exact.waiting.argmax()] == pytest.approx(want["t_maxLq"])
    pointwise = np.array([queues.erlang_c(10, rate_v08(t)) for t in exact.times])
    assert_near(float(pointwise @ exact.rates / exact.rates.sum()), want["PSA Pd"])
    assert_near(queues.erlang_c(10, 6.0), want["SSA"])


@pytest.mark.parametrize(
    ("mean", "swing", "period_s", "servers", "cycles"), [(6.0, 3.0, 24.0, 10, 300), (3.0, 2.0, 60.0, 4, 250)]
)
def test_v08_a_station_under_a_daily_wave_delays_as_the_equations_say(
    mean: float, swing: float, period_s: float, servers: int, cycles: int
) -> None:
    """The first five cycles are dropped."""
    rates = sinusoid(mean, swing, period_s * S, 0, round((5 + cycles) * period_s * S))
    exact = queues.periodic_mmc(
        lambda t: mean + swing * math.sin(2 * math.pi * t / period_s), 1.0, servers, period_s, states=400
    )
    begin_s, end_s = 5 * period_s, (5 + cycles) * period_s

    def draw(seed: int) -> tuple[float, ...]:
        served = queue(seed, rates, Exponential(1.0 * S), servers)
        busy = served.share_busy(servers, begin_s, end_s)
        return served.share_waiting(begin_s), busy, served.mean_wait(begin_s)

    assert_means(draw, (exact.p_delay_of_arrivals, exact.p_delay_over_time, exact.mean_wait))


def burst_figures(arrive_us: Ints, length_s: float, capacity: float) -> tuple[float, ...]:
    """Largest backlog, drain time, largest and mean delay of a burst at 100 s through servers of 0.1 s each."""
    servers = round(capacity / 10)
    served = serve(arrive_us, np.full(len(arrive_us), S // 10, dtype=np.int32), servers)
    begun = np.searchsorted(served.begin_us, arrive_us, side="right")
    backlog = np.arange(1, len(arrive_us) + 1) - begun
    wait_us = served.begin_us - arrive_us
    calm = (arrive_us > (100 + length_s) * S) & (wait_us == 0)
    first_us = int(arrive_us[calm][0])
    inside = (arrive_us >= 100 * S) & (arrive_us < first_us)
    return backlog.max(), first_us / S - 100 - length_s, wait_us.max() / S, wait_us[inside].mean() / S


@pytest.mark.parametrize(
    ("base", "burst", "length_s", "capacity"), [(20.0, 200.0, 30.0, 60.0), (50.0, 170.0, 12.0, 80.0)]
)
def test_v09f_a_burst_piles_up_and_drains_like_a_fluid(
    base: float, burst: float, length_s: float, capacity: float
) -> None:
    """Rates ten times as large, so that one customer weighs little."""
    want, scale = queues.fluid_burst(base, burst, length_s, capacity), 10
    knots = [(0, base), (100, base), (100, burst), (100 + length_s, burst), (100 + length_s, base), (400, base)]
    rates = curve([(at_s * S, scale * per_s) for at_s, per_s in knots])
    truth = (want.backlog, want.drain, want.max_delay, want.mean_delay)

    def figures(arrive_us: Ints) -> tuple[float, ...]:
        backlog, *rest = burst_figures(arrive_us, length_s, scale * capacity)
        return backlog / scale, *rest

    number = round(scale * (base * (400 - length_s) + burst * length_s))
    even = place(rates, cumulative(rates), (np.arange(number) + 0.5) / number)
    assert figures(even) == pytest.approx(truth, rel=5e-3)  # a customer takes a tenth of a second
    assert_means(lambda seed: figures(arrivals(stream(seed, 0, "burst"), rates)), truth)


def test_v09f_the_calculator_gives_the_published_figures() -> None:
    p, want = params("V09f"), expected("V09f")
    found = queues.fluid_burst(p["base"], p["burst"], p["T_s"], p["cap"])
    names = ("peak backlog", "drain_s", "max delay_s", "mean delay_s")
    assert [found.backlog, found.drain, found.max_delay, found.mean_delay] == [want[name] for name in names]


@pytest.mark.parametrize(("mean", "capacity"), [(9, 10), (45, 50)])
def test_v20_the_calculator_gives_the_published_figures_of_batches(mean: int, capacity: int) -> None:
    behind, empty = queues.left_behind(mean, capacity)
    assert_near(behind, expected("V20")[f"({mean},{capacity})"][0])
    assert_near(empty, expected("V20")[f"({mean},{capacity})"][1])


def counted(at_us: Ints, released_us: Ints, every_us: int, warm: int, waves: int) -> tuple[float, float]:
    """Mean number left behind by a wave, and share of waves that left nobody."""
    wave_us = np.arange(warm, waves) * every_us
    behind = np.searchsorted(at_us, wave_us, side="left") - np.searchsorted(released_us, wave_us, side="right")
    return float(behind.mean()), float((behind == 0).mean())


@pytest.mark.parametrize(("mean", "capacity"), [(9.0, 10), (45.0, 50), (2.5, 3)])
def test_v20_waves_leave_behind_what_spitzers_identity_says(mean: float, capacity: int) -> None:
    release, waves = choose(release_waves, True), 12_000

    def draw(seed: int) -> tuple[float, float]:
        at_us = arrivals(stream(seed, 0, "waves"), steady(mean, waves))
        reg = np.zeros(8, dtype=np.int64)
        reg[TAIL] = len(at_us)
        ids, gone_us = np.arange(len(at_us), dtype=np.int32), np.full((len(at_us), 8), -1, dtype=np.int64)[:, 5]
        out_id, out_at = np.empty_like(ids), np.empty_like(at_us)
        release(reg, ids, at_us, gone_us, S, capacity, waves * S, out_id, out_at)
        return counted(at_us, out_at[: reg[TAKEN]], S, 500, waves)

    assert_means(draw, queues.left_behind(mean, capacity))


def test_v20_pick_ups_leave_behind_what_spitzers_identity_says() -> None:
    days = 4000

    def draw(seed: int) -> tuple[float, float]:
        at_us = arrivals(stream(seed, 0, "pick-ups"), steady(9.0, days))
        ids, times = np.empty(0, dtype=np.int32), np.empty(0, dtype=np.int64)
        marks, behind = np.searchsorted(at_us, np.arange(days + 1) * S, side="left"), []
        for first, last in pairwise(marks.tolist()):
            ids = np.concatenate([ids, np.arange(first, last, dtype=np.int32)])
            times = np.concatenate([times, at_us[first:last]])
            gone = np.zeros(len(ids), dtype=np.bool_)
            _, ids, times, left = take_batch(ids, times, gone, int(at_us[-1]), 10)
            behind.append(left)
        steady_behind = np.array(behind[200:])
        return float(steady_behind.mean()), float((steady_behind == 0).mean())

    assert_means(draw, queues.left_behind(9, 10))


@pytest.mark.parametrize(("per_s", "servers", "law"), [(8.0, 10, Exponential(S)), (2.0, 3, Lognormal(S / 2, 1.2))])
def test_v33_littles_law_holds_on_every_path_of_a_station(per_s: float, servers: int, law: Law) -> None:
    for seed in range(5):
        served = queue(seed, steady(per_s, 2000.0), law, servers)
        for until_us in (served.begin_us, served.leave_us):
            span_s = int(served.leave_us.max()) / S
            present = present_us(served.arrive_us, until_us, 0, int(served.leave_us.max())) / S / span_s
            per_second = len(served.arrive_us) / span_s
            mean_stay = int((until_us - served.arrive_us).sum()) / S / len(served.arrive_us)
            assert abs(present - per_second * mean_stay) < 1e-9
