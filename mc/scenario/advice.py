"""What the numbers of a scenario imply before a run: scales, cost, and what is unfit or impossible."""

import math
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mc import theory
from mc.constants import (
    IONS_PER_CUBIC_NANOMETRE_PER_MILLIMOLAR,
    LARGEST_GATING_POTENTIAL,
    SENSING_REACH,
    thermal_potential,
)
from mc.errors import McError, ScenarioError, StabilityError
from mc.scenario.composition import Composition, compose
from mc.scenario.grading import graded_distances
from mc.scenario.proteins import Channel, Gating, Pump, Transporter
from mc.scenario.schema import MOST_TRANSVERSE_CELLS, Scenario

ASSUMED_SPEED = 3e8
"""Ion-steps per second of the brownian engine on two cores in one dimension, for the estimated run time."""

ASSUMED_TRANSVERSE_SPEED = ASSUMED_SPEED / 2
"""The same in two dimensions, where each ion moves and meets the field along two axes."""

ASSUMED_CELL_SPEED = 5e7
"""Cells per second of the two-dimensional field: charges collected, transforms, a system along x for each mode."""

_BYTES_PER_ION = 40
"""Most of it only while the ions are placed, and while their positions are recorded."""

_BYTES_PER_TRANSVERSE_POSITION = 20

_BYTES_PER_CELL = 1000
_BYTES_PER_PROTEIN = 100
_LARGEST_POTENTIAL = 150.0
"""mV; entry into pores is judged at this potential, which no resting cell exceeds."""

_COMFORTABLE_ENTRY, _SAFE_ENTRY, _POSSIBLE_ENTRY = 0.025, 0.05, 0.3
"""kappa sqrt(dt/D). An ion that comes out of a pore does not enter again in the same step, which costs half of this
number of the permeability (measured: 3.6 % at 0.075); equilibria are not touched."""

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

_VOXELS, _MOST_VOXELS = 10, 200
"""Voxels of a lattice from the membrane to the nearer far end by default, and the most to the farther one."""

_NODES_PER_DEBYE_LENGTH = 5
"""Of the continuum, at the membrane."""

_CONTINUUM_COLUMNS = 32
"""Of the continuum along the membrane at most by default: a step takes four times as long with twice as many."""

_SECONDS_PER_UNKNOWN, _SUBSTEPS = 1.5e-5, 2.0
"""For the estimated run time of the continuum: of one of its own steps for each number that it follows, and how many
of them a time step takes."""

_SECONDS_PER_DRAW, _SECONDS_PER_STEP, _SECONDS_PER_PROTEIN_STEP = 4e-8, 5e-6, 1e-8
"""For the estimated run time of a lattice: one binomial number, what a step costs at least, and one protein in it."""

_FINEST_GRID_IN_TWO_DIMENSIONS = 0.5
"""nm; default along x. Each ion looks up the field anywhere in a table of its species: with half a nanometre a box
of 100 nm by 250 nm has 50,000 cells, 200 kB a table, which stays in a core's cache, and the field is solved anew in
every step. It still leaves a cell or two for the Debye length of a physiological solution."""

_TRANSVERSE_SPACING = 1.0
"""nm; default along y, about the width of a mouth. Along the membrane nothing is finer."""

_FEWEST_TRANSVERSE_CELLS = 4

_GATING_POTENTIALS = np.linspace(-100.0, 100.0, 9)
"""mV; the step is to suit the rates of gates at all of them, and to be possible for those at any potential."""

_FEWEST_SENSED = 5.0
"""Ions within reach of a pump below which it is said to act on their fluctuations."""

_MOST_STEPS = 2**32 - 1
"""Random numbers are drawn by a 32-bit number of the step."""


@dataclass(frozen=True)
class TimeStepLimit:
    """One reason not to take longer steps: time steps in ns that are comfortable, safe and possible."""

    cause: str
    comfortable: float
    safe: float
    possible: float


_NO_LIMIT = TimeStepLimit("nothing", math.inf, math.inf, math.inf)
"""Of a lattice whose membrane lets nothing through."""


@dataclass(frozen=True)
class SpeciesAdvice:
    """One species at the start: concentrations in mM, ions, rms step in nm, Nernst potential in mV."""

    name: str
    valence: int
    concentration_inside: float
    concentration_outside: float
    ions_inside: int
    ions_outside: int
    diffusion_coefficient: float
    step_length: float
    nernst_potential: float


