"""Vectors in the terms of LLVM, for kernels of which numba's loops are compiled to single numbers.

A vector of so many numbers is what it is on any processor: LLVM makes of it what there are registers for.
"""

from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

INDEX, LANE = ir.IntType(64), ir.IntType(32)


def array_argument(context: Any, builder: Any, signature: Any, arguments: Any, which: int) -> Any:
    """Return an argument of an intrinsic as an array, with its `data` and `shape`."""
    return context.make_array(signature.args[which])(context, builder, arguments[which])


def place_in(builder: Any, array: Any, place: Any) -> Any:
    """Return a pointer to an element of a contiguous array, counted through all axes."""
    return builder.gep(array.data, [place])


def load(builder: Any, vector: ir.VectorType, pointer: Any, alignment: int) -> Any:
    """Return the vector that begins at a number."""
    loaded = builder.load(builder.bitcast(pointer, vector.as_pointer()))
    loaded.align = alignment
    return loaded


def store(builder: Any, vector: Any, pointer: Any, alignment: int) -> None:
    """Write a vector that begins at a number."""
    builder.store(vector, builder.bitcast(pointer, vector.type.as_pointer())).align = alignment


def repeat(builder: Any, vector: ir.VectorType, number: Any) -> Any:
    """Return a vector of one number."""
    first = builder.insert_element(ir.Constant(vector, ir.Undefined), number, ir.Constant(LANE, 0))
    return builder.shuffle_vector(
        first, first, ir.Constant(ir.VectorType(LANE, vector.count), [0] * vector.count)
    )


@intrinsic
def fetch(typing_context, array, place):
    """Have the processor fetch what is around an element of a contiguous array; only the speed depends on it."""
    signature = types.void(array, types.int64)

    def generate(context, builder, signature, arguments):
        byte_pointer = ir.IntType(8).as_pointer()
        pointer = place_in(builder, array_argument(context, builder, signature, arguments, 0), arguments[1])
        to_read, to_keep, data = (ir.Constant(LANE, which) for which in (0, 3, 1))
        kind = ir.FunctionType(ir.VoidType(), [byte_pointer, LANE, LANE, LANE])
        prefetch = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
        builder.call(prefetch, [builder.bitcast(pointer, byte_pointer), to_read, to_keep, data])
        return context.get_dummy_value()

    return signature, generate
