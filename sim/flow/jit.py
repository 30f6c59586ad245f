"""One source a kernel: plain Python for small runs, machine code by numba for large ones.

A kernel is a function over arrays and integers marked with `@kernel`. As it stands it runs in CPython, so a small run
waits for no compiler. `compiled(function)` gives its machine-code twin: the same source, with the kernels that it calls
compiled first. Compiled code is kept on disk under a name made of the code itself and all that it calls, so that it can
never be stale.
"""

from __future__ import annotations

import hashlib
import marshal
import os
import types
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

_F = TypeVar("_F", bound=Callable[..., Any])
_kernels: set[Callable[..., Any]] = set()
_compiled: dict[Callable[..., Any], Callable[..., Any]] = {}
_inner: dict[Callable[..., Any], Callable[..., Any]] = {}


def touch(array: Any, row: int) -> None:
    """Ask the processor to fetch a row of an array that is needed soon; in plain Python nothing.

    A run of ten million orders misses the cache at every step from one order to the next; fetched ahead, the misses
    overlap. Its machine-code twin is in `sim.flow.struct_type`.
    """


def kernel(function: _F) -> _F:
    """Mark a function as a kernel: arrays, integers and named tuples of them only, no objects."""
    _kernels.add(function)
    return function


def compiled(function: _F) -> _F:
    """The machine-code twin of a kernel; compiled at its first call unless it is kept on disk."""
    if function not in _compiled:
        _compiled[function] = _compile(function, inner=False)
    return _compiled[function]  # type: ignore[return-value]


def is_kept(function: Callable[..., Any]) -> bool:
    """Whether machine code of a kernel, as it stands, lies on disk."""
    assert isinstance(function, types.FunctionType)
    return function in _compiled or any((_cache_folder() / _identity(function)).rglob("*.nbc"))


def _called(function: Callable[..., Any]) -> Callable[..., Any]:
    """The twin of a kernel for other kernels to call. It goes into their code and is not kept on disk by itself."""
    if function not in _inner:
        _inner[function] = _compile(function, inner=True)
    return _inner[function]


_kernels.add(touch)


def choose(function: _F, fast: bool) -> _F:
    """The compiled twin if `fast`, otherwise the function itself."""
    return compiled(function) if fast else function


def _compile(function: Callable[..., Any], inner: bool) -> Callable[..., Any]:
    numba = numba_ready()
    if function is touch:
        from sim.flow.struct_type import touch_row

        twin_of_touch: Callable[..., Any] = touch_row
        return twin_of_touch
    assert isinstance(function, types.FunctionType)
    names = dict(function.__globals__)
    for callee in _callees(function):
        names[callee.__name__] = _called(callee)
    twin = types.FunctionType(function.__code__, names, function.__name__, function.__defaults__)
    twin.__qualname__ = function.__qualname__
    from sim.flow.inner import inner as inner_twin
    from sim.flow.inner import outer as outer_twin

    numba.config.CACHE_DIR = str(_cache_folder() / _identity(function))
    result: Callable[..., Any] = (inner_twin if inner else outer_twin)(twin, error_model="numpy")
    return result


def _callees(function: types.FunctionType) -> list[types.FunctionType]:
    """The kernels that a kernel names."""
    named = (function.__globals__.get(name) for name in function.__code__.co_names)
    return [callee for callee in named if isinstance(callee, types.FunctionType) and callee in _kernels]


@cache
def _identity(function: types.FunctionType) -> str:
    """A name for a kernel's code, its constants and every kernel it calls; numba looks only at its own file."""
    digest = hashlib.sha256(marshal.dumps(function.__code__))
    for name in function.__code__.co_names:
        value = function.__globals__.get(name)
        if isinstance(value, int):
            digest.update(f"{name}={int(value)};".encode())
    for callee in _callees(function):
        digest.update(_identity(callee).encode())
    for how in ("struct_type.py", "inner.py"):
        digest.update(Path(__file__).with_name(how).read_bytes())
    return digest.hexdigest()[:16]


def _cache_folder() -> Path:
    base = os.environ.get("LIVERUSH_CACHE")
    return (Path(base) if base else Path.home() / ".cache" / "liverush") / "kernels"


def numba_ready() -> types.ModuleType:
    """Import numba, which takes about half a second."""
    import numba

    return numba
