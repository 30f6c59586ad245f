"""Keeps what is measured in preallocated memory and streams it to the scribe; each second gives the live figures."""

from __future__ import annotations

import errno
import os
import struct
import subprocess
import sys
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from loadtests.records import REASONS_MOST, RECORD, Ack, AckLine
from loadtests.replay import scribe
from sim.arrays import Column

#: A record, field by field as RECORD; `Steps` writes it into `Recorder.rows` itself: it does so for every request.
ROW = struct.Struct("<qqqqiHBBBBBB")
_FIRST_ROWS = 16_384
_PIPE_BYTES = 1 << 20
_SET_PIPE_SIZE = 1031  # F_SETPIPE_SZ

assert ROW.size == RECORD.itemsize

Rows = Column


class Recorder:
    """One worker's records and acknowledgements."""

    def __init__(self, folder: Path, worker: int) -> None:
        self.worker = worker
        self.rows = bytearray(_FIRST_ROWS * ROW.size)
        self.size = len(self.rows)
        self.filled = self._flushed = 0  # bytes of the second under way
        self._before = 0  # bytes of the seconds before
        self._codes = {"": 0}
        self._acks: list[bytes] = []
        self._encode = msgspec.json.Encoder().encode
        self._frames: deque[memoryview] = deque()
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", scribe.__file__, str(folder), str(worker)],
            stdin=subprocess.PIPE,
            start_new_session=True,  # a Ctrl-C for the generator is not for it
        )
        assert self._process.stdin is not None
        self._pipe = self._process.stdin.fileno()
        os.set_blocking(self._pipe, False)
        if sys.platform == "linux":
            import fcntl  # Windows has none

            fcntl.fcntl(self._pipe, _SET_PIPE_SIZE, _PIPE_BYTES)
        self._tell_reasons()

    @property
    def count(self) -> int:
        """How many records there are."""
        return (self._before + self.filled) // ROW.size

    def code(self, reason: str) -> int:
        """The number of a refusal code."""
        return self._codes[reason] if reason in self._codes else self._new_code(reason)

    def grow(self) -> None:
        """Make room for more records in this second."""
        self.rows.extend(bytes(len(self.rows)))
        self.size = len(self.rows)

    def ack(self, kind: Ack, cart: int, key: str, order: str, status: int, at_us: int, reason: str = "") -> None:
        """Keep what a target acknowledged."""
        self._acks.append(self._encode(AckLine(kind.name, cart, key, order, status, at_us, reason)))

    def second(self) -> Rows:
        """The records since the last call, and begin the next second."""
        self._take_rows()
        rows = np.frombuffer(bytes(memoryview(self.rows)[: self.filled]), RECORD)
        self._before += self.filled
        self.filled = self._flushed = 0
        return rows

    def progress(self, line: dict[str, Any]) -> None:
        """Send a line of live figures."""
        self._frame(scribe.PROGRESS, self._encode(line) + b"\n")

    def flush(self) -> None:
        """Send to the scribe what the pipe takes; never waits."""
        self._take_rows()
        if self._acks:
            self._frame(scribe.ACKS, b"\n".join(self._acks) + b"\n")
            self._acks = []
        while self._frames:
            try:
                sent = os.write(self._pipe, self._frames[0])
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno != errno.EPIPE:
                    raise
                raise RuntimeError("the process that writes the records ended") from error
            if sent == len(self._frames[0]):
                self._frames.popleft()
            else:
                self._frames[0] = self._frames[0][sent:]

    def close(self, last_word: dict[str, Any]) -> None:
        """Send the rest and wait until it is written."""
        self._frame(scribe.LAST_WORD, self._encode(last_word))
        os.set_blocking(self._pipe, True)
        self.flush()
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()

    def _take_rows(self) -> None:
        if self.filled > self._flushed:
            self._frame(scribe.REQUESTS, bytes(memoryview(self.rows)[self._flushed : self.filled]))
            self._flushed = self.filled

    def _frame(self, kind: bytes, data: bytes) -> None:
        self._frames.append(memoryview(scribe.FRAME.pack(kind, len(data)) + data))

    def _new_code(self, reason: str) -> int:
        if len(self._codes) >= REASONS_MOST:
            reason = "other"
        code = self._codes.setdefault(reason, len(self._codes))
        self._tell_reasons()
        return code

    def _tell_reasons(self) -> None:
        self._frame(scribe.REASONS, self._encode(list(self._codes)))


def percentile_us(values: Sequence[int] | Rows, percent: float) -> int | None:
    """A percentile for people to look at while it runs; None of nothing."""
    return int(np.percentile(np.asarray(values), percent)) if len(values) else None
