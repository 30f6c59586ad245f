"""`python -m sim.engine.psp --port 0 --webhook-url URL`: prints its own URL when ready, ends on SIGTERM.

The secret that signs webhooks comes from an environment variable, so that it shows in no list of processes.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading

import click
import msgspec

from sim.engine.psp.behaviour import Behaviour
from sim.engine.psp.serving import PspServer
from sim.engine.webhooks.signatures import key_of

SECRET_VARIABLE = "LIVERUSH_PSP_SECRET"


@click.command()
@click.option("--port", default=0, show_default="any free one", type=click.IntRange(0, 65535))
@click.option("--webhook-url", required=True, help="Where the engine takes this provider's webhooks.")
@click.option("--behaviour", "settings", default="{}", help="Faults and delays from the start, as JSON.")
@click.option("--end-with-stdin", is_flag=True, help="End when standard input does: when the parent has died.")
def main(port: int, webhook_url: str, settings: str, end_with_stdin: bool) -> None:
    """Run the stand-in payment provider."""
    try:
        key_of(secret := os.environ.get(SECRET_VARIABLE, ""))
        behaviour = msgspec.json.decode(settings, type=Behaviour)
        server = PspServer(port, webhook_url, secret, behaviour)
    except ValueError as error:
        raise click.UsageError(f"{error} (the secret comes from {SECRET_VARIABLE})") from error
    except (OSError, msgspec.MsgspecError) as error:
        raise click.UsageError(str(error)) from error
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: server.stop())
    if end_with_stdin:
        threading.Thread(target=_stop_with_stdin, args=(server,), daemon=True).start()
    _run(server)


def _stop_with_stdin(server: PspServer) -> None:
    while os.read(0, 4096):  # not sys.stdin, whose lock a thread must not hold when the interpreter ends
        pass
    server.stop()


def _run(server: PspServer) -> None:
    def ready() -> None:
        click.echo(server.url)
        sys.stdout.flush()

    try:
        import uvloop
    except ImportError:  # no wheel for this system; the standard loop does the same, slower
        asyncio.run(server.serve(ready))
    else:
        uvloop.run(server.serve(ready))


if __name__ == "__main__":
    main()
