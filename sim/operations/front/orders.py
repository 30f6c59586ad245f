"""Kernels of the front that change an order: effects of requests, answers, the payment plan, cancels, the sweep."""

from __future__ import annotations

from sim.demand.trace import CANCEL_BEFORE_SHIPPING, CANCEL_ON_HOLD, NEVER
from sim.flow.calendar_queue import FAR, schedule
from sim.flow.jit import kernel, touch
from sim.flow.transit import delay_us
from sim.operations.front.checkout import hold_cart
from sim.operations.front.feedback import hear, hear_first_answer
from sim.operations.front.state import (
    AFTER,
    ARRIVAL,
    ASKING,
    CANCEL,
    CANCELS_TOO_LATE,
    CHECKOUT,
    CLOSED,
    CONFIRM_DUE,
    CONFIRMATION,
    CONFIRMED,
    DECLINED,
    DONE,
    DONE_CHECKOUT,
    DONE_CONFIRMATION,
    DONE_PAYMENT,
    DONE_SECOND,
    END_US,
    EXPIRY_HEAD,
    FIRST_REFUSAL,
    HOLD_WINDOW_US,
    HOUSE,
    LIVE,
    ON_HOLD_US,
    PAID,
    PAID_LATE,
    PAID_TAIL,
    PAY_DUE,
    PAY_TRIES,
    PAYMENT,
    PERIOD_US,
    PLACED,
    PLACED_TAIL,
    PLANNED,
    REASON,
    REFUSAL,
    REFUSED_LINE,
    RELEASE_DUE_US,
    RELEASING_TAIL,
    REPEATED,
    RETRY_DELAY_US,
    SECOND,
    SECOND_DELAY_US,
    SECOND_ROUND,
    SHORT_LINE,
    STATE,
    SWEEP_AT_US,
    SWEEP_US,
    WAITERS,
    WAITING,
    WAITS,
    WATCHED,
    Front,
)
from sim.operations.front.stock import make_available
from sim.operations.front.waiting import end_waits, hand_over, leave_queue, next_end_of_wait, serve_queue
from sim.operations.front.watch import watch
from sim.orders.states import Reason, State

UNPAID, ON_HOLD, CANCELLED = int(State.UNPAID), int(State.ON_HOLD), int(State.CANCELLED)
AWAITING_SHIPMENT, AWAITING_COLLECTION = int(State.AWAITING_SHIPMENT), int(State.AWAITING_COLLECTION)
PARTIALLY_SHIPPING, IN_TRANSIT = int(State.PARTIALLY_SHIPPING), int(State.IN_TRANSIT)
EXPIRED, BUYER_CANCELLED, SOLD_OUT = int(Reason.EXPIRED), int(Reason.BUYER_CANCELLED), int(Reason.SOLD_OUT)
LONGEST_RESPONSE_US = 2**31 - 1
#: A key is code, order and attempt, from the top.
ATTEMPT_BITS, ORDER_BITS = 4, 26
CODE_SHIFT = ATTEMPT_BITS + ORDER_BITS
ATTEMPT_MASK, ORDER_MASK = (1 << ATTEMPT_BITS) - 1, (1 << ORDER_BITS) - 1
AHEAD = 24  # how many holds ahead records are fetched


@kernel
def event_key(code: int, order: int, attempt: int) -> int:
    """The calendar key of an event: ties are broken by code, then order, then attempt."""
    return (code << CODE_SHIFT) | (order << ATTEMPT_BITS) | attempt


@kernel
def code_of(key: int) -> int:
    """What happens: the code of a key."""
    return key >> CODE_SHIFT


@kernel
def order_of(key: int) -> int:
    """The order of a key; bits above the code do not matter."""
    return (key >> ATTEMPT_BITS) & ORDER_MASK


@kernel
def attempt_of(key: int) -> int:
    """The attempt of a key, from 0."""
    return key & ATTEMPT_MASK


@kernel
def take_effect(f: Front, stage: int, order: int, attempt: int, now: int) -> None:
    """A request has been stored: let it act, once an order, stage and round, and answer its client if it waits."""
    small = f.small[order]
    bit = DONE_PAYMENT
    if stage == CHECKOUT:
        bit = DONE_SECOND if attempt >= SECOND_ROUND else DONE_CHECKOUT
    elif stage == CONFIRMATION:
        bit = DONE_CONFIRMATION
    if small[DONE] & bit == 0:
        small[DONE] |= bit
        if stage == CHECKOUT:
            _check_out(f, order, attempt, now)
        elif stage == PAYMENT:
            _pay(f, order, now)
        else:
            _confirm(f, order, now)
    else:
        f.reg[REPEATED] += 1
    if small[LIVE + stage] == attempt + 1:
        small[LIVE + stage] = 0
        _answer(f, stage, order, attempt, now)


