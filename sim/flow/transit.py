"""Delays read from quantile tables with whole-number arithmetic.

The table is that of `sim.scenario.quantiles`: 1025 entries, microseconds, linear between them.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from sim.flow.jit import kernel

CELL_SHIFT = 22  # 1024 cells of a 32-bit uniform
FRACTION_SHIFT = 2
FRACTION_BITS = 20
FRACTION_MASK = (1 << FRACTION_BITS) - 1


@kernel
def delay_us(table: npt.NDArray[np.int64], uniform: int) -> int:
    """The delay (us) at `uniform` / 2^32."""
    cell = uniform >> CELL_SHIFT
    fraction = (uniform >> FRACTION_SHIFT) & FRACTION_MASK
    low = int(table[cell])
    return low + (((int(table[cell + 1]) - low) * fraction) >> FRACTION_BITS)
