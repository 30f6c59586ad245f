"""For whoever runs the engine: is it alive, is it ready, what does it count."""

from __future__ import annotations

import asyncio

import msgspec

from sim.engine.api.request import Request
from sim.engine.api.route import OPEN, Route
from sim.engine.calls import Reply
from sim.engine.core import Served
from sim.engine.metrics import Stored
from sim.engine.problems import STORE_UNAVAILABLE, http_problem
from sim.engine.stores.store import StoreUnavailable
from sim.engine.views import encode

METRICS_MEDIA = "text/plain; version=0.0.4; charset=utf-8"
#: Seconds that the metrics wait for a database that does not answer.
_ASKED_S = 2.0
_UNITS = "SELECT COALESCE(SUM(held), 0), COALESCE(SUM(committed), 0) FROM stocks"
# Status 1 is PENDING: written out, since the partial indexes on it only serve queries that say so.
_OPEN = "SELECT (SELECT COUNT(*) FROM payments WHERE status = 1), (SELECT COUNT(*) FROM refunds WHERE status = 1)"


class Health(msgspec.Struct, gc=False):
    """How the engine is."""

    status: str


_ALIVE = Reply(200, encode(Health("alive")))
_READY = Reply(200, encode(Health("ready")))
_NOT_READY = http_problem("not_ready", "The engine is starting or stopping.")


async def healthz(_request: Request) -> Reply:
    """Say that the process answers."""
    return _ALIVE


async def readyz(request: Request) -> Reply:
    """Say whether orders can be taken: 503 while starting, stopping, or while the database takes no writes."""
    engine = request.engine
    if engine.writer.failed is not None:
        return STORE_UNAVAILABLE
    return _READY if engine.ready else _NOT_READY


async def metrics(request: Request) -> Reply:
    """Give all metrics in Prometheus' text format; those of the database are left out while it cannot be asked."""
    engine = request.engine
    stored = await _stored(engine)  # first: what the writer counts may only grow from one text to the next
    writer = engine.writer
    return Reply(200, engine.metrics.text(writer.queued, writer.sweeps, writer.swept, stored))


async def _stored(engine: Served) -> Stored | None:
    try:
        async with asyncio.timeout(_ASKED_S):
            ((held, committed),) = await engine.store.select(_UNITS)
            ((payments, refunds),) = await engine.store.select(_OPEN)
    except (StoreUnavailable, TimeoutError):
        return None
    return Stored(int(held), int(committed), int(payments), int(refunds))


ROUTES: tuple[Route, ...] = (
    Route("GET", "/healthz", "Is it alive?", healthz, OPEN, "operating", {200: Health}),
    Route(
        "GET",
        "/readyz",
        "Can it take orders?",
        readyz,
        OPEN,
        "operating",
        {200: Health},
        None,
        ("not_ready", "store_unavailable"),
    ),
    Route("GET", "/metrics", "Prometheus metrics", metrics, OPEN, "operating", {200: str}, media=METRICS_MEDIA),
)
