"""What a replay measures: one record a request, three stamps each, and how it ended.

`due` is when the trace (or the step before, plus its delay) wants the request sent, `sent` when it was, `done` when its
answer was complete; `ready` is when what it waited for was there. All in whole microseconds since the replay's start.
lag = sent - max(due, ready), response = done - due.

A retry is a record of its own with a higher `attempt`: ready at the done of the try before, due a back-off later. What
a buyer waited for is last done - first due of a cart's records at an endpoint. `cart` is -1 where there is none.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import IntEnum
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt


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


#: Endpoints that the trace's arrivals ask; all others follow from an answer.
ARRIVING = (Endpoint.VIEW, Endpoint.REFRESH, Endpoint.QUOTE, Endpoint.CHECKOUT)


class Outcome(IntEnum):
    """How it ended. Refused, declined and in progress are correct answers; shed to dropped missed any SLO."""

    OK = 0
    REFUSED = 1  # sold out, deal closed, limit reached: a correct refusal
    DECLINED = 2  # the payment provider said no
    REPLAYED = 3  # a retry found its first answer
    SHED = 4  # 429 or 503: the target asked to come back later
    ERROR = 5  # any other answer, or none
    TIMEOUT = 6  # indeterminate: retried with its key
    DROPPED = 7  # could not be sent
    CUT = 8  # under way when we ended the replay: says nothing of the target but that it had taken so long by then
    IN_PROGRESS = 9  # 409 to one of two twins, while the other is being answered: come back for that answer


#: Outcomes that are correct refusals.
REFUSED = (Outcome.REFUSED, Outcome.DECLINED)
#: Outcomes that met no SLO, however quick they were.
MISSED = (Outcome.SHED, Outcome.ERROR, Outcome.TIMEOUT, Outcome.DROPPED)
#: Outcomes of a step that did what it should.
DONE = (Outcome.OK, Outcome.REPLAYED)

_AGAIN = (Outcome.SHED, Outcome.ERROR, Outcome.TIMEOUT, Outcome.IN_PROGRESS)
_AGAIN_4XX = (408, 409, 425, 429)


def is_tried_again(outcome: int, status: int) -> bool:
    """Whether a step that has a key and ended so is tried again, as the same question may get another answer."""
    if outcome == Outcome.ERROR:
        return not 300 <= status < 500 or status in _AGAIN_4XX
    return outcome in _AGAIN


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
        ("twin", "u1"),  # 1: the second of two checkouts that were sent at once with one key
    ]
)

#: Of a record that belongs to no cart.
NO_CART = -1
#: Refusal codes of a run that are told apart: what comes after them is "other".
REASONS_MOST = 255


class Ack(IntEnum):
    """What a target has acknowledged to a client: the audit holds it to that."""

    PLACED = 1
    PAID = 2
    CONFIRMED = 3
    CANCELLED = 4
    RETURN_REQUESTED = 5
    REFUSED = 6


class AckLine(msgspec.Struct):
    """A line of acks-<worker>.jsonl: one answer that was given to a client."""

    kind: str  # name of an Ack
    cart: int  # the trace's cart number
    key: str
    order: str
    status: int
    at_us: int
    reason: str = ""


def read_acks(folder: Path) -> Iterator[AckLine]:
    """What a target acknowledged, all workers; a last line that was cut off is left out."""
    decoder = msgspec.json.Decoder(AckLine)
    for path in sorted(folder.glob("acks-*.jsonl")):
        for line in path.read_bytes().splitlines(keepends=True):
            if line.endswith(b"\n"):
                yield decoder.decode(line)


def read_records(folder: Path) -> npt.NDArray[Any]:
    """The records of all workers, by due time; a last record that was cut off is left out.

    `reason` is an index into `read_reasons`.
    """
    return read_requests(folder)[0]


def read_requests(folder: Path) -> tuple[npt.NDArray[Any], list[str], int]:
    """The records as `read_records` does, the codes of their reasons, and how many were cut off."""
    reasons, numbers_of = _merged_reasons(folder)
    parts, torn = [], 0
    for path in sorted(folder.glob("requests-*.bin")):
        data = path.read_bytes()
        torn += len(data) % RECORD.itemsize > 0
        part = np.frombuffer(data[: len(data) // RECORD.itemsize * RECORD.itemsize], RECORD).copy()
        numbers = numbers_of.get(path.stem.removeprefix("requests-"), np.zeros(1, np.uint8))
        # A code that was cut off: the last known.
        part["reason"] = numbers[np.minimum(part["reason"], len(numbers) - 1)]
        parts.append(part)
    records = np.concatenate(parts) if parts else np.empty(0, RECORD)
    order = np.lexsort((records["worker"], records["cart"], records["sent_us"], records["due_us"]))
    return records[order], reasons, torn


def read_reasons(folder: Path) -> list[str]:
    """The refusal codes of all workers; the first is empty: none."""
    return _merged_reasons(folder)[0]


def _merged_reasons(folder: Path) -> tuple[list[str], dict[str, npt.NDArray[np.uint8]]]:
    """The codes of all workers, and by worker the place of each of its own among them."""
    reasons, numbers_of = [""], {}
    for path in sorted(folder.glob("reasons-*.json")):
        numbers_of[path.stem.removeprefix("reasons-")] = numbers_in(reasons, _codes_of(path) or [""])
    return reasons, numbers_of


def _codes_of(path: Path) -> list[str]:
    """A worker's codes; none where its file was cut short."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=list[str])
    except msgspec.DecodeError:
        return []


def numbers_in(reasons: list[str], codes: list[str]) -> npt.NDArray[np.uint8]:
    """The place of each of a worker's codes in the common list, which grows by those that are new.

    A place is a byte: what comes after the 255th code is told as "other".
    """
    for at, code in enumerate(codes):
        codes[at] = code if code in reasons or len(reasons) < REASONS_MOST else "other"
        if codes[at] not in reasons:
            reasons.append(codes[at])
    return np.array([reasons.index(code) for code in codes], np.uint8)
