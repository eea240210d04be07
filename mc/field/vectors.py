"""Vectors of numbers side by side, as values in kernels: numba's own loops are often compiled to single numbers.

A vector is LANES numbers of one kind, whatever registers there are; LLVM makes of it what the processor has. It can
be read from an array and written to one, added, subtracted, and multiplied with a number.
"""

import operator
from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.core.datamodel import models
from numba.extending import intrinsic, overload, register_model

LANES = 8
"""Numbers in a vector."""

INDEX, LANE = ir.IntType(64), ir.IntType(32)

_KINDS = {
    types.float32: ir.FloatType(),
    types.float64: ir.DoubleType(),
    types.int32: LANE,
    types.int64: INDEX,
}


class Vector(types.Type):
    """What numba knows a vector by; `kind`: of its numbers."""

    def __init__(self, kind: Any) -> None:
        self.kind = kind
        super().__init__(name=f"Vector({kind})")

    def in_llvm(self) -> ir.VectorType:
        """Return the type of its values."""
        return ir.VectorType(_KINDS[self.kind], LANES)


@register_model(Vector)
class _VectorModel(models.PrimitiveModel):
    def __init__(self, manager: Any, vector: Vector) -> None:
        super().__init__(manager, vector, vector.in_llvm())


def array_argument(context: Any, builder: Any, signature: Any, arguments: Any, which: int) -> Any:
    """Return an argument of an intrinsic as an array, with its `data` and `shape`."""
    return context.make_array(signature.args[which])(context, builder, arguments[which])


def place_in(builder: Any, array: Any, place: Any) -> Any:
    """Return a pointer to an element of a contiguous array, counted through all axes."""
    return builder.gep(array.data, [place])


# --- arithmetic ---


def _arithmetic(instruction: str) -> Any:
    @intrinsic
    def combine(typing_context, one, other):
        def generate(context, builder, signature, arguments):
            return getattr(builder, instruction)(*arguments)

        return one(one, other), generate

    return combine


_add, _subtract = _arithmetic("fadd"), _arithmetic("fsub")


@intrinsic
def _multiply(typing_context, number, vector):
    def generate(context, builder, signature, arguments):
        repeated = _repeat(builder, vector.in_llvm(), arguments[0])
        return builder.fmul(repeated, arguments[1])

    return vector(vector.kind, vector), generate


def _repeat(builder: Any, vector: ir.VectorType, number: Any) -> Any:
    first = builder.insert_element(ir.Constant(vector, ir.Undefined), number, ir.Constant(LANE, 0))
    return builder.shuffle_vector(first, first, ir.Constant(ir.VectorType(LANE, LANES), [0] * LANES))


@overload(operator.add)
def _overload_add(one, other):
    return (lambda one, other: _add(one, other)) if isinstance(one, Vector) and one == other else None


@overload(operator.sub)
def _overload_subtract(one, other):
    return (lambda one, other: _subtract(one, other)) if isinstance(one, Vector) and one == other else None


@overload(operator.mul)
def _overload_multiply(number, vector):
    is_scaling = isinstance(vector, Vector) and isinstance(number, types.Float)
    return (lambda number, vector: _multiply(number, vector)) if is_scaling else None


# --- from arrays and to them ---


@intrinsic
def load(typing_context, array, place):
    """Return the vector that begins at a place in a contiguous array."""
    vector = Vector(array.dtype)

    def generate(context, builder, signature, arguments):
        pointer = place_in(builder, array_argument(context, builder, signature, arguments, 0), arguments[1])
        return _read(builder, vector, pointer)

    return vector(array, types.int64), generate


@intrinsic
def store(typing_context, vector, array, place):
    """Write a vector to where a place in a contiguous array is."""

    def generate(context, builder, signature, arguments):
        pointer = place_in(builder, array_argument(context, builder, signature, arguments, 1), arguments[2])
        _write(builder, vector, arguments[0], pointer)
        return context.get_dummy_value()

    return types.void(vector, array, types.int64), generate


def read(builder: Any, vector: ir.VectorType, pointer: Any, alignment: int) -> Any:
    """Return the vector that begins at a number, in the terms of LLVM; `alignment`: bytes of a number."""
    loaded = builder.load(builder.bitcast(pointer, vector.as_pointer()))
    loaded.align = alignment
    return loaded


