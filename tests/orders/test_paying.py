"""Payments: started, captured, declined, told twice, too late, of a wrong amount; and the books behind them."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from sim.orders.commands import Capture, Decline, Elapse, PlaceOrder, RequestCancellation, SettleRefund, StartPayment
from sim.orders.entities import PaymentStatus, RefundStatus
from sim.orders.events import PaymentReturned, Refusal
from sim.orders.money import BUYERS, PLATFORM, SUSPENSE, commission, merchant
from sim.orders.rules import Rules
from sim.orders.states import State
from tests.orders.shop import LAMP, MUG, RUG, Play, catalogue

WINDOW_US = Rules().pay_window_us


def test_a_capture_commits_the_units_and_credits_each_shop_and_the_platform() -> None:
    play = Play()
    order_id = play.paid((LAMP, 1), (MUG, 2), (RUG, 1))
    order = play.case(order_id).order
    assert (order.state, order.captured_minor, order.paid_us) == (State.ON_HOLD, 1290 + 910 + 9900, play.now_us)
    assert play.stock(LAMP) == (10, 0, 1, 0, 9)
    first, second = commission(1290 + 910, 50_000), commission(9900, 123_457)
    assert play.balances() == {
        (BUYERS, "GBP"): -12_100,
        (merchant(1), "GBP"): 2200 - first,
        (merchant(2), "GBP"): 9900 - second,
        (PLATFORM, "GBP"): first + second,
    }


def test_a_decline_keeps_the_hold_and_lets_the_buyer_try_again() -> None:
    play = Play()
    order_id = play.place((LAMP, 1))
    payment_id = play.start(order_id)
    play.do(Decline(order_id, payment_id, "no funds"))
    assert play.state(order_id) == State.UNPAID
    assert play.stock(LAMP) == (10, 1, 0, 0, 9)
    play.capture(order_id, play.start(order_id))
    statuses = [payment.status for payment in play.case(order_id).payments]
    assert statuses == [PaymentStatus.DECLINED, PaymentStatus.CAPTURED]


def test_an_order_has_so_many_attempts_to_pay_and_no_more() -> None:
    play = Play(catalogue(Rules(max_payments=3)))
    order_id = play.place()
    for _ in range(3):
        play.do(Decline(order_id, play.start(order_id)))
    assert play.refusal(StartPayment(order_id)) == Refusal.LIMIT_REACHED
    play.capture(order_id, play.case(order_id).payments[0].id)
    assert play.state(order_id) == State.ON_HOLD, "money that comes all the same is taken"


def test_what_was_declined_may_still_be_captured_in_the_end() -> None:
    play = Play()
    order_id = play.place()
    payment_id = play.start(order_id)
    play.do(Decline(order_id, payment_id))
    play.capture(order_id, payment_id)
    (payment,) = play.case(order_id).payments
    assert (play.state(order_id), payment.status, payment.failure) == (State.ON_HOLD, PaymentStatus.CAPTURED, "")


def test_an_attempt_is_refused_where_none_can_be() -> None:
    play = Play()
    unpaid, paid, cancelled, late = (play.place() for _ in range(4))
    play.start(unpaid)
    play.capture(paid, play.start(paid))
    play.do(RequestCancellation(cancelled, "buyer"))
    assert play.refusal(StartPayment(999)) == Refusal.NOT_FOUND
    assert play.refusal(StartPayment(unpaid)) == Refusal.PAYMENT_IN_PROGRESS
    assert play.refusal(StartPayment(paid)) == Refusal.ALREADY_PAID
    assert play.refusal(StartPayment(cancelled)) == Refusal.ORDER_CANCELLED
    play.wait(WINDOW_US)
    assert play.refusal(StartPayment(late)) == Refusal.HOLD_EXPIRED


def test_what_the_provider_says_again_changes_nothing() -> None:
    play = Play()
    order_id = play.place()
    payment_id = play.start(order_id)
    play.capture(order_id, payment_id)
    order = play.case(order_id).order
    again = Capture(order_id, payment_id, order.total_minor, "GBP")
    assert play.refusal(again) == Refusal.DUPLICATE
    assert play.refusal(replace(again, payment_id=0, reference=str(payment_id))) == Refusal.DUPLICATE
    assert play.refusal(Decline(order_id, payment_id)) == Refusal.DUPLICATE
    assert play.refusal(Decline(order_id, 999)) == Refusal.DUPLICATE
    assert play.refusal(SettleRefund(order_id, 999)) == Refusal.DUPLICATE
    for command in (replace(again, order_id=999), Decline(999, payment_id), SettleRefund(999, 1)):
        assert play.refusal(command) == Refusal.NOT_FOUND


def test_a_capture_that_came_before_our_own_word_counts_once() -> None:
    play = Play()
    order_id = play.place()
    play.capture(order_id, reference="charge-1")
    assert play.state(order_id) == State.ON_HOLD
    assert play.capture(order_id, reference="charge-1")[0].code == Refusal.DUPLICATE
    assert play.case(order_id).order.captured_minor == 1290


@pytest.mark.parametrize("command", [Capture(0, 0, 1290, "GBP"), Capture(0, 0, -1, "GBP", "x")])
def test_a_capture_without_a_name_or_below_nothing_is_refused(command: Capture) -> None:
    play = Play()
    assert play.refusal(replace(command, order_id=play.place())) == Refusal.INVALID


def test_a_payment_that_comes_after_its_time_but_before_the_sweep_wins() -> None:
    play = Play()
    order_id = play.place()
    payment_id = play.start(order_id)
    play.wait(WINDOW_US + 1)
    play.capture(order_id, payment_id)
    assert play.sweep() == 0
    assert play.state(order_id) == State.ON_HOLD


def test_a_payment_that_comes_after_the_sweep_is_refunded_in_full() -> None:
    play = Play()
    order_id = play.place()
    payment_id = play.start(order_id)
    play.wait(WINDOW_US)
    play.sweep()
    (returned,) = play.capture(order_id, payment_id)
    assert isinstance(returned, PaymentReturned)
    assert returned.refund is not None
    assert (returned.payment.status, returned.refund.amount_minor) == (PaymentStatus.RETURNED, 1290)
    assert [(transfer.debit, transfer.credit) for transfer in returned.transfers] == [
        (BUYERS, SUSPENSE),
        (SUSPENSE, BUYERS),
    ]
    assert play.balances() == {}
    assert play.capture(order_id, payment_id)[0].code == Refusal.DUPLICATE
    case = play.case(order_id)
    assert (case.order.captured_minor, case.order.refunded_minor, case.order.state) == (0, 0, State.CANCELLED)


@pytest.mark.parametrize(("amount", "currency"), [(1289, "GBP"), (1291, "GBP"), (1290, "EUR")])
def test_money_of_a_wrong_amount_goes_back_and_the_order_waits_for_the_right_one(amount: int, currency: str) -> None:
    play = Play()
    order_id = play.place()
    (returned,) = play.do(Capture(order_id, play.start(order_id), amount, currency))
    assert (returned.refund.amount_minor, returned.refund.currency) == (amount, currency)
    assert (play.state(order_id), play.balances()) == (State.UNPAID, {})
    play.capture(order_id, play.start(order_id))
    assert play.state(order_id) == State.ON_HOLD


def test_a_second_capture_of_a_paid_order_goes_back() -> None:
    play = Play()
    order_id = play.paid()
    before = play.balances()
    (returned,) = play.capture(order_id, reference="charge-2")
    assert isinstance(returned, PaymentReturned)
    assert play.balances() == before
    assert play.case(order_id).order.captured_minor == 1290


def test_a_free_order_paid_twice_moves_no_money() -> None:
    play = Play()
    play.world.skus[LAMP] = replace(play.world.skus[LAMP], price_minor=0)
    order_id = play.paid()
    (returned,) = play.capture(order_id, reference="charge-2")
    assert (returned.transfers, play.world.transfers) == ((), [])


def test_a_payment_of_a_cancelled_order_is_refunded() -> None:
    play = Play()
    order_id = play.place()
    payment_id = play.start(order_id)
    play.do(RequestCancellation(order_id, "buyer"))
    (returned,) = play.capture(order_id, payment_id)
    assert isinstance(returned, PaymentReturned)
    assert play.stock(LAMP) == (10, 0, 0, 1, 9)


def test_a_refund_is_settled_once() -> None:
    play = Play()
    order_id = play.paid()
    play.capture(order_id, reference="charge-2")
    (refund,) = play.case(order_id).refunds
    play.wait(5)
    play.do(SettleRefund(order_id, refund.id))
    (settled,) = play.case(order_id).refunds
    assert (settled.status, settled.settled_us) == (RefundStatus.SUCCEEDED, play.now_us)
    assert play.refusal(SettleRefund(order_id, refund.id)) == Refusal.DUPLICATE


def test_time_does_nothing_before_it_is_due_or_to_what_is_not_there() -> None:
    play = Play()
    order_id = play.place()
    play.wait(WINDOW_US - 1)
    assert play.do(Elapse(order_id)) == play.do(Elapse(999)) == ()
    assert isinstance(play.do(PlaceOrder("ann", ()))[0].code, Refusal)
