"""Batch stations: at each of their times they take what waits, first come first served, up to a capacity.

Pick waves and carrier pick-ups are such stations; with Poisson arrivals and a fixed capacity the number left behind is
X' = max(X + A - C, 0) (Spitzer 1956).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from sim.flow.jit import choose, kernel, touch
from sim.flow.pages import is_roomy, moved, pages, with_room

HEAD, TAIL, NEXT_US, TAKEN, LEFT = range(5)
AHEAD = 16  # how many customers ahead their columns are fetched


@kernel
def release_waves(
    reg: npt.NDArray[np.int64],
    queue_id: npt.NDArray[np.int32],
    came_us: npt.NDArray[np.int64],
    gone_us: npt.NDArray[np.int64],
    every_us: int,
    capacity: int,
    end_us: int,
    out_id: npt.NDArray[np.int32],
    out_at: npt.NDArray[np.int64],
) -> None:
    """Release, at every multiple of `every_us` before `end_us`, what arrived before it, at most `capacity` (0: all).

    `came_us` and `gone_us` are by customer. NEXT_US holds the first wave that has not run. Customers gone before a wave
    are dropped and take no room.
    reg[TAKEN] entries are written to `out_*`; reg[LEFT] counts waves that left someone behind. Empty waves are skipped.
    """
    taken = 0
    while reg[HEAD] < reg[TAIL]:
        wave = max(reg[NEXT_US], (came_us[queue_id[reg[HEAD]]] // every_us + 1) * every_us)
        if wave >= end_us:
            break
        room = capacity if capacity > 0 else reg[TAIL] - reg[HEAD]
        while reg[HEAD] < reg[TAIL] and came_us[queue_id[reg[HEAD]]] < wave:
            customer = queue_id[reg[HEAD]]
            if reg[HEAD] + AHEAD < reg[TAIL]:
                touch(gone_us, queue_id[reg[HEAD] + AHEAD])
            if not 0 <= gone_us[customer] < wave:
                if room == 0:
                    reg[LEFT] += 1
                    break
                room -= 1
                out_id[taken] = customer
                out_at[taken] = wave
                taken += 1
            reg[HEAD] += 1
        reg[NEXT_US] = wave + every_us
    reg[TAKEN] = taken


def take_batch(
    ids: npt.NDArray[np.int32],
    at_us: npt.NDArray[np.int64],
    gone: npt.NDArray[np.bool_],
    limit_us: int,
    capacity: int,
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32], npt.NDArray[np.int64], int]:
    """One pick-up from a queue sorted by `at_us`: those at or before `limit_us` and not `gone`, at most `capacity`.

    Returns (ids taken, ids kept, their times, how many were in time but found no room). The gone that are in time are
    dropped.
    """
    in_time = int(np.searchsorted(at_us, limit_us, side="right"))
    here = np.flatnonzero(~gone[:in_time])
    room = len(here) if capacity == 0 else min(capacity, len(here))
    kept = here[room:]
    kept_id, kept_at = np.concatenate([ids[kept], ids[in_time:]]), np.concatenate([at_us[kept], at_us[in_time:]])
    return ids[here[:room]], kept_id, kept_at, len(kept)


class WaveStation:
    """Customers wait for the next wave. `came_us` and `gone_us` (int64, by customer id) may be strided columns."""

    def __init__(
        self,
        every_us: int,
        capacity: int,
        came_us: npt.NDArray[np.int64],
        gone_us: npt.NDArray[np.int64],
        fast: bool = False,
    ) -> None:
        self._every_us, self._capacity, self._came_us, self._gone_us = every_us, capacity, came_us, gone_us
        self._reg = np.zeros(8, dtype=np.int64)
        self._id = np.empty(64, dtype=np.int32)
        self._release = choose(release_waves, fast)

    @property
    def inside(self) -> npt.NDArray[np.int32]:
        """Ids of all who wait, the gone included."""
        return self._id[self._reg[HEAD] : self._reg[TAIL]]

    @property
    def left_behind(self) -> int:
        """How many waves left customers behind."""
        return int(self._reg[LEFT])

    def join(self, ids: npt.NDArray[np.int32]) -> None:
        """Customers arrive, in the order of `came_us`, at or after everything that arrived before."""
        head, tail, new = int(self._reg[HEAD]), int(self._reg[TAIL]), len(ids)
        if tail + new > len(self._id):
            self._id = with_room(self._id, head, tail, new)
            head, tail = 0, tail - head
        self._id[tail : tail + new] = ids
        self._reg[HEAD], self._reg[TAIL] = head, tail + new

    def release(self) -> None:
        """Give back the memory of the queue."""
        self._id = np.empty(0, dtype=np.int32)
        self._reg[HEAD] = self._reg[TAIL] = 0

    def release_until(self, end_us: int) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int64]]:
        """Run the waves before `end_us`; returns (ids, times) of those released, in order."""
        most = int(self._reg[TAIL] - self._reg[HEAD]) if self._reg[NEXT_US] < end_us else 0
        if self._capacity and most:
            most = min(
                most, self._capacity * (1 + end_us // self._every_us - int(self._reg[NEXT_US]) // self._every_us)
            )
        out_id, out_at = pages(most, np.int32), pages(most, np.int64)
        if most:
            columns = self._came_us, self._gone_us
            self._release(self._reg, self._id, *columns, self._every_us, self._capacity, end_us, out_id, out_at)
        taken = int(self._reg[TAKEN]) if most else 0
        head, tail = int(self._reg[HEAD]), int(self._reg[TAIL])
        if is_roomy(self._id, tail - head):
            self._id = moved(self._id, head, tail, 2 * (tail - head) + 64)
            self._reg[HEAD], self._reg[TAIL] = 0, tail - head
        return out_id[:taken], out_at[:taken]
