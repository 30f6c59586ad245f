"""The audit of the reference engine: its own invariants, its clients' log, its provider's ledger.

The engine's invariants are read from its tables in one snapshot. They are its own word, so what can be seen from
outside is checked again: orders and their lines against what was put in and what clients were told, and money against
the provider, who is another process.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from loadtests.audit.books import Report, SeenOrder, check_deals, check_stock
from loadtests.audit.client import Acknowledged, check_clients, read_acknowledged
from loadtests.audit.refusals import OnSale, check_refusals, least_left, read_wanted
from loadtests.blocking import BlockingHttp
from loadtests.records import Ack
from loadtests.schedule import DealPlan, Offer
from loadtests.targets.base import Answer, AuditResult, Http, HttpFailed

_PAGE = 500
#: Charges without an order that are looked up one by one.
_MOST_LOOKED_UP = 200


class _Money(msgspec.Struct):
    amount: str


class _Line(msgspec.Struct):
    sku_id: str
    quantity: int
    phase: str
    promotion_id: str | None


class _Order(msgspec.Struct):
    id: str
    status: str
    buyer_id: str
    total: _Money
    captured: _Money
    refunded: _Money
    paid_at: str | None
    confirmed_at: str | None
    return_id: str | None
    address: dict[str, str]
    lines: list[_Line]


class _Page(msgspec.Struct):
    items: list[_Order]
    next_page_token: str | None


class _Charge(msgspec.Struct):
    id: str
    status: str
    order_id: str
    amount: str
    refunded: str


class _Ledger(msgspec.Struct):
    charges: list[_Charge]


class _Finding(msgspec.Struct):
    id: str
    found: str


class _Invariant(msgspec.Struct):
    name: str
    checked: int
    violations: int
    findings: list[_Finding]


class _Invariants(msgspec.Struct):
    invariants: list[_Invariant]


#: Rules that the engine's own audit knows; unseen where it does not answer.
_OWN = ("S2", "S3", "M1", "M2", "M3", "M4", "O3", "O4", "E1", "T1")
#: Rules that need what clients were told.
_OF_CLIENTS = ("O1", "O2", "O5")


@dataclass(frozen=True)
class Plan:
    """What the engine was filled with, and the codes with which it refuses what is sold out."""

    offers: Sequence[Offer]
    deals: Sequence[DealPlan]
    deal_ids: Sequence[str]
    sold_out: frozenset[str]


def audit_engine(
    http: Http,
    state: Mapping[str, Any],
    acknowledged: Path,
    headers: dict[str, str],
    plan: Plan,
) -> AuditResult:
    """What is wrong."""
    report = Report()
    report.tried(_OWN, "the engine's own audit", lambda: _take_invariants(report, http, headers))
    report.hidden(_OWN, "the engine's own audit does not tell it")
    told = report.tried(_OF_CLIENTS, "reading the clients' log", lambda: read_acknowledged(acknowledged))
    raw = report.tried(
        (*_OF_CLIENTS, "S1", "S4", "S5", "P1"),
        "reading the engine's orders",
        lambda: {order.id: order for order in _orders(http, state, headers)},
    )
    if raw is None:
        return report.result()
    reader = _Reader(state, plan.deal_ids)
    orders = {order.id: reader.seen(order) for order in raw.values()}
    if told is not None:
        check_clients(report, told, orders)
        _check_refusals(report, told, acknowledged, orders, plan)
    check_stock(report, orders.values(), plan.offers)
    check_deals(report, orders.values(), plan.deals)
    report.tried(["P1"], "reading the provider's ledger", lambda: _check_provider(report, http, state, headers, raw))
    return report.result()


def _check_refusals(
    report: Report, told: Acknowledged, folder: Path, orders: Mapping[str, SeenOrder], plan: Plan
) -> None:
    if plan.sold_out.isdisjoint(told.refused.values()):  # its codes are known: those were refused for other reasons
        report.looked("S5", 0)
        return
    left = least_left(orders.values(), plan.offers, (), filled=True)
    sale = OnSale(plan.offers, plan.deals, left, plan.sold_out)
    check_refusals(report, told, read_wanted(folder), orders.values(), sale)


def _take_invariants(report: Report, http: Http, headers: dict[str, str]) -> None:
    """Take over what the engine finds in its own tables."""
    answer = _answered(http.get("/v1/audit/invariants", headers=headers))
    for one in msgspec.json.decode(answer.body, type=_Invariants).invariants:
        report.looked(one.name, one.checked)
        for finding in one.findings:
            report.add(one.name, (finding.id,), finding.found)
        if one.violations > len(one.findings):
            report.add(one.name, (), f"and {one.violations - len(one.findings):,} more")


def _answered(answer: Answer) -> Answer:
    """A whole answer. Raises HttpFailed for any other status: what it says then is not what was asked for."""
    if answer.status != 200:
        raise HttpFailed(f"it answered {answer.status}")
    return answer


def _orders(http: Http, state: Mapping[str, Any], headers: dict[str, str]) -> Iterator[_Order]:
    """The orders of this run: those of its buyers, changed since it began."""
    token: str | None = "0"
    decode = msgspec.json.Decoder(_Page).decode
    own = f"{state['run']}-"
    while token is not None:
        path = f"/v1/orders?updated_after={state['since']}&page_token={token}&limit={_PAGE}"
        page = decode(_answered(http.get(path, headers=headers)).body)
        yield from (order for order in page.items if order.buyer_id.startswith(own))
        token = page.next_page_token


class _Reader:
    """Turns the engine's orders into those that all targets share."""

    def __init__(self, state: Mapping[str, Any], deal_ids: Sequence[str]) -> None:
        self._run = state["run"]
        self._offers = {sku: number for number, sku in enumerate(state["skus"])}
        self._deals = {deal: number for number, deal in enumerate(deal_ids)}

    def seen(self, order: _Order) -> SeenOrder:
        facts = {Ack.PLACED}
        facts |= {Ack.PAID} if order.paid_at else set()
        facts |= {Ack.CONFIRMED} if order.confirmed_at else set()
        facts |= {Ack.CANCELLED} if order.status == "CANCELLED" else set()
        facts |= {Ack.RETURN_REQUESTED} if order.return_id else set()
        dealt = [line for line in order.lines if line.promotion_id in self._deals]
        return SeenOrder(
            order.id,
            frozenset(facts),
            self._cart(order.address.get("reference", "")),
            tuple((self._offers[line.sku_id], line.quantity) for line in order.lines if line.sku_id in self._offers),
            int(order.total.amount),
            order.buyer_id,
            self._deals[str(dealt[0].promotion_id)] if dealt else -1,
            sum(line.quantity for line in dealt),
        )

    def _cart(self, reference: str) -> int | None:
        run, _, number = reference.rpartition("-")
        return int(number) if run == self._run and number.isdigit() else None


