"""How long time steps may be, each limit with its reason, and the one that is taken."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from mc import theory
from mc.constants import (
    IONS_PER_CUBIC_NANOMETRE_PER_MILLIMOLAR,
    LARGEST_GATING_POTENTIAL,
    thermal_potential,
)
from mc.errors import StabilityError
from mc.scenario.carriers import Pump, Transporter
from mc.scenario.channels import Channel
from mc.scenario.gating import Gating
from mc.scenario.resolution import (
    follows_ions,
    is_continuum,
    is_lattice,
    resolve_columns,
    resolve_voxel_size,
)
from mc.scenario.schema import Scenario

_LARGEST_POTENTIAL = 150.0
"""mV; entry into pores is judged at this potential, which no resting cell exceeds."""

_COMFORTABLE_ENTRY, _SAFE_ENTRY, _POSSIBLE_ENTRY = 0.025, 0.05, 0.3
"""kappa sqrt(dt/D). An ion that comes out of a pore does not enter again in the same step, which costs 0.75 of this
number of the permeability (docs/methods.md); equilibria are not touched."""

_COMFORTABLE_STEP, _SAFE_STEP, _POSSIBLE_STEP = 0.1, 0.2, 0.5
"""Step length over the length of the shorter bath."""

_COMFORTABLE_EVENT, _SAFE_EVENT, _POSSIBLE_EVENT = 0.05, 0.1, 10.0
"""Expected events of one protein in a step; what is possible is what the buffers of events are made for."""

_LONGEST_AUTOMATIC_STEP = 1.0
"""ns."""

_COMFORTABLE_SHARE, _SAFE_SHARE, _POSSIBLE_SHARE = 0.05, 0.2, 1.0
"""Share of the ions in a lattice's voxel beside the membrane that cross in a step; all cannot."""

_COMFORTABLE_CHARGING, _SAFE_CHARGING, _POSSIBLE_CHARGING = 1.0, 10.0, 50.0
"""Time step of a lattice over the charging time with all channels open: its crossings are drawn in up to a thousand
parts of a twentieth of that."""

_AUTOMATIC_STEPS = 1000
"""A time step that a lattice chooses makes at least so many steps of the run."""

_GATING_POTENTIALS = np.linspace(-100.0, 100.0, 9)
"""mV; the step is to suit the rates of gates at all of them, and to be possible for those at any potential."""


@dataclass(frozen=True)
class TimeStepLimit:
    """One reason not to take longer steps: time steps in ns that are comfortable, safe and possible."""

    cause: str
    comfortable: float
    safe: float
    possible: float


_NO_LIMIT = TimeStepLimit("nothing", math.inf, math.inf, math.inf)
"""Of a lattice whose membrane lets nothing through."""


def find_time_step_limits(scenario: Scenario) -> list[TimeStepLimit]:
    """Return every limit on the time step that the scenario implies."""
    if is_continuum(scenario):
        # It makes steps of its own, as short as its accuracy asks for.
        return []
    limits = _find_lattice_limits(scenario) if is_lattice(scenario) else _find_particle_limits(scenario)
    for cause, (rate, extreme) in _event_rates(scenario).items():
        possible = _POSSIBLE_EVENT / extreme
        # Rates that grow without bound may be safe at the potentials of a cell only.
        safe = min(_SAFE_EVENT / rate, possible)
        limits.append(TimeStepLimit(cause, min(_COMFORTABLE_EVENT / rate, safe), safe, possible))
    return limits


def _find_particle_limits(scenario: Scenario) -> list[TimeStepLimit]:
    """Return the limits of steps in which single ions move and enter pores."""
    geometry = scenario.geometry
    limits = []
    for name, velocity in entry_velocities(scenario).items():
        scale = scenario.species[name].diffusion_coefficient / velocity**2
        entry = (level**2 * scale for level in (_COMFORTABLE_ENTRY, _SAFE_ENTRY, _POSSIBLE_ENTRY))
        limits.append(TimeStepLimit(f"{name} entering the open pores", *entry))
    length = min(geometry.inside_length, geometry.outside_length)
    for name in dict.fromkeys([*scenario.inside, *scenario.outside]):
        scale = length**2 / (2 * scenario.species[name].diffusion_coefficient)
        steps = (level**2 * scale for level in (_COMFORTABLE_STEP, _SAFE_STEP, _POSSIBLE_STEP))
        limits.append(TimeStepLimit(f"step length of {name} in a bath of {length:g} nm", *steps))
    return limits


