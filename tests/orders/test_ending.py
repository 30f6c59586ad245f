"""How orders end: cancelled at once, by request, by time; when their units and deals come back."""

from __future__ import annotations

from sim.orders.commands import AnswerCancellation, Elapse, RequestCancellation, ShipPackage
from sim.orders.entities import PackageStatus, RequestStatus
from sim.orders.events import Refusal
from sim.orders.rules import HOUR_US, Rules
from sim.orders.states import Reason, State
from tests.orders.shop import DEAL, LAMP, MUG, SET, Play, catalogue


def asked(play: Play, order_id: int) -> int:
    """Ask for a cancellation that the merchant must answer; return its id."""
    (requested,) = play.do(RequestCancellation(order_id, "buyer", "changed my mind"))
    return int(requested.cancellation.id)


def test_a_cancelled_order_s_units_are_free_only_after_the_sweep() -> None:
    play = Play()
    order_id = play.place((SET, 2))
    play.do(RequestCancellation(order_id, "buyer"))
    assert (play.state(order_id), play.case(order_id).order.reason) == (State.CANCELLED, Reason.BUYER_CANCELLED)
    assert play.stock(LAMP) == (10, 0, 0, 2, 8)
    assert play.stock(MUG) == (12, 0, 0, 4, 8)
    play.sweep()
    assert play.stock(LAMP) == (10, 0, 0, 0, 10)
    assert play.stock(MUG) == (12, 0, 0, 0, 12)
    assert play.case(order_id).order.due_us == 0
    assert play.do(Elapse(order_id)) == (), "nothing is given back twice"


def test_a_hold_that_has_ended_counts_until_the_sweep_which_frees_its_units_at_once() -> None:
    play = Play()
    order_id = play.place((LAMP, 2))
    play.wait(Rules().pay_window_us)
    assert play.stock(LAMP) == (10, 2, 0, 0, 8)
    play.sweep()
    order = play.case(order_id).order
    assert (order.state, order.reason, order.closed_us) == (State.CANCELLED, Reason.EXPIRED, play.now_us)
    assert play.stock(LAMP) == (10, 0, 0, 0, 10)


def test_deal_units_and_the_buyer_s_count_come_back_with_the_sweep() -> None:
    play = Play()
    cancelled = play.place((LAMP, 2), deal=DEAL)
    play.do(RequestCancellation(cancelled, "buyer"))
    assert (play.world.deals[DEAL].used, play.world.deal_buyers[DEAL, "ann"].units) == (2, 2)
    play.sweep()
    assert (play.world.deals[DEAL].used, play.world.deal_buyers[DEAL, "ann"].units) == (0, 0)
    expired = play.place((LAMP, 2), deal=DEAL)
    play.wait(Rules().pay_window_us)
    play.sweep()
    assert play.state(expired) == State.CANCELLED
    assert (play.world.deals[DEAL].used, play.world.deal_buyers[DEAL, "ann"].units) == (0, 0)


def test_a_paid_order_on_hold_is_cancelled_freely_and_refunded_in_full() -> None:
    play = Play()
    order_id = play.paid((LAMP, 1), (MUG, 1))
    happened = play.do(RequestCancellation(order_id, "buyer"))
    assert [event.TYPE for event in happened] == ["cancellation.answered", "order.cancelled", "refund.issued"]
    assert (play.case(order_id).order.refunded_minor, play.balances()) == (1745, {})
    assert play.stock(LAMP) == (10, 0, 0, 1, 9)


def test_after_confirmation_the_merchant_must_agree() -> None:
    play = Play()
    order_id = play.confirmed()
    request_id = asked(play, order_id)
    assert play.state(order_id) == State.AWAITING_SHIPMENT
    assert play.refusal(RequestCancellation(order_id, "buyer")) == Refusal.REQUEST_OPEN
    play.do(AnswerCancellation(order_id, request_id, False))
    assert play.refusal(AnswerCancellation(order_id, request_id, True)) == Refusal.ALREADY_ANSWERED
    play.do(AnswerCancellation(order_id, asked(play, order_id), True))
    assert (play.state(order_id), play.balances()) == (State.CANCELLED, {})


def test_the_merchant_s_own_wish_needs_no_answer() -> None:
    play = Play()
    order_id = play.confirmed()
    play.do(RequestCancellation(order_id, "merchant"))
    assert play.case(order_id).order.reason == Reason.NOT_SUPPLIED
    order_id = play.paid()
    play.do(RequestCancellation(order_id, "merchant"))
    assert play.case(order_id).order.reason == Reason.NOT_CONFIRMED


