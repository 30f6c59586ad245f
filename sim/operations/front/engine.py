"""Kernels of the front's engine: workers, queue, client time-outs, retries, and the store that commits in groups.

Accepted requests stand in one ring in the order of arrival. Three places in it never cross: OUT (the oldest whose
client's time-out is still to be looked at), START (the first that waits), TAIL. Time-out and start both go in the order
of arrival, so each is a step of its place.
"""

from __future__ import annotations

from sim.flow.calendar_queue import FAR, schedule
from sim.flow.heap import shell_sort
from sim.flow.jit import kernel, touch
from sim.operations.front.feedback import hear
from sim.operations.front.orders import asked_at, attempt_of, cancel, code_of, event_key, order_of, take_effect
from sim.operations.front.state import (
    ARRIVAL,
    ATTEMPTS,
    BACKOFF_US,
    BUSY,
    CHECKOUT,
    COMMIT_HEAD,
    COMMIT_TAIL,
    CONFIRMATION,
    COUNT,
    CRASHED,
    GROUP_A_US,
    GROUP_B_US,
    GROUP_DONE,
    GROUP_END_US,
    GROUP_SIZE,
    GROUP_START,
    GROUPED,
    HOLD_END_US,
    HOLD_HEAD,
    JOIN,
    LINGER_US,
    LIVE,
    MAX_GROUP,
    MAX_GROUP_MET,
    NEVER_DUE,
    NOW,
    ON_HOLD_US,
    PAID,
    PAID_TAIL,
    PATIENCE_DUE,
    PAYMENT,
    PERIOD_US,
    QUEUE_BOUND,
    QUEUE_FULL,
    REASON,
    RING_OUT,
    RING_START,
    RING_TAIL,
    SECOND_ROUND,
    STAFF,
    STAFF_BUSY,
    STAFF_DUE,
    STAFF_START,
    STAFFED,
    STATE,
    STORE_DUE,
    TIME_OUT,
    TIME_OUT_US,
    TIMED_OUT,
    WAITED_OUT,
    WORKED,
    WORKERS,
    Front,
)
from sim.orders.states import Reason, State
from sim.scenario.units import US_PER_S

NONE, ON_HOLD = int(State.NONE), int(State.ON_HOLD)
BUSY_REASON, TIMEOUT_REASON, CRASH_REASON = (
    int(Reason.ENGINE_BUSY),
    int(Reason.ENGINE_TIMEOUT),
    int(Reason.ENGINE_CRASHED),
)
NOT_CONFIRMED = int(Reason.NOT_CONFIRMED)
AHEAD = 12  # how many members of a group ahead records are fetched


@kernel
def arrive(f: Front, stage: int, order: int, attempt: int, now: int) -> None:
    """A request reaches the engine: it starts, waits, or is refused because the queue is full."""
    reg = f.reg
    waiting = reg[RING_TAIL] - reg[RING_START]
    starts = waiting == 0 and reg[BUSY] < reg[WORKERS]
    if not starts and waiting >= reg[QUEUE_BOUND]:
        f.small[order, QUEUE_FULL] += 1
        _fail(f, stage, order, attempt, now, BUSY_REASON)
        return
    f.small[order, LIVE + stage] = attempt + 1
    if not starts or reg[TIME_OUT_US] > 0:
        _join_ring(f, event_key(stage, order, attempt), now)
    if starts:
        reg[RING_START] = reg[RING_TAIL]
        if reg[TIME_OUT_US] == 0:
            reg[RING_OUT] = reg[RING_START]
        _work(f, stage, order, attempt, now)
        return
    second = now // US_PER_S
    if waiting + 1 > f.queue_peak[second]:
        f.queue_peak[second] = waiting + 1


@kernel
def _join_ring(f: Front, key: int, now: int) -> None:
    if f.reg[RING_OUT] == f.reg[RING_TAIL] and f.reg[TIME_OUT_US] > 0:
        f.reg[PATIENCE_DUE] = ((now + int(f.reg[TIME_OUT_US])) << 4) | TIME_OUT
    at = f.reg[RING_TAIL] & (len(f.ring_key) - 1)
    f.ring_key[at] = key
    f.ring_at[at] = now
    f.reg[RING_TAIL] += 1


