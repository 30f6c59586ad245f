"""`liverush serve` as its users run it: a command in a folder, with what it says; and plain HTTP to it."""

from __future__ import annotations

import contextlib
import http.client
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec

from sim.engine.auth import development_key

SERVE = (sys.executable, "-m", "sim.cli", "serve")
PATIENCE_S = 60.0


def environment(**more: str) -> dict[str, str]:
    """The environment without settings of an engine, and with `more`."""
    return {name: value for name, value in os.environ.items() if not name.startswith("LIVERUSH_KEY")} | more


@dataclass
class Heard:
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return msgspec.json.decode(self.body)

    @property
    def code(self) -> str:
        """The code of what must be a problem as RFC 9457 has them."""
        assert self.headers["content-type"] == "application/problem+json", (self.status, self.body)
        told = self.json
        assert told["status"] == self.status
        assert told["type"] == "/docs#problem-" + told["code"].replace("_", "-")
        assert told["title"]
        assert told["request_id"]
        return str(told["code"])


@dataclass
class Running:
    """An engine that answers. `said` is what it printed until then."""

    process: subprocess.Popen[str]
    said: str
    _count: int = field(default=0)

    @property
    def url(self) -> str:
        return self._found(r"^(http://\S+) answers")

    @property
    def psp_url(self) -> str:
        return self._found(r"^Payment provider at (http://\S+)$")

    def _found(self, pattern: str) -> str:
        match = re.search(pattern, self.said, re.MULTILINE)
        assert match is not None, self.said
        return match[1]

    @property
    def address(self) -> tuple[str, int]:
        parts = urlsplit(self.url)
        assert parts.hostname is not None
        assert parts.port is not None
        return parts.hostname, parts.port

    def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        headers: Mapping[str, str | bytes] | None = None,
        *,
        role: str = "admin",
    ) -> Heard:
        """Send a request on a connection of its own; each POST gets a new key unless `headers` say otherwise.

        `body` is sent as it is where it is bytes, in chunks where it is a list of them, else as JSON. A header that is
        empty is left out.
        """
        self._count += 1
        sent: dict[str, str | bytes] = {"authorization": f"Bearer {development_key(role)}"} if role else {}
        if body is not None:
            sent["content-type"] = "application/json"
        if method == "POST":
            sent["idempotency-key"] = f"key-{self._count}"
        sent |= headers or {}
        chunked = isinstance(body, list) and all(isinstance(part, bytes) for part in body)
        plain: Any = body if body is None or chunked or isinstance(body, bytes) else msgspec.json.encode(body)
        with contextlib.closing(http.client.HTTPConnection(*self.address, timeout=PATIENCE_S)) as connection:
            named = {name: value for name, value in sent.items() if value}
            connection.request(method, path, iter(plain) if chunked else plain, named, encode_chunked=chunked)
            answer = connection.getresponse()
            return Heard(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())

    def made(self, path: str, body: Any = None, **headers: str) -> Any:
        """Post what must succeed."""
        heard = self.ask("POST", path, body, headers)
        assert 200 <= heard.status < 300, (heard.status, heard.body)
        return heard.json

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send a signal and return the exit code."""
        self.process.send_signal(number)
        return self.process.wait(PATIENCE_S)


@contextlib.contextmanager
def running(folder: Path, *options: str, **more: str) -> Iterator[Running]:
    """Run `liverush serve` on a free port until the block ends; then it must end well. `more` is environment."""
    said, complained = folder / "said", folder / "complained"
    with open(said, "w") as out, open(complained, "w") as err:
        process = subprocess.Popen(
            [*SERVE, "--port", "0", "--end-with-stdin", *options],
            cwd=folder,
            stdin=subprocess.PIPE,  # whoever ends the tests ends the engine too
            stdout=out,
            stderr=err,
            text=True,
            env=environment(**more),
        )
    try:
        deadline = time.monotonic() + PATIENCE_S
        while "Development keys" not in said.read_text():
            assert process.poll() is None, complained.read_text()
            assert time.monotonic() < deadline, "the engine does not answer"
            time.sleep(0.02)
        engine = Running(process, said.read_text())
        yield engine
        if process.poll() is None:
            assert engine.stop() == 0, complained.read_text()
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        assert process.stdin is not None
        process.stdin.close()