def test_an_order_that_is_not_ready_in_time_ends_for_that_whatever_its_buyer_wishes() -> None:
    play = Play(catalogue(Rules(cancel_answer_us=2 * Rules().ready_within_us)))
    order_id = play.confirmed()
    asked(play, order_id)
    play.wait(Rules().ready_within_us)
    play.sweep()
    (request,) = play.case(order_id).cancellations
    assert (play.case(order_id).order.reason, request.status) == (Reason.AUTO_CANCELLED, RequestStatus.COMPLETED)


def test_a_while_after_confirmation_the_buyer_may_be_free() -> None:
    play = Play(catalogue(Rules(cancel_freely_us=HOUR_US)))
    soon, late = play.confirmed(), play.confirmed()
    play.wait(HOUR_US - 1)
    play.do(RequestCancellation(soon, "buyer"))
    play.wait(1)
    play.do(RequestCancellation(late, "buyer"))
    assert (play.state(soon), play.state(late)) == (State.CANCELLED, State.AWAITING_SHIPMENT)


def test_an_unanswered_request_is_granted_in_time() -> None:
    play = Play()
    order_id = play.confirmed()
    request_id = asked(play, order_id)
    play.wait(Rules().cancel_answer_us)
    play.sweep()
    (request,) = play.case(order_id).cancellations
    assert (request.id, request.status, request.decided_us) == (request_id, RequestStatus.COMPLETED, play.now_us)
    assert play.case(order_id).order.reason == Reason.BUYER_CANCELLED


def test_nothing_that_has_left_the_house_is_cancelled() -> None:
    play = Play()
    assert play.refusal(RequestCancellation(999, "buyer")) == Refusal.NOT_FOUND
    for order_id in (play.collected(), play.delivered()):
        assert play.refusal(RequestCancellation(order_id, "merchant")) == Refusal.ILLEGAL_TRANSITION
    cancelled = play.place()
    play.do(RequestCancellation(cancelled, "buyer"))
    assert play.refusal(RequestCancellation(cancelled, "buyer")) == Refusal.ILLEGAL_TRANSITION


def test_a_request_that_the_carrier_was_faster_than_is_refused() -> None:
    play = Play()
    order_id = play.confirmed()
    request_id = asked(play, order_id)
    package_id = play.pack(order_id)
    play.do(ShipPackage(order_id, package_id))
    play.track(order_id, package_id, PackageStatus.COLLECTED)
    (request,) = play.case(order_id).cancellations
    assert (request.status, play.case(order_id).order.cancellation_id) == (RequestStatus.REJECTED, 0)
    assert play.refusal(AnswerCancellation(order_id, request_id, True)) == Refusal.ALREADY_ANSWERED


def partly_ready(play: Play) -> tuple[int, int]:
    """Confirm an order of two lines of which one waits for the carrier; return it and that parcel."""
    order_id = play.confirmed((LAMP, 1), (MUG, 1))
    package_id = play.pack(order_id, 1)
    play.do(ShipPackage(order_id, package_id))
    assert play.state(order_id) == State.PARTIALLY_SHIPPING
    return order_id, package_id


def test_an_order_partly_ready_is_cancelled_while_nothing_of_it_is_collected() -> None:
    play = Play()
    granted, unanswered, merchants = (partly_ready(play)[0] for _ in range(3))
    play.do(AnswerCancellation(granted, asked(play, granted), True))
    asked(play, unanswered)
    play.do(RequestCancellation(merchants, "merchant"))
    play.wait(Rules().cancel_answer_us)
    play.sweep()
    for order_id in (granted, unanswered, merchants):
        order = play.case(order_id).order
        assert (order.state, order.refunded_minor, order.cancellation_id) == (State.CANCELLED, 1745, 0)
    play.sweep()
    assert (play.stock(LAMP), play.stock(MUG)) == ((10, 0, 0, 0, 10), (12, 0, 0, 0, 12))


def test_a_cancellation_asked_for_before_the_first_parcel_was_ready_is_still_granted_in_time() -> None:
    play = Play()
    order_id = play.confirmed((LAMP, 1), (MUG, 1))
    asked(play, order_id)
    play.do(ShipPackage(order_id, play.pack(order_id, 1)))
    play.wait(Rules().cancel_answer_us)
    play.sweep()
    assert (play.state(order_id), play.case(order_id).order.reason) == (State.CANCELLED, Reason.BUYER_CANCELLED)


