"""Every route of the engine, joined."""

from __future__ import annotations

from sim.engine.api import (
    after_sales,
    auditing,
    catalogue,
    feed,
    inventory,
    operating,
    orders,
    quotes,
    reading,
    showing,
    webhooks,
)
from sim.engine.api.describing import with_descriptions
from sim.engine.api.route import Route

#: All that an engine serves.
ALL_ROUTES: tuple[Route, ...] = with_descriptions(
    (
        *catalogue.ROUTES,
        *inventory.ROUTES,
        *showing.ROUTES,
        *quotes.ROUTES,
        *orders.ROUTES,
        *after_sales.ROUTES,
        *reading.ROUTES,
        *feed.ROUTES,
        *webhooks.ROUTES,
        *auditing.ROUTES,
        *operating.ROUTES,
    )
)
