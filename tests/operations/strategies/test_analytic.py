"""Closed forms of stock theory: the published cases, and brute force at other parameters of the same laws."""

from __future__ import annotations

import itertools
import math

import pytest
from scipy import stats

from sim.operations.strategies.analytic.base_stock import backordered_poisson, base_stock_poisson, lost_poisson
from sim.operations.strategies.analytic.bullwhip import bullwhip_ratio
from sim.operations.strategies.analytic.demand import Demand
from sim.operations.strategies.analytic.lot_sizes import lot_sizes
from sim.operations.strategies.analytic.newsvendor import (
    Worth,
    newsvendor_cost,
    newsvendor_stock,
    resalable_stock,
    scarf_stock,
)
from sim.operations.strategies.analytic.pooling import pooled_cost, separate_cost
from sim.operations.strategies.analytic.r_q import (
    best_r_q_poisson,
    by_loss_functions,
    economic_with_backorders,
    economic_with_safety,
    expected_level,
    r_q_cost_poisson,
)
from sim.operations.strategies.analytic.s_s import best_s_s, s_s_cost
from sim.operations.strategies.analytic.serial import serial_levels
from tests.demand.cases import assert_near, expected, params


@pytest.mark.parametrize("case", ["V14", "V14b", "V14c"])
def test_newsvendor_stock_and_cost_are_those_published(case: str) -> None:
    given, found = params(case), expected(case)
    demand = Demand("normal", given["mu"], given["sd"]) if "sd" in given else Demand("poisson", given["mu"])
    stock = newsvendor_stock(demand, given["p"], given["h"])
    assert_near(stock, found["S"])
    assert_near(newsvendor_cost(demand, stock, given["p"], given["h"]), found["cost"])


FROZEN = [
    (Demand("poisson", 3.7), stats.poisson(3.7)),
    (Demand("negative_binomial", 12, 6), stats.nbinom(12 * (12 / 36) / (1 - 12 / 36), 12 / 36)),
    (Demand("negative_binomial", 3, 0.5), stats.poisson(3)),
    (Demand("normal", 40, 9), stats.norm(40, 9)),
    (Demand("lognormal", 40, 25), stats.lognorm(math.sqrt(math.log1p((25 / 40) ** 2)), scale=40 / math.sqrt(1.390625))),
]


@pytest.mark.parametrize(("demand", "law"), FROZEN)
def test_laws_of_demand_are_those_of_scipy(demand: Demand, law: stats.rv_continuous) -> None:
    for units in (0.5, 2, 9, 31, 77):
        assert demand.cdf(units) == pytest.approx(float(law.cdf(units)), abs=1e-12)
        above = law.expect(lambda x, units=units: x, lb=math.floor(units) + 1) if demand.whole else None
        if above is not None:
            assert demand.shortage(units) == pytest.approx(above - units * float(law.sf(units)), abs=1e-6)
    for share in (0.01, 0.5, 0.93, 0.999):
        assert demand.quantile(share) == pytest.approx(float(law.ppf(share)), rel=1e-9)


@pytest.mark.parametrize("demand", [demand for demand, _ in FROZEN])
def test_no_other_stock_costs_less_than_the_newsvendors(demand: Demand) -> None:
    best = newsvendor_stock(demand, 7, 3)
    least = newsvendor_cost(demand, best, 7, 3)
    assert all(newsvendor_cost(demand, best + step, 7, 3) >= least for step in (-5, -1, 1, 5))


def test_known_demand_is_bought_exactly() -> None:
    assert newsvendor_stock(Demand("normal", 12, 0), 5, 1) == 12
    assert newsvendor_cost(Demand("lognormal", 12, 0), 12, 5, 1) == 0


def test_scarfs_stock_has_the_least_worst_cost() -> None:
    mean, sd, short, over = 100.0, 30.0, 8.0, 3.0

    def worst(stock: float) -> float:  # over all laws of this mean and deviation
        missing = (math.hypot(sd, stock - mean) - (stock - mean)) / 2
        return over * (stock - mean + missing) + short * missing

    best = scarf_stock(mean, sd, short, over)
    assert worst(best) == pytest.approx(sd * math.sqrt(short * over))
    assert min(worst(best + step) for step in (-2, -0.1, 0.1, 2)) > worst(best)
    assert scarf_stock(10, 60, 1, 3) == 0  # too uncertain to be worth anything


def test_returns_that_are_sold_again_need_less_stock() -> None:
    demand = Demand("normal", 1000, 200)
    keeps = Worth(price=20, cost=8, salvage=4)
    assert resalable_stock(demand, keeps) == pytest.approx(newsvendor_stock(demand, 12, 4))
    returns = Worth(price=20, cost=8, salvage=4, refunded=0.4, resold=0.36, expense=0.8)
    ratio = 1 - (8 - 4) * 0.64 / ((0.6 * 20 - 0.8) - 4 * 0.64)
    assert resalable_stock(demand, returns) == pytest.approx(0.64 * demand.quantile(ratio))


def test_base_stock_is_that_of_palm_and_of_erlang() -> None:
    given, found = params("V15"), expected("V15")
    measured = backordered_poisson(given["lam"], given["L"], given["S"])
    for value, name in zip(measured, ("fill", "EBO", "EOH", "delay"), strict=True):
        assert_near(value, found[name])
    given, found = params("V05"), expected("V05")
    measured_lost = lost_poisson(given["lam"], given["L"], given["S"])
    for value, name in zip(measured_lost, ("lost", "fill", "onhand"), strict=True):
        assert_near(value, found[name])


def test_the_best_base_stock_costs_least() -> None:
    def cost(stock: int) -> float:
        found = backordered_poisson(3.0, 1.5, stock)
        return 2 * found.on_hand + 9 * found.backordered

    assert base_stock_poisson(3.0, 1.5, 2, 9) == min(range(30), key=cost)