def _find_lattice_limits(scenario: Scenario) -> list[TimeStepLimit]:
    """Return the limits of steps in which counts cross, all channels open, at 150 mV.

    Diffusion and drift of counts have none.
    """
    geometry = scenario.geometry
    spacing = resolve_voxel_size(scenario)
    thermal = thermal_potential(scenario.simulation.temperature)
    limits, conductance = [], 0.0
    for name in dict.fromkeys(name for channel in scenario.channels for name in channel.permeability):
        drop = abs(scenario.species[name].valence) * _LARGEST_POTENTIAL / thermal
        velocity = (
            drop
            / -math.expm1(-drop)
            * sum(
                _most_in_a_column(scenario, channel)
                * channel.largest_permeability.get(name, 0.0)
                / (geometry.area / math.prod(resolve_columns(scenario)))
                for channel in scenario.channels
            )
        )
        if velocity == 0.0:
            continue
        levels = (_COMFORTABLE_SHARE, _SAFE_SHARE, _POSSIBLE_SHARE)
        cause = f"{name} crossing from voxels of {spacing / 2:g} nm"
        limits.append(TimeStepLimit(cause, *(level * spacing / 2 / velocity for level in levels)))
        concentration = max(side.get(name, 0.0) for side in (scenario.inside, scenario.outside))
        conductance += (
            scenario.species[name].valence ** 2
            * sum(
                channel.count * channel.largest_permeability.get(name, 0.0) for channel in scenario.channels
            )
            * concentration
            * IONS_PER_CUBIC_NANOMETRE_PER_MILLIMOLAR
            / thermal
        )
    if conductance > 0.0:
        charging_time = scenario.membrane.capacitance * geometry.area / conductance
        levels = (_COMFORTABLE_CHARGING, _SAFE_CHARGING, _POSSIBLE_CHARGING)
        cause = "the membrane's charging, all channels open"
        limits.append(TimeStepLimit(cause, *(level * charging_time for level in levels)))
    return limits


def _most_in_a_column(scenario: Scenario, channel: Channel) -> float:
    """Return how many channels of a type share a column of voxels at most, about: random places are not yet drawn."""
    cells = resolve_columns(scenario)
    if not cells:
        return channel.count
    (width,) = scenario.geometry.transverse_lengths
    if isinstance(channel.placement, tuple):
        columns = np.floor(np.array(channel.placement) / width * cells[0]).astype(int)
        return float(np.bincount(columns).max())
    mean = channel.count * width / cells[0] / _stretch(scenario, channel)
    return min(channel.count, 1.0 + mean + 2.0 * math.sqrt(mean))


def entry_velocities(scenario: Scenario) -> dict[str, float]:
    """Return, for each permeant species, the velocity in nm/ns at which ions at the face enter open pores.

    kappa = sum over channel types of n p d/delta u delta/(1 - exp(-u delta)), all open, at 150 mV: n the channels for
    each nm2 of the face, p the permeability of one, d the thickness, delta the mouth depth, u = z V/(d kT/e). In two
    dimensions it is that of the most crowded place.
    """
    thickness = scenario.membrane.thickness
    velocities: dict[str, float] = {}
    for name in dict.fromkeys(name for channel in scenario.channels for name in channel.permeability):
        valence = abs(scenario.species[name].valence)
        drop = valence * _LARGEST_POTENTIAL / thermal_potential(scenario.simulation.temperature)
        captures = []
        for channel in scenario.channels:
            drift = drop * channel.pore.mouth_depth / thickness
            in_zero_field = channel.largest_permeability.get(name, 0.0) * thickness / channel.pore.mouth_depth
            captures.append(in_zero_field * drift / -math.expm1(-drift))
        velocity = at_most_crowded_place(scenario, captures)
        if velocity > 0:
            velocities[name] = velocity
    return velocities


