"""The engine as a whole, without HTTP: store, writer, timers, payments, outgoing webhooks."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from sim.engine.auth import Keyring
from sim.engine.clock import Clock
from sim.engine.executor import Executor, Handler
from sim.engine.metrics import Metrics
from sim.engine.store import Store
from sim.engine.sweeper import Sweeper
from sim.engine.writer import MAX_GROUP, QUEUE_BOUND, Writer
from sim.orders.rules import Rules


class Companion(Protocol):
    """Something that runs beside the engine: the sweeper, the payment driver, the outbox."""

    def start(self) -> None:
        """Begin; needs a running event loop."""

    async def close(self) -> None:
        """Stop."""


@dataclass
class Engine:
    """One engine on one store. `open` before serving, `close` after the last request was answered."""

    store: Store
    clock: Clock
    keys: Keyring
    rules: Rules = field(default_factory=Rules)
    handlers: dict[type, Handler] = field(default_factory=dict)
    speed: float = 1.0
    sweep_us: int = 1_000_000
    max_group: int = MAX_GROUP
    queue_bound: int = QUEUE_BOUND
    max_body_bytes: int = 64 * 1024
    payments: Any = None  # the PaymentDriver, when there is a provider
    psp_secret: str = ""
    companions: list[Companion] = field(default_factory=list)
    metrics: Metrics = field(default_factory=Metrics)
    instance: str = field(default_factory=lambda: secrets.token_hex(4))
    ready: bool = False

    def __post_init__(self) -> None:
        self.executor = Executor(self.store, self.clock, self.rules.faster(self.speed), self.handlers)
        self.writer = Writer(
            self.executor,
            max_group=self.max_group,
            queue_bound=self.queue_bound,
            observe=self.metrics.observe_group,
        )

    async def open(self, prepare: Callable[[Engine], Awaitable[None]] | None = None) -> None:
        """Open the store, let `prepare` fill it, start the writer and what runs beside it."""
        await self.store.open()
        await self.executor.load()
        self.writer.start()
        if prepare is not None:
            await prepare(self)
        self.companions.insert(0, Sweeper(self, round(self.sweep_us / self.speed)))
        for companion in self.companions:
            companion.start()
        self.ready = True

    async def close(self) -> None:
        """Stop what runs beside, finish what was acknowledged, let go of the store."""
        self.ready = False
        for companion in reversed(self.companions):
            await companion.close()
        await self.writer.close()
        await self.store.close()
