"""The short way of an order through the HTTP protocol: it answers as the usual way does, whatever the wire does."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable
from typing import Any

import pytest
import uvicorn
from uvicorn.server import ServerState

from sim.engine.api.app import App
from sim.engine.api.routes import ALL_ROUTES
from sim.engine.auth import development_key, keyring
from sim.engine.calls import Call, Reply
from sim.engine.clock import steady_clock
from sim.engine.core import Front
from sim.engine.metrics import Metrics
from sim.engine.problems import DEFECT
from sim.engine.quick import PATIENT_LOOKS, QuickProtocol
from sim.engine.writer import Deliver, settle

PLACED = Reply(201, b'{"id":"17"}', "/v1/orders/17")
BODY = json.dumps({"buyer_id": "ada", "lines": [{"sku_id": "1001", "quantity": 1}]}).encode()


class Desk:
    """A writer that answers when the test says so."""

    failed: Exception | None = None
    queued = sweeps = swept = 0

    def __init__(self) -> None:
        self.waiting: list[tuple[Call, Deliver]] = []

    def submit(self, call: Call) -> asyncio.Future[Reply]:
        future: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self.put(call, lambda reply: settle(future, reply))
        return future

    def put(self, call: Call, deliver: Deliver) -> None:
        self.waiting.append((call, deliver))

    def answer(self, reply: Reply = PLACED) -> None:
        for _call, deliver in self.waiting:
            deliver(reply)
        self.waiting.clear()


class Wire(asyncio.Transport):
    """A connection that remembers what was written."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.closed = self.ended = False

    def write(self, data: Any) -> None:
        assert not self.closed
        assert not self.ended
        self.written += data

    def write_eof(self) -> None:
        assert not self.closed
        self.ended = True

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed

    def pause_reading(self) -> None:
        """Read no more for now."""

    def resume_reading(self) -> None:
        """Read on."""


class Line:
    """A connection to a server without sockets."""

    def __init__(self, *, most_bytes: int = 64 * 1024, idle_s: int = 75) -> None:
        self.desk = Desk()
        self.metrics = Metrics()
        front = Front(self.desk, None, steady_clock(), keyring({}, loopback=True), self.metrics)  # type: ignore[arg-type]
        front.max_body_bytes = most_bytes
        app: Any = App(front, ALL_ROUTES)
        config = uvicorn.Config(
            app, http=QuickProtocol, ws="none", lifespan="off", log_config=None, timeout_keep_alive=idle_s
        )
        config.load()
        self.state = ServerState()
        self.protocol = QuickProtocol(config, self.state, {})
        self.wire = Wire()
        self.protocol.connection_made(self.wire)

    async def send(self, *parts: bytes) -> None:
        for part in parts:
            self.protocol.data_received(part)
            await self.settle()

    async def settle(self) -> None:
        for _ in range(5):
            await asyncio.sleep(0)

    async def answer(self, reply: Reply = PLACED) -> None:
        self.desk.answer(reply)
        await self.settle()

    @property
    def heads(self) -> list[str]:
        """The status lines that were written."""
        return re.findall(r"HTTP/1.1 (\d+)", self.wire.written.decode())


def request(
    body: bytes = BODY, *headers: str, target: str = "/v1/orders", version: str = "1.1", key: str = "a"
) -> bytes:
    lines = [
        f"POST {target} HTTP/{version}",
        "Host: here",
        f"Authorization: Bearer {development_key('admin')}",
        f"Idempotency-Key: {key}",
        *headers,
    ]
    if not any("chunked" in header for header in headers):
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def comparable(written: bytes) -> tuple[set[bytes], bytes]:
    """An answer's lines, whose order means nothing, and its body without the request's id."""
    head, _, body = written.partition(b"\r\n\r\n")
    return set(head.split(b"\r\n")), re.sub(rb'"request_id":"[^"]*"', b"", body)


def run(check: Callable[[Line], Any], **settings: Any) -> None:
    async def main() -> None:
        await check(Line(**settings))

    asyncio.run(asyncio.wait_for(main(), 10))


def test_the_short_way_writes_what_the_usual_way_writes() -> None:
    refused = Reply(409, b'{"code":"insufficient_stock"}')

    async def written(target: str, reply: Reply) -> bytes:
        line = Line()
        await line.send(request(target=target))
        await line.answer(reply)
        return line.wire.written

    async def main() -> None:
        for reply in (PLACED, refused, Reply(201, PLACED.body, PLACED.location, replayed=True)):
            short, usual = await written("/v1/orders", reply), await written("/v1/orders?", reply)
            assert comparable(short) == comparable(usual)
            assert b"HTTP/1.1 %d" % reply.status in short

    asyncio.run(main())