def at_most_crowded_place(scenario: Scenario, amounts: list[float]) -> float:
    """Return the largest sum of what channels share out at one place of the face, per nm2.

    `amounts` has that of one channel of each type. In one dimension channels share the whole face. In two each has
    its mouth, a strip as long as the patch is deep; there are those of its own type that overlap it, and the others
    as dense as they are on average where they stand.
    """
    area, depth = scenario.geometry.area, scenario.geometry.depth
    if depth is None:
        return sum(
            channel.count * amount / area for channel, amount in zip(scenario.channels, amounts, strict=True)
        )
    on_average = [
        channel.count * amount / (_stretch(scenario, channel) * depth)
        for channel, amount in zip(scenario.channels, amounts, strict=True)
    ]
    at_its_mouth = [
        overlapping_mouths(scenario, channel) * amount / (channel.pore.mouth_width * depth)
        for channel, amount in zip(scenario.channels, amounts, strict=True)
    ]
    everywhere = sum(on_average)
    return max(
        (
            here + everywhere - usual if amount > 0 else 0.0
            for here, usual, amount in zip(at_its_mouth, on_average, amounts, strict=True)
        ),
        default=0.0,
    )


def _stretch(scenario: Scenario, channel: Channel) -> float:
    """Return the length in nm of the stretch of membrane along which the channels of a type stand."""
    (width,) = scenario.geometry.transverse_lengths
    return width if channel.cluster is None else 2 * channel.cluster.radius


def overlapping_mouths(scenario: Scenario, channel: Channel) -> float:
    """Return how many mouths of one type share the most crowded place, about: random places are not yet drawn.

    For those it is the mean number of neighbours that overlap a mouth and two standard deviations more.
    """
    (width,) = scenario.geometry.transverse_lengths
    mouth = channel.pore.mouth_width
    if isinstance(channel.placement, tuple):
        positions = np.array(channel.placement)
        return float(((positions - positions[:, np.newaxis]) % width < mouth).sum(axis=1).max())
    if channel.placement == "even":
        crowd = max(1.0, channel.count * mouth / _stretch(scenario, channel))
    else:
        neighbours = (channel.count - 1) * mouth / _stretch(scenario, channel)
        crowd = 1.0 + neighbours + 2.0 * math.sqrt(neighbours)
    return min(crowd, channel.count)


def _event_rates(scenario: Scenario) -> dict[str, tuple[float, float]]:
    """Return the fastest rates in 1/ns of each channel type's gate and each pump type, those above zero.

    The first at potentials that cells have, the second at any.
    """
    rates = {}
    extremes = (-LARGEST_GATING_POTENTIAL, 0.0, LARGEST_GATING_POTENTIAL)
    for channel in scenario.channels:
        if channel.gating is not None:
            rates[f"gating of {channel.name}"] = (
                _fastest_gating(scenario, channel.gating, _GATING_POTENTIALS),
                _fastest_gating(scenario, channel.gating, extremes),
            )
    for carrier in scenario.carriers:
        fastest = fastest_cycles(scenario, carrier)
        rates[f"cycles of {carrier.name}"] = (fastest, fastest)
    return {cause: fastest for cause, fastest in rates.items() if fastest[0] > 0}


def _fastest_gating(scenario: Scenario, gating: Gating, potentials: Iterable[float]) -> float:
    """Return the fastest rate in 1/ns out of any state at some potentials, with the most of each ligand."""
    temperature, ligands = scenario.simulation.temperature, dict(scenario.ligands_at_start)
    for pulse in scenario.protocol.ligands:
        for side in ("inside", "outside"):
            ligands[pulse.name, side] = max(ligands.get((pulse.name, side), 0.0), pulse.concentration)
    return max(
        float(gating.rate_matrix(float(potential), temperature, ligands).sum(axis=1).max())
        for potential in potentials
    )


