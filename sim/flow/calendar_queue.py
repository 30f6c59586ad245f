"""A calendar of future events for millions of them at once: bins by time, a sorted list, and a small heap.

An event is a time and a 34-bit key. Far events wait unsorted in the bin of their time (a linked list of blocks, each a
cache line of a count, a link and seven events); when the first event of a bin is due the bin is opened: sorted once.
Only what is scheduled into the open bin itself goes through a heap. Events leave in the order of time, then key. The
classic is Brown's calendar queue (CACM 31(10), 1988); the heap of the open bin makes it exact whatever the bin width.

Packed form of an event: `(time - start of its bin) << 34 | key`, so one comparison orders time and key.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from sim.flow.heap import heap_drop, heap_push, insertion_sort, shell_sort
from sim.flow.jit import choose, kernel
from sim.flow.pages import moved, pages
from sim.flow.structs import handle

KEY_BITS = 34
KEY_MASK = (1 << KEY_BITS) - 1
MAX_BIN_LOG2 = 29  # bins of at most 9 minutes: offset and key fill 63 bits
_FEWEST_BINS, _MOST_BINS = 1 << 10, 1 << 22
FAR = 1 << 58  # later than any time, and still whole when shifted by four bits
NO_EVENT = (1 << 63) - 1  # above every packed event

WIDTH_LOG2, OPEN_BIN, NEXT_BIN, NEAR_SIZE, SORTED_AT, SORTED_SIZE, FREE_BLOCK, FREE_BLOCKS, END_US = range(9)
CODE_BITS = 4  # the top bits of a key: what happens
BLOCK = 8  # words: the next block << 3 | how many events, then the events
PER_BLOCK = BLOCK - 1
_FEW, _MANY_IN_A_SLOT, _MOST_SLOTS_LOG2 = 256, 24, 13


class Calendar(Protocol):
    """The fields that the state of a kernel with a calendar must have.

    `cal` holds the scalars named above; `bins` the first block of each bin (-1: empty), `sizes`
    how many events it has. An empty heap begins with NO_EVENT, and so does what lies behind the sorted list.
    """

    @property
    def cal(self) -> npt.NDArray[np.int64]: ...

    @property
    def bins(self) -> npt.NDArray[np.int32]: ...

    @property
    def sizes(self) -> npt.NDArray[np.int32]: ...

    @property
    def pool(self) -> npt.NDArray[np.int64]: ...

    @property
    def near(self) -> npt.NDArray[np.int64]: ...

    @property
    def sorted(self) -> npt.NDArray[np.int64]: ...

    @property
    def slots(self) -> npt.NDArray[np.int32]: ...


_State = TypeVar("_State", bound=Any)


def new_calendar(end_us: int, room: int, events: int) -> dict[str, npt.NDArray[Any]]:
    """The fields of a calendar for about `events` events before `end_us`, with `room` free blocks to begin with."""
    width_log2, most = 10, min(max(events, _FEWEST_BINS), _MOST_BINS)
    while (end_us >> width_log2) >= most and width_log2 < MAX_BIN_LOG2:
        width_log2 += 1
    reg = np.zeros(16, dtype=np.int64)
    reg[WIDTH_LOG2], reg[OPEN_BIN], reg[NEXT_BIN], reg[END_US] = width_log2, -1, FAR, end_us
    reg[FREE_BLOCK], reg[FREE_BLOCKS] = 0, room
    bins = (end_us >> width_log2) + 2
    room = max(room, 1)
    firsts = pages(bins, np.int32)
    firsts[:] = -1
    return {
        "cal": reg,
        "bins": firsts,
        "sizes": pages(bins, np.int32),
        "pool": _free_blocks(0, room, -1),
        "near": np.full(room, NO_EVENT, dtype=np.int64),
        "sorted": np.full(room, NO_EVENT, dtype=np.int64),
        "slots": np.empty((1 << _MOST_SLOTS_LOG2) + 1, dtype=np.int32),
    }


def _free_blocks(first: int, count: int, last_link: int) -> npt.NDArray[np.int64]:
    """The words of free blocks `first`, `first` + 1 ..., each linked to the one behind it."""
    pool = pages(count * BLOCK, np.int64).reshape(count, BLOCK)
    pool[:, 0] = np.arange(first + 1, first + count + 1) << 3
    pool[-1, 0] = last_link << 3
    return pool.reshape(-1)


def grown(calendar: _State, blocks: int, near: int, to_sort: int) -> _State:
    """A state (a named tuple) with `blocks` free blocks, room for `near` in the heap and `to_sort` in a bin.

    It is returned as it is if it has all that. A bin is sorted with the help of the heap's room.
    """
    pool = calendar.pool
    extra = max(blocks - int(calendar.cal[FREE_BLOCKS]), 0)
    if extra:
        extra = max(extra, len(pool) // (2 * BLOCK))
        old = len(pool) // BLOCK
        fresh = _free_blocks(old, extra, int(calendar.cal[FREE_BLOCK]))
        pool = moved(pool, 0, len(pool), len(pool) + len(fresh))
        pool[-len(fresh) :] = fresh
        calendar.cal[FREE_BLOCK] = old
        calendar.cal[FREE_BLOCKS] += extra
    heap, in_order = _at_least(calendar.near, max(near, to_sort)), _at_least(calendar.sorted, to_sort)
    if pool is calendar.pool and heap is calendar.near and in_order is calendar.sorted:
        return calendar
    larger: _State = calendar._replace(pool=pool, near=heap, sorted=in_order)
    return larger


def shrunk(calendar: _State, free: int, fast: bool) -> _State:
    """The same state with a smaller pool, if that has far more blocks than are used and `free` more."""
    reg, blocks = calendar.cal, len(calendar.pool) // BLOCK
    room = 2 * (blocks - int(reg[FREE_BLOCKS])) + free
    if blocks < 2 * room:
        return calendar
    pool = _free_blocks(0, room, -1)
    used = choose(_repack, fast)(handle(calendar, fast), pool)
    reg[FREE_BLOCK], reg[FREE_BLOCKS] = used if used < room else -1, room - used
    smaller: _State = calendar._replace(pool=pool)
    return smaller


@kernel
def _repack(calendar: Calendar, pool: npt.NDArray[np.int64]) -> int:
    """Copy every block in use to the beginning of `pool`, bin by bin; returns how many they are."""
    used = 0
    for bin_ in range(len(calendar.bins)):
        block = int(calendar.bins[bin_])
        if block < 0:
            continue
        calendar.bins[bin_] = used
        while block >= 0:
            head = int(calendar.pool[block * BLOCK])
            for k in range(1, BLOCK):
                pool[used * BLOCK + k] = calendar.pool[block * BLOCK + k]
            block = head >> 3
            pool[used * BLOCK] = (used + 1 if block >= 0 else -1) << 3 | (head & 7)
            used += 1
    return used


def _at_least(array: npt.NDArray[np.int64], size: int) -> npt.NDArray[np.int64]:
    if len(array) >= size:
        return array
    return moved(array, 0, len(array), max(size, 2 * len(array)))


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
    pool = calendar.pool
    block = int(calendar.bins[bin_])
    if block < 0 or pool[block * BLOCK] & 7 == PER_BLOCK:
        fresh = int(reg[FREE_BLOCK])
        reg[FREE_BLOCK] = pool[fresh * BLOCK] >> 3
        reg[FREE_BLOCKS] -= 1
        pool[fresh * BLOCK] = block << 3
        calendar.bins[bin_] = fresh
        block = fresh
    pool[block * BLOCK] += 1
    pool[block * BLOCK + (pool[block * BLOCK] & 7)] = packed
    calendar.sizes[bin_] += 1
    if bin_ < reg[NEXT_BIN]:
        reg[NEXT_BIN] = bin_


@kernel
def next_packed(calendar: Calendar) -> int:
    """The next event of the open bin in packed form, NO_EVENT if it is used up."""
    return min(int(calendar.near[0]), int(calendar.sorted[calendar.cal[SORTED_AT]]))


@kernel
def next_due(calendar: Calendar, packed: int) -> int:
    """Time << 4 | code (the top bits of the key) of `next_packed`; if that is NO_EVENT, start of the next bin << 4."""
    reg = calendar.cal
    if packed != NO_EVENT:
        return int((reg[OPEN_BIN] << (reg[WIDTH_LOG2] + CODE_BITS)) + (packed >> (KEY_BITS - CODE_BITS)))
    if reg[NEXT_BIN] == FAR:
        return FAR << CODE_BITS
    return int(reg[NEXT_BIN] << (reg[WIDTH_LOG2] + CODE_BITS))


@kernel
def next_time(calendar: Calendar) -> int:
    """Time of the next event, or the start of the next bin with events if the open one is used up."""
    return next_due(calendar, next_packed(calendar)) >> CODE_BITS


@kernel
def next_key(calendar: Calendar) -> int:
    """Key of the next event of the open bin, -1 if a bin must be opened first (or there is none)."""
    packed = next_packed(calendar)
    if packed == NO_EVENT:
        return -1
    return packed & KEY_MASK


@kernel
def drop_next(calendar: Calendar) -> None:
    """Remove the event that `next_key` names."""
    reg = calendar.cal
    if calendar.sorted[reg[SORTED_AT]] <= calendar.near[0]:
        reg[SORTED_AT] += 1
        return
    reg[NEAR_SIZE] = heap_drop(calendar.near, reg[NEAR_SIZE])
    if reg[NEAR_SIZE] == 0:
        calendar.near[0] = NO_EVENT


@kernel
def bin_size(calendar: Calendar) -> int:
    """The room that `open_bin` needs in `sorted` and `near`: for the events of the next bin, and one."""
    return int(calendar.sizes[calendar.cal[NEXT_BIN]]) + 1


@kernel
def open_bin(calendar: Calendar) -> None:
    """Open the next bin with events: sort them. Call when the open bin is used up and the next bin's time has come."""
    reg = calendar.cal
    pool = calendar.pool
    count = 0
    bin_ = int(reg[NEXT_BIN])
    block = int(calendar.bins[bin_])
    while block >= 0:
        head = int(pool[block * BLOCK])
        for k in range(1, (head & 7) + 1):
            calendar.near[count] = pool[block * BLOCK + k]
            count += 1
        pool[block * BLOCK] = reg[FREE_BLOCK] << 3
        reg[FREE_BLOCK] = block
        reg[FREE_BLOCKS] += 1
        block = head >> 3
    calendar.sizes[bin_] = 0
    calendar.bins[bin_] = -1
    _sort_into(calendar, count)
    calendar.near[0] = NO_EVENT
    calendar.sorted[count] = NO_EVENT
    reg[OPEN_BIN] = bin_
    reg[SORTED_AT] = 0
    reg[SORTED_SIZE] = count
    last = len(calendar.bins)
    bin_ += 1
    while bin_ < last and calendar.bins[bin_] < 0:
        bin_ += 1
    reg[NEXT_BIN] = bin_ if bin_ < last else FAR


