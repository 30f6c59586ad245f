"""The stand-in payment provider: each id once, each fate repeatable, each fault as it was ordered."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from sim.engine.psp.behaviour import Behaviour, befalls, failure_of, latency_s
from sim.engine.webhooks.signatures import verify
from tests.engine.mall import SECRET
from tests.engine.rig import Listener, Psp, opened, run, tell, until

CHARGE = {"id": "11", "order_id": "1", "amount": "1290", "currency": "GBP", "method": "card"}
REFUND = {"id": "21", "charge_id": "11", "amount": "1290", "currency": "GBP"}
FAST_DEATH_S = 15


class Ear:
    """Hears webhooks, and answers as it is told."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self.ids: list[str] = []
        self.answers: list[int] = []
        self.listener = Listener(self._hear)

    async def _hear(self, request: web.Request) -> int:
        body = await request.read()
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.ids.append(verify([SECRET], headers, body, int(time.time())))
        self.events.append(json.loads(body))
        return self.answers.pop(0) if self.answers else 200


@asynccontextmanager
async def provider(**settings: Any) -> AsyncIterator[tuple[Psp, Ear]]:
    ear = Ear()
    async with opened(ear.listener):
        psp = Psp(ear.listener.url, Behaviour(**settings))
        async with opened(psp):
            yield psp, ear


def test_a_charge_is_captured_and_told_by_a_signed_webhook() -> None:
    async def main() -> None:
        async with provider() as (psp, ear):
            status, answer = await tell(psp.url, "POST", "/charges", CHARGE)
            assert (status, answer["id"], answer["status"], answer["failure"]) == (200, "11", "captured", None)
            assert await tell(psp.url, "GET", "/charges/11") == (200, answer)
            await until(lambda: bool(ear.events))
            (event,) = ear.events
            assert event["type"] == "payment.captured"
            assert ear.ids == [event["id"]]
            assert event["data"] == {"order_id": "1", "payment_id": "11", "amount": "1290", "currency": "GBP"}

    run(main())


@pytest.mark.parametrize("latency_ms", [0, 50])
def test_one_id_sent_many_times_at_once_is_charged_and_told_once(latency_ms: int) -> None:
    async def main() -> None:
        async with provider(latency_ms=latency_ms) as (psp, ear):
            answers = await asyncio.gather(*(tell(psp.url, "POST", "/charges", CHARGE) for _ in range(20)))
            assert {answer["status"] for _, answer in answers} == {"captured"}
            assert psp.server.psp.ledger.everything()["captured"] == {"GBP": "1290"}
            await tell(psp.url, "POST", "/charges", CHARGE | {"id": "12"})
            await until(lambda: len(ear.events) >= 2)
            assert Counter(ear.ids) == {"evt-11-payment.captured": 1, "evt-12-payment.captured": 1}

    run(main())


def test_an_id_that_meant_something_else_is_a_conflict() -> None:
    async def main() -> None:
        async with provider() as (psp, _):
            await tell(psp.url, "POST", "/charges", CHARGE)
            assert (await tell(psp.url, "POST", "/charges", CHARGE | {"amount": "1"}))[0] == 409
            await tell(psp.url, "POST", "/refunds", REFUND)
            assert (await tell(psp.url, "POST", "/refunds", REFUND | {"amount": "1"}))[0] == 409

    run(main())


def test_never_more_is_refunded_than_was_captured() -> None:
    async def main() -> None:
        async with provider() as (psp, ear):
            await tell(psp.url, "POST", "/charges", CHARGE)
            part = {**REFUND, "amount": "500"}
            answers = await asyncio.gather(
                *(tell(psp.url, "POST", "/refunds", part | {"id": f"r{number % 5}"}) for number in range(20))
            )
            assert Counter(status for status, _ in answers) == {200: 8, 409: 12}
            ledger = (await tell(psp.url, "GET", "/ledger"))[1]
            assert (ledger["captured"], ledger["refunded"]) == ({"GBP": "1290"}, {"GBP": "1000"})
            assert ledger["charges"][0]["refunded"] == "1000"
            await until(lambda: len(ear.events) == 3)
            assert Counter(event["type"] for event in ear.events) == {"payment.captured": 1, "refund.succeeded": 2}

    run(main())


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "/charges", {"id": "1"}, 400),
        ("POST", "/charges", CHARGE | {"amount": "-5"}, 400),
        ("POST", "/charges", CHARGE | {"amount": "0"}, 422),
        ("POST", "/charges", CHARGE | {"currency": "pounds"}, 400),
        ("POST", "/charges", CHARGE | {"method": "x" * 100_000}, 413),
        ("POST", "/refunds", REFUND, 404),
        ("GET", "/charges/99", None, 404),
        ("GET", "/refunds/99", None, 404),
        ("GET", "/nothing", None, 404),
        ("DELETE", "/charges/11", None, 405),
        ("PUT", "/behaviour", {"decline_share": 2}, 400),
        ("PUT", "/behaviour", {"declines": 0.1}, 400),
    ],
)
def test_what_cannot_be_done_is_refused_and_changes_nothing(method: str, path: str, body: Any, status: int) -> None:
    async def main() -> None:
        async with provider() as (psp, _):
            assert (await tell(psp.url, method, path, body))[0] == status
            assert psp.server.psp.ledger.everything()["charges"] == []
            assert psp.server.psp.behaviour == Behaviour()

    run(main())


