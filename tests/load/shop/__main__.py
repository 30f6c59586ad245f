"""The shop's server: `python -m tests.load.shop --cert server.pem --key server.key --database shop.sqlite3`.

Buyers log in and get a session; a checkout is a basket, its items and a submission with a client token. Whoever runs
the shop has a token from SHOP_TOKEN. `--checkouts-per-s` and `--latency-s` make it as slow as some are.
"""

from __future__ import annotations

import itertools
import json
import os
import signal
import ssl
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import click

from tests.load.shop.books import Books, Refusal

PAGE = 50


class Shop(ThreadingHTTPServer):
    """The server and what it keeps in memory: sessions and baskets."""

    daemon_threads = True
    request_queue_size = 512

    def __init__(self, books: Books, checkouts_per_s: float, latency_s: float) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.books = books
        self.latency_s = latency_s
        self.sessions: dict[str, str] = {}
        self.baskets: dict[str, dict[str, int]] = {}
        self.count = itertools.count(1)
        self.token = os.environ.get("SHOP_TOKEN", "")
        self._gap_s = 1 / checkouts_per_s if checkouts_per_s else 0.0
        self._free_at = 0.0
        self._turn = threading.Lock()

    def slow_down(self) -> None:
        """Take as long as a checkout takes here; they queue for it."""
        with self._turn:
            now = time.monotonic()
            self._free_at = max(now, self._free_at) + self._gap_s
            wait_s = self._free_at - now
        time.sleep(wait_s + self.latency_s)


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Shop

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        """Answer a GET."""
        self._answer({})

    def do_POST(self) -> None:
        """Answer a POST."""
        length = int(self.headers.get("content-length") or 0)
        self._answer(json.loads(self.rfile.read(length) or b"{}"))

    def _answer(self, body: dict[str, Any]) -> None:
        try:
            status, answer = self._route([unquote(part) for part in self.path.strip("/").split("/")], body)
        except Refusal as refusal:
            status, answer = 422, {"error": str(refusal)}
        except PermissionError:
            status, answer = 401, {"error": "WHO_ARE_YOU"}
        sent = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json; charset=utf-8")
        self.send_header("Content-Length", str(len(sent)))
        self.end_headers()
        self.wfile.write(sent)

    def _route(self, path: list[str], body: dict[str, Any]) -> tuple[int, Any]:
        match self.command, path:
            case "POST", ["login"]:
                session = f"s{next(self.server.count)}"
                self.server.sessions[session] = body["customer"]
                return 200, {"session": session}
            case "GET", ["articles", code]:
                found = self.server.books.article(code)
                return (200, found) if found else (404, {"error": "UNKNOWN"})
            case _, ["office", *rest]:
                return self._office(rest, body)
        customer = self.server.sessions.get(self.headers.get("X-Session", ""))
        if customer is None:
            raise PermissionError
        return self._buyer(path, body, customer)

    def _buyer(self, path: list[str], body: dict[str, Any], customer: str) -> tuple[int, Any]:
        shop = self.server
        match self.command, path:
            case "POST", ["baskets"]:
                basket = f"b{next(shop.count)}"
                shop.baskets[basket] = {}
                return 201, {"basket": basket}
            case "POST", ["baskets", basket, "items"]:
                items = shop.baskets[basket]
                items[body["code"]] = items.get(body["code"], 0) + body["pieces"]
                return 200, {"items": len(items)}
            case "POST", ["baskets", basket, "submit"]:
                shop.slow_down()
                return 200, shop.books.submit(body["clientToken"], customer, body["remark"], shop.baskets[basket])
            case "POST", ["purchases", number, "settle"]:
                if body["card"].endswith("0002"):
                    return 402, {"error": "DECLINED"}
                return 200, {"state": shop.books.settle(number)}
            case "POST", ["purchases", number, "void"]:
                shop.books.void(number)
                return 200, {"state": "VOID"}
        return 404, {"error": "UNKNOWN"}

    def _office(self, path: list[str], body: dict[str, Any]) -> tuple[int, Any]:
        shop = self.server
        if not shop.token or self.headers.get("Authorization") != f"Token {shop.token}":
            raise PermissionError
        match self.command, path:
            case "POST", ["reset"]:
                shop.books.reset(body["articles"])
                return 200, {}
            case "POST", ["purchases", number, "accept"]:
                shop.books.accept(number)
                return 200, {"state": "ACCEPTED"}
            case "GET", ["purchases", "after", number]:
                return 200, {"purchases": shop.books.purchases(int(number), PAGE)}
            case "GET", ["articles" | "bookings" as table]:
                return 200, {table: shop.books.rows(table)}
        return 404, {"error": "UNKNOWN"}


@click.command()
@click.option("--cert", required=True)
@click.option("--key", required=True)
@click.option("--database", type=click.Path(path_type=Path), required=True)
@click.option("--checkouts-per-s", type=float, default=0.0)
@click.option("--latency-s", type=float, default=0.0)
@click.option("--fault", default="")
def main(cert: str, key: str, database: Path, checkouts_per_s: float, latency_s: float, fault: str) -> None:
    """Serve until standard input ends."""
    shop = Shop(Books(database, fault), checkouts_per_s, latency_s)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    # The handshake is left to the connection's own thread: one that dawdles must not keep the others waiting.
    shop.socket = context.wrap_socket(shop.socket, server_side=True, do_handshake_on_connect=False)
    threading.Thread(target=_end_with_stdin, daemon=True).start()
    print(f"https://localhost:{shop.server_address[1]} is open", flush=True)
    shop.serve_forever()


def _end_with_stdin() -> None:
    while os.read(0, 4096):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    main()
