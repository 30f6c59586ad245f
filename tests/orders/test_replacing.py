"""Replacements: goods sent again for those that came back, and the money of those where that comes to nothing."""

from __future__ import annotations

import pytest

from sim.orders.commands import (
    AnswerReturn,
    Confirm,
    IssueRefund,
    ReceiveReturn,
    RequestCancellation,
    RequestReturn,
    ShipPackage,
)
from sim.orders.entities import PackageStatus, ReturnType
from sim.orders.events import Refusal
from sim.orders.rules import Rules
from sim.orders.states import State
from tests.orders.shop import DEAL, LAMP, MUG, RUG, Play

COLLECTED, DELIVERED, LOST = PackageStatus.COLLECTED, PackageStatus.DELIVERED, PackageStatus.LOST


def back(play: Play, order_id: int, kind: ReturnType, *lines: tuple[int, int]) -> int:
    """Have goods of an order come back; return the order that replaces them, 0 for none."""
    return_id = play.asked_back(order_id, kind, *lines)
    play.do(AnswerReturn(order_id, return_id, True))
    play.do(ReceiveReturn(order_id, return_id))
    return play.case(order_id).returns[-1].replacement_id


def replaced(play: Play, *wanted: tuple[int, int], **how: int) -> tuple[int, int]:
    """Have all of a delivered order replaced; return it and the order that replaces it."""
    order_id = play.delivered(*wanted or ((LAMP, 2), (RUG, 1)), **how)
    return order_id, back(play, order_id, ReturnType.REPLACEMENT)


def parcel(play: Play, order_id: int, line_no: int, *on: PackageStatus) -> None:
    """Pack a line and let the carrier have it."""
    package_id = play.pack(order_id, line_no)
    play.do(ShipPackage(order_id, package_id))
    play.track(order_id, package_id, COLLECTED, *on)


@pytest.mark.parametrize("initiator", ["buyer", "merchant"])
def test_a_cancelled_replacement_gives_the_money_of_the_first_goods_back(initiator: str) -> None:
    play = Play()
    order_id, new_id = replaced(play)
    assert play.case(new_id).order.replaces_id == order_id
    play.do(RequestCancellation(new_id, initiator))
    assert (play.state(new_id), play.case(order_id).order.refunded_minor) == (State.CANCELLED, 2 * 1290 + 9900)
    assert play.balances() == {}
    play.sweep()
    assert play.do(RequestCancellation(new_id, initiator))[0].code == Refusal.ILLEGAL_TRANSITION


def test_a_replacement_that_is_not_dispatched_gives_the_money_back() -> None:
    play = Play()
    order_id, new_id = replaced(play)
    play.do(Confirm(new_id))
    play.wait(Rules().ready_within_us)
    play.sweep()
    (refund,) = play.case(order_id).refunds
    assert (play.state(new_id), refund.amount_minor, refund.cause) == (
        State.CANCELLED,
        2 * 1290 + 9900,
        "auto_cancelled",
    )


def test_what_is_lost_of_a_replacement_is_refunded_and_the_rest_is_not() -> None:
    play = Play()
    order_id, new_id = replaced(play)
    play.do(Confirm(new_id))
    parcel(play, new_id, 1, LOST)
    parcel(play, new_id, 2, DELIVERED)
    assert (play.state(new_id), play.case(order_id).order.refunded_minor) == (State.DELIVERED, 2 * 1290)


def test_a_replacement_of_which_all_is_lost_is_refunded_at_the_prices_that_were_paid() -> None:
    play = Play()
    order_id, new_id = replaced(play, (LAMP, 2), deal=DEAL)
    play.do(Confirm(new_id))
    parcel(play, new_id, 1, LOST)
    assert (play.state(new_id), play.case(order_id).order.refunded_minor) == (State.CANCELLED, 2 * 990)


def test_only_what_came_back_is_refunded_and_never_more_than_is_left() -> None:
    play = Play()
    order_id = play.delivered((LAMP, 2), (MUG, 3))
    first = back(play, order_id, ReturnType.REPLACEMENT, (2, 2))
    play.do(RequestCancellation(first, "buyer"))
    assert play.case(order_id).order.refunded_minor == 2 * 455
    second = back(play, order_id, ReturnType.REPLACEMENT, (1, 2))
    play.do(IssueRefund(order_id, 2000, "GBP"))
    play.do(RequestCancellation(second, "buyer"))
    assert play.case(order_id).order.refunded_minor == play.case(order_id).order.captured_minor


def test_a_replacement_that_comes_back_is_refunded_or_replaced_again_from_the_order_that_was_paid() -> None:
    play = Play()
    order_id, second = replaced(play)
    play.do(Confirm(second))
    parcel(play, second, 1, DELIVERED)
    parcel(play, second, 2, DELIVERED)
    back(play, second, ReturnType.RETURN_AND_REFUND, (1, 1))
    assert play.case(order_id).order.refunded_minor == 1290
    third = back(play, second, ReturnType.REPLACEMENT)
    assert play.case(third).order.replaces_id == order_id
    play.do(RequestCancellation(third, "buyer"))
    assert (play.case(order_id).order.refunded_minor, play.balances()) == (2 * 1290 + 9900, {})
    assert play.refusal(RequestReturn(second, ReturnType.REFUND)) == Refusal.INVALID


def test_money_of_a_replacement_goes_back_even_when_the_first_order_is_completed() -> None:
    play = Play()
    order_id, new_id = replaced(play)
    play.wait(Rules().return_window_us)
    play.sweep()
    assert play.state(order_id) == State.COMPLETED
    order = play.case(order_id).order
    assert (play.state(new_id), order.refunded_minor) == (State.AWAITING_SHIPMENT, 0)
    play.sweep()
    order = play.case(order_id).order
    assert (play.state(new_id), order.refunded_minor, order.due_us) == (State.CANCELLED, order.captured_minor, 0)


def test_goods_that_come_back_to_be_sold_again_are_in_stock_for_what_replaces_them() -> None:
    play = Play()
    order_id = play.delivered((RUG, 5))
    return_id = play.asked_back(order_id, ReturnType.REPLACEMENT)
    play.do(AnswerReturn(order_id, return_id, True))
    assert play.stock(RUG) == (0, 0, 0, 0, 0)
    play.do(ReceiveReturn(order_id, return_id, True))
    assert play.stock(RUG) == (5, 0, 5, 0, 0), "on hand, and on their way out again"
    assert play.case(order_id).returns[-1].replacement_id
    assert play.refusal(ReceiveReturn(order_id, return_id, True)) == Refusal.ALREADY_ANSWERED, "no unit comes in twice"
