"""The front's event loop: the earliest of a dozen heads happens, ties in the order of docs/model.md."""

from __future__ import annotations

from sim.flow.calendar_queue import (
    FAR,
    FREE_BLOCKS,
    KEY_MASK,
    NEAR_SIZE,
    SORTED_AT,
    SORTED_SIZE,
    bin_size,
    drop_next,
    next_key,
    next_time,
    open_bin,
    schedule,
)
from sim.flow.jit import kernel, touch
from sim.operations.front_engine import (
    arrive,
    finish_group,
    finish_work,
    group_start_due,
    start_group,
    start_waiting,
    time_out,
    time_out_due,
)
from sim.operations.front_orders import cancel, event_key, sweep
from sim.operations.front_state import (
    ALLOCATED,
    ARRIVAL,
    BUSY,
    CANCEL,
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
    NEXT_ARRIVAL,
    NOW,
    ON_HOLD_US,
    PAID,
    PAID_TAIL,
    PAYMENT,
    REASON,
    RELEASING_TAIL,
    RESTOCK,
    RING_OUT,
    RING_START,
    RING_TAIL,
    SPLIT_ROOM,
    STAFF,
    STAFF_BUSY,
    STAFF_DONE,
    STAFF_START,
    STAFFED,
    START,
    STATE,
    SWEEP,
    SWEEP_AT_US,
    TIME_OUT,
    WORKED,
    WORKERS,
    Front,
)
from sim.operations.front_stock import restock, wanted_sku
from sim.orders.states import Reason, State

ON_HOLD = int(State.ON_HOLD)
BUYER_CANCELLED, NOT_GOING = int(Reason.BUYER_CANCELLED), int(Reason.NOT_GOING)
DONE_ALL, NEEDS_ROOM = 0, 1
AHEAD = 24  # how many steps ahead records are fetched


@kernel
def advance(f: Front, end_us: int) -> int:
    """Let everything due before `end_us` happen. Returns DONE_ALL, or NEEDS_ROOM with registers NEED_* set."""
    reg = f.reg
    unchecked = 0  # events that there is surely room for
    while True:
        if unchecked == 0:
            if _lacks_room(f):
                return NEEDS_ROOM
            unchecked = EVENTS_A_CHECK
        unchecked -= 1
        due = min(_due_inside(f), _due_outside(f), end_us << 4)
        now = due >> 4
        if now >= end_us:
            reg[NOW] = end_us
            return DONE_ALL
        reg[NOW] = now
        reg[EVENTS] += 1
        if not _happen(f, due & 15, now):
            return NEEDS_ROOM


@kernel
def _happen(f: Front, what: int, now: int) -> bool:
    """One event happens. False: the next bin of the calendar needs more room first."""
    if what in (JOIN, STAFF_START):
        _start_staff(f, now)
    elif what >= ARRIVAL:
        return _arrival(f, what, now)
    elif WORKED <= what < GROUP_DONE or what in (STAFF_DONE, RESTOCK, CANCEL):
        return _calendar_event(f, now)
    elif what == SWEEP:
        sweep(f, now)
    elif what == TIME_OUT:
        time_out(f, now)
    else:
        _happen_at_engine(f, what, now)
    return True


@kernel
def _happen_at_engine(f: Front, what: int, now: int) -> None:
    if what == START:
        start_waiting(f, now)
    elif what == GROUP_DONE:
        finish_group(f, now)
    else:
        start_group(f, now)


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
        return bool(room < LIST_ROOM or len(f.allocations) - reg[ALLOCATED] < reg[SPLIT_ROOM])
    reg[NEED_BLOCKS] = margin
    reg[NEED_NEAR] = cal[NEAR_SIZE] + margin
    return True


@kernel
def _due_inside(f: Front) -> int:
    """The earliest of sweep, store, starts and time-outs, as time << 4 | what."""
    reg = f.reg
    best = int(reg[SWEEP_AT_US] << 4) | SWEEP
    if reg[GROUP_END_US] != FAR:
        best = min(best, (reg[GROUP_END_US] << 4) | GROUP_DONE)
    if reg[RING_START] < reg[RING_TAIL] and reg[BUSY] < reg[WORKERS]:
        best = min(best, (reg[NOW] << 4) | START)  # capacity has risen; a worker who is done takes the next at once
    group = group_start_due(f)
    if group != FAR:
        best = min(best, (group << 4) | GROUP_START)
    if reg[STAFFED] == 1 and reg[HOLD_HEAD] < reg[PAID_TAIL] and reg[STAFF_BUSY] < reg[STAFF]:
        best = min(best, _staff_start_due(f))
    patience = time_out_due(f)
    if patience != FAR:
        best = min(best, (patience << 4) | TIME_OUT)
    return best


@kernel
def _staff_start_due(f: Front) -> int:
    """When a free member of staff takes the next order: now if it waits, else when its ON_HOLD ends."""
    end = f.times[f.paid[f.reg[HOLD_HEAD]], PAID] + f.reg[ON_HOLD_US]
    if end < f.reg[NOW]:
        return int(f.reg[NOW] << 4) | STAFF_START
    return int(end << 4) | JOIN


