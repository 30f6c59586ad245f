"""Choice of warehouses, reserves and pre-sale on examples that can be checked in the head. Monday's midnight, UTC."""

from __future__ import annotations

from typing import Any

import pytest

from sim.demand.trace import CANCEL_ON_HOLD, NEVER
from sim.errors import ScenarioError
from sim.operations.metrics import Metrics, summarise
from sim.operations.outcome import Outcome
from sim.operations.simulate import simulate
from sim.operations.stock_moves import StockMoves
from sim.orders.states import Reason, State
from sim.scenario.load import scenario_from_text
from sim.scenario.schema import Scenario
from tests.operations.compare import differences
from tests.operations.shop import DAY_US, HOUR_US, MINUTE_US, PAID_IN_A_MINUTE
from tests.oracle.build import tiny_trace

MUG, POT = 0, 1
LIVE = {"content": 0}

_TEXT = """
name: two-houses
start: 2026-06-01T00:00:00+00:00 # a Monday
horizon: 20d
catalogue:
  - {name: mug, price: 10.00 GBP, cost: 4.00 GBP, stock: {near: 5, far: 5}}
  - {name: pot, price: 20.00 GBP, cost: 5.00 GBP, stock: {near: 5, far: 5}}
regions: [{name: all, nearest: [near, far]}]
programme:
  broadcasts: [{name: show, start: 0, length: 1h, entries: [{at: 0, per_min: 10}]}]
payment: {hold_window: 10m}
confirmation: {on_hold: 1h}
warehouses:
  - {name: far, pick_ups: [{at: "18:00"}], cut_off: 0}
  - {name: near, pick_ups: [{at: "18:00"}], cut_off: 0}
lanes:
  - {warehouse: near, region: all, lead_time: 1d, cost: 5.00 GBP}
  - {warehouse: far, region: all, lead_time: 2d, cost: 3.00 GBP}
fees: {platform: 0, payment: 0, late_dispatch: 1.50 GBP}
dispatch: {dispatch_days: 0}
"""


def shop(*overrides: str) -> Scenario:
    """Two warehouses, `near` first; five mugs and five pots in each. Number 0 is `far`: it stands first in the file."""
    return scenario_from_text(_TEXT, overrides=overrides)


def played(scenario: Scenario, *carts: dict[str, Any]) -> tuple[Outcome, Metrics]:
    """What becomes of carts that pay in a minute and come a second apart, after flow and oracle were found equal."""
    rows = [{**PAID_IN_A_MINUTE, "time_us": number * 1_000_000, **cart} for number, cart in enumerate(carts)]
    trace = tiny_trace(scenario, rows)
    assert differences(scenario, trace)[0] == []
    outcome = simulate(scenario, trace)
    return outcome, summarise(scenario, trace, outcome)


def houses(scenario: Scenario, *carts: dict[str, Any]) -> list[list[str]]:
    """The warehouses that serve each cart, in the order of its parcels."""
    outcome, _ = played(scenario, *carts)
    served: list[list[str]] = [[] for _ in carts]
    for order, house in zip(outcome.parcels["order"].tolist(), outcome.parcels["warehouse"].tolist(), strict=True):
        served[order].append(scenario.warehouses[house].name)
    return served


@pytest.mark.parametrize(
    ("choice", "served"),
    [
        ("{choice: nearest}", [["near"], ["far"], ["near", "far"], []]),
        ("{choice: cheapest}", [["far"], ["near"], ["far", "near"], []]),
        ("{choice: central, warehouse: far}", [["far"], [], [], []]),
        ("{choice: central_first, warehouse: far}", [["far"], ["near"], ["far", "near"], []]),
        ("{choice: regional}", [["near"], [], [], []]),
        ("{choice: nearest, otherwise: refuse}", [["near"], ["far"], [], []]),
    ],
)
def test_the_choice_says_which_warehouses_are_asked_and_in_which_order(choice: str, served: list[list[str]]) -> None:
    """Four mugs, four mugs (one is left in each warehouse), then two, then two more."""
    carts = [{"quantity": units} for units in (4, 4, 2, 2)]
    assert houses(shop(f"allocation={choice}"), *carts) == served


_TWO_CARRIERS = (
    "carriers: [{name: gold, share: 30 %, to: {all: {lead_time: 1d, cost: 7.00 GBP}}}, "
    "{name: tin, share: 70 %, to: {all: {lead_time: 9d, cost: 1.00 GBP}}}]"
)


