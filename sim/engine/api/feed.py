"""The event feed, which is the truth, and the webhook endpoints, which are its signal."""

from __future__ import annotations

import secrets
from typing import Any

import msgspec

from sim.engine.api.listing import Page, missing, paged
from sim.engine.api.parameters import DEFAULT_PAGE, MAX_PAGE, PAGE, page
from sim.engine.api.request import Rejected, Request
from sim.engine.api.route import MERCHANT, Query, Route
from sim.engine.calls import Reply
from sim.engine.catalogue.reading import read_record, read_records
from sim.engine.problems import http_problem
from sim.engine.reading import joined, read_events
from sim.engine.resources import Body, Id, Instant, Text
from sim.engine.views import encode
from sim.engine.webhooks import endpoints
from sim.engine.webhooks.endpoints import EndpointView, NewEndpointView, RedeliveryView
from sim.engine.webhooks.lanes import event_body
from sim.engine.webhooks.signatures import key_of, secret_of
from sim.engine.webhooks.targets import url_problem

_KEY_BYTES = 32


class EventView(msgspec.Struct, gc=False):
    """Something that happened, as webhooks tell it. `id` is its number in the feed, `data.seq` that in its order."""

    id: Id
    type: str
    created_at: Instant
    data: dict[str, Any]


class Feed(msgspec.Struct, gc=False):
    """Events in the order in which they were committed. Ask again with `after` = `next_after`."""

    items: list[EventView]
    next_after: int


class EndpointBody(Body):
    """Where events should go. Without `secret` one is made; either way the answer shows it, once."""

    url: Text
    secret: Text | None = None


async def list_events(request: Request) -> Reply:
    """Read the feed: all events after a number, without a gap."""
    after = int(request.query.get("after", "0"))
    limit = int(request.query.get("limit", DEFAULT_PAGE))
    rows = await read_events(request.engine.store, "e.seq > ?", (after,), "e.seq", limit)
    last = rows[-1].seq if rows else after
    return Reply(200, b'{"items":' + joined(event_body(row) for row in rows) + b',"next_after":%d}' % last)


async def redeliver_event(request: Request) -> Reply:
    """Send an event to every active webhook endpoint again."""
    command = await endpoints.redelivery(request.engine.store, request.id("event_id"))
    if command is None:
        raise missing("event")
    return await request.submit(command, endpoints.redelivery_queued)


async def create_webhook_endpoint(request: Request) -> Reply:
    """Have all events from now on sent to a URL, signed as in Standard Webhooks."""
    body: EndpointBody = request.body
    trouble = url_problem(body.url, private_ok=request.engine.loopback)
    if trouble:
        raise Rejected(http_problem("invalid", f"The URL {trouble}.", errors=[{"pointer": "/url", "message": trouble}]))
    return await request.submit(endpoints.CreateEndpoint(body.url, _secret(body.secret)), endpoints.endpoint_created)


def _secret(given: str | None) -> str:
    if given is None:
        return secret_of(secrets.token_bytes(_KEY_BYTES))
    try:
        key_of(given)
    except ValueError as error:
        errors = [{"pointer": "/secret", "message": str(error)}]
        raise Rejected(http_problem("invalid", "That is no webhook secret.", errors=errors)) from None
    return given


async def list_webhook_endpoints(request: Request) -> Reply:
    """List the webhook endpoints, without their secrets: those that have ended too, unless `active` says otherwise."""
    after, limit = page(request)
    active = request.query.get("active")
    given = {} if active is None else {"active": active == "true"}
    known, _, rest_after = await read_records(request.engine.store, "endpoints", given, after, limit)
    return Reply(200, encode(paged([endpoints.endpoint_view(endpoint) for endpoint in known], rest_after)))


async def get_webhook_endpoint(request: Request) -> Reply:
    """Read a webhook endpoint, without its secret."""
    known, _ = await read_record(request.engine.store, "endpoints", request.id("endpoint_id"))
    if known is None:
        raise missing("webhook endpoint")
    return Reply(200, encode(endpoints.endpoint_view(known)))


async def delete_webhook_endpoint(request: Request) -> Reply:
    """Send nothing more to an endpoint."""
    return await request.submit(endpoints.DeleteEndpoint(request.id("endpoint_id")), endpoints.endpoint_deleted)


ROUTES: tuple[Route, ...] = (
    Route(
        "GET",
        "/v1/events",
        "Read the event feed",
        list_events,
        MERCHANT,
        "events",
        {200: Feed},
        query=(
            Query("after", int, "only events after this number; 0 if absent"),
            Query("limit", int, f"at most so many; {DEFAULT_PAGE} if absent", least=1, most=MAX_PAGE),
        ),
    ),
    Route(
        "POST",
        "/v1/events/{event_id}:redeliver",
        "Send an event again",
        redeliver_event,
        MERCHANT,
        "events",
        {202: RedeliveryView},
        None,
        ("not_found", "conflict"),
    ),
    Route(
        "POST",
        "/v1/webhook-endpoints",
        "Register a webhook endpoint",
        create_webhook_endpoint,
        MERCHANT,
        "events",
        {201: NewEndpointView},
        EndpointBody,
        ("conflict", "invalid"),
        idempotent=True,
    ),
    Route(
        "GET",
        "/v1/webhook-endpoints",
        "List webhook endpoints",
        list_webhook_endpoints,
        MERCHANT,
        "events",
        {200: Page[EndpointView]},
        query=(Query("active", str, "only those that are active, or that have ended", ("true", "false")), *PAGE),
    ),
    Route(
        "GET",
        "/v1/webhook-endpoints/{endpoint_id}",
        "Read a webhook endpoint",
        get_webhook_endpoint,
        MERCHANT,
        "events",
        {200: EndpointView},
        None,
        ("not_found",),
    ),
    Route(
        "DELETE",
        "/v1/webhook-endpoints/{endpoint_id}",
        "End a webhook endpoint",
        delete_webhook_endpoint,
        MERCHANT,
        "events",
        {200: EndpointView},
        None,
        ("not_found",),
    ),
)
