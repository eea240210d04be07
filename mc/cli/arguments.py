"""What several commands take."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click


def scenario_and_overrides(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the arguments `scenario_file` and `overrides`."""
    argument = click.argument("scenario_file", metavar="SCENARIO", type=click.Path(path_type=Path))
    option = click.option(
        "--set",
        "overrides",
        metavar="KEY=VALUE",
        multiple=True,
        help='Override a key of the scenario, for example --set inside.K="100 mM"; one with spaces goes into quotes: '
        '--set "channels.K leak.count=5".',
    )
    return argument(option(command))


def scenario_arguments(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the arguments `scenario_file` and `overrides`, an engine chosen by its option among them."""

    @functools.wraps(command)
    def choose_engine(overrides: tuple[str, ...], engine: str | None, **others: Any) -> Any:
        chosen = () if engine is None else (f"simulation.engine={engine}",)
        return command(overrides=(*overrides, *chosen), **others)

    engines = click.option(
        "--engine",
        type=click.Choice(["brownian", "lattice", "continuum"]),
        help="Follow every single ion, count the ions in voxels, or solve the mean equations; by default as the "
        "scenario says.",
    )
    return scenario_and_overrides(engines(choose_engine))


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


threads_option = click.option(
    "--threads", type=click.IntRange(1), help="Threads; the results are the same bits for any number."
)

device_option = click.option(
    "--device",
    type=click.Choice(["cpu", "cuda"]),
    default="cpu",
    show_default=True,
    help="Where single ions are moved: by the processor, or on a GPU (needs the extra ionmc[cuda]).",
)

checkpoint_every_option = click.option(
    "--checkpoint-every",
    type=Quantity("time"),
    default="30 s",
    show_default=True,
    help="Wall time between two checkpoints, from which `ionmc resume` goes on.",
)

ignore_limits_option = click.option(
    "--ignore-limits",
    is_flag=True,
    help="Start also where the estimated memory or disk is more than what is free.",
)


def closing_options(command: Any) -> Any:
    """Give a command that ends with a finished run the options of what is made of it."""
    for option in (
        click.option(
            "--report/--no-report", "with_report", default=True, help="Write the page report.html at the end."
        ),
        click.option(
            "--figures/--no-figures", "with_figures", default=True, help="Draw the figures at the end."
        ),
    ):
        command = option(command)
    return command