def test_a_body_may_come_in_pieces_or_chunks() -> None:
    async def check(line: Line) -> None:
        whole = request()
        await line.send(whole[:30], whole[30:-20], whole[-20:-1])
        assert not line.desk.waiting
        await line.send(whole[-1:])
        await line.answer()
        chunks = b"%x\r\n%b\r\n%x\r\n%b\r\n0\r\n\r\n" % (10, BODY[:10], len(BODY) - 10, BODY[10:])
        await line.send(request(chunks, "Transfer-Encoding: chunked", key="b"))
        assert line.desk.waiting[0][0].command.buyer_id == "ada"
        await line.answer()
        assert line.heads == ["201", "201"]
        assert line.state.total_requests == 2

    run(check)


def test_requests_sent_ahead_are_answered_in_their_order() -> None:
    async def check(line: Line) -> None:
        await line.send(request(key="a") + request(b"{}", key="b") + request(key="c"))
        await line.answer()
        await line.answer()
        assert line.heads == ["201", "422", "201"]

    run(check)


def test_a_request_that_is_refused_needs_no_writer() -> None:
    async def check(line: Line) -> None:
        await line.send(request(b'{"buyer_id":'))
        assert line.heads == ["400"]
        assert not line.desk.waiting
        await line.send(request(key="b"))
        await line.answer()
        assert line.heads == ["400", "201"]

    run(check)


@pytest.mark.parametrize("target", ["/v1/orders", "/v1/orders?"])
def test_a_body_that_is_too_large_is_refused_before_it_has_ended(target: str) -> None:
    async def check(line: Line) -> None:
        whole = request(b"x" * 5000, target=target)
        await line.send(whole, request())
        await line.answer()
        assert line.heads == ["413", "201"]
        await line.send(whole[:-4000])
        assert line.heads == ["413", "201", "413"]
        await expect_left(line, whole[-4000:] + request(key="b"))

    run(check, most_bytes=500)


async def expect_left(line: Line, rest: bytes) -> None:
    """The last answer was the connection's last, whatever comes; who still sends can read it, for half a minute."""
    assert line.wire.written.count(b"connection: close") == 1
    assert line.wire.ended
    line.protocol.look()
    before = line.wire.written
    await line.send(rest, b"x" * 200_000)
    assert line.wire.written == before
    for _ in range(PATIENT_LOOKS - 1):
        line.protocol.look()
    assert not line.wire.closed
    line.protocol.look()
    assert line.wire.closed
    assert not line.desk.waiting


def test_a_connection_that_is_to_be_closed_is_closed_after_its_answer() -> None:
    async def check(line: Line) -> None:
        await line.send(request(BODY, "Connection: close"))
        assert not line.wire.closed
        await line.answer()
        assert line.heads == ["201"]
        assert line.wire.closed

    run(check)


def test_at_the_end_a_request_in_progress_gets_its_answer_first() -> None:
    async def check(line: Line) -> None:
        await line.send(request())
        line.protocol.shutdown()
        assert not line.wire.closed
        await line.answer()
        assert line.heads == ["201"]
        assert b"connection: close" in line.wire.written
        assert line.wire.closed

    run(check)


def test_an_answer_to_a_client_that_has_gone_is_dropped() -> None:
    async def check(line: Line) -> None:
        await line.send(request())
        line.protocol.connection_lost(None)
        await line.answer()
        assert not line.wire.written

    run(check)


def test_a_connection_that_is_idle_for_long_is_closed_and_one_that_waits_for_its_answer_is_not() -> None:
    async def check(line: Line) -> None:
        await line.send(request())
        line.desk.answer()
        await line.send(request(key="b"))
        assert not line.wire.closed
        await asyncio.sleep(0.01)
        assert not line.wire.closed
        line.desk.answer()
        while not line.wire.closed:
            await asyncio.sleep(0.01)
        assert line.heads == ["201", "201"]

    run(check, idle_s=0)


def test_a_connection_whose_last_answer_went_the_usual_way_is_closed_when_idle_too() -> None:
    async def check(line: Line) -> None:
        await line.send(request())
        line.desk.answer()
        await line.send(request(target="/v1/orders?", key="b"))
        line.desk.answer()
        while not line.wire.closed:
            await asyncio.sleep(0.01)
        assert line.heads == ["201", "201"]

    run(check, idle_s=0)


def test_expect_100_continue_takes_the_usual_way() -> None:
    async def check(line: Line) -> None:
        whole = request(BODY, "Expect: 100-continue")
        await line.send(whole[: -len(BODY)])
        assert line.heads == ["100"]
        await line.send(BODY)
        await line.answer()
        assert line.heads == ["100", "201"]

    run(check)


