"""Webhooks to integrators: every event at least once, in order for each order, whatever the endpoints do."""

from __future__ import annotations

import asyncio
import ipaddress
import json
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import msgspec
import pytest
from aiohttp import web

from sim.engine.stores.store import StoreUnavailable
from sim.engine.stores.tables import DeliveryRow, EventRow
from sim.engine.webhooks import endpoints
from sim.engine.webhooks.endpoints import (
    DELIVERED,
    GIVEN_UP,
    MAX_ENDPOINTS,
    WAITING,
    CreateEndpoint,
    DeleteEndpoint,
    QueueDeliveries,
    RecordDeliveries,
    Redeliver,
    redelivery,
)
from sim.engine.webhooks.lanes import Terms, event_body
from sim.engine.webhooks.outbox import Outbox
from sim.engine.webhooks.posting import GuardedResolver
from sim.engine.webhooks.signatures import verify
from sim.engine.webhooks.targets import is_public, url_problem
from sim.orders.commands import AdjustInventory, Capture, Decline, RequestCancellation, StartPayment
from tests.engine.databases import Database
from tests.engine.mall import SECRET
from tests.engine.rig import PRICE_MINOR, SKU_ID, Desk, Listener, opened, run, until

QUICK = Terms(delays_s=(0.01,) * 5, answer_within_s=5, poll_s=0.005)
NEVER_AGAIN = Terms(delays_s=(), poll_s=0.005)
DEAD = "http://127.0.0.1:9/nobody"


class Shop:
    """Someone who listens: keeps what comes, answers what `answer` says (200 without it)."""

    def __init__(self, answer: Callable[[dict[str, Any]], int] | None = None) -> None:
        self.tries: list[dict[str, Any]] = []
        self.taken: list[dict[str, Any]] = []
        self.answer = answer or (lambda _event: 200)
        self.gate = asyncio.Event()
        self.gate.set()
        self.listener = Listener(self._hear)

    async def open(self) -> None:
        await self.listener.open()
        self.url = self.listener.url

    async def close(self) -> None:
        self.gate.set()
        await self.listener.close()

    async def _hear(self, request: web.Request) -> int:
        body = await request.read()
        headers = {name.lower(): value for name, value in request.headers.items()}
        event = json.loads(body)
        assert verify([SECRET], headers, body, int(time.time())) == event["id"]
        self.tries.append(event)
        await self.gate.wait()
        status = self.answer(event)
        if status == 200:
            self.taken.append(event)
        return status

    def by_order(self) -> dict[str, list[int]]:
        """The numbers of the events taken, by order."""
        found: dict[str, list[int]] = defaultdict(list)
        for event in self.taken:
            found[event["data"]["order_id"]].append(event["data"]["seq"])
        return found


@asynccontextmanager
async def outbox(database: Database, *parts: Any, terms: Terms = QUICK, loopback: bool = True) -> AsyncIterator[Desk]:
    """Run an outbox over a desk, with listeners."""
    desk = Desk(database)
    async with opened(*parts, desk):
        box = Outbox(desk.writer, desk.store, desk.clock, loopback=loopback, terms=terms)
        box.start()
        try:
            yield desk
        finally:
            await box.close()


async def create(desk: Desk, url: str) -> int:
    """Register an endpoint and return its id."""
    reply = await desk.ask(CreateEndpoint(url, SECRET), endpoints.endpoint_created)
    assert reply.status == 201
    return int(msgspec.json.decode(reply.body)["id"])


async def live_through(desk: Desk) -> int:
    """Let an order have eight events, and return it."""
    order_id = await desk.place()
    (started,) = await desk.happened(StartPayment(order_id))
    await desk.ask(Decline(order_id, started.payment.id))
    (started,) = await desk.happened(StartPayment(order_id))
    await desk.ask(Capture(order_id, started.payment.id, PRICE_MINOR, "GBP"))
    await desk.ask(RequestCancellation(order_id, "buyer"))
    return order_id


async def deliveries(desk: Desk, endpoint_id: int) -> Counter[int]:
    """Count an endpoint's deliveries by their status."""
    rows = await desk.store.select("SELECT status FROM deliveries WHERE endpoint_id = ?", (endpoint_id,))
    return Counter(status for (status,) in rows)


