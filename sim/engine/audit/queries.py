"""What the audit asks of the tables, in SQL that SQLite and PostgreSQL understand alike.

Each check is a query of what breaks an invariant, `id` and `found`; a clean store gives none. Sums are made of lines,
payments, transfers and events, and compared with what stocks, deals and orders say of themselves.
"""

from __future__ import annotations

from sim.engine.audit.check import Check
from sim.engine.audit.history import history_checks, key_checks, time_checks
from sim.engine.audit.money import book_checks, capture_checks, refund_checks
from sim.engine.audit.stock import deal_checks, stock_checks

MEANINGS: dict[str, str] = {
    "S1": "No more units of a SKU are sold than were put in.",
    "S2": "Units on hand are the sum of all that came and went, and what went was shipped for an order.",
    "S3": "Held, committed and releasing units are those of the orders' lines, and no more than are on hand.",
    "S4": "A deal's used units are those of orders that keep theirs, in all and for each buyer, and within its limits.",
    "M1": "A paid order has one capture, of its total, and the total is that of its lines.",
    "M2": "What was captured less what was refunded lies with shops and platform, for each order and currency.",
    "M3": "No more is refunded than was captured.",
    "M4": "No capture is without an order, and no order without the units that its state asks for.",
    "O1": "Everything that was acknowledged under a key is there: orders, parcels, cancellations, returns, refunds.",
    "O2": "A key has made one order, and an order was made under one key.",
    "O3": "Every order went only ways that the table of transitions allows, without a gap, to where it is.",
    "O4": "Money that came too late goes back in full, and so does that of cancelled orders and of what they replaced.",
    "E1": "The feed is numbered from 1 without a gap; so are the events of every order, whose last number it has.",
    "T1": "No order is unpaid after its time, and no cancelled one still keeps its units.",
}


def checks(now_us: int, grace_us: int, keyed_since_us: int) -> tuple[Check, ...]:
    """All checks; what time should have done `grace_us` before `now_us` counts as not done.

    Orders placed after `keyed_since_us` must have the key that made them.
    """
    return (
        *stock_checks(),
        *deal_checks(),
        *capture_checks(),
        *book_checks(),
        *refund_checks(),
        *key_checks(keyed_since_us),
        *history_checks(),
        *time_checks(now_us - grace_us),
    )
