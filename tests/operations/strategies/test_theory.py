"""The product's policies, run on a bare shelf, come to what theory says of them."""

from __future__ import annotations

import math
from functools import partial

import numpy as np
import pytest

from sim.demand.streams import stream
from sim.operations.simulate import simulate
from sim.operations.strategies.analytic.base_stock import backordered_poisson, lost_poisson
from sim.operations.strategies.analytic.bullwhip import bullwhip_ratio
from sim.operations.strategies.analytic.demand import Demand
from sim.operations.strategies.analytic.newsvendor import newsvendor_cost, newsvendor_stock
from sim.operations.strategies.analytic.r_q import best_r_q_poisson, r_q_cost_poisson
from sim.operations.strategies.analytic.s_s import s_s_cost
from sim.operations.strategies.base_stock import base_stock
from sim.operations.strategies.r_q import r_q
from sim.operations.strategies.s_s import s_s
from sim.orders.states import Reason
from tests.demand.cases import assert_mean, expected, params
from tests.operations.strategies.shelf import Shelf
from tests.oracle.build import tiny_scenario, tiny_trace

#: Time units until a shelf that starts full has forgotten it.
WARM_UP = 20.0


def poisson_times(seed: int, rate: float, until: float) -> list[float]:
    rng = stream(seed, 0, "demand")
    return sorted((rng.random(rng.poisson(rate * until)) * until).tolist())


@pytest.mark.parametrize(("rate", "lead", "S"), [(5.0, 2.0, 14), (1.5, 3.0, 4)])
def test_base_stock_with_backorders_is_palms(rate: float, lead: float, S: int) -> None:
    theory, until = backordered_poisson(rate, lead, S), 200.0

    def measured(seed: int) -> Shelf:
        shelf = Shelf(S, lead)
        shelf.follow(partial(base_stock, S=S, continuous=True))
        shelf.sell(poisson_times(seed, rate, WARM_UP + until))
        shelf.measure_from(WARM_UP)
        return shelf.run(WARM_UP + until)

    shelves = [measured(seed) for seed in range(20)]
    span_us = until * 1e6
    assert_mean(lambda seed: shelves[seed].filled / shelves[seed].demand, theory.fill)
    assert_mean(lambda seed: shelves[seed].backordered_us / span_us, theory.backordered)
    assert_mean(lambda seed: shelves[seed].on_hand_us / span_us, theory.on_hand)
    assert_mean(lambda seed: shelves[seed].backordered_us / 1e6 / shelves[seed].demand, theory.delay)


def test_base_stock_with_lost_sales_is_erlangs() -> None:
    given = params("V05")
    rate, lead, S, until = given["lam"], given["L"], given["S"], 200.0

    def measured(seed: int) -> Shelf:
        shelf = Shelf(S, lead, lost=True)
        shelf.follow(partial(base_stock, S=S, continuous=True))
        shelf.sell(poisson_times(seed, rate, WARM_UP + until))
        shelf.measure_from(WARM_UP)
        return shelf.run(WARM_UP + until)

    shelves, theory = [measured(seed) for seed in range(20)], lost_poisson(rate, lead, S)
    assert_mean(lambda seed: shelves[seed].filled / shelves[seed].demand, theory.fill)
    assert_mean(lambda seed: shelves[seed].on_hand_us / until / 1e6, theory.on_hand)


@pytest.mark.parametrize("other", [(3, 5), (6, 9)])
def test_r_q_costs_what_federgruen_and_zheng_say(other: tuple[int, int]) -> None:
    given = params("V16")
    costs = given["K"], given["h"], given["p"], given["lam"], given["L"]
    r, Q = other
    best, until = best_r_q_poisson(*costs), 800.0
    theory = best.cost if (r, Q) == (best.r, best.Q) else r_q_cost_poisson(r, Q, *costs)

    def cost(seed: int) -> float:
        shelf = Shelf(r + Q, given["L"])
        shelf.follow(partial(r_q, r=r, Q=Q))
        shelf.sell(poisson_times(seed, given["lam"], WARM_UP + until))
        shelf.measure_from(WARM_UP)
        shelf.run(WARM_UP + until)
        stock = (given["h"] * shelf.on_hand_us + given["p"] * shelf.backordered_us) / 1e6
        return (stock + given["K"] * shelf.orders) / until

    assert_mean(cost, theory)


@pytest.mark.parametrize("row", ["10", "20", "63"])
def test_s_s_costs_what_zheng_and_federgruen_say(row: str) -> None:
    given = params("V17")
    s, S, cost = expected("V17")[row]
    assert_mean(partial(periodic_cost, s=s, S=S, mean=float(row), h=given["h"], p=given["p"], fixed=given["K"]), cost)


def test_another_s_s_policy_costs_what_theory_says() -> None:
    given = params("V17b")
    theory = s_s_cost(Demand("poisson", given["mu"]), 6, 18, given["K"], given["h"], given["p"])
    found = partial(periodic_cost, s=6, S=18, mean=given["mu"], h=given["h"], p=given["p"], fixed=given["K"])
    assert_mean(found, theory)