@pytest.mark.parametrize(
    ("terms", "first"),
    [
        ("lanes[1].customs={cost: 2.01 GBP}", "near"),
        ("lanes[1].customs={cost: 1.99 GBP}", "far"),
        ("warehouses[0].carriers=[{name: gold, to: {all: {cost: 9.00 GBP}}}]", "near"),
        ("warehouses[0].carriers=[{name: gold, to: {all: {cost: 9.00 GBP}}}, {name: tin}]", "far"),
        ("warehouses[1].carriers=[{name: tin, to: {all: {cost: 1.00 GBP}}}]", "near"),
        (f"warehouses[1]={{name: near, carrier_choice: share, {_TWO_CARRIERS}}}", "near"),  # 2.80 GBP in the mean
        (f"warehouses[1]={{name: near, carrier_choice: fastest, {_TWO_CARRIERS}}}", "far"),
    ],
)
def test_the_cheapest_warehouse_is_that_whose_parcels_cost_least_with_carriers_and_customs(
    terms: str, first: str
) -> None:
    assert houses(shop("allocation.choice=cheapest", terms), {}) == [[first]]


def test_a_region_has_a_choice_of_its_own() -> None:
    scenario = shop("regions[0].allocation={choice: central, warehouse: far}", "allocation.choice=regional")
    assert houses(scenario, {}, {"quantity": 5}) == [["far"], []]


