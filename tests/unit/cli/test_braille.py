"""Curves of braille letters have their dots where the values are."""

import numpy as np
import pytest

from mc.cli.braille import braille_curve, with_axis

FIRST = 0x2800
BITS = {(0, 0): 0, (1, 0): 1, (2, 0): 2, (0, 1): 3, (1, 1): 4, (2, 1): 5, (3, 0): 6, (3, 1): 7}


def dots(lines):
    """Return the (row, column) of each dot, rows from the top."""
    return {
        (4 * i + row, 2 * j + column)
        for i, line in enumerate(lines)
        for j, letter in enumerate(line)
        for (row, column), bit in BITS.items()
        if (ord(letter) - FIRST) >> bit & 1
    }


def test_a_rising_line_is_a_diagonal():
    x = np.arange(8.0)
    lines = braille_curve(x, x, (0, 8), (-0.5, 7.5), (4, 2))
    assert [len(line) for line in lines] == [4, 4]
    found = dots(lines)
    assert {(7 - i, i) for i in range(8)} <= found
    # Each column reaches the one before it, and no more.
    assert len(found) == 8 + 7


def test_a_column_covers_all_that_is_in_it():
    found = dots(braille_curve(np.zeros(5), np.array([0.0, 4, 1, 2, 0]), (0, 1), (0, 4), (1, 1)))
    assert found == {(row, 0) for row in (0, 1, 2, 3)}


def test_what_is_no_number_is_left_out():
    assert dots(braille_curve(np.arange(4.0), np.full(4, np.nan), (0, 4), (0, 1), (2, 1))) == set()


@pytest.mark.parametrize(("value", "row"), [(1e9, 0), (-1e9, 7)])
def test_what_is_beyond_the_ends_is_drawn_at_them(value, row):
    assert dots(braille_curve(np.zeros(1), np.array([value]), (0, 1), (0, 1), (1, 2))) == {(row, 0)}


def test_the_axis_names_both_ends_and_the_middle():
    lines = with_axis(["a", "b", "c", "d"], (-90.0, 10.0))
    assert lines == [" 10 ┤a", "    │b", "-40 ┤c", "-90 ┤d"]