def test_a_declined_charge_cannot_be_refunded() -> None:
    async def main() -> None:
        async with provider(decline_share=1) as (psp, ear):
            _, answer = await tell(psp.url, "POST", "/charges", CHARGE)
            assert answer["status"] == "declined"
            assert answer["failure"]
            assert (await tell(psp.url, "POST", "/refunds", REFUND))[0] == 409
            await until(lambda: bool(ear.events))
            assert ear.events[0]["data"]["failure"] == answer["failure"]

    run(main())


def test_an_asynchronous_provider_says_pending_first_and_tells_later() -> None:
    async def main() -> None:
        async with provider(answers="async", latency_ms=30) as (psp, ear):
            assert (await tell(psp.url, "POST", "/charges", CHARGE))[1]["status"] == "pending"
            await until(lambda: bool(ear.events))
            assert (await tell(psp.url, "POST", "/charges", CHARGE))[1]["status"] == "captured"

    run(main())


def test_a_webhook_is_sent_again_with_the_same_id_until_it_is_taken() -> None:
    async def main() -> None:
        async with provider() as (psp, ear):
            ear.answers = [500, 404, 302]
            await tell(psp.url, "POST", "/charges", CHARGE)
            await until(lambda: len(ear.ids) == 4)
            assert set(ear.ids) == {"evt-11-payment.captured"}

    run(main())


def test_a_webhook_waits_for_a_listener_that_comes_back() -> None:
    async def main() -> None:
        async with provider() as (psp, ear):
            await tell(psp.url, "POST", "/charges", CHARGE)
            await until(lambda: len(ear.ids) == 1)
            port = int(ear.listener.url.rpartition(":")[2].partition("/")[0])
            await ear.listener.close()
            await tell(psp.url, "POST", "/charges", CHARGE | {"id": "12"})
            await ear.listener.open(port)
            await until(lambda: len(ear.ids) == 2)

    run(main())


def test_duplicates_carry_the_id_of_the_first() -> None:
    async def main() -> None:
        async with provider(duplicate_share=1, duplicates=4) as (psp, ear):
            await tell(psp.url, "POST", "/charges", CHARGE)
            await until(lambda: len(ear.ids) == 5)
            assert set(ear.ids) == {"evt-11-payment.captured"}

    run(main())


def test_a_lost_webhook_never_comes() -> None:
    async def main() -> None:
        async with provider(lost_share=1) as (psp, ear):
            await tell(psp.url, "POST", "/charges", CHARGE)
            await tell(psp.url, "PUT", "/behaviour", {})
            await tell(psp.url, "POST", "/charges", CHARGE | {"id": "12"})
            await until(lambda: bool(ear.ids))
            assert ear.ids == ["evt-12-payment.captured"]

    run(main())


def test_a_reordered_webhook_comes_after_a_later_one() -> None:
    async def main() -> None:
        async with provider(reorder_share=1, reorder_ms=60_000) as (psp, ear):
            await tell(psp.url, "POST", "/charges", CHARGE)
            await tell(psp.url, "PUT", "/behaviour", {})
            await tell(psp.url, "POST", "/refunds", REFUND)
            await until(lambda: len(ear.events) == 2)
            assert [event["type"] for event in ear.events] == ["refund.succeeded", "payment.captured"]

    run(main())


def test_a_reordered_webhook_without_a_later_one_comes_after_its_time() -> None:
    async def main() -> None:
        async with provider(reorder_share=1, reorder_ms=20) as (psp, ear):
            await tell(psp.url, "POST", "/charges", CHARGE)
            await until(lambda: len(ear.events) == 1)

    run(main())


def test_a_late_webhook_comes_after_those_on_time() -> None:
    async def main() -> None:
        async with provider(late_share=1, late_ms=300) as (psp, ear):
            await tell(psp.url, "POST", "/charges", CHARGE)
            await tell(psp.url, "PUT", "/behaviour", {})
            await tell(psp.url, "POST", "/charges", CHARGE | {"id": "12"})
            await until(lambda: len(ear.ids) == 2)
            assert ear.ids == ["evt-12-payment.captured", "evt-11-payment.captured"]

    run(main())


