"""The front's event loop: the earliest of a dozen heads happens, ties in the order of docs/model.md."""

from __future__ import annotations

from sim.flow.calendar_queue import (
    FAR,
    FREE_BLOCKS,
    KEY_MASK,
    NEAR_SIZE,
    NO_EVENT,
    SORTED_AT,
    SORTED_SIZE,
    bin_size,
    drop_next,
    next_due,
    next_packed,
    open_bin,
    schedule,
)
from sim.flow.jit import kernel, touch
from sim.operations.front.engine import (
    arrive,
    finish_group,
    finish_work,
    look_up_hold,
    look_up_patience,
    look_up_staff,
    look_up_store,
    start_group,
    start_waiting,
    time_out,
)
from sim.operations.front.feedback import end_period
from sim.operations.front.orders import attempt_of, cancel_by_buyer, code_of, event_key, order_of, sweep
from sim.operations.front.state import (
    ALLOCATED,
    ARRIVAL,
    ASKING,
    BUSY,
    CHECKOUT,
    COMMIT_HEAD,
    COMMIT_TAIL,
    CONFIRM_DUE,
    CONFIRMATION,
    COUNT,
    EVENTS,
    EVENTS_A_CHECK,
    GROUP_DONE,
    GROUP_END_US,
    GROUP_START,
    HOLD_HEAD,
    JOIN,
    LIST_ROOM,
    MAX_GROUP,
    NEED_BLOCKS,
    NEED_NEAR,
    NEED_SORTED,
    NEVER_DUE,
    NEXT_ARRIVAL,
    NOW,
    PAID_TAIL,
    PATIENCE_DUE,
    PAYMENT,
    PERIOD_END_US,
    REASON,
    RELEASING_TAIL,
    RESTOCK,
    RING_OUT,
    RING_START,
    RING_TAIL,
    ROWS_A_CART,
    SPLIT_ROOM,
    STAFF_BUSY,
    STAFF_DONE,
    STAFF_DUE,
    STAFF_START,
    START,
    START_DUE,
    STATE,
    STOP_US,
    STORE_DUE,
    SWEEP,
    SWEEP_AT_US,
    TIME_OUT,
    TRACE_DUE,
    WAITERS,
    WORKED,
    WORKERS,
    Front,
)
from sim.operations.front.stock import restock, wanted_sku
from sim.operations.front.waiting import serve_queue
from sim.orders.states import Reason, State

ON_HOLD = int(State.ON_HOLD)
NOT_GOING = int(Reason.NOT_GOING)
DONE_ALL, NEEDS_ROOM = 0, 1
AHEAD = 24  # how many steps ahead records are fetched


@kernel
def advance(f: Front) -> int:
    """Let everything due before STOP_US happen. Returns DONE_ALL, or NEEDS_ROOM with registers NEED_* set.

    STOP_US falls to the next microsecond when a threshold is crossed (`sim.operations.front.watch`).
    """
    reg = f.reg
    _look_up_heads(f)
    unchecked = 0  # events that there is surely room for
    while True:
        if unchecked == 0:
            if _lacks_room(f):
                return NEEDS_ROOM
            unchecked = EVENTS_A_CHECK
        unchecked -= 1
        packed = next_packed(f)
        planned, head = next_due(f, packed), _next_head(f)
        now = min(planned, head) >> 4
        if now >= min(reg[STOP_US], reg[PERIOD_END_US]):
            if reg[PERIOD_END_US] >= reg[STOP_US]:
                reg[NOW] = reg[STOP_US]
                return DONE_ALL
            end_period(f)
            continue
        if packed == NO_EVENT and planned <= head:
            reg[NEED_SORTED] = bin_size(f)
            if reg[NEED_SORTED] > min(len(f.sorted), len(f.near)):
                return NEEDS_ROOM
            open_bin(f)
            continue
        reg[NOW] = now
        reg[EVENTS] += 1
        if planned < head or (planned == head and not _goes_first(f, head & 15, packed)):
            drop_next(f)
            _calendar_event(f, packed & KEY_MASK, now)
        else:
            _happen(f, head & 15, now)