def delivered(desk: Desk, endpoint_id: int, count: int) -> Callable[[], Any]:
    async def check() -> bool:
        return await deliveries(desk, endpoint_id) == {DELIVERED: count}

    return check


def test_every_event_of_an_order_comes_signed_and_in_order(database: Database) -> None:
    async def main() -> None:
        shop = Shop()
        async with outbox(database, shop) as desk:
            endpoint_id = await create(desk, shop.url)
            order_id = await live_through(desk)
            await until(delivered(desk, endpoint_id, 8))
            assert [event["data"]["seq"] for event in shop.taken] == list(range(1, 9))
            first, second = shop.taken[:2]
            assert first["type"] == "order.status_changed"
            assert first["data"] | {"amount": None} == {
                "event": "order.placed",
                "order_id": str(order_id),
                "seq": 1,
                "from": None,
                "to": "UNPAID",
                "amount": None,
                "currency": "GBP",
            }
            assert (second["type"], second["data"]["from"], second["data"]["to"]) == (
                "payment.started",
                "UNPAID",
                "UNPAID",
            )
            assert [event["type"] for event in shop.taken].count("order.status_changed") == 3

    run(main())


def test_the_events_of_each_order_keep_their_order_while_many_attempts_fail(database: Database) -> None:
    async def main() -> None:
        tries: Counter[str] = Counter()

        def moody(event: dict[str, Any]) -> int:
            tries[event["id"]] += 1
            return 200 if tries[event["id"]] > int(event["id"]) % 4 else 503

        shop = Shop(moody)
        async with outbox(database, shop) as desk:
            endpoint_id = await create(desk, shop.url)
            order_ids = await asyncio.gather(*(live_through(desk) for _ in range(6)))
            await until(delivered(desk, endpoint_id, 48))
            assert shop.by_order() == {str(order_id): list(range(1, 9)) for order_id in order_ids}
            assert max(tries.values()) == 4

    run(main())


def test_an_order_that_fails_keeps_no_other_order_waiting(database: Database) -> None:
    async def main() -> None:
        shop = Shop()
        async with outbox(database, shop, terms=Terms(poll_s=0.005)) as desk:
            endpoint_id = await create(desk, shop.url)
            shop.gate.clear()
            poisoned = await desk.place()
            shop.answer = lambda event: 500 if event["data"]["order_id"] == str(poisoned) else 200
            shop.gate.set()
            await live_through(desk)
            await until(lambda: len(shop.taken) == 8)
            await desk.ask(RequestCancellation(poisoned, "buyer"))
            await live_through(desk)
            await until(lambda: len(shop.taken) == 16)
            await until_counts(desk, endpoint_id, {DELIVERED: 16, WAITING: 3})
            assert sum(event["data"]["order_id"] == str(poisoned) for event in shop.tries) == 1

    run(main())


def test_slow_and_dead_endpoints_keep_nobody_waiting(database: Database) -> None:
    async def main() -> None:
        slow, good = Shop(), Shop()
        slow.gate.clear()
        async with outbox(database, slow, good, terms=Terms(poll_s=0.005)) as desk:
            await create(desk, DEAD)
            await create(desk, slow.url)
            endpoint_id = await create(desk, good.url)
            for _ in range(5):
                await live_through(desk)
            await until(delivered(desk, endpoint_id, 40))
            assert not slow.taken

    run(main())


def test_no_more_requests_are_open_to_an_endpoint_than_allowed(database: Database) -> None:
    async def main() -> None:
        slow = Shop()
        slow.gate.clear()
        async with outbox(database, slow, terms=Terms(poll_s=0.005, in_flight=4)) as desk:
            endpoint_id = await create(desk, slow.url)
            for _ in range(10):
                await desk.place()
            await until(lambda: len(slow.tries) == 4)
            await asyncio.sleep(0.05)
            assert len(slow.tries) == 4
            slow.gate.set()
            await until(delivered(desk, endpoint_id, 10))

    run(main())


