"""The yardstick of the engine's tail: how long this disk takes to make a little durable, with nothing else to do."""

from __future__ import annotations

import itertools
import os
import random
import time
from pathlib import Path

#: What a small group writes; and where: over and over in one part of a file, as a log that starts anew.
_BYTES, _LOG_BYTES = 16 << 10, 16 << 20
_DRAWS = 20_000


def sync_figures(folder: Path, seconds: float) -> dict[str, float]:
    """Write and fdatasync in turn; return percentiles of that, and of what a durable answer has to wait for.

    Whoever comes while one write is under way waits for the rest of it and for the next: instants are drawn evenly over
    the time that was measured.
    """
    taken = _timed_syncs(folder / "disk.probe", seconds)
    pairs = list(itertools.pairwise(taken))
    chance = random.Random(20261120)
    chosen = chance.choices(pairs, weights=taken[:-1], k=_DRAWS)
    waits = sorted(chance.random() * first + second for first, second in chosen)
    ordered = sorted(taken)
    return {
        "sync_p50_ms": ordered[len(ordered) // 2] * 1e3,
        "sync_p99_ms": ordered[int(0.99 * (len(ordered) - 1))] * 1e3,
        "sync_wait_p99_ms": waits[int(0.99 * (_DRAWS - 1))] * 1e3,
    }


def _timed_syncs(path: Path, seconds: float) -> list[float]:
    """Return the seconds of each write, at least of two."""
    data = b"x" * _BYTES
    taken: list[float] = []
    with open(path, "wb", buffering=0) as file:
        file.write(b"\0" * _LOG_BYTES)
        os.fsync(file.fileno())
        end = time.perf_counter() + seconds
        while len(taken) < 2 or time.perf_counter() < end:
            begun = time.perf_counter()
            file.seek(len(taken) * _BYTES % _LOG_BYTES)
            file.write(data)
            os.fdatasync(file.fileno())
            taken.append(time.perf_counter() - begun)
    path.unlink()
    return taken
