"""First-come-first-served stations with a changing number of servers, moved in bulk.

The exact departure recursion of a multi-server queue: keep the completion times of those in service in a heap; the next
in line starts when it has arrived and a server is free (Kiefer & Wolfowitz 1955). A start before the end of a window is
committed; completions leave in the order of time, then id.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from sim.flow.heap import heap_drop, heap_push, heap_replace
from sim.flow.jit import choose, kernel, touch
from sim.flow.pages import is_roomy, moved, with_room
from sim.flow.structs import handle

ID_BITS = 27
ID_MASK = (1 << ID_BITS) - 1
HEAD, TAIL, BUSY, BASE_US, DONE_COUNT, STARTED, GONE_COLUMN, FREE_US = range(8)
PIECE = 1 << 14  # how many done are handed over at once
NONE_STARTS = -1
AHEAD = 16  # how many customers ahead their columns are fetched


class Counter(NamedTuple):
    """A station's arrays. `queue_*` hold customers in the order of arrival, `reg` the scalars named above."""

    reg: npt.NDArray[np.int64]
    queue_id: npt.NDArray[np.int32]
    queue_at: npt.NDArray[np.int64]
    heap: npt.NDArray[np.int64]  # those in service: (completion - BASE_US) << 27 | id
    work_us: npt.NDArray[np.int32]  # by id, >= 1
    gone_us: npt.NDArray[np.int64]  # [ids, columns]: when the customer left, -1: has not; column reg[GONE_COLUMN]
    stamp_us: npt.NDArray[np.int64]  # by id: when the customer was done
    done_id: npt.NDArray[np.int32]
    done_at: npt.NDArray[np.int64]


@kernel
def serve(c: Counter, begin_us: int, end_us: int, servers: int) -> None:
    """Serve from `begin_us` until `end_us` with `servers`; those done before the end go to `done_*` in order.

    A customer gone before its start is passed over. Stops when `done_*` is full; call again to go on.
    """
    reg = c.reg
    _rebase(c, begin_us)
    done = 0
    free_at = max(begin_us, int(reg[FREE_US]))
    while done < len(c.done_id):
        while reg[BUSY] < servers and reg[HEAD] < reg[TAIL]:
            started = _start_next(c, free_at, end_us)
            if started == NONE_STARTS:
                break
            reg[BUSY] = heap_push(c.heap, reg[BUSY], started)
        if reg[BUSY] == 0:
            break
        finished = begin_us + int(c.heap[0] >> ID_BITS)
        if finished >= end_us:
            break
        customer = int(c.heap[0] & ID_MASK)
        c.stamp_us[customer] = finished
        c.done_id[done] = customer
        c.done_at[done] = finished
        done += 1
        free_at = finished
        started = NONE_STARTS
        if reg[BUSY] == servers:
            started = _start_next(c, finished, end_us)
        if started == NONE_STARTS:
            reg[BUSY] = heap_drop(c.heap, reg[BUSY])
        else:
            heap_replace(c.heap, reg[BUSY], started)
    reg[DONE_COUNT] = done
    reg[FREE_US] = free_at


@kernel
def _start_next(c: Counter, free_us: int, end_us: int) -> int:
    """The next customer who is still there starts, once it has arrived, at `free_us` or later but before `end_us`.

    Returns its entry for the heap, or NONE_STARTS.
    """
    reg = c.reg
    while reg[HEAD] < reg[TAIL]:
        head = int(reg[HEAD])
        start_us = max(int(c.queue_at[head]), free_us)
        if start_us >= end_us:
            break
        if head + AHEAD < reg[TAIL]:
            soon = c.queue_id[head + AHEAD]
            touch(c.work_us, soon)
            touch(c.gone_us, soon)
            touch(c.stamp_us, soon)
        customer = int(c.queue_id[head])
        reg[HEAD] += 1
        if not 0 <= c.gone_us[customer, reg[GONE_COLUMN]] < start_us:
            reg[STARTED] += 1
            done_us = start_us + int(c.work_us[customer])
            return ((done_us - int(reg[BASE_US])) << ID_BITS) | customer
    return NONE_STARTS


@kernel
def _rebase(c: Counter, begin_us: int) -> None:
    """Count the heap's offsets from `begin_us`; all that is left in it completes at or after that."""
    shift = (begin_us - int(c.reg[BASE_US])) << ID_BITS
    for k in range(c.reg[BUSY]):
        c.heap[k] -= shift
    c.reg[BASE_US] = begin_us