@pytest.mark.parametrize("late", [False, True], ids=["at once", "while the body is awaited"])
@pytest.mark.parametrize("target", ["/v1/orders", "/v1/orders?", "/v1/orders/5/cancellations", "/v1/orders/5:confirm"])
def test_a_request_whose_client_goes_before_its_body_comes_does_nothing(target: str, late: bool) -> None:
    async def check(line: Line) -> None:
        whole = request(b"{}", target=target)
        line.protocol.data_received(whole[:-2])
        if late:
            await line.settle()
        line.protocol.connection_lost(None)
        await line.settle()
        assert not line.desk.waiting

    run(check)


@pytest.mark.parametrize("target", ["/v1/orders", "/v1/orders?"])
def test_a_client_that_has_sent_all_that_it_will_gets_its_answers(target: str) -> None:
    async def check(line: Line) -> None:
        await line.send(request(key="a", target=target) + request(key="b", target=target))
        assert line.protocol.eof_received()
        await line.answer()
        assert not line.wire.closed
        await line.answer()
        assert line.heads == ["201", "201"]
        assert line.wire.closed

    run(check)


@pytest.mark.parametrize("length", [0, 1])
@pytest.mark.parametrize("target", ["/v1/orders", "/v1/orders?"])
def test_a_client_that_sends_no_more_of_its_body_gets_nothing(target: str, length: int) -> None:
    async def check(line: Line) -> None:
        assert not line.protocol.eof_received()
        await line.send(request(target=target)[: length - len(BODY)])
        assert not line.protocol.eof_received()
        await line.settle()
        assert not line.desk.waiting

    run(check)


@pytest.mark.parametrize("piece", [1_000, 200_000])
@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"GET /" + b"x" * 200_000, "414"),
        (b"GET /v1/orders?" + b"x" * 200_000, "414"),
        (b"GET /v1/orders HTTP/1.1\r\nx: " + b"y" * 200_000, "431"),
        (b"GET /v1/orders HTTP/1.1\r\n" + b"x: y\r\n" * 30_000, "431"),
        (b"x" * 200_000, "400"),
    ],
    ids=["path", "query", "a header", "many headers", "no method"],
)
def test_a_head_that_does_not_end_is_refused(head: bytes, status: str, piece: int) -> None:
    async def check(line: Line) -> None:
        for start in range(0, len(head), piece):
            if not line.wire.closed:
                await line.send(head[start : start + piece])
        assert line.heads == [status]
        assert line.wire.closed

    run(check)


def test_what_never_reached_an_operation_is_counted_and_has_an_id_where_it_has_a_body_of_ours() -> None:
    async def check(line: Line) -> None:
        await line.send(b"GET /" + b"x" * 70_000, b"y" * 70_000)
        assert line.heads == ["414"]
        assert re.search(rb'"request_id":"[0-9a-f]{8}-1"', line.wire.written)
        text = line.metrics.text(0, 0, 0, None).decode()
        assert 'liverush_requests_total{route="none",status="414"} 1.0' in text

    async def nonsense(line: Line) -> None:
        await line.send(b"hello\r\n\r\n")
        assert line.heads == ["400"]
        text = line.metrics.text(0, 0, 0, None).decode()
        assert 'liverush_requests_total{route="none",status="400"} 1.0' in text

    run(check)
    run(nonsense)


def test_the_log_has_a_mistake_of_ours_that_went_the_short_way(caplog: pytest.LogCaptureFixture) -> None:
    async def check(line: Line) -> None:
        await line.send(request())
        await line.answer(DEFECT)
        assert line.heads == ["500"]
        told.append(line.wire.written.decode().rpartition('"request_id":"')[2][:-2])

    told: list[str] = []
    run(check)
    assert caplog.messages == [f"request {told[0]}: POST /v1/orders was answered 500"]


def test_a_head_of_64_kib_is_taken_whatever_came_before_it() -> None:
    async def check(line: Line) -> None:
        filler = "x: " + "y" * 1_000
        large = request(BODY, *[filler] * 63)
        await line.send(large, request(BODY, *[filler] * 63, target="/v1/orders?") + large[:-5], large[-5:])
        while line.desk.waiting:
            await line.answer()
        assert line.heads == ["201"] * 3

    run(check)


def test_what_comes_after_the_last_chunk_is_no_header_and_has_an_end() -> None:
    async def check(line: Line) -> None:
        chunk = b"%x\r\n%b\r\n0\r\n" % (len(BODY), BODY)
        whole = request(chunk + b"Idempotency-Key: other\r\n\r\n", "Transfer-Encoding: chunked", target="/v1/orders?")
        await line.send(whole, request(BODY, key="a", target="/v1/orders?"))
        (call, _deliver) = line.desk.waiting[0]
        await line.answer()
        assert line.desk.waiting[0][0].key == call.key
        await line.answer()
        await line.send(request(chunk, "Transfer-Encoding: chunked"), b"x: ")
        for _ in range(100):
            if not line.wire.closed:
                await line.send(b"y" * 1_000)
        assert line.heads == ["201", "201"]
        assert line.wire.closed
        assert not line.desk.waiting

    run(check)


