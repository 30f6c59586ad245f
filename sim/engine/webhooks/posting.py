"""Posts webhooks over HTTP, and resolves their hosts: to public addresses only, unless only we can reach the engine."""

from __future__ import annotations

import socket
from collections.abc import Mapping

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver

from sim.engine.webhooks.targets import address_of, is_public

_MOST_OF_AN_ANSWER_BYTES = 64 * 1024


class Poster:
    """Posts to any endpoint; make and `close` it while the event loop runs."""

    def __init__(self, *, answer_within_s: float, private_ok: bool) -> None:
        resolver = GuardedResolver(private_ok=private_ok)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, resolver=resolver, ttl_dns_cache=10),
            timeout=aiohttp.ClientTimeout(total=answer_within_s),
            cookie_jar=aiohttp.DummyCookieJar(),
        )

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> str:
        """Post once; return what was wrong, empty for nothing."""
        try:
            async with self._session.post(url, data=body, headers=headers, allow_redirects=False) as response:
                await response.content.read(_MOST_OF_AN_ANSWER_BYTES)  # lets the connection be used again
                return "" if 200 <= response.status < 300 else str(response.status)
        except TimeoutError:
            return "no answer in time"
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return f"{type(error).__name__}: {error}"[:200]

    async def close(self) -> None:
        """Let go of all connections."""
        await self._session.close()


class GuardedResolver(AbstractResolver):
    """Resolves names, to public addresses only unless `private_ok`."""

    def __init__(self, *, private_ok: bool) -> None:
        self._private_ok = private_ok
        self._resolver = ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """The addresses of a host. Raises OSError where none of them may be used."""
        found = await self._resolver.resolve(host, port, family)
        usable = [one for one in found if self._private_ok or is_public(address_of(one["host"]))]
        if not usable:
            raise OSError(f"{host} lies in a private network")
        return usable

    async def close(self) -> None:
        """Let go of the resolver."""
        await self._resolver.close()
