"""Identical reads at one time are one read: everybody who looks at the pinned product asks the same.

Nobody is answered with what was read before they asked: who comes while a read is under way shares the next one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from sim.engine.stores.store import Rows

_Key = tuple[str, tuple[Any, ...]]


class SharedReads:
    """Wraps a reading function; parameters must be hashable."""

    def __init__(self, read: Callable[[str, Sequence[Any]], Awaitable[Rows]]) -> None:
        self._read = read
        self._running: dict[_Key, asyncio.Task[Rows]] = {}
        self._waiting: dict[_Key, asyncio.Task[Rows]] = {}

    async def read(self, sql: str, parameters: Sequence[Any]) -> Rows:
        """The rows of a query that began after this call did."""
        key = (sql, tuple(parameters))
        task = self._waiting.get(key)
        if task is None:
            before = self._running.get(key)
            task = asyncio.get_running_loop().create_task(self._run(key, before))
            (self._running if before is None else self._waiting)[key] = task
            task.add_done_callback(_look)
        return await asyncio.shield(task)

    async def _run(self, key: _Key, before: asyncio.Task[Rows] | None) -> Rows:
        if before is not None:
            await asyncio.wait([before])
            self._running[key] = self._waiting.pop(key)
        try:
            return await self._read(*key)
        finally:
            if key not in self._waiting:
                self._running.pop(key, None)


def _look(task: asyncio.Task[Rows]) -> None:
    """Take note of a failure that all who asked have gone away from."""
    if not task.cancelled():
        task.exception()
