"""Repairs what webhooks and dead processes left open: old PENDING payments are looked up, PENDING refunds are sent.

So a lost webhook, or an end of this process between a charge and its record, is found within seconds. Everything here
may happen twice: the provider does each id once, and the writer takes each outcome once.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from sim.engine import views
from sim.engine.calls import Call
from sim.engine.clock import Clock
from sim.engine.provider import Outcome, Payback, PaymentProvider, Status, verdict
from sim.engine.store import Store, StoreUnavailable
from sim.engine.tables import TABLES, record
from sim.engine.tasks import stop
from sim.engine.writer import Submitter
from sim.orders.commands import Decline, SettleRefund
from sim.orders.entities import Payment

_log = logging.getLogger("liverush.engine")

SECOND_US = 1_000_000
#: A payment is looked up once it is as old as this: until then its own drive or webhook may still end it.
PATIENCE_US = 15 * SECOND_US
LOOK_EVERY_S = 1.0
SEND_EVERY_S = 0.25
#: What stays open is asked about again after 1 s, 2 s, 4 s, ... of this.
FIRST_PAUSE_US = SECOND_US
LONGEST_PAUSE_US = 60 * SECOND_US
PAGE = 200
#: Why a payment is declined that the provider has never heard of.
NEVER_ASKED = "not_attempted"

# Status 1 is PENDING: written out, since the partial indexes on it only serve queries that say so.
_OLD_PAYMENTS = (
    f"SELECT {', '.join(TABLES['payments'].columns)} FROM payments "
    "WHERE status = 1 AND started_us <= ? AND (started_us, id) > (?, ?) ORDER BY started_us, id LIMIT ?"
)
_OPEN_REFUNDS = (
    "SELECT r.id, r.order_id, p.reference, r.amount_minor, r.currency, r.created_us "
    "FROM refunds r JOIN payments p ON p.id = r.payment_id "
    "WHERE r.status = 1 AND (r.created_us, r.id) > (?, ?) ORDER BY r.created_us, r.id LIMIT ?"
)


class Reconciler:
    """Looks after open payments and refunds, each in a loop of its own; leaves alone what `is_running`."""

    def __init__(
        self,
        writer: Submitter,
        store: Store,
        provider: PaymentProvider,
        clock: Clock,
        is_running: Callable[[int], bool],
        *,
        patience_us: int = PATIENCE_US,
        look_every_s: float = LOOK_EVERY_S,
        send_every_s: float = SEND_EVERY_S,
        first_pause_us: int = FIRST_PAUSE_US,
    ) -> None:
        self._writer = writer
        self._store = store
        self._provider = provider
        self._is_running = is_running
        self._clock = clock
        self._patience_us = patience_us
        self._every_s = (look_every_s, send_every_s)
        self._payments = _Pauses(first_pause_us)
        self._refunds = _Pauses(first_pause_us)
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin to look and to send."""
        loop = asyncio.get_running_loop()
        look_s, send_s = self._every_s
        self._tasks = [
            loop.create_task(_forever(self.look_up_payments, look_s)),
            loop.create_task(_forever(self.send_refunds, send_s)),
        ]

    async def close(self) -> None:
        """Stop; what is open stays open until the next start."""
        for task in self._tasks:
            await stop(task)

    async def look_up_payments(self) -> None:
        """Ask the provider about every payment that has been open for too long and is due."""
        now_us = self._clock()
        last = (0, 0)
        seen: set[int] = set()
        while True:
            rows = await self._store.select(_OLD_PAYMENTS, (now_us - self._patience_us, *last, PAGE))
            payments: list[Payment] = [record("payments", values) for values in rows]
            seen.update(payment.id for payment in payments)
            due = [payment for payment in payments if self._wants_a_look(payment, now_us)]
            await asyncio.gather(*(self._look_up(payment, now_us) for payment in due))
            if len(payments) < PAGE:
                self._payments.keep(seen)
                return
            last = (payments[-1].started_us, payments[-1].id)

    def _wants_a_look(self, payment: Payment, now_us: int) -> bool:
        return self._payments.over(payment.id, now_us) and not self._is_running(payment.id)

    async def _look_up(self, payment: Payment, now_us: int) -> None:
        self._payments.begin(payment.id, now_us)
        outcome = await self._provider.look(payment.reference)
        command = verdict(payment, outcome)
        if outcome.status == Status.MISSING:
            # Not charged anew: the buyer has gone. Should the charge be on its way after all, its capture still counts,
            # or is given back where the order can no longer take it.
            command = Decline(payment.order_id, payment.id, NEVER_ASKED)
        if command is not None:
            await self._writer.submit(Call(command, views.nothing))

    async def send_refunds(self) -> None:
        """Have the provider pay out every refund that is open and due."""
        now_us = self._clock()
        last = (0, 0)
        seen: set[int] = set()
        while True:
            rows = await self._store.select(_OPEN_REFUNDS, (*last, PAGE))
            seen.update(values[0] for values in rows)
            due = [values for values in rows if self._refunds.over(values[0], now_us)]
            await asyncio.gather(*(self._send(values, now_us) for values in due))
            if len(rows) < PAGE:
                self._refunds.keep(seen)
                return
            last = (rows[-1][-1], rows[-1][0])

    async def _send(self, values: tuple[Any, ...], now_us: int) -> None:
        refund_id, order_id, charge_id, amount_minor, currency, _created_us = values
        first = self._refunds.begin(refund_id, now_us)
        outcome = await self._provider.refund(Payback(refund_id, charge_id, amount_minor, currency))
        if outcome.status == Status.SUCCEEDED:
            await self._writer.submit(Call(SettleRefund(order_id, refund_id), views.nothing))
        elif first and _refused(outcome):
            _log.error("the provider will not pay out refund %d of order %d: %s", refund_id, order_id, outcome.failure)


class _Pauses:
    """When each thing may be asked about again: after pauses that double."""

    def __init__(self, first_us: int) -> None:
        self._first_us = first_us
        self._until: dict[int, tuple[int, int]] = {}  # id -> (end of the pause, its length)

    def over(self, subject: int, now_us: int) -> bool:
        """Whether a thing may be asked about."""
        return self._until.get(subject, (0, 0))[0] <= now_us

    def begin(self, subject: int, now_us: int) -> bool:
        """Begin the pause after asking; return whether it is the first."""
        _, earlier_us = self._until.get(subject, (0, 0))
        pause_us = min(2 * earlier_us, LONGEST_PAUSE_US) or self._first_us
        self._until[subject] = (now_us + pause_us, pause_us)
        return not earlier_us

    def keep(self, seen: set[int]) -> None:
        """Forget all but what is still open."""
        for subject in self._until.keys() - seen:
            del self._until[subject]


def _refused(outcome: Outcome) -> bool:
    return outcome.status in (Status.DECLINED, Status.MISSING) or bool(outcome.failure)


async def _forever(work: Callable[[], Awaitable[None]], every_s: float) -> None:
    while True:
        await asyncio.sleep(every_s)
        try:
            await work()
        except StoreUnavailable as error:
            _log.warning("payments are not reconciled now: %s", error)
        except Exception:
            _log.exception("payments could not be reconciled")