def test_only_so_many_events_wait_for_a_dead_endpoint(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        monkeypatch.setattr("sim.engine.webhooks.lanes.WINDOW", 5)
        shop = Shop(lambda _event: 500)
        async with outbox(database, shop, terms=Terms(delays_s=(0.2,) * 5, poll_s=0.005)) as desk:
            endpoint_id = await create(desk, shop.url)
            for _ in range(12):
                await desk.place()
            await until(lambda: len(shop.tries) >= 5)
            assert (await deliveries(desk, endpoint_id)).total() == 5
            shop.answer = lambda _event: 200
            await until(delivered(desk, endpoint_id, 12))

    run(main())


def test_an_answer_too_late_counts_as_none(database: Database) -> None:
    async def main() -> None:
        shop = Shop()
        shop.gate.clear()
        async with outbox(database, shop, terms=Terms(delays_s=(), answer_within_s=0.05, poll_s=0.005)) as desk:
            endpoint_id = await create(desk, shop.url)
            await desk.place()
            await until(lambda: bool(shop.tries))
            await until(given_up(desk, endpoint_id, "no answer in time"))

    run(main())


def given_up(desk: Desk, endpoint_id: int, failure: str) -> Callable[[], Any]:
    async def check() -> bool:
        rows = await desk.store.select("SELECT status, failure FROM deliveries WHERE endpoint_id = ?", (endpoint_id,))
        return bool(rows) and all(row[0] == GIVEN_UP and row[1].startswith(failure) for row in rows)

    return check


def test_a_redirect_is_not_followed(database: Database) -> None:
    async def main() -> None:
        shop = Shop(lambda _event: 307)
        async with outbox(database, shop, terms=NEVER_AGAIN) as desk:
            endpoint_id = await create(desk, shop.url)
            await desk.place()
            await until(given_up(desk, endpoint_id, "307"))
            assert len(shop.tries) == 1

    run(main())


def test_an_endpoint_that_is_gone_gets_nothing_more(database: Database) -> None:
    async def main() -> None:
        shop = Shop(lambda _event: 410)
        async with outbox(database, shop) as desk:
            endpoint_id = await create(desk, shop.url)
            await desk.place()
            await until(lambda: not desk.writer.executor.cache.endpoints[endpoint_id].active)
            await desk.place()
            await asyncio.sleep(0.05)
            assert len(shop.tries) == 1
            assert await deliveries(desk, endpoint_id) == {GIVEN_UP: 1}

    run(main())


def test_what_always_fails_is_given_up_and_delivered_when_it_is_asked_for_again(database: Database) -> None:
    async def main() -> None:
        shop = Shop(lambda _event: 500)
        async with outbox(database, shop) as desk:
            endpoint_id = await create(desk, shop.url)
            await desk.place()
            await until(given_up(desk, endpoint_id, "500"))
            assert len(shop.tries) == 6
            shop.answer = lambda _event: 200
            (event,) = await desk.store.select("SELECT seq FROM events")
            command = await redelivery(desk.store, event[0])
            assert command is not None
            assert (await desk.ask(command, endpoints.redelivery_queued)).status == 202
            await until(delivered(desk, endpoint_id, 1))
            assert [event["id"] for event in shop.taken] == [str(event[0])]

    run(main())


def test_after_an_event_is_given_up_the_later_ones_of_its_order_follow(database: Database) -> None:
    async def main() -> None:
        shop = Shop(lambda event: 500 if event["data"]["seq"] == 2 else 200)
        async with outbox(database, shop) as desk:
            endpoint_id = await create(desk, shop.url)
            order_id = await live_through(desk)
            await until(lambda: len(shop.taken) == 7)
            assert shop.by_order() == {str(order_id): [1, 3, 4, 5, 6, 7, 8]}
            await until_counts(desk, endpoint_id, {DELIVERED: 7, GIVEN_UP: 1})

    run(main())


async def until_counts(desk: Desk, endpoint_id: int, wanted: dict[int, int]) -> None:
    async def check() -> bool:
        return await deliveries(desk, endpoint_id) == wanted

    await until(check)


def test_a_delivered_event_can_be_asked_for_again_and_one_that_waits_is_tried_at_once(database: Database) -> None:
    async def main() -> None:
        shop = Shop()
        async with outbox(database, shop, terms=Terms(delays_s=(3600,), poll_s=0.005)) as desk:
            endpoint_id = await create(desk, shop.url)
            await desk.place()
            await until(delivered(desk, endpoint_id, 1))
            shop.answer = lambda _event: 500
            seq = int(shop.taken[0]["id"])
            await desk.ask(Redeliver(seq))
            await until(lambda: len(shop.tries) == 2)
            shop.answer = lambda _event: 200
            await until_counts(desk, endpoint_id, {WAITING: 1})
            await desk.ask(Redeliver(seq))
            await until(lambda: len(shop.taken) == 2)
            await until(delivered(desk, endpoint_id, 1))

    run(main())


@pytest.mark.parametrize("delays_s", [(), (3600.0,)])
def test_an_event_asked_for_while_its_last_attempt_fails_is_tried_once_more(database: Database, delays_s: Any) -> None:
    async def main() -> None:
        shop = Shop(lambda _event: 500)
        shop.gate.clear()
        async with outbox(database, shop, terms=Terms(delays_s=delays_s, poll_s=0.005)) as desk:
            endpoint_id = await create(desk, shop.url)
            await desk.place()
            await until(lambda: len(shop.tries) == 1)
            await desk.ask(Redeliver(int(shop.tries[0]["id"])))
            await asyncio.sleep(0.02)
            shop.gate.set()
            await until(lambda: len(shop.tries) == 2)
            await until_counts(desk, endpoint_id, {WAITING if delays_s else GIVEN_UP: 1})

    run(main())


def test_an_unknown_event_cannot_be_asked_for_and_nobody_hears_it_without_endpoints(database: Database) -> None:
    async def main() -> None:
        async with outbox(database) as desk:
            assert await redelivery(desk.store, 5) is None
            assert (await desk.ask(Redeliver(5), endpoints.redelivery_queued)).status == 409

    run(main())


def test_what_was_not_delivered_is_delivered_after_a_restart(database: Database) -> None:
    async def main() -> None:
        shop = Shop(lambda _event: 500)
        async with opened(shop):
            async with outbox(database, terms=Terms(delays_s=(0.01,) * 1000, poll_s=0.005)) as desk:
                endpoint_id = await create(desk, shop.url)
                order_id = await live_through(desk)
                await until(lambda: len(shop.tries) > 2)
            shop.answer = lambda _event: 200
            async with outbox(database) as desk:
                await until(delivered(desk, endpoint_id, 8))
            assert shop.by_order() == {str(order_id): list(range(1, 9))}

    run(main())


def test_what_happened_while_the_outbox_was_down_is_delivered_too(database: Database) -> None:
    async def main() -> None:
        shop = Shop()
        desk = Desk(database)
        async with opened(shop):
            async with opened(desk):
                endpoint_id = await create(desk, shop.url)
                await live_through(desk)
            async with outbox(database) as desk:
                await until(delivered(desk, endpoint_id, 8))

    run(main())


def test_a_delivery_that_could_not_be_written_down_is_made_again(database: Database) -> None:
    async def main() -> None:
        shop = Shop()
        async with outbox(database, shop) as desk:
            endpoint_id = await create(desk, shop.url)
            real = desk.store.write
            failures = iter(range(3))

            async def failing(changes: Any, fresh: Any = ()) -> None:
                rows = changes.get("deliveries", [])
                if any(row[3] == DELIVERED for row in rows) and next(failures, None) is not None:
                    raise StoreUnavailable("disk full")
                await real(changes, fresh)

            desk.store.write = failing  # type: ignore[method-assign]
            await desk.place()
            written = delivered(desk, endpoint_id, 1)

            async def a_little_later() -> bool:
                desk.ahead_us += 100_000
                return bool(await written())

            await until(a_little_later)
            assert len(shop.taken) == 4

    run(main())


def test_a_deleted_endpoint_gets_nothing_more(database: Database) -> None:
    async def main() -> None:
        shop, other = Shop(), Shop()
        async with outbox(database, shop, other) as desk:
            endpoint_id, other_id = await create(desk, shop.url), await create(desk, other.url)
            await desk.place()
            await until(delivered(desk, endpoint_id, 1))
            command = DeleteEndpoint(endpoint_id)
            assert (await desk.ask(command, endpoints.endpoint_deleted)).status == 200
            assert (await desk.ask(command, endpoints.endpoint_deleted)).status == 404
            await desk.place()
            await until(delivered(desk, other_id, 2))
            assert len(shop.tries) == 1

    run(main())


def test_a_new_endpoint_gets_the_events_after_it_only(database: Database) -> None:
    async def main() -> None:
        shop = Shop()
        async with outbox(database, shop) as desk:
            await desk.place()
            endpoint_id = await create(desk, shop.url)
            order_id = await desk.place()
            await until(delivered(desk, endpoint_id, 1))
            assert shop.taken[0]["data"]["order_id"] == str(order_id)

    run(main())


def test_a_change_of_stock_is_told_without_an_order(database: Database) -> None:
    async def main() -> None:
        shop = Shop()
        async with outbox(database, shop) as desk:
            await create(desk, shop.url)
            await desk.ask(AdjustInventory(SKU_ID, 5, "received"))
            await until(lambda: bool(shop.taken))
            assert shop.taken[0]["type"] == "stock.changed"
            assert shop.taken[0]["data"] == {
                "event": "stock.changed",
                "sku_id": str(SKU_ID),
                "units": 5,
                "cause": "received",
            }

    run(main())


def test_without_endpoints_nothing_runs(database: Database) -> None:
    async def main() -> None:
        desk = Desk(database)
        async with opened(desk):
            box = Outbox(desk.writer, desk.store, desk.clock)
            box.start()
            await desk.place()
            await asyncio.sleep(0.02)
            assert (box._lanes, box._poster) == ({}, None)
            assert await desk.store.all_rows("deliveries") == []
            await box.close()

    run(main())


def test_an_engine_that_others_reach_sends_nothing_to_private_addresses(database: Database) -> None:
    async def main() -> None:
        shop = Shop()
        async with outbox(database, shop, terms=NEVER_AGAIN, loopback=False) as desk:
            by_address = await create(desk, shop.url)
            by_name = await create(desk, shop.url.replace("127.0.0.1", "localhost"))
            await desk.place()
            await until(given_up(desk, by_address, "lies in a private network"))
            await until(given_up(desk, by_name, "ClientConnector"))
            assert shop.tries == []

    run(main())


def test_the_number_of_endpoints_is_bounded(database: Database) -> None:
    async def main() -> None:
        desk = Desk(database)
        async with opened(desk):
            for _ in range(MAX_ENDPOINTS):
                endpoint_id = await create(desk, DEAD)
            one_more = CreateEndpoint(DEAD, SECRET)
            assert (await desk.ask(one_more, endpoints.endpoint_created)).status == 409
            await desk.ask(DeleteEndpoint(endpoint_id))
            assert (await desk.ask(one_more, endpoints.endpoint_created)).status == 201

    run(main())


def test_of_one_delivery_changed_twice_in_a_group_the_last_change_is_kept(database: Database) -> None:
    async def main() -> None:
        desk = Desk(database)
        async with opened(desk):
            endpoint_id = await create(desk, DEAD)
            await desk.place()
            failed = DeliveryRow(endpoint_id, 1, 0, GIVEN_UP, 6, 0, "500")
            await asyncio.gather(
                desk.ask(QueueDeliveries(endpoint_id, ((1, 0),), 1)),
                desk.ask(RecordDeliveries(endpoint_id, (failed,))),
                desk.ask(QueueDeliveries(endpoint_id, ((1, 0),), 1)),  # known already: changes nothing
            )
            assert await deliveries(desk, endpoint_id) == {GIVEN_UP: 1}
            assert desk.writer.executor.cache.endpoints[endpoint_id].cursor == 1

    run(main())


def test_the_secret_is_shown_when_an_endpoint_is_made_and_never_again(database: Database) -> None:
    async def main() -> None:
        desk = Desk(database)
        async with opened(desk):
            made = await desk.ask(CreateEndpoint(DEAD, SECRET), endpoints.endpoint_created)
            assert SECRET.encode() in made.body
            ended = await desk.ask(
                DeleteEndpoint(int(msgspec.json.decode(made.body)["id"])), endpoints.endpoint_deleted
            )
            assert ended.status == 200
            assert SECRET.encode() not in ended.body

    run(main())


def test_delays_grow_as_published_are_spread_by_a_fifth_and_repeatable() -> None:
    terms = Terms()
    for attempt, delay_s in enumerate((5, 120, 1800, 10_800, 43_200), 1):
        spread = {terms.delay_us(1, event, attempt) / 1e6 / delay_s for event in range(200)}
        assert 0.8 <= min(spread) < 0.85
        assert 1.15 < max(spread) <= 1.2
    assert terms.delay_us(1, 2, 3) == terms.delay_us(1, 2, 3) != terms.delay_us(2, 2, 3)
    assert Terms(speed=100).delay_us(1, 2, 3) == round(terms.delay_us(1, 2, 3) / 100)


def test_an_event_without_a_change_of_state_keeps_its_own_type() -> None:
    row = EventRow(7, 70, 3, "payment.declined", 1_800_000_000_000_000, 1, 1, '{"payment_id":"5","amount":"9"}')
    assert msgspec.json.decode(event_body(row)) == {
        "id": "7",
        "type": "payment.declined",
        "created_at": "2027-01-15T08:00:00.000000Z",
        "data": {
            "event": "payment.declined",
            "order_id": "70",
            "seq": 3,
            "from": "UNPAID",
            "to": "UNPAID",
            "payment_id": "5",
            "amount": "9",
        },
    }


@pytest.mark.parametrize(
    "url",
    ["http://example.com/hook", "https://example.com:8443/a?b=c", "https://93.184.216.34/", "http://[2606:4700::1]/x"],
)
def test_public_addresses_are_welcome_anywhere(url: str) -> None:
    assert url_problem(url, private_ok=False) == ""
    assert url_problem(url, private_ok=True) == ""


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/",
        "http://10.1.2.3/",
        "http://192.168.0.1:80/",
        "http://169.254.169.254/latest/meta-data",
        "http://0.0.0.0/",
        "http://[::1]/",
        "http://[fec0::1]/",
        "http://[fe80::1%25eth0]/",
        "http://[::ffff:127.0.0.1]/",
        "http://[64:ff9b::7f00:1]/",
        "http://[2002:7f00:1::]/",
        "http://224.0.0.1/",
        "http://100.64.0.1/",
    ],
)
def test_private_addresses_are_for_an_engine_on_loopback_only(url: str) -> None:
    assert url_problem(url, private_ok=False) == "lies in a private network"
    assert url_problem(url, private_ok=True) == ""


