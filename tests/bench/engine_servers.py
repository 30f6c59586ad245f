"""Servers of the benchmark over HTTP, a process each: the echo, and `liverush serve` on a new database."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sim.measure.sampler import metrics_in
from tests.bench.engine_carts import CURRENCY, ON_HAND, PRICE_MINOR
from tests.bench.process import JobFailed, environment
from tests.paths import ROOT

_SKUS_A_PRODUCT = 100
_STOP_S = 30


@dataclass
class Server:
    """A server that runs, and the bodies that a client is to send it."""

    process: subprocess.Popen[str]
    port: int
    bodies: list[str]
    postgres: int = 0  # pid of the database's server, which is not a child of the engine

    def cpu_s(self) -> dict[str, float]:
        """CPU seconds so far by part: `http`, `store`, `postgres`."""
        found = {"http": _cpu_s(self.process.pid)}
        store = [pid for pid in _tree(self.process.pid) if pid != self.process.pid]
        if store:
            found["store"] = sum(map(_cpu_s, store))
        if self.postgres:
            found["postgres"] = sum(map(_cpu_s, _tree(self.postgres)))
        return found

    def groups(self) -> int:
        """How many groups the engine has stored so far."""
        return int(metrics_in(self._text("GET", "/metrics"))["liverush_group_size_count"])

    def check_invariants(self) -> None:
        """Raise JobFailed unless the audit finds nothing."""
        report = self.call("GET", "/v1/audit/invariants")
        if not report["clean"]:
            raise JobFailed(f"invariants are broken: {report}")

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """Send a request as admin and return the decoded answer."""
        return json.loads(self._text(method, path, body))

    def _text(self, method: str, path: str, body: Any = None) -> str:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        headers = {"authorization": "Bearer dev-admin-key-0000", "content-type": "application/json"}
        if method == "POST":
            headers["idempotency-key"] = os.urandom(8).hex()
        connection.request(method, path, None if body is None else json.dumps(body), headers)
        answer = connection.getresponse()
        text = answer.read().decode()
        connection.close()
        if answer.status >= 300:
            raise JobFailed(f"{method} {path}: {answer.status} {text}")
        return text


@contextlib.contextmanager
def echo_server(bodies: list[str]) -> Iterator[Server]:
    """Run the echo."""
    with _started([sys.executable, "-m", "tests.bench.engine_echo"], ROOT) as (process, port):
        yield Server(process, port, bodies)


@contextlib.contextmanager
def engine_server(store: str, database: str, skus: int, postgres: int = 0) -> Iterator[Server]:
    """Run the engine on an empty database, with that many SKUs on the shelf."""
    command = [sys.executable, "-m", "sim.cli", "serve", "--store", store, "--database", database, "--port", "0"]
    with tempfile.TemporaryDirectory(prefix="liverush-bench-") as folder, _started(command, Path(folder)) as started:
        server = Server(*started, [], postgres)
        ids = _stock_shelf(server, skus)
        size = len(json.dumps(server.call("POST", "/v1/orders", _order(ids[0])), separators=(",", ":")))
        server.bodies = [_padded(sku_id, size) for sku_id in ids]
        yield server


def _stock_shelf(server: Server, skus: int) -> list[str]:
    """Put SKUs on sale and return their ids."""
    shop = server.call("POST", "/v1/shops", {"name": "shop", "currency": CURRENCY})
    ids: list[str] = []
    price = {"amount": str(PRICE_MINOR), "currency": CURRENCY}
    while len(ids) < skus:
        some = range(len(ids), min(skus, len(ids) + _SKUS_A_PRODUCT))
        wanted = [{"seller_sku": f"lamp-{number}", "price": price, "on_hand": ON_HAND} for number in some]
        product = server.call("POST", f"/v1/shops/{shop['id']}/products", {"title": "Lamp", "skus": wanted})
        ids += [sku["id"] for sku in product["skus"]]
    return ids


def _order(sku_id: str, street: str = "") -> dict[str, Any]:
    return {
        "buyer_id": "buyer-000001",
        "lines": [{"sku_id": sku_id, "quantity": 1}],
        "address": {"street": street},
    }


def _padded(sku_id: str, size: int) -> str:
    """An order's body as long as its answer's, so that an echo has equal bodies both ways."""
    short = size - len(json.dumps(_order(sku_id), separators=(",", ":")))
    return json.dumps(_order(sku_id, "x" * short), separators=(",", ":"))


@contextlib.contextmanager
def _started(command: list[str], folder: Path) -> Iterator[tuple[subprocess.Popen[str], int]]:
    env = environment(Path(tempfile.gettempdir()) / "liverush-bench-cache")
    process = subprocess.Popen(command, cwd=folder, env=env, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line:
            raise JobFailed(f"{' '.join(command)} did not start")
        yield process, int(line.split()[0].rpartition(":")[2])
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=_STOP_S)


def _tree(pid: int) -> list[int]:
    """A process and all below it."""
    found = [pid]
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in task.read_text().split():
            found += _tree(int(child))
    return found


def _cpu_s(pid: int) -> float:
    """The CPU seconds of a process, all its threads."""
    return sum(int(path.read_text().split()[0]) for path in Path(f"/proc/{pid}/task").glob("*/schedstat")) / 1e9