def fastest_cycles(scenario: Scenario, carrier: Pump | Transporter) -> float:
    """Return the fastest rate in 1/ns of cycles of one pump or transporter, at potentials that cells have.

    Of a pump when it is saturated; of a transporter both ways at the concentrations of the start, which are far below
    what either way alone could come to.
    """
    if isinstance(carrier, Transporter):
        return max(sum(transporter_rates(scenario, carrier, float(v))) for v in _GATING_POTENTIALS)
    rate = carrier.turnover * carrier.acceleration
    if (dependence := carrier.voltage_dependence) is None:
        return rate
    law = theory.VOLTAGE_DEPENDENCES[dependence.kind]
    return float(rate * np.max(law(_GATING_POTENTIALS, 1.0, dependence.midpoint, dependence.scale)))


def transporter_rates(scenario: Scenario, transporter: Transporter, potential: float) -> tuple[float, float]:
    """Return the rates in 1/ns of forward and backward cycles of one transporter at the start."""
    forward, backward = theory.transporter_rates(
        transporter.turnover * transporter.acceleration,
        transporter.outward,
        transporter.inward,
        transporter.half_saturation,
        {**transporter.half_saturation, **transporter.half_saturation_opposite},
        scenario.inside,
        scenario.outside,
        {name: one.valence for name, one in scenario.species.items()},
        potential,
        scenario.simulation.temperature,
    )
    return float(forward), float(backward)


def largest_time_step(scenario: Scenario) -> TimeStepLimit:
    """Return the limit that refuses first: its `possible` is the longest time step that works at all."""
    return min(find_time_step_limits(scenario), key=lambda limit: limit.possible, default=_NO_LIMIT)


def largest_safe_time_step(scenario: Scenario) -> TimeStepLimit:
    """Return the limit that warns first: its `safe` is the longest time step without a warning."""
    return min(find_time_step_limits(scenario), key=lambda limit: limit.safe, default=_NO_LIMIT)


def resolve_time_step(scenario: Scenario) -> float:
    """Return the time step in ns; "auto" becomes the longest comfortable one of 1, 2, 5, 10...

    It is up to 1 ns where ions are followed, up to a thousandth of the run where they are not. The continuum, whose
    own steps are as short as its accuracy asks for, goes from record to record whatever a scenario says.

    Raises StabilityError for a time step that cannot work, naming the longest that can.
    """
    simulation = scenario.simulation
    if is_continuum(scenario):
        return min(scenario.recording.interval, simulation.duration)
    if simulation.time_step == "auto":
        comfortable = min((limit.comfortable for limit in find_time_step_limits(scenario)), default=math.inf)
        longest = (
            _LONGEST_AUTOMATIC_STEP if follows_ions(scenario) else simulation.duration / _AUTOMATIC_STEPS
        )
        return _round_down(min(longest, comfortable, simulation.duration))
    limit = largest_time_step(scenario)
    if simulation.time_step > limit.possible:
        raise StabilityError(
            f"{scenario.locate('simulation', 'time_step')}: {simulation.time_step:g} ns is too long "
            f"({limit.cause}); the longest that works at all is {floor_digits(limit.possible):g} ns, "
            f"the longest safe one {floor_digits(largest_safe_time_step(scenario).safe):g} ns"
        )
    return simulation.time_step


def _round_down(number: float) -> float:
    """Return the largest of 1, 2, 5, 10... times a power of ten that is not above `number`."""
    exponent = math.floor(math.log10(number))
    candidates = [
        float(f"{digit}e{power}") for power in (exponent - 1, exponent, exponent + 1) for digit in (1, 2, 5)
    ]
    return max(candidate for candidate in candidates if candidate <= number)


def floor_digits(number: float) -> float:
    """Return `number` rounded down to two digits: what a message names must itself be allowed."""
    if not math.isfinite(number):
        return number
    scale = 10.0 ** (math.floor(math.log10(number)) - 1)
    return float(f"{math.floor(number / scale) * scale:.2g}")
