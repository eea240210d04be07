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


class Quantity(click.ParamType):
    """A quantity with its unit, converted to the internal unit of its dimension."""

    def __init__(self, dimension: str) -> None:
        self.dimension = dimension
        self.name = dimension

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        from mc.units import QuantityError, parse_quantity

        try:
            return parse_quantity(value, self.dimension)
        except QuantityError as error:
            self.fail(str(error), param, ctx)
