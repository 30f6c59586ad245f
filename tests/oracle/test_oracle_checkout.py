"""The oracle's checkout, worked out by hand: shelves, deals, stock, second choices."""

from __future__ import annotations

from typing import Any

from sim.demand.trace import NEVER
from sim.orders.states import Reason, State
from tests.oracle.build import tiny_scenario, tiny_trace
from tests.oracle.model import Outcome, run

MUG = {"name": "mug", "price": "10.00 GBP", "stock": {"main": 10}}
PEN = {"name": "pen", "price": "2.00 GBP", "stock": {"main": 5}}


def show(carts: list[dict[str, Any]], **parts: Any) -> Outcome:
    """Run a tiny scenario with ten workers and a long hold, whose buyers do not pay."""
    parts = {"engine": {"workers": 10}, "payment": {"hold_window": "2ms"}, **parts}
    scenario = tiny_scenario(**parts)
    return run(scenario, tiny_trace(scenario, [{"pay_delay_us": NEVER, **cart} for cart in carts]))


def programme(*deals: dict[str, Any]) -> dict[str, Any]:
    """A broadcast with deals on the mug that open at once."""
    whole = [
        {"sku": "mug", "at": 0, "countdown": 0, "duration": "10us", "price": "7.00 GBP", "units": 3, **deal}
        for deal in deals
    ]
    entries = [{"at": 0, "per_min": 1}]
    return {"broadcasts": [{"name": "show", "start": 0, "length": "1h", "entries": entries, "deals": whole}]}


def test_the_last_unit_is_sold_once() -> None:
    outcome = show([{}, {}], catalogue=[{**MUG, "stock": {"main": 1}}])
    assert outcome.orders["reason"] == [Reason.NOTHING, Reason.SOLD_OUT]
    assert outcome.orders["checkout_response_us"] == [1, 1]
    assert outcome.stock[0, 0]["held"] == 1
    assert outcome.stock[0, 0]["available"] == 0


def test_a_listing_is_sold_while_on_its_shelf() -> None:
    catalogue = [{**MUG, "shelf": [{"on": "2us", "off": "4us"}]}]
    outcome = show([{"checkout_us": time_us} for time_us in (1, 2, 3, 4)], catalogue=catalogue)
    off = Reason.OFF_SHELF
    assert outcome.orders["reason"] == [off, Reason.NOTHING, Reason.NOTHING, off]


def test_a_deal_has_a_window_units_and_a_limit_a_buyer() -> None:
    carts = [
        {"deal": 0, "buyer": 7, "quantity": 2},
        {"deal": 0, "buyer": 7, "time_us": 1},
        {"deal": 0, "buyer": 8, "quantity": 2, "time_us": 2},
        {"deal": 0, "buyer": 8, "time_us": 3},
        {"deal": 0, "buyer": 9, "time_us": 9},
    ]
    outcome = show(carts, programme=programme({"per_buyer": 2}))
    assert outcome.orders["reason"] == [
        Reason.NOTHING,
        Reason.PURCHASE_LIMIT,
        Reason.DEAL_SOLD_OUT,
        Reason.NOTHING,
        Reason.DEAL_CLOSED,  # the effect is at 10
    ]
    assert outcome.deal_left == [0]


def test_lines_before_it_in_the_cart_count() -> None:
    lines = [{"deal": 0}, {"deal": 0}]
    assert show([{"lines": lines}], programme=programme({"per_buyer": 1})).orders["reason"] == [Reason.PURCHASE_LIMIT]
    outcome = show([{"lines": lines}], programme=programme({"per_buyer": 5, "units": 1}))
    assert outcome.orders["reason"] == [Reason.DEAL_SOLD_OUT]


def test_the_sweep_gives_a_deal_back() -> None:
    carts = [{"deal": 0, "buyer": 7}, {"deal": 0, "buyer": 7, "time_us": 4}, {"deal": 0, "buyer": 7, "time_us": 5}]
    payment = {"hold_window": "5us", "sweep": "3us"}
    outcome = show(carts, programme=programme({"units": 1}), payment=payment, horizon="8us")
    # The hold ends at 6 and is swept there and then, before the effect of the third cart at 6.
    assert outcome.orders["reason"] == [Reason.EXPIRED, Reason.DEAL_SOLD_OUT, Reason.NOTHING]
    assert outcome.orders["closed_us"] == [6, -1, -1]
    assert outcome.deal_left == [0]


def test_any_line_refuses_the_whole_cart() -> None:
    lines = [{"sku": 0, "quantity": 3}, {"sku": 1, "quantity": 6}]
    outcome = show([{"lines": lines}], catalogue=[MUG, PEN])
    assert outcome.orders["reason"] == [Reason.SOLD_OUT]
    assert [outcome.stock[sku, 0]["available"] for sku in (0, 1)] == [10, 5]


