"""What numba must know of a `Handle`: its type, how it enters machine code, and how a field is read from its table."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.core.extending import NativeValue, intrinsic, models, register_model, typeof_impl, unbox
from numba.core.imputils import lower_getattr_generic
from numba.core.typing.templates import AttributeTemplate, infer_getattr
from numba.np import arrayobj, numpy_support

from sim.flow.structs import Handle

_WORD_BYTES = 8


class StateType(types.Type):
    """The type of a handle: names, dtypes and dimensions of its fields."""

    def __init__(self, fields: tuple[tuple[str, str, int], ...]) -> None:
        self.fields = fields
        super().__init__(name=f"State({fields})")

    def place(self, attribute: str) -> tuple[int, Any]:
        """(first word of a field in the table, its array type); raises KeyError."""
        word = 0
        for name, dtype, dimensions in self.fields:
            if name == attribute:
                return word, types.Array(numpy_support.from_dtype(np.dtype(dtype)), dimensions, "C")
            word += 1 + dimensions
        raise KeyError(attribute)


@register_model(StateType)
class _StateModel(models.PrimitiveModel):
    def __init__(self, manager: Any, state_type: StateType) -> None:
        super().__init__(manager, state_type, ir.IntType(8 * _WORD_BYTES).as_pointer())


def type_of(handle: Handle) -> StateType:
    """The type of a handle, which keeps it: kernels are called thousands of times."""
    if handle.type is None:
        handle.type = _type_of(handle.fields)
    found: StateType = handle.type
    return found


@typeof_impl.register(Handle)
def _typeof_handle(value: Handle, _context: Any) -> StateType:
    return type_of(value)


@cache
def _type_of(fields: tuple[tuple[str, str, int], ...]) -> StateType:
    return StateType(fields)


@unbox(StateType)
def _unbox_handle(state_type: StateType, value: Any, c: Any) -> NativeValue:
    number = c.pyapi.object_getattr_string(value, "address")
    address = c.pyapi.long_as_voidptr(number)
    c.pyapi.decref(number)
    return NativeValue(c.builder.bitcast(address, c.context.get_value_type(state_type)))


@infer_getattr
class _StateFields(AttributeTemplate):
    key = StateType

    def generic_resolve(self, state_type: StateType, attribute: str) -> Any:
        try:
            return state_type.place(attribute)[1]
        except KeyError:
            return None


@lower_getattr_generic(StateType)
def _read_field(context: Any, builder: Any, state_type: StateType, value: Any, attribute: str) -> Any:
    """An array over the field's memory, without an owner: nothing is counted."""
    word, array_type = state_type.place(attribute)

    def load(index: int) -> Any:
        word = builder.load(cgutils.gep_inbounds(builder, value, index))
        word.set_metadata("invariant.load", builder.module.add_metadata([]))  # a kernel's table never changes in a call
        return word

    shape = [load(word + 1 + k) for k in range(array_type.ndim)]
    item_bytes = context.get_constant(types.intp, context.get_abi_sizeof(context.get_data_type(array_type.dtype)))
    strides = [item_bytes]
    for length in reversed(shape[1:]):
        strides.insert(0, builder.mul(strides[0], length))
    array = arrayobj.make_array(array_type)(context, builder)
    data = builder.inttoptr(load(word), context.get_data_type(array_type.dtype).as_pointer())
    arrayobj.populate_array(array, data=data, shape=shape, strides=strides, itemsize=item_bytes, meminfo=None)
    return array._getvalue()


@intrinsic
def touch_row(_context: Any, array: Any, row: Any) -> Any:
    """The machine-code twin of `sim.flow.jit.touch`: one prefetch instruction."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        fields = arrayobj.make_array(signature.args[0])(context, builder, values[0])
        index = context.cast(builder, values[1], signature.args[1], types.intp)
        stride = builder.extract_value(fields.strides, 0)
        pointer = builder.gep(builder.bitcast(fields.data, cgutils.voidptr_t), [builder.mul(index, stride)])
        word = ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [cgutils.voidptr_t, word, word, word])
        fetch = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
        builder.call(fetch, [pointer, word(1), word(3), word(1)])
        return context.get_dummy_value()

    return types.void(array, row), generate
