"""The time of day for kernels, which may take it between two steps without going back to Python."""

from numba import types

from mc.compilation import internal

_MONOTONIC = 1
"""The clock of `time.monotonic` on Linux."""

_clock_gettime = types.ExternalFunction("clock_gettime", types.int32(types.int32, types.intp))


@internal
def monotonic(timespec):
    """Return the seconds that `time.monotonic` would; `timespec`, (2,) integers, is working memory."""
    _clock_gettime(_MONOTONIC, timespec.ctypes.data)
    return timespec[0] + 1e-9 * timespec[1]
