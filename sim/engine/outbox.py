"""The outbox: every event to every active endpoint, at least once, in order for each order.

Each endpoint has a lane of its own, so that a slow or dead one keeps nobody else waiting; without endpoints nothing
runs. The events are in the store already, so whatever ends here begins again where it was.
"""

from __future__ import annotations

import asyncio
import logging

import aiohttp

from sim.engine.clock import Clock
from sim.engine.lanes import Lane, Terms
from sim.engine.store import Store, StoreUnavailable
from sim.engine.targets import GuardedResolver
from sim.engine.tasks import stop
from sim.engine.writer import Writer

_log = logging.getLogger("liverush.engine")

TEND_EVERY_S = 0.25
#: What a lane waits after the store failed it.
REST_S = 1.0


class Outbox:
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
        self._task: asyncio.Task[None] | None = None
        self._session: aiohttp.ClientSession | None = None

    def start(self) -> None:
        """Begin; needs a running event loop."""
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def close(self) -> None:
        """Stop at once; what was on its way is sent again after the next start."""
        await stop(self._task)
        for _lane, task in self._lanes.values():
            await stop(task)
        self._lanes.clear()
        if self._session is not None:
            await self._session.close()

    async def _run(self) -> None:
        while True:
            await self._tend()
            await asyncio.sleep(TEND_EVERY_S)

    async def _tend(self) -> None:
        """Start the lanes of new endpoints and stop those of ended ones."""
        active = {key for key, endpoint in self._writer.executor.cache.endpoints.items() if endpoint.active}
        for key in self._lanes.keys() - active:
            _lane, task = self._lanes.pop(key)
            await stop(task)
        for key in active - self._lanes.keys():
            lane = Lane(key, self._writer, self._store, self._clock, self._client(), self._terms, self._loopback)
            self._lanes[key] = lane, asyncio.get_running_loop().create_task(_keep_running(lane))

    def _client(self) -> aiohttp.ClientSession:
        if self._session is None:
            resolver = GuardedResolver(private_ok=self._loopback)
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, resolver=resolver, ttl_dns_cache=10),
                timeout=aiohttp.ClientTimeout(total=self._terms.answer_within_s),
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        return self._session


async def _keep_running(lane: Lane) -> None:
    while True:
        try:
            await lane.run()
        except StoreUnavailable as error:
            _log.warning("webhooks to endpoint %d wait: %s", lane.endpoint_id, error)
        except Exception:
            _log.exception("webhooks to endpoint %d failed", lane.endpoint_id)
        await asyncio.sleep(REST_S)
