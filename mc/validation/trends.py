"""What laws about resolution share: errors that fall with the length of steps or cells, by the order of a method."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from mc.validation.law import Check, Line, Picture, Points, check_resolved, check_variance


@dataclass
class Trend:
    """What was measured at several lengths of the step, or of cells, and what the method's order makes of it."""

    lengths: np.ndarray
    """In `length_unit`, the longest first."""
    measured: np.ndarray
    error: np.ndarray
    """Standard errors; zero where nothing is random."""
    degrees: np.ndarray
    """Of freedom of a variance; infinite for a mean."""
    expected: np.ndarray
    """By the method, at these lengths."""
    exact: float
    """Without steps."""
    order: float
    name: str
    unit: str
    length: str = "length of a step"
    length_unit: str = "ns"


def of_halvings(
    lengths: tuple[float, ...], results: list[float], order: float, name: str, unit: str, **of_lengths: str
) -> Trend:
    """Return the trend of results without chance at lengths each half of the last: what each halving changes."""
    apart = np.abs(np.diff(results))
    halved = np.array(lengths[:-1])
    nothing = np.zeros(len(apart))
    expected = apart[-1] * (halved / halved[-1]) ** order
    return Trend(halved, apart, nothing, nothing, expected, 0.0, order, name, unit, **of_lengths)


def compare(trend: Trend) -> list[Check]:
    """Compare each length with the method, or, where nothing is random, the order that halving shows."""
    if not trend.error.any():
        return [check_order(trend, trend.order)]
    return [check_one(trend, i, expected) for i, expected in enumerate(trend.expected)]


def check_one(trend: Trend, i: int, expected: float) -> Check:
    """Return the check of what was measured at one length."""
    name = f"{trend.name}, {trend.lengths[i]:.3g} {trend.length_unit}"
    if math.isfinite(trend.degrees[i]):
        return check_variance(name, float(trend.measured[i]), expected, float(trend.degrees[i]), trend.unit)
    return Check(name, float(trend.measured[i]), float(trend.error[i]), expected, trend.unit)


def check_order(trend: Trend, order: float) -> Check:
    """Return the check of the order: that of the last two halvings, without what their own change says is left."""
    found = np.log2(trend.measured[:-1] / trend.measured[1:])
    change = float(found[-1] - found[-2])
    check = Check(f"order in the {trend.length}", float(found[-1] + change), 0.0, order)
    return check_resolved(check, abs(change))


def with_order(trend: Trend, order: float) -> list[Check]:
    """Compare with a method of another order that has the same error in the longest step."""
    if not trend.error.any():
        return [check_order(trend, order)]
    error = (trend.expected[0] - trend.exact) * (trend.lengths / trend.lengths[0]) ** order
    return [check_one(trend, i, float(trend.exact + one)) for i, one in enumerate(error)]


def first_order(trend: Trend) -> list[Check]:
    """Compare with a method of first order; of second, where the method itself is of first."""
    return with_order(trend, 2.0 if trend.order == 1.0 else 1.0)


def without_error(trend: Trend, other_order: float) -> list[Check]:
    """Compare with no error at all; where nothing is random, with a method of another order."""
    if not trend.error.any():
        return [check_order(trend, other_order)]
    return [check_one(trend, i, trend.exact) for i in range(len(trend.lengths))]


def draw(trend: Trend) -> Picture:
    """Draw what was measured over the length of the step."""
    return Picture(
        f"{trend.length} ({trend.length_unit})",
        f"{trend.name} ({trend.unit})",
        (
            Line(f"method of order {trend.order:g}", trend.lengths, trend.expected),
            Line("without steps", trend.lengths, np.full(len(trend.lengths), trend.exact)),
        )[: 2 if trend.error.any() else 1],
        (Points("measured", trend.lengths, trend.measured, trend.error),),
        x_scale="log",
        y_scale="linear" if trend.error.any() else "log",
    )
