"""The yardstick of the engine's HTTP side: an ASGI application that sends the body back, and nothing else.

`python -m tests.bench.engine_echo` runs it under uvicorn with the settings of `liverush serve` and prints its URL.
"""

from __future__ import annotations

import gc
import socket
import sys
from typing import Any

import uvicorn

from sim.engine.storing import GC_THRESHOLD

_TYPE = (b"content-type", b"application/json")


async def echo(_scope: Any, receive: Any, send: Any) -> None:
    """Answer 201 with the request's own body."""
    body = (await receive())["body"]
    headers = [_TYPE, (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 201, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def main() -> None:
    """Serve until SIGTERM."""
    listening = socket.create_server(("127.0.0.1", 0), backlog=2048)
    config = uvicorn.Config(
        echo,
        loop="uvloop",
        http="httptools",
        log_config=None,
        log_level="warning",
        access_log=False,
        lifespan="off",
        ws="none",
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=75,
    )
    print(f"http://127.0.0.1:{listening.getsockname()[1]} answers", flush=True)
    gc.collect()
    gc.freeze()
    gc.set_threshold(GC_THRESHOLD)
    uvicorn.Server(config).run(sockets=[listening])
    sys.exit(0)


if __name__ == "__main__":
    main()
