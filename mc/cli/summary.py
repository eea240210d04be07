"""The table at the end of a run."""

from typing import Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from mc.digest import (
    find_doubts,
    phase_headings,
    phase_rows,
    potential_rows,
    remarks,
    species_headings,
    species_rows,
)
from mc.formatting import show_time

__all__ = ["find_doubts", "print_summary"]

_PLAIN_WIDTH, _ROOMY_WIDTH = 120, 100


def print_summary(summary: dict[str, Any]) -> None:
    """Print the numbers of summary.json on stdout as a table."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=_PLAIN_WIDTH)
    console.print(_potential_table(summary) if summary["free"] else _phase_table(summary))
    console.print(_species_table(summary, console.width))
    for line in remarks(summary):
        console.print(line, soft_wrap=True, markup=False)


def _potential_table(summary: dict[str, Any]) -> Table:
    table = Table(
        title=escape(summary["title"]) or None, box=box.SIMPLE_HEAD, title_justify="left", title_style="bold"
    )
    table.add_column(f"mean from {show_time(summary['averaged_from_ns'])} on")
    table.add_column("mV", justify="right")
    table.add_column("standard error", justify="right")
    for row in potential_rows(summary):
        table.add_row(*row)
    difference = summary["difference_in_standard_errors"]
    if difference is not None:
        table.add_section()
        table.add_row("difference from the prediction", f"{difference:+.1f}", "standard errors")
    return table


def _phase_table(summary: dict[str, Any]) -> Table:
    """Return what the membrane did in each phase of a protocol: one mean over all of them would mean nothing."""
    table = Table(
        title=escape(summary["title"]) or None, box=box.SIMPLE_HEAD, title_justify="left", title_style="bold"
    )
    for heading in phase_headings(summary):
        is_text = heading == "protocol"
        table.add_column(
            f"{heading}; means over the second half" if is_text else heading,
            justify="left" if is_text else "right",
        )
    for row in phase_rows(summary):
        table.add_row(*map(escape, row))
    return table


def _species_table(summary: dict[str, Any], console_width: int) -> Table:
    # Eleven columns lose nothing on a terminal of eighty characters if they stand close together.
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 0, 0, int(console_width >= _ROOMY_WIDTH)), pad_edge=False)
    for i, heading in enumerate(species_headings(summary)):
        table.add_column(heading, justify="right" if i else "left", overflow="fold")
    for row in species_rows(summary):
        table.add_row(*map(escape, row))
    return table