@kernel
def _work(f: Front, stage: int, order: int, attempt: int, now: int) -> None:
    """A worker takes the request."""
    f.reg[BUSY] += 1
    if stage == CHECKOUT:
        work = int(f.checkout_us[order])
    elif stage == PAYMENT:
        work = int(f.payment_us[order])
    else:
        work = int(f.confirmation_us[order])
    schedule(f, now + work, event_key(WORKED + stage, order, attempt))


@kernel
def start_waiting(f: Front, now: int) -> None:
    """The longest waiting request starts."""
    reg = f.reg
    key = int(f.ring_key[reg[RING_START] & (len(f.ring_key) - 1)])
    reg[RING_START] += 1
    if reg[TIME_OUT_US] == 0:
        reg[RING_OUT] = reg[RING_START]
    _work(f, code_of(key), order_of(key), attempt_of(key), now)


@kernel
def finish_work(f: Front, stage: int, order: int, attempt: int, now: int) -> None:
    """A worker is done: the request goes to the store, or takes effect at once."""
    reg = f.reg
    reg[BUSY] -= 1
    if reg[RING_START] < reg[RING_TAIL] and reg[BUSY] < reg[WORKERS]:
        start_waiting(f, now)  # other completions of this instant change neither the queue nor what starts
    if reg[GROUPED] == 0:
        paid_before = int(reg[PAID_TAIL])
        take_effect(f, stage, order, attempt, now)
        look_up_heads_of_lists(f, paid_before)
        return
    at = reg[COMMIT_TAIL] & (len(f.commit_key) - 1)
    f.commit_key[at] = event_key(stage, order, attempt)
    f.commit_at[at] = now
    reg[COMMIT_TAIL] += 1
    if reg[GROUP_END_US] == FAR:
        look_up_store(f, now)


@kernel
def look_up_store(f: Front, now: int) -> None:
    """Set STORE_DUE of an idle store: a full group starts at once, another when its oldest has lingered."""
    reg = f.reg
    waiting = reg[COMMIT_TAIL] - reg[COMMIT_HEAD]
    if waiting == 0:
        reg[STORE_DUE] = NEVER_DUE
        return
    start = now
    if waiting < reg[MAX_GROUP]:
        start = max(now, int(f.commit_at[reg[COMMIT_HEAD] & (len(f.commit_key) - 1)] + reg[LINGER_US]))
    reg[STORE_DUE] = (start << 4) | GROUP_START


@kernel
def start_group(f: Front, now: int) -> None:
    """The store takes the oldest requests, at most `max_group`."""
    reg = f.reg
    size = min(int(reg[COMMIT_TAIL] - reg[COMMIT_HEAD]), int(reg[MAX_GROUP]))
    reg[GROUP_SIZE] = size
    reg[MAX_GROUP_MET] = max(int(reg[MAX_GROUP_MET]), size)
    reg[GROUP_END_US] = now + max(1, int(reg[GROUP_A_US] + reg[GROUP_B_US] * size))
    reg[STORE_DUE] = (reg[GROUP_END_US] << 4) | GROUP_DONE


@kernel
def finish_group(f: Front, now: int) -> None:
    """The group is stored: its members take effect in the order in which they joined."""
    reg = f.reg
    reg[GROUP_END_US] = FAR
    paid_before = int(reg[PAID_TAIL])
    for _ in range(reg[GROUP_SIZE]):
        mask = len(f.commit_key) - 1
        key = int(f.commit_key[reg[COMMIT_HEAD] & mask])
        reg[COMMIT_HEAD] += 1
        soon = order_of(int(f.commit_key[(reg[COMMIT_HEAD] + AHEAD) & mask]))
        if soon < reg[COUNT]:  # beyond the tail the ring holds old keys, or none yet
            touch(f.times, soon)
            touch(f.answers, soon)
        take_effect(f, code_of(key), order_of(key), attempt_of(key), now)
    shell_sort(f.paid, paid_before, int(reg[PAID_TAIL]))  # their ON_HOLD ends at one instant: ties go by order
    look_up_heads_of_lists(f, paid_before)
    look_up_store(f, now)


@kernel
def look_up_heads_of_lists(f: Front, paid_before: int) -> None:
    """After effects that have made `paid` longer than `paid_before`: set the heads of ring and `paid`.

    Done while the records of those answered are still in the cache.
    """
    if f.reg[TIME_OUT_US] > 0:
        look_up_patience(f)
    if f.reg[HOLD_HEAD] == paid_before and f.reg[PAID_TAIL] > paid_before:
        look_up_hold(f)


