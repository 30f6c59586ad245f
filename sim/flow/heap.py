"""A binary heap of whole numbers in an array: the smallest first. The size is kept by the caller."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from sim.flow.jit import kernel

Heap = npt.NDArray[np.int64]


@kernel
def heap_push(heap: Heap, size: int, value: int) -> int:
    """Add `value` to a heap of `size` entries (room is the caller's business); returns the new size."""
    at = size
    while at > 0:
        above = (at - 1) >> 1
        if heap[above] <= value:
            break
        heap[at] = heap[above]
        at = above
    heap[at] = value
    return size + 1


@kernel
def heap_drop(heap: Heap, size: int) -> int:
    """Remove the smallest entry, `heap[0]`, of a heap of `size` > 0 entries; returns the new size."""
    size -= 1
    value = heap[size]
    at = 0
    below = 1
    while below < size:
        if below + 1 < size and heap[below + 1] < heap[below]:
            below += 1
        if heap[below] >= value:
            break
        heap[at] = heap[below]
        at = below
        below = 2 * at + 1
    heap[at] = value
    return size
