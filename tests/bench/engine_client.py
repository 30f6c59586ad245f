"""A client that is leaner than what it measures: `python -m tests.bench.engine_client JSON` prints figures as JSON.

One thread, sockets and epoll; requests are put together from parts made beforehand. In a closed loop every connection
sends its next request once it has its answer; in an open one requests are due at a fixed rate, whatever the server
does, and a latency counts from the instant at which its request was due.
"""

from __future__ import annotations

import gc
import itertools
import json
import os
import select
import socket
import sys
import time
from collections import deque
from dataclasses import dataclass
from typing import Any

_CREATED = b"HTTP/1.1 201 "
_LENGTH = b"content-length: "
#: Answers must come within this, or the run has failed.
_PATIENCE_S = 10.0


@dataclass(frozen=True)
class Load:
    """What to send: one of `bodies` in turn under a new key, for `seconds` after `warm_s`; `rate` 0: a closed loop."""

    port: int
    bodies: list[str]
    prefix: str  # of the keys: another for each run
    connections: int = 64
    warm_s: float = 0.5
    seconds: float = 2.5
    rate: float = 0.0


class Connections:
    """Open connections to the server, and what of an answer has come on each."""

    def __init__(self, load: Load) -> None:
        self._poll = select.epoll()
        self._sockets: dict[int, socket.socket] = {}
        self._partial: dict[int, bytes] = {}
        parts = [_request_parts(body.encode(), load.prefix.encode()) for body in load.bodies]
        self._parts = itertools.cycle(parts)
        self._numbers = itertools.count()
        self.failed: list[str] = []
        for _ in range(load.connections):
            connection = socket.create_connection(("127.0.0.1", load.port))
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._sockets[connection.fileno()] = connection
            self._poll.register(connection.fileno(), select.EPOLLIN)

    @property
    def all(self) -> list[int]:
        return list(self._sockets)

    def send(self, number: int) -> None:
        """Send the next request on a connection."""
        head, tail = next(self._parts)
        self._sockets[number].sendall(b"%b%012d%b" % (head, next(self._numbers), tail))

    def answered(self, timeout_s: float) -> list[int]:
        """Wait, and return the connections that got their answer."""
        if 0 < timeout_s < 0.002:  # epoll itself counts in milliseconds
            select.select([self._poll.fileno()], [], [], timeout_s)
            timeout_s = 0
        events = self._poll.poll(timeout_s)
        if not events and timeout_s == _PATIENCE_S:
            raise TimeoutError("no answer")
        return [number for number, _ in events if self._take(number)]

    def _take(self, number: int) -> bool:
        data = self._partial.pop(number, b"") + self._sockets[number].recv(65536)
        end = data.find(b"\r\n\r\n")
        at = data.find(_LENGTH)
        if end < 0 or at < 0 or len(data) < end + 4 + int(data[at + len(_LENGTH) : data.find(b"\r", at)]):
            if not data:
                raise ConnectionError("the server has hung up")
            self._partial[number] = data
            return False
        if not data.startswith(_CREATED):
            self.failed.append(data[:400].decode())
        return True


def _request_parts(body: bytes, prefix: bytes) -> tuple[bytes, bytes]:
    """A request before and after its key's number."""
    head = (
        b"POST /v1/orders HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer dev-buyer-key-0000\r\n"
        b"content-type: application/json\r\ncontent-length: %d\r\nidempotency-key: %b-"
    )
    return head % (len(body), prefix), b"\r\n\r\n" + body


def closed_loop(load: Load) -> dict[str, Any]:
    """Keep every connection busy; return the rate and the latencies of what was answered after the warm-up."""
    connections = Connections(load)
    clock = time.perf_counter
    begin = clock() + load.warm_s
    end = begin + load.seconds
    sent_at = {}
    for number in connections.all:
        sent_at[number] = clock()
        connections.send(number)
    latencies: list[float] = []
    total = 0
    while sent_at:
        ready = connections.answered(_PATIENCE_S)
        now = clock()
        total += len(ready)
        if begin <= now < end:
            latencies += [now - sent_at[number] for number in ready]
        for number in ready:
            if now < end:
                sent_at[number] = now
                connections.send(number)
            else:
                del sent_at[number]
    return _figures(connections, load, total, latencies)


def open_loop(load: Load) -> dict[str, Any]:
    """Send at the given rate; return the latencies of what was due after the warm-up."""
    connections = Connections(load)
    clock = time.perf_counter
    first = clock() + 0.01
    count = int(load.rate * (load.warm_s + load.seconds))
    idle = deque(connections.all)
    due_of: dict[int, float] = {}
    latencies: list[float] = []
    issued = answered = 0
    while answered < count:
        now = clock()
        while issued < count and idle and first + issued / load.rate <= now:
            number = idle.popleft()
            due_of[number] = first + issued / load.rate
            connections.send(number)
            issued += 1
        wait_s = _PATIENCE_S
        if issued < count and idle:
            wait_s = max(1e-6, first + issued / load.rate - clock())
        ready = connections.answered(wait_s)
        now = clock()
        for number in ready:
            due = due_of.pop(number)
            if due >= first + load.warm_s:
                latencies.append(now - due)
            idle.append(number)
        answered += len(ready)
    return _figures(connections, load, count, latencies)


def _figures(connections: Connections, load: Load, total: int, latencies: list[float]) -> dict[str, Any]:
    latencies.sort()
    return {
        "total": total,
        "per_s": len(latencies) / load.seconds,
        "failed": connections.failed[:3],
        "p50_ms": _percentile(latencies, 0.5) * 1e3,
        "p99_ms": _percentile(latencies, 0.99) * 1e3,
        "cpu_us": time.process_time() / max(total, 1) * 1e6,
    }


def _percentile(ordered: list[float], share: float) -> float:
    return ordered[int(share * (len(ordered) - 1))] if ordered else 0.0


def main() -> None:
    """Load the server as the command line says."""
    load = Load(**json.load(sys.stdin))
    gc.disable()
    os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))  # never takes the core from whoever just answered
    print(json.dumps(open_loop(load) if load.rate else closed_loop(load)))


if __name__ == "__main__":
    main()