def periodic_cost(seed: int, s: int, S: int, mean: float, h: float, p: float, fixed: float) -> float:
    """Order at the start of a period, arrives at once; then demand; cost on what is left at the end, after a start."""
    periods, dropped = 600, 50
    shelf = Shelf(S, 0.0, review=1.0)
    shelf.follow(partial(s_s, s=s, S=S, continuous=False))
    sizes = stream(seed, 0, "demand").poisson(mean, periods)
    shelf.sell([k + 1.5 for k in range(periods)], sizes.tolist())
    levels: list[int] = []
    for k in range(periods):
        event = shelf.env.at(round((k + 1.9) * 1e6), 0)
        event.callbacks.append(lambda _: levels.append(shelf.level))
    shelf.run(periods + 1.95)
    kept = levels[dropped:]
    orders = sum(purchase.ordered_us > dropped * 1_000_000 + 500_000 for purchase in shelf.stock.purchases)
    return (math.fsum(h * max(x, 0) + p * max(-x, 0) for x in kept) + fixed * orders) / len(kept)


@pytest.mark.parametrize("case", ["V14", "V14b"])
def test_a_season_bought_for_like_a_newsvendor_costs_what_theory_says(case: str) -> None:
    """Demand in tenths of a unit, so that whole units do not matter."""
    given = params(case)
    demand = Demand("normal", given["mu"], given["sd"])
    stock = newsvendor_stock(demand, given["p"], given["h"])

    def cost(seed: int) -> float:
        wanted = stream(seed, 0, "season").normal(given["mu"], given["sd"], 200)
        total = 0.0
        for units in np.rint(wanted * 10).astype(int).tolist():
            shelf = Shelf(0, 0.0)
            shelf.follow(partial(base_stock, S=round(stock * 10), continuous=False))
            shelf.stock._every_us = 10_000_000
            shelf.sell([11.0], [units])
            shelf.run(12.0)
            total += (given["h"] * max(shelf.level, 0) + given["p"] * max(-shelf.level, 0)) / 10
        return total / len(wanted)

    assert_mean(cost, newsvendor_cost(demand, stock, given["p"], given["h"]))


class _Plan:
    """What the example policy reads of a scenario."""

    def __init__(self, lead_time: int) -> None:
        self.stock = self
        self.review_us = 1_000_000
        self.lead_time = self
        self.mean_us = (lead_time - 1) * 1_000_000


@pytest.mark.parametrize("case", ["(2,4,0)", "(1,5,.5)"])
def test_the_moving_average_of_the_documentation_has_chens_bullwhip(case: str) -> None:
    from tests.docs.test_own_policy_page import example

    lead_time, periods, correlation = (float(part) for part in case.strip("()").split(","))
    kind = example()["MovingAverage"]
    policy = kind(_Plan(int(lead_time)))
    policy.reviews = int(periods)

    def ratio(seed: int) -> float:
        rng, count = stream(seed, 0, "demand"), 1200
        noise = rng.normal(0, 100 * math.sqrt(1 - correlation**2), count)
        wanted = [1000.0]
        for k in range(1, count):
            wanted.append(1000 + correlation * (wanted[-1] - 1000) + noise[k])
        sizes = [round(units) for units in wanted]
        shelf = Shelf(0, lead_time - 1, review=1.0)
        shelf.follow(policy.run)
        shelf.sell([k + 0.5 for k in range(count)], sizes)
        shelf.run(count + 0.9)
        ordered = {purchase.ordered_us: purchase.units for purchase in shelf.stock.purchases}
        orders = [ordered.get((k + 1) * 1_000_000, 0) for k in range(count)]
        return float(np.var(orders[20:]) / np.var(sizes[20:]))

    assert_mean(ratio, bullwhip_ratio(int(lead_time), int(periods), correlation))


def test_a_simulated_shop_with_base_stock_loses_what_erlang_says() -> None:
    """Through the whole simulation: each sale stops the front, and is ordered again a microsecond later."""
    given = params("V05")
    rate, lead, S, hours = given["lam"], given["L"], given["S"], 90
    mug = {"name": "mug", "price": "10.00 GBP", "cost": "4.00 GBP", "stock": {"main": S}}
    policy = {"policy": "base_stock", "S": S, "review": 0, "lead_time": f"{lead}h"}
    scenario = tiny_scenario(horizon=f"{hours}h", catalogue=[mug], stock=policy)

    def lost(seed: int) -> float:
        times_us = [round(time * 3.6e9) for time in poisson_times(seed, rate, hours)]
        outcome = simulate(scenario, tiny_trace(scenario, [{"time_us": at_us} for at_us in times_us]), fast=False)
        late = np.array(times_us) > WARM_UP * 3.6e9 / 2
        return float((outcome.orders["reason"][late] == Reason.SOLD_OUT).mean())

    assert_mean(lost, lost_poisson(rate, lead, S).lost)
