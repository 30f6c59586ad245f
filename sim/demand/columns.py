"""Filling long columns piece by piece, so that temporaries stay small."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from sim.arrays import Column
from sim.demand.drawing import QuantileTable, read
from sim.demand.streams import uniform_u32

CHUNK = 1 << 18
Uniform = npt.NDArray[np.uint32]


def filled(size: int, dtype: str, piece: Callable[[slice], Column]) -> Column:
    """A column of `size` rows made of `piece(rows)`, cut to what `dtype` holds."""
    column = np.empty(size, dtype)
    for start in range(0, size, CHUNK):
        rows = slice(start, min(start + CHUNK, size))
        column[rows] = piece(rows)
    return column


def distinct(values: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """The different values, rising. numpy's own `unique` hashes, ten times as slow where they nearly stand in order."""
    rising = np.sort(values)
    return np.asarray(rising[np.diff(rising, prepend=rising[:1] - 1) != 0])


def drawn(rng: np.random.Generator, size: int, dtype: str, use: Callable[[slice, Uniform], Column]) -> Column:
    """A column made of `use(rows, uniform)` with one uniform 32-bit number a row."""
    return filled(size, dtype, lambda rows: use(rows, uniform_u32(rng, rows.stop - rows.start)))


def durations(
    rng: np.random.Generator,
    tables: list[QuantileTable],
    size: int,
    dtype: str,
    least_us: int,
    which: Column | None = None,
) -> Column:
    """Whole microseconds, at least `least_us`: row i from `tables[which[i]]` (`which` None: from the only table)."""
    most = float(min(np.iinfo(dtype).max, 2**53))

    def use(rows: slice, uniform: Uniform) -> Column:
        if which is None:
            return np.clip(np.rint(read(tables[0], uniform)), least_us, most)
        found = np.empty(len(uniform))
        for number, table in enumerate(tables):
            mine = np.flatnonzero(which[rows] == number)
            found[mine] = read(table, uniform[mine])
        return np.clip(np.rint(found), least_us, most)

    return drawn(rng, size, dtype, use)
