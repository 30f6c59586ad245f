"""Named tuples of arrays, handed to compiled kernels as one pointer.

A kernel takes its state as one named tuple. Compiled as such, every call would copy the descriptors of all its arrays,
for the front's sixty at a cost of minutes of compiling. `handle` gives the machine-code side a pointer to a table of
the same fields instead. Plain Python keeps the named tuple, with its columns as memoryviews: read one at a time, an
array makes objects of its own that cost several times as much as Python's numbers. All see the same memory. The handle
keeps the arrays alive, so machine code counts no references to them.
"""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np

from sim.flow.jit import numba_ready

_Tuple = TypeVar("_Tuple", bound=tuple[Any, ...])


class Handle:
    """A table of addresses and shapes, and the arrays themselves to keep them alive."""

    def __init__(self, state: Any) -> None:
        words: list[int] = []
        for array in state:
            if not (array.flags.c_contiguous and array.flags.writeable):
                raise ValueError("a kernel's state needs contiguous arrays that can be written")
            words += [array.ctypes.data, *array.shape]
        self.state, self.table = state, np.array(words, dtype=np.int64)
        self.fields = tuple((name, array.dtype.str, array.ndim) for name, array in state._asdict().items())
        self.address = int(self.table.ctypes.data)
        self.type: Any = None  # numba's, once it is known


def handle(state: _Tuple, fast: bool) -> _Tuple:
    """What a kernel takes for `state`, sharing its arrays: with `fast` machine code, otherwise plain Python.

    Raises ValueError for an array that is not contiguous or cannot be written.
    """
    if not fast:
        return type(state)(*(memoryview(array) if array.ndim == 1 else array for array in state))
    numba_ready()
    import sim.flow.struct_type  # noqa: F401 - teaches numba what a Handle is

    return Handle(state)  # type: ignore[return-value]
