"""What a unit is worth to a planner, and whether the stock that follows from it is the one that earns most."""

from __future__ import annotations

import numpy as np
import pytest

from sim.demand.generate import generate
from sim.demand.trace import CANCEL_BEFORE_SHIPPING, REFUND_ONLY, RETURN
from sim.operations.metrics import summarise
from sim.operations.simulate import simulate
from sim.operations.strategies.analytic.newsvendor import Worth
from sim.operations.strategies.forecast import Expected, forecast_of
from sim.operations.strategies.planned import Planner
from sim.operations.strategies.show_stock import worth_of
from sim.scenario.load import scenario_from_text
from sim.scenario.schema import Scenario
from sim.scenario.tables import sku_table

#: One show of a dress that half of the buyers send back.
DRESS = """
name: dress
horizon: 40d
start: 2026-06-01T08:00:00+00:00
catalogue: [{name: dress, category: apparel, price: 30.00 GBP, cost: 9.00 GBP, salvage: 2.00 GBP}]
programme: {broadcasts: [{name: show, start: 4d, length: 2h, entries: [{at: 0, per_min: 100}], bag: [dress]}]}
funnel: {clicks_per_viewer_hour: 10, order_given_click: 10 %}
warehouses: [{name: main, pickers: 50, packers: 50}]
after_sales:
  restock: 0 %
  categories: {apparel: {before_shipping: 5 %, after_delivery: 50 %, refund_only: 0 %}}
fees: {platform: 0 %, payment: 0 %, pick_pack: 1.00 GBP}
stock: {policy: newsvendor, lead_time: 2d}
"""


def worth(scenario: Scenario, *, count_on_returns: bool = False) -> Worth:
    return worth_of(scenario, sku_table(scenario)[0], count_on_returns=count_on_returns)


def contribution(scenario: Scenario) -> float:
    """The mean of two replications, in major units."""
    made = []
    for replication in range(2):
        trace = generate(scenario, 1, replication)
        made.append(summarise(scenario, trace, simulate(scenario, trace))["contribution_minor"])
    return float(np.mean(made)) / 100


def ordered(scenario: Scenario) -> int:
    return sum(units for _, units, _ in Planner(scenario).orders(0, (0,)))


@pytest.mark.parametrize("cost", ["18.00 GBP", "22.00 GBP"])
def test_nothing_is_ordered_of_what_loses_money_by_its_returns(cost: str) -> None:
    assert ordered(scenario_from_text(DRESS, overrides=[f"catalogue.dress.cost={cost}"])) == 0


