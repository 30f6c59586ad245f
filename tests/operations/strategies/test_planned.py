"""Planned orders fitted to pilot replications, in flow and oracle; shares of warehouses; what a study shares."""

from __future__ import annotations

from random import Random

import pytest

from sim.demand.generate import generate
from sim.operations.simulate import simulate
from sim.operations.strategies import forecast
from sim.operations.strategies.analytic.allocation import allot, equal_fractile, proportional
from sim.operations.strategies.planned import pilots_for
from sim.scenario.load import scenario_from_text
from sim.scenario.schema import Scenario
from tests.operations.compare import differences

SHOP = """
name: shop
horizon: 4d
seed: 5
catalogue:
  - {name: mug, price: 12.00 GBP, cost: 4.00 GBP, salvage: 1.00 GBP, stock: {north: 5}}
  - {name: pot, price: 20.00 GBP, cost: 9.00 GBP, salvage: 5.00 GBP}
  - {name: set, price: 30.00 GBP, bundle: [{sku: mug, units: 2}, {sku: pot}]}
regions:
  - {name: here, audience: 70 %, nearest: [north, south]}
  - {name: there, audience: 30 %, nearest: [south, north]}
warehouses: [{name: north}, {name: south}]
programme:
  broadcasts:
    - &show
      name: first
      start: 9h
      length: 1h
      entries: [{at: 0, per_min: 100}]
      bag: [mug, pot, set]
    - {<<: *show, name: second, start: 1d 9h}
    - {<<: *show, name: third, start: 2d 9h}
funnel: {order_given_click: 40 %}
fees: {holding_per_day: 0.5 %}
stock: {policy: newsvendor, lead_time: 4h, order_cost: 15.00 GBP, forecast: {pilots: 4}}
"""


@pytest.mark.parametrize(
    "overrides",
    [
        [],
        ["stock.forecast.law=lognormal", "stock.rule=min_max", "stock.allocation=proportional"],
        ["stock.policy=wagner_whitin", "stock.forecast.law=normal", "stock.initial_allocation=equal_fractile"],
        ["stock.policy=wagner_whitin", "stock.allocation=equal_fractile", "stock.count_on_returns=true"],
    ],
)
def test_fitted_plans_are_the_oracles(overrides: list[str]) -> None:
    scenario = scenario_from_text(SHOP, overrides=overrides)
    found, oracle = differences(scenario, generate(scenario, 1, 0))
    assert not found
    assert len(oracle.purchases) >= 2
    assert {purchase.sku for purchase in oracle.purchases} == {0, 1}  # bundles hold no stock


_TO = "to: {here: {cost: %s GBP}, there: {cost: %s GBP}}"
_LANES = ", ".join(
    f"{{warehouse: {house}, region: {region}, cost: 6.00 GBP}}"
    for house in ("north", "south")
    for region in ("here", "there")
)


@pytest.mark.parametrize(
    ("dear", "same"),
    [
        (
            f"warehouses=[{{name: north, carriers: [{{name: a, {_TO % (6, 6)}}}, {{name: b, {_TO % (30, 30)}}}]}}, "
            "{name: south, carrier_choice: share, "
            f"carriers: [{{name: c, {_TO % (2, 2)}}}, {{name: d, {_TO % (10, 10)}}}]}}]",
            f"lanes=[{_LANES}]",
        ),
        (f"lanes=[{_LANES.replace('cost: 6.00 GBP', 'customs: {cost: 6.00 GBP}')}]", f"lanes=[{_LANES}]"),
        ("fees={holding_per_day: 0.5 %, payment_fixed: 6.00 GBP}", f"lanes=[{_LANES}]"),
    ],
)
def test_a_unit_is_worth_less_by_all_that_its_parcel_and_payment_cost(dear: str, same: str) -> None:
    sent = ["after_sales.cancel_on_hold=0 %", "after_sales.default.before_shipping=0 %"]  # what is paid for is sent
    cheap = simulate(scenario := scenario_from_text(SHOP, overrides=sent), trace := generate(scenario, 1, 0)).purchases
    scenario = scenario_from_text(SHOP, overrides=[*sent, dear])
    found, oracle = differences(scenario, trace)
    assert not found
    alike = simulate(scenario_from_text(SHOP, overrides=[*sent, same]), trace).purchases
    assert [purchase.units for purchase in oracle.purchases] == [purchase.units for purchase in alike]
    assert sum(purchase.units for purchase in alike) < sum(purchase.units for purchase in cheap)


