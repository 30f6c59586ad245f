"""Clients that were refused as sold out, though there was enough for each of them all the time."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from loadtests import schedule as sc
from loadtests.audit.books import Report, SeenOrder, SeenStock
from loadtests.audit.client import Acknowledged
from loadtests.audit.foreign import Sold, audit_foreign
from loadtests.audit.refusals import OnSale, Wanted, check_refusals, least_left, read_wanted
from loadtests.records import Ack, AckLine
from loadtests.schedule import DealPlan, Schedule
from tests.load.test_audit_rules import OFFERS, Silent, seen

CANCELLED = Ack.CANCELLED
ONE_MUG = Wanted(((0, 1),))


def refused(*orders: SeenOrder, wanted: dict[int, Wanted], codes: str = "sold_out", **more: Any) -> Report:
    """What is said where cart 1 was refused; there were 5 mugs and 5 lamps, a set is a mug and two lamps."""
    report, told = Report(), Acknowledged(asked=more.get("asked"))
    told.take(AckLine("REFUSED", 1, "k", "", 409, 0, "sold_out"))
    left = least_left(orders, OFFERS, more.get("stock", ()), filled=True)
    check_refusals(report, told, wanted, orders, OnSale(OFFERS, more.get("deals", ()), left, {codes}))
    return report


def names(report: Report) -> list[tuple[str, ...]]:
    return [finding.ids for finding in report.result().findings]


@pytest.mark.parametrize(
    ("taken", "wants", "found"),
    [
        (4, ONE_MUG, True),
        (5, ONE_MUG, False),
        (4, Wanted(((0, 2),)), False),
        (4, Wanted(((0, 1), (1, 1))), True),
        (5, Wanted(((0, 1), (1, 1))), False),
        (4, Wanted(((2, 1),)), True),
        (4, Wanted(((2, 2),)), False),
    ],
)
def test_who_is_refused_must_have_wanted_more_than_was_there(taken: int, wants: Wanted, found: bool) -> None:
    report = refused(seen("A", cart=2, lines=((0, taken),)), wanted={1: wants, 2: Wanted(((0, taken),))}, asked={1, 2})
    held_by_itself = len(wants.lines) > 1  # a basket of several articles may have held some of them
    assert bool(names(report)) is (found and not held_by_itself)
    assert report.checked["S5"] == 1


def test_what_cancelled_orders_and_carts_without_an_order_may_have_held_is_not_called_left() -> None:
    cancelled = seen("A", CANCELLED, cart=2, lines=((0, 5),))
    assert names(refused(cancelled, wanted={1: ONE_MUG}, asked={1})) == []
    timed_out = {1: ONE_MUG, 3: Wanted(((0, 5),))}
    assert names(refused(wanted=timed_out, asked={1, 3})) == []
    assert names(refused(wanted=timed_out)) == [], "it may have been asked"
    assert names(refused(wanted=timed_out, asked={1})) == [("mug", "cart 1")]


def test_what_the_shop_says_is_left_counts() -> None:
    sold = seen("A", CANCELLED, cart=2, lines=((0, 2),))
    for left, found in ((3, [("mug", "cart 1")]), (2, [])):
        assert names(refused(sold, wanted={1: ONE_MUG}, asked={1}, stock=[SeenStock(0, left=left)])) == found


def test_units_of_other_deals_may_be_kept_apart() -> None:
    deals = [DealPlan(0, 500, 5, 0, 0, 1)]
    assert names(refused(wanted={1: ONE_MUG}, asked={1}, deals=deals)) == []
    assert names(refused(wanted={1: Wanted(((0, 1),), deal=0)}, asked={1}, deals=deals)) == [("mug", "cart 1")]


def test_refusals_for_other_reasons_and_unknown_carts_are_unseen() -> None:
    assert "no client was refused with a code for sold out (other)" in refused(wanted={}, codes="other").unseen["S5"]
    unknown: Any = None
    assert refused(wanted=unknown).unseen["S5"] == "what the clients asked for is not known"


class RefusesAll(Silent):
    """A shop that sells nothing."""

    def seen_orders(self, http: Any) -> Iterable[SeenOrder]:
        return []


@pytest.mark.parametrize(("filled", "findings"), [(True, ["S5"]), (False, [])])
def test_a_shop_that_refuses_everybody_is_not_clean(tmp_path: Path, filled: bool, findings: list[str]) -> None:
    carts = {name: np.zeros(3, kind) for name, kind in sc.CARTS.items()}
    carts["number"][:], carts["lines"][:], carts["deal"][:] = [70, 80, 90], 1, -1
    lines = {"sku": np.zeros(1, "i4"), "quantity": np.ones(1, "i4")}
    arrivals = {name: np.zeros(0, kind) for name, kind in sc.ARRIVALS.items()}
    Schedule(arrivals, carts, lines, []).write(tmp_path / "schedule.npz")
    assert read_wanted(tmp_path) == dict.fromkeys((70, 80, 90), ONE_MUG)
    told = [AckLine("REFUSED", cart, "k", "", 409, 5, "sold_out") for cart in (70, 80, 90)]
    (tmp_path / "acks-0.jsonl").write_bytes(b"".join(msgspec.json.encode(line) + b"\n" for line in told))
    shop = RefusesAll()
    shop.scales_stock = filled
    result = audit_foreign(shop, None, tmp_path, Sold(OFFERS, [], "run"))  # type: ignore[arg-type]
    assert [finding.rule for finding in result.findings] == findings
    assert ("S5" in result.unseen) is not filled
    assert result.failed == ()
