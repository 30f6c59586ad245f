"""The verb that serves the reference order engine."""

from __future__ import annotations

import os
import signal
import sys
import threading
from typing import Any

import click

from sim.cli.frame import debug_option, find_scenario, verbs
from sim.cli.options import FiniteRange
from sim.errors import UsageError


@verbs.command()
@click.option("--store", type=click.Choice(["sqlite", "postgres"]), default="sqlite", show_default=True)
@click.option(
    "--database",
    default="",
    metavar="FILE|URL",
    help="SQLite file or PostgreSQL URL; else one in results/engine (a PostgreSQL of our own is started).",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=8080, show_default=True, help="0: any free one.")
@click.option("--scenario", metavar="SCENARIO", help="Fill an empty store with its shops, SKUs, stock and deals.")
@click.option("--psp", is_flag=True, help="Start the stand-in payment provider beside the engine.")
@click.option("--psp-url", default="", metavar="URL", help="Use a payment provider that runs already.")
@click.option(
    "--psp-behaviour", default="{}", metavar="JSON", help="Faults and delays of the stand-in; see docs/engine.md."
)
@click.option(
    "--speed",
    type=FiniteRange(min=0.001, max=1e6),
    default=1.0,
    show_default=True,
    help="Divide every timer by this.",
)
@click.option("--timers", default="{}", metavar="JSON", help="Timers of an order's life, before --speed divides them.")
@click.option(
    "--keep-keys",
    type=FiniteRange(min=24, max=1e6),
    default=24.0,
    show_default=True,
    metavar="HOURS",
    help="How long an Idempotency-Key knows its answer.",
)
@click.option("--unsafe", is_flag=True, help="Accept a database that may lose acknowledged orders.")
@click.option("--max-group", type=click.IntRange(1, 10_000), default=256, show_default=True, help="Stored at once.")
@click.option(
    "--queue-bound",
    type=click.IntRange(1, 10_000_000),
    default=10_000,
    show_default=True,
    help="Calls that may wait; more get 503.",
)
@click.option(
    "--rate-limit",
    type=FiniteRange(min=0),
    default=0.0,
    help="Requests a second and key; more get 429. [default: no limit]",
)
@click.option("--end-with-stdin", is_flag=True, help="End when standard input does: when the parent has died.")
@debug_option
def serve(scenario: str | None, rate_limit: float, end_with_stdin: bool, **options: Any) -> None:
    """Run the reference order engine.

    Keys come from LIVERUSH_KEY_BUYER, _MERCHANT, _PSP and _ADMIN; on loopback there are development keys.
    """
    try:
        from sim.engine import serve as serving
        from sim.engine.settings import Settings
    except ModuleNotFoundError as error:
        raise UsageError(f"{error.name} is missing; install 'liverush[engine]'") from error
    path = find_scenario(scenario) if scenario else None
    settings = Settings(scenario=path, rate_per_s=rate_limit, environment=os.environ, **options)
    if end_with_stdin:
        threading.Thread(target=_end_with_stdin, daemon=True).start()
    serving.run(settings, _announce)


def _end_with_stdin() -> None:
    """End this process as a signal would, once nobody holds the other end of its standard input."""
    while os.read(0, 4096):  # not sys.stdin, whose lock a thread must not hold when the interpreter ends
        pass
    os.kill(os.getpid(), signal.SIGTERM)


def _announce(url: str, settings: Any, ready: Any) -> None:
    """Say where the engine answers, and with which keys."""
    from sim.engine.auth import ROLES, development_key, variable_of

    for note in ready.notes:
        click.echo(note)
    click.echo(f"{url} answers; data in {ready.place}; documentation at {url}/docs")
    if settings.psp_url:
        click.echo(f"Payment provider at {settings.psp_url}")
    open_roles = [role for role in ROLES if not settings.environment.get(variable_of(role))]
    if open_roles:
        keys = ", ".join(development_key(role) for role in open_roles)
        click.echo(f"Development keys, on loopback only: {keys}")
    sys.stdout.flush()
