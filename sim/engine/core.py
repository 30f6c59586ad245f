"""The engine as a whole, without HTTP: store, writer, timers, payments, outgoing webhooks."""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from sim.engine.auth import Keyring
from sim.engine.clock import Clock, wall_clock
from sim.engine.executor import Executor, Handler
from sim.engine.metrics import Metrics
from sim.engine.purger import KeyPurger
from sim.engine.stores.store import Store
from sim.engine.sweeper import Sweeper, pause_us
from sim.engine.tasks import Companion
from sim.engine.writer import MAX_GROUP, QUEUE_BOUND, Submitter, Writer
from sim.orders.rules import DAY_US, Rules

if TYPE_CHECKING:
    from sim.engine.paying.payments import PaymentDriver

MAX_BODY_BYTES = 64 * 1024


class Served(Protocol):
    """What the HTTP API needs of an engine: one in this process, or the front of one in two."""

    store: Store
    keys: Keyring
    metrics: Metrics
    rules: Rules
    payments: PaymentDriver | None
    psp_secret: str
    loopback: bool
    speed: float
    sweep_us: int
    keep_keys_us: int
    started_us: int
    max_body_bytes: int
    request_ids: Iterator[bytes]

    @property
    def clock(self) -> Clock:
        """The time of orders."""

    @property
    def wall(self) -> Clock:
        """The time that others compare with their own: that of signatures."""

    @property
    def writer(self) -> Submitter:
        """Where calls go."""

    @property
    def ready(self) -> bool:
        """Whether requests can be answered."""


def _request_ids() -> Iterator[bytes]:
    """Endless names for requests: no two alike, whichever route they are for and however often we start."""
    start = secrets.token_hex(4).encode()
    return (b"%b-%d" % (start, number) for number in itertools.count(1))


@dataclass
class Front:
    """The HTTP side of an engine whose store side is another process; `store` only reads."""

    writer: Submitter
    store: Store
    clock: Clock
    keys: Keyring
    metrics: Metrics
    rules: Rules = field(default_factory=Rules)
    payments: PaymentDriver | None = None
    psp_secret: str = ""
    loopback: bool = False  # only this machine can reach us: then webhooks may go to it too
    speed: float = 1.0
    sweep_us: int = 1_000_000
    keep_keys_us: int = DAY_US
    max_body_bytes: int = MAX_BODY_BYTES
    request_ids: Iterator[bytes] = field(default_factory=_request_ids)
    wall: Clock = wall_clock

    def __post_init__(self) -> None:
        self.started_us = self.clock()

    @property
    def ready(self) -> bool:
        return self.writer.failed is None


@dataclass
class Engine:
    """One engine on one store, all but HTTP. `open` before serving, `close` after the last answer."""

    store: Store
    clock: Clock
    keys: Keyring = field(default_factory=Keyring)
    rules: Rules = field(default_factory=Rules)
    handlers: dict[type, Handler] = field(default_factory=dict)
    speed: float = 1.0
    sweep_us: int = 1_000_000
    keep_keys_us: int = DAY_US
    max_group: int = MAX_GROUP
    queue_bound: int = QUEUE_BOUND
    max_body_bytes: int = MAX_BODY_BYTES
    payments: PaymentDriver | None = None  # where there is a provider
    psp_secret: str = ""
    loopback: bool = False  # only this machine can reach us: then webhooks may go to it too
    companions: list[Companion] = field(default_factory=list)
    metrics: Metrics = field(default_factory=Metrics)
    observe: Callable[[int, float], None] | None = None  # told of each group instead of the metrics
    request_ids: Iterator[bytes] = field(default_factory=_request_ids)
    ready: bool = False
    wall: Clock = wall_clock

    def __post_init__(self) -> None:
        self.executor = Executor(self.store, self.clock, self.rules.faster(self.speed), self.handlers)
        self.clock = self.executor.clock  # one time for all
        self.started_us = self.clock()
        self.writer = Writer(
            self.executor,
            max_group=self.max_group,
            queue_bound=self.queue_bound,
            observe=self.observe or self.metrics.observe_group,
        )

    async def open(self, prepare: Callable[[Engine], Awaitable[None]] | None = None) -> None:
        """Open the store, let `prepare` fill it, start the writer and what runs beside it."""
        await self.store.open()
        await self.executor.load()
        self.writer.start()
        if prepare is not None:
            await prepare(self)
        self.companions[:0] = [Sweeper(self, pause_us(self.sweep_us, self.speed)), KeyPurger(self, self.keep_keys_us)]
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
