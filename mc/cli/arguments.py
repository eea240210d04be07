"""What several commands take."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click


def scenario_arguments(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the arguments `scenario_file` and `overrides`."""
    argument = click.argument("scenario_file", metavar="SCENARIO", type=click.Path(path_type=Path))
    option = click.option(
        "--set",
        "overrides",
        metavar="KEY=VALUE",
        multiple=True,
        help='Override a key of the scenario, for example --set inside.K="100 mM".',
    )
    return argument(option(command))