@kernel
def _look_up_heads(f: Front) -> None:
    """Set every *_DUE: since the last call control events may have changed anything."""
    reg = f.reg
    now = int(reg[NOW])
    reg[START_DUE] = NEVER_DUE
    if reg[RING_START] < reg[RING_TAIL] and reg[BUSY] < reg[WORKERS]:
        reg[START_DUE] = (now << 4) | START  # capacity has risen; later a worker who is done takes the next at once
    if reg[GROUP_END_US] == FAR:
        look_up_store(f, now)
    look_up_patience(f)
    look_up_hold(f)
    _look_up_trace(f)


@kernel
def _look_up_trace(f: Front) -> None:
    """Set TRACE_DUE: when the next intent arrives."""
    reg = f.reg
    reg[TRACE_DUE] = NEVER_DUE
    if reg[NEXT_ARRIVAL] < reg[COUNT]:
        reg[TRACE_DUE] = (f.line_time_us[f.first[reg[NEXT_ARRIVAL]]] << 4) | (ARRIVAL + CHECKOUT)


@kernel
def _next_head(f: Front) -> int:
    """The earliest of everything but the calendar, as time << 4 | what."""
    reg = f.reg
    engine = min(reg[START_DUE], reg[STORE_DUE], reg[PATIENCE_DUE])
    return int(min(engine, reg[SWEEP_AT_US] << 4, reg[STAFF_DUE], reg[TRACE_DUE]))


@kernel
def _goes_first(f: Front, what: int, packed: int) -> bool:
    """Whether an arrival of the trace, or of the ends of ON_HOLD, has a lower order than the calendar's at its time."""
    order = int(f.reg[NEXT_ARRIVAL])
    if what == ARRIVAL + CONFIRMATION:
        order = int(f.paid[f.reg[HOLD_HEAD]])
    return order < order_of(packed)


@kernel
def _happen(f: Front, what: int, now: int) -> None:
    """The earliest head happens."""
    if what == ARRIVAL + CHECKOUT:
        _intent(f, now)
    elif what == GROUP_DONE:
        finish_group(f, now)
    elif what == GROUP_START:
        start_group(f, now)
    elif what in (JOIN, STAFF_START):
        _start_staff(f, now)
    elif what == START:
        _start_if_waiting(f, now)
    elif what == SWEEP:
        sweep(f, now)
    elif what == TIME_OUT:
        time_out(f, now)
    else:
        _end_hold(f, now)


@kernel
def _start_if_waiting(f: Front, now: int) -> None:
    """After a rise of capacity: one waiting request starts, if there is still one and a worker for it."""
    reg = f.reg
    if reg[RING_START] < reg[RING_TAIL] and reg[BUSY] < reg[WORKERS]:
        start_waiting(f, now)
    if reg[RING_START] == reg[RING_TAIL] or reg[BUSY] >= reg[WORKERS]:
        reg[START_DUE] = NEVER_DUE


@kernel
def _lacks_room(f: Front) -> bool:
    """Whether the next EVENTS_A_CHECK events could overflow an array; sets what is needed."""
    reg, cal = f.reg, f.cal
    margin = (3 * reg[MAX_GROUP] + 16) * EVENTS_A_CHECK
    if cal[FREE_BLOCKS] >= margin and cal[NEAR_SIZE] + margin <= len(f.near):
        room = min(
            len(f.releasing) - reg[RELEASING_TAIL],
            len(f.ring_key) - reg[RING_TAIL] + reg[RING_OUT],
            len(f.commit_key) - reg[COMMIT_TAIL] + reg[COMMIT_HEAD],
        )
        splits = reg[SPLIT_ROOM] + reg[WAITERS] * reg[ROWS_A_CART]
        return bool(room < LIST_ROOM or len(f.allocations) - reg[ALLOCATED] < splits)
    reg[NEED_BLOCKS] = margin
    reg[NEED_NEAR] = cal[NEAR_SIZE] + margin
    return True


