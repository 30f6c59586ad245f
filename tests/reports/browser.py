"""A Chromium without a window, driven over its DevTools protocol: so it can play a phone, and the dark."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_FLAGS = ("--headless=new", "--no-sandbox", "--no-zygote", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
          "--disable-background-networking", "--disable-extensions", "--remote-debugging-port=0")  # fmt: skip
_PATIENCE_S = 30.0
#: What the browser says when a page has an error, loads what is not there, or breaks its own policy.
_COMPLAINTS = ("Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Log.entryAdded", "Network.loadingFailed")


def find_browser() -> str | None:
    """The first Chromium on the PATH."""
    return next((found for name in NAMES if (found := shutil.which(name))), None)


@dataclass(frozen=True)
class Look:
    """How a page is looked at."""

    name: str
    width: int
    height: int
    dark: bool


@dataclass
class Seen:
    """What was seen of a page."""

    picture: bytes = b""
    complaints: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    scroll_width: int = 0
    ground: str = ""


def look_at(browser: str, page: Path, looks: list[Look]) -> dict[str, Seen]:
    """Open a page in each way and return what was seen, by name."""
    return asyncio.run(_look_at(browser, page, looks))


async def _look_at(browser: str, page: Path, looks: list[Look]) -> dict[str, Seen]:
    async with _started(browser) as port, aiohttp.ClientSession() as session:
        found = {}
        for look in looks:
            async with session.put(f"http://127.0.0.1:{port}/json/new?about:blank") as answer:
                address = (await answer.json())["webSocketDebuggerUrl"]
            async with session.ws_connect(address, max_msg_size=0) as socket:
                found[look.name] = await _Tab(socket).look(page, look)
        return found


@contextlib.asynccontextmanager
async def _started(browser: str) -> AsyncIterator[str]:
    """A browser of our own with an empty profile; yields its port, and ends with the block."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        command = [browser, *_FLAGS, f"--user-data-dir={profile}", "about:blank"]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            yield await asyncio.wait_for(_port(Path(profile) / "DevToolsActivePort", process), _PATIENCE_S)
        finally:
            process.kill()
            process.wait(timeout=_PATIENCE_S)


async def _port(file: Path, process: subprocess.Popen[bytes]) -> str:
    while True:
        if process.poll() is not None:
            raise RuntimeError(f"the browser ended with {process.returncode}")
        text = file.read_text() if file.is_file() else ""
        if "\n" in text:
            return text.splitlines()[0]
        await asyncio.sleep(0.05)


class _Tab:
    """One tab: calls, and what the browser tells in between."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._number = 0
        self._seen = Seen()
        self._loaded = False

    async def look(self, page: Path, look: Look) -> Seen:
        for domain in ("Page", "Runtime", "Log", "Network"):
            await self._call(f"{domain}.enable")
        scheme = {"name": "prefers-color-scheme", "value": "dark" if look.dark else "light"}
        await self._call("Emulation.setEmulatedMedia", features=[scheme])
        size = {"width": look.width, "height": look.height, "deviceScaleFactor": 1, "mobile": look.width < 600}
        await self._call("Emulation.setDeviceMetricsOverride", **size)
        await self._call("Page.navigate", url=page.as_uri())
        while not self._loaded:
            self._hear(await self._receive())
        self._seen.scroll_width = await self._value("document.documentElement.scrollWidth")
        self._seen.ground = await self._value("getComputedStyle(document.body).backgroundColor")
        shot = await self._call("Page.captureScreenshot", format="png")
        self._seen.picture = base64.b64decode(shot["data"])
        return self._seen

    async def _value(self, expression: str) -> Any:
        return (await self._call("Runtime.evaluate", expression=expression))["result"]["value"]

    async def _call(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._number += 1
        await self._socket.send_json({"id": self._number, "method": method, "params": parameters})
        while True:
            message = await self._receive()
            if message.get("id") == self._number:
                assert "error" not in message, message["error"]
                result: dict[str, Any] = message["result"]
                return result
            self._hear(message)

    async def _receive(self) -> dict[str, Any]:
        message: dict[str, Any] = await self._socket.receive_json(timeout=_PATIENCE_S)
        return message

    def _hear(self, message: dict[str, Any]) -> None:
        method = message.get("method", "")
        if method == "Page.loadEventFired":
            self._loaded = True
        elif method == "Network.requestWillBeSent":
            self._seen.requests.append(message["params"]["request"]["url"])
        elif method in _COMPLAINTS:
            self._seen.complaints.append(str(message["params"]))
