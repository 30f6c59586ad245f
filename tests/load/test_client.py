"""The generator's HTTP client, against servers that are slow, broken or just unusual."""

from __future__ import annotations

import errno
import ssl
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import gevent
import pytest

from loadtests.replay import connection
from loadtests.replay.client import STALE_LEAST, HttpClient
from loadtests.targets.base import HttpDropped, HttpFailed, HttpTimeout
from tests.load.raw_server import OK, Peer, RawServer, Script, always
from tests.load.shop import certificates


@pytest.fixture
def opened() -> Iterator[list[HttpClient]]:
    clients: list[HttpClient] = []
    yield clients
    for client in clients:
        client.close()


def connect(server: RawServer, opened: list[HttpClient], **more: object) -> HttpClient:
    client = HttpClient(server.url, run_id="run7", **{"timeout_s": 5.0, **more})  # type: ignore[arg-type]
    opened.append(client)
    return client


def test_a_chunked_answer_that_comes_byte_by_byte_is_whole(opened: list[HttpClient]) -> None:
    head = b"HTTP/1.1 200 OK\r\nX-Two: a\r\nx-two: b\r\nTransfer-Encoding: chunked\r\n\r\n"
    answer = head + b"3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n"
    with RawServer(always(*(bytes([byte]) for byte in answer))) as server:
        client = connect(server, opened)
        for _ in range(2):
            got = client.get("/x")
            assert (got.status, got.body, got.headers["x-two"]) == (200, b"abcdefg", "a, b")
        assert client.opened == 1
        client.close()


def test_an_answer_without_a_length_ends_with_its_connection(opened: list[HttpClient]) -> None:
    def script(peer: Peer) -> None:
        peer.read()
        peer.say(b"HTTP/1.1 200 OK\r\n\r\nuntil ")
        peer.say(b"the end")

    with RawServer(script) as server:
        client = connect(server, opened)
        assert client.get("/").body == b"until the end"
        assert client.get("/").body == b"until the end"
        assert client.opened == 2


def test_head_no_content_and_interim_answers_leave_the_connection_usable(opened: list[HttpClient]) -> None:
    def script(peer: Peer) -> None:
        peer.read()
        peer.say(b"HTTP/1.1 200 OK\r\ncontent-length: 999\r\n\r\n")
        peer.read()
        peer.say(b"HTTP/1.1 204 No Content\r\nx: y\r\n\r\n")
        peer.read()
        peer.say(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\na: b\r\n\r\n")
        peer.say(b"HTTP/1.1 201 Created\r\nlocation: /1\r\n" + b"content-length: 0\r\n\r\n")
        peer.read()
        peer.say(OK)
        peer.read()

    with RawServer(script) as server:
        client = connect(server, opened)
        head = client.request("HEAD", "/")
        assert (head.status, head.body, head.headers["content-length"]) == (200, b"", "999")
        assert client.get("/").status == 204
        made = client.post("/", json={"a": 1})
        assert (made.status, made.headers) == (201, {"location": "/1", "content-length": "0"})
        assert client.get("/").body == b"ok"
        assert client.opened == 1
        client.close()


def test_connection_close_is_kept_to(opened: list[HttpClient]) -> None:
    with RawServer(always(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok")) as server:
        client = connect(server, opened)
        assert [client.get("/").body for _ in range(3)] == [b"ok"] * 3
        assert client.opened == 3


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"SSH-2.0-OpenSSH_9.6\r\n", "no HTTP"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n", "no HTTP"),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n", "no HTTP"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nshort", "closed"),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nabc", "closed"),
        (b"HTTP/1.1 200 OK\r\ncontent-le", "closed"),
        (b"", "closed"),
    ],
)
def test_a_broken_answer_is_a_failure_and_no_time_out(answer: bytes, said: str, opened: list[HttpClient]) -> None:
    def script(peer: Peer) -> None:
        peer.read()
        peer.say(answer)

    with RawServer(script) as server:
        client = connect(server, opened)
        with pytest.raises(HttpFailed, match=said) as caught:
            client.get("/")
        assert not isinstance(caught.value, HttpTimeout)