@kernel
def _check_out(f: Front, order: int, attempt: int, now: int) -> None:
    refused = hold_cart(f, order, now)
    small = f.small[order]
    if refused != 0:
        small[REFUSAL] = refused & 255
        small[SHORT_LINE] = refused >> 8
        if attempt < SECOND_ROUND:
            small[REFUSED_LINE] = refused >> 8
        return
    small[REFUSAL] = 0
    small[SHORT_LINE] = 0
    small[REASON] = 0  # a client that gave up may have left one
    small[STATE] = UNPAID
    f.times[order, PLACED] = now
    f.placed[f.reg[PLACED_TAIL]] = order
    f.reg[PLACED_TAIL] += 1
    if f.reg[SWEEP_AT_US] == FAR or f.reg[WAITS] != 0:  # else an earlier hold or release is due before this one
        f.reg[SWEEP_AT_US] = next_sweep(f)
    if f.reg[WATCHED] != 0:
        watch(f, order, now)


@kernel
def _pay(f: Front, order: int, now: int) -> None:
    small = f.small[order]
    f.times[order, PAID] = now
    if small[STATE] != UNPAID:
        small[DONE] |= PAID_LATE
        return
    small[STATE] = ON_HOLD
    f.paid[f.reg[PAID_TAIL]] = order
    f.reg[PAID_TAIL] += 1
    if small[AFTER] in (CANCEL_ON_HOLD, CANCEL_BEFORE_SHIPPING):
        schedule(f, cancel_wish_us(f, order), event_key(CANCEL, order, 0))


@kernel
def cancel_wish_us(f: Front, order: int) -> int:
    """When the buyer of a paid order, who is to cancel it, wants to."""
    wait = (int(f.reg[ON_HOLD_US]) * (int(f.after_u32[order]) >> 12)) >> 20
    if f.small[order, AFTER] == CANCEL_BEFORE_SHIPPING:
        wait = int(f.reg[ON_HOLD_US]) + delay_us(f.before_shipping, int(f.after_u32[order]))
    return int(f.times[order, PAID]) + wait


@kernel
def _confirm(f: Front, order: int, now: int) -> None:
    if f.small[order, STATE] == ON_HOLD:
        f.small[order, STATE] = AWAITING_SHIPMENT
        f.times[order, CONFIRMED] = now
        if f.small[order, HOUSE] != WAITING:
            hand_over(f, order, now)


@kernel
def _answer(f: Front, stage: int, order: int, attempt: int, now: int) -> None:
    """Tell the client, who goes on: to payment, to the second choice, or away."""
    response_us = now - asked_at(f, stage, order, attempt)
    f.answers[order, stage] = min(response_us, LONGEST_RESPONSE_US)
    if stage != CHECKOUT:
        return
    small = f.small[order]
    if f.reg[PERIOD_US] > 0:
        hear(f, response_us)
        if attempt < SECOND_ROUND:
            hear_first_answer(f, order, small[REFUSAL] == SOLD_OUT)
    if small[REFUSAL] == 0:
        _plan_payment(f, order, now)
        return
    line = f.first[order] + int(small[REFUSED_LINE])
    if attempt < SECOND_ROUND and f.line_second[line] >= 0:
        small[FIRST_REFUSAL] = small[REFUSAL]
        small[SECOND] = 1
        due = now + int(f.reg[SECOND_DELAY_US])
        f.times[order, PAY_DUE] = due  # until the second round is answered: when it began
        f.reg[ASKING] += 1
        schedule(f, due, event_key(ARRIVAL + CHECKOUT, order, SECOND_ROUND))
    else:
        small[REASON] = small[REFUSAL]


@kernel
def asked_at(f: Front, stage: int, order: int, attempt: int) -> int:
    """When the first attempt of the round arrived."""
    if stage == CONFIRMATION:
        return int(f.times[order, CONFIRM_DUE])
    if stage == PAYMENT or attempt >= SECOND_ROUND:
        return int(f.times[order, PAY_DUE])
    return int(f.line_time_us[f.first[order]])


