"""Driving payments: the provider is asked once an attempt is durable and outside of every transaction.

What it says then goes to the writer like any call. Whatever fails in between (the network, the provider, this process)
leaves a PENDING payment, which a retry of the same key, the provider's webhook or the reconciler brings to its end.
"""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, ClassVar

import msgspec
from msgspec import Meta

from sim.engine import views
from sim.engine.calls import Call, Reply
from sim.engine.clock import Clock
from sim.engine.executor import Handler
from sim.engine.layers import Group
from sim.engine.paying.provider import Amount, Charge, Outcome, PaymentProvider, Status, verdict
from sim.engine.paying.reconciler import LOOK_EVERY_S, PATIENCE_US, SEND_EVERY_S, Reconciler
from sim.engine.problems import KEY_IN_USE, OVERLOADED
from sim.engine.resources import Currency, Id
from sim.engine.stores.store import Store
from sim.engine.stores.tables import TABLES, record
from sim.engine.tasks import stop
from sim.engine.writer import Submitter
from sim.errors import Defect
from sim.orders.commands import Capture, Command, Decline, SettleRefund, StartPayment
from sim.orders.entities import Payment, PaymentStatus

_BY_ID = f"SELECT {', '.join(TABLES['payments'].columns)} FROM payments WHERE id = ?"

#: How long the end of the engine waits for drives: a little more than the provider's client does.
GRACE_S = 12.0
#: Attempts that may wait for the provider at once; more get 503.
MOST_RUNNING = 10_000


class AnswerPending(msgspec.Struct, frozen=True, gc=False):
    """Change nothing; answer with how an attempt to pay stands, and let that answer settle the caller's key."""

    CATALOGUE: ClassVar[bool] = False  # it leaves the catalogue alone: its group may read the cache itself
    order_id: int
    payment_id: int


def answer_pending(_group: Group, _command: AnswerPending, _now_us: int) -> tuple[Any, ...]:
    """Let nothing happen: the view answers."""
    return ()


HANDLERS: dict[type, Handler] = {AnswerPending: answer_pending}


class PaymentDriver:
    """Takes attempts to pay to the provider, one drive an attempt at a time, and its word to the writer."""

    def __init__(
        self,
        writer: Submitter,
        store: Store,
        provider: PaymentProvider,
        clock: Clock,
        *,
        speed: float = 1.0,
        patience_us: int = PATIENCE_US,
        look_every_s: float = LOOK_EVERY_S,
        send_every_s: float = SEND_EVERY_S,
    ) -> None:
        self._writer = writer
        self._store = store
        self._provider = provider
        self._running: dict[int, asyncio.Task[Reply]] = {}
        self.reconciler = Reconciler(
            writer,
            store,
            provider,
            clock,
            self.is_running,
            patience_us=round(patience_us / speed),
            look_every_s=look_every_s,
            send_every_s=send_every_s,
        )

    def start(self) -> None:
        """Begin to look after what earlier drives left open."""
        self.reconciler.start()

    async def close(self) -> None:
        """Wait for the drives that run, within reason: what is cut off is found again after the next start."""
        await self.reconciler.close()
        running = list(self._running.values())
        if running:
            _, late = await asyncio.wait(running, timeout=GRACE_S)
            for task in late:
                await stop(task)

    @property
    def full(self) -> bool:
        """Whether as many attempts wait for the provider as may."""
        return len(self._running) >= MOST_RUNNING

    def is_running(self, payment_id: int) -> bool:
        """Whether an attempt is being driven right now."""
        return payment_id in self._running

    async def drive(self, payment_id: int, *, settles: bytes = b"") -> Reply:
        """Ask the provider to charge an attempt and return what came of it: 201 captured, 202 pending, 402 declined.

        Asking for the same attempt again is safe: the provider charges an id once. `settles` is the running request's
        key, whose stored answer this becomes. A caller that goes away does not end the drive.
        """
        if payment_id in self._running:
            return KEY_IN_USE
        task = asyncio.get_running_loop().create_task(self._drive(payment_id, settles))
        self._running[payment_id] = task
        task.add_done_callback(lambda _task: self._running.pop(payment_id, None))
        return await asyncio.shield(task)

    async def _drive(self, payment_id: int, settles: bytes) -> Reply:
        rows = await self._store.select(_BY_ID, (payment_id,))
        if not rows:
            raise Defect(f"payment {payment_id} is not stored")
        payment: Payment = record("payments", rows[0])
        outcome = Outcome(Status.UNKNOWN)
        if payment.status == PaymentStatus.PENDING:
            charge = Charge(payment.id, payment.order_id, payment.amount_minor, payment.currency, payment.method)
            outcome = await self._provider.charge(charge)
        command = verdict(payment, outcome) or AnswerPending(payment.order_id, payment.id)
        return await self._writer.submit(Call(command, views.payment_reply, settles=settles, own=True))