@dataclass(frozen=True)
class Advice:
    """The regime of a scenario, in internal units unless a name says otherwise.

    `warnings` say what may be wrong with the result, `refusals` what cannot work, `notes` what is good to
    know. Potentials and times are None where nothing permeates.
    """

    species: tuple[SpeciesAdvice, ...]
    n_ions: int
    anion_added_inside: int
    anion_added_outside: int
    anion_concentration_inside: float
    anion_concentration_outside: float
    debye_length_inside: float
    debye_length_outside: float
    dielectric_relaxation_time_inside: float
    dielectric_relaxation_time_outside: float
    grid_spacing: float
    n_cells: int
    transverse_cells: tuple[int, ...]
    time_step: float
    n_steps: int
    largest_safe_time_step: float
    largest_possible_time_step: float
    time_step_cause: str
    elementary_voltage_step: float
    capacitance_noise: float
    ghk_potential: float | None
    ghk_potential_with_pumps: float | None
    charging_time: float | None
    pump_current: float
    memory_bytes: float
    file_bytes: float
    run_seconds: float
    notes: tuple[str, ...]
    warnings: tuple[str, ...]
    refusals: tuple[McError, ...]

    def raise_refusals(self) -> None:
        """Raise the first refusal, with the messages of all, if there is any."""
        if self.refusals:
            raise type(self.refusals[0])("\n".join(str(refusal) for refusal in self.refusals))


# --- the time step ---


def find_time_step_limits(scenario: Scenario) -> list[TimeStepLimit]:
    """Return every limit on the time step that the scenario implies."""
    if is_continuum(scenario):
        # It makes steps of its own, as short as its accuracy asks for.
        return []
    limits = _find_lattice_limits(scenario) if is_lattice(scenario) else _find_particle_limits(scenario)
    for cause, (rate, extreme) in _event_rates(scenario).items():
        limits.append(
            TimeStepLimit(cause, _COMFORTABLE_EVENT / rate, _SAFE_EVENT / rate, _POSSIBLE_EVENT / extreme)
        )
    return limits


def is_lattice(scenario: Scenario) -> bool:
    """Return whether ions are counted in voxels rather than followed."""
    return scenario.simulation.engine == "lattice"


def is_continuum(scenario: Scenario) -> bool:
    """Return whether there are concentrations and no ions."""
    return scenario.simulation.engine == "continuum"


