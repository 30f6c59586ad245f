"""Runs a group of calls: fetch what they need, decide each in turn on the state that those before it left, store all.

Idempotency lives here, in the same transaction as the effect: a key that is known gets its stored answer, unless the
body differs (422) or the first request is still running (409).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable
from operator import attrgetter
from typing import Any

from sim.engine import feed, problems
from sim.engine.calls import Call, Reply
from sim.engine.clock import CarriedClock, Clock
from sim.engine.fetching import fetch
from sim.engine.layers import CACHED, Cache, Group, load_cache
from sim.engine.stores.store import OutcomeUnknown, Store
from sim.engine.stores.tables import TABLES, Changes, IdempotencyRow, ProviderEventRow
from sim.orders import events
from sim.orders.commands import PlaceOrder
from sim.orders.decide import decide
from sim.orders.evolve import evolve, placed
from sim.orders.paying import REPEATED
from sim.orders.placing import place
from sim.orders.rules import Rules

#: Answers that a key keeps. Others (429, 503) may be asked again and run anew.
KEPT = frozenset({200, 201, 202, 402, 404, 409, 422})
#: Ids are the microsecond of their making, times this: room for as many ids in one microsecond.
IDS_PER_US = 100
#: Idempotency keys that are read at the start; with more of them in the store, each group asks for its own.
_MOST_KEYS = 1_000_000

#: Tables with ids that the engine has given.
_NUMBERED = tuple(name for name, table in TABLES.items() if table.key == ("id",) and name != "provider_events")

#: Runs a command that is not the order core's: (group, command, now) -> its events; changes the group itself.
Handler = Callable[[Group, Any, int], tuple[Any, ...]]

_command_of = attrgetter("command")


class Executor:
    """Decides and stores groups, one at a time. `handlers` run the commands that are not the order core's."""

    def __init__(self, store: Store, clock: Clock, rules: Rules, handlers: dict[type, Handler] | None = None) -> None:
        self.store = store
        self.clock = CarriedClock(clock)  # the time by which is decided
        self.rules = rules
        self.cache = Cache()  # replaced by `load`: ask for it each time
        self._outdated = False  # whether a group may have been stored that the cache knows nothing of
        self._handlers = handlers or {}

    async def load(self) -> None:
        """Fill the cache from the store."""
        rows = {name: await self.store.all_rows(name) for name in CACHED}
        last = await self.store.select("SELECT seq, at_us FROM events ORDER BY seq DESC LIMIT 1")
        last_seq, last_us = last[0] if last else (0, 0)
        self.clock.carry_on_from(int(last_us))
        latest = [await self.store.select(f"SELECT COALESCE(MAX(id), 0) FROM {name}") for name in _NUMBERED]
        keys = await self.store.select("SELECT key FROM idempotency LIMIT ?", (_MOST_KEYS + 1,))
        self.cache = load_cache(rows, max(int(found[0][0]) for found in latest), int(last_seq))
        if len(keys) <= _MOST_KEYS:
            self.cache.seen.begin(key for (key,) in keys)
        self._outdated = False

    async def execute(self, calls: list[Call]) -> list[Reply]:
        """Run calls in their order and return their answers, once all that they changed is durable.

        Raises StoreUnavailable with nothing changed; any other exception is a defect, with nothing changed either.
        OutcomeUnknown is the exception: then the cache is read anew before the next group, which fails as long as that
        fails.
        """
        if self._outdated:
            await self.load()
        now_us = self.clock()
        handled = self._handlers.keys() & {*map(type, map(_command_of, calls))}
        catalogue = any(getattr(command, "CATALOGUE", True) for command in handled)
        fetched = await fetch(self.store, self.cache, calls)
        group = Group(self.cache, fetched, self.rules, catalogue=catalogue)
        group.last_id = max(self.cache.last_id, now_us * IDS_PER_US)
        replies = [
            _check_out(group, call, now_us) if type(call.command) is PlaceOrder else self._run(group, call, now_us)
            for call in calls
        ]
        changes = group.changes()
        if changes:
            await self._store(changes, group.fresh())
            group.keep(self.cache)
        return replies

    async def _store(self, changes: Changes, fresh: Collection[str]) -> None:
        try:
            await self.store.write(changes, fresh)
        except (OutcomeUnknown, asyncio.CancelledError):
            self._outdated = True
            raise

    def _run(self, group: Group, call: Call, now_us: int) -> Reply:
        if call.key:
            earlier = group.idempotency.get(call.key)
            if earlier is not None:
                return _again(earlier, call)
        command = call.command
        if call.provider_event and group.provider_events.get(call.provider_event) is not None:
            return call.view(group, command, (REPEATED,))
        handler = self._handlers.get(type(command))
        if handler is None:
            happened = decide(group, command, now_us)
            self._apply(group, happened, now_us)
        else:
            happened = handler(group, command, now_us)
        reply = call.view(group, command, happened)
        _remember(group, call, reply, happened, now_us)
        return reply

    def _apply(self, group: Group, happened: Iterable[events.Event], now_us: int) -> None:
        for event in happened:
            if type(event) is events.Refused:
                continue
            group.last_seq = seq = group.last_seq + 1
            if type(event) is events.OrderPlaced:
                evolve(group, event)
                group.events.append(feed.placed_row(event, seq, now_us))
            elif isinstance(event, events.StockChanged):
                evolve(group, event)
                group.events.append(feed.stock_row(event, seq, now_us))
            else:
                order_id = feed.order_of(event)
                before = group.cases[order_id].order.state
                evolve(group, event)
                group.events.append(feed.event_row(event, seq, now_us, before, group.cases[order_id]))


