"""Curves in a terminal: each letter of braille is two dots wide and four high."""

from collections.abc import Sequence

import numpy as np

_DOTS = np.array([[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]])
_BLANK = 0x2800


def braille_curve(
    x: np.ndarray,
    y: np.ndarray,
    x_range: tuple[float, float],
    y_range: tuple[float, float],
    size: tuple[int, int],
) -> list[str]:
    """Return the lines of letters that draw `y` against `x` (points,) in `size` = (columns, lines).

    Each column of dots covers the range of the values in it, and reaches those of the column before.
    """
    columns, lines = size
    dots = np.zeros((4 * lines, 2 * columns), dtype=bool)
    keep = np.isfinite(y)
    place = np.clip(_scaled(x[keep], x_range) * 2 * columns, 0, 2 * columns - 1).astype(int)
    height = np.clip((1.0 - _scaled(y[keep], y_range)) * 4 * lines, 0, 4 * lines - 1).astype(int)
    last = None
    for column in np.unique(place):
        own = height[place == column]
        top, bottom = int(own.min()), int(own.max())
        if last is not None:
            top, bottom = min(top, last), max(bottom, last)
        dots[top : bottom + 1, column] = True
        last = int(own[-1])
    letters = dots.reshape(lines, 4, columns, 2).transpose(0, 2, 1, 3)
    codes = _BLANK + (letters * _DOTS).sum(axis=(2, 3))
    return ["".join(map(chr, row)) for row in codes]


def with_axis(lines: Sequence[str], y_range: tuple[float, float]) -> list[str]:
    """Return `lines` of a curve behind an axis with the values of its upper end, middle and lower end."""
    low, high = y_range
    labels = {
        0: f"{high:.0f}",
        len(lines) // 2: f"{(low + high) / 2:.0f}",
        len(lines) - 1: f"{low:.0f}",
    }
    width = max(map(len, labels.values()))
    return [
        f"{labels.get(i, ''):>{width}} {'┤' if i in labels else '│'}{line}" for i, line in enumerate(lines)
    ]


def _scaled(values: np.ndarray, span: tuple[float, float]) -> np.ndarray:
    return (values - span[0]) / max(span[1] - span[0], 1e-300)
