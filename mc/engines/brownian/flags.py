"""Which ions of a block are flagged: few of many, so 32 flags are read as the bits of one number."""

from llvmlite import ir
from numba import int64, uint32
from numba.core import types
from numba.extending import intrinsic

from mc.compilation import internal
from mc.field.vectors import LANE, array_argument, place_in, read

BITS = 32
"""Flags that are read together."""

_FLAGS, _ALIGNMENT = ir.VectorType(LANE, BITS), 4


@intrinsic
def read_flags(typing_context, flags, first):
    """Return a number with a bit for each of BITS flags, uint32, from `first` on that are not 0."""
    signature = types.uint32(flags, types.int64)

    def generate(context, builder, signature, arguments):
        array = array_argument(context, builder, signature, arguments, 0)
        vector = read(builder, _FLAGS, place_in(builder, array, arguments[1]), _ALIGNMENT)
        are_set = builder.icmp_unsigned("!=", vector, ir.Constant(_FLAGS, [0] * BITS))
        return builder.bitcast(are_set, LANE)

    return signature, generate


@intrinsic
def lowest_bit(typing_context, bits):
    """Return the place of the lowest bit that is set in a uint32, which is not 0."""
    signature = types.int64(types.uint32)

    def generate(context, builder, signature, arguments):
        place = builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 1))
        return builder.zext(place, ir.IntType(64))

    return signature, generate


@internal
def collect(flags, first_ion, ions, n_ions):
    """Append the ions of a block that are flagged, the first of them `first_ion`; return how many are listed then."""
    in_groups = flags.size - flags.size % BITS
    for first in range(0, in_groups, BITS):
        bits = read_flags(flags, first)
        while bits != uint32(0):
            ions[n_ions] = uint32(first_ion + first + lowest_bit(bits))
            n_ions += 1
            bits = uint32(bits & uint32(bits - uint32(1)))
    for k in range(in_groups, flags.size):
        ions[n_ions] = uint32(first_ion + k)
        n_ions += int64(flags[k])
    return n_ions
