"""The audit as a route."""

from __future__ import annotations

from sim.engine.api.request import Request
from sim.engine.api.route import ADMIN, Route
from sim.engine.audit.run import LAG_US, AuditReport, audit
from sim.engine.calls import Reply
from sim.engine.sweeper import pause_us
from sim.engine.views import encode


async def audit_invariants(request: Request) -> Reply:
    """Check every invariant on one snapshot of the tables. Reads everything: seconds for 200,000 orders."""
    engine = request.engine
    now_us = engine.clock()
    report = await audit(
        engine.store,
        now_us,
        pause_us(engine.sweep_us, engine.speed),
        # Older keys may be forgotten, until the snapshot is taken.
        keyed_since_us=max(engine.started_us, now_us - engine.keep_keys_us + LAG_US),
    )
    return Reply(200, encode(report))


ROUTES: tuple[Route, ...] = (
    Route(
        "GET",
        "/v1/audit/invariants",
        "Check that nothing was oversold, lost or charged twice",
        audit_invariants,
        ADMIN,
        "audit",
        {200: AuditReport},
    ),
)
