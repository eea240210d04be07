"""The clock for kernels, which may read it between two steps without going back to Python."""

import time

from numba import types

from mc.compilation import internal

MONOTONIC = getattr(time, "CLOCK_MONOTONIC", None)
"""The number by which the system's library knows the clock of `time.monotonic`; None where it has none."""

if MONOTONIC is None:

    @internal
    def monotonic(timespec):
        """Return 0: what kernels spend on looking counts as steps here."""
        return 0.0

else:
    _clock_gettime = types.ExternalFunction("clock_gettime", types.int32(types.int32, types.intp))

    @internal
    def monotonic(timespec):
        """Return the seconds that `time.monotonic` would; `timespec`, (2,) integers, is working memory."""
        _clock_gettime(MONOTONIC, timespec.ctypes.data)
        return timespec[0] + 1e-9 * timespec[1]
