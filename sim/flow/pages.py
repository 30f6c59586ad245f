"""Arrays that are large for a while: straight from the system's pages, and back to them as a whole.

The C allocator keeps what was freed below some 32 MB, with holes between what is still used; queues that grow and
shrink would leave a run of ten million orders a tenth larger.
"""

from __future__ import annotations

import mmap
from contextlib import suppress
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

_T = TypeVar("_T", bound=np.generic)

_LEAST_BYTES = 1 << 20
_LEAST_ENTRIES = 1 << 16


def pages(count: int, dtype: npt.DTypeLike) -> npt.NDArray[Any]:
    """A zeroed array of `count`; where it is large, memory that is never touched costs nothing."""
    size = count * np.dtype(dtype).itemsize
    if size < _LEAST_BYTES:
        return np.zeros(count, dtype=dtype)
    private = {"flags": mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS} if hasattr(mmap, "MAP_ANONYMOUS") else {}
    block = mmap.mmap(-1, size, **private)
    if hasattr(mmap, "MADV_HUGEPAGE"):
        with suppress(OSError):  # a system built without huge pages
            block.madvise(mmap.MADV_HUGEPAGE)
    return np.frombuffer(block, dtype=dtype)


def moved(array: npt.NDArray[_T], head: int, tail: int, size: int) -> npt.NDArray[_T]:
    """The entries `head` to `tail` - 1 at the start of a new array of `size`."""
    larger: npt.NDArray[_T] = pages(size, array.dtype)
    larger[: tail - head] = array[head:tail]
    return larger


def with_room(array: npt.NDArray[_T], head: int, tail: int, new: int) -> npt.NDArray[_T]:
    """The entries `head` to `tail` - 1 at the start of an array with room for `new` more: the same where it can be."""
    used = tail - head
    if used + new > len(array) * 3 // 4:
        return moved(array, head, tail, max(2 * (used + new), 64))
    array[:used] = array[head:tail]
    return array


def is_roomy(array: npt.NDArray[_T], used: int) -> bool:
    """Whether a queue of `used` entries is worth moving out of so large an array."""
    return len(array) > max(_LEAST_ENTRIES, 4 * used)