@pytest.mark.parametrize(
    "url",
    [
        "",
        "ftp://example.com/",
        "file:///etc/passwd",
        "http://",
        "http:///path",
        "http://user:word@example.com/",
        "http://example.com/#part",
        "http://example.com:99999/",
        "http://[::1",
        "http://2130706433/",
        "http://127.1/",
        "http://0x7f.0x0.0x0.0x1/",
        "http://0x7f000001/",
        "http://exa mple.com/",
        "http://exämple.com/",
        "http://example.com/" + "x" * 2048,
        "http://example.com/\r\nx",
    ],
)
def test_what_is_no_plain_web_address_is_refused_everywhere(url: str) -> None:
    assert url_problem(url, private_ok=True)
    assert url_problem(url, private_ok=False)


def test_a_name_that_stands_for_a_private_address_is_not_connected_to() -> None:
    async def main() -> None:
        closed = GuardedResolver(private_ok=False)
        with pytest.raises(OSError, match="private network"):
            await closed.resolve("localhost", 80)
        found = await GuardedResolver(private_ok=True).resolve("localhost", 80)
        assert not any(is_public(ipaddress.ip_address(one["host"])) for one in found)
        connector = aiohttp.TCPConnector(resolver=closed)
        async with aiohttp.ClientSession(connector=connector) as session:
            with pytest.raises(aiohttp.ClientConnectorError):
                await session.post("http://localhost:9/")

    run(main())
