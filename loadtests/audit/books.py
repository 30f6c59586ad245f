"""What a target shows of itself after a replay, in words that all targets share, and the rules that it must obey.

Whoever reads a target (`engine`, `foreign`) fills these records; the rules do not know where they come from. A rule
that cannot be checked is told as unseen, never passed over.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from loadtests.records import Ack
from loadtests.schedule import DealPlan, Offer
from loadtests.targets.base import AuditResult, Finding, in_words

_T = TypeVar("_T")

#: Findings that are told of each rule; of the others the number.
MOST_FINDINGS = 100

#: docs/load-your-own.md says what each means.
RULES = ("S1", "S3", "S4", "S5", "M1", "M4", "O1", "O2", "O4", "O5", "P1")


@dataclass(frozen=True, slots=True)
class SeenOrder:
    """An order as the target shows it. `facts` is all that has happened to it; None is what cannot be seen.

    `lines` are (index of the offer, units) of what it takes from the stock; a cancelled order takes nothing.
    """

    id: str
    facts: frozenset[Ack]
    cart: int | None = None
    lines: tuple[tuple[int, int], ...] | None = None
    total_minor: int | None = None
    buyer: str = ""
    deal: int = -1
    deal_units: int = 0

    @property
    def live(self) -> bool:
        return Ack.CANCELLED not in self.facts


@dataclass(frozen=True, slots=True)
class SeenPayment:
    """Money that was captured for an order, and what of it went back."""

    id: str
    order: str
    amount_minor: int
    refunded_minor: int = 0


@dataclass(frozen=True, slots=True)
class SeenStock:
    """Units of an offer: how many were put in before the replay (None: as many as the offer says) and are left."""

    offer: int
    left: int | None = None
    put_in: int | None = None


@dataclass
class Report:
    """What was looked at, by rule. `add` notes a finding, `result` is all of it, whatever failed on the way."""

    checked: dict[str, int] = field(default_factory=dict)
    unseen: dict[str, str] = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)
    _findings: dict[str, list[Finding]] = field(default_factory=lambda: defaultdict(list))

    def looked(self, rule: str, number: int) -> None:
        """Note that a rule looked at so many things more."""
        self.checked[rule] = self.checked.get(rule, 0) + number

    def add(self, rule: str, ids: Iterable[str], found: str) -> None:
        """Note a finding."""
        self._findings[rule].append(Finding(rule, tuple(ids), found))

    def hidden(self, rules: Iterable[str], why: str) -> None:
        """Note that rules could not be checked, unless they were in another way."""
        for rule in rules:
            if rule not in self.checked:
                self.unseen.setdefault(rule, why)

    def tried(self, rules: Iterable[str], what: str, work: Callable[[], _T]) -> _T | None:
        """What a piece of the audit comes to; None where it fails: its rules are unseen then, and that is said.

        Nothing that others have found is lost, and nothing that this piece had found before it failed.
        """
        try:
            return work()
        except Exception as error:  # a target that answers nonsense, or the user's code
            self.broke(rules, f"{what} failed: {in_words(error)}")
            return None

    def broke(self, rules: Iterable[str], why: str) -> None:
        """Note that something should have been looked at and could not be."""
        if why not in self.failed:
            self.failed.append(why)
        self.hidden(rules, why)

    def result(self) -> AuditResult:
        """All, the findings of each rule up to `MOST_FINDINGS`."""
        findings: list[Finding] = []
        for rule, found in sorted(self._findings.items()):
            findings += found[:MOST_FINDINGS]
            if len(found) > MOST_FINDINGS:
                findings.append(Finding(rule, (), f"and {len(found) - MOST_FINDINGS:,} more"))
        unseen = {rule: why for rule, why in sorted(self.unseen.items()) if rule not in self.checked}
        return AuditResult(dict(sorted(self.checked.items())), unseen, tuple(findings), tuple(self.failed))


def parts_of(lines: Iterable[tuple[int, int]], offers: Sequence[Offer]) -> Iterator[tuple[int, int]]:
    """The offers and units that lines take from the stock: of bundles, their parts."""
    for offer, units in lines:
        for part, each in offers[offer].parts or ((offer, 1),):
            yield part, units * each


def check_stock(
    report: Report, orders: Iterable[SeenOrder], offers: Sequence[Offer], stock: Iterable[SeenStock] = ()
) -> None:
    """Check S1, and S3 for the offers whose stock is told: bundles are counted as their parts."""
    taken: dict[int, int] = defaultdict(int)
    buyers: dict[int, list[str]] = defaultdict(list)
    for order in orders:
        for part, units in parts_of(order.lines or (), offers) if order.live else ():
            taken[part] += units
            buyers[part].append(order.id)
    told = {seen.offer: seen for seen in stock}
    for number, offer_ in enumerate(offers):
        if offer_.parts:
            continue
        seen = told.get(number)
        put_in = offer_.units if seen is None or seen.put_in is None else seen.put_in
        if taken[number] > put_in:
            last = buyers[number][-MOST_FINDINGS:]
            report.add("S1", (offer_.name, *last), f"{offer_.name}: put in {put_in}, sold {taken[number]}")
        if seen is not None and seen.left is not None and seen.left != put_in - taken[number]:
            found = f"{offer_.name}: put in {put_in}, taken {taken[number]}, the target says that {seen.left} are left"
            report.add("S3", (offer_.name,), found)
    report.looked("S1", sum(taken.values()))
    if any(seen.left is not None for seen in told.values()):
        report.looked("S3", len(told))


def check_deals(report: Report, orders: Iterable[SeenOrder], deals: Sequence[DealPlan]) -> None:
    """Check S4."""
    sold: dict[int, int] = defaultdict(int)
    each: dict[tuple[int, str], list[tuple[str, int]]] = defaultdict(list)
    for order in orders:
        if order.live and order.deal >= 0:
            sold[order.deal] += order.deal_units
            each[order.deal, order.buyer].append((order.id, order.deal_units))
    for number, deal in enumerate(deals):
        if deal.units and sold[number] > deal.units:
            report.add("S4", (f"deal {number}",), f"{deal.units} units in the deal, {sold[number]} sold")
    for (number, buyer), bought in each.items():
        units, limit = sum(units for _, units in bought), deals[number].per_buyer
        if limit and units > limit:
            found = f"{limit} units a buyer in deal {number}, {units} sold to {buyer}"
            report.add("S4", (order for order, _ in bought), found)
    report.looked("S4", len(deals))


def check_money(report: Report, orders: Mapping[str, SeenOrder], payments: Iterable[SeenPayment]) -> None:
    """Check M1, M4 and O4."""
    captured: dict[str, list[SeenPayment]] = defaultdict(list)
    for payment in payments:
        captured[payment.order].append(payment)
    for order_id, paid in captured.items():
        _check_captures(report, order_id, orders.get(order_id), paid)
    for order in orders.values():
        if Ack.PAID in order.facts and order.live and order.id not in captured:
            report.add("M4", (order.id,), "paid, and nothing was captured for it")
    for rule in ("M1", "M4"):
        report.looked(rule, len(orders))
    report.looked("O4", sum(not order.live for order in orders.values()))


def _check_captures(report: Report, order_id: str, order: SeenOrder | None, paid: list[SeenPayment]) -> None:
    """Hold what was captured for an order and kept against what it owes; a capture that was given back is none."""
    kept = [one for one in paid if one.amount_minor != one.refunded_minor]
    amount = sum(one.amount_minor - one.refunded_minor for one in kept)
    ids = (order_id, *(one.id for one in kept or paid))
    if order is None:
        report.add("M4", ids, f"{amount} captured for an order that is not there")
    elif not order.live:
        if kept:
            report.add("O4", ids, f"the order is cancelled, {amount} of its buyer's money was not given back")
    elif Ack.PAID not in order.facts:
        if kept:
            report.add("M4", ids, f"{amount} captured, and the order is not paid")
    elif len(kept) > 1:
        report.add("M1", ids, f"captured {len(kept)} times, {amount} in all")
    elif Ack.RETURN_REQUESTED in order.facts:
        return  # what is given back for a return is between the buyer and the shop
    elif not kept and any(one.refunded_minor for one in paid):
        report.add("M4", ids, "paid, and all that was captured for it was given back")
    elif order.total_minor is not None and amount != order.total_minor:
        report.add("M1", ids, f"captured {amount}, the order's total is {order.total_minor}")
