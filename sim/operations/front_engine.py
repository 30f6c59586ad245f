"""Kernels of the front's engine: workers, queue, client time-outs, retries, and the store that commits in groups.

Accepted requests stand in one ring in the order of arrival. Three places in it never cross: OUT (the oldest whose
client's time-out is still to be looked at), START (the first that waits), TAIL. Time-out and start both go in the order
of arrival, so each is a step of its place.
"""

from __future__ import annotations

from sim.flow.calendar_queue import FAR, schedule
from sim.flow.jit import kernel, touch
from sim.operations.front_orders import cancel, event_key, take_effect
from sim.operations.front_state import (
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
    GROUP_END_US,
    GROUP_SIZE,
    GROUPED,
    LINGER_US,
    LIVE,
    MAX_GROUP,
    MAX_GROUP_MET,
    NOW,
    PAID_TAIL,
    PAYMENT,
    QUEUE_BOUND,
    QUEUE_FULL,
    REASON,
    RING_OUT,
    RING_START,
    RING_TAIL,
    SECOND_ROUND,
    STATE,
    TIME_OUT_US,
    TIMED_OUT,
    WAITED_OUT,
    WORKED,
    WORKERS,
    Front,
)
from sim.orders.states import Reason, State

NONE, ON_HOLD = int(State.NONE), int(State.ON_HOLD)
BUSY_REASON, TIMEOUT_REASON, CRASH_REASON = (
    int(Reason.ENGINE_BUSY),
    int(Reason.ENGINE_TIMEOUT),
    int(Reason.ENGINE_CRASHED),
)
NOT_CONFIRMED = int(Reason.NOT_CONFIRMED)
US_PER_S = 1_000_000
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
    _work(f, key >> 30, (key >> 4) & 0x3FFFFFF, key & 15, now)


@kernel
def finish_work(f: Front, stage: int, order: int, attempt: int, now: int) -> None:
    """A worker is done: the request goes to the store, or takes effect at once."""
    reg = f.reg
    reg[BUSY] -= 1
    if reg[RING_START] < reg[RING_TAIL] and reg[BUSY] < reg[WORKERS]:
        start_waiting(f, now)  # other completions of this instant change neither the queue nor what starts
    if reg[GROUPED] == 0:
        take_effect(f, stage, order, attempt, now)
        return
    at = reg[COMMIT_TAIL] & (len(f.commit_key) - 1)
    f.commit_key[at] = event_key(stage, order, attempt)
    f.commit_at[at] = now
    reg[COMMIT_TAIL] += 1


@kernel
def group_start_due(f: Front) -> int:
    """When the store's next group starts: at once when it is full, else when its oldest has lingered."""
    reg = f.reg
    waiting = reg[COMMIT_TAIL] - reg[COMMIT_HEAD]
    if waiting == 0 or reg[GROUP_END_US] != FAR:
        return FAR
    if waiting >= reg[MAX_GROUP]:
        return int(reg[NOW])
    return max(int(reg[NOW]), int(f.commit_at[reg[COMMIT_HEAD] & (len(f.commit_key) - 1)] + reg[LINGER_US]))


@kernel
def start_group(f: Front, now: int) -> None:
    """The store takes the oldest requests, at most `max_group`."""
    reg = f.reg
    size = min(int(reg[COMMIT_TAIL] - reg[COMMIT_HEAD]), int(reg[MAX_GROUP]))
    reg[GROUP_SIZE] = size
    reg[MAX_GROUP_MET] = max(int(reg[MAX_GROUP_MET]), size)
    reg[GROUP_END_US] = now + max(1, int(reg[GROUP_A_US] + reg[GROUP_B_US] * size))


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
        soon = (int(f.commit_key[(reg[COMMIT_HEAD] + AHEAD) & mask]) >> 4) & 0x3FFFFFF
        if soon < reg[COUNT]:  # beyond the tail the ring holds old keys, or none yet
            touch(f.times, soon)
            touch(f.answers, soon)
        take_effect(f, key >> 30, (key >> 4) & 0x3FFFFFF, key & 15, now)
    _sort_paid(f, paid_before, int(reg[PAID_TAIL]))  # their ON_HOLD ends at one instant: ties go by order


@kernel
def _sort_paid(f: Front, start: int, end: int) -> None:
    """Sort a stretch of `paid`: by insertion if it is short, so that nothing is allocated."""
    if end - start > 24:
        f.paid[start:end].sort()
        return
    for k in range(start + 1, end):
        order = f.paid[k]
        at = k
        while at > start and f.paid[at - 1] > order:
            f.paid[at] = f.paid[at - 1]
            at -= 1
        f.paid[at] = order


@kernel
def time_out_due(f: Front) -> int:
    """When the next client's patience ends; those answered meanwhile are passed over for good."""
    reg = f.reg
    if reg[TIME_OUT_US] == 0:
        return FAR
    while reg[RING_OUT] < reg[RING_START]:
        key = f.ring_key[reg[RING_OUT] & (len(f.ring_key) - 1)]
        if f.small[(key >> 4) & 0x3FFFFFF, LIVE + (key >> 30)] == (key & 15) + 1:
            break
        reg[RING_OUT] += 1
    if reg[RING_OUT] == reg[RING_TAIL]:
        return FAR
    return int(f.ring_at[reg[RING_OUT] & (len(f.ring_key) - 1)] + reg[TIME_OUT_US])


@kernel
def time_out(f: Front, now: int) -> None:
    """The client at OUT leaves; a waiting request leaves the queue with it, one in service goes on."""
    reg = f.reg
    key = int(f.ring_key[reg[RING_OUT] & (len(f.ring_key) - 1)])
    if reg[RING_OUT] == reg[RING_START]:
        reg[RING_START] += 1
        reg[WAITED_OUT] += 1
    reg[RING_OUT] += 1
    stage, order, attempt = key >> 30, (key >> 4) & 0x3FFFFFF, key & 15
    f.small[order, LIVE + stage] = 0
    f.small[order, TIMED_OUT] += 1
    _fail(f, stage, order, attempt, now, TIMEOUT_REASON)


@kernel
def void_request(f: Front, key: int, now: int) -> None:
    """A crash has lost this request in service; its client, if still there, tries again."""
    stage, order, attempt = key >> 30, (key >> 4) & 0x3FFFFFF, key & 15
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
    elif stage == CHECKOUT and f.small[order, STATE] == NONE:
        f.small[order, REASON] = reason
    elif stage == CONFIRMATION and f.small[order, STATE] == ON_HOLD:
        cancel(f, order, NOT_CONFIRMED, now)
