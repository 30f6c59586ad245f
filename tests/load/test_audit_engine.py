"""The audit against an engine with planted faults: each is named, with ids, and an engine that is whole is clean."""

from __future__ import annotations

import contextlib
import threading
import time
from pathlib import Path

import pytest

from loadtests.schedule import DealPlan
from loadtests.targets.base import AuditResult
from loadtests.targets.reference import ReferenceEngine
from tests.load.broken import BrokenEngine, BrokenServer
from tests.load.small_replay import SmallReplay, cart, offer, world

OFFERS = [offer("mug", units=3), offer("lamp", units=100), offer("set", units=0, parts=((0, 1), (1, 2)))]
DEALS = [DealPlan(1, 500, 4, 1, 0, 3_600_000_000, 0)]


def audited(folder: Path, fault: str) -> tuple[AuditResult, list[str]]:
    """What the audit says after a few orders, and the ids that the fault harmed."""
    server = BrokenServer(folder / "engine.sqlite3", fault)
    thread = threading.Thread(target=server.run)
    thread.start()
    target = ReferenceEngine()
    try:
        assert server.ready.wait(20)
        state = target.setup(world(folder, OFFERS, DEALS, url=server.url, psp_url=server.psp_url))
        target.attach(state)
        with contextlib.closing(SmallReplay(target, state, folder)) as replay:
            target.start(replay.http, round(time.time() * 1e6))
            some_orders(replay)
            return target.audit(replay.http, folder), server.planted
    finally:
        target.teardown()
        server.stop()
        thread.join()


def some_orders(replay: SmallReplay) -> None:
    """Buy until the mugs are sold out."""
    for number in range(1, 4):
        replay.buy(cart(number, (1, 2)))
    replay.buy(cart(4, (0, 2)), pays=False)
    replay.buy(cart(5, (2, 1), (1, 1)))  # the last mug
    replay.buy(cart(6, (0, 1)), pays=False)  # none is left
    replay.buy(cart(7, (1, 1), deal=0, content=0))
    replay.until_quiet()


def test_an_engine_that_is_whole_is_clean_and_all_rules_are_checked(tmp_path: Path) -> None:
    result, planted = audited(tmp_path, "none")
    assert result.findings == ()
    assert set(result.unseen) == {"S5"}, "what was asked for is known of a whole replay only"
    assert not planted
    rules = {"S1", "S2", "S3", "S4", "M1", "M2", "M3", "M4", "O1", "O2", "O3", "O4", "O5", "E1", "T1", "P1"}
    assert set(result.checked) == rules
    assert result.checked["O5"] == 6


@pytest.mark.parametrize(
    ("fault", "rules", "word"),
    [
        ("oversell", {"S1", "S2"}, "put in 3, sold 4"),
        ("lost_order", {"O1"}, "a client was told that it is placed"),
        ("orphan", {"O5"}, "no client asked for it"),
        ("two_orders", {"O2"}, "cart 2 has 2 orders"),
        ("counter_drift", {"S3"}, "committed"),
        ("double_capture", {"P1"}, "the provider kept 4000 in 2 charges, the engine says 2000"),
        ("late_payment", {"O4"}, "cancelled, and the provider kept 1000; the engine says 0"),
        ("lost_confirmation", {"O1"}, "told that it is confirmed"),
    ],
)
def test_a_planted_fault_is_named_with_ids(tmp_path: Path, fault: str, rules: set[str], word: str) -> None:
    result, planted = audited(tmp_path, fault)
    assert planted, "the fault did not strike"
    assert {finding.rule for finding in result.findings} == rules
    assert any(word in finding.found for finding in result.findings), result.findings
    named = {name for finding in result.findings for name in finding.ids}
    assert named & set(planted), (named, planted)


def test_an_engine_with_a_fault_can_be_loaded_as_a_target_of_its_own(tmp_path: Path) -> None:
    target = BrokenEngine()
    try:
        state = target.setup(world(tmp_path, OFFERS, fault="two_orders"))
        target.attach(state)
        with contextlib.closing(SmallReplay(target, state, tmp_path)) as replay:
            target.start(replay.http, 0)
            replay.buy(cart(1, (1, 1)))
            replay.buy(cart(2, (1, 1)))
            replay.until_quiet()
            assert {finding.rule for finding in target.audit(replay.http, tmp_path).findings} == {"O2"}
    finally:
        target.teardown()
