"""What the reference engine's target makes of answers that an engine gives seldom; a raw server gives them here."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from loadtests.blocking import BlockingHttp
from loadtests.targets import reference
from loadtests.targets.base import HttpFailed
from tests.load.raw_server import Peer, RawServer, always

PAGE = b'{"items":[{"data":{"event":"payment.captured","order_id":"7"}}],"next_after":1}'


def answer(status: str, body: bytes = b"", **headers: str) -> bytes:
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 {status}\r\ncontent-length: {len(body)}\r\n{lines}\r\n".encode() + body


@pytest.mark.parametrize(
    ("hours", "behind_h"), [(-5, 5), (0, 0), (5, 0)], ids=["the engine's is behind", "alike", "the engine's is ahead"]
)
def test_orders_are_read_from_before_the_run_by_the_engines_clock_and_ours(hours: int, behind_h: int) -> None:
    told = datetime.now(UTC) + timedelta(hours=hours)
    with RawServer(always(answer("200 OK", date=format_datetime(told, usegmt=True)))) as server:
        found = reference._now(server.url, "", "run7")
    assert abs(found - datetime.now(UTC) + timedelta(hours=behind_h)) < timedelta(minutes=5)


@pytest.mark.parametrize("date", ["", "yesterday"])
def test_an_engine_that_does_not_tell_the_time_has_ours(date: str) -> None:
    with RawServer(always(answer("200 OK", date=date))) as server:
        assert abs(reference._now(server.url, "", "run7") - datetime.now(UTC)) < timedelta(minutes=5)


def test_a_feed_that_does_not_answer_has_failed_and_what_it_told_before_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reference, "_PAGE", 1)
    target = reference.ReferenceEngine()
    target.attach({"skus": [], "products": [], "rooms": [], "run": "r", "cursor": 0})
    down = answer("500 Internal Server Error")
    answers = iter([answer("200 OK", PAGE), down, down])

    def script(peer: Peer) -> None:
        while peer.read():
            peer.say(next(answers))

    with RawServer(script) as server:
        http = BlockingHttp(server.url)
        assert target.paid_since(http, "") == (["7"], "1")
        with pytest.raises(HttpFailed, match="the event feed answered 500"):
            target.paid_since(http, "1")
        http.close()
