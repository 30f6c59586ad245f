"""Repairs what webhooks and dead processes left open: old PENDING payments are looked up, PENDING refunds are sent.

So a lost webhook, or an end of this process between a charge and its record, is found within seconds. Everything here
may happen twice: the provider does each id once, and the writer takes each outcome once.
"""

from __future__ import annotations

import asyncio
import heapq
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from sim.engine import views
from sim.engine.calls import Call
from sim.engine.clock import Clock
from sim.engine.paying.provider import Outcome, Payback, PaymentProvider, Status, verdict
from sim.engine.stores.store import Store, StoreUnavailable
from sim.engine.stores.tables import TABLES, record
from sim.engine.tasks import stop
from sim.engine.writer import Submitter
from sim.orders.commands import Command, Decline, SettleRefund
from sim.orders.entities import Payment
from sim.orders.rules import SECOND_US

_log = logging.getLogger("liverush.engine")

#: A payment is looked up once it is as old as this: until then its own drive or webhook may still end it.
PATIENCE_US = 15 * SECOND_US
LOOK_EVERY_S = 1.0
SEND_EVERY_S = 0.25
#: What stays open is asked about again after 1 s, 2 s, 4 s, ... of this.
FIRST_PAUSE_US = SECOND_US
LONGEST_PAUSE_US = 60 * SECOND_US
PAGE = 200
#: What a provider may say for a while, without a reason.
_SILENT = (Status.PENDING, Status.UNKNOWN)
#: Why a payment is declined that the provider has never heard of.
NEVER_ASKED = "not_attempted"

# Status 1 is PENDING: written out, since the partial indexes on it only serve queries that say so.
_OLD_PAYMENTS = (
    "SELECT started_us, id FROM payments "
    "WHERE status = 1 AND (started_us, id) > (?, ?) AND started_us <= ? ORDER BY started_us, id LIMIT ?"
)
_PAYMENTS = (
    f"SELECT {', '.join(TABLES['payments'].columns)} FROM payments WHERE status = 1 AND id IN ({{marks}}) ORDER BY id"
)
_NEW_REFUNDS = (
    "SELECT created_us, id FROM refunds "
    "WHERE status = 1 AND (created_us, id) > (?, ?) AND created_us <= ? ORDER BY created_us, id LIMIT ?"
)
_REFUNDS = (
    "SELECT r.id, r.order_id, p.reference, r.amount_minor, r.currency FROM refunds r "
    "JOIN payments p ON p.id = r.payment_id WHERE r.status = 1 AND r.id IN ({marks}) ORDER BY r.id"
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
        patience_us: int,
        look_every_s: float,
        send_every_s: float,
    ) -> None:
        self._writer = writer
        self._store = store
        self._provider = provider
        self._is_running = is_running
        self._clock = clock
        self._patience_us = patience_us
        self._every_s = (look_every_s, send_every_s)
        self._payments = _Open(FIRST_PAUSE_US)
        self._refunds = _Open(FIRST_PAUSE_US)
        self._told: set[int] = set()  # what the log has of what is open
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
        await self._find(self._payments, _OLD_PAYMENTS, now_us - self._patience_us)
        await self._ask(self._payments, _PAYMENTS, now_us, self._look_up)

    async def send_refunds(self) -> None:
        """Have the provider pay out every refund that is open and due."""
        now_us = self._clock()
        await self._find(self._refunds, _NEW_REFUNDS, now_us)
        await self._ask(self._refunds, _REFUNDS, now_us, self._send)

    async def _find(self, known: _Open, query: str, until_us: int) -> None:
        """Take in what has become open; the writer's time only goes on, so nothing comes before what is known."""
        while True:
            rows = await self._store.select(query, (*known.last, until_us, PAGE))
            for at_us, subject in rows:
                known.add(subject)
                known.last = at_us, subject
            if len(rows) < PAGE:
                return

    async def _ask(self, known: _Open, query: str, now_us: int, ask: _Ask) -> None:
        """Ask about what is due and still open, a page at a time; one at a time while the provider answers nothing."""
        while due := known.due(now_us, PAGE if known.answered else 1):
            try:
                subjects = [*due, *[next(iter(due))] * (PAGE - len(due))]
                rows = await self._store.select(query.format(marks=", ".join("?" * PAGE)), subjects)
            except BaseException:
                known.give_back(due, now_us)
                raise
            known.begin_pauses({row[0]: due[row[0]] for row in rows}, now_us)
            found = await asyncio.gather(*(ask(tuple(row)) for row in rows))
            said = [answered for answered in found if answered is not None]
            known.answered = any(said) if said else known.answered
            if not known.answered:
                return

    async def _look_up(self, values: tuple[Any, ...]) -> bool | None:
        payment: Payment = record("payments", values)
        if self._is_running(payment.id):
            return None
        outcome = await self._provider.look(payment.reference)
        command = verdict(payment, outcome)
        if outcome.status == Status.MISSING:
            # Not charged anew: the buyer has gone. Should the charge be on its way after all, its capture still counts,
            # or is given back where the order can no longer take it.
            command = Decline(payment.order_id, payment.id, NEVER_ASKED)
        await self._end(command, f"payment {payment.id} of order {payment.order_id} stays open", payment.id, outcome)
        return outcome.status != Status.UNKNOWN

    async def _send(self, values: tuple[Any, ...]) -> bool:
        refund_id, order_id, charge_id, amount_minor, currency = values
        outcome = Outcome(Status.SUCCEEDED)  # of nothing, as earlier versions made for captures of nothing
        if amount_minor:
            outcome = await self._provider.refund(Payback(refund_id, charge_id, amount_minor, currency))
        command = SettleRefund(order_id, refund_id) if outcome.status == Status.SUCCEEDED else None
        await self._end(command, f"refund {refund_id} of order {order_id} is not paid out", refund_id, outcome)
        return outcome.status != Status.UNKNOWN

    async def _end(self, command: Command | None, what: str, subject: int, outcome: Outcome) -> None:
        """Do what follows from an answer; of one from which nothing does, tell why, once a subject."""
        if command is not None:
            await self._writer.submit(Call(command, views.nothing, own=True))
            self._told.discard(subject)
        elif subject not in self._told and (outcome.failure or outcome.status not in _SILENT):
            self._told.add(subject)
            _log.error("%s; the provider says: %s", what, outcome.failure or outcome.status)


