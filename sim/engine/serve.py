"""`liverush serve`: an engine, its HTTP server and, if wished, a payment provider, until a signal ends them.

SIGTERM and SIGINT stop the intake, finish what was taken in, and exit 0.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import gc
import os
import secrets
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from email.utils import formatdate
from functools import partial
from typing import TYPE_CHECKING, Any

import uvicorn

from sim.engine.api.app import App
from sim.engine.api.routes import ALL_ROUTES
from sim.engine.auth import keyring
from sim.engine.clock import CarriedClock, Clock, steady_clock
from sim.engine.core import Front, Served
from sim.engine.link import Ready
from sim.engine.metrics import Metrics
from sim.engine.paying.payments import PaymentDriver
from sim.engine.remote import RemoteWriter
from sim.engine.settings import Settings, check, open_store, plan_of
from sim.engine.stores.store import StoreUnavailable
from sim.engine.storing import GC_THRESHOLD
from sim.engine.webhooks.signatures import key_of, secret_of
from sim.errors import Defect, UsageError
from sim.orders.rules import SECOND_US

if TYPE_CHECKING:
    from sim.engine.paying.provider_http import Provider

SECRET_VARIABLE = "LIVERUSH_PSP_SECRET"
#: Connections that may wait to be accepted: a burst brings thousands, and one that is dropped tries again after 1 s.
BACKLOG = 16_384
#: Connections accepted in one turn of the event loop.
DOORS = 64
#: uvicorn's ticks, of 0.1 s, between two looks at a connection; after 6 (`quick.PATIENT_LOOKS`) with a message in part
#: it is closed: that is half a minute.
_LOOK_TICKS = 50
#: uvicorn's ticks between two dates.
_DATE_TICKS = 10
#: Seconds that requests in progress get at the end.
_GRACE_S = 10
_SIGNALS = (signal.SIGTERM, signal.SIGINT)

Announce = Callable[[str, Settings, Ready], None]


def run(settings: Settings, announce: Announce) -> None:
    """Serve until a signal; `announce(url, settings, ready)` is called once it answers.

    The settings' `psp_url` is then that of the provider that is used, ours included.
    """
    factory: Callable[[], asyncio.AbstractEventLoop] | None = None
    with contextlib.suppress(ImportError):  # uvloop has no wheel for Windows; asyncio does the same, slower
        import uvloop

        factory = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner, contextlib.suppress(asyncio.CancelledError):
        runner.run(_until_signal(settings, announce))


async def _until_signal(settings: Settings, announce: Announce) -> None:
    """Serve; a signal that comes while the engine still starts ends the start."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None
    with _on_signal(lambda: loop.call_soon_threadsafe(task.cancel)):
        await serve(settings, announce)


async def serve(settings: Settings, announce: Announce) -> None:
    """Serve in the running event loop until a signal comes."""
    check(settings)
    plan = plan_of(settings)
    keys = keyring(settings.environment, loopback=settings.loopback, per_s=settings.rate_per_s)
    with _listen(settings) as listening:
        url = _url_of(listening, settings)
        async with _provider(settings, url) as (provider, secret):
            metrics = Metrics()
            clock = CarriedClock(steady_clock())
            writer = RemoteWriter(plan, clock, metrics.observe_group)
            store = open_store(plan)
            ready = await _started(writer)
            front = None
            try:
                await store.open_reader()
                front = Front(
                    writer,
                    store,
                    clock,
                    keys,
                    metrics,
                    plan.rules,
                    psp_secret=secret,
                    loopback=settings.loopback,
                    speed=settings.speed,
                    sweep_us=plan.sweep_us,
                    keep_keys_us=plan.keep_keys_us,
                )
                if provider is not None:
                    front.payments = PaymentDriver(writer, store, provider, clock, speed=settings.speed)
                    front.payments.start()
                known = replace(settings, psp_url=provider.url if provider is not None else "")
                await _serve_http(front, listening, lambda: announce(url, known, ready))
            finally:
                if front is not None and front.payments is not None:
                    await front.payments.close()
                await writer.close()
                await store.close()


async def _started(writer: RemoteWriter) -> Ready:
    """Start the store process. A database that cannot be had from the start is a wrong setting, not a failure."""
    try:
        return await writer.start()
    except StoreUnavailable as error:
        raise UsageError(str(error)) from error


def _protocol() -> Any:
    """The HTTP protocol: ours where its parser is there, which has no wheels for every system."""
    try:
        from sim.engine.quick import QuickProtocol
    except ModuleNotFoundError:
        return "auto"
    return QuickProtocol


