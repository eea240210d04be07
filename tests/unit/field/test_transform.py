"""The Hartley transform against its definition."""

import numpy as np
import pytest

from mc.compilation import entry_point
from mc.field import transform
from mc.field.transform import twiddles
from mc.field.vectors import LANES


@entry_point
def transform_axis(values, other, n, width, turn):
    return transform.transform_axis(values, other, n, width, turn)


@entry_point
def interleave(source, places, first, moved, factor, target, place):
    transform.interleave(source, places, first, moved, factor, target, place)


@entry_point
def separate(source, place, target, places, first, moved):
    transform.separate(source, place, target, places, first, moved)


def transformed(columns, width):
    """Return the transform along the first axis of an array that is `width` numbers wide."""
    values, other, n = columns.ravel().copy(), np.full_like(columns.ravel(), np.nan), len(columns)
    is_in_other = transform_axis(values, other, n, width, twiddles(n).astype(columns.dtype))
    return (other if is_in_other else values).reshape(n, width)


@pytest.mark.parametrize("width", [LANES, 4 * LANES])
@pytest.mark.parametrize("n", [1, 2, 4, 8, 16, 64, 512])
def test_every_column_is_transformed_as_defined(n, width):
    columns = np.random.default_rng(n).normal(size=(n, width))
    angles = 2.0 * np.pi * np.outer(np.arange(n), np.arange(n)) / n
    expected = (np.cos(angles) + np.sin(angles)) @ columns
    np.testing.assert_allclose(transformed(columns, width), expected, atol=1e-12 * n)


def test_it_is_its_own_inverse_but_for_a_factor():
    columns = np.random.default_rng(1).normal(size=(256, LANES))
    twice = transformed(transformed(columns, LANES), LANES)
    np.testing.assert_allclose(twice, 256 * columns, atol=1e-11)


def test_single_precision_is_as_good_as_its_numbers():
    columns = np.random.default_rng(1).normal(size=(512, LANES))
    error = transformed(columns.astype(np.float32), LANES) - transformed(columns, LANES)
    # The results are sums of 512 numbers of size 1.
    assert 0.0 < np.abs(error).max() < 10 * 512**0.5 * np.finfo(np.float32).eps


@pytest.mark.parametrize(
    ("from_kind", "to_kind"),
    [(np.int64, np.float32), (np.int64, np.float64), (np.float32, np.float32), (np.float64, np.float64)],
)
def test_rows_are_put_side_by_side_and_taken_out_again(from_kind, to_kind):
    source = (100 * np.random.default_rng(1).normal(size=300)).astype(from_kind)
    # Rows in any order; the first two places are not those of the rows.
    places = np.random.default_rng(2).permutation(np.arange(LANES + 2) * 24)
    lanes = np.zeros(200, dtype=to_kind)
    interleave(source, places, 2, 5, to_kind(0.5), lanes, 3)
    columns = lanes[3 : 3 + LANES**2].reshape(LANES, LANES)
    rows = [source[place + 5 : place + 5 + LANES] for place in places[2:]]
    np.testing.assert_array_equal(columns.T, to_kind(0.5) * np.array(rows).astype(to_kind))
    assert np.count_nonzero(lanes) <= LANES**2
    target = np.zeros(300, dtype=to_kind)
    separate(lanes, 3, target, places, 2, 5)
    for place, row in zip(places[2:], rows, strict=True):
        np.testing.assert_array_equal(target[place + 5 : place + 5 + LANES], 0.5 * row.astype(to_kind))
    assert np.count_nonzero(target) <= LANES**2


def test_only_powers_of_two_are_transformed():
    with pytest.raises(ValueError, match="power of two, not 12"):
        twiddles(12)
