"""Reading orders and what hangs on them: payments, refunds, parcels, cancellations, returns, history."""

from __future__ import annotations

from typing import Any, Generic, TypeVar

import msgspec

from sim.engine import views
from sim.engine.api.feed import EventView
from sim.engine.api.listing import Page, missing, paged
from sim.engine.api.parameters import PAGE, WORD_PATTERN, instant_query, page
from sim.engine.api.request import Request
from sim.engine.api.route import BUYER_OR_MERCHANT, Query, Route
from sim.engine.api.route import Handler as RouteHandler
from sim.engine.calls import Reply
from sim.engine.reading import (
    PartView,
    joined,
    order_exists,
    read_case,
    read_cases,
    read_events,
    read_parts,
)
from sim.engine.resources import (
    CancellationView,
    OrderView,
    PackageView,
    PaymentView,
    RefundView,
    ReturnView,
)
from sim.engine.views import encode
from sim.engine.webhooks.lanes import event_body
from sim.orders.entities import Case
from sim.orders.states import State

T = TypeVar("T")


class Listed(msgspec.Struct, Generic[T]):
    """All of an order's, the oldest first."""

    items: list[T]


async def get_order(request: Request) -> Reply:
    """Read an order with its lines."""
    case = await read_case(request.engine.store, request.id("order_id"))
    if case is None:
        raise missing("order")
    return Reply(200, encode(_shown(request, case)))


async def list_orders(request: Request) -> Reply:
    """List orders by id; with `updated_after` those that have changed since, to catch up with."""
    after, limit = page(request)
    query = request.query
    cases, rest_after = await read_cases(
        request.engine.store,
        after,
        limit,
        state=State[query["status"]] if "status" in query else 0,
        buyer_id=query.get("buyer_id", ""),
        since_us=instant_query(request, "updated_after"),
    )
    return Reply(200, encode(paged([_shown(request, case) for case in cases], rest_after)))


def _shown(request: Request, case: Case) -> OrderView:
    """An order as the caller may see it: until it is confirmed the merchant is not to send it anywhere."""
    return views.order_view(case, addressed=request.role != "merchant" or case.order.confirmed_us > 0)


async def list_order_events(request: Request) -> Reply:
    """Read the history of an order: numbered from 1, without a gap."""
    order_id = request.id("order_id")
    store = request.engine.store
    after, limit = page(request)
    where = "e.order_id = ? AND e.order_seq > ?"
    rows = await read_events(store, where, (order_id, after), "e.order_seq", limit + 1)
    if not order_id or not (rows or await order_exists(store, order_id)):
        raise missing("order")
    token = b'"%d"' % rows[limit - 1].order_seq if len(rows) > limit else b"null"
    return Reply(200, b'{"items":%b,"next_page_token":%b}' % (joined(map(event_body, rows[:limit])), token))


def _of_order(table: str, view: PartView) -> RouteHandler:
    """The handler that lists an order's payments, parcels and the like."""

    async def handler(request: Request) -> Reply:
        order_id = request.id("order_id")
        store = request.engine.store
        found = await read_parts(store, table, "order_id", order_id)
        if not found and not await order_exists(store, order_id):
            raise missing("order")
        return Reply(200, encode(Listed([view(part, beside) for part, beside in found])))

    return handler


def _by_id(table: str, what: str, view: PartView) -> RouteHandler:
    """The handler that reads one payment, parcel or the like."""

    async def handler(request: Request) -> Reply:
        found = await read_parts(request.engine.store, table, "id", request.id(f"{what}_id"))
        if not found:
            raise missing(what)
        return Reply(200, encode(view(*found[0])))

    return handler


_PARTS: tuple[tuple[str, str, str, Any, PartView], ...] = (
    ("payments", "payment", "payments", PaymentView, lambda part, _: views.payment_view(part)),
    ("refunds", "refund", "after-sales", RefundView, lambda part, _: views.refund_view(part)),
    ("packages", "package", "fulfilment", PackageView, views.package_view),
    (
        "cancellations",
        "cancellation",
        "after-sales",
        CancellationView,
        lambda part, state: views.cancellation_view(part, State(*state)),
    ),
    ("returns", "return", "after-sales", ReturnView, lambda part, _: views.return_view(part)),
)


def _part_routes(table: str, what: str, tag: str, kind: Any, view: PartView) -> tuple[Route, Route]:
    return (
        Route(
            "GET",
            f"/v1/orders/{{order_id}}/{table}",
            f"List an order's {table}",
            _of_order(table, view),
            BUYER_OR_MERCHANT,
            tag,
            {200: Listed[kind]},
            None,
            ("not_found",),
            name=f"list_{table}",
        ),
        Route(
            "GET",
            f"/v1/{table}/{{{what}_id}}",
            f"Read a {what}",
            _by_id(table, what, view),
            BUYER_OR_MERCHANT,
            tag,
            {200: kind},
            None,
            ("not_found",),
            name=f"get_{what}",
        ),
    )


ROUTES: tuple[Route, ...] = (
    Route(
        "GET",
        "/v1/orders",
        "List orders",
        list_orders,
        BUYER_OR_MERCHANT,
        "orders",
        {200: Page[OrderView]},
        query=(
            Query("status", str, "only those in a state", tuple(state.name for state in State if state)),
            Query(
                "updated_after",
                str,
                "only those that something has happened to since; RFC 3339. To catch up go back ten seconds further",
                format="date-time",
            ),
            Query("buyer_id", str, "only those of a buyer", pattern=WORD_PATTERN),
            *PAGE,
        ),
    ),
    Route(
        "GET",
        "/v1/orders/{order_id}",
        "Read an order",
        get_order,
        BUYER_OR_MERCHANT,
        "orders",
        {200: OrderView},
        None,
        ("not_found",),
    ),
    Route(
        "GET",
        "/v1/orders/{order_id}/events",
        "Read an order's history",
        list_order_events,
        BUYER_OR_MERCHANT,
        "orders",
        {200: Page[EventView]},
        None,
        ("not_found",),
        query=PAGE,
    ),
    *(route for part in _PARTS for route in _part_routes(*part)),
)