@kernel
def _sort_into(calendar: Calendar, count: int) -> None:
    """Sort the first `count` events of `near` into `sorted`.

    Many go first into slots by the leading bits of their times, where nearly all stand in order; crowded slots are
    sorted for themselves, and one pass of insertion sort does the rest.
    """
    near, events, slots = calendar.near, calendar.sorted, calendar.slots
    if count < _FEW:
        for k in range(count):
            events[k] = near[k]
        shell_sort(events, 0, count)
        return
    bits = 8
    while bits < _MOST_SLOTS_LOG2 and 1 << bits < count:
        bits += 1
    bits = min(bits, int(calendar.cal[WIDTH_LOG2]))
    shift = KEY_BITS + int(calendar.cal[WIDTH_LOG2]) - bits
    for slot in range((1 << bits) + 1):
        slots[slot] = 0
    for k in range(count):
        slots[(near[k] >> shift) + 1] += 1
    for slot in range(1 << bits):
        slots[slot + 1] += slots[slot]
    for k in range(count):
        slot = near[k] >> shift
        events[slots[slot]] = near[k]
        slots[slot] += 1
    begin = 0
    for slot in range(1 << bits):
        if slots[slot] - begin > _MANY_IN_A_SLOT:
            shell_sort(events, begin, slots[slot])
        begin = slots[slot]
    insertion_sort(events, 0, count)