def test_an_order_that_is_only_partly_ready_in_time_is_cancelled() -> None:
    play = Play()
    order_id, _ = partly_ready(play)
    play.wait(Rules().ready_within_us - 1)
    assert play.sweep() == 0
    play.wait(1)
    play.sweep()
    order = play.case(order_id).order
    assert (order.state, order.reason, order.refunded_minor) == (State.CANCELLED, Reason.AUTO_CANCELLED, 1745)
    (package,) = play.case(order_id).packages
    assert (package.status, package.closed_us) == (PackageStatus.CANCELLED, order.closed_us), "it stays in the house"


def test_an_order_of_which_a_parcel_is_collected_is_not_cancelled_and_no_timer_ends_it() -> None:
    play = Play()
    order_id, package_id = partly_ready(play)
    request_id = asked(play, order_id)
    play.track(order_id, package_id, PackageStatus.COLLECTED)
    assert play.state(order_id) == State.PARTIALLY_SHIPPING
    assert play.case(order_id).order.due_us == 0
    assert play.refusal(AnswerCancellation(order_id, request_id, True)) == Refusal.ALREADY_ANSWERED
    for initiator in ("buyer", "merchant"):
        (refused,) = play.do(RequestCancellation(order_id, initiator))
        assert refused.code == Refusal.ILLEGAL_TRANSITION
        assert "CANCELLED" not in refused.facts["allowed"]


def test_an_order_has_so_many_requests_to_cancel_and_no_more_but_can_still_end() -> None:
    play = Play(catalogue(Rules(max_cancellations=2)))
    order_id = play.confirmed()
    for _ in range(2):
        play.do(AnswerCancellation(order_id, asked(play, order_id), False))
    assert play.refusal(RequestCancellation(order_id, "buyer")) == Refusal.LIMIT_REACHED
    play.do(RequestCancellation(order_id, "merchant"))
    assert play.state(order_id) == State.CANCELLED


def test_an_order_that_time_ends_answers_its_open_request_so_that_nobody_can_end_it_again() -> None:
    play = Play()
    order_id = play.confirmed((LAMP, 2))
    play.wait(Rules().ready_within_us - 1)
    others = play.paid((LAMP, 3))
    request_id = asked(play, order_id)
    play.wait(1)
    play.sweep()
    play.sweep()
    assert play.state(order_id) == State.CANCELLED
    assert play.refusal(AnswerCancellation(order_id, request_id, True)) == Refusal.ALREADY_ANSWERED
    assert play.refusal(AnswerCancellation(order_id, 999, True)) == Refusal.NOT_FOUND
    assert play.refusal(AnswerCancellation(999, request_id, True)) == Refusal.NOT_FOUND
    assert play.state(others) == State.ON_HOLD
    assert play.stock(LAMP) == (10, 0, 3, 0, 7)


def test_time_confirms_an_order_at_the_end_of_its_hold() -> None:
    play = Play()
    order_id = play.paid()
    play.wait(Rules().on_hold_us - 1)
    assert play.sweep() == 0
    play.wait(1)
    play.sweep()
    assert play.state(order_id) == State.AWAITING_SHIPMENT


def test_an_order_that_its_merchant_does_not_accept_is_cancelled_in_time() -> None:
    play = Play(catalogue(Rules(confirms_itself=False)))
    order_id = play.paid()
    play.wait(Rules().ready_within_us)
    play.sweep()
    order = play.case(order_id).order
    assert (order.state, order.reason, order.refunded_minor) == (State.CANCELLED, Reason.NOT_CONFIRMED, 1290)


def test_an_order_that_is_not_ready_or_not_collected_in_time_is_cancelled() -> None:
    play = Play()
    slow, left = play.confirmed(), play.confirmed()
    play.wait(Rules().ready_within_us - 1)
    play.do(ShipPackage(left, play.pack(left)))
    play.wait(1)
    play.sweep()
    assert (play.state(slow), play.state(left)) == (State.CANCELLED, State.AWAITING_COLLECTION)
    play.wait(Rules().collected_within_us - 1)
    play.sweep()
    assert play.state(left) == State.CANCELLED
    for order_id in (slow, left):
        case = play.case(order_id)
        assert case.order.reason == Reason.AUTO_CANCELLED
        assert [refund.cause for refund in case.refunds] == ["auto_cancelled"]
