"""One endpoint's lane of the outbox: what waits for it, what is on its way, and when it is tried again."""

from __future__ import annotations

import asyncio
import bisect
import heapq
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from sim.engine import views
from sim.engine.calls import Call
from sim.engine.chance import uniform
from sim.engine.clock import Clock, wall_clock
from sim.engine.resources import instant
from sim.engine.stores.store import Store
from sim.engine.stores.tables import TABLES, DeliveryRow, EndpointRow, EventRow
from sim.engine.webhooks.endpoints import DELIVERED, GIVEN_UP, WAITING, QueueDeliveries, RecordDeliveries
from sim.engine.webhooks.signatures import signed_headers
from sim.engine.webhooks.targets import url_problem
from sim.engine.writer import Writer
from sim.orders.rules import SECOND_US
from sim.orders.states import State

_log = logging.getLogger("liverush.engine")

GONE = 410
#: Events that wait for an endpoint at most: further ones stay in the feed until there is room again.
WINDOW = 5000
BATCH = 256

#: Posts a body with headers to a URL; returns what was wrong, empty for nothing.
Post = Callable[[str, bytes, Mapping[str, str]], Awaitable[str]]

_COLUMNS = ", ".join(f"e.{column}" for column in TABLES["events"].columns)
_NEW = f"SELECT {_COLUMNS} FROM events e WHERE e.seq > ? ORDER BY e.seq LIMIT ?"
# Status 1 is WAITING: written out, since the partial index on it only serves queries that say so.
_WAITING = (
    f"SELECT d.attempts, d.next_us, {_COLUMNS} FROM deliveries d JOIN events e ON e.seq = d.event_seq "
    "WHERE d.status = 1 AND d.endpoint_id = ? ORDER BY d.event_seq LIMIT ?"
)


@dataclass(frozen=True, slots=True)
class Terms:
    """How deliveries are tried: 2xx within `answer_within_s` counts, else again after each of the delays, then never.

    Delays are divided by `speed` and spread by up to a fifth either way.
    """

    delays_s: tuple[float, ...] = (5, 120, 1800, 3 * 3600, 12 * 3600)
    answer_within_s: float = 5.0
    speed: float = 1.0
    in_flight: int = 16
    poll_s: float = 0.05
    refresh_s: float = 10.0
    spread: float = 0.2

    def delay_us(self, endpoint_id: int, event_seq: int, attempts: int) -> int:
        """The pause after so many attempts that failed."""
        jitter = 1 + self.spread * (2 * uniform(endpoint_id, event_seq, attempts) - 1)
        return round(self.delays_s[attempts - 1] * jitter * SECOND_US / self.speed)


@dataclass(slots=True)
class _Waiting:
    event: EventRow
    attempts: int
    next_us: int
    asked: bool = False  # a redelivery, perhaps of this one, came while it was on its way

    @property
    def stream(self) -> int:
        """What it must keep its order in: its order; an event of no order stands alone."""
        return self.event.order_id or -self.event.seq


