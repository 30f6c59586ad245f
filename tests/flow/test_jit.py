"""Kernels that kernels call."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sim.flow import jit
from sim.flow.jit import compiled, is_kept, kernel


@kernel
def _inner(units: int, more: int) -> int:
    return units * 3 - more


@kernel
def _outer(small: np.ndarray, bytes_: np.ndarray, large: np.ndarray) -> int:
    total = 0
    for k in range(len(small)):
        total += _inner(small[k], 5) + _inner(bytes_[k], large[k]) + _inner(k, int(small[k]))
    return total


def test_a_kernel_that_kernels_call_is_compiled_once_whatever_integers_it_is_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIVERUSH_CACHE", str(tmp_path))
    arrays = np.array([-(2**31), 2**31 - 1], np.int32), np.array([0, 255], np.uint8), np.array([-(2**40), 7], np.int64)
    with np.errstate(over="ignore"):
        assert compiled(_outer)(*arrays) == _outer(*(array.astype(np.int64) for array in arrays))
    assert len(vars(jit)["_inner"][_inner].overloads) == 1


def test_compiled_code_is_kept_on_disk_by_the_kernel_that_python_calls(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIVERUSH_CACHE", str(tmp_path))
    jit._compiled.pop(_outer, None)
    arrays = np.array([1], np.int32), np.array([2], np.uint8), np.array([3], np.int64)
    for hits in (0, 1):
        jit._compiled.pop(_outer, None)
        assert is_kept(_outer) == bool(hits)
        twin: Any = compiled(_outer)
        assert twin(*arrays) == _outer(*(array.astype(np.int64) for array in arrays))
        assert sum(twin.stats.cache_hits.values()) == hits
