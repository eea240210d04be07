"""`ionmc theory`: the closed forms of `mc.theory` for numbers typed on the command line."""

import difflib
import json
import math
from collections.abc import Callable
from typing import Any

import click

from mc import constants
from mc.cli.arguments import Quantity

KNOWN_VALENCES = {"K": 1, "Na": 1, "Cl": -1, "Ca": 2}


class Number(click.ParamType):
    """A plain number that is finite."""

    def __init__(self, name: str, example: str, is_integer: bool = False) -> None:
        self.name = name
        self.example = example
        self.number_type: Callable[[str], float] = int if is_integer else float

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        try:
            number = self.number_type(value)
        except ValueError:
            number = math.nan
        if not math.isfinite(number):
            self.fail(f'expected a {self.name} such as {self.example}, found "{value}"', param, ctx)
        return number


class BySpecies(click.ParamType):
    """Values by species, such as K=140mM,Na=12mM, or one value alone where the ion is named elsewhere."""

    def __init__(self, value_type: Quantity | Number, example: str, or_alone: bool = False) -> None:
        self.name = "values by species"
        self.value_type = value_type
        self.example = example
        self.or_alone = or_alone

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:
        return self.example

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if self.or_alone and "=" not in value:
            return self.value_type.convert(value, param, ctx)
        by_species = {}
        for entry in value.split(","):
            species, equals, text = (part.strip() for part in entry.partition("="))
            if not (species and equals and text):
                self.fail(f'found "{entry}"; write ion and value, as in {self.example}', param, ctx)
            if species in by_species:
                self.fail(f"{species} is given twice; keep one", param, ctx)
            by_species[species] = self.value_type.convert(text, param, ctx)
        return by_species


_CONCENTRATIONS = BySpecies(Quantity("concentration"), "K=140mM,Na=12mM")
_ION_CONCENTRATIONS = BySpecies(Quantity("concentration"), "K=140mM,Na=12mM", or_alone=True)
_VALENCES = BySpecies(Number("valence", "2", is_integer=True), "Mg=2")
_ION_VALENCE = BySpecies(Number("valence", "2", is_integer=True), "Mg=2", or_alone=True)

_inside = click.option(
    "--inside", required=True, type=_CONCENTRATIONS, help="Concentrations in the cytoplasm."
)
_outside = click.option("--outside", required=True, type=_CONCENTRATIONS, help="Concentrations outside.")
_ion_inside = click.option(
    "--inside",
    required=True,
    type=_ION_CONCENTRATIONS,
    help="Concentrations in the cytoplasm; one with --ion.",
)
_ion_outside = click.option(
    "--outside", required=True, type=_ION_CONCENTRATIONS, help="Concentrations outside; one with --ion."
)
_ion = click.option("--ion", metavar="NAME", help="The one ion that all values are about.")
_valence = click.option(
    "--valence", type=_VALENCES, default=None, help="Valences of ions other than K, Na, Cl, Ca."
)
_ion_valence = click.option(
    "--valence",
    type=_ION_VALENCE,
    default=None,
    help="Valences of ions other than K, Na, Cl, Ca; one with --ion.",
)
_temperature = click.option(
    "--temperature", type=Quantity("temperature"), default="37degC", show_default=True, metavar="QUANTITY"
)
_as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON; infinite potentials are null.")


@click.group()
def command() -> None:
    """Closed forms: Nernst and GHK potentials, GHK fluxes."""


@command.command()
@_ion
@_ion_inside
@_ion_outside
@_ion_valence
@_temperature
@_as_json
def nernst(
    ion: str | None, inside: Any, outside: Any, valence: Any, temperature: float, as_json: bool
) -> None:
    """Print the potential at which each ion is in equilibrium.

    \b
    ionmc theory nernst --ion K --inside 140mM --outside 5mM
    ionmc theory nernst --inside K=140mM,Mg=0.5mM --outside K=5mM,Mg=1mM --valence Mg=2
    """
    inside, outside = _for_ion(ion, inside, "--inside"), _for_ion(ion, outside, "--outside")
    names = list(inside | outside)
    _check_state(names, inside, outside, temperature)
    for name in names:
        if inside[name] == 0.0 and outside[name] == 0.0:
            raise click.UsageError(
                f"{name} is on neither side, so it has no equilibrium; give --inside or --outside more than 0 mM"
            )
    valences = _valences(names, _for_ion(ion, valence, "--valence"))

    from mc import theory

    potentials = _floats(theory.nernst_potential(valences, inside, outside, temperature))
    if as_json:
        _print_json(
            _state(names, inside, outside, valences, temperature) | {"nernst_potential_mV": potentials}
        )
        return
    click.echo(f"Nernst potentials at {_celsius(temperature)}\n")
    _print_table(
        ["ion", "valence", "inside mM", "outside mM", "Nernst mV"],
        [
            [
                name,
                f"{valences[name]:+d}",
                f"{inside[name]:g}",
                f"{outside[name]:g}",
                f"{potentials[name]:.2f}",
            ]
            for name in names
        ],
    )


