"""The clock of kernels."""

import time

import numpy as np
import pytest

from mc.compilation import compiled
from mc.engines import clock


@compiled
def read_twice(timespec, n_between):
    first = clock.monotonic(timespec)
    total = 0.0
    for i in range(n_between):
        total += np.sqrt(i)
    return first, clock.monotonic(timespec), total


@pytest.mark.skipif(clock.MONOTONIC is None, reason="this system has no clock for kernels")
def test_kernels_tell_the_time_of_python():
    timespec = np.zeros(2, dtype=np.int64)
    read_twice(timespec, 1)
    before = time.monotonic()
    first, last, _ = read_twice(timespec, 3_000_000)
    after = time.monotonic()
    assert before <= first < last <= after
