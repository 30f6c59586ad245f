"""A wire between the engine and PostgreSQL that can be cut, or go silent, at a chosen moment."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from enum import Enum
from pathlib import Path
from urllib.parse import parse_qs, urlsplit


class Wire(Enum):
    """What becomes of the next thing that the engine says."""

    WHOLE = 1
    CUT_BEFORE = 2  # it never arrives, and the connection is lost
    CUT_AFTER = 3  # it is done, but the answer never arrives, and the connection is lost
    SILENT = 4  # it is done, and no answer comes


class Relay:
    """Listens in `folder` as a PostgreSQL would, and passes everything on to the one behind `url`."""

    def __init__(self, url: str, folder: Path) -> None:
        (behind,) = parse_qs(urlsplit(url).query)["host"]
        self._behind = f"{behind}/.s.PGSQL.5432"
        self._path = folder / ".s.PGSQL.5432"
        self.url = url.replace(behind, str(folder))
        self.state = Wire.WHOLE
        self.refusing = False
        self._tasks: set[asyncio.Task[None]] = set()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[Relay]:
        server = await asyncio.start_unix_server(self._serve, self._path)
        try:
            yield self
        finally:
            server.close()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            if not self.refusing:
                await self._join(reader, writer)
        finally:
            writer.close()
            self._tasks.discard(task)

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        back_reader, back_writer = await asyncio.open_unix_connection(self._behind)
        answers = asyncio.create_task(self._answers(back_reader, writer))
        try:
            while said := await reader.read(65536):
                if self.state == Wire.CUT_BEFORE:
                    return
                back_writer.write(said)
            if self.state == Wire.WHOLE:
                answers.cancel()
        finally:
            answers.cancel()
            await asyncio.gather(answers, return_exceptions=True)
            back_writer.close()

    async def _answers(self, back_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while answer := await back_reader.read(65536):
            if self.state == Wire.CUT_AFTER:
                break
            if self.state != Wire.SILENT:
                writer.write(answer)
        writer.close()