def test_money_of_another_currency_is_worth_less_by_the_exchange() -> None:
    euro = "currencies=[{currency: EUR, rate: 0.9, date: 2026-01-01}]"
    abroad = [
        euro,
        "regions[1].currency=EUR",
        "fees={payment: 5 %, exchange: 50 %}",
    ]  # 30 % of the audience pay so: 15 %
    home = [euro, "regions[1].currency=EUR", "fees={payment: 20 %}"]
    first, second = (scenario_from_text(SHOP, overrides=overrides) for overrides in (abroad, home))
    trace = generate(first, 1, 0)
    assert not differences(first, trace)[0]
    units = [[purchase.units for purchase in simulate(each, trace).purchases] for each in (first, second)]
    assert units[0] == units[1]


def test_a_newsvendor_orders_for_each_show_in_time() -> None:
    scenario = scenario_from_text(SHOP, overrides=["stock.allocation=equal_fractile"])
    outcome = simulate(scenario, generate(scenario, 1, 0))
    hours = sorted({purchase.ordered_us // 3_600_000_000 for purchase in outcome.purchases})
    assert hours == [5, 29, 53]
    assert all(purchase.due_us - purchase.ordered_us == 4 * 3_600_000_000 for purchase in outcome.purchases)
    assert {receipt[2] for receipt in outcome.receipts} == {0, 1}


def test_pilots_are_made_once_and_can_be_handed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    scenario = scenario_from_text(SHOP, overrides=["stock.forecast.pilots=3"])
    made: list[int] = []

    def counted(scenario: Scenario, seed: int, replication: int) -> object:
        made.append(replication)
        return generate(scenario, seed, replication)

    monkeypatch.setattr(forecast, "_known", {})
    monkeypatch.setattr(forecast, "_last", ("", []))
    monkeypatch.setattr(forecast, "generate", counted)
    trace = generate(scenario, 1, 0)
    first, again = simulate(scenario, trace), simulate(scenario, trace)
    assert made == [forecast.PILOTS, forecast.PILOTS + 1, forecast.PILOTS + 2]
    assert first.purchases == again.purchases
    pilots = pilots_for(scenario)
    forecast._known.clear()
    forecast.remember(pilots)
    assert simulate(scenario, trace).purchases == first.purchases
    pilots_for(scenario_from_text(SHOP, overrides=["stock.forecast.pilots=3", "stock.policy=wagner_whitin"]))
    assert len(made) == 3


def test_demand_that_is_given_needs_no_pilots(monkeypatch: pytest.MonkeyPatch) -> None:
    given = "stock.forecast.given={mug: {mean: 100, sd: 20}, pot: {mean: 50, sd: 10}}"
    scenario = scenario_from_text(SHOP, overrides=[given, "stock.forecast.law=normal"])
    monkeypatch.setattr(forecast, "generate", None)
    outcome = simulate(scenario, generate(scenario, 1, 0))
    assert len(outcome.purchases) > 0


def test_a_plan_rests_on_what_is_believed() -> None:
    scenario = scenario_from_text(SHOP)
    dear = scenario_from_text(SHOP, overrides=["catalogue.mug.price=40.00 GBP"])
    trace = generate(scenario, 1, 0)
    planned = simulate(scenario, trace, believed=dear).purchases
    assert planned != simulate(scenario, trace).purchases


def greedy(units: int, have: list[int], aims: list[tuple[float, float]]) -> list[int]:
    given = [0] * len(have)
    for _ in range(units):
        best = min(
            (k for k in range(len(have)) if aims[k][1] > 0),
            key=lambda k: (have[k] + given[k] - aims[k][0]) / aims[k][1],
        )
        given[best] += 1
    return given


@pytest.mark.parametrize("seed", range(60))
def test_units_are_allotted_as_if_one_by_one(seed: int) -> None:
    r = Random(seed)
    count = r.randint(1, 5)
    expected = [(r.uniform(0, 300), r.choice((0.5, 3, 40, 200))) for _ in range(count)]
    have = [r.randint(0, r.choice((5, 400))) for _ in range(count)]
    for rule in (equal_fractile, proportional):
        aims, units = rule(expected), r.choice((0, 1, 7, 500))
        assert allot(units, have, aims) == greedy(units, have, aims)


def test_equal_fractiles_leave_all_warehouses_equally_safe() -> None:
    expected = [(400.0, 80.0), (200.0, 20.0)]
    shares = allot(700, [0, 0], equal_fractile(expected))
    safety = [(units - mean) / sd for units, (mean, sd) in zip(shares, expected, strict=True)]
    assert safety[0] == pytest.approx(safety[1], abs=0.05)
    assert allot(300, [0, 0], proportional(expected)) == [200, 100]


def test_a_delivery_without_any_expectation_is_shared_evenly() -> None:
    assert allot(5, [0, 3], [(0.0, 0.0), (0.0, 0.0)]) == [4, 1]
