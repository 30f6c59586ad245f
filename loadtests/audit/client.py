"""What the clients were told, against what the target shows: nothing is lost and nothing done twice."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import numpy as np

from loadtests.audit.books import Report, SeenOrder
from loadtests.records import Ack, AckLine, Endpoint, Outcome, read_acks, read_records
from loadtests.schedule import read_schedule

#: What the client calls a fact of an order.
_TOLD = {
    Ack.PLACED: "placed",
    Ack.PAID: "paid",
    Ack.CONFIRMED: "confirmed",
    Ack.CANCELLED: "cancelled",
    Ack.RETURN_REQUESTED: "its return asked for",
}


@dataclass
class Acknowledged:
    """All that clients were told, and whom they asked. `asked` None: it is not known which carts were sent."""

    facts: dict[str, set[Ack]] = field(default_factory=lambda: defaultdict(set))  # by order
    orders_of_key: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    orders_of_cart: dict[int, set[str]] = field(default_factory=lambda: defaultdict(set))
    refused: dict[int, str] = field(default_factory=dict)  # the code by cart
    asked: set[int] | None = None

    def take(self, line: AckLine) -> None:
        """Take a line of the clients' log."""
        kind = Ack[line.kind]
        if kind is Ack.REFUSED:
            self.refused[line.cart] = line.reason
            return
        self.facts[line.order].add(kind)
        if kind is Ack.PLACED:
            self.orders_of_key[line.key].add(line.order)
            self.orders_of_cart[line.cart].add(line.order)


def read_acknowledged(folder: Path) -> Acknowledged:
    """What the log of a run's folder says, and which carts its records say were sent."""
    told = Acknowledged()
    for line in read_acks(folder):
        told.take(line)
    told.asked = _asked(folder)
    return told


def _asked(folder: Path) -> set[int] | None:
    """The numbers of the carts whose checkout left the client, answered or not; None where nobody knows.

    A worker that did not come to its end has not recorded what was under way then.
    """
    schedule = folder / "schedule.npz"
    if not schedule.exists() or not _is_complete(folder):
        return None
    records = read_records(folder)
    sent = records[(records["endpoint"] == Endpoint.CHECKOUT) & (records["outcome"] != Outcome.DROPPED)]
    rows = np.unique(sent["cart"])
    return set(read_schedule(schedule).carts["number"][rows[rows >= 0]].tolist())


def _is_complete(folder: Path) -> bool:
    """Whether every worker said that it came to its end."""
    plan = folder / "plan.json"
    words = [msgspec.json.decode(path.read_bytes()) for path in folder.glob("worker-*.json")]
    workers = msgspec.json.decode(plan.read_bytes())["workers"] if plan.exists() else 0
    return 0 < workers == len(words) and all(word["complete"] for word in words)


def check_clients(report: Report, told: Acknowledged, orders: Mapping[str, SeenOrder]) -> None:
    """Check O1, O2 and O5; `orders` are all of this run's that the target shows."""
    _check_lost(report, told, orders)
    check_twice(report, told, orders.values())
    if any(order.cart is not None for order in orders.values()) or not orders:
        _check_orphans(report, told, orders.values())
    else:
        report.hidden(["O5"], "the target's orders do not say which cart they are of")


def _check_lost(report: Report, told: Acknowledged, orders: Mapping[str, SeenOrder]) -> None:
    for order_id, facts in told.facts.items():
        order = orders.get(order_id)
        said = _words(facts)
        if order is None:
            report.add("O1", (order_id,), f"a client was told that it is {said}; it is not there")
        elif missing := _expected(facts) - order.facts:
            report.add("O1", (order_id,), f"a client was told that it is {_words(missing)}; the target says it is not")
    report.looked("O1", len(told.facts))


def _expected(facts: set[Ack]) -> set[Ack]:
    """What an order must show: of one whose cancellation was told, only that; many shops forget the rest."""
    return {Ack.CANCELLED} if Ack.CANCELLED in facts else facts & _TOLD.keys()


def check_twice(report: Report, told: Acknowledged, orders: Iterable[SeenOrder]) -> None:
    """Check O2; what the clients were told is enough for it, the target's orders show more."""
    of_cart: dict[int, set[str]] = defaultdict(set)
    for order in orders:
        if order.cart is not None:
            of_cart[order.cart].add(order.id)
    for cart, told_of in told.orders_of_cart.items():
        of_cart[cart] |= told_of
    for key, made in told.orders_of_key.items():
        if len(made) > 1:
            report.add("O2", sorted(made), f"the key {key} made {len(made)} orders")
    keyed = {frozenset(made) for made in told.orders_of_key.values()}
    for cart, made in of_cart.items():
        if len(made) > 1 and frozenset(made) not in keyed:
            report.add("O2", sorted(made), f"cart {cart} has {len(made)} orders")
    report.looked("O2", len(of_cart))


def _check_orphans(report: Report, told: Acknowledged, orders: Iterable[SeenOrder]) -> None:
    """An order needs a client that asked for it and was not refused; one that got no answer may have got it."""
    looked = 0
    for order in orders:
        looked += 1
        if order.id in told.facts:
            continue
        if order.cart is None:
            report.add("O5", (order.id,), "no client asked for it: it is of no cart")
        elif order.cart in told.refused:
            report.add("O5", (order.id,), f"it is of cart {order.cart}, whose client was refused")
        elif told.asked is not None and order.cart not in told.asked:
            report.add("O5", (order.id,), f"no client asked for it: cart {order.cart} was never sent")
    report.looked("O5", looked)


def _words(facts: Iterable[Ack]) -> str:
    return ", ".join(_TOLD[fact] for fact in sorted(facts) if fact in _TOLD)
