"""All commands that are not the order core's, and what runs them."""

from __future__ import annotations

from sim.engine import catalogue, endpoints, payments
from sim.engine.executor import Handler

HANDLERS: dict[type, Handler] = {**catalogue.HANDLERS, **endpoints.HANDLERS, **payments.HANDLERS}
