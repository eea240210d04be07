"""What commands say when something is wrong: one clear message on stderr and exit status 2, no traceback."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import click

from mc.errors import McError

EXIT_STATUS_OF_INPUT_ERROR = 2


@contextmanager
def exit_on_input_error() -> Iterator[None]:
    """Turn an McError into its message on stderr, one line a fault, and exit with status 2.

    Any other exception is a bug and passes with its traceback.
    """
    try:
        yield
    except McError as error:
        for line in str(error).splitlines():
            print_error(line)
        sys.exit(EXIT_STATUS_OF_INPUT_ERROR)


def print_error(message: str) -> None:
    """Print why a command cannot go on."""
    click.echo(f"{click.style('error:', fg='red', bold=True)} {message}", err=True)


def print_warning(message: str) -> None:
    """Print what the user should know before trusting a result."""
    click.echo(f"{click.style('warning:', fg='yellow', bold=True)} {message}", err=True)
