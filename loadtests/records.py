"""What a replay measures: one record a request, three stamps each, and how it ended.

`due` is when the trace (or the step before, plus its delay) wants the request sent, `sent` when it was, `done` when its
answer was complete; `ready` is when what it waited for was there. All in whole microseconds since the replay's start.
lag = sent - max(due, ready), response = done - due.
"""

from __future__ import annotations

from enum import IntEnum

import numpy as np


class Endpoint(IntEnum):
    """What was asked. Checkout and confirmation are never mixed with anything else."""

    VIEW = 0
    REFRESH = 1
    QUOTE = 2
    CHECKOUT = 3
    PAYMENT = 4
    CONFIRMATION = 5
    READ = 6
    CANCEL = 7
    RETURN = 8
    FOLLOW = 9  # asking for news of payments
    OTHER = 10


class Outcome(IntEnum):
    """How it ended. Refused and declined are correct answers; the last three missed any SLO."""

    OK = 0
    REFUSED = 1  # sold out, deal closed, limit reached: a correct refusal
    DECLINED = 2  # the payment provider said no
    REPLAYED = 3  # a retry found its first answer
    SHED = 4  # 429 or 503: the target asked to come back later
    ERROR = 5  # any other answer, or none
    TIMEOUT = 6  # indeterminate: retried with its key
    DROPPED = 7  # could not be sent


#: Outcomes that met no SLO, however quick they were.
MISSED = (Outcome.SHED, Outcome.ERROR, Outcome.TIMEOUT, Outcome.DROPPED)

RECORD = np.dtype(
    [
        ("due_us", "<i8"),
        ("ready_us", "<i8"),  # the prerequisite's done; due where there is none
        ("sent_us", "<i8"),
        ("done_us", "<i8"),
        ("cart", "<i4"),  # row of Schedule.carts
        ("status", "<u2"),  # HTTP, 0 for none
        ("endpoint", "u1"),
        ("outcome", "u1"),
        ("attempt", "u1"),  # 1 for the first try
        ("worker", "u1"),
        ("reason", "u1"),  # index into the run's list of refusal codes, 0 for none
        ("spare", "u1"),
    ]
)


class Ack(IntEnum):
    """What a target has acknowledged to a client: the audit holds it to that."""

    PLACED = 1
    PAID = 2
    CONFIRMED = 3
    CANCELLED = 4
    RETURN_REQUESTED = 5
    REFUSED = 6
