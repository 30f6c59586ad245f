"""A calendar of future events for millions of them at once: bins by time, a sorted list, and a small heap.

An event is a time and a 34-bit key. Far events wait unsorted in the bin of their time (a linked list of pool nodes);
when the first event of a bin is due the bin is opened: sorted once. Only what is scheduled into the open bin itself goes
through a heap. Events leave in the order of time, then key. The classic is Brown's calendar queue (CACM 31(10), 1988);
the heap of the open bin makes it exact whatever the bin width.

Packed form of an event: `(time - start of its bin) << 34 | key`, so one comparison orders time and key.
"""

from __future__ import annotations

from typing import Any, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from sim.flow.heap import heap_drop, heap_push
from sim.flow.jit import kernel

KEY_BITS = 34
KEY_MASK = (1 << KEY_BITS) - 1
MAX_BIN_LOG2 = 29  # bins of at most 9 minutes: offset and key fill 63 bits
_FEWEST_BINS, _MOST_BINS = 1 << 10, 1 << 22
FAR = 1 << 58  # later than any time, and still whole when shifted by four bits
NO_EVENT = (1 << 63) - 1  # above every packed event

WIDTH_LOG2, OPEN_BIN, NEXT_BIN, NEAR_SIZE, SORTED_AT, SORTED_SIZE, FREE_NODE, FREE_COUNT, END_US = range(9)


class Calendar(Protocol):
    """The fields that the state of a kernel with a calendar must have.

    `cal` holds the scalars named above; `bins` the first node of each bin (-1: empty).
    """

    cal: npt.NDArray[np.int64]
    bins: npt.NDArray[np.int32]
    pool: npt.NDArray[np.int64]
    follow: npt.NDArray[np.int32]
    near: npt.NDArray[np.int64]
    sorted: npt.NDArray[np.int64]


_State = TypeVar("_State", bound=Any)


def new_calendar(end_us: int, room: int, events: int) -> dict[str, npt.NDArray[Any]]:
    """The fields of a calendar for some number of `events` before `end_us`, with room for `room` in the bins and in the open bin."""
    width_log2, most = 10, min(max(events, _FEWEST_BINS), _MOST_BINS)
    while (end_us >> width_log2) >= most and width_log2 < MAX_BIN_LOG2:
        width_log2 += 1
    reg = np.zeros(16, dtype=np.int64)
    reg[WIDTH_LOG2], reg[OPEN_BIN], reg[NEXT_BIN], reg[END_US] = width_log2, -1, FAR, end_us
    reg[FREE_NODE], reg[FREE_COUNT] = 0, room
    follow = np.arange(1, room + 1, dtype=np.int32)
    follow[-1] = -1
    return {
        "cal": reg,
        "bins": np.full((end_us >> width_log2) + 2, -1, dtype=np.int32),
        "pool": np.empty(room, dtype=np.int64),
        "follow": follow,
        "near": np.empty(room, dtype=np.int64),
        "sorted": np.empty(room, dtype=np.int64),
    }


