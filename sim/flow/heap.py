"""A binary heap of whole numbers in an array: the smallest first. The size is kept by the caller. And two sorts."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from sim.flow.jit import kernel

Heap = npt.NDArray[np.int64]


@kernel
def _rise(heap: Heap, at: int, value: int) -> None:
    """Put `value` into the hole `at`, or above it as far as larger entries stand there."""
    while at > 0:
        above = (at - 1) >> 1
        if heap[above] <= value:
            break
        heap[at] = heap[above]
        at = above
    heap[at] = value


@kernel
def heap_push(heap: Heap, size: int, value: int) -> int:
    """Add `value` to a heap of `size` entries (room is the caller's business); returns the new size."""
    _rise(heap, size, value)
    return size + 1


@kernel
def heap_replace(heap: Heap, size: int, value: int) -> None:
    """Put `value` in place of the smallest entry of a heap of `size` > 0 entries: quicker than a drop and a push."""
    at = 0
    below = 2
    while below < size:
        below -= int(heap[below - 1] < heap[below])
        heap[at] = heap[below]
        at = below
        below = 2 * at + 2
    if below == size:
        heap[at] = heap[size - 1]
        at = size - 1
    _rise(heap, at, value)


@kernel
def heap_drop(heap: Heap, size: int) -> int:
    """Remove the smallest entry, `heap[0]`, of a heap of `size` > 0 entries; returns the new size.

    Bottom-up (Wegener 1993): the hole sinks to a leaf along the smaller children, chosen without a branch that the
    processor would mispredict half the time; the last entry then rises from there, seldom far.
    """
    size -= 1
    value = heap[size]
    at = 0
    below = 2
    while below < size:
        below -= int(heap[below - 1] < heap[below])
        heap[at] = heap[below]
        at = below
        below = 2 * at + 2
    if below == size and size > 1:
        heap[at] = heap[size - 1]
        at = size - 1
    _rise(heap, at, value)
    return size


@kernel
def insertion_sort(values: npt.NDArray[np.signedinteger], start: int, end: int) -> None:
    """Sort `values[start:end]` in place: quick where nearly all stand in order, and nothing is allocated."""
    for k in range(start + 1, end):
        value = values[k]
        at = k
        while at > start and values[at - 1] > value:
            values[at] = values[at - 1]
            at -= 1
        values[at] = value


@kernel
def shell_sort(values: npt.NDArray[np.signedinteger], start: int, end: int) -> None:
    """Sort `values[start:end]` in place (Shell 1959, gaps of Knuth 1973): for stretches in no order.

    numba's own sort is as quick, but takes a tenth of all compiling.
    """
    gap = 1
    while gap < (end - start) // 3:
        gap = 3 * gap + 1
    while gap > 0:
        for k in range(start + gap, end):
            value = values[k]
            at = k
            while at >= start + gap and values[at - gap] > value:
                values[at] = values[at - gap]
                at -= gap
            values[at] = value
        gap //= 3
