"""Small membrane patches as the text of their scenario files, so that any of them can be run by itself."""

from __future__ import annotations

import math
from collections.abc import Mapping

CAPACITANCE = 6.241509074e-5
"""e/(mV nm2), 1 uF/cm2."""

BODY_TEMPERATURE = 310.15
"""K."""


def patch(
    title: str,
    *,
    inside: Mapping[str, float],
    outside: Mapping[str, float],
    area: float,
    length: float,
    duration: float,
    time_step: float,
    interval: float,
    outside_length: float | None = None,
    simulation: str = "",
    geometry: str = "",
    recording: str = "events = false",
    more: str = "",
) -> str:
    """Return a scenario of one patch at 37 degC, a membrane of 4 nm and 1 uF/cm2.

    Concentrations in mM, lengths in nm, area in nm2, times in ns. `simulation`, `geometry` and `recording` are
    further lines of these tables, `more` is what follows: species, channels, pumps, a protocol.
    """
    return f"""title = "{title}"

[simulation]
duration = "{duration:.12g} ns"
time_step = "{time_step:.12g} ns"
temperature = "37 degC"
{simulation}

[geometry]
area = "{area:.12g} nm^2"
inside_length = "{length:.12g} nm"
outside_length = "{outside_length or length:.12g} nm"
{geometry}

[membrane]
thickness = "4 nm"
capacitance = "1 uF/cm^2"

[inside]
{_amounts(inside)}

[outside]
{_amounts(outside)}

[recording]
interval = "{interval:.12g} ns"
positions_interval = "{duration:.12g} ns"
positions_stride = 1
{recording}

{more}
"""


def channel(name: str, count: int, permeability: Mapping[str, float], more: str = "") -> str:
    """Return a table of channels; permeability of one open channel in nm3/ns by species, `more` of its lines."""
    return f"""
[[channels]]
name = "{name}"
count = {count}
permeability = {{ {_quantities(permeability, "nm^3/ns")} }}
{more}
"""


def species(name: str, valence: int, diffusion_coefficient: float) -> str:
    """Return a table of a species; diffusion coefficient in nm2/ns."""
    return f"""
[species.{name}]
valence = {valence}
diffusion_coefficient = "{diffusion_coefficient:.12g} nm^2/ns"
"""


def two_states(opening_rate: float, closing_rate: float, initial: str | None = None) -> str:
    """Return the lines of a channel that opens and closes, rates in 1/ns."""
    start = f'gating.initial = "{initial}"' if initial else ""
    return f"""
gating.states = ["closed", "open"]
gating.open = ["open"]
gating.rates = {{ "closed->open" = "{opening_rate:.12g} /ns", "open->closed" = "{closing_rate:.12g} /ns" }}
{start}
"""


def _amounts(concentrations: Mapping[str, float]) -> str:
    return "\n".join(f'{name} = "{value:.12g} mM"' for name, value in concentrations.items())


def _quantities(values: Mapping[str, float], unit: str) -> str:
    return ", ".join(f'{name} = "{value:.12g} {unit}"' for name, value in values.items())


def change_of_solution(concentrations: Mapping[str, float], start: float = 0.0, side: str = "inside") -> str:
    """Return a table that changes the reservoir at a far end, at `start` ns."""
    return f"""
[[protocol.solutions]]
start = "{start:.12g} ns"
side = "{side}"
concentrations = {{ {_quantities(concentrations, "mM")} }}
"""


MILNE = 0.516
"""How far beyond its place an end that removes single ions after each step acts, in standard deviations of a step.

E h^2/(2 E h) of the heights h by which uniform increments first go beyond a level (docs/methods.md, Open far ends).
"""


def lost_entries(velocity: float, diffusion_coefficient: float, time_step: float) -> float:
    """Return the share of entries into pores that a face lacks, as ions that come out enter none in the same step.

    `velocity`: kappa of the face in nm/ns. Reflected diffusion from the face spends the density 1/sqrt(pi D t) there:
    over what is left of a step, a time that is uniform, 4/(3 sqrt(pi)) kappa sqrt(dt/D) would have entered.
    """
    return 4.0 / (3.0 * math.sqrt(math.pi)) * velocity * math.sqrt(time_step / diffusion_coefficient)


def acting_length(engine: str, length: float, diffusion_coefficient: float, time_step: float) -> float:
    """Return the distance from the membrane at which an open far end acts, nm."""
    if engine != "brownian":
        return length
    return float(length + MILNE * (2.0 * diffusion_coefficient * time_step) ** 0.5)