def test_a_time_out_closes_the_connection_and_the_next_request_gets_its_own_answer(opened: list[HttpClient]) -> None:
    released = threading.Event()

    def script(peer: Peer) -> None:
        while b"late" in (request := peer.read()):
            released.wait(5)
            peer.say(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nlate")
        if request:
            peer.say(OK)
            peer.read()

    with RawServer(script) as server:
        client = connect(server, opened, timeout_s=0.2)
        began = time.monotonic()
        with pytest.raises(HttpTimeout):
            client.post("/late", headers={"Idempotency-Key": "k"})
        assert 0.19 < time.monotonic() - began < 2
        released.set()
        assert client.get("/").body == b"ok"
        assert len(server.requests) == 2
        client.close()


def test_nobody_listens(opened: list[HttpClient]) -> None:
    with RawServer(always(OK)) as server:
        url = server.url
    client = HttpClient(url)
    opened.append(client)
    with pytest.raises(HttpFailed, match="cannot connect"):
        client.get("/")


def closes_after_the_first(closed: threading.Event) -> Script:
    def script(peer: Peer) -> None:
        peer.read()
        peer.say(OK)
        if peer.number == 0:
            peer.read()
            closed.set()
            return
        while peer.read():
            peer.say(OK)

    return script


@pytest.mark.parametrize(
    ("method", "headers", "again"),
    [
        ("GET", None, True),
        ("PUT", None, True),
        ("POST", {"Idempotency-Key": "1"}, True),
        ("POST", {"x": "1"}, False),
        ("PATCH", None, False),
    ],
)
def test_a_kept_connection_that_ends_without_an_answer_is_retried_once_where_twice_is_as_good_as_once(
    method: str, headers: dict[str, str] | None, again: bool, opened: list[HttpClient]
) -> None:
    with RawServer(closes_after_the_first(threading.Event())) as server:
        client = connect(server, opened)
        client.get("/")
        if again:
            assert client.request(method, "/", headers=headers).body == b"ok"
        else:
            with pytest.raises(HttpFailed, match="closed"):
                client.request(method, "/", headers=headers)
        assert (len(server.requests), client.stale_retries) == ((3, 1) if again else (2, 0))
        client.close()


def test_a_server_that_throws_requests_away_is_found_out(opened: list[HttpClient]) -> None:
    """Each of its connections answers once and ends at the second request: a race would not do so every time."""

    def script(peer: Peer) -> None:
        peer.read()
        peer.say(OK)
        peer.read()

    with RawServer(script) as server:
        client = connect(server, opened)
        for _ in range(1 + STALE_LEAST):
            client.get("/")
        with pytest.raises(HttpFailed, match="closed"):
            client.get("/")
        assert client.stale_retries == STALE_LEAST
        client.close()


def test_a_connection_that_was_closed_while_idle_is_not_used(opened: list[HttpClient]) -> None:
    def script(peer: Peer) -> None:
        peer.read()
        peer.say(OK)

    with RawServer(script) as server:
        client = connect(server, opened)
        client.get("/")
        gevent.sleep(0.1)
        assert client.request("POST", "/").body == b"ok"
        assert (client.opened, client.stale_retries) == (2, 0)


def test_bytes_that_nobody_asked_for_end_a_connection(opened: list[HttpClient]) -> None:
    def script(peer: Peer) -> None:
        peer.read()
        peer.say(OK + OK)
        peer.read()

    with RawServer(script) as server:
        client = connect(server, opened)
        assert [client.get("/").body for _ in range(3)] == [b"ok"] * 3
        assert client.opened == 3


def test_more_requests_than_connections_are_dropped_and_counted_not_queued(opened: list[HttpClient]) -> None:
    def script(peer: Peer) -> None:
        while peer.read():
            time.sleep(0.2)
            peer.say(OK)

    with RawServer(script) as server:
        client = connect(server, opened, max_connections=3)

        def ask() -> bool:
            try:
                return client.get("/").status == 0
            except HttpDropped:
                return True

        jobs = [gevent.spawn(ask) for _ in range(5)]
        gevent.joinall(jobs, raise_error=True)
        assert (sum(job.value for job in jobs), client.dropped, client.most_open) == (2, 2, 3)
        assert client.get("/").body == b"ok"
        client.close()


def test_many_requests_at_once_each_get_their_own_answer(opened: list[HttpClient]) -> None:
    def script(peer: Peer) -> None:
        while request := peer.read():
            body = request.split(b" ")[1]
            peer.say(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body))

    with RawServer(script) as server:
        client = connect(server, opened)
        jobs = [gevent.spawn(client.get, f"/{number}") for number in range(100)]
        gevent.joinall(jobs, raise_error=True)
        assert [job.value.body for job in jobs] == [b"/base/%d" % number for number in range(100)]
        client.close()


