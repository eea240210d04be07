"""What commands say when something is wrong: one clear message on stderr and an exit status, no traceback."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import click

from mc.errors import McError


@contextmanager
def exit_on_input_error() -> Iterator[None]:
    """Turn an McError into its message on stderr, one line a fault, and exit with its status.

    Any other exception is a bug and passes with its traceback.
    """
    try:
        yield
    except McError as error:
        for line in str(error).splitlines():
            print_error(line)
        sys.exit(error.exit_status)


def print_error(message: str) -> None:
    """Print why a command cannot go on."""
    click.echo(f"{click.style('error:', fg='red', bold=True)} {message}", err=True)


def print_warning(message: str) -> None:
    """Print what the user should know before trusting a result."""
    click.echo(f"{click.style('warning:', fg='yellow', bold=True)} {message}", err=True)
