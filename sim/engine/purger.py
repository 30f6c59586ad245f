"""Idempotency keys are kept for a day or as long as was said, then forgotten: a request under one runs anew."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from sim.engine.stores.store import StoreUnavailable
from sim.engine.tasks import Companion

if TYPE_CHECKING:
    from sim.engine.core import Engine

_log = logging.getLogger("liverush.engine")

#: How often to look, and the pause between parts of what is found: groups come first.
_EVERY_S = 1.0
_PAUSE_S = 0.02


class KeyPurger(Companion):
    """Forgets keys older than `keep_us`, a small part of them at a time. Keys of running requests stay."""

    def __init__(self, engine: Engine, keep_us: int) -> None:
        self._engine = engine
        self._keep_us = keep_us

    async def purge(self) -> int:
        """Look at one part of the keys; return how many were forgotten."""
        engine = self._engine
        return await engine.store.purge_keys(engine.clock() - self._keep_us)

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(_EVERY_S)
            try:
                while self._engine.writer.failed is None and await self.purge():
                    await asyncio.sleep(_PAUSE_S)
            except StoreUnavailable as error:
                _log.warning("no keys purged: %s", error)
            except Exception:
                _log.exception("purging keys failed")
