"""The oracle's payment, cancels, sweep and confirmation, worked out by hand."""

from __future__ import annotations

from typing import Any

from sim.demand.trace import CANCEL_BEFORE_SHIPPING, CANCEL_ON_HOLD, NEVER
from sim.orders.states import Reason, State
from tests.oracle.build import tiny_scenario, tiny_trace
from tests.oracle.model import Outcome, run

HALF = 1 << 31


def show(carts: list[dict[str, Any]], **parts: Any) -> Outcome:
    """Run a tiny scenario."""
    scenario = tiny_scenario(**parts)
    return run(scenario, tiny_trace(scenario, carts))


def test_a_payment_before_the_sweep_wins_and_one_after_it_is_late() -> None:
    payment = {"hold_window": "10us", "sweep": "4us"}  # placed at 1, the hold ends at 11, the sweep is at 12
    in_time = show([{"pay_delay_us": 5, "provider_us": 4}], payment=payment)
    assert (in_time.orders["paid_us"], in_time.orders["late"], in_time.orders["closed_us"]) == ([11], [0], [130])
    late = show([{"pay_delay_us": 5, "provider_us": 5}], payment=payment)  # the effect is at 12, after the sweep
    assert (late.orders["paid_us"], late.orders["late"], late.orders["closed_us"]) == ([12], [1], [12])
    assert (late.orders["state"], late.orders["reason"]) == ([State.CANCELLED], [Reason.EXPIRED])
    assert (late.orders["captured"], late.orders["refunded"]) == ([1000], [1000])
    assert late.orders["payment_response_us"] == [1]
    assert late.stock[0, 0]["available"] == 10


def test_the_units_of_an_ended_hold_are_held_until_the_sweep() -> None:
    parts = {"payment": {"hold_window": "3us", "sweep": "7us"}, "engine": {"workers": 5}}
    mug = {"name": "mug", "price": "10.00 GBP", "stock": {"main": 1}}
    carts = [{"pay_delay_us": NEVER, "time_us": time_us} for time_us in (0, 5, 6)]
    outcome = show(carts, catalogue=[mug], horizon="8us", **parts)
    assert outcome.orders["reason"] == [Reason.EXPIRED, Reason.SOLD_OUT, Reason.NOTHING]
    assert outcome.orders["closed_us"] == [7, -1, -1]


def test_declined_tries_are_repeated_while_the_hold_lasts() -> None:
    cart = {"pay_delay_us": 2, "provider_us": 5}  # tries at 3, 18 and 33, answers at 8, 23 and 38
    for declines, window, due_us, declined in ((2, 50, 38, 2), (3, 50, -1, 3), (2, 32, -1, 2), (2, 33, 38, 2)):
        outcome = show([{**cart, "declines": declines}], payment={"hold_window": f"{window}us"})
        assert (outcome.orders["pay_due_us"], outcome.orders["declined"]) == ([due_us], [declined])


def test_the_provider_answers_at_the_end_of_its_outage() -> None:
    outages = [{"at": "8us", "length": "3us"}, {"at": "11us", "length": "2us"}, {"at": "14us", "length": "9us"}]
    cart = {"pay_delay_us": 2, "provider_us": 5}
    assert show([cart], payment={"outages": outages}).orders["pay_due_us"] == [13]
    assert show([{**cart, "provider_us": 4}], payment={"outages": outages}).orders["pay_due_us"] == [7]


def test_a_decline_after_the_horizon_is_not_counted() -> None:
    outcome = show([{"pay_delay_us": 2, "provider_us": 5, "declines": 2}], horizon="23us")
    assert outcome.orders["declined"] == [1]


def test_a_cancel_on_hold_succeeds() -> None:
    cart = {"after": CANCEL_ON_HOLD, "after_u32": HALF}
    outcome = show([cart], confirmation={"on_hold": "8us"}, payment={"sweep": "50us"}, horizon="40us")
    orders = outcome.orders
    assert (orders["closed_us"], orders["reason"], orders["confirm_due_us"]) == ([6], [Reason.BUYER_CANCELLED], [-1])
    assert (orders["captured"], orders["refunded"]) == ([1000], [1000])
    assert (outcome.stock[0, 0]["releasing"], outcome.stock[0, 0]["available"]) == (1, 9)
    swept = show([cart], confirmation={"on_hold": "8us"}, payment={"sweep": "6us"}, horizon="13us")
    assert swept.stock[0, 0]["available"] == 10  # the sweep at 6 came before the cancel, the one at 12 after it


def test_a_cancel_at_the_instant_of_the_confirmation_request_wins() -> None:
    cart = {"after": CANCEL_BEFORE_SHIPPING}
    outcome = show([cart], after_sales={"before_shipping_delay": 0})
    assert (outcome.orders["closed_us"], outcome.orders["confirm_due_us"]) == ([7], [-1])
    outcome = show([{**cart, "after": CANCEL_ON_HOLD}], confirmation={"on_hold": 0})
    assert (outcome.orders["closed_us"], outcome.orders["confirm_due_us"]) == ([2], [-1])


