"""Whole runs keep the laws that are known for them: V24, V25, V29, V33, the cut-off clock, and other parameters.

Buyers come as the demand module draws them and decide as the scenario says; the scenario is a shop in which nothing
else takes time.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from sim.demand import flash
from sim.demand.arrivals import arrivals, curve
from sim.demand.orders import cart_columns
from sim.demand.streams import stream
from sim.demand.trace import BUY, LINE_COLUMNS, Trace
from sim.operations.metrics import summarise
from sim.operations.outcome import Outcome
from sim.operations.simulate import simulate
from sim.orders.states import Reason, State
from sim.scenario.load import scenario_from_text
from sim.scenario.schema import Scenario
from tests.demand.cases import assert_mean, assert_near, expected, params
from tests.operations.named import named
from tests.oracle import queues
from tests.oracle.build import ALWAYS

SECOND_US = 1_000_000
MINUTE_US = 60 * SECOND_US
HOUR_US = 60 * MINUTE_US
DAY_US = 24 * HOUR_US
SEEDS = 20
Ints = npt.NDArray[np.int64]

_TEXT = """
name: laboratory
start: 2026-06-01T00:00:00+00:00 # a Monday
horizon: 40d
catalogue: [{name: mug, price: 10.00 GBP, stock: {main: 10000000}}]
programme: {videos: [{name: clip, listing: mug, publish: 0}]}
engine:
  workers: 1000
  service: {checkout: 1us, payment: 1us, confirmation: 1us}
  store: immediate
payment:
  methods: [{name: card, latency: 0, declines: 0}]
  pays: 100 %
  delay: 0
  sweep: 10ms
confirmation: {on_hold: 0}
warehouses:
  - {name: main, pickers: 1000, packers: 1000, cut_off: 0, pick_ups: [{at: "18:00"}]}
fulfilment: {pick: 1us, pack: 1us}
lanes: [{warehouse: main, region: all, lead_time: 1h}]
after_sales:
  cancel_on_hold: 0
  default: {before_shipping: 0, after_delivery: 0, refund_only: 0}
  return_window: 1d