class Lane:
    """Delivers to one endpoint, several orders at once, one event of an order at a time."""

    def __init__(
        self,
        endpoint_id: int,
        writer: Writer,
        store: Store,
        clock: Clock,
        post: Post,
        terms: Terms,
        private_ok: bool,
    ) -> None:
        self.endpoint_id = endpoint_id
        self._writer = writer
        self._store = store
        self._clock = clock
        self._post = post
        self._terms = terms
        self._private_ok = private_ok
        self._forget()

    async def run(self) -> None:
        """Deliver until cancelled, or until the endpoint has ended."""
        self._forget()
        try:
            while self._endpoint.active:
                await self._take_waiting()
                await self._take_new()
                self._launch()
                await self._land()
        finally:
            for task in self._flying:
                task.cancel()
            await asyncio.gather(*self._flying, return_exceptions=True)

    def _forget(self) -> None:
        """Begin from what the store knows."""
        self._cursor = self._endpoint.cursor
        self._seen: EndpointRow | None = None  # the record after which the store was looked at
        self._streams: dict[int, list[_Waiting]] = {}  # by stream, in the order of `seq`
        self._known: dict[int, _Waiting] = {}  # by `seq`
        self._due: list[tuple[int, int, int]] = []  # heap of (next_us, seq, stream) of the first of each stream
        self._flying: dict[asyncio.Task[str], _Waiting] = {}
        self._refresh_us = 0

    @property
    def _endpoint(self) -> EndpointRow:
        return self._writer.executor.cache.endpoints[self.endpoint_id]

    async def _take_waiting(self) -> None:
        """Take in what waits in the store and is not known here: at the start, after redeliveries, and now and then."""
        now_us, endpoint = self._clock(), self._endpoint
        if endpoint is self._seen and now_us < self._refresh_us:
            return
        if endpoint is not self._seen:
            for waiting in self._flying.values():
                waiting.asked = True
        self._seen = endpoint
        self._refresh_us = now_us + round(self._terms.refresh_s * SECOND_US)
        for attempts, next_us, *values in await self._store.select(_WAITING, (self.endpoint_id, 2 * WINDOW)):
            event = EventRow(*values)
            known = self._known.get(event.seq)
            if known is None:
                self._add(_Waiting(event, attempts, next_us))
            elif next_us < known.next_us:  # somebody wants it sooner
                known.attempts, known.next_us = attempts, next_us
                self._push_first(known.stream)

    async def _take_new(self) -> None:
        """Let the next events wait, as far as there is room."""
        room = min(BATCH, WINDOW - len(self._known))
        if room <= 0 or self._writer.executor.cache.last_seq <= self._cursor:
            return
        events = [EventRow(*values) for values in await self._store.select(_NEW, (self._cursor, room))]
        if not events:
            return
        pairs = tuple((event.seq, event.order_id) for event in events)
        if not await self._write(QueueDeliveries(self.endpoint_id, pairs, events[-1].seq)):
            return
        self._cursor = events[-1].seq
        self._seen = self._endpoint
        now_us = self._clock()
        for event in events:
            if event.seq not in self._known:  # asked for again before it was reached
                self._add(_Waiting(event, 0, now_us))

    def _add(self, waiting: _Waiting) -> None:
        self._known[waiting.event.seq] = waiting
        stream = self._streams.setdefault(waiting.stream, [])
        bisect.insort(stream, waiting, key=lambda one: one.event.seq)
        if stream[0] is waiting:
            self._push(waiting)

    def _push(self, waiting: _Waiting) -> None:
        heapq.heappush(self._due, (waiting.next_us, waiting.event.seq, waiting.stream))

    def _launch(self) -> None:
        """Send what is due, unless the writer has more to do than it can at once: webhooks can wait, orders cannot."""
        now_us = self._clock()
        busy = {waiting.stream for waiting in self._flying.values()}
        while self._due and self._due[0][0] <= now_us and len(self._flying) < self._terms.in_flight:
            if self._writer.queued > BATCH:
                return
            _, seq, key = heapq.heappop(self._due)
            stream = self._streams.get(key)
            # Entries get out of date: an event is put off, or a redelivered one goes before it. Each change adds one.
            if stream is None or key in busy or stream[0].event.seq != seq or stream[0].next_us > now_us:
                continue
            busy.add(key)
            task = asyncio.get_running_loop().create_task(self._deliver(stream[0]))
            self._flying[task] = stream[0]

    async def _land(self) -> None:
        """Wait a little, and write down whatever has landed."""
        if not self._flying:
            await asyncio.sleep(self._terms.poll_s)
            return
        done, _ = await asyncio.wait(self._flying, timeout=self._terms.poll_s, return_when=asyncio.FIRST_COMPLETED)
        landed = [(self._flying.pop(task), task.result()) for task in done]
        if not landed:
            return
        rows = tuple(self._row(waiting, failure) for waiting, failure in landed)
        gone = any(failure == str(GONE) for _, failure in landed)
        if await self._write(RecordDeliveries(self.endpoint_id, rows, gone)):
            asked = self._endpoint is not self._seen
            for (waiting, _failure), row in zip(landed, rows, strict=True):
                self._settle(waiting, row, asked=asked or waiting.asked)
        else:  # not written down, so not delivered: again in a while
            for waiting, _failure in landed:
                waiting.next_us = self._clock() + SECOND_US
                self._push_first(waiting.stream)

    def _row(self, waiting: _Waiting, failure: str) -> DeliveryRow:
        """How a delivery stands after an attempt."""
        event, attempts = waiting.event, waiting.attempts + 1
        status, next_us = DELIVERED, 0
        if failure == str(GONE) or (failure and attempts > len(self._terms.delays_s)):
            status = GIVEN_UP
        elif failure:
            status = WAITING
            next_us = self._clock() + self._terms.delay_us(self.endpoint_id, event.seq, attempts)
        return DeliveryRow(self.endpoint_id, event.seq, event.order_id, status, attempts, next_us, failure)

    def _settle(self, waiting: _Waiting, row: DeliveryRow, *, asked: bool) -> None:
        key = waiting.stream
        waiting.attempts, waiting.next_us, waiting.asked = row.attempts, row.next_us, False
        if asked and row.status != DELIVERED:  # the failed attempt's record has overwritten the wish: it is kept here
            waiting.attempts, waiting.next_us = 0, self._clock()
        elif row.status != WAITING:
            if row.status == GIVEN_UP:
                _log.warning("event %d to endpoint %d is given up: %s", row.event_seq, row.endpoint_id, row.failure)
            del self._known[waiting.event.seq]
            self._streams[key].remove(waiting)
            if not self._streams[key]:
                del self._streams[key]
        self._push_first(key)

    def _push_first(self, key: int) -> None:
        stream = self._streams.get(key)
        if stream:
            self._push(stream[0])

    async def _write(self, command: Any) -> bool:
        reply = await self._writer.submit(Call(command, views.nothing, own=True))
        return reply.status == 204

    async def _deliver(self, waiting: _Waiting) -> str:
        """Send one event once; return what was wrong, empty for nothing."""
        endpoint, event = self._endpoint, waiting.event
        problem = url_problem(endpoint.url, private_ok=self._private_ok)
        if problem:
            return problem
        body = event_body(event)
        headers = signed_headers(endpoint.secret, str(event.seq), wall_clock() // SECOND_US, body)
        headers["content-type"] = "application/json"
        return await self._post(endpoint.url, body, headers)


def event_body(event: EventRow) -> bytes:
    """What an endpoint gets of an event."""
    data: dict[str, Any] = {"event": event.type}
    kind = event.type
    if event.order_id:
        data |= {
            "order_id": str(event.order_id),
            "seq": event.order_seq,
            "from": State(event.from_state).name if event.from_state else None,
            "to": State(event.to_state).name,
        }
        if event.from_state != event.to_state:
            kind = "order.status_changed"
    data |= msgspec.json.decode(event.data)
    return msgspec.json.encode({"id": str(event.seq), "type": kind, "created_at": instant(event.at_us), "data": data})
