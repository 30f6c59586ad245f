"""Drawing durations so that the same seed gives the same bytes on every machine.

`exp` and `log` differ in the last bit from one processor or C library to the next. So a law's quantiles are tabulated
once, rounded to whole microseconds, and a uniform 32-bit number is read through that table with + and x alone.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from sim.arrays import Floats
from sim.demand.streams import uniform_u32

CELLS_LOG2 = 14
TAIL_LOG2 = 10
LIMIT_US = 2.0**53
PIECE = 1 << 15


@dataclass(frozen=True)
class QuantileTable:
    """Quantiles at k / 2^14 (`body_us`) and, inside the last cell, at 1024 finer steps (`tail_us`)."""

    body_us: Floats
    tail_us: Floats


class Quantiles(Hashable, Protocol):
    """Anything with quantiles: a law of durations or a kernel of delays."""

    def quantile(self, p: Floats) -> Floats:
        """The p-quantile."""


@lru_cache(maxsize=128)  # many contents have the same few laws, of half a megabyte together
def tabulate(law: Quantiles) -> QuantileTable:
    """The table of `law`, rounded to whole microseconds and cut at LIMIT_US.

    The last entry stands for quantile 1, which may be infinite: an eighth of the last cell from the end, where the
    straight line to it has an exponential tail's mean.
    """
    cells, steps = 1 << CELLS_LOG2, 1 << TAIL_LOG2
    body = np.arange(cells) / cells
    tail = 1 - (steps - np.arange(steps + 1.0)) / (steps * cells)
    tail[-1] = 1 - 1 / (8 * steps * cells)
    rounded = [np.minimum(np.rint(law.quantile(p)), LIMIT_US) for p in (body, tail)]
    return QuantileTable(np.append(rounded[0], rounded[1][0]), rounded[1])


def read(table: QuantileTable, uniform: npt.NDArray[np.uint32]) -> Floats:
    """Durations (us, not rounded) at `uniform` / 2^32, same shape: straight lines between table entries."""
    shift = 32 - CELLS_LOG2
    cell = uniform >> np.uint32(shift)
    rest = uniform & np.uint32((1 << shift) - 1)
    time_us = _line(table.body_us, cell, rest, shift)
    last = np.flatnonzero(cell == (1 << CELLS_LOG2) - 1)
    shift -= TAIL_LOG2
    fine = rest[last]
    time_us[last] = _line(table.tail_us, fine >> np.uint32(shift), fine & np.uint32((1 << shift) - 1), shift)
    return time_us


def _line(table: Floats, cell: npt.NDArray[np.uint32], rest: npt.NDArray[np.uint32], bits: int) -> Floats:
    low, time_us = table[cell], table[1:][cell]
    time_us -= low  # in place: memory that was touched just now is at hand
    time_us *= rest * 2.0**-bits
    time_us += low
    return time_us


def draw_us(rng: np.random.Generator, table: QuantileTable, size: int, dtype: str = "i8") -> npt.NDArray[Any]:
    """`size` durations in whole microseconds as `dtype`, cut at its largest value."""
    drawn = np.empty(size, dtype)
    limit = min(float(np.iinfo(drawn.dtype).max), LIMIT_US)
    for start in range(0, size, PIECE):  # temporaries stay inside the processor's cache
        stop = min(start + PIECE, size)
        time_us = read(table, uniform_u32(rng, stop - start))
        drawn[start:stop] = np.minimum(np.rint(time_us, out=time_us), limit, out=time_us)
    return drawn


def threshold_u32(share: float) -> int:
    """`share` of the uniform 32-bit numbers are below this: 0 none, 2^32 all."""
    return round(share * 2**32)


def chosen(rng: np.random.Generator, share: float, size: int) -> npt.NDArray[np.bool_]:
    """`size` independent yes/no draws, yes with probability `share`."""
    return uniform_u32(rng, size) < np.uint64(threshold_u32(share))


def steady(values: Floats, bits: int = 36) -> Floats:
    """`values` rounded to whole multiples of a power of two, `bits` below their largest.

    Tables computed with `exp` or `log` go through this: a difference in the last bit is rounded away.
    """
    top = float(np.max(np.abs(values), initial=0.0))
    if top == 0:
        return values
    unit = 2.0 ** (int(np.frexp(top)[1]) - bits)
    return np.asarray(np.rint(values / unit) * unit)
