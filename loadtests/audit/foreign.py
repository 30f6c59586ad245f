"""The audit of a shop that is not ours: what its class reads of it over HTTP or by SQL, against what clients were told.

What the class does not read cannot be seen, and is said.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

from loadtests.audit.books import (
    Report,
    SeenOrder,
    SeenPayment,
    SeenStock,
    check_deals,
    check_money,
    check_stock,
)
from loadtests.audit.client import Acknowledged, check_clients, check_twice, read_acknowledged
from loadtests.audit.refusals import OnSale, Wanted, check_refusals, least_left, read_wanted
from loadtests.audit.sql import SqlBooks
from loadtests.schedule import DealPlan, Offer
from loadtests.targets.base import AuditResult, Http, in_words
from sim.errors import UsageError

_T = TypeVar("_T")
_OF_CLIENTS, _OF_STOCK, _OF_MONEY = ("O1", "O2", "O5"), ("S1", "S3", "S4", "S5"), ("M1", "M4", "O4")


class Readable(Protocol):
    """What a class may read of its shop; a method that is not written raises NotImplementedError."""

    @property
    def audit_queries(self) -> Mapping[str, str]:
        """SQL by what it asks for."""

    @property
    def sold_out(self) -> Collection[str]:
        """Codes of refusals that mean sold out."""

    @property
    def scales_stock(self) -> bool:
        """Whether the shop was filled with what the offers say."""

    def seen_orders(self, http: Http) -> Iterable[SeenOrder]:
        """Read the orders of this run."""

    def seen_stock(self, http: Http) -> Iterable[SeenStock]:
        """Read what is left of the offers."""

    def seen_payments(self, http: Http) -> Iterable[SeenPayment]:
        """Read what was captured and refunded."""


@dataclass(frozen=True)
class Sold:
    """What the shop was filled with, and where it can be asked: `audit_sql` is the URL of a database, or empty."""

    offers: Sequence[Offer]
    deals: Sequence[DealPlan]
    run: str
    audit_sql: str = ""


def audit_foreign(target: Readable, http: Http, acknowledged: Path, sold: Sold) -> AuditResult:
    """What is wrong, and what could not be looked at."""
    report = Report()
    told = report.tried(_OF_CLIENTS, "reading the clients' log", lambda: read_acknowledged(acknowledged))
    reading = _Reading(report, target, http, sold)
    orders, stock, payments = reading.orders(), reading.stock(), reading.payments()
    if told is not None:
        _check_clients(report, told, orders, reading.why)
    if orders is None:
        report.hidden([*_OF_STOCK, *_OF_MONEY], reading.why["orders"])
    else:
        report.tried(_OF_STOCK, "checking its stock", lambda: _check_stock(report, orders, stock, sold, reading.why))
    if told is not None and orders is not None:
        report.tried(
            ["S5"],
            "checking whom it refused",
            lambda: _check_refusals(report, told, read_wanted(acknowledged), orders, stock, sold, target),
        )
    if orders is not None and payments is not None:
        report.tried(_OF_MONEY, "checking its payments", lambda: check_money(report, orders, payments))
    report.hidden(_OF_MONEY, reading.why.get("payments", ""))
    report.hidden(["O3", "E1"], "the history of its orders is not read")
    report.hidden(["T1"], "when it lets go of unpaid orders is not known")
    return report.result()


class _Reading:
    """Reads a shop: its database where there is one, else what the class reads over HTTP.

    A run is not thrown away because its audit cannot read something: that is unseen, and `why` says why. That the class
    does not read it is a choice; that it cannot, or that the shop does not answer, is told as a failure besides.
    """

    def __init__(self, report: Report, target: Readable, http: Http, sold: Sold) -> None:
        self._report = report
        self._target = target
        self._http = http
        self.why: dict[str, str] = {}
        self._books: SqlBooks | None = None
        if sold.audit_sql:
            try:
                self._books = SqlBooks(sold.audit_sql, target.audit_queries, sold.offers, sold.run)
            except UsageError as error:
                self.why = dict.fromkeys(("orders", "stock", "payments"), str(error))
                report.broke((), str(error))

    def orders(self) -> dict[str, SeenOrder] | None:
        """The orders by id, None where they cannot be seen."""
        known = self._books.orders if self._books else None
        found = self._read("orders", known, lambda: self._target.seen_orders(self._http))
        return None if found is None else {order.id: order for order in found}

    def stock(self) -> list[SeenStock] | None:
        """The stock."""
        known = self._books.stock if self._books else None
        return self._read("stock", known, lambda: self._target.seen_stock(self._http))

    def payments(self) -> list[SeenPayment] | None:
        """The payments."""
        known = self._books.payments if self._books else None
        return self._read("payments", known, lambda: self._target.seen_payments(self._http))

    def _read(self, what: str, known: list[_T] | None, read: Callable[[], Iterable[_T]]) -> list[_T] | None:
        if known is not None or what in self.why:
            return known
        try:
            return list(read())
        except NotImplementedError:
            self.why[what] = f"the class reads no {what}"
        except Exception as error:  # it is the user's code
            self.why[what] = f"reading its {what} failed: {in_words(error)}"
            self._report.broke((), self.why[what])
        return None


def _check_clients(
    report: Report, told: Acknowledged, orders: dict[str, SeenOrder] | None, why: Mapping[str, str]
) -> None:
    if orders is not None:
        check_clients(report, told, orders)
        return
    check_twice(report, told, ())
    report.hidden(_OF_CLIENTS, why["orders"])


def _check_stock(
    report: Report, orders: dict[str, SeenOrder], stock: list[SeenStock] | None, sold: Sold, why: Mapping[str, str]
) -> None:
    if any(order.lines is None for order in orders.values()):
        report.hidden(["S1", "S3"], "its orders do not say what is in them")
    else:
        check_stock(report, orders.values(), sold.offers, stock or ())
        report.hidden(["S3"], why.get("stock", "it does not say what is left of its stock"))
    if any(order.deal >= 0 for order in orders.values()):
        check_deals(report, orders.values(), sold.deals)
    elif sold.deals:
        report.hidden(["S4"], "its orders do not say which deal they are of")


def _check_refusals(
    report: Report,
    told: Acknowledged,
    wanted: dict[int, Wanted] | None,
    orders: dict[str, SeenOrder],
    stock: list[SeenStock] | None,
    sold: Sold,
    target: Readable,
) -> None:
    if any(order.lines is None for order in orders.values()):
        report.hidden(["S5"], "its orders do not say what is in them")
        return
    left = least_left(orders.values(), sold.offers, stock or (), filled=target.scales_stock)
    if not left:
        report.hidden(["S5"], "how many units it had is not known")
        return
    sale = OnSale(sold.offers, sold.deals, left, target.sold_out)
    check_refusals(report, told, wanted, orders.values(), sale)
