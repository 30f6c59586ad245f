"""The states of an order, the reasons for its end, and the one table of transitions that is allowed.

Pure: no I/O, clock, randomness or arrays. The simulation, its oracle and the order engine use these and no others.
"""

from __future__ import annotations

from enum import IntEnum


class State(IntEnum):
    """TikTok Shop's order states; NONE is an intent that never became an order."""

    NONE = 0
    UNPAID = 1
    ON_HOLD = 2
    AWAITING_SHIPMENT = 3
    PARTIALLY_SHIPPING = 4
    AWAITING_COLLECTION = 5
    IN_TRANSIT = 6
    DELIVERED = 7
    COMPLETED = 8
    CANCELLED = 9


class Reason(IntEnum):
    """Why an intent was refused or an order ended other than by plain completion."""

    NOTHING = 0
    NOT_GOING = 1  # the buyer's uniform lies above the conversion factor
    OFF_SHELF = 2
    DEAL_CLOSED = 3
    DEAL_SOLD_OUT = 4
    PURCHASE_LIMIT = 5
    SOLD_OUT = 6
    ENGINE_BUSY = 7  # the queue was full at the last try
    ENGINE_TIMEOUT = 8
    ENGINE_CRASHED = 9
    EXPIRED = 10
    BUYER_CANCELLED = 11
    NOT_CONFIRMED = 12
    LOST = 13
    RETURNED = 14
    REFUNDED = 15
    AUTO_CANCELLED = 16  # by the platform, for having no label or no carrier's scan in time
    NOT_SUPPLIED = 17  # waited for stock as long as it may, or the merchant cancelled what it had confirmed


REFUSALS = frozenset(
    {Reason.OFF_SHELF, Reason.DEAL_CLOSED, Reason.DEAL_SOLD_OUT, Reason.PURCHASE_LIMIT, Reason.SOLD_OUT}
)
#: Reasons of those who gave up at an engine that was busy, too slow or crashed.
FAILURES = (Reason.ENGINE_BUSY, Reason.ENGINE_TIMEOUT, Reason.ENGINE_CRASHED)

TRANSITIONS: dict[State, frozenset[State]] = {
    State.NONE: frozenset({State.UNPAID}),
    State.UNPAID: frozenset({State.ON_HOLD, State.CANCELLED}),
    State.ON_HOLD: frozenset({State.AWAITING_SHIPMENT, State.CANCELLED}),
    State.AWAITING_SHIPMENT: frozenset({State.PARTIALLY_SHIPPING, State.AWAITING_COLLECTION, State.CANCELLED}),
    State.PARTIALLY_SHIPPING: frozenset({State.AWAITING_COLLECTION, State.IN_TRANSIT, State.CANCELLED}),
    State.AWAITING_COLLECTION: frozenset({State.PARTIALLY_SHIPPING, State.IN_TRANSIT, State.CANCELLED}),
    State.IN_TRANSIT: frozenset({State.DELIVERED, State.CANCELLED}),
    State.DELIVERED: frozenset({State.COMPLETED}),
    State.COMPLETED: frozenset(),
    State.CANCELLED: frozenset(),
}
TERMINAL = frozenset(state for state, onward in TRANSITIONS.items() if not onward)


def may_go(before: State, after: State) -> bool:
    """Whether the table allows the step from `before` to `after`."""
    return after in TRANSITIONS[before]
