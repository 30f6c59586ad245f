"""The executor on a real store: what it keeps in memory is what the database holds, whatever happens to a write."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import pytest

from sim.engine.stores.store import OutcomeUnknown, Store, StoreUnavailable
from sim.engine.stores.tables import Changes
from sim.orders import events
from sim.orders.commands import Capture, Confirm, Elapse, PlaceOrder, RequestCancellation, StartPayment, Wanted
from sim.orders.states import State
from tests.engine.databases import PostgresDatabase, SqliteDatabase
from tests.engine.samples import SKU, Shopper, dump, shelf

pytestmark = pytest.mark.anyio

PLACE = PlaceOrder("buyer", (Wanted(SKU, 2),))
HOUR_US = 3_600_000_000


async def opened_shop(store: Store) -> Shopper:
    await store.write(shelf(on_hand=30))
    shopper = Shopper(store)
    await shopper.executor.load()
    return shopper


async def place(shopper: Shopper, count: int = 1) -> list[int]:
    return [happened[0].order.id for happened in await shopper.ask(*[PLACE] * count)]


async def pay(shopper: Shopper, *order_ids: int) -> None:
    started = await shopper.ask(*(StartPayment(order_id) for order_id in order_ids))
    payments = [happened[0].payment for happened in started]
    await shopper.ask(*(Capture(one.order_id, one.id, one.amount_minor, one.currency, "ref") for one in payments))


async def live_a_little(shopper: Shopper) -> None:
    """Four orders: one confirmed, one cancelled after payment, one expired and released, one still unpaid."""
    confirmed, cancelled, expired = await place(shopper, 3)
    await pay(shopper, confirmed, cancelled)
    await shopper.ask(Confirm(confirmed), RequestCancellation(cancelled, "buyer", "changed my mind"))
    shopper.now_us += HOUR_US
    await shopper.ask(Elapse(expired), Elapse(cancelled), Elapse(confirmed))
    await shopper.ask(Elapse(expired), Elapse(cancelled))
    await place(shopper)


async def test_orders_live_through_the_store(store: Store) -> None:
    shopper = await opened_shop(store)
    await live_a_little(shopper)
    states = await store.select("SELECT state, COUNT(*) FROM orders GROUP BY state ORDER BY state")
    assert states == [(State.UNPAID, 1), (State.AWAITING_SHIPMENT, 1), (State.CANCELLED, 2)]
    assert [values[:5] for values in await store.all_rows("stocks")] == [(SKU, 30, 2, 2, 0)]
    assert await store.select("SELECT SUM(refunded_minor) FROM orders WHERE state = ?", (9,)) == [(2580,)]
    seqs = await store.select("SELECT seq FROM events ORDER BY seq")
    assert [seq for (seq,) in seqs] == list(range(1, len(seqs) + 1))


async def test_the_cache_read_anew_is_the_cache_that_was_kept(store: Store) -> None:
    shopper = await opened_shop(store)
    await live_a_little(shopper)
    kept = shopper.executor.cache
    await shopper.executor.load()
    read = shopper.executor.cache
    assert read is not kept
    assert read.last_id <= kept.last_id  # ids may be skipped, not given twice
    read.last_id = kept.last_id
    assert read == kept


async def test_both_stores_hold_the_same_rows_after_the_same_commands(
    sqlite_database: SqliteDatabase, postgres_database: PostgresDatabase
) -> None:
    held = []
    for database in (sqlite_database, postgres_database):
        async with database.opened() as store:
            await live_a_little(await opened_shop(store))
            held.append(await dump(store))
    assert held[0] == held[1]
    assert len(held[0]["events"]) > 10


async def test_the_same_key_again_places_no_second_order_even_after_a_restart(store: Store) -> None:
    shopper = await opened_shop(store)
    (first,) = await shopper.ask(PLACE, keys=(b"key",))
    await shopper.executor.load()
    (again,) = await shopper.ask(PLACE, keys=(b"key",))
    assert isinstance(first[0], events.OrderPlaced)
    assert again == ()
    assert len(await store.all_rows("orders")) == 1


class Unsure:
    """A store that loses its connection at the next write, after or before the group was stored; then it is back."""

    def __init__(self, store: Store, *, stored: bool, down_for: int = 0) -> None:
        self._store = store
        self._stored = stored
        self._down_for = down_for
        self.lost = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def all_rows(self, table: str) -> list[tuple[Any, ...]]:
        if self.lost and self._down_for:
            self._down_for -= 1
            raise StoreUnavailable("still away")
        return await self._store.all_rows(table)

    async def write(self, changes: Changes, fresh: Collection[str] = ()) -> None:
        if self.lost:
            await self._store.write(changes, fresh)
            return
        self.lost = True
        if self._stored:
            await self._store.write(changes, fresh)
        raise OutcomeUnknown("lost")


@pytest.mark.parametrize("stored", [True, False])
async def test_after_an_unknown_outcome_the_next_group_starts_from_what_is_stored(store: Store, stored: bool) -> None:
    shopper = await opened_shop(store)
    await place(shopper)
    shopper.executor.store = Unsure(store, stored=stored, down_for=2)
    with pytest.raises(OutcomeUnknown):
        await shopper.ask(PLACE, keys=(b"key",))
    for _ in range(2):  # no group runs on a cache that may be wrong
        with pytest.raises(StoreUnavailable, match="still away"):
            await shopper.ask(PLACE)
    (again,) = await shopper.ask(PLACE, keys=(b"key",))
    assert bool(again) is not stored  # the retry finds its order, or makes it
    await place(shopper)
    assert await held(shopper, store) == 2 * len(await store.all_rows("orders")) == 6


async def held(shopper: Shopper, store: Store) -> int:
    """The units held, by the cache and by the database alike."""
    ((stored,),) = await store.select("SELECT held FROM stocks")
    assert shopper.executor.cache.stocks[SKU].held == stored
    return int(stored)


async def test_a_failed_write_leaves_the_executor_as_it_was(store: Store) -> None:
    shopper = await opened_shop(store)

    class Full(Unsure):
        async def write(self, changes: Changes, fresh: Collection[str] = ()) -> None:
            raise StoreUnavailable("full")

    healthy, shopper.executor.store = store, Full(store, stored=False)
    with pytest.raises(StoreUnavailable, match="full"):
        await place(shopper)
    shopper.executor.store = healthy
    await place(shopper)
    assert await held(shopper, store) == 2
