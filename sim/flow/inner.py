"""How numba compiles kernels. Those that only kernels call: one specialisation each, and no machine code of their own.

Left to itself, numba compiles such a function for every combination of types that its arguments come with (32 or 64
bits, a variable or a literal), optimises each together with all that it calls, makes machine code of it that nobody
calls, and does all that again one level up. Here its whole numbers arrive in 64 bits, and it stays as it was lowered
until the kernel that Python calls is optimised as a whole. That takes less than half the time.
"""

from __future__ import annotations

import gc
import types as python_types
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from numba.core import types
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import Compiler
from numba.core.registry import CPUDispatcher

from sim.flow.struct_type import type_of
from sim.flow.structs import Handle


class _NoEnvironments:
    """Stands for the place of machine code that has no place for what Python's calls need."""

    def set_env(self, name: str, env: Any) -> None:
        """Nothing: nobody reads it."""


class _InnerLibrary(JITCodeLibrary):
    """Code to be linked into that of its callers, who optimise it."""

    codegen = _NoEnvironments()

    def _optimize_final_module(self) -> None:
        pass

    def _finalize_final_module(self) -> None:
        self._finalize_dynamic_globals()
        self._finalized = True

    def get_pointer_to_function(self, name: str) -> int:
        """0: there is nothing to call."""
        self._ensure_finalized()
        return 0


class _InnerCompiler(Compiler):
    def define_pipelines(self) -> Any:
        """numba's own, with another place for the code."""
        library = _InnerLibrary(self.state.targetctx.codegen(), self.state.func_id.func_qualname)
        library.enable_object_caching()
        self.state.library = library
        return super().define_pipelines()


class _InnerDispatcher(CPUDispatcher):
    def get_call_template(self, args: Any, kws: Any) -> Any:
        """The types that arguments are turned into: integers and literals become int64."""
        return super().get_call_template(tuple(map(_widened, args)), {name: _widened(arg) for name, arg in kws.items()})


def _widened(argument: Any) -> Any:
    return types.int64 if isinstance(argument, types.Integer) else types.unliteral(argument)


class _OuterDispatcher(CPUDispatcher):
    _types_active_call: Any

    def typeof_pyval(self, val: Any) -> Any:
        """numba's own, which asks half a dozen functions for what a handle can tell by itself."""
        if type(val) is not Handle:
            return super().typeof_pyval(val)
        found = type_of(val)
        self._types_active_call.add(found)
        return found

    def compile(self, sig: Any) -> Any:
        """numba's own, without collecting garbage meanwhile: there is hardly any, and looking takes a seventh."""
        collecting = gc.isenabled()
        gc.disable()
        try:
            with _remembering():
                return super().compile(sig)
        finally:
            if collecting:
                gc.enable()


@contextmanager
def _remembering() -> Iterator[None]:
    """Meanwhile operators and builtin functions know what they give for types that they have met.

    numba tries every overload of `+` or `min` each time it meets one: six thousand times for a few hundred answers, a
    fifth of all compiling.
    """
    plain, known = types.Function.get_call_type, dict[Any, Any]()

    def get_call_type(self: Any, context: Any, args: Any, kws: Any) -> Any:
        if kws:
            return plain(self, context, args, kws)
        key = self, args
        if key not in known:
            known[key] = plain(self, context, args, kws)
        return known[key]

    types.Function.get_call_type = get_call_type  # type: ignore[method-assign]
    try:
        yield
    finally:
        types.Function.get_call_type = plain  # type: ignore[method-assign]


def outer(function: python_types.FunctionType, **options: Any) -> Any:
    """A numba dispatcher of `function` for Python to call, kept on disk."""
    dispatcher = _OuterDispatcher(function, targetoptions={"nopython": True, **options})
    dispatcher.enable_caching()
    return dispatcher


def inner(function: python_types.FunctionType, **options: Any) -> Any:
    """A numba dispatcher of `function` for other dispatchers to call, never for Python."""
    without = {"nopython": True, "no_cpython_wrapper": True, "no_cfunc_wrapper": True}
    return _InnerDispatcher(function, targetoptions={**without, **options}, pipeline_class=_InnerCompiler)