def test_a_dropped_answer_is_a_cut_connection_and_a_done_charge() -> None:
    async def main() -> None:
        async with provider(drop_answer_share=1) as (psp, _):
            with pytest.raises(aiohttp.ClientError):
                await tell(psp.url, "POST", "/charges", CHARGE)
            assert (await tell(psp.url, "POST", "/charges", CHARGE))[1]["status"] == "captured"
            assert psp.server.psp.ledger.everything()["captured"] == {"GBP": "1290"}

    run(main())


def test_behaviour_can_be_read_and_replaced() -> None:
    async def main() -> None:
        async with provider(seed=7) as (psp, _):
            assert (await tell(psp.url, "GET", "/behaviour"))[1]["seed"] == 7
            wanted: dict[str, Any] = {"seed": 8, "latency_ms": 5, "latency_sigma": 0.5, "lost_share": 0.25}
            await tell(psp.url, "PUT", "/behaviour", wanted)
            assert psp.server.psp.behaviour == Behaviour(**wanted)

    run(main())


def test_after_a_restart_the_provider_knows_nothing() -> None:
    async def main() -> None:
        async with provider() as (psp, _):
            await tell(psp.url, "POST", "/charges", CHARGE)
            await psp.close()
            await psp.open()
            assert (await tell(psp.url, "GET", "/charges/11"))[0] == 404

    run(main())


def test_one_seed_gives_the_same_fates_and_another_seed_others() -> None:
    def fates(seed: int) -> list[Any]:
        behaviour = Behaviour(seed=seed, decline_share=0.3, latency_ms=100, latency_sigma=1)
        return [(failure_of(behaviour, str(one)), latency_s(behaviour, str(one))) for one in range(200)]

    assert fates(1) == fates(1)
    assert fates(1) != fates(2)


def test_shares_are_what_they_say_and_grow_without_changing_who_was_hit() -> None:
    hit = {share: {one for one in range(4000) if befalls(share, 1, str(one), "lost")} for share in (0.1, 0.3)}
    assert hit[0.1] < hit[0.3]
    assert abs(len(hit[0.1]) / 4000 - 0.1) < 0.02
    assert abs(len(hit[0.3]) / 4000 - 0.3) < 0.03
    other = {one for one in range(4000) if befalls(0.3, 1, str(one), "late")}
    assert abs(len(other & hit[0.3]) / 4000 - 0.09) < 0.02  # purposes are independent


def test_latencies_have_the_median_that_was_asked_for() -> None:
    behaviour = Behaviour(latency_ms=100, latency_sigma=0.8)
    drawn = sorted(latency_s(behaviour, str(one)) for one in range(4001))
    assert 0.095 < drawn[2000] < 0.105
    assert latency_s(Behaviour(latency_ms=40), "1") == 0.04


def start(*arguments: str, secret: str = SECRET) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "sim.engine.psp", "--webhook-url", "http://127.0.0.1:9/hook", *arguments],
        env={**os.environ, "LIVERUSH_PSP_SECRET": secret},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def test_the_process_prints_its_address_and_ends_cleanly_when_it_is_told_to() -> None:
    with start("--behaviour", '{"seed": 9}') as process:
        assert process.stdout is not None
        url = process.stdout.readline().decode().strip()
        assert url.startswith("http://127.0.0.1:")
        run(expect_seed(url, 9))
        process.terminate()
        assert process.communicate(timeout=FAST_DEATH_S) == (b"", b"")
        assert process.returncode == 0


async def expect_seed(url: str, seed: int) -> None:
    assert (await tell(url, "GET", "/behaviour"))[1]["seed"] == seed


def test_the_process_can_end_with_its_parent() -> None:
    with start("--end-with-stdin") as process:
        assert process.stdout is not None
        assert process.stdout.readline()
        process.communicate(timeout=FAST_DEATH_S)
        assert process.returncode == 0


@pytest.mark.parametrize(
    ("arguments", "secret"),
    [
        ((), "short"),
        (("--behaviour", "{"), SECRET),
        (("--behaviour", '{"decline_share": 3}'), SECRET),
        (("--webhook-url", "ftp://x"), SECRET),
    ],
)
def test_wrong_usage_ends_with_2_and_one_line(arguments: tuple[str, ...], secret: str) -> None:
    with start(*arguments, secret=secret) as process:
        _, error = process.communicate(timeout=FAST_DEATH_S)
        assert process.returncode == 2
        assert b"Traceback" not in error
        assert b"Error: " in error
