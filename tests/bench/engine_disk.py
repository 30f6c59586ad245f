"""Yardsticks of the engine's tail: how long this disk takes to make a little durable, and a process that only syncs.

`python -m tests.bench.engine_disk PATH PER_S LIMIT_S` is that process. Linux only: it waits for a signal with a limit.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.bench.process import JobFailed
from tests.paths import ROOT

#: What a small group writes; and where: over and over in one part of a file, as a log that starts anew.
_BYTES, _LOG_BYTES = 16 << 10, 16 << 20
_DRAWS = 20_000
_STOP_S = 10


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


@contextlib.contextmanager
def syncing(path: Path, per_s: float, limit_s: float) -> Iterator[dict[str, float]]:
    """Let a process of its own write to a new file and sync, `per_s` times a second, until the block ends or fails.

    At the end `syncs` and `syncs_per_s` are filled in. JobFailed if the process ended before, which it does by itself
    after `limit_s`, so that none is left behind.
    """
    call = [sys.executable, "-m", "tests.bench.engine_disk", str(path), str(per_s), str(limit_s)]
    told: dict[str, float] = {}
    with subprocess.Popen(call, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            process.stdout.readline()  # the file is there, or the process has gone
            yield told
        finally:
            process.terminate()
            try:
                output, errors = process.communicate(timeout=_STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
                raise
    if process.returncode:
        raise JobFailed(f"syncs ended before what they were to run beside:\n{errors[-2000:]}")
    told |= json.loads(output)


def _timed_syncs(path: Path, seconds: float) -> list[float]:
    """The seconds of each write, at least of two."""
    taken: list[float] = []
    with _log(path) as write_synced:
        end = time.perf_counter() + seconds
        while len(taken) < 2 or time.perf_counter() < end:
            begun = time.perf_counter()
            write_synced()
            taken.append(time.perf_counter() - begun)
    return taken


@contextlib.contextmanager
def _log(path: Path) -> Iterator[Callable[[], None]]:
    """Allocate a file, give what writes to it and syncs, and remove the file."""
    data = b"x" * _BYTES
    places = itertools.cycle(range(0, _LOG_BYTES, _BYTES))
    with open(path, "wb", buffering=0) as file:
        file.write(b"\0" * _LOG_BYTES)
        os.fsync(file.fileno())

        def write_synced() -> None:
            os.pwrite(file.fileno(), data, next(places))
            os.fdatasync(file.fileno())

        try:
            yield write_synced
        finally:
            path.unlink()


def _sync_until_told(path: Path, per_s: float, limit_s: float) -> bool:
    """Sync at a rate until SIGTERM, and print how often; False if the limit came first.

    After a stop the missed ones are not made up: an engine too makes one larger group then.
    """
    ends = {signal.SIGTERM}
    signal.pthread_sigmask(signal.SIG_BLOCK, ends)
    clock = time.perf_counter
    syncs, told = 0, None
    with _log(path) as write_synced:
        print("ready", flush=True)
        begun = now = due = clock()
        while now < begun + limit_s and not (told := signal.sigtimedwait(ends, max(0.0, due - now))):
            write_synced()
            syncs += 1
            now = clock()
            due = max(due + 1 / per_s, now)
    print(json.dumps({"syncs": syncs, "syncs_per_s": syncs / (now - begun) if syncs else 0.0}))
    return told is not None


if __name__ == "__main__":
    sys.exit(not _sync_until_told(Path(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3])))
