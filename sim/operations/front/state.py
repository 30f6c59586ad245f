"""The state of the front: everything from a checkout request to a confirmed order, as arrays for the kernels.

Checkout, payment and confirmation share the engine's workers and its store, and retries loop between them, so they are
one re-entrant group with one calendar (docs/model.md). An order's record is 64 bytes, one cache line: six times and
sixteen small fields; `times` and `small` are two views of the same memory.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from sim.flow.calendar_queue import FAR

I64 = npt.NDArray[np.int64]
I32 = npt.NDArray[np.int32]
I16 = npt.NDArray[np.int16]
U8 = npt.NDArray[np.uint8]
U32 = npt.NDArray[np.uint32]

# columns of `times`
PLACED, PAY_DUE, PAID, CONFIRM_DUE, CONFIRMED, CLOSED = range(6)
# columns of `small`, which begins behind the six times
STATE, REASON, FIRST_REFUSAL, SECOND, REFUSED_LINE, AFTER, LIVE = range(48, 55)
DONE, HOUSE, QUEUE_FULL, TIMED_OUT, DECLINED, CRASHED, REFUSAL = range(57, 64)  # LIVE takes 54, 55, 56: one a stage
LATE, PARCELS = LIVE, LIVE + 1  # when the run is over
SHORT_LINE = LIVE + 2  # of a refused cart, which has nothing to confirm: the line that it was refused for last
SPLIT, NOWHERE, WAITING, NO_LINE = 255, 254, 253, 255  # the first three in place of a warehouse
# bits of DONE: effects that were taken, and one more
DONE_CHECKOUT, DONE_SECOND, DONE_PAYMENT, DONE_CONFIRMATION = 1, 2, 4, 8
PAID_LATE = 32  # paid after the hold was swept
PLANNED = 16  # PAY_DUE holds the time of a payment request (before, it may hold the start of the second round)
# columns of `answers`
RESPONSE = 0  # and so on: responses of stages 0, 1, 2

CHECKOUT, PAYMENT, CONFIRMATION = 0, 1, 2
SECOND_ROUND = 8  # attempts of the second round are numbered from here

# what happens at one instant, in this order; also the top bits of a calendar key
SWEEP, WORKED, GROUP_DONE, STAFF_DONE, RESTOCK, START, GROUP_START, STAFF_START, TIME_OUT, CANCEL, ARRIVAL, JOIN = (
    0, 1, 4, 5, 6, 7, 8, 9, 10, 11, 12, 15,
)  # fmt: skip

(
    NOW, COUNT, NEXT_ARRIVAL, END_US,
    WORKERS, BUSY, QUEUE_BOUND, TIME_OUT_US, ATTEMPTS, BACKOFF_US,
    GROUPED, GROUP_A_US, GROUP_B_US, MAX_GROUP, LINGER_US, GROUP_SIZE, GROUP_END_US,
    RING_OUT, RING_START, RING_TAIL, COMMIT_HEAD, COMMIT_TAIL,
    HOLD_WINDOW_US, SWEEP_US, EXPIRY_HEAD, PLACED_TAIL, RELEASING_TAIL, RELEASE_DUE_US, SWEEP_AT_US,
    PAY_TRIES, RETRY_DELAY_US, SECOND_DELAY_US, ON_HOLD_US, HOLD_HEAD, PAID_TAIL,
    STAFFED, STAFF, STAFF_BUSY, CONFIRMED_TAIL, ALLOCATED, SPLIT_ROOM,
    NEED_BLOCKS, NEED_NEAR, NEED_SORTED, EVENTS, MAX_GROUP_MET, REPEATED, WAITED_OUT,
    HOLD_END_US, START_DUE, STORE_DUE, STAFF_DUE, PATIENCE_DUE, TRACE_DUE,
    PERIOD_US, PERIOD_END_US, TOLERATED_US, LOSS_PPM, MOST_LOSS_PPM, SOLD_OUT_PPM,
    ASKING, HEARD, HEARD_US, SOLD_OUT_HEARD, THINNED,
    STOP_US, WATCHED, CROSSED,
    RESERVES, TAKEN, WAITS, MAX_WAIT_US, QUEUE_HEAD, QUEUE_TAIL, WAITERS, WOKEN, ROWS_A_CART, CANCELS_TOO_LATE,
) = range(78)  # fmt: skip
# feedback: PERIOD_US, 0 without; ASKING: rounds of checkout begun and not over; HEARD, HEARD_US: rounds over in this
# period, and the sum of their times; SOLD_OUT_HEARD: first answers that were; THINNED: factors may be below the trace's
# *_DUE: when a head's next event is due, as time << 4 | what; NEVER_DUE if it has none
NEVER_DUE = FAR << 4
REGISTERS = 96
EVENTS_A_CHECK = 16  # the kernel looks whether its arrays have room once in so many events
LIST_ROOM = 2 * EVENTS_A_CHECK

AVAILABLE, ON_HAND, RECEIVED, RESTOCKED, SHIPPED = range(5)  # first axis of `stock`
CELLS, POOLS = 1, 2  # values of WATCHED: thresholds of each SKU and warehouse, or of each SKU; 0: there are none
NO_THRESHOLD = -FAR
R_SKU, R_HOUSE, R_FIRST, R_END, R_SIZE, R_LEFT = range(6)  # columns of `reserve`; contents from FIRST to END - 1
OTHERWISE_SPLIT, OTHERWISE_REFUSE, OTHERWISE_WAIT = range(3)  # what becomes of a cart that no warehouse has whole


class Front(NamedTuple):
    """All arrays of the front. n = carts, m = buy lines."""

    reg: I64  # scalars, by the names above
    cal: I64  # the calendar: sim.flow.calendar_queue.Calendar
    bins: I32
    sizes: I32
    pool: I64
    near: I64
    sorted: I64
    slots: I32
    times: I64  # [n, 8]: six times, then the small fields' memory
    small: U8  # [n, 64]: the same memory
    answers: I32  # [n, 3]
    split_at: I32  # [n]: first row in `allocations`; untouched memory but for split carts
    # the trace
    first: I32  # [n + 1]: first buy line of each cart
    line_time_us: I64  # [m]
    line_sku: I32
    line_quantity: I16
    line_deal: I16
    line_second: I32
    line_region: U8
    go: U32  # [n] and so below
    checkout_us: I32
    payment_us: I32
    confirmation_us: I32
    pay_delay_us: I64
    provider_us: I32
    declines: U8
    after_u32: U32
    confirm_work_us: I32
    # the engine's queues
    ring_key: I64
    ring_at: I64
    commit_key: I64
    commit_at: I64
    # lists in the order of events
    placed: I32  # [n]: as they were placed, for the end of holds
    paid: I32  # [n]: as they were paid, for the end of ON_HOLD and the staff's queue
    confirmed: I32  # [n]: as they were confirmed, for the warehouses; begins again at each hand-over
    confirmed_house: U8  # [n]: their warehouses
    releasing: I32  # cancelled since the last sweep
    allocations: I32  # [rows, 5]: order, line, sku, warehouse, units of split carts
    # shop
    factor: I64  # [skus], 2^32: everybody goes ahead
    neutral: I64  # [skus]: the trace's factors
    heard: I64  # [2, skus]: in this period of feedback, by first line: first checkouts answered, and sold out
    shelf: U8  # [skus]
    part_first: I32  # [skus + 1]
    part_sku: I32
    part_units: I32
    stock: I64  # [5, skus, warehouses]; AVAILABLE is what anybody may have
    asked: I32  # [regions, warehouses]: in this order, -1 no more
    otherwise: U8  # [regions]
    threshold: I64  # [skus, warehouses]: the front stops once a position without orders falls to it
    deal_open: U8
    deal_left: I64
    deal_per_buyer: I64
    deal_slot: I32  # [m]: counter of this buyer in this deal (empty without deals)
    bought: I32
    provider_out: I64  # [outages, 2]: start, end
    before_shipping: I64  # [1025]: quantile table
    queue_peak: I32  # [seconds]
    # units kept for some contents
    reserve: I64  # [rows, 6], by SKU, then as in the file; AVAILABLE does not count what is left in them
    reserve_first: I32  # [skus + 1]
    taken: I64  # [room, 2]: row, units taken of it by the cart at hand
    line_content: I16  # [m], empty without reserves
    # orders that wait for stock; columns with [n] are empty where none may
    presale_units: I64  # [skus]
    lead_us: I64
    waiting: I64  # [skus, warehouses]: units waited for
    queue: I32  # [n]: as they were placed
    promised_us: I64  # [n]: of those that waited
    allocated_us: I64  # [n]: of those that waited and were served
    ready_us: I64  # [n]: when a confirmed order had its units
    woken: U8  # [skus]: whether it is in the next
    woken_sku: I32  # [skus]: of which units came since the queue was looked at
