"""The rules of the audit, each on made-up books: what breaks it is named with ids, and what cannot be seen is said."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from loadtests import schedule as sc
from loadtests.audit.books import (
    MOST_FINDINGS,
    Report,
    SeenOrder,
    SeenPayment,
    SeenStock,
    check_deals,
    check_money,
    check_stock,
)
from loadtests.audit.client import Acknowledged, check_clients, read_acknowledged
from loadtests.audit.foreign import Sold, audit_foreign
from loadtests.audit.sql import SqlBooks
from loadtests.records import RECORD, Ack, AckLine, Endpoint, Outcome
from loadtests.schedule import DealPlan, Schedule
from sim.errors import UsageError
from tests.load.small_replay import offer

OFFERS = [offer("mug", units=5), offer("lamp", units=5), offer("set", units=0, parts=((0, 1), (1, 2)))]
PLACED, PAID, CONFIRMED, CANCELLED = Ack.PLACED, Ack.PAID, Ack.CONFIRMED, Ack.CANCELLED


def seen(order_id: str, *facts: Ack, **more: Any) -> SeenOrder:
    return SeenOrder(order_id, frozenset({PLACED, *facts}), **more)


def told(*lines: tuple[Ack, int, str, str], asked: set[int] | None = None) -> Acknowledged:
    """What clients were told: (kind, cart, key, order)."""
    found = Acknowledged(asked=asked)
    for kind, cart, key, order in lines:
        found.take(AckLine(kind.name, cart, key, order, 200, 0))
    return found


def found(report: Report) -> list[tuple[str, tuple[str, ...]]]:
    return [(finding.rule, finding.ids) for finding in report.result().findings]


def by_id(*orders: SeenOrder) -> dict[str, SeenOrder]:
    return {order.id: order for order in orders}


def clients(acknowledged: Acknowledged, *orders: SeenOrder) -> list[tuple[str, tuple[str, ...]]]:
    report = Report()
    check_clients(report, acknowledged, by_id(*orders))
    return found(report)


def test_an_acknowledged_order_must_be_there_in_its_state_or_a_later_one() -> None:
    acknowledged = told((PLACED, 1, "k1", "A"), (PAID, 1, "p1", "A"), (PLACED, 2, "k2", "B"), (PLACED, 3, "k3", "C"))
    assert clients(acknowledged, seen("A", PAID, CONFIRMED), seen("B", CANCELLED), seen("C")) == []
    assert clients(acknowledged, seen("A"), seen("C")) == [("O1", ("A",)), ("O1", ("B",))]


def test_of_an_order_whose_cancellation_was_told_only_that_must_show() -> None:
    acknowledged = told((PLACED, 1, "k", "A"), (PAID, 1, "p", "A"), (CANCELLED, 1, "c", "A"))
    assert clients(acknowledged, seen("A", CANCELLED)) == []
    assert clients(acknowledged, seen("A", PAID)) == [("O1", ("A",))]


def test_a_key_or_a_cart_with_two_orders_is_named_once() -> None:
    acknowledged = told((PLACED, 1, "k", "A"), (PLACED, 1, "k", "B"), (PLACED, 2, "x", "C"), (PLACED, 2, "y", "D"))
    orders = [seen(name, cart=1 if name in "AB" else 2) for name in "ABCD"]
    assert clients(acknowledged, *orders) == [("O2", ("A", "B")), ("O2", ("C", "D"))]
    assert clients(told((PLACED, 1, "k", "A")), seen("A", cart=1), seen("B", cart=1)) == [("O2", ("A", "B"))]


def test_an_order_must_have_been_asked_for_by_a_client_who_was_not_refused() -> None:
    acknowledged = told((PLACED, 1, "k", "A"), (Ack.REFUSED, 2, "k2", ""), asked={1, 2, 3})
    orders = {name: seen(name, cart=cart) for name, cart in (("A", 1), ("B", 2), ("C", 3), ("D", 4), ("E", None))}
    assert clients(acknowledged, *orders.values()) == [("O5", ("B",)), ("O5", ("D",)), ("O5", ("E",))]
    acknowledged.asked = None  # then a cart that nobody has heard of may have been sent
    assert clients(acknowledged, *orders.values()) == [("O5", ("B",)), ("O5", ("E",))]


def test_orders_that_do_not_say_their_cart_leave_orphans_unseen() -> None:
    report = Report()
    check_clients(report, told((PLACED, 1, "k", "A")), by_id(seen("A"), seen("B")))
    assert report.result().findings == ()
    assert "O5" in report.result().unseen


def test_which_carts_were_sent_is_read_from_the_records(tmp_path: Path) -> None:
    carts = {name: np.zeros(3, kind) for name, kind in sc.CARTS.items()}
    carts["number"][:] = [70, 80, 90]
    arrivals = {name: np.zeros(0, kind) for name, kind in sc.ARRIVALS.items()}
    lines = {name: np.zeros(0, kind) for name, kind in sc.LINES.items()}
    Schedule(arrivals, carts, lines, []).write(tmp_path / "schedule.npz")
    records = np.zeros(4, RECORD)
    records["cart"] = [0, 1, 2, -1]
    records["endpoint"] = Endpoint.CHECKOUT
    records["outcome"] = [Outcome.TIMEOUT, Outcome.DROPPED, Outcome.REFUSED, Outcome.OK]
    records[:3].tofile(tmp_path / "requests-0.bin")
    line = msgspec.json.encode(AckLine("PLACED", 70, "k", "A", 201, 5))
    (tmp_path / "acks-0.jsonl").write_bytes(line + b"\n" + line[:9])
    assert read_acknowledged(tmp_path).orders_of_key == {"k": {"A"}}
    assert asked_by(tmp_path, [{"complete": True}]) == {70, 90}
    # A worker that was killed, or never said a word, may have asked for carts that no record tells of.
    assert asked_by(tmp_path, [{"complete": False, "ended": "killed"}]) is None
    assert asked_by(tmp_path, [{"complete": True}, None]) is None


def asked_by(folder: Path, words: list[dict[str, Any] | None]) -> set[int] | None:
    """The carts that were asked for, where workers said these last words."""
    (folder / "plan.json").write_bytes(msgspec.json.encode({"workers": len(words)}))
    for worker, word in enumerate(words):
        if word is not None:
            (folder / f"worker-{worker}.json").write_bytes(msgspec.json.encode(word))
    return read_acknowledged(folder).asked


def test_more_units_than_there_were_and_a_wrong_counter_are_named() -> None:
    orders = [seen("A", lines=((0, 4),)), seen("B", lines=((2, 1), (1, 1))), seen("C", CANCELLED, lines=((0, 5),))]
    report = Report()
    check_stock(report, orders, OFFERS, [SeenStock(0, left=0), SeenStock(1, left=2)])
    assert found(report) == []
    check_stock(report, [*orders, seen("D", lines=((0, 1),))], OFFERS, [SeenStock(1, left=3)])
    assert found(report) == [("S1", ("mug", "A", "B", "D")), ("S3", ("lamp",))]


def test_what_a_target_says_was_put_in_counts() -> None:
    report = Report()
    check_stock(report, [seen("A", lines=((0, 9),))], OFFERS, [SeenStock(0, left=1, put_in=10)])
    assert found(report) == []


def test_deals_have_their_units_and_their_limit_a_buyer() -> None:
    deals = [DealPlan(0, 500, 3, 2, 0, 1), DealPlan(1, 500, 0, 0, 0, 1)]
    bought = [seen(name, deal=0, deal_units=1, buyer=buyer) for name, buyer in (("A", "x"), ("B", "x"), ("C", "y"))]
    report = Report()
    check_deals(report, [*bought, seen("Z", CANCELLED, deal=0, deal_units=9, buyer="x")], deals)
    assert found(report) == []
    check_deals(report, [*bought, seen("D", deal=0, deal_units=1, buyer="x"), seen("E", deal=1, deal_units=99)], deals)
    assert found(report) == [("S4", ("deal 0",)), ("S4", ("A", "B", "D"))]


@pytest.mark.parametrize(
    ("order", "payments", "expected"),
    [
        (seen("A", PAID, total_minor=10), [SeenPayment("p", "A", 10)], []),
        (seen("A", PAID, total_minor=10), [SeenPayment("p", "A", 10), SeenPayment("q", "A", 10)], ["M1"]),
        (seen("A", PAID, total_minor=10), [SeenPayment("p", "A", 10, 10), SeenPayment("q", "A", 10)], []),
        (seen("A", PAID, total_minor=10), [SeenPayment("p", "A", 9)], ["M1"]),
        (seen("A", PAID, total_minor=10), [SeenPayment("p", "A", 10, 10), SeenPayment("q", "A", 50)], ["M1"]),
        (seen("A", PAID, total_minor=10), [SeenPayment("p", "A", 9, 9), SeenPayment("q", "A", 10)], []),
        (seen("A", PAID, total_minor=10), [SeenPayment("p", "A", 10, 1)], ["M1"]),
        (seen("A", PAID, total_minor=10), [SeenPayment("p", "A", 10, 10)], ["M4"]),
        (seen("A", PAID, Ack.RETURN_REQUESTED, total_minor=10), [SeenPayment("p", "A", 10, 10)], []),
        (seen("A", PAID, total_minor=0), [SeenPayment("p", "A", 0)], []),
        (seen("A", PAID), [SeenPayment("p", "A", 7)], []),
        (seen("A", total_minor=10), [SeenPayment("p", "A", 10)], ["M4"]),
        (seen("A", total_minor=10), [SeenPayment("p", "A", 10, 10)], []),
        (seen("A", PAID, total_minor=10), [], ["M4"]),
        (seen("A", total_minor=10), [SeenPayment("p", "B", 10)], ["M4"]),
        (seen("A", CANCELLED, total_minor=10), [SeenPayment("p", "A", 10, 10)], []),
        (seen("A", CANCELLED, total_minor=10), [SeenPayment("p", "A", 10, 9)], ["O4"]),
    ],
)
def test_money_is_taken_once_and_given_back_whole(
    order: SeenOrder, payments: list[SeenPayment], expected: list[str]
) -> None:
    report = Report()
    check_money(report, by_id(order), payments)
    assert [rule for rule, _ids in found(report)] == expected
    assert all("A" in ids or "B" in ids for _rule, ids in found(report))


def test_very_many_findings_are_counted_not_listed() -> None:
    report = Report()
    for number in range(MOST_FINDINGS + 7):
        report.add("O1", [str(number)], "lost")
    findings = report.result().findings
    assert len(findings) == MOST_FINDINGS + 1
    assert findings[-1].found == "and 7 more"


class Silent:
    """A class that reads nothing of its shop."""

    audit_queries: Mapping[str, str] = {}
    sold_out: Collection[str] = ("sold_out",)
    scales_stock = True

    def seen_orders(self, http: Any) -> Iterable[SeenOrder]:
        raise NotImplementedError

    def seen_stock(self, http: Any) -> Iterable[SeenStock]:
        raise NotImplementedError

    def seen_payments(self, http: Any) -> Iterable[SeenPayment]:
        raise NotImplementedError


class Failing(Silent):
    """A class with a mistake in it."""

    def seen_orders(self, http: Any) -> Iterable[SeenOrder]:
        told: dict[str, SeenOrder] = {}
        return [told["orders"]]


def test_what_a_class_does_not_read_is_unseen_never_clean(tmp_path: Path) -> None:
    line = msgspec.json.encode(AckLine("PLACED", 1, "k", "A", 201, 5))
    (tmp_path / "acks-0.jsonl").write_bytes(line + b"\n")
    result = audit_foreign(Silent(), None, tmp_path, Sold(OFFERS, [], "run"))  # type: ignore[arg-type]
    assert result.checked == {"O2": 1}  # what clients were told is enough for that
    assert set(result.unseen) == {"S1", "S3", "S4", "S5", "O1", "O3", "O4", "O5", "M1", "M4", "E1", "T1"}
    assert result.unseen["O1"] == "the class reads no orders"


def test_a_mistake_in_the_class_is_unseen_and_told(tmp_path: Path) -> None:
    result = audit_foreign(Failing(), None, tmp_path, Sold(OFFERS, [], "run"))  # type: ignore[arg-type]
    assert result.unseen["O1"] == "reading its orders failed: KeyError: 'orders'"


@pytest.fixture
def database(tmp_path: Path) -> str:
    connection = sqlite3.connect(tmp_path / "shop.sqlite3")
    connection.execute("CREATE TABLE t (n TEXT, run TEXT)")
    connection.execute("INSERT INTO t VALUES ('A', 'mine'), ('B', 'theirs')")
    connection.commit()
    connection.close()
    return f"sqlite://{tmp_path / 'shop.sqlite3'}"


def test_orders_are_read_by_sql_those_of_the_run(database: str) -> None:
    query = "SELECT n AS id, 7 AS cart, 1 AS paid, 0 AS cancelled, 1290 AS total_minor FROM t WHERE run = '{run}'"
    books = SqlBooks(database, {"orders": query}, OFFERS, "mine")
    assert books.orders == [seen("A", PAID, cart=7, total_minor=1290)]
    assert books.stock is None
    assert books.payments is None


@pytest.mark.parametrize(
    ("queries", "said"),
    [
        ({"orders": "SELECT n FROM t"}, "the query of orders has no column id"),
        ({"stock": "SELECT n FROM t WHERE n = 'none'"}, "the query of stock has no column sku"),
        ({"orders": "SELECT n FROM nowhere"}, "no such table"),
        ({"orders": "DELETE FROM t"}, "readonly"),
        ({"order": "SELECT n FROM t"}, "'order' is none of orders, lines, stock, payments"),
    ],
)
def test_a_wrong_query_is_told(database: str, queries: dict[str, str], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        SqlBooks(database, queries, OFFERS, "mine")


@pytest.mark.parametrize("url", ["mysql://x", "shop.sqlite3", ""])
def test_a_database_of_another_kind_is_told(url: str) -> None:
    with pytest.raises(UsageError, match="write sqlite:///path/to/file or postgresql://"):
        SqlBooks(url, {"orders": "SELECT 1"}, OFFERS, "mine")


def test_the_password_of_a_database_is_not_repeated() -> None:
    with pytest.raises(UsageError) as caught:
        SqlBooks("postgresql://me:hush@127.0.0.1:9/none", {"orders": "SELECT 1"}, OFFERS, "mine")
    assert "hush" not in str(caught.value)
