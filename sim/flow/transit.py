"""Delays read from quantile tables with whole-number arithmetic: one at a time in kernels, in columns elsewhere.

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


def delays_us(table: npt.NDArray[np.int64], uniforms: npt.NDArray[np.uint32]) -> npt.NDArray[np.int64]:
    """`delay_us` of every entry of `uniforms`, int64 of the same shape."""
    cell = uniforms >> np.uint32(CELL_SHIFT)
    fraction = ((uniforms >> np.uint32(FRACTION_SHIFT)) & np.uint32(FRACTION_MASK)).astype(np.int64)
    low = table[cell]
    result: npt.NDArray[np.int64] = low + (((table[cell + 1] - low) * fraction) >> FRACTION_BITS)
    return result
