"""Numbers as people read them."""

import html
import math
from collections.abc import Iterable


def show_time(nanoseconds: float) -> str:
    """Return a time given in ns in a unit that suits it."""
    if not math.isfinite(nanoseconds):
        return "any length"
    units = [("days", 8.64e13), ("h", 3.6e12), ("min", 6e10), ("s", 1e9), ("ms", 1e6), ("us", 1e3)]
    for unit, size in units:
        if nanoseconds >= (2 * size if size > 1e9 else size):
            return f"{nanoseconds / size:.3g} {unit}"
    return f"{nanoseconds:.3g} ns"


def show_number(number: float) -> str:
    """Return a number of things, whole or on average, with a comma at every thousand."""
    if isinstance(number, int):
        return f"{number:,}"
    return f"{number:,.1f}" if abs(number) >= 100.0 else f"{number:,.3g}"


def show_factor(factor: float) -> str:
    """Return how many times more something is, with a comma at every thousand."""
    return f"{factor:,.0f}" if factor >= 1000.0 else f"{factor:g}"


def show_bytes(number: float) -> str:
    """Return a number of bytes in a unit that suits it."""
    for unit, size in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6)):
        if number >= size:
            return f"{number / size:.3g} {unit}"
    return f"{number / 1e3:.3g} kB"


def html_table(title: str, rows: Iterable[tuple[str, str]]) -> str:
    """Return names and values as a table for notebooks, all text escaped."""
    lines = "".join(
        f'<tr><th style="text-align: left">{html.escape(name)}</th>'
        f'<td style="text-align: left">{html.escape(value)}</td></tr>'
        for name, value in rows
    )
    return f"<table><caption><strong>{html.escape(title)}</strong></caption>{lines}</table>"
