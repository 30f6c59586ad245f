"""Writes what a generator measures, as a process of its own: `python scribe.py FOLDER WORKER`, frames on its input.

Nothing that waits for a disk runs in the generator, and what it had sent is kept when it is killed: this process ends
when the pipe does. A frame is a byte that names the file, four bytes of length, and what is appended (or, for capital
letters, what replaces the file). Of a generator that was killed the last word says so.
"""

from __future__ import annotations

import json
import os
import signal
import struct
import sys
from pathlib import Path
from typing import BinaryIO

FRAME = struct.Struct("<cI")
REQUESTS, ACKS, PROGRESS, REASONS, LAST_WORD = b"r", b"a", b"p", b"R", b"W"
NAMES = {
    REQUESTS: "requests-{}.bin",
    ACKS: "acks-{}.jsonl",
    PROGRESS: "progress-{}.jsonl",
    REASONS: "reasons-{}.json",
    LAST_WORD: "worker-{}.json",
}


def write_frames(source: BinaryIO, folder: Path, worker: str) -> None:
    """Append what comes until there is no more."""
    files = {
        kind: (folder / name.format(worker)).open("ab", buffering=0) for kind, name in NAMES.items() if kind.islower()
    }
    said = False
    while len(head := source.read(FRAME.size)) == FRAME.size:
        kind, length = FRAME.unpack(head)
        data = source.read(length)
        if kind in files:
            files[kind].write(data)
        elif len(data) == length:
            said |= kind == LAST_WORD
            _replace(folder / NAMES[kind].format(worker), data)
    for file in files.values():
        file.close()
    if not said:
        word = {"worker": int(worker), "complete": False, "ended": "killed"}
        _replace(folder / NAMES[LAST_WORD].format(worker), json.dumps(word).encode())


def _replace(path: Path, data: bytes) -> None:
    beside = path.with_suffix(".tmp")
    beside.write_bytes(data)
    os.replace(beside, path)


if __name__ == "__main__":
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # the pipe's end is the only end
    write_frames(sys.stdin.buffer, Path(sys.argv[1]), sys.argv[2])