async def pay(
    writer: Submitter, driver: PaymentDriver | None, command: StartPayment, key: bytes, fingerprint: bytes
) -> Reply:
    """Begin an attempt to pay, and have it driven where there is a provider; return what came of it."""
    if driver is not None and driver.full:
        return OVERLOADED
    call = Call(command, views.payment_reply, key, fingerprint, pending=driver is not None)
    reply = await writer.submit(call)
    unfinished = not reply.status  # a retry of a request that has not got its answer yet
    if driver is None and unfinished:  # and never will from a provider: an engine that had one began it
        return await writer.submit(
            Call(AnswerPending(command.order_id, reply.subject), views.payment_reply, settles=key)
        )
    if driver is None or not reply.subject or reply.replayed or not (unfinished or reply.status == 202):
        return reply
    if unfinished and driver.is_running(reply.subject):
        return KEY_IN_USE
    return await driver.drive(reply.subject, settles=key)


_Name = Annotated[str, Meta(min_length=1, max_length=255, pattern=r"^[^\x00]+$")]  # PostgreSQL stores no NUL
_Why = Annotated[str, Meta(max_length=255, pattern=r"^[^\x00]*$")]


class ProviderEvent(msgspec.Struct, frozen=True, gc=False):
    """What a provider's webhook says. `id` is the event's own: told again, it acts no second time."""

    id: _Name
    type: Annotated[str, Meta(max_length=255)]
    data: dict[str, Any] = {}
    created_at: str = ""


class _Paid(msgspec.Struct, gc=False):
    order_id: Id
    payment_id: _Name
    amount: Amount
    currency: Currency


class _Declined(msgspec.Struct, gc=False):
    order_id: Id
    payment_id: _Name
    failure: _Why | None = None


class _PaidOut(msgspec.Struct, gc=False):
    order_id: Id
    refund_id: Id


def webhook_command(event: ProviderEvent) -> Command | None:
    """What an event asks of us, None for a type that we do not know (and accept).

    Raises msgspec.MsgspecError where the data of a known type are malformed.
    """
    if event.type == "payment.captured":
        paid = msgspec.convert(event.data, _Paid)
        payment_id = _own_id(paid.payment_id)
        return Capture(int(paid.order_id), payment_id, int(paid.amount), paid.currency, paid.payment_id)
    if event.type == "payment.declined":
        declined = msgspec.convert(event.data, _Declined)
        return Decline(int(declined.order_id), _own_id(declined.payment_id), declined.failure or "declined")
    if event.type == "refund.succeeded":
        paid_out = msgspec.convert(event.data, _PaidOut)
        return SettleRefund(int(paid_out.order_id), int(paid_out.refund_id))
    return None


def _own_id(charge_id: str) -> int:
    """The id of our payment that a charge is named by, 0 for a charge that we did not name."""
    plain = charge_id.isascii() and charge_id.isdigit() and len(charge_id) <= 18
    return int(charge_id) if plain else 0