def grown(calendar: _State, nodes: int, near: int, to_sort: int) -> _State:
    """The same state, a named tuple, with room for at least `nodes` free far events, `near` in the heap, `to_sort` in a bin."""
    pool, follow = calendar.pool, calendar.follow
    extra = max(nodes - int(calendar.cal[FREE_COUNT]), 0)
    if extra:
        extra = max(extra, len(pool) // 2)
        old = len(pool)
        pool = np.concatenate([pool, np.empty(extra, dtype=np.int64)])
        follow = np.concatenate([follow, np.arange(old + 1, old + extra + 1, dtype=np.int32)])
        follow[-1] = calendar.cal[FREE_NODE]
        calendar.cal[FREE_NODE] = old
        calendar.cal[FREE_COUNT] += extra
    return calendar._replace(
        pool=pool, follow=follow, near=_at_least(calendar.near, near), sorted=_at_least(calendar.sorted, to_sort)
    )


def _at_least(array: npt.NDArray[np.int64], size: int) -> npt.NDArray[np.int64]:
    if len(array) >= size:
        return array
    larger = np.empty(max(size, 2 * len(array)), dtype=np.int64)
    larger[: len(array)] = array
    return larger


@kernel
def schedule(calendar: Calendar, time_us: int, key: int) -> None:
    """Add an event at `time_us` >= now; events at or after the calendar's end are dropped."""
    reg = calendar.cal
    if time_us >= reg[END_US]:
        return
    width = reg[WIDTH_LOG2]
    bin_ = time_us >> width
    packed = ((time_us - (bin_ << width)) << KEY_BITS) | key
    if bin_ <= reg[OPEN_BIN]:
        reg[NEAR_SIZE] = heap_push(calendar.near, reg[NEAR_SIZE], packed)
        return
    node = reg[FREE_NODE]
    reg[FREE_NODE] = calendar.follow[node]
    reg[FREE_COUNT] -= 1
    calendar.pool[node] = packed
    calendar.follow[node] = calendar.bins[bin_]
    calendar.bins[bin_] = node
    if bin_ < reg[NEXT_BIN]:
        reg[NEXT_BIN] = bin_


@kernel
def next_time(calendar: Calendar) -> int:
    """Time of the next event, or the start of the next bin with events if the open one is used up."""
    reg = calendar.cal
    packed = NO_EVENT
    if reg[NEAR_SIZE] > 0:
        packed = calendar.near[0]
    if reg[SORTED_AT] < reg[SORTED_SIZE] and calendar.sorted[reg[SORTED_AT]] < packed:
        packed = calendar.sorted[reg[SORTED_AT]]
    if packed != NO_EVENT:
        return (reg[OPEN_BIN] << reg[WIDTH_LOG2]) + (packed >> KEY_BITS)
    if reg[NEXT_BIN] == FAR:
        return FAR
    return reg[NEXT_BIN] << reg[WIDTH_LOG2]


@kernel
def next_key(calendar: Calendar) -> int:
    """Key of the next event of the open bin, -1 if a bin must be opened first (or there is none)."""
    reg = calendar.cal
    packed = NO_EVENT
    if reg[NEAR_SIZE] > 0:
        packed = calendar.near[0]
    if reg[SORTED_AT] < reg[SORTED_SIZE] and calendar.sorted[reg[SORTED_AT]] < packed:
        packed = calendar.sorted[reg[SORTED_AT]]
    if packed == NO_EVENT:
        return -1
    return packed & KEY_MASK


@kernel
def drop_next(calendar: Calendar) -> None:
    """Remove the event that `next_key` names."""
    reg = calendar.cal
    in_sorted = reg[SORTED_AT] < reg[SORTED_SIZE]
    if in_sorted and (reg[NEAR_SIZE] == 0 or calendar.sorted[reg[SORTED_AT]] < calendar.near[0]):
        reg[SORTED_AT] += 1
    else:
        reg[NEAR_SIZE] = heap_drop(calendar.near, reg[NEAR_SIZE])


@kernel
def bin_size(calendar: Calendar) -> int:
    """How many events wait in the next bin: the room that `open_bin` needs in `sorted`."""
    count = 0
    node = calendar.bins[calendar.cal[NEXT_BIN]]
    while node >= 0:
        count += 1
        node = calendar.follow[node]
    return count


@kernel
def open_bin(calendar: Calendar) -> None:
    """Open the next bin with events: sort them. Call when the open bin is used up and the next bin's time has come."""
    reg = calendar.cal
    count = 0
    bin_ = reg[NEXT_BIN]
    node = calendar.bins[bin_]
    while node >= 0:
        calendar.sorted[count] = calendar.pool[node]
        count += 1
        after = calendar.follow[node]
        calendar.follow[node] = reg[FREE_NODE]
        reg[FREE_NODE] = node
        node = after
    calendar.bins[bin_] = -1
    calendar.sorted[:count].sort()
    reg[FREE_COUNT] += count
    reg[OPEN_BIN] = bin_
    reg[SORTED_AT] = 0
    reg[SORTED_SIZE] = count
    last = len(calendar.bins)
    bin_ += 1
    while bin_ < last and calendar.bins[bin_] < 0:
        bin_ += 1
    reg[NEXT_BIN] = bin_ if bin_ < last else FAR


def remove_where(calendar: Calendar, low_key: int, high_key: int) -> list[int]:
    """Remove every event with `low_key <= key < high_key`; returns their keys, unsorted. Rare: walks everything."""
    reg, removed = calendar.cal, []

    def strip(packed: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        keys = packed & KEY_MASK
        out = (keys >= low_key) & (keys < high_key)
        removed.extend(keys[out].tolist())
        return packed[~out]

    near = np.sort(strip(calendar.near[: reg[NEAR_SIZE]].copy()))  # sorted is a heap
    calendar.near[: len(near)] = near
    reg[NEAR_SIZE] = len(near)
    rest = strip(calendar.sorted[reg[SORTED_AT] : reg[SORTED_SIZE]].copy())
    calendar.sorted[: len(rest)] = rest
    reg[SORTED_AT], reg[SORTED_SIZE] = 0, len(rest)
    for bin_ in np.flatnonzero(calendar.bins >= 0).tolist():
        removed.extend(_strip_bin(calendar, bin_, low_key, high_key))
    while reg[NEXT_BIN] != FAR and calendar.bins[reg[NEXT_BIN]] < 0:
        reg[NEXT_BIN] = reg[NEXT_BIN] + 1 if reg[NEXT_BIN] + 1 < len(calendar.bins) else FAR
    return removed


def _strip_bin(calendar: Calendar, bin_: int, low_key: int, high_key: int) -> list[int]:
    removed, before, node = [], -1, int(calendar.bins[bin_])
    while node >= 0:
        key, after = int(calendar.pool[node]) & KEY_MASK, int(calendar.follow[node])
        if low_key <= key < high_key:
            removed.append(key)
            if before < 0:
                calendar.bins[bin_] = after
            else:
                calendar.follow[before] = after
            calendar.follow[node] = calendar.cal[FREE_NODE]
            calendar.cal[FREE_NODE] = node
            calendar.cal[FREE_COUNT] += 1
        else:
            before = node
        node = after
    return removed