def _read(builder: Any, vector: Vector, pointer: Any) -> Any:
    return read(builder, vector.in_llvm(), pointer, vector.kind.bitwidth // 8)


def _write(builder: Any, vector: Vector, value: Any, pointer: Any) -> None:
    stored = builder.store(value, builder.bitcast(pointer, vector.in_llvm().as_pointer()))
    stored.align = vector.kind.bitwidth // 8


@intrinsic
def load_rows(typing_context, array, places, first, moved):
    """Return a vector of each of LANES rows, as a tuple.

    Each begins `moved` after the place of its row; these are the places from the `first` on.
    """
    vector = Vector(array.dtype)

    def generate(context, builder, signature, arguments):
        source = array_argument(context, builder, signature, arguments, 0)
        rows = [
            _read(builder, vector, place_in(builder, source, place))
            for place in _places_of_rows(context, builder, signature, arguments, 1)
        ]
        return context.make_tuple(builder, signature.return_type, rows)

    return types.UniTuple(vector, LANES)(array, places, types.int64, types.int64), generate


@intrinsic
def store_rows(typing_context, rows, array, places, first, moved):
    """Write a vector to each of LANES rows, see `load_rows`."""

    def generate(context, builder, signature, arguments):
        target = array_argument(context, builder, signature, arguments, 1)
        for which, place in enumerate(_places_of_rows(context, builder, signature, arguments, 2)):
            row = builder.extract_value(arguments[0], which)
            _write(builder, rows.dtype, row, place_in(builder, target, place))
        return context.get_dummy_value()

    return types.void(rows, array, places, types.int64, types.int64), generate


def _places_of_rows(context: Any, builder: Any, signature: Any, arguments: Any, which: int) -> list[Any]:
    """Return where the rows begin; the arguments from `which` on are the places, the first one and `moved`."""
    places = array_argument(context, builder, signature, arguments, which)
    first, moved = arguments[which + 1 : which + 3]
    lanes = [builder.add(first, ir.Constant(INDEX, lane)) for lane in range(LANES)]
    return [builder.add(builder.load(place_in(builder, places, lane)), moved) for lane in lanes]


@intrinsic
def load_square(typing_context, array, place):
    """Return LANES vectors, one after another from a place in a contiguous array on, as a tuple."""
    vector = Vector(array.dtype)

    def generate(context, builder, signature, arguments):
        source = array_argument(context, builder, signature, arguments, 0)
        pointers = _places_of_square(builder, source, arguments[1])
        vectors = [_read(builder, vector, pointer) for pointer in pointers]
        return context.make_tuple(builder, signature.return_type, vectors)

    return types.UniTuple(vector, LANES)(array, types.int64), generate


@intrinsic
def store_square(typing_context, vectors, array, place):
    """Write LANES vectors, one after another from a place in a contiguous array on."""

    def generate(context, builder, signature, arguments):
        target = array_argument(context, builder, signature, arguments, 1)
        for which, pointer in enumerate(_places_of_square(builder, target, arguments[2])):
            _write(builder, vectors.dtype, builder.extract_value(arguments[0], which), pointer)
        return context.get_dummy_value()

    return types.void(vectors, array, types.int64), generate


def _places_of_square(builder: Any, array: Any, place: Any) -> list[Any]:
    return [place_in(builder, array, builder.add(place, ir.Constant(INDEX, k * LANES))) for k in range(LANES)]


@intrinsic
def scale(typing_context, vectors, factor):
    """Return LANES vectors, of integers or of the factor's kind, times a factor."""
    vector = Vector(factor)

    def generate(context, builder, signature, arguments):
        scaled = [builder.extract_value(arguments[0], which) for which in range(LANES)]
        if isinstance(vectors.dtype.kind, types.Integer):
            scaled = [builder.sitofp(value, vector.in_llvm()) for value in scaled]
        repeated = _repeat(builder, vector.in_llvm(), arguments[1])
        scaled = [builder.fmul(repeated, value) for value in scaled]
        return context.make_tuple(builder, signature.return_type, scaled)

    return types.UniTuple(vector, LANES)(vectors, factor), generate


@intrinsic
def transpose(typing_context, rows):
    """Return the columns of LANES vectors, or the vectors of which they are the columns, as a tuple."""

    def generate(context, builder, signature, arguments):
        vectors = [builder.extract_value(arguments[0], which) for which in range(LANES)]
        return context.make_tuple(builder, signature.return_type, _shuffle(builder, vectors))

    return rows(rows), generate


def _shuffle(builder: Any, vectors: list[Any]) -> list[Any]:
    """Transpose: each round shuffles every vector of the first half with its like in the second, as cards are."""
    halves = [
        ir.Constant(
            ir.VectorType(LANE, LANES),
            [at for k in range(first, first + LANES // 2) for at in (k, k + LANES)],
        )
        for first in (0, LANES // 2)
    ]
    for _ in range(LANES.bit_length() - 1):
        pairs = zip(vectors[: LANES // 2], vectors[LANES // 2 :], strict=True)
        vectors = [builder.shuffle_vector(one, other, half) for one, other in pairs for half in halves]
    return vectors


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
