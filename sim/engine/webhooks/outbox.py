"""The outbox: every event to every active endpoint, at least once, in order for each order.

Each endpoint has a lane of its own, so that a slow or dead one keeps nobody else waiting; without endpoints nothing
runs. The events are in the store already, so whatever ends here begins again where it was.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from sim.engine.clock import Clock
from sim.engine.stores.store import Store, StoreUnavailable
from sim.engine.tasks import Companion, stop
from sim.engine.webhooks.lanes import Lane, Post, Terms
from sim.engine.writer import Writer

if TYPE_CHECKING:
    from sim.engine.webhooks.posting import Poster

_log = logging.getLogger("liverush.engine")

TEND_EVERY_S = 0.25
#: What a lane waits after the store failed it.
REST_S = 1.0


class Outbox(Companion):
    """Keeps a lane running for every active endpoint. `loopback`: the engine itself is reachable only from here."""

    def __init__(
        self,
        writer: Writer,
        store: Store,
        clock: Clock,
        *,
        speed: float = 1.0,
        loopback: bool = False,
        terms: Terms | None = None,
    ) -> None:
        self._writer = writer
        self._store = store
        self._clock = clock
        self._loopback = loopback
        self._terms = terms or Terms(speed=speed)
        self._lanes: dict[int, tuple[Lane, asyncio.Task[None]]] = {}
        self._poster: Poster | None = None

    def start(self) -> None:
        """Begin; needs a running event loop, and the endpoints."""
        if self._active():
            self._post()  # loads the HTTP client before there are orders that would wait for that
        super().start()

    async def close(self) -> None:
        """Stop at once; what was on its way is sent again after the next start."""
        await super().close()
        for _lane, task in self._lanes.values():
            await stop(task)
        self._lanes.clear()
        if self._poster is not None:
            await self._poster.close()

    async def _run(self) -> None:
        while True:
            await self._tend()
            await asyncio.sleep(TEND_EVERY_S)

    async def _tend(self) -> None:
        """Start the lanes of new endpoints and stop those of ended ones."""
        active = self._active()
        for key in self._lanes.keys() - active:
            _lane, task = self._lanes.pop(key)
            await stop(task)
        for key in active - self._lanes.keys():
            lane = Lane(key, self._writer, self._store, self._clock, self._post(), self._terms, self._loopback)
            self._lanes[key] = lane, asyncio.get_running_loop().create_task(_keep_running(lane))

    def _active(self) -> set[int]:
        return {key for key, endpoint in self._writer.executor.cache.endpoints.items() if endpoint.active}

    def _post(self) -> Post:
        if self._poster is None:
            from sim.engine.webhooks.posting import Poster  # an engine without endpoints starts without an HTTP client

            self._poster = Poster(answer_within_s=self._terms.answer_within_s, private_ok=self._loopback)
        return self._poster.post


async def _keep_running(lane: Lane) -> None:
    while True:
        try:
            await lane.run()
        except StoreUnavailable as error:
            _log.warning("webhooks to endpoint %d wait: %s", lane.endpoint_id, error)
        except Exception:
            _log.exception("webhooks to endpoint %d failed", lane.endpoint_id)
        await asyncio.sleep(REST_S)
