"""An audit of which a part fails: what the rest found is kept, and nobody takes it for clean."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from loadtests import session
from loadtests.audit.engine import Plan, audit_engine
from loadtests.audit.foreign import Sold, audit_foreign
from loadtests.audit.sql import SqlBooks
from loadtests.records import RECORD, AckLine, read_reasons, read_records
from loadtests.targets.base import Answer, AuditResult, Target
from loadtests.verdict import audit_status
from sim.errors import UsageError
from tests.load.raw_server import RawServer
from tests.load.test_audit_rules import OFFERS, Silent, seen

TWICE = {"name": "M1", "checked": 5, "violations": 1, "findings": [{"id": "o1", "found": "captured twice"}]}
NO_ORDERS = b'{"items":[],"next_page_token":null}'


class Engine:
    """Answers the audit from bytes, a status other than 200 where it is given one."""

    def __init__(self, invariants: bytes | int, orders: bytes | int = NO_ORDERS) -> None:
        self._invariants, self._orders = invariants, orders

    def get(self, path: str, headers: Any = None) -> Answer:
        told = self._invariants if "invariants" in path else self._orders
        return Answer(told, {}, b"<html>") if isinstance(told, int) else Answer(200, {}, told)


def of_engine(folder: Path, engine: Engine, **state: Any) -> AuditResult:
    found = {"run": "r", "since": "x", "skus": ["1"], **state}
    return audit_engine(engine, found, folder, {}, Plan(OFFERS[:1], [], [], frozenset()))  # type: ignore[arg-type]


def invariants(*told: dict[str, Any]) -> bytes:
    return json.dumps({"invariants": told}).encode()


@pytest.mark.parametrize("answer", [b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}", b"HTTP/1.1 500 X\r\n\r\n", b""])
def test_what_the_engine_found_is_kept_when_its_provider_answers_nonsense(tmp_path: Path, answer: bytes) -> None:
    def script(peer: Any) -> None:
        if peer.read() and answer:
            peer.say(answer)

    with RawServer(script) as server:
        result = of_engine(tmp_path, Engine(invariants(TWICE)), psp_url=server.url)
    assert [finding.rule for finding in result.findings] == ["M1"]
    assert "reading the provider's ledger failed" in result.unseen["P1"]
    assert result.failed == (result.unseen["P1"],)


@pytest.mark.parametrize("orders", [500, b"<html>", b'{"items":[{}],"next_page_token":null}'])
def test_what_the_engine_found_is_kept_when_its_orders_cannot_be_read(tmp_path: Path, orders: bytes | int) -> None:
    result = of_engine(tmp_path, Engine(invariants(TWICE), orders))
    assert [finding.rule for finding in result.findings] == ["M1"]
    assert {"O1", "O2", "O5", "S1", "S4", "P1"} <= set(result.unseen)
    assert result.failed[0].startswith("reading the engine's orders failed: ")


@pytest.mark.parametrize("told", [404, b"<html>", b"{}"])
def test_an_engine_whose_own_audit_does_not_answer_is_not_clean(tmp_path: Path, told: bytes | int) -> None:
    result = of_engine(tmp_path, Engine(told))
    assert audit_status(result) == "failed"
    assert "M1" in result.unseen


def test_rules_that_the_engines_own_audit_leaves_out_are_unseen(tmp_path: Path) -> None:
    line = msgspec.json.encode(AckLine("REFUSED", 1, "k", "", 409, 5, "deal_sold_out"))
    (tmp_path / "acks-0.jsonl").write_bytes(line + b"\n")
    result = of_engine(tmp_path, Engine(invariants({**TWICE, "name": "O4", "violations": 0, "findings": []})))
    assert result.failed == ()
    assert result.checked["S5"] == 0, "who was refused for other reasons is nothing that could not be seen"
    assert result.unseen["M1"] == "the engine's own audit does not tell it"
    assert "O4" not in result.unseen


class Shop(Silent):
    """A shop that was put in 5 of each and shows six sold, and then does not answer."""

    def seen_orders(self, http: Any) -> Any:
        return [seen("A", lines=((0, 6),))]

    def seen_payments(self, http: Any) -> Any:
        raise ValueError("<html>")


class Strange(Silent):
    """A shop with an order of something that was never offered."""

    def seen_orders(self, http: Any) -> Any:
        return [seen("A", lines=((9, 1),))]


def of_shop(shop: Silent, folder: Path, audit_sql: str = "") -> AuditResult:
    return audit_foreign(shop, None, folder, Sold(OFFERS, [], "run", audit_sql))  # type: ignore[arg-type]


ORDER: dict[str, Any] = {
    "id": "7",
    "status": "ON_HOLD",
    "buyer_id": "r-1",
    "total": {"amount": "1000"},
    "captured": {"amount": "2000"},
    "refunded": {"amount": "0"},
    "paid_at": "x",
    "confirmed_at": None,
    "return_id": None,
    "address": {"reference": "r-1"},
    "lines": [],
}


def ledger(*charges: tuple[str, str, str]) -> bytes:
    """A provider's answer: charges of (order, amount, refunded)."""
    told = [
        {"id": f"c{number}", "status": "captured", "order_id": order, "amount": amount, "refunded": refunded}
        for number, (order, amount, refunded) in enumerate(charges)
    ]
    body = json.dumps({"charges": told}).encode()
    return b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body)


