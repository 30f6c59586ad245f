"""All commands that are not the order core's, and what runs them."""

from __future__ import annotations

from sim.engine.catalogue import commands as catalogue
from sim.engine.executor import Handler
from sim.engine.paying import payments
from sim.engine.webhooks import endpoints

HANDLERS: dict[type, Handler] = {**catalogue.HANDLERS, **endpoints.HANDLERS, **payments.HANDLERS}