def remove_where(calendar: Calendar, low_key: int, high_key: int, last_us: int = FAR) -> list[int]:
    """Remove every event with `low_key <= key < high_key`; returns their keys, unsorted.

    All of them lie at or before `last_us`. Rare: walks every bin up to then.
    """
    reg, removed = calendar.cal, []

    def strip(packed: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        keys = packed & KEY_MASK
        out = (keys >= low_key) & (keys < high_key)
        removed.extend(keys[out].tolist())
        return packed[~out]

    near = np.sort(strip(calendar.near[: reg[NEAR_SIZE]].copy()))  # sorted is a heap
    calendar.near[: len(near)] = near
    reg[NEAR_SIZE] = len(near)
    if not len(near):
        calendar.near[0] = NO_EVENT
    rest = strip(calendar.sorted[reg[SORTED_AT] : reg[SORTED_SIZE]].copy())
    calendar.sorted[: len(rest)] = rest
    calendar.sorted[len(rest)] = NO_EVENT
    reg[SORTED_AT], reg[SORTED_SIZE] = 0, len(rest)
    bins = (last_us >> int(reg[WIDTH_LOG2])) + 1
    for bin_ in np.flatnonzero(calendar.bins[:bins] >= 0).tolist():
        _strip_bin(calendar, bin_, strip)
    while reg[NEXT_BIN] != FAR and calendar.bins[reg[NEXT_BIN]] < 0:
        reg[NEXT_BIN] = reg[NEXT_BIN] + 1 if reg[NEXT_BIN] + 1 < len(calendar.bins) else FAR
    return removed


def _strip_bin(calendar: Calendar, bin_: int, strip: Callable[[npt.NDArray[np.int64]], npt.NDArray[np.int64]]) -> None:
    """Keep what `strip` leaves of a bin's events, in the blocks that it has; return the blocks left over."""
    reg, pool, blocks = calendar.cal, calendar.pool.reshape(-1, BLOCK), []
    block = int(calendar.bins[bin_])
    while block >= 0:
        blocks.append(block)
        block = int(pool[block, 0]) >> 3
    events = np.concatenate([pool[block, 1 : 1 + (int(pool[block, 0]) & 7)] for block in blocks])
    kept = strip(events)
    if len(kept) == len(events):
        return
    link = -1
    for start in range(0, len(kept), PER_BLOCK):
        block, part = blocks.pop(), kept[start : start + PER_BLOCK]
        pool[block, 0], pool[block, 1 : 1 + len(part)] = link << 3 | len(part), part
        link = block
    calendar.bins[bin_], calendar.sizes[bin_] = link, len(kept)
    for block in blocks:
        pool[block, 0] = int(reg[FREE_BLOCK]) << 3
        reg[FREE_BLOCK] = block
        reg[FREE_BLOCKS] += 1