@kernel
def _plan_payment(f: Front, order: int, now: int) -> None:
    """Play the buyer's tries with the provider; an approved one sends the payment request."""
    if f.pay_delay_us[order] == NEVER:
        return
    hold_end = int(f.times[order, PLACED]) + int(f.reg[HOLD_WINDOW_US])
    begin = now + int(f.pay_delay_us[order])
    declined = 0
    told = 0  # declines before the horizon
    while begin < hold_end:
        answer = _provider_answer(f, begin + int(f.provider_us[order]))
        if declined >= f.declines[order]:
            f.times[order, PAY_DUE] = answer
            f.small[order, DONE] |= PLANNED
            schedule(f, answer, event_key(ARRIVAL + PAYMENT, order, 0))
            break
        declined += 1
        if answer < f.reg[END_US]:
            told = declined
        if declined >= f.reg[PAY_TRIES]:
            break
        begin = answer + int(f.reg[RETRY_DELAY_US])
    f.small[order, DECLINED] = told


@kernel
def _provider_answer(f: Front, time_us: int) -> int:
    for k in range(len(f.provider_out)):
        if f.provider_out[k, 0] <= time_us < f.provider_out[k, 1]:
            time_us = int(f.provider_out[k, 1])
    return time_us


@kernel
def cancel(f: Front, order: int, reason: int, now: int) -> None:
    """Cancel an order of which nothing is collected; its units are released at the next sweep. Otherwise nothing."""
    small = f.small[order]
    state = small[STATE]
    if state in (ON_HOLD, AWAITING_SHIPMENT, AWAITING_COLLECTION):
        small[STATE] = CANCELLED
        small[REASON] = reason
        f.times[order, CLOSED] = now
        leave_queue(f, order)
        f.releasing[f.reg[RELEASING_TAIL]] = order
        f.reg[RELEASING_TAIL] += 1
        if f.reg[RELEASE_DUE_US] == FAR:
            f.reg[RELEASE_DUE_US] = (now // f.reg[SWEEP_US] + 1) * f.reg[SWEEP_US]
            f.reg[SWEEP_AT_US] = min(f.reg[SWEEP_AT_US], f.reg[RELEASE_DUE_US])


@kernel
def cancel_by_buyer(f: Front, order: int, now: int) -> None:
    """A buyer wants to cancel, which is too late where a parcel has left the house."""
    if f.small[order, STATE] in (PARTIALLY_SHIPPING, IN_TRANSIT):
        f.reg[CANCELS_TOO_LATE] += 1
    else:
        cancel(f, order, BUYER_CANCELLED, now)


@kernel
def next_sweep(f: Front) -> int:
    """When the next sweep with something to do is due; holds that were paid are passed over for good.

    SWEEP_AT_US keeps the last answer. It may be too early by now, never too late: holds are placed in the order of
    their ends, and a payment only takes one away.
    """
    reg = f.reg
    while reg[EXPIRY_HEAD] < reg[PLACED_TAIL] and f.small[f.placed[reg[EXPIRY_HEAD]], STATE] != UNPAID:
        reg[EXPIRY_HEAD] += 1
        if reg[EXPIRY_HEAD] + AHEAD < reg[PLACED_TAIL]:
            touch(f.times, f.placed[reg[EXPIRY_HEAD] + AHEAD])
    due = int(reg[RELEASE_DUE_US])
    if reg[EXPIRY_HEAD] < reg[PLACED_TAIL]:
        end = f.times[f.placed[reg[EXPIRY_HEAD]], PLACED] + reg[HOLD_WINDOW_US]
        due = min(due, (end + reg[SWEEP_US] - 1) // reg[SWEEP_US] * reg[SWEEP_US])
    if reg[WAITERS] > 0:
        due = next_end_of_wait(f, due)
    return due


@kernel
def sweep(f: Front, now: int) -> None:
    """If that is due: expire holds, make releasing units available, serve who waits for them, end the longest waits."""
    reg = f.reg
    reg[SWEEP_AT_US] = next_sweep(f)
    if reg[SWEEP_AT_US] > now:
        return
    while reg[EXPIRY_HEAD] < reg[PLACED_TAIL]:
        order = int(f.placed[reg[EXPIRY_HEAD]])
        if f.small[order, STATE] == UNPAID:
            if f.times[order, PLACED] + reg[HOLD_WINDOW_US] > now:
                break
            f.small[order, STATE] = CANCELLED
            f.small[order, REASON] = EXPIRED
            f.times[order, CLOSED] = now
            leave_queue(f, order)
            make_available(f, order)
        reg[EXPIRY_HEAD] += 1
    for k in range(reg[RELEASING_TAIL]):
        make_available(f, int(f.releasing[k]))
    reg[RELEASING_TAIL] = 0
    reg[RELEASE_DUE_US] = FAR
    if reg[WAITERS] > 0:
        serve_queue(f, now)
        end_waits(f, now)
    reg[SWEEP_AT_US] = next_sweep(f)
