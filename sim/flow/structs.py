"""Named tuples of arrays, handed to compiled kernels by reference.

A kernel takes its state as one named tuple. Compiled as such, every call would copy the descriptors of all its arrays (for the
front's fifty that costs minutes of compiling). `handle` gives the machine-code side a struct with the same
fields, passed as one pointer; plain Python keeps the named tuple. Both see the same memory.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import sys
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from sim.flow.jit import numba_ready

_Tuple = TypeVar("_Tuple", bound=tuple[Any, ...])


def handle(state: _Tuple, fast: bool) -> _Tuple:
    """`state` itself for plain Python; for compiled kernels a struct that shares its arrays (`fast`)."""
    if not fast:
        return state
    numba_ready()
    fields = state._asdict()  # type: ignore[attr-defined]
    for name, value in fields.items():
        if isinstance(value, tuple):
            fields[name] = handle(value, fast)
    changed: _Tuple = type(state)(**fields)
    struct: _Tuple = _packer(_struct_type(changed))(changed)
    return struct


def _struct_type(state: Any) -> Any:
    import numba

    fields = [(name, numba.typeof(value)) for name, value in state._asdict().items()]
    return _struct_class(type(state).__name__)(fields)


@cache
def _struct_class(name: str) -> Any:
    """A struct class for numba; a name of this module, so that compiled code kept on disk can find it."""
    from numba.core import types
    from numba.experimental import structref

    made = type(f"{name}Struct", (types.StructRef,), {"__module__": __name__})
    setattr(sys.modules[__name__], made.__name__, made)
    structref.register(made)
    structref.define_boxing(made, structref.StructRefProxy)
    return made


_packers: dict[str, Any] = {}


def _packer(struct_type: Any) -> Any:
    """A compiled function from the named tuple to the struct; its source is written where compiled code is kept."""
    key = hashlib.sha256(repr(struct_type).encode()).hexdigest()[:16]
    if key not in _packers:
        import numba

        path = Path(os.environ["NUMBA_CACHE_DIR"]) / f"pack_{key}.py"
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            partial = path.with_suffix(f".{os.getpid()}")
            partial.write_text(_source(list(struct_type.field_dict)))
            partial.replace(path)
        spec = importlib.util.spec_from_file_location(f"liverush_pack_{key}", path)
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[module.__name__] = module
        spec.loader.exec_module(module)
        module.__dict__["TYPE"] = struct_type
        _packers[key] = numba.njit(cache=True)(module.pack)
    return _packers[key]


def _source(fields: list[str]) -> str:
    body = "".join(f"    struct.{name} = state.{name}\n" for name in fields)
    head = "from numba.experimental import structref\n\nTYPE = None\n\n\ndef pack(state):\n"
    return f"{head}    struct = structref.new(TYPE)\n{body}    return struct\n"