@command.command()
@_inside
@_outside
@click.option(
    "--permeability",
    required=True,
    type=BySpecies(Number("relative permeability", "0.04"), "K=1,Na=0.04"),
    help="Relative permeabilities; an ion without one does not pass.",
)
@_valence
@_temperature
@_as_json
def ghk(
    inside: dict[str, float],
    outside: dict[str, float],
    permeability: dict[str, float],
    valence: dict[str, int] | None,
    temperature: float,
    as_json: bool,
) -> None:
    """Print the potential at which the currents of all ions add up to zero.

    \b
    ionmc theory ghk --inside K=140mM,Na=12mM,Cl=10mM --outside K=5mM,Na=145mM,Cl=115mM \\
        --permeability K=1,Na=0.04,Cl=0.45
    """
    names = list(inside | outside)
    _check_state(names, inside, outside, temperature)
    _check_permeability(names, permeability)
    if not any(value and (inside[name] or outside[name]) for name, value in permeability.items()):
        raise click.UsageError(
            "no ion that passes is on either side, so there is no potential; give more than 0 mM"
        )
    valences = _valences(names, valence)

    from mc import theory

    potential = float(theory.ghk_potential(permeability, inside, outside, valences, temperature))
    nernst_potentials = _floats(theory.nernst_potential(valences, inside, outside, temperature))
    if as_json:
        results = {
            "permeability": permeability,
            "ghk_potential_mV": potential,
            "nernst_potential_mV": nernst_potentials,
        }
        _print_json(_state(names, inside, outside, valences, temperature) | results)
        return
    click.echo(f"GHK potential {potential:.2f} mV at {_celsius(temperature)}\n")
    _print_table(
        ["ion", "valence", "inside mM", "outside mM", "permeability", "Nernst mV"],
        [
            [
                name,
                f"{valences[name]:+d}",
                f"{inside[name]:g}",
                f"{outside[name]:g}",
                f"{permeability.get(name, 0.0):g}",
                f"{nernst_potentials[name]:.2f}",
            ]
            for name in names
        ],
    )


@command.command()
@_ion
@_ion_inside
@_ion_outside
@click.option(
    "--permeability",
    required=True,
    type=BySpecies(Quantity("permeability"), "K=0.037nm^3/ns", or_alone=True),
    help="Permeabilities of a channel or a patch; one with --ion.",
)
@click.option(
    "--potential", required=True, type=Quantity("potential"), metavar="QUANTITY", help="As in -70mV."
)
@_ion_valence
@_temperature
@_as_json
def flux(
    ion: str | None,
    inside: Any,
    outside: Any,
    permeability: Any,
    potential: float,
    valence: Any,
    temperature: float,
    as_json: bool,
) -> None:
    """Print the one-way and net fluxes and the current of each ion at a given potential.

    \b
    ionmc theory flux --ion K --inside 140mM --outside 5mM --permeability 0.037nm^3/ns --potential -70mV
    """
    inside, outside = _for_ion(ion, inside, "--inside"), _for_ion(ion, outside, "--outside")
    permeability = _for_ion(ion, permeability, "--permeability")
    all_names = list(inside | outside)
    _check_state(all_names, inside, outside, temperature)
    _check_permeability(all_names, permeability)
    names = list(permeability)
    valences = _valences(names, _for_ion(ion, valence, "--valence"))

    from mc import theory

    fluxes = theory.ghk_flux(permeability, inside, outside, valences, potential, temperature)
    currents = {
        name: valences[name] * float(net) * constants.PICOAMPERES_PER_CHARGE_PER_NANOSECOND
        for name, net in fluxes.net.items()
    }
    if as_json:
        results = {
            "permeability_nm3_per_ns": permeability,
            "potential_mV": potential,
            "outward_flux_per_ns": _floats(fluxes.outward),
            "inward_flux_per_ns": _floats(fluxes.inward),
            "net_flux_per_ns": _floats(fluxes.net),
            "current_pA": currents,
        }
        _print_json(_state(names, inside, outside, valences, temperature) | results)
        return
    click.echo(f"GHK fluxes at {potential:g} mV and {_celsius(temperature)}; outward is positive\n")
    _print_table(
        ["ion", "outward 1/ns", "inward 1/ns", "net 1/ns", "current pA"],
        [
            [
                name,
                f"{fluxes.outward[name]:.5g}",
                f"{fluxes.inward[name]:.5g}",
                f"{fluxes.net[name]:.5g}",
                f"{currents[name]:.5g}",
            ]
            for name in names
        ],
    )


