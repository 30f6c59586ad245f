"""First-come-first-served stations with a changing number of servers, moved in bulk.

The exact departure recursion of a multi-server queue: keep the completion times of those in service in a heap; the next
in line starts when it has arrived and a server is free (Kiefer & Wolfowitz 1955). A start before the end of a window is
committed; completions leave in the order of time, then id.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from sim.flow.heap import heap_drop, heap_push
from sim.flow.jit import choose, kernel, touch

ID_BITS = 27
ID_MASK = (1 << ID_BITS) - 1
HEAD, TAIL, BUSY, BASE_US, DONE_COUNT, STARTED = range(6)
AHEAD = 16  # how many customers ahead their columns are fetched


@kernel
def serve(
    reg: npt.NDArray[np.int64],
    queue_id: npt.NDArray[np.int32],
    queue_at: npt.NDArray[np.int64],
    heap: npt.NDArray[np.int64],
    work_us: npt.NDArray[np.int32],
    gone_us: npt.NDArray[np.int64],
    begin_us: int,
    end_us: int,
    servers: int,
    done_id: npt.NDArray[np.int32],
    done_at: npt.NDArray[np.int64],
) -> None:
    """Serve from `begin_us` until `end_us` with `servers`; those done before the end go to `done_*` in order.

    `work_us[id]` is the service time (>= 1), `gone_us[id]` when the customer left (-1: has not); one gone before its
    start is passed over. The heap holds `(completion - BASE_US) << 27 | id` of those in service.
    """
    _rebase(reg, heap, begin_us)
    free_at = begin_us
    done = 0
    while True:
        waits = reg[HEAD] < reg[TAIL]
        if waits and reg[BUSY] < servers:
            start = max(queue_at[reg[HEAD]], free_at)
            if start < end_us:
                if reg[HEAD] + AHEAD < reg[TAIL]:
                    soon = queue_id[reg[HEAD] + AHEAD]
                    touch(work_us, soon)
                    touch(gone_us, soon)
                _start(reg, heap, queue_id[reg[HEAD]], start, work_us, gone_us)
                continue
            servers = 0  # nobody else starts in this window
            continue
        if reg[BUSY] == 0:
            break
        finished = begin_us + (heap[0] >> ID_BITS)
        if finished >= end_us:
            break
        done_id[done] = heap[0] & ID_MASK
        done_at[done] = finished
        done += 1
        reg[BUSY] = heap_drop(heap, reg[BUSY])
        free_at = finished
    reg[DONE_COUNT] = done


@kernel
def _start(
    reg: npt.NDArray[np.int64],
    heap: npt.NDArray[np.int64],
    customer: int,
    start_us: int,
    work_us: npt.NDArray[np.int32],
    gone_us: npt.NDArray[np.int64],
) -> None:
    reg[HEAD] += 1
    if 0 <= gone_us[customer] < start_us:
        return
    reg[STARTED] += 1
    done_us = start_us + int(work_us[customer])
    reg[BUSY] = heap_push(heap, reg[BUSY], ((done_us - int(reg[BASE_US])) << ID_BITS) | int(customer))


@kernel
def _rebase(reg: npt.NDArray[np.int64], heap: npt.NDArray[np.int64], begin_us: int) -> None:
    """Count the heap's offsets from `begin_us`; all that is left in it completes at or after that."""
    shift = (begin_us - reg[BASE_US]) << ID_BITS
    for k in range(reg[BUSY]):
        heap[k] -= shift
    reg[BASE_US] = begin_us


class Station:
    """A first-come-first-served station. `work_us` (int32) and `gone_us` (int64, or a strided view) are by customer id.

    Customers arrive by `join` in the order of time; `serve_until` returns those done. `servers` changes take effect at
    the time up to which the station was served last.
    """

    def __init__(
        self, work_us: npt.NDArray[np.int32], gone_us: npt.NDArray[np.int64], servers: int, fast: bool = False
    ) -> None:
        self.servers = servers
        self._work_us, self._gone_us = work_us, gone_us
        self._reg = np.zeros(8, dtype=np.int64)
        self._queue_id = np.empty(64, dtype=np.int32)
        self._queue_at = np.empty(64, dtype=np.int64)
        self._heap = np.empty(64, dtype=np.int64)
        self._serve = choose(serve, fast)
        self._now_us = 0

    @property
    def waiting(self) -> int:
        """How many wait, the gone included."""
        return int(self._reg[TAIL] - self._reg[HEAD])

    @property
    def busy(self) -> int:
        """How many are in service."""
        return int(self._reg[BUSY])

    @property
    def started(self) -> int:
        """How many have been started."""
        return int(self._reg[STARTED])

    def release(self) -> None:
        """Give back the memory of the queue. The station does not serve after this."""
        self._queue_id, self._queue_at, self._heap = (
            self._queue_id[:0].copy(),
            self._queue_at[:0].copy(),
            self._heap[:0].copy(),
        )
        self._reg[HEAD] = self._reg[TAIL] = self._reg[BUSY] = 0

    def join(self, ids: npt.NDArray[np.int32], at_us: npt.NDArray[np.int64]) -> None:
        """Customers arrive, in order, at or after everything that arrived before."""
        head, tail, new = int(self._reg[HEAD]), int(self._reg[TAIL]), len(ids)
        if tail + new > len(self._queue_id):
            size = max(2 * (tail - head + new), 64)
            self._queue_id = _moved(self._queue_id, head, tail, size)
            self._queue_at = _moved(self._queue_at, head, tail, size)
            head, tail = 0, tail - head
        self._queue_id[tail : tail + new] = ids
        self._queue_at[tail : tail + new] = at_us
        self._reg[HEAD], self._reg[TAIL] = head, tail + new

    def serve_until(self, end_us: int) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int64]]:
        """Serve up to `end_us`; returns (ids, times) of those done before it, by time and then id."""
        if self.busy == 0 and (self.waiting == 0 or self.servers == 0):
            self._now_us = end_us
            return self._queue_id[:0], self._queue_at[:0]
        most = self.busy + self.waiting
        if len(self._heap) <= min(self.servers, most) + self.busy:
            self._heap = _moved(self._heap, 0, self.busy, 2 * (min(self.servers, most) + self.busy) + 2)
        done_id, done_at = np.empty(most, dtype=np.int32), np.empty(most, dtype=np.int64)
        self._serve(
            self._reg, self._queue_id, self._queue_at, self._heap, self._work_us, self._gone_us,
            self._now_us, end_us, self.servers, done_id, done_at,
        )  # fmt: skip
        self._now_us = end_us
        count = int(self._reg[DONE_COUNT])
        return done_id[:count], done_at[:count]


def _moved(array: npt.NDArray[np.generic], head: int, tail: int, size: int) -> npt.NDArray:  # type: ignore[type-arg]
    larger = np.empty(size, dtype=array.dtype)
    larger[: tail - head] = array[head:tail]
    return larger