@kernel
def _due_outside(f: Front) -> int:
    """The earliest of the calendar, the trace and the ends of ON_HOLD, as time << 4 | what."""
    reg = f.reg
    best = FAR
    soonest = next_time(f)
    if soonest != FAR:
        key = next_key(f)
        # a bin to open may have begun before now
        best = (max(soonest, int(reg[NOW])) << 4) | WORKED if key < 0 else (soonest << 4) | (key >> 30)
    if reg[NEXT_ARRIVAL] < reg[COUNT]:
        best = min(best, (f.line_time_us[f.first[reg[NEXT_ARRIVAL]]] << 4) | (ARRIVAL + CHECKOUT))
    if reg[STAFFED] == 0 and reg[HOLD_HEAD] < reg[PAID_TAIL]:
        end = f.times[f.paid[reg[HOLD_HEAD]], PAID] + reg[ON_HOLD_US]
        best = min(best, (end << 4) | (ARRIVAL + CONFIRMATION))
    return best


@kernel
def _calendar_event(f: Front, now: int) -> bool:
    """The calendar's next event happens, or its next bin is opened. False: the bin needs more room."""
    key = next_key(f)
    if key < 0:
        f.reg[NEED_SORTED] = bin_size(f)
        if f.reg[NEED_SORTED] > len(f.sorted):
            return False
        open_bin(f)
        return True
    drop_next(f)
    _fetch_ahead(f)
    what, order, attempt = key >> 30, (key >> 4) & 0x3FFFFFF, key & 15
    if what >= ARRIVAL:
        arrive(f, what - ARRIVAL, order, attempt, now)
    elif what < GROUP_DONE:
        finish_work(f, what - WORKED, order, attempt, now)
    elif what == STAFF_DONE:
        _finish_staff(f, order, now)
    elif what == RESTOCK:
        restock(f, order)
    else:
        cancel(f, order, BUYER_CANCELLED, now)
    return True


@kernel
def _fetch_ahead(f: Front) -> None:
    """Fetch the records of an order that leaves the open bin soon."""
    place = f.cal[SORTED_AT] + AHEAD
    if place < f.cal[SORTED_SIZE]:
        order = (f.sorted[place] >> 4) & 0x3FFFFFF
        touch(f.times, order)
        if (f.sorted[place] & KEY_MASK) >> 30 == ARRIVAL + PAYMENT:
            touch(f.payment_us, order)


@kernel
def _arrival(f: Front, what: int, now: int) -> bool:
    """The next arrival at this instant: of the calendar, the trace or the ends of ON_HOLD, whichever order is lower."""
    reg = f.reg
    soonest = next_time(f)
    key = next_key(f)
    calendar_order = FAR
    if soonest == now and key >= 0 and key >> 30 == what:
        calendar_order = (key >> 4) & 0x3FFFFFF
    if what == ARRIVAL + CHECKOUT and reg[NEXT_ARRIVAL] < reg[COUNT]:
        order = int(reg[NEXT_ARRIVAL])
        if order < calendar_order and f.line_time_us[f.first[order]] == now:
            reg[NEXT_ARRIVAL] += 1
            _intent(f, order, now)
            return True
    if what == ARRIVAL + CONFIRMATION and reg[STAFFED] == 0 and reg[HOLD_HEAD] < reg[PAID_TAIL]:
        order = int(f.paid[reg[HOLD_HEAD]])
        if order < calendar_order and f.times[order, PAID] + reg[ON_HOLD_US] == now:
            reg[HOLD_HEAD] += 1
            if reg[HOLD_HEAD] + AHEAD < reg[PAID_TAIL]:
                touch(f.times, f.paid[reg[HOLD_HEAD] + AHEAD])
            if f.small[order, STATE] == ON_HOLD:
                f.times[order, CONFIRM_DUE] = now
                arrive(f, CONFIRMATION, order, 0, now)
            return True
    return _calendar_event(f, now)


@kernel
def _intent(f: Front, order: int, now: int) -> None:
    """An intent of the trace goes ahead, or not."""
    if int(f.go[order]) < f.factor[wanted_sku(f, order, int(f.first[order]))]:
        arrive(f, CHECKOUT, order, 0, now)
    else:
        f.small[order, REASON] = NOT_GOING


@kernel
def _start_staff(f: Front, now: int) -> None:
    """A free member of staff takes the next order; one that is no longer ON_HOLD is passed over."""
    reg = f.reg
    order = int(f.paid[reg[HOLD_HEAD]])
    reg[HOLD_HEAD] += 1
    if reg[HOLD_HEAD] + AHEAD < reg[PAID_TAIL]:
        soon = f.paid[reg[HOLD_HEAD] + AHEAD]
        touch(f.times, soon)
        touch(f.confirm_work_us, soon)
        touch(f.confirmation_us, soon)
    if f.small[order, STATE] == ON_HOLD:
        reg[STAFF_BUSY] += 1
        schedule(f, now + int(f.confirm_work_us[order]), event_key(STAFF_DONE, order, 0))


@kernel
def _finish_staff(f: Front, order: int, now: int) -> None:
    """Staff work is done: the confirmation is sent. It arrives after all completions of the instant."""
    f.reg[STAFF_BUSY] -= 1
    if f.small[order, STATE] != ON_HOLD:
        return
    f.times[order, CONFIRM_DUE] = now
    if min(_due_inside(f), _due_outside(f)) >> 4 > now:
        arrive(f, CONFIRMATION, order, 0, now)  # nothing else happens now, so it need not queue for its turn
    else:
        schedule(f, now, event_key(ARRIVAL + CONFIRMATION, order, 0))
