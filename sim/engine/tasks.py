"""Background tasks of the engine."""

from __future__ import annotations

import asyncio
import contextlib
from abc import ABC, abstractmethod
from typing import Any


async def stop(task: asyncio.Task[Any] | None) -> None:
    """Cancel a task and wait for its end; None is no task."""
    if task is not None:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


class Companion(ABC):
    """What runs beside the engine, in a task of its own, from `start` to `close`: the sweeper, the outbox."""

    _task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin; needs a running event loop."""
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def close(self) -> None:
        """Stop at once."""
        await stop(self._task)

    @abstractmethod
    async def _run(self) -> None:
        """Run until cancelled."""