def _server_of(served: Served) -> _Server:
    config = uvicorn.Config(
        App(served, ALL_ROUTES),
        http=_protocol(),
        log_config=None,
        log_level="warning",
        access_log=False,
        lifespan="off",
        ws="none",
        server_header=False,
        date_header=False,
        proxy_headers=False,
        timeout_keep_alive=75,
        backlog=BACKLOG,
        timeout_graceful_shutdown=_GRACE_S,
    )
    server = _Server(config)
    server.clock = served.clock
    return server


async def _serve_http(front: Front, listening: socket.socket, ready: Callable[[], None]) -> None:
    server = _server_of(front)
    server.ready = ready
    gc.collect()
    gc.freeze()
    gc.set_threshold(GC_THRESHOLD)
    with _on_signal(partial(setattr, server, "should_exit", True)):
        await server.serve(sockets=_doors(listening))


def _doors(listening: socket.socket) -> list[socket.socket]:
    """A socket under several numbers: libuv (from 1.45) accepts one connection a number and turn of the loop.

    Through one alone a burst's new connections wait while those that are there already are served again and again.
    """
    return [listening, *(listening.dup() for _ in range(DOORS - 1))]


class _Server(uvicorn.Server):
    """uvicorn without its own signals (ours end with 0), telling when it answers; it looks at its connections.

    The `Date` of answers is the time of orders: who follows these asks for what has changed since an answer.
    """

    ready: Callable[[], None]
    clock: Clock

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready()

    async def on_tick(self, counter: int) -> bool:
        if counter % _LOOK_TICKS == 0:
            for connection in tuple(self.server_state.connections):
                look = getattr(connection, "look", None)
                if look is not None:
                    look()
        ends = await super().on_tick(counter)
        if counter % _DATE_TICKS == 0:
            date = formatdate(self.clock() // SECOND_US, usegmt=True)
            self.server_state.default_headers = [(b"date", date.encode())]
        return ends


@contextlib.contextmanager
def _on_signal(end: Callable[[], object]) -> Iterator[None]:
    """Call `end` when the system or Ctrl-C wants us to end."""
    before = {number: signal.signal(number, lambda _number, _frame: end()) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _listen(settings: Settings) -> socket.socket:
    """The listening socket. Raises UsageError for a port in use or an address that is not ours."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        return socket.create_server((settings.host, settings.port), family=family, backlog=BACKLOG)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise UsageError(f"port {settings.port} is in use; choose another with --port") from error
        reason = (error.strerror or str(error)).partition(" (while")[0]
        raise UsageError(f"cannot listen on {settings.host}:{settings.port}: {reason}") from error


def _url_of(listening: socket.socket, settings: Settings) -> str:
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return f"http://{host}:{listening.getsockname()[1]}"


@contextlib.asynccontextmanager
async def _provider(settings: Settings, url: str) -> AsyncIterator[tuple[Provider | None, str]]:
    """Give the payment provider's client and the secret of its webhooks; starts the stand-in if asked to."""
    secret = settings.environment.get(SECRET_VARIABLE, "") or _secret(settings)
    try:
        key_of(secret)
    except ValueError as error:
        raise UsageError(f"{SECRET_VARIABLE}: {error}") from error
    if settings.psp_url:
        async with _asked_at(settings.psp_url) as provider:
            yield provider, secret
    elif settings.psp:
        at = f"{url}/v1/payment-webhooks/psp"
        async with _stand_in(settings, at, secret) as psp_url, _asked_at(psp_url) as provider:
            yield provider, secret
    else:
        yield None, secret


@contextlib.asynccontextmanager
async def _asked_at(url: str) -> AsyncIterator[Provider]:
    from sim.engine.paying.provider_http import Provider  # an engine without one starts without an HTTP client

    provider = Provider(url)
    try:
        yield provider
    finally:
        await provider.close()


def _secret(settings: Settings) -> str:
    """A secret for this run: new for our own provider, well known for development on loopback."""
    if settings.psp:
        return secret_of(secrets.token_bytes(32))
    if not settings.loopback:
        raise UsageError(f"{SECRET_VARIABLE} is not set; the development secret works on loopback only")
    return secret_of(b"liverush development secret 0000")


@contextlib.asynccontextmanager
async def _stand_in(settings: Settings, webhook_url: str, secret: str) -> AsyncIterator[str]:
    """Run the stand-in provider beside the engine; it ends with us, however we end."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "sim.engine.psp", "--webhook-url", webhook_url, "--end-with-stdin"),
        *("--behaviour", settings.psp_behaviour),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, SECRET_VARIABLE: secret, "PYTHONSAFEPATH": "1"},
        start_new_session=True,  # a Ctrl-C is ours alone: the provider must outlive the engine's last request
    )
    assert process.stdout is not None
    assert process.stdin is not None
    try:
        line = (await process.stdout.readline()).decode().strip()
        if not line:
            raise Defect("the stand-in payment provider did not start")
        yield line
    finally:
        process.stdin.close()
        await process.wait()
