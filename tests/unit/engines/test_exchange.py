import numpy as np
import pytest
from scipy.stats import poisson as poisson_law

from mc.engines.brownian import exchange
from mc.streams import stream_key


@pytest.mark.parametrize("mean", [0.02, 1.3, 16.0])
def test_poisson_numbers_have_the_poisson_law(mean):
    """20,000 draws; every frequency within 5 standard deviations of its own."""
    n = 20_000
    key = stream_key(1, 99)
    counts = np.bincount([exchange.poisson(mean, key, entity, 7) for entity in range(n)])
    expected = n * poisson_law.pmf(np.arange(counts.size), mean)
    assert np.all(np.abs(counts - expected) < 5.0 * np.sqrt(expected) + 1.0)
    assert abs(np.arange(counts.size) @ counts / n - mean) < 5.0 * np.sqrt(mean / n)