def _check_provider(
    report: Report, http: Http, state: Mapping[str, Any], headers: dict[str, str], orders: Mapping[str, _Order]
) -> None:
    """Check P1, and by the provider's books M1, M4 and O4: money twice, of no order, or of one that was cancelled."""
    if not state.get("psp_url"):
        report.hidden(["P1"], "no payment provider whose ledger can be read")
        return
    provider = BlockingHttp(state["psp_url"], ca_file=state.get("ca_file", ""), run_id=state.get("run", ""))
    try:
        answer = _answered(provider.get("/ledger"))
    finally:
        provider.close()
    charges: dict[str, list[_Charge]] = defaultdict(list)
    for charge in msgspec.json.decode(answer.body, type=_Ledger).charges:
        if charge.status == "captured":
            charges[charge.order_id].append(charge)
    for order_id, order in orders.items():
        _compare(report, order, charges.pop(order_id, []))
    _check_strays(report, http, headers, charges)
    report.looked("P1", len(orders))


def _compare(report: Report, order: _Order, charges: list[_Charge]) -> None:
    kept = sum(int(charge.amount) - int(charge.refunded) for charge in charges)
    says = int(order.captured.amount) - int(order.refunded.amount)
    ids = (order.id, *(charge.id for charge in charges))
    if kept == says:
        owed = int(order.total.amount) if order.paid_at else 0
        if order.status != "CANCELLED" and order.return_id is None and kept != owed:
            report.add("M1", ids, f"engine and provider kept {kept} in {len(charges)} charges, {owed} is owed")
    elif order.status == "CANCELLED" and kept > says:
        report.add("O4", ids, f"cancelled, and the provider kept {kept}; the engine says {says}")
    else:
        report.add("P1", ids, f"the provider kept {kept} in {len(charges)} charges, the engine says {says}")


def _check_strays(report: Report, http: Http, headers: dict[str, str], charges: Mapping[str, list[_Charge]]) -> None:
    """Look up charges of orders that are not this run's: they are somebody else's, or of no order at all."""
    if len(charges) > _MOST_LOOKED_UP:
        told = f"of {len(charges):,} orders that are not this run's {_MOST_LOOKED_UP} were looked up"
        report.hidden(["M4 of other orders"], told)
    for order_id in sorted(charges)[:_MOST_LOOKED_UP]:
        if http.get(f"/v1/orders/{order_id}", headers=headers).status == 404:
            kept = sum(int(charge.amount) - int(charge.refunded) for charge in charges[order_id])
            ids = (order_id, *(charge.id for charge in charges[order_id]))
            report.add("M4", ids, f"the provider kept {kept} for an order that is not there")