def test_a_cancel_at_the_instant_of_the_confirmation_comes_after_it() -> None:
    outcome = show([{"after": CANCEL_BEFORE_SHIPPING}])  # confirmed at 8, cancelled at 8
    assert (outcome.orders["confirmed_us"], outcome.orders["closed_us"]) == ([8], [8])
    # The pick began at 8 and is finished; the parcel goes no further.
    assert outcome.parcels == [(0, 0, 9, -1, -1, -1, 0, -1)]
    assert outcome.stock[0, 0]["available"] == 10


def test_a_cancel_before_the_confirmation_leaves_it_without_effect() -> None:
    carts = [{"after": CANCEL_BEFORE_SHIPPING, "confirmation_us": 3}]
    outcome = show(carts)
    assert (outcome.orders["confirm_due_us"], outcome.orders["confirmed_us"]) == ([7], [-1])
    assert outcome.orders["confirmation_response_us"] == [3]


def test_a_cancel_of_a_packed_order_succeeds_until_it_is_collected() -> None:
    carts = [{"after": CANCEL_BEFORE_SHIPPING}]
    for delay_us, state in ((92, State.CANCELLED), (93, State.COMPLETED)):  # cancels at 99 and 100
        outcome = show(carts, after_sales={"before_shipping_delay": f"{delay_us}us", "late_cancels": "keep"})
        assert outcome.orders["state"] == [state]
    assert outcome.met["cancel_too_late"] == 1


def test_giving_up_confirmation_cancels() -> None:
    outcome = show([{"confirmation_us": 9}], engine={"client_timeout": "2us"})
    # The work goes on to 16 but finds the order cancelled at 9.
    assert (outcome.orders["reason"], outcome.orders["closed_us"]) == ([Reason.NOT_CONFIRMED], [9])
    assert (outcome.orders["confirmed_us"], outcome.orders["timed_out"]) == ([-1], [1])


def test_what_a_crash_cancels_is_swept_at_the_same_instant() -> None:
    outages = [{"at": "8us", "length": "4us", "crash": True}]
    parts: dict[str, Any] = {"engine": {"outages": outages}, "payment": {"sweep": "8us"}, "horizon": "9us"}
    outcome = show([{"confirmation_us": 9}], **parts)
    assert outcome.orders["reason"] == [Reason.NOT_CONFIRMED]
    assert outcome.stock[0, 0]["available"] == 10


STAFF = {"mode": "staff", "staff": 1}


def test_staff_work_one_order_after_another() -> None:
    carts = [{"confirm_work_us": 10}, {"confirm_work_us": 4}]
    outcome = show(carts, confirmation=STAFF, engine={"workers": 2})
    assert outcome.orders["confirm_due_us"] == [17, 21]
    assert outcome.orders["confirmed_us"] == [18, 22]


def test_staff_pass_over_an_order_cancelled_while_it_waited() -> None:
    cancels = {"after": CANCEL_BEFORE_SHIPPING, "confirm_work_us": 9}
    outcome = show([{"confirm_work_us": 10}, cancels, {}], confirmation=STAFF, engine={"workers": 3})
    assert outcome.orders["confirm_due_us"] == [17, -1, 18]
    assert outcome.met["staff_passed_over"] == 1


def test_staff_work_is_not_broken_off() -> None:
    cancels = {"after": CANCEL_BEFORE_SHIPPING, "confirm_work_us": 9}  # at work 7 to 16, cancelled at 8
    outcome = show([cancels, {}], confirmation=STAFF, engine={"workers": 2})
    assert outcome.orders["confirm_due_us"] == [-1, 17]


def test_staff_done_at_the_instant_of_a_cancel_have_sent_the_request() -> None:
    outcome = show([{"after": CANCEL_BEFORE_SHIPPING}], confirmation=STAFF)
    assert (outcome.orders["confirm_due_us"], outcome.orders["confirmed_us"]) == ([8], [-1])
    assert outcome.orders["closed_us"] == [8]


def test_a_shift_begins_and_ends_at_its_local_time() -> None:
    shifts = [{"from": "00:00", "to": "01:00", "servers": 2}]  # 100 us after the start in UTC+6
    staff = {"mode": "staff", "staff": {"zone": "Asia/Dhaka", "shifts": shifts}}
    carts = [{"confirm_work_us": 4}, {"confirm_work_us": 5}, {}]
    outcome = show(carts, confirmation=staff, engine={"workers": 3})
    assert outcome.orders["confirm_due_us"] == [104, 105, 105]
    until = [{"from": "23:00", "to": "24:00", "servers": 1}]
    staff = {"mode": "staff", "staff": {"zone": "Asia/Dhaka", "shifts": until}}
    carts = [{"confirm_work_us": 200}, {}]
    assert show(carts, confirmation=staff, engine={"workers": 3}).orders["confirm_due_us"] == [207, -1]