def _for_ion(ion: str | None, value: Any, option: str) -> Any:
    """Return `value` by species: one given alone belongs to `ion`."""
    if value is None or isinstance(value, dict):
        if ion is not None and value and list(value) != [ion]:
            others = ", ".join(name for name in value if name != ion)
            raise click.UsageError(f"{option} names {others}, but --ion says {ion}; leave --ion out")
        return value
    if ion is None:
        raise click.UsageError(
            f"{option} has a value without an ion; write {option} K=... or name the ion with --ion K"
        )
    return {ion: value}


def _check_state(
    names: list[str], inside: dict[str, float], outside: dict[str, float], temperature: float
) -> None:
    """Refuse ions given on one side only, negative concentrations, and what is colder than nothing."""
    for option, side in (("--inside", inside), ("--outside", outside)):
        for name in names:
            if name not in side:
                raise click.UsageError(
                    f"{option} lacks {name}, which the other side has; add {name}=0mM if there is none"
                    f"{_suggestion(name, list(side))}"
                )
            if side[name] < 0.0:
                raise click.UsageError(
                    f"{option}: the concentration of {name} is {side[name]:g} mM; it must not be negative"
                )
    if temperature <= 0.0:
        raise click.UsageError(f"--temperature is {temperature:g} K; it must be above 0 K, as in 37degC")


def _check_permeability(names: list[str], permeability: dict[str, float]) -> None:
    """Refuse permeabilities of ions that are nowhere, negative ones, and a tight membrane."""
    for name, value in permeability.items():
        if name not in names:
            raise click.UsageError(
                f"--permeability names {name}, which has no concentration; add it to --inside and --outside"
                f"{_suggestion(name, names)}"
            )
        if value < 0.0:
            raise click.UsageError(f"--permeability of {name} is {value:g}; it must not be negative")
    if not any(permeability.values()):
        raise click.UsageError(
            "--permeability is zero for all ions; give at least one that passes, as in K=1"
        )


def _valences(names: list[str], given: dict[str, int] | None) -> dict[str, int]:
    """Return the valence of each ion; refuse one of zero or one that is not known."""
    valences = KNOWN_VALENCES | (given or {})
    for name in given or {}:
        if name not in names:
            raise click.UsageError(
                f"--valence names {name}, which is no ion given here{_suggestion(name, names)}"
            )
        if valences[name] == 0:
            raise click.UsageError(f"--valence of {name} is 0; an ion has a charge, as in Mg=2")
    for name in names:
        if name not in valences:
            raise click.UsageError(
                f"the valence of {name} is not known; add it with --valence {name}=..., as in Mg=2"
                f"{_suggestion(name, list(KNOWN_VALENCES))}"
            )
    return {name: valences[name] for name in names}


def _suggestion(name: str, candidates: list[str]) -> str:
    """Return a question about the nearest of `candidates`, or nothing."""
    by_lower_case = {candidate.lower(): candidate for candidate in candidates}
    nearest = difflib.get_close_matches(name.lower(), by_lower_case, n=1, cutoff=0.6)
    return f" (or did you mean {by_lower_case[nearest[0]]}?)" if nearest else ""


def _floats(by_species: dict[str, Any]) -> dict[str, float]:
    return {name: float(value) for name, value in by_species.items()}


def _celsius(temperature: float) -> str:
    return f"{temperature - constants.ZERO_CELSIUS:g} degC"


def _state(
    names: list[str],
    inside: dict[str, float],
    outside: dict[str, float],
    valences: dict[str, int],
    temperature: float,
) -> dict[str, Any]:
    """Return what was given, under names with units."""
    return {
        "temperature_K": temperature,
        "valence": valences,
        "concentration_inside_mM": {name: inside[name] for name in names},
        "concentration_outside_mM": {name: outside[name] for name in names},
    }


def _print_json(results: dict[str, Any]) -> None:
    click.echo(json.dumps(_without_infinities(results), indent=2, allow_nan=False))


def _without_infinities(value: Any) -> Any:
    """Return `value` with numbers that JSON cannot hold replaced by None."""
    if isinstance(value, dict):
        return {key: _without_infinities(entry) for key, entry in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _print_table(header: list[str], rows: list[list[str]]) -> None:
    """Print columns: the first to the left, numbers to the right."""
    widths = [max(len(cell) for cell in column) for column in zip(header, *rows, strict=True)]
    for row in [header, *rows]:
        first, *others = (
            cell.ljust(width) if index == 0 else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        click.echo("  ".join([first, *others]).rstrip())