def _check_out(group: Group, call: Call, now_us: int) -> Reply:
    """Run a checkout, the one command that comes in masses: as `_run` would, without asking what others need."""
    key, command = call.key, call.command
    if key:
        earlier = group.idempotency.get(key)
        if earlier is not None:
            return _again(earlier, call)
    happened = place(group, command, now_us)
    (event,) = happened
    if type(event) is events.OrderPlaced:
        placed(group, event)
        group.last_seq = seq = group.last_seq + 1
        group.events.append(feed.placed_row(event, seq, now_us))
    reply = call.view(group, command, happened)
    status = reply.status
    if key and status in KEPT:
        group.idempotency[key] = IdempotencyRow(key, call.fingerprint, status, reply.body, reply.location, now_us, 0)
    return reply


def _again(earlier: IdempotencyRow, call: Call) -> Reply:
    """Answer a request whose key is known."""
    if earlier.fingerprint != call.fingerprint:
        return problems.KEY_REUSED
    if not earlier.status:
        return Reply(0, subject=earlier.subject_id)
    return Reply(earlier.status, earlier.body, earlier.location, replayed=True)


def _remember(group: Group, call: Call, reply: Reply, happened: tuple[Any, ...], now_us: int) -> None:
    """Keep the answer under its key, and the provider's event under its id, where something happened."""
    first = happened[0] if happened else None
    refused = type(first) is events.Refused
    if call.provider_event and first is not None and not refused:
        order_id = call.command.order_id
        group.provider_events[call.provider_event] = ProviderEventRow(call.provider_event, now_us, order_id)
    if call.key and reply.status in KEPT:
        status, subject = reply.status, 0
        if call.pending and not refused:  # it still runs
            status, subject = 0, first.payment.id if isinstance(first, events.PaymentStarted) else 0
        group.idempotency[call.key] = IdempotencyRow(
            call.key, call.fingerprint, status, reply.body, reply.location, now_us, subject
        )
    if call.settles:
        row = group.idempotency.get(call.settles)
        if row is not None and not row.status:
            group.idempotency[row.key] = IdempotencyRow(
                row.key, row.fingerprint, reply.status, reply.body, reply.location, row.created_us, row.subject_id
            )
