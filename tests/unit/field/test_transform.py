"""The Hartley transform against its definition."""

import numpy as np
import pytest

from mc.compilation import entry_point
from mc.field import transform
from mc.field.transform import LANES, twiddles


@entry_point
def transform_axis(values, other, n, width, turn):
    return transform.transform_axis(values, other, n, width, turn)


def transformed(columns, width):
    """Return the transform along the first axis of an array that is `width` numbers wide."""
    values, other, n = columns.ravel().copy(), np.full(columns.size, np.nan), len(columns)
    is_in_other = transform_axis(values, other, n, width, twiddles(n))
    return (other if is_in_other else values).reshape(n, width)


@pytest.mark.parametrize("width", [LANES, 4 * LANES])
@pytest.mark.parametrize("n", [1, 2, 4, 8, 64, 512])
def test_every_column_is_transformed_as_defined(n, width):
    columns = np.random.default_rng(n).normal(size=(n, width))
    angles = 2.0 * np.pi * np.outer(np.arange(n), np.arange(n)) / n
    expected = (np.cos(angles) + np.sin(angles)) @ columns
    np.testing.assert_allclose(transformed(columns, width), expected, atol=1e-12 * n)


def test_it_is_its_own_inverse_but_for_a_factor():
    columns = np.random.default_rng(1).normal(size=(256, LANES))
    twice = transformed(transformed(columns, LANES), LANES)
    np.testing.assert_allclose(twice, 256 * columns, atol=1e-11)


def test_only_powers_of_two_are_transformed():
    with pytest.raises(ValueError, match="power of two, not 12"):
        twiddles(12)
