"""The queue before the store: bounded, stored in groups, and one bad call takes no others down."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from sim.engine import views
from sim.engine.calls import Call, Reply
from sim.engine.clock import CarriedClock, steady_clock
from sim.engine.link import Answers
from sim.engine.problems import DEFECT, OVERLOADED, STORE_UNAVAILABLE
from sim.engine.remote import RemoteWriter
from sim.engine.settings import Settings, plan_of
from sim.engine.stores.store import StoreRefused, StoreUnavailable
from sim.engine.writer import Writer, _share

POISON = "poison"


class Hands:
    """An executor that stores when the gate is open, cannot stand poison, and remembers its groups."""

    def __init__(self) -> None:
        self.groups: list[list[str]] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.trouble: Exception | None = None
        self.rests = 0
        self.store = self

    async def rest(self) -> None:
        self.rests += 1

    async def execute(self, calls: list[Call]) -> list[Reply]:
        self.groups.append([call.command for call in calls])
        await self.gate.wait()
        if self.trouble is not None:
            raise self.trouble
        if POISON in self.groups[-1]:
            raise ValueError(POISON)
        return [Reply(200, str(call.command).encode()) for call in calls]


def call(name: str, *, own: bool = False) -> Call:
    return Call(name, views.nothing, own=own)


async def turns(number: int = 5) -> None:
    """Let the event loop turn."""
    for _ in range(number):
        await asyncio.sleep(0)


def run(check: Callable[[Writer, Hands], Coroutine[Any, Any, None]], **settings: Any) -> None:
    """Run a test with a writer that has begun to work, and close it."""

    async def main() -> None:
        hands = Hands()
        writer = Writer(hands, **settings)  # type: ignore[arg-type]
        writer.start()
        await check(writer, hands)
        hands.gate.set()
        await writer.close()

    asyncio.run(asyncio.wait_for(main(), 60))


async def held_up(writer: Writer, hands: Hands, *names: str) -> list[asyncio.Future[Reply]]:
    """Let the first call be stored for as long as the gate is shut, and the others wait."""
    hands.gate.clear()
    first = writer.submit(call("first"))
    await turns()
    assert hands.groups[-1] == ["first"]
    return [first, *(writer.submit(call(name)) for name in names)]


def test_a_full_queue_sheds_at_once_and_keeps_what_it_has() -> None:
    async def check(writer: Writer, hands: Hands) -> None:
        kept = await held_up(writer, hands, "a", "b", "c")
        assert writer.queued == 3
        more = [writer.submit(call("d")) for _ in range(2)]
        assert [one.result() for one in more] == [OVERLOADED] * 2, "answered before anything else has happened"
        kept.append(writer.submit(call("our own", own=True)))
        hands.gate.set()
        assert [(await one).body for one in kept] == [b"first", b"a", b"b", b"c", b"our own"]
        assert (await writer.submit(call("later"))).status == 200

    run(check, queue_bound=3)


def test_whoever_waits_together_is_stored_together_in_order_and_no_more_than_may() -> None:
    async def check(writer: Writer, hands: Hands) -> None:
        waiting = await held_up(writer, hands, *map(str, range(10)))
        hands.gate.set()
        await asyncio.gather(*waiting)
        await turns()
        assert hands.groups == [["first"], ["0", "1", "2", "3"], ["4", "5", "6", "7"], ["8", "9"]]
        assert hands.rests == 1, "only when nobody waits"

    run(check, max_group=4)


@pytest.mark.parametrize(
    ("waiting", "answered", "taken"),
    [(1, 0, 1), (39, 0, 39), (20, 19, 20), (40, 0, 20), (41, 0, 21), (100, 50, 75), (10, 90, 10), (1000, 0, 500)],
)
def test_where_many_wait_half_of_all_callers_are_taken(waiting: int, answered: int, taken: int) -> None:
    assert _share(waiting, answered) == taken


def test_one_bad_call_of_a_group_takes_no_others_down(caplog: pytest.LogCaptureFixture) -> None:
    async def check(writer: Writer, hands: Hands) -> None:
        calls = await held_up(writer, hands, "a", POISON, "b")
        hands.gate.set()
        assert [await one for one in calls[1:]] == [Reply(200, b"a"), DEFECT, Reply(200, b"b")]
        assert hands.groups[1:] == [["a", POISON, "b"], ["a"], [POISON], ["b"]], "each alone, in their order"
        assert writer.failed is None, "a mistake of ours is no trouble of the store's"

    with caplog.at_level(logging.ERROR, logger="liverush.engine"):
        run(check)
    assert [record.getMessage() for record in caplog.records] == [
        "a group of 3 calls failed; now each alone",
        "str failed",
    ]


@pytest.mark.parametrize("trouble", [StoreUnavailable("full"), StoreRefused("taken over")], ids=lambda it: str(it))
def test_a_store_that_takes_no_writes_is_known_until_it_does(
    caplog: pytest.LogCaptureFixture, trouble: Exception
) -> None:
    async def check(writer: Writer, hands: Hands) -> None:
        hands.trouble = trouble
        assert [await writer.submit(call(name)) for name in "ab"] == [STORE_UNAVAILABLE] * 2
        assert writer.failed is trouble
        hands.trouble = None
        assert (await writer.submit(call("c"))).status == 200
        assert writer.failed is None

    with caplog.at_level(logging.WARNING, logger="liverush.engine"):
        run(check)
    told = [f"the store takes no writes: {trouble}", "the store takes writes again"]
    assert [record.getMessage() for record in caplog.records] == told


def test_at_the_end_what_was_taken_in_is_stored_and_nothing_more_is_taken() -> None:
    async def check(writer: Writer, hands: Hands) -> None:
        taken = await held_up(writer, hands, "a", "b")
        closing = asyncio.create_task(writer.close())
        await turns()
        assert writer.submit(call("late")).result() == OVERLOADED
        hands.gate.set()
        await closing
        assert [one.result().status for one in taken] == [200] * 3

    run(check)


def test_a_client_that_has_gone_holds_nobody_up() -> None:
    async def check(writer: Writer, hands: Hands) -> None:
        first, gone, stays = await held_up(writer, hands, "gone", "stays")
        gone.cancel()
        hands.gate.set()
        assert [(await first).status, (await stays).body] == [200, b"stays"]

    run(check)


class Deaf:
    """A store process that gets calls and never answers."""

    def send(self, message: object) -> None:
        """Take it."""


def test_too_many_calls_on_their_way_to_the_store_process_are_shed() -> None:
    async def main() -> None:
        writer = RemoteWriter(plan_of(Settings(queue_bound=2)), CarriedClock(steady_clock()), lambda _size, _s: None)
        writer._loop, writer._link = asyncio.get_running_loop(), Deaf()  # type: ignore[assignment]
        sent = [writer.submit(call(name)) for name in "abc"]
        assert sent[2].result() == OVERLOADED
        assert writer.queued == 2
        writer._receive(Answers([(1, Reply(200))], [], 0, 0, ""))
        assert [one.done() for one in sent[:2]] == [True, False]
        assert not writer.submit(call("d")).done()
        assert not writer.submit(call("our own", own=True)).done()

    asyncio.run(main())