"""


def laboratory(*overrides: str) -> Scenario:
    """The shop in which nothing takes time, with overrides `dotted.path=value`."""
    return scenario_from_text(_TEXT, overrides=overrides)


def trace_of(scenario: Scenario, time_us: Ints, seed: int) -> Trace:
    """One mug a cart at these times; everything else is drawn as the demand module draws it."""
    number = len(time_us)
    lines: dict[str, npt.NDArray[Any]] = {name: np.zeros(number, kind) for name, kind in LINE_COLUMNS.items()}
    for name, value in (("kind", BUY), ("quantity", 1), ("content", -1), ("deal", -1), ("second_sku", -1)):
        lines[name][:] = value
    lines["time_us"], lines["cart"] = time_us, np.arange(number, dtype=np.int32)
    lines["buyer"] = lines["cart"]
    factors = np.array([ALWAYS], dtype=np.uint64)
    carts = cart_columns(
        scenario, partial(stream, seed, 0), lines["sku"], lines["region"], lines["deal"], factors, None
    )
    return Trace(lines, carts, factors, {"scenario": scenario.name})


def poisson(seed: int, per_s: float, length_us: int) -> Ints:
    """Times of buyers who come at a constant rate."""
    return arrivals(stream(seed, 0, "buyers"), curve([(0, per_s), (length_us, per_s)]))


def run(scenario: Scenario, time_us: Ints, seed: int = 0) -> tuple[Trace, Outcome]:
    """What becomes of these buyers; machine code."""
    trace = trace_of(scenario, time_us, seed)
    return trace, simulate(scenario, trace, fast=True)


def held_at(outcome: Outcome, at_us: Ints) -> Ints:
    """Unpaid orders that hold units at these times."""
    orders = outcome.orders
    placed = orders["placed_us"] >= 0
    end_us = np.where((orders["paid_us"] >= 0) & (orders["late"] == 0), orders["paid_us"], orders["closed_us"])[placed]
    assert (end_us >= 0).all()
    begun = np.searchsorted(np.sort(orders["placed_us"][placed]), at_us, side="right")
    return np.asarray(begun - np.searchsorted(np.sort(end_us), at_us, side="right"))


def test_v24_the_calculator_gives_the_published_figures_of_holds() -> None:
    p, want = params("V24"), expected("V24")
    found = queues.unpaid_holds(p["lam_per_min"], p["pay"], 2.0, p["timeout"])
    assert_near(found.hold, want["E hold"], 5)
    assert_near(found.held, want["mean held"], 5)
    assert_near(found.deviation, want["sd"])
    assert_near(found.paid, want["paid"], 5)


@pytest.mark.parametrize(
    ("per_min", "pays", "delay_min", "window_min"), [(40.0, 0.85, 2.0, 15.0), (25.0, 0.7, 4.0, 5.0)]
)
def test_v24_unpaid_orders_are_held_as_palm_says(
    per_min: float, pays: float, delay_min: float, window_min: float
) -> None:
    """Some of the second set pay after their hold has ended, and do not count as held then."""
    want = queues.unpaid_holds(per_min, pays, delay_min, window_min)
    scenario = laboratory(
        f"payment.pays={pays}",
        f"payment.delay={{dist: exponential, mean: {delay_min:g}m}}",
        f"payment.hold_window={window_min:g}m",
    )
    length_us = 300 * MINUTE_US
    at_us = np.arange(2 * round(window_min) * MINUTE_US, length_us, 10 * SECOND_US)
    found = []
    for seed in range(SEEDS):
        _, outcome = run(scenario, poisson(seed, per_min / 60, length_us), seed)
        held, orders = held_at(outcome, at_us), outcome.orders
        in_time = (orders["paid_us"] >= 0) & (orders["late"] == 0)
        end_us = np.where(in_time, orders["paid_us"], orders["closed_us"])
        hold_min = float((end_us - orders["placed_us"]).mean()) / MINUTE_US
        found.append((hold_min, float(held.mean()), float(((held - want.held) ** 2).mean()), float(in_time.mean())))
    for number, truth in enumerate((want.hold, want.held, want.deviation**2, want.paid)):
        assert_mean([figures[number] for figures in found].__getitem__, truth, SEEDS)


@pytest.mark.parametrize(("units", "per_s"), [(500, 50.0), (40, 3.0)])
def test_v25_a_drop_sells_out_when_the_gamma_law_says(units: int, per_s: float) -> None:
    """Stock, not a list of times, decides: the last unit is held at the time of the last order."""
    scenario, seeds = laboratory(f"catalogue=[{{name: mug, price: 10.00 GBP, stock: {{main: {units}}}}}]"), 150
    sold_out_s = []
    for seed in range(seeds):
        time_us = poisson(seed, per_s, round(2 * units / per_s * SECOND_US))
        _, outcome = run(scenario, time_us, seed)
        placed = outcome.orders["placed_us"]
        assert np.count_nonzero(placed >= 0) == units
        assert np.count_nonzero(outcome.orders["reason"] == Reason.SOLD_OUT) == len(time_us) - units
        sold_out_s.append(float(placed.max()) / SECOND_US)
    assert_mean(sold_out_s.__getitem__, flash.sell_out_mean(units, per_s), seeds)
    assert np.std(sold_out_s) == pytest.approx(flash.sell_out_sd(units, per_s), rel=4 / np.sqrt(2 * seeds))
    early = np.mean(np.array(sold_out_s) <= flash.sell_out_quantile(units, per_s, 0.95))
    assert early == pytest.approx(0.95, abs=4 * np.sqrt(0.95 * 0.05 / seeds))


@pytest.mark.parametrize(
    ("orders", "a_day", "days", "late_share"),
    [(12_000, 4000, 2, 1 / 3), (12_000, 5760, 2, 0.04), (9000, 2000, 3, 1 / 3), (5000, 2500, 2, 0.0)],
)
def test_v29_a_burst_is_dispatched_late_by_what_the_carrier_cannot_take(
    orders: int, a_day: int, days: int, late_share: float
) -> None:
    """An hour's burst on Monday after the pick-up; the deadline lies behind as many pick-ups as there are days."""
    scenario = laboratory(
        f"warehouses[0].pick_ups=[{{at: '18:00', capacity: {a_day}}}]", f"dispatch.dispatch_days={days}"
    )
    time_us = 19 * HOUR_US + np.arange(orders, dtype=np.int64) * HOUR_US // orders
    trace, outcome = run(scenario, time_us)
    late = summarise(scenario, trace, outcome)["late_dispatch"]
    assert (late["orders_due"], late["ldr_share"]) == (orders, pytest.approx(late_share, rel=1e-6, abs=1e-12))
    assert late_share == pytest.approx(max(0.0, 1 - days * a_day / orders), rel=1e-6)
    assert sum(outcome.carried) == sum(max(0, orders - k * a_day) for k in range(1, 1 + -(-orders // a_day)))
    collected_us = outcome.parcels["collected_us"]
    assert np.all(np.diff(collected_us) >= 0)  # first come, first taken
    assert collected_us.min() == DAY_US + 18 * HOUR_US


def test_v29_agrees_with_the_published_shares() -> None:
    p, want = params("V29"), expected("V29")
    assert_near(1 - p["SLA days"] * p["C/day"] / p["N"], want["late share"])
    assert want["C for LDR 4%"] == pytest.approx(0.96 * p["N"] / p["SLA days"])


@pytest.mark.parametrize(
    ("pick_up", "cut_off_h", "mean_h", "beyond_24_h"), [("18:00", 2, 14.0, 1 / 12), ("12:00", 5, 17.0, 5 / 24)]
)
def test_orders_round_the_clock_wait_for_the_carrier_as_the_cut_off_says(
    pick_up: str, cut_off_h: int, mean_h: float, beyond_24_h: float
) -> None:
    """Who comes at a random time waits between the cut-off and a day more: a uniform law."""
    scenario = laboratory(
        f"warehouses[0].pick_ups=[{{at: '{pick_up}'}}]",
        f"warehouses[0].cut_off={cut_off_h}h",
        "warehouses[0].pick_up_days=[mon, tue, wed, thu, fri, sat, sun]",
    )

    def waits_h(time_us: Ints, seed: int = 0) -> npt.NDArray[np.float64]:
        _, outcome = run(scenario, time_us, seed)
        return np.asarray((outcome.parcels["collected_us"] - time_us) / HOUR_US)

    even = waits_h(np.arange(0, 10 * DAY_US, 30 * SECOND_US) + 15 * SECOND_US)
    assert even.mean() == pytest.approx(mean_h, rel=1e-6)
    assert even.max() == pytest.approx(24 + cut_off_h, abs=0.01)
    assert even.min() == pytest.approx(cut_off_h, abs=0.01)
    assert (even > 24).mean() == pytest.approx(beyond_24_h, rel=1e-6)

    by_chance = [waits_h(poisson(seed, 0.01, 20 * DAY_US), seed) for seed in range(SEEDS)]
    assert_mean(lambda seed: float(by_chance[seed].mean()), mean_h)
    assert_mean(lambda seed: float((by_chance[seed] > 24).mean()), beyond_24_h)
    assert max(float(wait.max()) for wait in by_chance) <= 24 + cut_off_h


def present_us(begin_us: Ints, end_us: Ints) -> int:
    """Integral over time of the number between begin and end, by steps."""
    times = np.concatenate([begin_us, end_us])
    order = np.argsort(times, kind="stable")
    level = np.cumsum(np.repeat([1, -1], len(begin_us))[order])
    return int(np.diff(times[order]) @ level[:-1])


def assert_little(begin_us: Ints, end_us: Ints) -> None:
    """|L - lambda W| < 1e-9 over the span of a closed run."""
    assert (end_us >= begin_us).all()
    span_s = int(end_us.max() - begin_us.min()) / SECOND_US
    present = present_us(begin_us, end_us) / SECOND_US / span_s
    stay_s = int((end_us - begin_us).sum()) / SECOND_US / len(begin_us)
    assert abs(present - len(begin_us) / span_s * stay_s) < 1e-9


def test_v33_littles_law_holds_for_holds_parcels_and_whole_lives() -> None:
    scenario = laboratory("payment.pays=85 %", "payment.delay={dist: exponential, mean: 2m}")
    _, outcome = run(scenario, poisson(1, 0.5, 10 * HOUR_US), 1)
    orders, parcels = outcome.orders, outcome.parcels
    assert set(orders["state"]) == {State.COMPLETED, State.CANCELLED}  # the run is closed
    assert_little(orders["placed_us"], orders["closed_us"])
    assert_little(parcels["packed_us"], parcels["collected_us"])
    assert_little(parcels["collected_us"], parcels["arrived_us"])
    paid = orders["confirmed_us"] >= 0
    assert_little(orders["placed_us"][paid], orders["confirmed_us"][paid])


@pytest.mark.parametrize("name", ["rush", "corner"])
def test_v33_littles_law_holds_in_a_shop_where_everything_goes_wrong(name: str) -> None:
    scenario, trace = named(name)
    outcome = simulate(scenario, trace, fast=True)
    orders, parcels = outcome.orders, outcome.parcels
    ended = (orders["placed_us"] >= 0) & (orders["closed_us"] >= 0)
    assert ended.sum() > 200
    assert_little(orders["placed_us"][ended], orders["closed_us"][ended])
    collected = parcels["collected_us"] >= 0
    assert_little(parcels["picked_us"][collected], parcels["collected_us"][collected])
