"""Names of the arrays that functions take and return, where only what an entry is matters.

Kernels say the width of an entry where it is less than 8 bytes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
#: Of any type.
Column = npt.NDArray[Any]