@pytest.mark.parametrize("target", ["/v1/orders", "/v1/orders?"])
def test_two_keys_are_none(target: str) -> None:
    async def check(line: Line) -> None:
        await line.send(request(BODY, "Idempotency-Key: b", target=target))
        assert line.heads == ["400"]
        assert b"idempotency-key comes twice" in line.wire.written
        await line.send(request(BODY, "X-Tag: a", "X-Tag: b", target=target))
        await line.answer()
        assert line.heads == ["400", "201"]

    run(check)


@pytest.mark.parametrize("target", ["/v1/orders", "/v1/orders?", "/v1/checkout/quotes"])
@pytest.mark.parametrize("end", [-1, 40], ids=["in its body", "in its head"])
def test_a_connection_whose_request_does_not_come_whole_is_closed_and_one_that_waits_or_rests_is_not(
    target: str, end: int
) -> None:
    async def check(line: Line) -> None:
        await line.send(request())
        for _ in range(2 * PATIENT_LOOKS):
            line.protocol.look()  # it waits for its answer
        await line.answer()
        for _ in range(2 * PATIENT_LOOKS):
            line.protocol.look()  # it rests
        part = request(target=target)[:end]
        await line.send(part)
        for _ in range(PATIENT_LOOKS):
            line.protocol.look()
        assert not line.wire.closed
        line.protocol.look()
        assert line.wire.closed
        assert line.heads == ["201"]

    run(check)


@pytest.mark.parametrize(("key", "status"), [("nobodys-key", "401"), (development_key("psp"), "403")])
@pytest.mark.parametrize("target", ["/v1/orders", "/v1/orders?", "/v1/checkout/quotes"])
def test_who_may_not_ask_is_told_so_before_the_body_has_come(target: str, key: str, status: str) -> None:
    async def check(line: Line) -> None:
        whole = request(target=target).replace(development_key("admin").encode(), key.encode())
        await line.send(whole, whole[:-1])
        assert line.heads == [status] * 2
        await expect_left(line, whole[-1:] + request(key="b"))

    run(check)


def test_who_may_not_ask_counts_once_against_the_rate() -> None:
    async def check(line: Line) -> None:
        keys = line.protocol.config.app._place._engine.keys  # type: ignore[union-attr]
        keys.per_s = 3e-9
        for caller in keys.callers.values():
            caller.tokens = 1.0
        other = request().replace(development_key("admin").encode(), development_key("psp").encode())
        await line.send(other, other, request())
        await line.answer()
        await line.send(request())
        assert line.heads == ["403", "429", "201", "429"]

    run(check)


async def first_of_two(line: Line, target: str) -> None:
    """Let a request wait for its answer and another one begin behind it."""
    await line.send(request(target=target) + request(key="b", target="/v1/checkout/quotes")[:-1])


@pytest.mark.parametrize("target", ["/v1/orders", "/v1/orders?"])
def test_who_has_begun_another_request_gets_the_answer_to_the_first(target: str) -> None:
    async def shut(line: Line) -> None:
        await first_of_two(line, target)
        line.protocol.shutdown()
        await expect_only_answer(line)

    async def end(line: Line) -> None:
        await first_of_two(line, target)
        assert line.protocol.eof_received()
        await expect_only_answer(line)

    async def wait(line: Line) -> None:
        await first_of_two(line, target)
        for _ in range(2 * PATIENT_LOOKS):
            line.protocol.look()
        assert not line.wire.closed
        await line.answer()
        for _ in range(PATIENT_LOOKS + 1):
            assert not line.wire.closed
            line.protocol.look()
        assert line.wire.closed, "then it is the second that does not come"

    async def go(line: Line) -> None:
        await first_of_two(line, target)
        line.protocol.connection_lost(None)
        await line.answer()
        assert not line.wire.written

    for check in (shut, end, wait, go):
        run(check)


async def expect_only_answer(line: Line) -> None:
    assert not line.wire.closed
    await line.answer()
    assert line.heads == ["201"]
    assert b"connection: close" in line.wire.written
    assert line.wire.closed


def test_the_end_waits_for_no_request_that_has_not_come_whole() -> None:
    async def check(line: Line) -> None:
        await line.send(request(target="/v1/checkout/quotes")[:-1])
        line.protocol.shutdown()
        assert line.wire.closed

    run(check)
