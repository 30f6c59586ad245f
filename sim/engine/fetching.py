"""Fetching what of the big tables a group of calls will read: a query a table, whatever the size of the group."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from operator import attrgetter
from typing import Any

from sim.engine.calls import Call
from sim.engine.layers import CHILDREN, Cache, Fetched
from sim.engine.stores.store import Store
from sim.engine.stores.tables import record
from sim.orders.commands import PlaceOrder
from sim.orders.entities import Case, Order, Payment, PaymentStatus
from sim.orders.states import State

#: Before shipment an order has lines and payments, and refunds of payments that it could not take; nothing else.
_YOUNG = (State.UNPAID, State.ON_HOLD)

_command_of, _key_of = attrgetter("command"), attrgetter("key")


async def fetch(store: Store, cache: Cache, calls: list[Call]) -> Fetched:
    """The orders, keys, provider events and deal buyers that the calls name."""
    fetched = Fetched()
    commands = [*map(_command_of, calls)]
    carts = [command for command in commands if type(command) is PlaceOrder]
    # A checkout names no order yet.
    others = [] if len(carts) == len(calls) else [call for call in calls if type(call.command) is not PlaceOrder]
    keys = [*filter(None, map(_key_of, calls)), *[call.settles for call in others if call.settles]]
    known = cache.seen.add(keys)
    if known:
        for values in await store.rows("idempotency", "key", known):
            fetched.idempotency[bytes(values[0])] = record("idempotency", values)
    told = [call.provider_event for call in others if call.provider_event]
    if told:
        for values in await store.rows("provider_events", "id", told):
            fetched.provider_events[values[0]] = record("provider_events", values)
    order_ids = {order_id for call in others if (order_id := getattr(call.command, "order_id", 0))}
    if order_ids:
        await _fetch_cases(store, sorted(order_ids), fetched)
    buyers = {cart.buyer_id for cart in carts if cart.deal_id} | _deal_buyers(fetched.cases.values())
    if buyers:
        for values in await store.rows("deal_buyers", "buyer_id", sorted(buyers)):
            fetched.deal_buyers[values[0], values[1]] = record("deal_buyers", values)
    return fetched


async def _fetch_cases(store: Store, order_ids: list[int], fetched: Fetched) -> None:
    orders: dict[int, Order] = {
        values[0]: record("orders", values) for values in await store.rows("orders", "id", order_ids)
    }
    grown = [order.id for order in orders.values() if order.state not in _YOUNG or order.refunded_minor]
    children: dict[str, dict[int, list[Any]]] = {}
    for name in CHILDREN:  # payments come before refunds
        wanted = list(orders) if name in ("order_lines", "payments") else grown
        if name == "refunds":
            wanted = sorted({*grown, *_with_stray_money(children["payments"])})
        children[name] = await _by_order(store, name, wanted)
    paid = {order.replaces_id for order in orders.values() if order.replaces_id} - orders.keys()
    if paid:  # there the money of replacements is; these orders replace none
        await _fetch_cases(store, sorted(paid), fetched)
    for order_id, order in orders.items():
        parts = {part: tuple(children[name].get(order_id, ())) for name, part in CHILDREN.items()}
        fetched.cases[order_id] = Case(order, **parts)


def _with_stray_money(payments: dict[int, list[Payment]]) -> list[int]:
    """The orders that were sent money which they could not take."""
    returned = PaymentStatus.RETURNED
    return [order_id for order_id, known in payments.items() if any(payment.status == returned for payment in known)]


async def _by_order(store: Store, name: str, order_ids: list[int]) -> dict[int, list[Any]]:
    found: dict[int, list[Any]] = defaultdict(list)
    if order_ids:
        for values in await store.rows(name, "order_id", order_ids):
            entity = record(name, values)
            found[entity.order_id].append(entity)
    return found


def _deal_buyers(cases: Iterable[Case]) -> set[str]:
    """The buyers whose counts in deals may change with their orders."""
    return {case.order.buyer_id for case in cases if any(line.deal_id for line in case.lines)}
