"""The luck of suppliers: a uniform number for each order, by the number of the order and not by when it is placed."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from sim.demand.streams import stream, uniform_u32


def lead_time_u32(seed: int, replication: int, name: str, number: int) -> int:
    """The `number`-th (0, 1, ...) uniform of stream `name`, in [0, 2^32).

    So strategies that order at other times or amounts meet the same luck with their n-th order of an item.
    """
    size = 1 << max(number, 15).bit_length()
    return int(_uniforms(seed, replication, name, size)[number])


@lru_cache(maxsize=1024)
def _uniforms(seed: int, replication: int, name: str, size: int) -> npt.NDArray[np.uint32]:
    return uniform_u32(stream(seed, replication, name), size)