@pytest.mark.parametrize(
    ("order", "charges", "rules"),
    [
        ({}, [("7", "1000", "0"), ("7", "1000", "0")], {"M1", "O5"}),
        ({"refunded": {"amount": "1000"}}, [("7", "1000", "1000"), ("7", "1000", "0")], {"O5"}),
        ({"captured": {"amount": "1000"}}, [("7", "1000", "0"), ("7", "1000", "0")], {"P1", "O5"}),
        ({"paid_at": None, "captured": {"amount": "5"}}, [("7", "5", "0")], {"M1", "O5"}),
        ({"return_id": "9", "refunded": {"amount": "2000"}}, [("7", "2000", "2000")], {"O5"}),
        ({"status": "CANCELLED", "refunded": {"amount": "2000"}}, [("7", "2000", "2000")], {"O5"}),
    ],
)
def test_what_engine_and_provider_both_tell_is_held_against_what_is_owed(
    tmp_path: Path, order: dict[str, Any], charges: list[tuple[str, str, str]], rules: set[str]
) -> None:
    """The engine's own rule is left out; cart 1 was refused, so that O5 shows that the order was looked at."""
    line = msgspec.json.encode(AckLine("REFUSED", 1, "k", "", 409, 5))
    (tmp_path / "acks-0.jsonl").write_bytes(line + b"\n")
    orders = json.dumps({"items": [{**ORDER, **order}], "next_page_token": None}).encode()
    with RawServer(lambda peer: peer.say(ledger(*charges)) if peer.read() else None) as server:
        result = of_engine(tmp_path, Engine(invariants(), orders), psp_url=server.url)
    assert {finding.rule for finding in result.findings} == rules
    assert result.failed == ()


def test_that_not_all_charges_of_others_are_looked_up_is_said(tmp_path: Path) -> None:
    with RawServer(
        lambda peer: peer.say(ledger(*[(str(n), "1", "0") for n in range(201)])) if peer.read() else None
    ) as server:
        result = of_engine(tmp_path, Engine(invariants()), psp_url=server.url)
    assert result.unseen["M4 of other orders"] == "of 201 orders that are not this run's 200 were looked up"


def test_what_a_shop_shows_is_judged_though_the_rest_fails(tmp_path: Path) -> None:
    result = of_shop(Shop(), tmp_path)
    assert [finding.rule for finding in result.findings] == ["S1"]
    assert result.failed == ("reading its payments failed: ValueError: <html>",)
    assert result.unseen["M1"] == result.failed[0]


def test_lines_that_mean_no_offer_are_a_failure(tmp_path: Path) -> None:
    result = of_shop(Strange(), tmp_path)
    assert result.failed[0] == "checking its stock failed: IndexError: list index out of range"
    assert {"S1", "S3", "S4", "S5"} <= set(result.unseen)


def test_a_class_that_reads_nothing_has_not_failed(tmp_path: Path) -> None:
    assert of_shop(Silent(), tmp_path).failed == ()


def test_a_database_that_does_not_answer_is_a_failure_told_once(tmp_path: Path) -> None:
    shop = Silent()
    shop.audit_queries = {"orders": "SELECT 1 AS id"}
    result = of_shop(shop, tmp_path, f"sqlite://{tmp_path / 'none.sqlite3'}")
    assert len(result.failed) == 1
    assert "unable to open database file" in result.failed[0]


def test_a_log_of_the_clients_that_cannot_be_read_fails_its_own_rules_only(tmp_path: Path) -> None:
    line = msgspec.json.encode(AckLine("PLACED", 1, "k", 17, 201, 5))  # type: ignore[arg-type]
    (tmp_path / "acks-0.jsonl").write_bytes(line + b"\n")
    result = of_shop(Shop(), tmp_path)
    assert [finding.rule for finding in result.findings] == ["S1"]
    assert {"O1", "O2", "O5"} <= set(result.unseen)
    assert any("reading the clients' log failed" in why for why in result.failed)


def test_an_audit_that_raises_has_failed(tmp_path: Path) -> None:
    class Broken(Target):
        def audit(self, http: Any, acknowledged: Path) -> AuditResult:
            raise KeyError("orders")

    result = session._audit(Broken(), None, tmp_path)  # type: ignore[arg-type]
    assert (audit_status(result), result.failed) == ("failed", ("KeyError: 'orders'",))


def test_articles_of_others_in_a_database_are_passed_over_and_nonsense_is_told(tmp_path: Path) -> None:
    database = tmp_path / "shop.sqlite3"
    connection = sqlite3.connect(database)
    connection.execute("CREATE TABLE articles (code TEXT, available)")
    connection.execute("INSERT INTO articles VALUES ('mug', 3), ('another', 8)")
    connection.commit()
    connection.close()
    url, query = f"sqlite://{database}", "SELECT code AS sku, available AS left FROM articles"
    books = SqlBooks(url, {"stock": query}, OFFERS, "run")
    assert [(one.offer, one.left) for one in books.stock or ()] == [(0, 3)]
    wrong = "SELECT code AS id, code AS order_id, code AS amount_minor FROM articles"
    with pytest.raises(UsageError, match="a column holds what it should not"):
        SqlBooks(url, {"payments": wrong}, OFFERS, "run")


def test_more_refusal_codes_than_a_byte_can_number_are_read_from_all_workers(tmp_path: Path) -> None:
    for worker in range(2):
        codes = ["", *(f"w{worker}-{number}" for number in range(200))]
        (tmp_path / f"reasons-{worker}.json").write_bytes(msgspec.json.encode(codes))
        record = np.zeros(1, RECORD)
        record["reason"] = 200
        record.tofile(tmp_path / f"requests-{worker}.bin")
    reasons = read_reasons(tmp_path)
    assert [reasons[row["reason"]] for row in read_records(tmp_path)] == ["w0-199", "other"]