@kernel
def look_up_hold(f: Front) -> None:
    """Set when the first ON_HOLD in `paid` ends, and when it is due."""
    reg = f.reg
    reg[HOLD_END_US] = FAR
    if reg[HOLD_HEAD] < reg[PAID_TAIL]:
        reg[HOLD_END_US] = f.times[f.paid[reg[HOLD_HEAD]], PAID] + reg[ON_HOLD_US]
    look_up_staff(f)


@kernel
def look_up_staff(f: Front) -> None:
    """Set STAFF_DUE: when a free member of staff takes the next order (without staff: when it is confirmed)."""
    reg = f.reg
    end = int(reg[HOLD_END_US])
    if reg[STAFFED] == 0:
        reg[STAFF_DUE] = (end << 4) | (ARRIVAL + CONFIRMATION)
    elif reg[STAFF_BUSY] >= reg[STAFF]:
        reg[STAFF_DUE] = NEVER_DUE
    elif end < reg[NOW]:
        reg[STAFF_DUE] = (reg[NOW] << 4) | STAFF_START
    else:
        reg[STAFF_DUE] = (end << 4) | JOIN


@kernel
def look_up_patience(f: Front) -> None:
    """Set PATIENCE_DUE, when the next client's patience ends; those answered by now are passed over for good.

    Between two calls it may be too early, if that client has been answered since, but never too late.
    """
    reg = f.reg
    mask = len(f.ring_key) - 1
    while reg[RING_OUT] < reg[RING_START]:
        key = f.ring_key[reg[RING_OUT] & mask]
        if f.small[order_of(key), LIVE + code_of(key)] == attempt_of(key) + 1:
            break
        reg[RING_OUT] += 1
    reg[PATIENCE_DUE] = NEVER_DUE
    if reg[RING_OUT] < reg[RING_TAIL] and reg[TIME_OUT_US] > 0:
        reg[PATIENCE_DUE] = ((f.ring_at[reg[RING_OUT] & mask] + reg[TIME_OUT_US]) << 4) | TIME_OUT


@kernel
def time_out(f: Front, now: int) -> None:
    """If a client's patience ends now, it leaves; a waiting request leaves the queue too, one in service goes on."""
    reg = f.reg
    look_up_patience(f)
    if reg[PATIENCE_DUE] >> 4 > now:
        return
    key = int(f.ring_key[reg[RING_OUT] & (len(f.ring_key) - 1)])
    if reg[RING_OUT] == reg[RING_START]:
        reg[RING_START] += 1
        reg[WAITED_OUT] += 1
    reg[RING_OUT] += 1
    stage, order, attempt = code_of(key), order_of(key), attempt_of(key)
    f.small[order, LIVE + stage] = 0
    f.small[order, TIMED_OUT] += 1
    _fail(f, stage, order, attempt, now, TIMEOUT_REASON)
    look_up_patience(f)


@kernel
def void_request(f: Front, key: int, now: int) -> None:
    """A crash has lost this request in service; its client, if still there, tries again."""
    stage, order, attempt = code_of(key), order_of(key), attempt_of(key)
    if f.small[order, LIVE + stage] == attempt + 1:
        f.small[order, LIVE + stage] = 0
        f.small[order, CRASHED] += 1
        _fail(f, stage, order, attempt, now, CRASH_REASON)


@kernel
def _fail(f: Front, stage: int, order: int, attempt: int, now: int, reason: int) -> None:
    """An attempt failed: the next one follows after a back-off that doubles, or the client gives up."""
    tried = attempt & (SECOND_ROUND - 1)
    if tried + 1 < f.reg[ATTEMPTS]:
        again = now + (int(f.reg[BACKOFF_US]) << tried)
        schedule(f, again, event_key(ARRIVAL + stage, order, attempt + 1))
    elif stage == CHECKOUT:
        _give_up_checkout(f, order, attempt, now, reason)
    elif stage == CONFIRMATION and f.small[order, STATE] == ON_HOLD:
        cancel(f, order, NOT_CONFIRMED, now)


@kernel
def _give_up_checkout(f: Front, order: int, attempt: int, now: int, reason: int) -> None:
    """The client leaves; work of it that goes on may still place the order."""
    if f.reg[PERIOD_US] > 0:
        hear(f, now - asked_at(f, CHECKOUT, order, attempt))
    if f.small[order, STATE] == NONE:
        f.small[order, REASON] = reason
