"""Checkout: what a cart becomes, and every reason for which it does not."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from sim.orders.commands import AdjustInventory, PlaceOrder, SetInventory, Wanted
from sim.orders.entities import RoomStatus
from sim.orders.events import Refusal, Refused
from sim.orders.placing import MAX_TOTAL_MINOR
from sim.orders.rules import Rules
from sim.orders.states import State
from sim.orders.stock import Phase
from tests.orders.shop import (
    ATTIC,
    DARK_ROOM,
    DEAL,
    LAMP,
    LATER_DEAL,
    MUG,
    ROOM,
    ROOM_DEAL,
    RUG,
    SET,
    START_US,
    TASSE,
    Play,
    catalogue,
)


def cart(*wanted: tuple[Any, ...], **how: Any) -> PlaceOrder:
    return PlaceOrder("ann", tuple(Wanted(*each) for each in wanted), **how)


def test_a_cart_becomes_an_unpaid_order_that_holds_its_units_until_its_time() -> None:
    play = Play()
    order_id = play.place((LAMP, 2), (MUG, 1))
    order = play.case(order_id).order
    assert (order.state, order.total_minor, order.currency, order.seq) == (State.UNPAID, 2 * 1290 + 455, "GBP", 1)
    assert order.pay_by_us == order.due_us == START_US + Rules().pay_window_us
    assert play.stock(LAMP) == (10, 2, 0, 0, 8)
    assert [line.phase for line in play.case(order_id).lines] == [Phase.HELD, Phase.HELD]


def test_a_bundle_holds_its_parts() -> None:
    play = Play()
    play.place((SET, 3), (LAMP, 1))
    assert play.stock(LAMP) == (10, 4, 0, 0, 6)
    assert play.stock(MUG) == (12, 6, 0, 0, 6)


REFUSALS = {
    "no lines": (cart(), Refusal.INVALID),
    "no units": (cart((LAMP, 0)), Refusal.INVALID),
    "less than no units": (cart((LAMP, -1)), Refusal.INVALID),
    "more units than there are anywhere": (cart((LAMP, Rules().max_quantity + 1)), Refusal.INVALID),
    "an unknown SKU": (cart((LAMP, 1), (999, 1)), Refusal.UNKNOWN_SKU),
    "a product that is not on the shelf": (cart((ATTIC, 1)), Refusal.OFF_SHELF),
    "another price than the buyer saw": (cart((LAMP, 1, 1289)), Refusal.PRICE_CHANGED),
    "the list price of a deal's unit": (cart((LAMP, 1, 1290), deal_id=DEAL), Refusal.PRICE_CHANGED),
    "two currencies": (cart((LAMP, 1), (TASSE, 1)), Refusal.CURRENCY_MISMATCH),
    "one unit too many": (cart((LAMP, 11)), Refusal.INSUFFICIENT_STOCK),
    "units that a bundle of the same cart takes": (cart((SET, 6), (MUG, 1)), Refusal.INSUFFICIENT_STOCK),
    "a deal that is not known": (cart((LAMP, 1), deal_id=999), Refusal.DEAL_CLOSED),
    "a deal for another SKU": (cart((MUG, 1), deal_id=DEAL), Refusal.DEAL_CLOSED),
    "a deal that has not begun": (cart((RUG, 1), deal_id=LATER_DEAL), Refusal.DEAL_CLOSED),
    "a deal of a room where the buyer is not": (cart((MUG, 1), deal_id=ROOM_DEAL), Refusal.NOT_LIVE),
    "a deal from another room": (cart((MUG, 1), deal_id=ROOM_DEAL, room_id=DARK_ROOM), Refusal.NOT_LIVE),
    "more units than a deal has": (cart((LAMP, 6), deal_id=DEAL), Refusal.DEAL_SOLD_OUT),
    "more units than a buyer may have": (cart((LAMP, 3), deal_id=DEAL), Refusal.PURCHASE_LIMIT),
    # The shelf is looked at before the deal, as in the simulation.
    "off the shelf, and no deal either": (cart((ATTIC, 1), deal_id=999), Refusal.OFF_SHELF),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_a_cart_is_refused_for(name: str) -> None:
    command, code = REFUSALS[name]
    assert Play().refusal(command) == code


def test_a_cart_with_too_many_lines_or_beyond_all_measure_is_refused() -> None:
    play = Play(catalogue(Rules(max_lines=1)))
    assert play.refusal(cart((LAMP, 1), (MUG, 1))) == Refusal.INVALID
    play.world.skus[LAMP] = replace(play.world.skus[LAMP], price_minor=MAX_TOTAL_MINOR)
    assert play.refusal(cart((LAMP, 2))) == Refusal.INVALID


def test_a_refusal_for_stock_names_every_short_line_and_what_is_left() -> None:
    (refused,) = Play().do(cart((LAMP, 11), (RUG, 1), (SET, 7)))
    assert isinstance(refused, Refused)
    assert refused.errors == (
        {"pointer": "/lines/0", "sku_id": str(LAMP), "requested": 11, "available": 10},
        {"pointer": "/lines/2", "sku_id": str(SET), "requested": 7, "available": 6},
    )


def test_equal_lines_share_the_stock() -> None:
    play = Play()
    assert play.refusal(cart((RUG, 3), (RUG, 3))) == Refusal.INSUFFICIENT_STOCK
    play.place((RUG, 3), (RUG, 2))
    assert play.stock(RUG) == (5, 5, 0, 0, 0)


def test_the_last_unit_goes_once() -> None:
    play = Play()
    play.place((TASSE, 4))
    play.place((TASSE, 1))
    assert play.refusal(cart((TASSE, 1))) == Refusal.INSUFFICIENT_STOCK


def test_a_deal_gives_its_price_and_counts_in_all_and_for_the_buyer() -> None:
    play = Play()
    order_id = play.place((LAMP, 2), (MUG, 1), deal=DEAL)
    assert play.case(order_id).order.total_minor == 2 * 990 + 455
    assert play.world.deals[DEAL].used == 2
    assert play.world.deal_buyers[DEAL, "ann"].units == 2
    assert play.refusal(cart((LAMP, 1), deal_id=DEAL)) == Refusal.PURCHASE_LIMIT
    play.place((LAMP, 2), buyer="bob", deal=DEAL)
    assert play.refusal(PlaceOrder("eve", (Wanted(LAMP, 2),), DEAL)) == Refusal.DEAL_SOLD_OUT
    play.place((LAMP, 1), buyer="eve", deal=DEAL)
    assert play.world.deals[DEAL].used == 5


def test_a_deal_is_open_from_its_begin_to_just_before_its_end() -> None:
    play = Play()
    deal = play.world.deals[DEAL]
    outcomes = []
    for at_us in (deal.begin_us - 1, deal.begin_us, deal.end_us - 1, deal.end_us):
        play.now_us = at_us
        (event,) = play.do(PlaceOrder(f"buyer at {at_us}", (Wanted(LAMP, 1),), DEAL))
        outcomes.append(isinstance(event, Refused))
    assert outcomes == [True, False, False, True]


def test_a_deal_of_a_room_holds_while_it_is_live() -> None:
    play = Play()
    play.place((MUG, 1), deal=ROOM_DEAL, room=ROOM)
    play.world.rooms[ROOM] = replace(play.world.rooms[ROOM], status=RoomStatus.ENDED)
    assert play.refusal(cart((MUG, 1), deal_id=ROOM_DEAL, room_id=ROOM)) == Refusal.NOT_LIVE


def test_stock_is_set_and_adjusted_down_to_what_is_reserved() -> None:
    play = Play()
    play.place((LAMP, 4))
    play.do(AdjustInventory(LAMP, 5, "received"))
    play.do(SetInventory(LAMP, 7))
    play.do(AdjustInventory(LAMP, -3))
    assert play.stock(LAMP) == (4, 4, 0, 0, 0)
    assert [(move.kind, move.units) for move in play.world.moves] == [
        ("received", 5),
        ("adjusted", -8),
        ("adjusted", -3),
    ]
    assert play.refusal(AdjustInventory(LAMP, -1)) == Refusal.BELOW_RESERVED
    assert play.refusal(SetInventory(LAMP, 3)) == Refusal.BELOW_RESERVED
    assert play.refusal(SetInventory(LAMP, 9, play.world.stocks[LAMP].version - 1)) == Refusal.VERSION_CHANGED
    assert play.refusal(SetInventory(SET, 3)) == play.refusal(AdjustInventory(999, 3)) == Refusal.NOT_FOUND
    play.do(SetInventory(LAMP, 9, play.world.stocks[LAMP].version))
    assert play.stock(LAMP) == (9, 4, 0, 0, 5)