class Station:
    """A first-come-first-served station. `work_us` (int32) and `gone_us` (int64) are by customer id.

    `gone_us` may be a table, of which `gone_column` counts; changes to it are seen if it is contiguous and writable
    (otherwise it is copied). Customers arrive by `join` in the order of time; `serve_until` gives those done, and
    writes their times into `stamp_us` (by id). A change of `servers` takes effect at the time up to which was served
    last.
    """

    def __init__(
        self,
        work_us: npt.NDArray[np.int32],
        gone_us: npt.NDArray[np.int64],
        servers: int,
        fast: bool,
        gone_column: int = 0,
        stamp_us: npt.NDArray[np.int64] | None = None,
    ) -> None:
        self.servers = servers
        self._fast, self._serve, self._now_us = fast, choose(serve, fast), 0
        self._reg = np.zeros(8, dtype=np.int64)
        self._reg[GONE_COLUMN] = gone_column
        self._state = Counter(
            self._reg,
            np.empty(64, dtype=np.int32),
            np.empty(64, dtype=np.int64),
            np.empty(64, dtype=np.int64),
            np.require(work_us, requirements=["C", "W"]),
            np.require(gone_us if gone_us.ndim == 2 else gone_us.reshape(-1, 1), requirements=["C", "W"]),
            np.zeros(len(work_us), dtype=np.int64) if stamp_us is None else stamp_us,
            np.empty(PIECE, dtype=np.int32),
            np.empty(PIECE, dtype=np.int64),
        )
        self._handle: Counter | None = None  # made at the next use: most catch-ups find the same arrays

    @property
    def waiting(self) -> int:
        """How many wait, the gone included."""
        return int(self._reg[TAIL] - self._reg[HEAD])

    @property
    def busy(self) -> int:
        """How many are in service."""
        return int(self._reg[BUSY])

    @property
    def inside(self) -> npt.NDArray[np.int32]:
        """Ids of all who wait, the gone included, and of those in service."""
        waiting = self._state.queue_id[self._reg[HEAD] : self._reg[TAIL]]
        in_service = (self._state.heap[: self._reg[BUSY]] & ID_MASK).astype(np.int32)
        return np.concatenate((waiting, in_service))

    @property
    def started(self) -> int:
        """How many have been started."""
        return int(self._reg[STARTED])

    def release(self) -> None:
        """Give back the memory of the queue. The station does not serve after this."""
        names = ("queue_id", "queue_at", "heap", "stamp_us", "done_id", "done_at")
        self._swap(**{name: getattr(self._state, name)[:0].copy() for name in names})
        self._reg[HEAD] = self._reg[TAIL] = self._reg[BUSY] = 0

    def join(self, ids: npt.NDArray[np.int32], at_us: npt.NDArray[np.int64]) -> None:
        """Customers arrive, in order, at or after everything that arrived before."""
        head, tail, new = int(self._reg[HEAD]), int(self._reg[TAIL]), len(ids)
        if tail + new > len(self._state.queue_id):
            self._swap(
                queue_id=with_room(self._state.queue_id, head, tail, new),
                queue_at=with_room(self._state.queue_at, head, tail, new),
            )
            head, tail = 0, tail - head
        self._state.queue_id[tail : tail + new] = ids
        self._state.queue_at[tail : tail + new] = at_us
        self._reg[HEAD], self._reg[TAIL] = head, tail + new

    def serve_until(self, end_us: int) -> Iterator[tuple[npt.NDArray[np.int32], npt.NDArray[np.int64]]]:
        """Serve up to `end_us`; gives (ids, times) of those done before it, by time and then id.

        They come in pieces; each is good until the next, and all must be taken.
        """
        most = self.busy + (self.waiting if self.servers else 0)
        if most:
            self._make_room(min(self.servers, most) + self.busy)
            self._handle = self._handle or handle(self._state, self._fast)
            done = PIECE
            while done == PIECE:
                self._serve(self._handle, self._now_us, end_us, self.servers)
                done = int(self._reg[DONE_COUNT])
                yield self._state.done_id[:done], self._state.done_at[:done]
        self._now_us = end_us
        self._give_back()

    def _give_back(self) -> None:
        """Keep no more memory than the queue needs."""
        state, head, tail = self._state, int(self._reg[HEAD]), int(self._reg[TAIL])
        if is_roomy(state.queue_id, tail - head):
            names = ("queue_id", "queue_at")
            size = 2 * (tail - head) + 64
            self._swap(**{name: moved(getattr(state, name), head, tail, size) for name in names})
            self._reg[HEAD], self._reg[TAIL] = 0, tail - head

    def _make_room(self, in_service: int) -> None:
        if len(self._state.heap) <= in_service:
            self._swap(heap=moved(self._state.heap, 0, self.busy, 2 * in_service + 2))

    def _swap(self, **arrays: npt.NDArray[Any]) -> None:
        """Other arrays take the place of some of the state's; the handle would keep those alive."""
        self._state, self._handle = self._state._replace(**arrays), None
