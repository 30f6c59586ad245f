"""After delivery: the three kinds of return, replacements, refunds in parts, and the end of the window."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.orders.commands import (
    AdjustInventory,
    AnswerReturn,
    Elapse,
    IssueRefund,
    PlaceOrder,
    ReceiveReturn,
    RequestCancellation,
    RequestReturn,
    ShipPackage,
    ShipReturn,
    Wanted,
)
from sim.orders.entities import PackageStatus, RequestStatus, ReturnType
from sim.orders.events import Refusal
from sim.orders.money import BUYERS
from sim.orders.rules import Rules
from sim.orders.states import Reason, State
from tests.orders.shop import LAMP, MUG, RUG, SET, Play, catalogue

REFUND, BACK, REPLACE = ReturnType.REFUND, ReturnType.RETURN_AND_REFUND, ReturnType.REPLACEMENT


def status(play: Play, order_id: int, return_id: int) -> RequestStatus:
    return next(request.status for request in play.case(order_id).returns if request.id == return_id)


def test_money_alone_is_paid_when_it_is_granted() -> None:
    play = Play()
    order_id = play.delivered((LAMP, 2), (MUG, 1))
    return_id = play.asked_back(order_id, REFUND, (1, 1))
    play.do(AnswerReturn(order_id, return_id, True))
    order = play.case(order_id).order
    assert (order.refunded_minor, order.return_id, order.reason) == (1290, 0, Reason.REFUNDED)
    assert status(play, order_id, return_id) == RequestStatus.COMPLETED
    assert play.stock(LAMP) == (8, 0, 0, 0, 8)


def test_units_whose_money_went_back_are_not_refunded_again() -> None:
    play = Play()
    order_id = play.delivered((LAMP, 2), (MUG, 1))
    play.do(AnswerReturn(order_id, play.asked_back(order_id, REFUND, (1, 2)), True))
    for kind in ReturnType:
        assert play.refusal(RequestReturn(order_id, kind, ((1, 1),))) == Refusal.INVALID
    play.do(AnswerReturn(order_id, play.asked_back(order_id, REFUND), True))
    assert play.case(order_id).order.refunded_minor == 2 * 1290 + 455
    assert play.refusal(RequestReturn(order_id, REFUND)) == Refusal.INVALID


def test_goods_come_back_before_the_money_goes() -> None:
    play = Play()
    order_id = play.delivered((SET, 2))
    return_id = play.asked_back(order_id, BACK, (1, 1))
    play.do(AnswerReturn(order_id, return_id, True))
    assert play.case(order_id).order.refunded_minor == 0
    play.do(ReceiveReturn(order_id, return_id))
    order = play.case(order_id).order
    assert (order.refunded_minor, order.reason, order.state) == (1999, Reason.RETURNED, State.DELIVERED)
    assert (play.stock(LAMP)[0], play.stock(MUG)[0]) == (9, 10), "on the shelf at once, all parts of the set"
    assert play.case(order_id).lines[0].returned == 1
    assert play.refusal(RequestReturn(order_id, BACK, ((1, 2),))) == Refusal.INVALID


def test_goods_that_cannot_be_sold_again_are_refunded_but_not_restocked() -> None:
    play = Play()
    order_id = play.delivered((LAMP, 1))
    return_id = play.asked_back(order_id, BACK)
    play.do(AnswerReturn(order_id, return_id, True))
    play.do(ReceiveReturn(order_id, return_id, restock=False))
    assert (play.stock(LAMP)[0], play.case(order_id).order.refunded_minor) == (9, 1290)


def test_a_replacement_is_an_order_of_its_own_paid_with_nothing() -> None:
    play = Play()
    order_id = play.delivered((LAMP, 2), (RUG, 1))
    return_id = play.asked_back(order_id, REPLACE, (1, 1))
    play.do(AnswerReturn(order_id, return_id, True))
    before = play.balances()
    play.do(ReceiveReturn(order_id, return_id, restock=False))
    (request,) = play.case(order_id).returns
    new = play.case(request.replacement_id)
    assert (new.order.state, new.order.total_minor, new.order.captured_minor) == (State.ON_HOLD, 0, 0)
    assert [(line.sku_id, line.quantity) for line in new.lines] == [(LAMP, 1)]
    assert play.balances() == before
    assert play.stock(LAMP) == (8, 0, 1, 0, 7)
    play.do(RequestCancellation(new.order.id, "buyer"))
    assert play.state(new.order.id) == State.CANCELLED


def test_a_replacement_waits_until_there_are_goods() -> None:
    play = Play()
    order_id = play.delivered((LAMP, 1))
    play.place((LAMP, 9))
    return_id = play.asked_back(order_id, REPLACE)
    play.do(AnswerReturn(order_id, return_id, True))
    play.do(ReceiveReturn(order_id, return_id, False))  # they came unannounced
    assert status(play, order_id, return_id) == RequestStatus.BUYER_SHIPPED
    assert play.refusal(ReceiveReturn(order_id, return_id, False)) == Refusal.INSUFFICIENT_STOCK
    play.do(AdjustInventory(LAMP, 1, "received"))
    play.do(ReceiveReturn(order_id, return_id, False))
    assert status(play, order_id, return_id) == RequestStatus.COMPLETED


def test_goods_that_came_unannounced_and_cannot_be_replaced_are_refunded_in_time() -> None:
    play = Play()
    order_id = play.delivered((LAMP, 1))
    play.place((LAMP, 9))
    return_id = play.asked_back(order_id, REPLACE)
    play.do(AnswerReturn(order_id, return_id, True))
    play.do(ReceiveReturn(order_id, return_id, False))
    play.now_us = play.case(order_id).returns[0].receive_by_us
    play.do(Elapse(order_id))
    assert status(play, order_id, return_id) == RequestStatus.COMPLETED
    assert play.case(order_id).order.refunded_minor == 1290


def test_returns_are_refused_where_there_is_nothing_to_return() -> None:
    play = Play()
    delivered, moving = play.delivered((LAMP, 2)), play.collected()
    assert play.refusal(RequestReturn(999, BACK)) == Refusal.NOT_FOUND
    assert play.refusal(RequestReturn(moving, BACK)) == Refusal.ILLEGAL_TRANSITION
    for lines in (((1, 3),), ((1, 0),), ((2, 1),), ((1, 1), (1, 1)), ((1, -1),)):
        assert play.refusal(RequestReturn(delivered, BACK, lines)) == Refusal.INVALID
    play.asked_back(delivered, BACK, (1, 1))
    assert play.refusal(RequestReturn(delivered, BACK, ((1, 1),))) == Refusal.REQUEST_OPEN


def test_a_lost_line_cannot_come_back() -> None:
    play = Play()
    order_id = play.confirmed((LAMP, 1), (MUG, 1))
    for line_no, end in ((1, PackageStatus.LOST), (2, PackageStatus.DELIVERED)):
        package_id = play.pack(order_id, line_no)
        play.do(ShipPackage(order_id, package_id))
        play.track(order_id, package_id, PackageStatus.COLLECTED, end)
    assert play.refusal(RequestReturn(order_id, BACK, ((1, 1),))) == Refusal.INVALID
    play.asked_back(order_id, BACK)
    assert play.case(order_id).returns[0].lines == "[[2, 1]]"


def test_the_window_for_returns_closes() -> None:
    play = Play()
    order_id = play.delivered()
    play.wait(Rules().return_window_us - 1)
    play.do(AnswerReturn(order_id, play.asked_back(order_id, REFUND), False))
    play.wait(1)
    assert play.refusal(RequestReturn(order_id, REFUND)) == Refusal.WINDOW_CLOSED
    play.sweep()
    assert play.state(order_id) == State.COMPLETED
    assert play.refusal(RequestReturn(order_id, REFUND)) == Refusal.WINDOW_CLOSED


def test_a_return_is_answered_once_and_received_once() -> None:
    play = Play()
    order_id = play.delivered()
    return_id = play.asked_back(order_id, BACK)
    for command in (AnswerReturn(999, return_id, True), AnswerReturn(order_id, 999, True)):
        assert play.refusal(command) == Refusal.NOT_FOUND
    for early in (ReceiveReturn(999, return_id), ReceiveReturn(order_id, 999)):
        assert play.refusal(early) == Refusal.NOT_FOUND
    assert play.refusal(ReceiveReturn(order_id, return_id)) == Refusal.ALREADY_ANSWERED
    play.do(AnswerReturn(order_id, return_id, True))
    assert play.refusal(AnswerReturn(order_id, return_id, False)) == Refusal.ALREADY_ANSWERED
    play.do(ReceiveReturn(order_id, return_id))
    assert play.refusal(ReceiveReturn(order_id, return_id)) == Refusal.ALREADY_ANSWERED


def test_an_unanswered_return_is_granted_and_one_whose_goods_were_never_sent_is_closed() -> None:
    play = Play()
    order_id = play.delivered()
    return_id = play.asked_back(order_id, BACK)
    play.wait(Rules().return_answer_us)
    play.sweep()
    assert status(play, order_id, return_id) == RequestStatus.APPROVED
    play.wait(Rules().return_ship_us)
    play.sweep()
    assert (status(play, order_id, return_id), play.state(order_id)) == (RequestStatus.REJECTED, State.DELIVERED)
    play.sweep()
    assert (play.state(order_id), play.case(order_id).order.refunded_minor) == (State.COMPLETED, 0)


def sent(play: Play, kind: ReturnType, *wanted: tuple[int, int]) -> tuple[int, int]:
    """Have an order delivered of which all is on its way back; return it and the return."""
    order_id = play.delivered(*wanted)
    return_id = play.asked_back(order_id, kind)
    play.do(AnswerReturn(order_id, return_id, True))
    (shipped,) = play.do(ShipReturn(order_id, return_id, "1Z9"))
    request = shipped.request
    assert (request.status, request.tracking_number) == (RequestStatus.BUYER_SHIPPED, "1Z9")
    assert (request.shipped_us, request.receive_by_us) == (play.now_us, play.now_us + Rules().return_receive_us)
    return order_id, return_id


def test_goods_that_are_on_their_way_back_are_taken_in_by_the_merchant() -> None:
    play = Play()
    order_id, return_id = sent(play, BACK)
    play.wait(Rules().return_ship_us)
    assert play.sweep() == 0, "they were sent in time"
    play.do(ReceiveReturn(order_id, return_id))
    assert (status(play, order_id, return_id), play.case(order_id).order.refunded_minor) == (
        RequestStatus.COMPLETED,
        1290,
    )
    assert play.stock(LAMP)[0] == 10


def test_goods_that_the_merchant_does_not_take_in_count_as_received_in_time_and_are_not_restocked() -> None:
    play = Play()
    order_id, return_id = sent(play, BACK, (LAMP, 2))
    play.wait(Rules().return_receive_us - 1)
    assert play.sweep() == 0
    play.wait(1)
    play.sweep()
    order = play.case(order_id).order
    assert (status(play, order_id, return_id), order.refunded_minor) == (RequestStatus.COMPLETED, 2 * 1290)
    assert (order.return_id, order.reason, play.stock(LAMP)[0]) == (0, Reason.RETURNED, 8)
    assert play.refusal(ReceiveReturn(order_id, return_id)) == Refusal.ALREADY_ANSWERED


@pytest.mark.parametrize("in_stock", [True, False])
def test_goods_to_be_replaced_that_nobody_takes_in_are_replaced_or_else_refunded(in_stock: bool) -> None:
    play = Play()
    order_id, return_id = sent(play, REPLACE)
    if not in_stock:
        play.place((LAMP, 9))
    play.wait(Rules().return_receive_us)
    assert play.do(Elapse(order_id))
    (request,) = play.case(order_id).returns
    assert (request.id, request.status) == (return_id, RequestStatus.COMPLETED)
    assert bool(request.replacement_id) == in_stock
    assert play.case(order_id).order.refunded_minor == (0 if in_stock else 1290)


def test_only_goods_that_should_come_back_are_sent_and_only_once() -> None:
    play = Play()
    order_id = play.delivered()
    return_id = play.asked_back(order_id, BACK)
    assert play.refusal(ShipReturn(999, return_id)) == Refusal.NOT_FOUND
    assert play.refusal(ShipReturn(order_id, 999)) == Refusal.NOT_FOUND
    assert play.refusal(ShipReturn(order_id, return_id)) == Refusal.ALREADY_ANSWERED
    play.do(AnswerReturn(order_id, return_id, True))
    play.do(ShipReturn(order_id, return_id))
    assert play.refusal(ShipReturn(order_id, return_id)) == Refusal.ALREADY_ANSWERED
    assert play.refusal(AnswerReturn(order_id, return_id, False)) == Refusal.ALREADY_ANSWERED
    assert play.refusal(RequestReturn(order_id, BACK)) == Refusal.REQUEST_OPEN


def test_a_refund_is_refused_of_nothing_too_much_or_in_other_money() -> None:
    play = Play()
    order_id = play.paid()
    assert play.refusal(IssueRefund(999, 1, "GBP")) == Refusal.NOT_FOUND
    assert play.refusal(IssueRefund(order_id, 1, "EUR")) == Refusal.CURRENCY_MISMATCH
    assert play.refusal(IssueRefund(order_id, 1291, "GBP")) == Refusal.REFUND_EXCEEDS_CAPTURED
    for amount in (0, -5):
        assert play.refusal(IssueRefund(order_id, amount, "GBP")) == Refusal.INVALID
    assert play.refusal(IssueRefund(play.place(), 1, "GBP")) == Refusal.REFUND_EXCEEDS_CAPTURED


def test_an_order_has_so_many_refunds_and_returns_and_no_more() -> None:
    play = Play(catalogue(Rules(max_refunds=2, max_returns=1)))
    order_id = play.delivered()
    for _ in range(2):
        play.do(IssueRefund(order_id, 1, "GBP"))
    assert play.refusal(IssueRefund(order_id, 1, "GBP")) == Refusal.LIMIT_REACHED
    return_id = play.asked_back(order_id, BACK)
    play.do(AnswerReturn(order_id, return_id, False))
    assert play.refusal(RequestReturn(order_id, BACK)) == Refusal.LIMIT_REACHED


def test_what_must_go_back_goes_back_however_many_refunds_there_were() -> None:
    play = Play(catalogue(Rules(max_refunds=1)))
    order_id = play.paid()
    play.do(IssueRefund(order_id, 1, "GBP"))
    play.do(RequestCancellation(order_id, "buyer"))
    assert (play.case(order_id).order.refunded_minor, play.balances()) == (1290, {})


@given(st.lists(st.integers(1, 9000), max_size=12))
def test_refunds_in_any_parts_end_at_exactly_what_was_credited(amounts: list[int]) -> None:
    play = Play()
    order_id = play.paid((LAMP, 1), (RUG, 1), (MUG, 3))
    credited = play.balances()
    total = play.case(order_id).order.captured_minor
    for amount in amounts:
        left = total - play.case(order_id).order.refunded_minor
        if amount <= left:
            play.do(IssueRefund(order_id, amount, "GBP"))
            balances = play.balances()
            rest = {key: value for key, value in balances.items() if key[0] != BUYERS}
            assert all(0 <= value <= credited[key] for key, value in rest.items())
            assert sum(rest.values()) == left - amount
    play.do(RequestCancellation(order_id, "buyer"))
    assert play.balances() == {}
    assert sum(refund.amount_minor for refund in play.case(order_id).refunds) == total


@pytest.mark.parametrize("kind", [REFUND, BACK])
def test_a_return_never_refunds_more_than_is_left(kind: ReturnType) -> None:
    play = Play()
    order_id = play.delivered((LAMP, 1))
    play.do(IssueRefund(order_id, 1000, "GBP"))
    return_id = play.asked_back(order_id, kind)
    play.do(AnswerReturn(order_id, return_id, True))
    if kind == BACK:
        play.do(ReceiveReturn(order_id, return_id))
    assert (play.case(order_id).order.refunded_minor, play.balances()) == (1290, {})


def test_restocked_units_can_be_bought_at_once() -> None:
    play = Play()
    order_id = play.delivered((RUG, 5))
    assert play.refusal(PlaceOrder("bob", (Wanted(RUG, 1),))) == Refusal.INSUFFICIENT_STOCK
    return_id = play.asked_back(order_id, BACK, (1, 2))
    play.do(AnswerReturn(order_id, return_id, True))
    play.do(ReceiveReturn(order_id, return_id))
    play.place((RUG, 2), buyer="bob")
    assert play.stock(RUG) == (2, 2, 0, 0, 0)