@pytest.mark.parametrize(
    "overrides",
    [
        [],
        ["catalogue.dress.cost=16.00 GBP", "catalogue.dress.salvage=14.00 GBP", "after_sales.restock=90 %"],
        ["after_sales.categories.apparel.after_delivery=20 %", "after_sales.return_freight=6.00 GBP"],
    ],
)
def test_no_other_stock_earns_more_than_the_planned_one_where_returns_come_too_late(overrides: list[str]) -> None:
    # Plans take it that every wish to cancel comes in time (docs/decisions/0014), so here nobody has any.
    overrides = ["after_sales.categories.apparel.before_shipping=0 %", *overrides]
    planned = scenario_from_text(DRESS, overrides=overrides)
    units = ordered(planned)
    assert units > 0
    others = [
        scenario_from_text(DRESS, overrides=[*overrides, "stock.policy=none", f"catalogue.dress.stock.main={other}"])
        for other in (0, units * 3 // 4, units * 5 // 4)
    ]
    assert contribution(planned) > max(map(contribution, others))


def test_without_counting_on_returns_only_their_being_sold_again_is_left_out() -> None:
    scenario = scenario_from_text(
        DRESS,
        overrides=["after_sales.restock=80 %", "after_sales.return_freight=3 GBP"],
    )
    late, again = worth(scenario), worth(scenario, count_on_returns=True)
    early = scenario.after_sales.cancel_on_hold + 0.05
    assert late.refunded == again.refunded == pytest.approx(early + 0.5)
    assert (late.resold, again.resold) == (0, pytest.approx(early + 0.4))
    # What comes back too late is left over: it is worth its salvage.
    assert again.expense == pytest.approx((1 - early) * 100 + 0.5 * 300)
    assert late.expense == pytest.approx(again.expense - (early + 0.4) * 200)


@pytest.mark.parametrize("level", [-1, 0, 1, 3])
def test_persuasion_and_answers_change_the_returns_that_are_planned_with_as_those_of_the_trace(level: int) -> None:
    scenario = scenario_from_text(
        DRESS,
        overrides=[
            f"funnel.persuasion={{level: {level}, most: 3}}",
            "funnel.questions={moderators: 1, asks_per_viewer_hour: 6}",
            "after_sales.categories.apparel={before_shipping: 10 %, after_delivery: 25 %, refund_only: 2 %}",
            "programme.broadcasts[0].entries[0].per_min=20000",
        ],
    )
    carts = generate(scenario, 1).carts
    after = carts["after"][carts["go_u32"] < 2**32 - 1]
    shares = [float((after == wish).mean()) for wish in (CANCEL_BEFORE_SHIPPING, RETURN, REFUND_ONLY)]
    planned = worth(scenario, count_on_returns=True)
    on_hold = scenario.after_sales.cancel_on_hold
    assert planned.refunded == pytest.approx(on_hold + sum(shares), abs=0.005)
    assert planned.resold == pytest.approx(on_hold + shares[0] + shares[1] * scenario.after_sales.restock, abs=0.005)


def test_vouchers_are_planned_with_as_the_orders_carry_them() -> None:
    scenario = scenario_from_text(DRESS, overrides=["funnel.voucher={share: 20 %, off: 10 %, lift: 0.5}"])
    assert worth(scenario).price == pytest.approx(3000 * (1 - 0.3 / 1.1 * 0.1))


#: A show whose demand is given, for four regions with a warehouse each.
FOUR = """
name: four
horizon: 30d
catalogue: [{name: mug, price: 20.00 GBP, cost: 1.50 GBP, salvage: 0.50 GBP}]
regions: [%s]
programme: {broadcasts: [{name: show, start: 4d, length: 1h, entries: [{at: 0, per_min: 10}], bag: [mug]}]}
warehouses: [{name: a}, {name: b}, {name: c}, {name: d}]
after_sales: {cancel_on_hold: 0 %%, default: {before_shipping: 0 %%, after_delivery: 0 %%, refund_only: 0 %%}}
stock: {policy: newsvendor, forecast: {given: {mug: {mean: 400, sd: %d}}}}
"""


def four(sd: int, houses: str = "abcd") -> Scenario:
    regions = ", ".join(f"{{name: r{k}, audience: 25 %, nearest: [{house}]}}" for k, house in enumerate(houses))
    return scenario_from_text(FOUR % (regions, sd))


def given(scenario: Scenario) -> Expected:
    return forecast_of(scenario, [(0, scenario.horizon_us)]).at(0, 0)


def test_given_demand_is_one_shock_for_all_warehouses() -> None:
    """Buyers choose their region one by one out of a demand that is large or small everywhere at once."""
    mean, sd, share = 400, 200, 0.25
    size = mean**2 / (sd**2 - mean)
    rng = np.random.default_rng(1)
    here = rng.binomial(rng.negative_binomial(size, size / (size + mean), 400_000), share)
    for found in given(four(sd)).by_house:
        assert found == (pytest.approx(here.mean(), rel=0.01), pytest.approx(here.std(), rel=0.01))
    assert given(four(sd)).together == (400, 200)


def test_what_varies_less_than_chance_alone_would_is_shared_by_the_variance() -> None:
    assert given(four(10)).by_house[0] == (100, pytest.approx(5))
    assert given(four(20)).by_house[0] == (100, pytest.approx(10))  # Poisson: both rules say the same


def test_pooling_saves_next_to_nothing_of_a_shared_shock() -> None:
    apart, pooled = four(200), four(200, "aaaa")
    each = sum(units for house in range(4) for _, units, _ in Planner(apart).orders(0, (house,)))
    one = sum(units for _, units, _ in Planner(pooled).orders(0, (0,)))
    assert each == pytest.approx(one, rel=0.03)