def test_r_q_with_poisson_demand_is_federgruens_and_zhengs() -> None:
    given, found = params("V16"), expected("V16")
    best = best_r_q_poisson(given["K"], given["h"], given["p"], given["lam"], given["L"])
    assert (best.r, best.Q) == (found["r"], found["Q"])
    assert_near(best.cost, found["cost"])


@pytest.mark.parametrize(("fixed", "hold", "short", "rate", "lead"), [(5, 1, 9, 2, 1.5), (40, 3, 4, 6, 0.5)])
def test_no_other_r_q_costs_less(fixed: float, hold: float, short: float, rate: float, lead: float) -> None:
    best = best_r_q_poisson(fixed, hold, short, rate, lead)
    costs = {
        (r, Q): r_q_cost_poisson(r, Q, fixed, hold, short, rate, lead) for r in range(-8, 20) for Q in range(1, 40)
    }
    assert min(costs.values()) == pytest.approx(best.cost)


def test_r_q_approximations_are_those_published() -> None:
    given, found = params("V16n"), expected("V16n")
    demand = Demand("normal", given["lam"] * given["L"], given["sd"] * math.sqrt(given["L"]))
    costs = demand, given["K"], given["h"], given["p"], given["lam"]
    methods = {
        "EIL": expected_level,
        "EOQB": economic_with_backorders,
        "EOQ+SS": economic_with_safety,
        "LossFn": by_loss_functions,
    }
    for name, method in methods.items():
        for value, published in zip(method(*costs), found[name], strict=False):
            assert_near(value, published, 5)


def test_s_s_policies_are_zhengs_and_federgruens() -> None:
    given = params("V17")
    for mean, (s, S, cost) in expected("V17").items():
        best = best_s_s(Demand("poisson", float(mean)), given["K"], given["h"], given["p"])
        assert (best.s, best.S) == (s, S)
        assert_near(best.cost, cost, 3)
    given, found = params("V17b"), expected("V17b")
    demand, costs = Demand("poisson", given["mu"]), (given["K"], given["h"], given["p"])
    best = best_s_s(demand, *costs)
    assert (best.s, best.S) == (found["s"], found["S"])
    assert_near(best.cost, found["cost"])
    assert_near(s_s_cost(demand, 6, 18, *costs), found["cost(6,18)"])


@pytest.mark.parametrize("demand", [Demand("poisson", 4), Demand("negative_binomial", 5, 4)])
def test_no_other_s_s_costs_less(demand: Demand) -> None:
    best = best_s_s(demand, 12, 1, 6)
    costs = [s_s_cost(demand, s, S, 12, 1, 6) for S in range(1, 45) for s in range(-10, S)]
    assert min(costs) == pytest.approx(best.cost)


def test_pooling_is_eppens() -> None:
    given, found = params("V18"), expected("V18")
    sds = [given["sd"]] * given["N"]
    apart = separate_cost(given["h"], given["p"], sds)
    assert_near(apart, found["decentral"], 4)
    for correlation, name, ratio in ((0.0, "central rho=0", 0.5), (0.5, "central rho=.5", 0.790569)):
        together = pooled_cost(given["h"], given["p"], sds, correlation)
        assert_near(together, found[name], 4)
        assert_near(together / apart, ratio)


def test_bullwhip_is_chens() -> None:
    for text, ratio in expected("V19").items():
        lead_time, periods, correlation = (float(part) for part in text.strip("()").split(","))
        assert_near(bullwhip_ratio(int(lead_time), int(periods), correlation), ratio)


def test_echelon_stocks_are_clarks_and_scarfs() -> None:
    given, found = params("V21"), expected("V21")
    order = sorted(given["echelon_h"])
    chain = [given["echelon_h"][stage] for stage in order], [given["L"][stage] for stage in order]
    best = serial_levels(*chain, given["p"], given["mu"], given["sd"])
    assert best.levels == pytest.approx(found["S_echelon_published"], rel=2e-3)
    assert best.cost == pytest.approx(found["cost_published"], rel=2e-4)


def test_a_chain_of_one_is_a_newsvendor() -> None:
    best = serial_levels([3.0], [2.0], 17.0, 10.0, 2.0)
    demand = Demand("normal", 20.0, 2.0 * math.sqrt(2))
    assert best.levels[0] == pytest.approx(newsvendor_stock(demand, 17, 3), rel=1e-4)
    assert best.cost == pytest.approx(newsvendor_cost(demand, best.levels[0], 17, 3), rel=1e-4)


def test_lots_are_wagners_and_whitins() -> None:
    given, found = params("V23"), expected("V23")
    lots = lot_sizes(given["d"], given["K"], [given["h"]] * len(given["d"]))
    assert list(lots.units) == found["Q"]
    assert lots.cost == found["cost"]


@pytest.mark.parametrize("needs", [(0, 5, 9, 0, 30), (7, 0, 0, 2, 1, 40), (0, 0), ()])
def test_no_other_lots_cost_less(needs: tuple[int, ...]) -> None:
    holding = [0.5, 2.0, 1.0, 0.1, 3.0, 1.0][: len(needs)]

    def cost(starts: tuple[bool, ...]) -> float:
        total, start = 0.0, -1
        for period, need in enumerate(needs):
            if starts[period]:
                start, total = period, total + 20
            if need and start < 0:
                return math.inf
            total += need * sum(holding[start:period]) if need else 0.0
        return total

    best = min((cost(starts) for starts in itertools.product((False, True), repeat=len(needs))), default=0.0)
    lots = lot_sizes(needs, 20, holding)
    assert lots.cost == pytest.approx(best)
    assert sum(lots.units) == sum(needs)