@kernel
def _calendar_event(f: Front, key: int, now: int) -> None:
    """What the calendar held happens."""
    _fetch_ahead(f)
    what, order, attempt = code_of(key), order_of(key), attempt_of(key)
    if what < GROUP_DONE:
        finish_work(f, what - WORKED, order, attempt, now)
    elif what >= ARRIVAL:
        arrive(f, what - ARRIVAL, order, attempt, now)
    elif what == STAFF_DONE:
        _finish_staff(f, order, now)
    elif what == RESTOCK:
        restock(f, order)
        if f.reg[WAITERS] > 0:
            serve_queue(f, now)
    else:
        cancel_by_buyer(f, order, now)


@kernel
def _fetch_ahead(f: Front) -> None:
    """Fetch the records of an order that leaves the open bin soon."""
    place = f.cal[SORTED_AT] + AHEAD
    if place < f.cal[SORTED_SIZE]:
        order = order_of(f.sorted[place])
        touch(f.times, order)
        if code_of(f.sorted[place] & KEY_MASK) == ARRIVAL + PAYMENT:
            touch(f.payment_us, order)


@kernel
def _intent(f: Front, now: int) -> None:
    """The next intent of the trace goes ahead, or not."""
    order = int(f.reg[NEXT_ARRIVAL])
    f.reg[NEXT_ARRIVAL] += 1
    _look_up_trace(f)
    if int(f.go[order]) < f.factor[wanted_sku(f, order, int(f.first[order]))]:
        f.reg[ASKING] += 1
        arrive(f, CHECKOUT, order, 0, now)
    else:
        f.small[order, REASON] = NOT_GOING


@kernel
def _end_hold(f: Front, now: int) -> None:
    """Without staff: an order's ON_HOLD ends, and its confirmation arrives."""
    order = _next_paid(f)
    look_up_hold(f)
    if f.small[order, STATE] == ON_HOLD:
        f.times[order, CONFIRM_DUE] = now
        arrive(f, CONFIRMATION, order, 0, now)


@kernel
def _next_paid(f: Front) -> int:
    """Take the first order off `paid`."""
    reg = f.reg
    order = int(f.paid[reg[HOLD_HEAD]])
    reg[HOLD_HEAD] += 1
    if reg[HOLD_HEAD] + AHEAD < reg[PAID_TAIL]:
        soon = f.paid[reg[HOLD_HEAD] + AHEAD]
        touch(f.times, soon)
        touch(f.confirm_work_us, soon)
        touch(f.confirmation_us, soon)
    return order


@kernel
def _start_staff(f: Front, now: int) -> None:
    """A free member of staff takes the next order; one that is no longer ON_HOLD is passed over."""
    order = _next_paid(f)
    if f.small[order, STATE] == ON_HOLD:
        f.reg[STAFF_BUSY] += 1
        schedule(f, now + int(f.confirm_work_us[order]), event_key(STAFF_DONE, order, 0))
    look_up_hold(f)


@kernel
def _finish_staff(f: Front, order: int, now: int) -> None:
    """Staff work is done: the confirmation is sent. It arrives after all completions of the instant.

    Whoever is free takes the next order that waits: what else happens at this instant changes no order of the queue.
    """
    reg = f.reg
    reg[STAFF_BUSY] -= 1
    look_up_staff(f)
    busy = reg[STAFF_BUSY]
    while reg[STAFF_DUE] & 15 == STAFF_START and reg[STAFF_BUSY] == busy:
        _start_staff(f, now)
    if f.small[order, STATE] != ON_HOLD:
        return
    f.times[order, CONFIRM_DUE] = now
    if min(next_due(f, next_packed(f)), _next_head(f)) >> 4 > now:
        arrive(f, CONFIRMATION, order, 0, now)  # nothing else happens now, so it need not queue for its turn
    else:
        schedule(f, now, event_key(ARRIVAL + CONFIRMATION, order, 0))
