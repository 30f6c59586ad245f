"""The harness's own client: what it sends again, and what never."""

from __future__ import annotations

import contextlib
import re
import threading

import pytest

from loadtests.blocking import BlockingHttp
from loadtests.targets.base import HttpFailed
from tests.load.raw_server import OK, Peer, RawServer, always


def dies_after_one(peer: Peer) -> None:
    """Answer the first request of the first connection, take the second and end; answer all others."""
    taken = 0
    while peer.read():
        taken += 1
        if peer.number == 0 and taken == 2:
            return
        peer.say(OK)


@pytest.mark.parametrize(
    ("method", "headers", "again"),
    [("POST", {}, False), ("POST", {"Idempotency-Key": "k"}, True), ("GET", {}, True), ("PATCH", {}, False)],
)
def test_what_may_have_been_done_is_done_again_only_where_twice_is_as_good_as_once(
    method: str, headers: dict[str, str], again: bool
) -> None:
    with RawServer(dies_after_one) as server:
        http = BlockingHttp(server.url)
        http.get("/")
        if again:
            assert http.request(method, "/stock", json={"add": 5}, headers=headers).status == 200
        else:
            with pytest.raises(HttpFailed):
                http.request(method, "/stock", json={"add": 5}, headers=headers)
        assert len(server.requests) == (3 if again else 2)
        http.close()


def test_a_connection_that_ended_while_it_was_idle_is_not_used() -> None:
    ended = threading.Event()

    def one_each(peer: Peer) -> None:
        if peer.read():
            peer.say(OK)
        peer.sock.close()
        ended.set()

    with RawServer(one_each) as server:
        http = BlockingHttp(server.url)
        for number in range(1, 3):
            ended.clear()
            assert http.post("/stock", json={"add": 5}).status == 200
            assert ended.wait(10)
            assert len(server.requests) == number
        http.close()


def test_a_fresh_connection_that_is_refused_is_told_at_once() -> None:
    with RawServer(dies_after_one) as server:
        url = server.url
    with pytest.raises(HttpFailed):
        BlockingHttp(url).get("/")


def test_each_request_says_which_run_it_belongs_to_and_has_a_trace_of_its_own() -> None:
    with RawServer(always(OK)) as server:
        http = BlockingHttp(server.url, run_id="run7")
        http.get("/")
        http.post("/", json={}, headers={"x-own": "1"})
        http.close()
        heads = [request.decode().lower() for request in server.requests]
    assert all("x-liverush-run: run7\r\n" in head for head in heads)
    traces = [re.findall(r"traceparent: 00-([0-9a-f]{32})-[0-9a-f]{16}-00\r\n", head) for head in heads]
    assert len({trace for found in traces for trace in found}) == 2


def test_headers_are_sent_once_and_read_whole_as_the_generators_client_does() -> None:
    head = b"HTTP/1.1 200 OK\r\nSet-Cookie: sid=1\r\nset-cookie: csrf=2\r\ncontent-length: 0\r\n\r\n"
    with RawServer(always(head)) as server, contextlib.closing(BlockingHttp(server.url)) as http:
        answer = http.post("/", json={}, headers={"Content-Type": "application/vnd.api+json"})
        assert answer.headers["set-cookie"] == "sid=1, csrf=2"
        (sent,) = server.requests
        assert re.findall(rb"(?im)^content-type: (.*?)\r$", sent) == [b"application/vnd.api+json"]