def follows_ions(scenario: Scenario) -> bool:
    """Return whether every ion has a place of its own."""
    return scenario.simulation.engine == "brownian"


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
    spacing = geometry.grid_spacing or default_voxel_size(scenario)
    thermal = thermal_potential(scenario.simulation.temperature)
    limits, conductance = [], 0.0
    for name in dict.fromkeys(name for channel in scenario.channels for name in channel.permeability):
        drop = abs(scenario.species[name].valence) * _LARGEST_POTENTIAL / thermal
        velocity = (
            drop
            / -math.expm1(-drop)
            * sum(
                _most_in_a_column(scenario, channel)
                * channel.permeability.get(name, 0.0)
                / (geometry.area / math.prod(resolve_transverse_cells(scenario)))
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
            * sum(channel.count * channel.permeability.get(name, 0.0) for channel in scenario.channels)
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
    cells = resolve_transverse_cells(scenario)
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
            in_zero_field = channel.permeability.get(name, 0.0) * thickness / channel.pore.mouth_depth
            captures.append(in_zero_field * drift / -math.expm1(-drift))
        velocity = _at_most_crowded_place(scenario, captures)
        if velocity > 0:
            velocities[name] = velocity
    return velocities


def _at_most_crowded_place(scenario: Scenario, amounts: list[float]) -> float:
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
        _overlapping_mouths(scenario, channel) * amount / (channel.pore.mouth_width * depth)
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


def _overlapping_mouths(scenario: Scenario, channel: Channel) -> float:
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
        return max(sum(_transporter_rates(scenario, carrier, float(v))) for v in _GATING_POTENTIALS)
    rate = carrier.turnover * carrier.acceleration
    if (dependence := carrier.voltage_dependence) is None:
        return rate
    law = theory.VOLTAGE_DEPENDENCES[dependence.kind]
    return float(rate * np.max(law(_GATING_POTENTIALS, 1.0, dependence.midpoint, dependence.scale)))


def _transporter_rates(scenario: Scenario, transporter: Transporter, potential: float) -> tuple[float, float]:
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

    It is up to 1 ns where ions are followed, up to a thousandth of the run where they are not; in the continuum no
    more than the time from record to record.

    Raises StabilityError for a time step that cannot work, naming the longest that can.
    """
    simulation = scenario.simulation
    if simulation.time_step == "auto":
        comfortable = min((limit.comfortable for limit in find_time_step_limits(scenario)), default=math.inf)
        longest = (
            _LONGEST_AUTOMATIC_STEP if follows_ions(scenario) else simulation.duration / _AUTOMATIC_STEPS
        )
        if is_continuum(scenario):
            longest = min(longest, scenario.recording.interval)
        return _round_down(min(longest, comfortable, simulation.duration))
    limit = largest_time_step(scenario)
    if simulation.time_step > limit.possible:
        raise StabilityError(
            f"{scenario.locate('simulation', 'time_step')}: {simulation.time_step:g} ns is too long "
            f"({limit.cause}); the longest that works at all is {_floor_digits(limit.possible):g} ns, "
            f"the longest safe one {_floor_digits(largest_safe_time_step(scenario).safe):g} ns"
        )
    return simulation.time_step


def _round_down(number: float) -> float:
    """Return the largest of 1, 2, 5, 10... times a power of ten that is not above `number`."""
    exponent = math.floor(math.log10(number))
    candidates = [
        float(f"{digit}e{power}") for power in (exponent - 1, exponent, exponent + 1) for digit in (1, 2, 5)
    ]
    return max(candidate for candidate in candidates if candidate <= number)


def _floor_digits(number: float) -> float:
    """Return `number` rounded down to two digits: what a message names must itself be allowed."""
    if not math.isfinite(number):
        return number
    scale = 10.0 ** (math.floor(math.log10(number)) - 1)
    return float(f"{math.floor(number / scale) * scale:.2g}")


def resolve_grid_spacing(scenario: Scenario, composition: Composition) -> float:
    """Return the size in nm of a cell of the field's grid along x; of the continuum, of the smallest.

    By default a quarter of the shorter Debye length, with at least 40 cells on the shorter side and at most
    1000 on the longer; in two dimensions at least half a nanometre, so that tables stay small. Of a lattice it is the
    size of its voxels.
    """
    geometry = scenario.geometry
    if geometry.grid_spacing is not None:
        return geometry.grid_spacing
    if is_lattice(scenario):
        return default_voxel_size(scenario)
    if is_continuum(scenario):
        return float(min(np.diff(one).min() for one in continuum_nodes(scenario, composition)))
    lengths = (geometry.inside_length, geometry.outside_length)
    spacing = max(min(*find_debye_lengths(scenario, composition), min(lengths) / 10) / 4, max(lengths) / 1000)
    return spacing if geometry.dimensions == 1 else max(spacing, _FINEST_GRID_IN_TWO_DIMENSIONS)


def continuum_nodes(scenario: Scenario, composition: Composition) -> tuple[np.ndarray, np.ndarray]:
    """Return the distances from the membrane in nm of the nodes of the continuum along x, inside and outside.

    Spaced as the scenario says, or from a fifth of the Debye length at the membrane up to a tenth of the bath.
    """
    geometry, inside, outside = scenario.geometry, *find_debye_lengths(scenario, composition)
    spacing = geometry.grid_spacing
    return (
        graded_distances(
            geometry.inside_length,
            spacing or inside / _NODES_PER_DEBYE_LENGTH,
            spacing or geometry.inside_length / _VOXELS,
        ),
        graded_distances(
            geometry.outside_length,
            spacing or outside / _NODES_PER_DEBYE_LENGTH,
            spacing or geometry.outside_length / _VOXELS,
        ),
    )


def default_voxel_size(scenario: Scenario) -> float:
    """Return the size in nm of a lattice's voxels: a tenth of the shorter bath, but at most 200 on the longer."""
    lengths = (scenario.geometry.inside_length, scenario.geometry.outside_length)
    return max(min(lengths) / _VOXELS, max(lengths) / _MOST_VOXELS)


def resolve_transverse_cells(scenario: Scenario) -> tuple[int, ...]:
    """Return the number of cells of the field's grid along each axis of the membrane: none in one dimension.

    A power of two, for the Fourier transform, that makes cells as near as it can to `grid_spacing_y`, by default
    1 nm, of a lattice as long as its voxels are along x; from 4 to 2048.
    """
    default = _TRANSVERSE_SPACING if follows_ions(scenario) else default_voxel_size(scenario)
    if is_continuum(scenario):
        default = max(
            default, *(length / _CONTINUUM_COLUMNS for length in scenario.geometry.transverse_lengths), 0.0
        )
    spacing = scenario.geometry.grid_spacing_y or default
    return tuple(
        min(max(2 ** round(math.log2(length / spacing)), _FEWEST_TRANSVERSE_CELLS), MOST_TRANSVERSE_CELLS)
        for length in scenario.geometry.transverse_lengths
    )


# --- the regime ---


def advise(scenario: Scenario) -> Advice:
    """Work out the regime of a scenario without running it.

    Raises ScenarioError where there is none: a side that cannot be made neutral, too many ions to number.
    """
    composition = compose(scenario)
    geometry, simulation, temperature = (
        scenario.geometry,
        scenario.simulation,
        scenario.simulation.temperature,
    )
    notes: list[str] = []
    warnings: list[str] = []
    refusals: list[McError] = []

    limits = find_time_step_limits(scenario)
    tightest = largest_safe_time_step(scenario)
    try:
        time_step = resolve_time_step(scenario)
    except StabilityError as error:
        refusals.append(error)
        time_step = float(simulation.time_step)
    n_steps = max(1, round(simulation.duration / time_step))
    if n_steps > _MOST_STEPS:
        refusals.append(
            StabilityError(
                f"{scenario.locate('simulation', 'duration')}: {n_steps:.3g} steps of {time_step:g} ns "
                f"are more than can be numbered ({_MOST_STEPS:.3g}); shorten the duration"
            )
        )
    warnings += _judge_time_step(limits, time_step)

    debye_lengths = find_debye_lengths(scenario, composition)
    relaxation_times = [
        float(
            theory.dielectric_relaxation_time(
                concentrations, composition.valences, composition.diffusion_coefficients, temperature
            )
        )
        for concentrations in _concentrations(scenario, composition)
    ]
    grid_spacing = resolve_grid_spacing(scenario, composition)
    n_cells = sum(
        math.ceil(length / grid_spacing) for length in (geometry.inside_length, geometry.outside_length)
    )
    if is_continuum(scenario):
        n_cells = sum(nodes.size for nodes in continuum_nodes(scenario, composition))
    transverse_cells = resolve_transverse_cells(scenario)
    n_grid_cells = n_cells * math.prod(transverse_cells)
    if is_lattice(scenario):
        notes += _note_voxels(grid_spacing, min(debye_lengths), composition, time_step)
    elif grid_spacing > min(debye_lengths):
        warnings.append(
            f"grid cells of {grid_spacing:.3g} nm are wider than the Debye length, "
            f"{min(debye_lengths):.3g} nm: the double layers are not resolved"
        )
    for side, debye_length in zip(("inside", "outside"), debye_lengths, strict=True):
        length = getattr(geometry, f"{side}_length")
        if length < 10 * debye_length:
            warnings.append(
                f"the bath {side}, {length:g} nm, is shorter than ten Debye lengths of {debye_length:.3g} "
                "nm: the electrode there reads no bulk"
            )
    fastest = float(composition.diffusion_coefficients.max())
    resolving = min(debye_lengths) ** 2 / (4 * fastest)
    if time_step > resolving and follows_ions(scenario):
        notes.append(
            f"the double layers are smeared to a step length, {math.sqrt(2 * fastest * time_step):.2g} nm; "
            f"for their shape take time steps of {_floor_digits(resolving):g} ns or less (potential "
            "and fluxes are right without)"
        )
    if follows_ions(scenario):
        notes += _note_places(scenario, composition, transverse_cells, min(debye_lengths), time_step)
    if geometry.boundary == "bath":
        exchanged = ", ".join(composition.names)
        notes.append(
            f"the far ends exchange ions ({exchanged}) with baths at the concentrations of their sides: "
            "the number of ions is not constant"
        )

    capacitance = scenario.membrane.capacitance * geometry.area
    elementary_step = float(theory.elementary_voltage_step(capacitance))
    noise = float(theory.capacitance_noise(capacitance, temperature))
    warnings += _judge_patch(scenario, composition, elementary_step, noise)
    if simulation.engine == "brownian":
        warnings += _judge_sensing(scenario)
    area_warnings, area_refusals = _judge_open_area(scenario)
    warnings += area_warnings
    refusals += area_refusals

    ghk = _ghk_potential(scenario, 0.0)
    ghk_with_pumps, pump_current = _rest_with_pumps(scenario, ghk)
    rest = ghk_with_pumps
    charging_time = None
    if rest is None:
        notes.append("no channel lets anything through: there is no GHK potential")
    elif not math.isfinite(rest):
        warnings.append("the permeant ions can go one way only: there is no resting potential")
    else:
        charging_time = float(theory.charging_time(capacitance, _slope_conductance(scenario, rest)))
        free_time = simulation.duration - scenario.protocol.time_held(simulation.duration)
        if 0 < free_time < 3 * charging_time:
            warnings.append(
                f"charging takes about {charging_time:.3g} ns, the membrane is free for {free_time:g} ns: "
                "rest will not be reached; take more channels or a longer duration"
            )
        if geometry.boundary == "closed" and free_time > 0:
            warnings += _judge_run_down(scenario, composition, rest)

    n_proteins = sum(channel.count for channel in scenario.channels) + sum(
        carrier.count for carrier in scenario.carriers
    )
    bytes_per_ion = _BYTES_PER_ION + _BYTES_PER_TRANSVERSE_POSITION * len(transverse_cells)
    if not follows_ions(scenario):
        bytes_per_ion = 0
    memory = (
        composition.n_ions * bytes_per_ion + n_grid_cells * _BYTES_PER_CELL + n_proteins * _BYTES_PER_PROTEIN
    )
    available = machine_memory()
    if available is not None and memory > available:
        refusals.append(
            ScenarioError(
                f"{scenario.locate('geometry', geometry.patch_keys[0])}: {composition.n_ions:.3g} ions need "
                f"{memory / 1e9:.3g} GB of memory, this machine has {available / 1e9:.3g} GB; "
                f"reduce {', '.join(geometry.patch_keys)}, inside_length or outside_length"
            )
        )
    elif available is not None and memory > available / 2:
        warnings.append(f"{memory / 1e9:.3g} GB of memory, of {available / 1e9:.3g} GB that this machine has")
    file_bytes = _file_bytes(scenario, composition, n_cells)
    if file_bytes > 4e9:
        warnings.append(
            f"the result file will hold about {file_bytes / 1e9:.3g} GB; lengthen "
            "recording.positions_interval, recording.profile_interval or recording.interval, "
            "or raise recording.positions_stride"
        )
    if is_lattice(scenario):
        run_seconds = n_steps * _lattice_step_seconds(scenario, composition, time_step, n_grid_cells)
    elif is_continuum(scenario):
        unknowns = (len(composition.names) + 1) * n_grid_cells
        run_seconds = n_steps * _SUBSTEPS * unknowns * _SECONDS_PER_UNKNOWN
    elif geometry.dimensions == 1:
        run_seconds = composition.n_ions * n_steps / ASSUMED_SPEED
    else:
        run_seconds = n_steps * (
            composition.n_ions / ASSUMED_TRANSVERSE_SPEED + n_grid_cells / ASSUMED_CELL_SPEED
        )
    if run_seconds > 86400:
        warnings.append(f"the run will take about {run_seconds / 86400:.3g} days")
    for carrier in scenario.carriers:
        if carrier.acceleration > 1:
            notes.append(f"{carrier.name} turns {carrier.acceleration:g} times faster than its turnover says")

    return Advice(
        species=_describe_species(scenario, composition, time_step),
        n_ions=composition.n_ions,
        anion_added_inside=composition.anion_added_inside,
        anion_added_outside=composition.anion_added_outside,
        anion_concentration_inside=composition.anion_concentration_inside,
        anion_concentration_outside=composition.anion_concentration_outside,
        debye_length_inside=debye_lengths[0],
        debye_length_outside=debye_lengths[1],
        dielectric_relaxation_time_inside=relaxation_times[0],
        dielectric_relaxation_time_outside=relaxation_times[1],
        grid_spacing=grid_spacing,
        n_cells=n_cells,
        transverse_cells=transverse_cells,
        time_step=time_step,
        n_steps=n_steps,
        largest_safe_time_step=tightest.safe,
        largest_possible_time_step=largest_time_step(scenario).possible,
        time_step_cause=tightest.cause,
        elementary_voltage_step=elementary_step,
        capacitance_noise=noise,
        ghk_potential=ghk,
        ghk_potential_with_pumps=ghk_with_pumps,
        charging_time=charging_time,
        pump_current=pump_current,
        memory_bytes=float(memory),
        file_bytes=file_bytes,
        run_seconds=run_seconds,
        notes=tuple(notes),
        warnings=tuple(warnings),
        refusals=tuple(refusals),
    )


def _concentrations(scenario: Scenario, composition: Composition) -> tuple[np.ndarray, np.ndarray]:
    """Return the concentrations in mM of the counted ions, inside and outside, in the composition's order."""
    geometry = scenario.geometry
    return (
        composition.counts_inside
        / (geometry.area * geometry.inside_length * IONS_PER_CUBIC_NANOMETRE_PER_MILLIMOLAR),
        composition.counts_outside
        / (geometry.area * geometry.outside_length * IONS_PER_CUBIC_NANOMETRE_PER_MILLIMOLAR),
    )


def find_debye_lengths(scenario: Scenario, composition: Composition) -> list[float]:
    """Return the Debye length in nm of the counted ions, inside and outside."""
    temperature = scenario.simulation.temperature
    return [
        float(theory.debye_length(concentrations, composition.valences, temperature))
        for concentrations in _concentrations(scenario, composition)
    ]


def _describe_species(
    scenario: Scenario, composition: Composition, time_step: float
) -> tuple[SpeciesAdvice, ...]:
    inside, outside = _concentrations(scenario, composition)
    rows = []
    for i, name in enumerate(composition.names):
        species = scenario.species[name]
        is_anion_added = name == scenario.impermeant_anion.name
        concentration_inside = float(inside[i]) if is_anion_added else scenario.inside.get(name, 0.0)
        concentration_outside = float(outside[i]) if is_anion_added else scenario.outside.get(name, 0.0)
        rows.append(
            SpeciesAdvice(
                name=name,
                valence=species.valence,
                concentration_inside=concentration_inside,
                concentration_outside=concentration_outside,
                ions_inside=int(composition.counts_inside[i]),
                ions_outside=int(composition.counts_outside[i]),
                diffusion_coefficient=species.diffusion_coefficient,
                step_length=math.sqrt(2 * species.diffusion_coefficient * time_step),
                nernst_potential=float(
                    theory.nernst_potential(
                        species.valence,
                        concentration_inside,
                        concentration_outside,
                        scenario.simulation.temperature,
                    )
                ),
            )
        )
    return tuple(rows)


def _mean_permeabilities(scenario: Scenario, potential: float) -> dict[str, float]:
    """Return the mean permeability in nm3/ns of the whole patch for each species, with gates as they rest at V."""
    total: dict[str, float] = {}
    for channel in scenario.channels:
        for name, permeability in channel.mean_permeability(potential, scenario.ligands_at_start).items():
            total[name] = total.get(name, 0.0) + channel.count * permeability
    return {name: permeability for name, permeability in total.items() if permeability > 0}


def _ghk_potential(scenario: Scenario, pump_current: float) -> float | None:
    """Return where the current vanishes, in mV: where gates depend on the potential, with them as they rest there.

    Of several such potentials, the most negative one.
    """
    if all(channel.gating is None or channel.gating.is_constant for channel in scenario.channels):
        return _ghk_potential_at(scenario, pump_current, 0.0)
    potentials = np.linspace(-LARGEST_GATING_POTENTIAL, LARGEST_GATING_POTENTIAL, 301)
    low = None
    for potential in map(float, potentials):
        reversal = _ghk_potential_at(scenario, pump_current, potential)
        if reversal is None or not math.isfinite(reversal):
            continue
        if reversal > potential:
            low = potential
        elif low is not None:
            high = potential
            for _ in range(40):
                middle = (low + high) / 2.0
                is_above = (_ghk_potential_at(scenario, pump_current, middle) or 0.0) > middle
                low, high = (middle, high) if is_above else (low, middle)
            return (low + high) / 2.0
    return None


def _rest_with_pumps(scenario: Scenario, ghk: float | None) -> tuple[float | None, float]:
    """Return where channels, pumps and transporters together carry no current, in mV, and that of the latter in e/ns.

    Where transporters carry charge, their current follows the potential: outward the more, the more positive it is,
    so that there is one such potential.
    """

    def rest_and_current(potential: float) -> tuple[float | None, float]:
        current = sum(_pump_currents(scenario, potential).values())
        return _ghk_potential(scenario, current), current

    low, high = -LARGEST_GATING_POTENTIAL, LARGEST_GATING_POTENTIAL
    at_low, at_high = rest_and_current(low), rest_and_current(high)
    if at_low[1] == at_high[1] or ghk is None or not math.isfinite(ghk):
        return at_low
    for _ in range(30):
        middle = (low + high) / 2.0
        rest, _current = rest_and_current(middle)
        low, high = (middle, high) if rest is not None and rest > middle else (low, middle)
    return rest_and_current((low + high) / 2.0)


def _ghk_potential_at(scenario: Scenario, pump_current: float, gating_potential: float) -> float | None:
    """Return the potential in mV where no current flows through gates as they rest at another potential."""
    permeabilities = _mean_permeabilities(scenario, gating_potential)
    if not permeabilities:
        return None
    valences = {name: scenario.species[name].valence for name in permeabilities}
    potential = float(
        theory.ghk_potential(
            permeabilities,
            scenario.inside,
            scenario.outside,
            valences,
            scenario.simulation.temperature,
            current=pump_current,
        )
    )
    return None if math.isnan(potential) else potential


def _net_currents(scenario: Scenario, potential: float, gating_potential: float) -> dict[str, float]:
    """Return the outward current in e/ns of each permeant species at `potential` in mV, through gates that rest."""
    return {
        name: float(
            theory.ghk_current(
                permeability,
                scenario.inside.get(name, 0.0),
                scenario.outside.get(name, 0.0),
                scenario.species[name].valence,
                potential,
                scenario.simulation.temperature,
            )
        )
        for name, permeability in _mean_permeabilities(scenario, gating_potential).items()
    }


def _slope_conductance(scenario: Scenario, potential: float) -> float:
    """Return dI/dV of the whole patch in e/(mV ns), over 1 mV."""
    above, below = (
        sum(_net_currents(scenario, potential + shift, potential).values()) for shift in (0.5, -0.5)
    )
    return above - below


def _pump_currents(scenario: Scenario, potential: float) -> dict[str, float]:
    """Return the outward current in e/ns of each species through pumps and transporters, as the run starts."""
    currents: dict[str, float] = {}
    valences = {name: one.valence for name, one in scenario.species.items()}
    for carrier in scenario.carriers:
        cycles = carrier.count * _net_cycles(scenario, carrier, potential)
        for moved, sign in ((carrier.outward, 1), (carrier.inward, -1)):
            for name, number in moved.items():
                currents[name] = currents.get(name, 0.0) + cycles * sign * number * valences[name]
    return currents


def _net_cycles(scenario: Scenario, carrier: Pump | Transporter, potential: float) -> float:
    """Return the rate in 1/ns of forward minus backward cycles of one pump or transporter at the start."""
    if isinstance(carrier, Transporter):
        forward, backward = _transporter_rates(scenario, carrier, potential)
        return forward - backward
    turnover = carrier.turnover * carrier.acceleration
    if (dependence := carrier.voltage_dependence) is not None:
        law = theory.VOLTAGE_DEPENDENCES[dependence.kind]
        turnover *= float(law(potential, 1.0, dependence.midpoint, dependence.scale))
    for solution, moved in ((scenario.inside, carrier.outward), (scenario.outside, carrier.inward)):
        for name, number in moved.items():
            concentration = solution.get(name, 0.0)
            filled = concentration / (concentration + carrier.half_saturation[name])
            turnover *= filled ** carrier.hill.get(name, number)
    return turnover


# --- verdicts ---


def _judge_time_step(limits: list[TimeStepLimit], time_step: float) -> list[str]:
    return [
        f"time step {time_step:g} ns: too long for {limit.cause}; safe up to {_floor_digits(limit.safe):g} ns"
        for limit in limits
        if limit.safe < time_step <= limit.possible
    ]


def _judge_patch(
    scenario: Scenario, composition: Composition, elementary_step: float, noise: float
) -> list[str]:
    warnings = []
    area = scenario.geometry.area
    if elementary_step > 5:
        warnings.append(
            f"one ion moves the potential by {elementary_step:.3g} mV (e/C): {area:g} nm2 is a tiny patch"
        )
    if noise > 15:
        warnings.append(
            f"thermal noise of the potential is {noise:.3g} mV (kT/C): the patch of {area:g} nm2 is small"
        )
    permeant = _mean_permeabilities(scenario, 0.0)
    for i, name in enumerate(composition.names):
        if name not in permeant:
            continue
        sides = {"inside": composition.counts_inside[i], "outside": composition.counts_outside[i]}
        for side, count in sides.items():
            written = getattr(scenario, side).get(name, 0.0)
            # A species that is left out on purpose is no noise.
            if count < 10 and written > 0:
                warnings.append(
                    f"{count} ions of {name} {side} ({written:g} mM): its concentration there is mere noise"
                )
    return warnings


def _judge_sensing(scenario: Scenario) -> list[str]:
    """Warn where a pump or transporter senses so few ions that its rate follows their number and not the mean.

    Saturation is no straight line: the mean rate is then not that of the mean concentration.
    """
    geometry = scenario.geometry
    area = geometry.area
    sensed_reach = SENSING_REACH
    if is_lattice(scenario):
        # One voxel beside the membrane.
        area /= math.prod(resolve_transverse_cells(scenario))
        sensed_reach = (geometry.grid_spacing or default_voxel_size(scenario)) / 2.0
    elif geometry.depth is not None:
        area = geometry.depth * min(2.0 * SENSING_REACH, geometry.transverse_lengths[0])
    warnings = []
    for carrier in scenario.carriers:
        for solution, side, moved in (
            (scenario.inside, "inside", carrier.outward),
            (scenario.outside, "outside", carrier.inward),
        ):
            reach = min(sensed_reach, getattr(geometry, f"{side}_length"))
            for name in moved:
                sensed = solution.get(name, 0.0) * IONS_PER_CUBIC_NANOMETRE_PER_MILLIMOLAR * area * reach
                if 0.0 < sensed < _FEWEST_SENSED:
                    warnings.append(
                        f"{carrier.name} senses {sensed:.2g} ions of {name} {side}, all there are within "
                        f"{reach:g} nm: its rate follows their number, not the mean concentration"
                    )
    return warnings


def _judge_open_area(scenario: Scenario) -> tuple[list[str], list[StabilityError]]:
    """Judge the share of the face that is pore: A_p = p d/D_p for the ion that passes best.

    In two dimensions it is the share of the mouths where they are most crowded.
    """
    areas = [
        max(channel.permeability.values()) * scenario.membrane.thickness / channel.pore.diffusion_coefficient
        for channel in scenario.channels
    ]
    share = _at_most_crowded_place(scenario, areas)
    if scenario.geometry.dimensions == 1:
        text = f"the open pores cover {share:.1%} of the membrane"
        remedy = "take fewer channels, a larger area or a larger pore.diffusion_coefficient"
    else:
        text = f"the open pores cover {share:.1%} of their mouths"
        remedy = "take a larger depth, pore.mouth_width or pore.diffusion_coefficient, or spread the channels"
    if share >= 1:
        return [], [StabilityError(f"{scenario.locate('channels')}: {text}, more than there is; {remedy}")]
    return ([f"{text}: pores no longer act alone"] if share > 0.05 else []), []


def _note_places(
    scenario: Scenario,
    composition: Composition,
    transverse_cells: tuple[int, ...],
    debye_length: float,
    time_step: float,
) -> list[str]:
    """Return what is good to know of distributions along the membrane; nothing where they are not tracked."""
    if not transverse_cells:
        return []
    notes = []
    spacing = scenario.geometry.transverse_lengths[0] / transverse_cells[0]
    if spacing > 1.5 * debye_length:
        notes.append(
            f"cells of {spacing:.3g} nm along the membrane are wider than the Debye length, {debye_length:.3g} nm: "
            "how double layers vary from place to place is averaged over a cell; ions' own positions are not"
        )
    fastest = max(
        (scenario.species[name].diffusion_coefficient for name in entry_velocities(scenario)), default=0
    )
    mouth = min((channel.pore.mouth_width for channel in scenario.channels), default=math.inf)
    if 2 * fastest * time_step > mouth**2:
        notes.append(
            f"around the mouths distributions are smeared to a step length, {math.sqrt(2 * fastest * time_step):.2g} "
            f"nm; to see them as fine as the mouth of {mouth:g} nm take time steps of "
            f"{_floor_digits(mouth**2 / (2 * fastest)):g} ns or less (fluxes are right without)"
        )
    for channel in scenario.channels:
        crowd = _overlapping_mouths(scenario, channel)
        if crowd >= 2:
            notes.append(
                f"where {channel.name} stands closest, about {crowd:.2g} mouths overlap: they share the ions there"
            )
    return notes


def _note_voxels(
    spacing: float, debye_length: float, composition: Composition, time_step: float
) -> list[str]:
    """Return what voxels and steps of this size leave out."""
    notes = []
    if spacing > debye_length / 2:
        notes.append(
            f"voxels of {spacing:.3g} nm do not resolve the double layers, {debye_length:.3g} nm: the membrane is a "
            "capacitor between baths that are neutral (for the layers take a grid_spacing of "
            f"{_floor_digits(debye_length / 2):g} nm or less)"
        )
    step_length = math.sqrt(2 * float(composition.diffusion_coefficients.max()) * time_step)
    if step_length > spacing:
        notes.append(
            f"in a step ions diffuse {step_length:.2g} nm, farther than voxels of {spacing:.3g} nm: profiles are "
            "smeared over that length, and come to rest in no less than a step"
        )
    return notes


def _lattice_step_seconds(
    scenario: Scenario, composition: Composition, time_step: float, n_voxels: int
) -> float:
    """Return the estimated time of a step: a binomial number for each voxel that ions of each voxel may reach."""
    geometry = scenario.geometry
    spacings = [resolve_grid_spacing(scenario, composition)]
    most = [max(geometry.inside_length, geometry.outside_length) / spacings[0]]
    for length, cells in zip(geometry.transverse_lengths, resolve_transverse_cells(scenario), strict=True):
        spacings.append(length / cells)
        most.append(cells)
    draws = 0.0
    for diffusion_coefficient in composition.diffusion_coefficients:
        for spacing, n in zip(spacings, most, strict=True):
            reach = 14.0 * math.sqrt(2.0 * float(diffusion_coefficient) * time_step) / spacing
            draws += n_voxels * min(reach + 2.0, n)
    proteins = sum(one.count for one in (*scenario.channels, *scenario.pumps))
    return _SECONDS_PER_STEP + draws * _SECONDS_PER_DRAW + proteins * _SECONDS_PER_PROTEIN_STEP


def _judge_run_down(scenario: Scenario, composition: Composition, rest: float) -> list[str]:
    """Warn where leaks and pumps at rest change a concentration by a quarter or more within the run."""
    warnings = []
    pump_currents = _pump_currents(scenario, rest)
    for name, leak in _net_currents(scenario, rest, rest).items():
        current = leak + pump_currents.get(name, 0.0)
        moved = abs(current / scenario.species[name].valence) * scenario.simulation.duration
        i = composition.names.index(name)
        for side, counts in (("inside", composition.counts_inside), ("outside", composition.counts_outside)):
            if counts[i] >= 10 and moved > 0.25 * counts[i]:
                warnings.append(
                    f"at rest, leaks and pumps change {name} {side} by {moved / counts[i]:.0%} in the run: "
                    "the potential drifts with it"
                )
    return warnings


def _file_bytes(scenario: Scenario, composition: Composition, n_cells: int) -> float:
    """Return the estimated size of the result file without its events."""
    recording, duration = scenario.recording, scenario.simulation.duration
    n_species = len(composition.names)
    n_recorded = composition.n_ions if follows_ions(scenario) else 0
    n_columns = 10 + n_species * (5 + 2 * len(scenario.channels)) + 4 * len(scenario.channels)
    return (
        duration / recording.interval * n_columns * 8
        + duration / recording.profile_interval * (n_species + 1) * n_cells * 4
        + duration / recording.positions_interval * n_recorded / recording.positions_stride * 12
    )


def machine_memory() -> float | None:
    """Return the bytes of memory that this process may use, None where the system does not tell."""
    try:
        total = float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    except (AttributeError, ValueError, OSError):
        return None
    try:
        limit = Path("/sys/fs/cgroup/memory.max").read_text().strip()
    except OSError:
        return total
    return min(total, float(limit)) if limit.isdecimal() else total