#: Asks about a row. Returns whether the provider said anything, None if it was not asked.
_Ask = Callable[[tuple[Any, ...]], Awaitable[bool | None]]


class _Open:
    """What is open of one kind. Each thing is due at once and then after pauses that double, until it is settled.

    It is read from the store when it becomes open and when it is due, not each time that somebody looks: while a
    provider is away for hours much may be open.
    """

    def __init__(self, first_us: int) -> None:
        self.last = (0, 0)  # instant and id of the youngest that is known
        self.answered = True  # whether the provider answered last
        self._first_us = first_us
        self._waiting: list[tuple[int, int, int]] = []  # a heap: when it is due, its id, the pause before

    def add(self, subject: int) -> None:
        """Take in what has become open."""
        heapq.heappush(self._waiting, (0, subject, 0))

    def due(self, now_us: int, most: int) -> dict[int, int]:
        """Take out what is due, at most so much, with the pauses before: 0 the first time."""
        found: dict[int, int] = {}
        while self._waiting and len(found) < most and self._waiting[0][0] <= now_us:
            _, subject, pause_us = heapq.heappop(self._waiting)
            found[subject] = pause_us
        return found

    def begin_pauses(self, asked: dict[int, int], now_us: int) -> None:
        """Let what is asked about be due again after a pause."""
        for subject, earlier_us in asked.items():
            pause_us = min(2 * earlier_us, LONGEST_PAUSE_US) or self._first_us
            heapq.heappush(self._waiting, (now_us + pause_us, subject, pause_us))

    def give_back(self, due: dict[int, int], now_us: int) -> None:
        """Let what was not asked about stay due."""
        for subject, pause_us in due.items():
            heapq.heappush(self._waiting, (now_us, subject, pause_us))


async def _forever(work: Callable[[], Awaitable[None]], every_s: float) -> None:
    while True:
        await asyncio.sleep(every_s)
        try:
            await work()
        except StoreUnavailable as error:
            _log.warning("payments are not reconciled now: %s", error)
        except Exception:
            _log.exception("payments could not be reconciled")