def test_a_cart_waits_until_one_warehouse_has_it_whole() -> None:
    """The third wants two pots, of which one is left in each; the first buyer cancels, and four of `near` are back."""
    carts = [
        {"quantity": 4, "sku": POT, "after": CANCEL_ON_HOLD},
        {"quantity": 4, "sku": POT},
        {"quantity": 2, "sku": POT},
    ]
    outcome, found = played(shop("allocation.otherwise=wait"), *carts)
    cancelled_us = int(outcome.orders["closed_us"][0])
    assert outcome.orders["reason"][0] == Reason.BUYER_CANCELLED
    assert outcome.orders["allocated_us"].tolist() == [-1, -1, (cancelled_us // 1_000_000 + 1) * 1_000_000]
    assert outcome.orders["state"][2] == State.COMPLETED
    assert found["waits"]["orders_served"] == 1
    assert found["waits"]["mean_h"] == pytest.approx(
        (outcome.orders["allocated_us"][2] - outcome.orders["placed_us"][2]) / HOUR_US
    )
    assert (found["units_waited"], found["fill_rate_share"]) == (2, 0.8)


def test_a_reserve_is_for_its_broadcast_until_that_is_over() -> None:
    """Four of the five mugs near are kept; the far ones are gone. Others see one, and all when the hour is over."""
    scenario = shop("allocation={choice: regional, reserves: [{sku: mug, units: {near: 4}, broadcast: show}]}")
    carts = [{"quantity": 2}, {"quantity": 2, **LIVE}, {}, {}, {"time_us": HOUR_US, "quantity": 2}]
    outcome, _ = played(scenario, *carts)
    assert [reason == Reason.SOLD_OUT for reason in outcome.orders["reason"]] == [True, False, False, True, False]
    assert outcome.stock["available"][MUG].tolist() == [5, 0]


def test_what_a_live_order_gives_back_is_kept_for_live_orders_again() -> None:
    """It never pays: its two mugs are back in the reserve after ten minutes, where only a live order finds them."""
    scenario = shop("allocation={choice: regional, reserves: [{sku: mug, units: {near: 5}, release: 1d}]}")
    late = {"time_us": 20 * MINUTE_US, "quantity": 2}
    outcome, _ = played(scenario, {**LIVE, "quantity": 5, "pay_delay_us": NEVER}, late, {**late, **LIVE})
    assert outcome.orders["reason"].tolist() == [Reason.EXPIRED, Reason.SOLD_OUT, Reason.NOTHING]


def test_a_presale_sells_up_to_its_units_and_is_served_first_come_first_served() -> None:
    """Near has five mugs. Two orders of three wait, the next finds the presale used up; six arrive after two days."""
    scenario = shop(
        "allocation={choice: regional, presale: [{sku: mug, units: 6, lead: 3d}]}",
        "stock={policy: s_S, s: 0, S: 6, review: 1d, lead_time: 1d}",
    )
    outcome, found = played(scenario, {"quantity": 5}, {"quantity": 3}, {"quantity": 3}, {})
    orders = outcome.orders
    assert orders["reason"][3] == Reason.SOLD_OUT
    assert orders["allocated_us"][1:3].tolist() == [2 * DAY_US, 2 * DAY_US]
    assert (orders["promised_us"] - orders["placed_us"])[1:3].tolist() == [3 * DAY_US] * 2
    assert (found["orders_waited"], found["waits"]["waiting_units"]) == (2, 0)
    assert outcome.purchases[0].units == 12  # six that are waited for, and six to be there


def test_the_dispatch_of_a_presale_counts_from_its_promise() -> None:
    """Paid on Monday, due by its end; promised for Thursday and collected on Wednesday, it is in time."""
    stock = "stock={policy: s_S, s: 0, S: 6, review: 1d, lead_time: 1d}"
    for lead, late in (("3d", 0), ("0", 1)):
        scenario = shop(f"allocation={{choice: regional, presale: [{{sku: mug, units: 6, lead: {lead}}}]}}", stock)
        outcome, found = played(scenario, {"quantity": 5}, {"quantity": 3})
        assert outcome.parcels["collected_us"].tolist() == [18 * HOUR_US, 2 * DAY_US + 18 * HOUR_US]
        assert found["late_dispatch"]["orders_late"] == late
        assert found["contribution"]["late_dispatch_minor"] == -150 * late


def test_who_waits_in_vain_is_cancelled_and_refunded() -> None:
    scenario = shop("allocation={choice: regional, max_wait: 4d, presale: [{sku: mug, units: 6}]}")
    outcome, found = played(scenario, {"quantity": 5}, {"quantity": 3})
    assert outcome.orders["reason"].tolist() == [Reason.NOTHING, Reason.NOT_SUPPLIED]
    assert outcome.orders["closed_us"][1] - outcome.orders["placed_us"][1] in range(4 * DAY_US, 4 * DAY_US + 1_000_000)
    assert (found["orders_not_supplied"], found["refunded_minor"]) == (1, 3000)
    assert found["seller_cancels"]["orders_cancelled"] == 1
    assert (found["waits"]["mean_h"], found["stock"]["available_units"]) == (None, 15)


def test_units_that_nobody_waits_for_go_to_whoever_comes() -> None:
    """Three are waited for; two come back from a hold that ended: too few to serve it, so the next buyer has them."""
    scenario = shop("allocation={choice: regional, presale: [{sku: mug, units: 6}]}")
    unpaid, later = {"quantity": 2, "pay_delay_us": NEVER}, {"quantity": 2, "time_us": 20 * MINUTE_US}
    outcome, _ = played(scenario, unpaid, {"quantity": 3}, {"quantity": 3}, later)
    assert outcome.orders["allocated_us"].tolist() == [-1] * 4
    assert outcome.orders["state"][3] == State.COMPLETED


def test_movements_of_stock_tell_when_a_waiting_order_took_its_units() -> None:
    scenario = shop(
        "allocation={choice: regional, presale: [{sku: mug, units: 6, lead: 3d}]}",
        "stock={policy: s_S, s: 0, S: 6, review: 1d, lead_time: 1d}",
    )
    trace = tiny_trace(
        scenario, [{**PAID_IN_A_MINUTE, "quantity": 5}, {**PAID_IN_A_MINUTE, "quantity": 3, "time_us": 9}]
    )
    outcome = simulate(scenario, trace)
    taken = [(at, units) for moves in StockMoves(scenario, trace, outcome).available()
             for at, units in zip(moves.time_us.tolist(), moves.units.tolist(), strict=True) if units < 0]  # fmt: skip
    assert taken == [(outcome.orders["placed_us"][0], -5), (2 * DAY_US, -3)]


@pytest.mark.parametrize(
    ("override", "told"),
    [
        ("allocation={choice: central}", "needs the warehouse that is asked first"),
        ("allocation={choice: central, warehouse: nera}", "did you mean 'near'?"),
        ("allocation={warehouse: near}", "choice nearest takes no warehouse"),
        ("regions[0].allocation={choice: central}", "needs the warehouse that is asked first"),
        ("allocation.presale=[{sku: mgu, units: 1}]", "did you mean 'mug'?"),
        ("allocation.presale=[{sku: mug, units: 1}, {sku: mug, units: 2}]", "presale 0 is of this SKU already"),
        ("allocation.reserves=[{sku: mug, units: {near: 6}}]", "the reserves of mug keep 6 units there"),
        ("allocation.reserves=[{sku: mug, units: {near: 3}}, {sku: mug, units: {near: 3}}]", "keep 6 units there"),
        ("allocation.reserves=[{sku: mug, units: {nowhere: 1}}]", "there is no warehouse of this name"),
        ("allocation.reserves=[{sku: mug, units: {near: 1}, broadcast: shwo}]", "did you mean 'show'?"),
    ],
)
def test_an_allocation_that_cannot_be_is_refused(override: str, told: str) -> None:
    with pytest.raises(ScenarioError, match=told.replace("?", r"\?")):
        shop(override)