def test_a_large_request_and_a_large_answer_pass(opened: list[HttpClient]) -> None:
    large = b"x" * 3_000_000

    def script(peer: Peer) -> None:
        while request := peer.read():
            body = request.partition(b"\r\n\r\n")[2]
            peer.say(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(body) + body)

    with RawServer(script) as server:
        client = connect(server, opened)
        assert client.request("POST", "/", body=large).body == large
        client.close()


def test_every_request_says_which_run_it_belongs_to_and_has_a_trace_of_its_own(opened: list[HttpClient]) -> None:
    with RawServer(always(OK)) as server:
        client = connect(server, opened)
        client.get("/a")
        client.post("/b", json={"sku": 1}, headers={"x-mine": "2"})
        first, second = (request.decode().split("\r\n") for request in server.requests)
        client.close()
    assert first[0] == "GET /base/a HTTP/1.1"
    assert f"host: localhost:{server.port}" in first
    assert "x-liverush-run: run7" in first
    assert {"x-mine: 2", "content-type: application/json", "content-length: 9"} < set(second)
    assert second[-1] == '{"sku":1}'
    traces = [next(line for line in lines if line.startswith("traceparent: 00-")) for lines in (first, second)]
    assert traces[0] != traces[1]
    assert [len(trace) for trace in traces] == [len("traceparent: ") + 55] * 2


def test_a_line_break_in_a_header_is_refused(opened: list[HttpClient]) -> None:
    with RawServer(always(OK)) as server:
        client = connect(server, opened)
        with pytest.raises(ValueError, match="line break"):
            client.get("/", headers={"x": "a\r\nhost: b"})
    assert server.requests == []


@pytest.mark.skipif(not certificates.available(), reason="no openssl command here")
def test_tls_is_verified_against_the_private_authority_that_is_named(tmp_path: Path, opened: list[HttpClient]) -> None:
    authority, certificate, key = certificates.make(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    body = b"y" * 200_000
    answer = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(body) + body
    with RawServer(always(answer[:1000], answer[1000:]), context) as server:
        client = connect(server, opened, ca_file=str(authority))
        assert [client.get("/").body for _ in range(3)] == [body] * 3
        assert client.request("POST", "/", body=body).status == 200
        assert client.opened == 1
        client.close()
        stranger = connect(server, opened)
        with pytest.raises(HttpFailed, match=r"(?i)certificate"):
            stranger.get("/")


@pytest.mark.parametrize(
    ("code", "kind"),
    [(errno.EADDRNOTAVAIL, HttpDropped), (errno.ENOBUFS, HttpDropped), (errno.ECONNREFUSED, HttpFailed)],
)
def test_what_this_machine_has_run_out_of_is_not_charged_to_the_target(
    opened: list[HttpClient], monkeypatch: pytest.MonkeyPatch, code: int, kind: type[HttpFailed]
) -> None:
    def connect(*_: object) -> None:
        raise OSError(code, errno.errorcode[code])

    client = HttpClient("http://127.0.0.1:9")
    opened.append(client)
    monkeypatch.setattr(connection, "_connect", connect)
    with pytest.raises(HttpFailed) as caught:
        client.get("/")
    assert type(caught.value) is kind
    assert client.dropped == (kind is HttpDropped)