def test_a_refused_buyer_takes_the_second_choice_without_the_deal() -> None:
    carts = [{"deal": 0, "second_sku": 1, "checkout_us": 11}]
    outcome = show(
        carts, catalogue=[MUG, PEN], programme=programme({}), funnel={"second_choice_delay": "4us"}, horizon="60us"
    )
    # Refused and answered at 11; the second round begins at 15 and ends at 26.
    orders = outcome.orders
    assert (orders["first_refusal"], orders["second"], orders["reason"]) == ([Reason.DEAL_CLOSED], [1], [0])
    assert (orders["placed_us"], orders["checkout_response_us"]) == ([26], [11])
    assert outcome.stock[1, 0]["held"] == 1
    assert outcome.met["second_placed"] == 1


def test_only_the_refused_line_is_replaced_and_only_once() -> None:
    lines = [{"sku": 0, "second_sku": 0}, {"sku": 1, "quantity": 6, "second_sku": 1}]
    outcome = show([{"lines": lines}], catalogue=[MUG, PEN], funnel={"second_choice_delay": "4us"})
    orders = outcome.orders
    assert (orders["first_refusal"], orders["reason"]) == ([Reason.SOLD_OUT], [Reason.SOLD_OUT])
    assert (orders["state"], orders["short_line"]) == ([State.NONE], [1])


def test_the_line_that_a_cart_is_refused_for_in_the_end_may_be_another_than_the_first() -> None:
    lines = [{"sku": 0, "deal": 0, "second_sku": 1}, {"sku": 1, "quantity": 6}]
    outcome = show(
        [{"lines": each, "checkout_us": 11} for each in (lines, lines[:1], lines[1:])],
        catalogue=[MUG, PEN],
        programme=programme({}),
        funnel={"second_choice_delay": "4us"},
    )
    orders = outcome.orders
    assert orders["first_refusal"] == [Reason.DEAL_CLOSED, Reason.DEAL_CLOSED, Reason.NOTHING]
    assert orders["reason"] == [Reason.SOLD_OUT, Reason.NOTHING, Reason.SOLD_OUT]
    assert orders["short_line"] == [1, -1, 0]


HOUSES = [{"name": name, "cut_off": 0, "pick_ups": [{"at": "18:00"}]} for name in ("near", "far")]


def test_the_nearest_warehouse_that_has_everything_serves_it() -> None:
    mug = {**MUG, "stock": {"near": 2, "far": 3}}
    outcome = show([{"quantity": 3}], catalogue=[mug], warehouses=HOUSES, lanes=[])
    assert [outcome.stock[0, house]["held"] for house in (0, 1)] == [0, 3]


def test_a_cart_is_split_when_no_warehouse_has_it_all() -> None:
    mug = {**MUG, "stock": {"near": 2, "far": 2}}
    carts = [{"lines": [{"quantity": 1}, {"quantity": 2}], "pay_delay_us": 0}]
    outcome = show(carts, catalogue=[mug], warehouses=HOUSES, lanes=[], horizon="200us")
    assert [outcome.stock[0, house]["shipped"] for house in (0, 1)] == [2, 1]
    assert [row[:5] for row in outcome.parcels] == [(0, 0, 9, 10, 100), (0, 1, 9, 10, 100)]
    assert (outcome.orders["parcels"], outcome.met["split"]) == ([2], 1)


def test_a_bundle_takes_its_components() -> None:
    kit = {"name": "kit", "price": "11.00 GBP", "bundle": [{"sku": "mug", "units": 2}, {"sku": "pen"}]}
    outcome = show([{"sku": 2, "quantity": 2}, {"sku": 2, "quantity": 4}], catalogue=[MUG, PEN, kit])
    assert [outcome.stock[sku, 0]["held"] for sku in (0, 1, 2)] == [4, 2, 0]
    assert outcome.orders["reason"] == [Reason.NOTHING, Reason.SOLD_OUT]


def test_a_bundle_and_its_component_in_one_cart_share_the_stock() -> None:
    kit = {"name": "kit", "price": "11.00 GBP", "bundle": [{"sku": "pen", "units": 2}]}
    lines = [{"sku": 2, "quantity": 2}, {"sku": 1, "quantity": 2}]
    assert show([{"lines": lines}], catalogue=[MUG, PEN, kit]).orders["reason"] == [Reason.SOLD_OUT]


def test_orders_refill_the_stock_by_s_and_big_s() -> None:
    policy = {"policy": "s_S", "s": 3, "S": 6, "review": "10us", "lead_time": "7us"}
    carts = [{"quantity": 2}, {"quantity": 4, "time_us": 15}, {"quantity": 4, "time_us": 16}]
    outcome = show(carts, catalogue=[{**MUG, "stock": {"main": 5}}], stock=policy, horizon="20us")
    # Available 3 at 10: 3 are ordered, there at 17, before the effect of the third cart at 17.
    assert outcome.stock[0, 0]["received"] == 3
    assert outcome.orders["reason"] == [Reason.NOTHING, Reason.SOLD_OUT, Reason.NOTHING]
