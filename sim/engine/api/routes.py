"""Every route of the engine, joined."""

from __future__ import annotations

from sim.engine.api import orders
from sim.engine.api.route import Route

#: All that an engine serves.
ALL_ROUTES: tuple[Route, ...] = (*orders.ROUTES,)
