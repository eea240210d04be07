"""What the numbers of a scenario imply before a run: scales, cost, and what is unfit or impossible."""

import math
import os
from dataclasses import dataclass
from pathlib import Path

from mc import theory
from mc.constants import (
    IONS_PER_CUBIC_NANOMETRE_PER_MILLIMOLAR,
    SENSING_REACH,
)
from mc.errors import McError, ScenarioError, StabilityError
from mc.formatting import show_factor, show_time
from mc.scenario.composition import Composition, compose
from mc.scenario.resolution import (
    concentrations,
    continuum_nodes,
    find_debye_lengths,
    follows_ions,
    is_continuum,
    is_lattice,
    longest_step,
    resolve_columns,
    resolve_grid_spacing,
    resolve_transverse_cells,
    resolve_voxel_size,
)
from mc.scenario.rest import (
    ghk_potential,
    mean_permeabilities,
    net_currents,
    pump_currents,
    rest_with_pumps,
    slope_conductance,
)
from mc.scenario.schema import Scenario
from mc.scenario.time_steps import (
    TimeStepLimit,
    at_most_crowded_place,
    entry_velocities,
    find_time_step_limits,
    floor_digits,
    largest_safe_time_step,
    largest_time_step,
    overlapping_mouths,
    resolve_time_step,
)

ASSUMED_SPEED = 3e8
"""Ion-steps per second of the brownian engine on two cores in one dimension, for the estimated run time."""

ASSUMED_TRANSVERSE_SPEED = ASSUMED_SPEED / 2
"""The same in two dimensions, where each ion moves and meets the field along two axes."""

ASSUMED_CELL_SPEED = 1.2e8
"""Cells per second of the two-dimensional field: charges collected, transforms, a system along x for each mode."""

_BYTES_PER_ION = 65
"""Most of it only while the ions are placed, and while their positions are recorded; measured with ten million."""

_BYTES_PER_TRANSVERSE_POSITION = 20

_BYTES_PER_CELL = 1000

_BYTES_PER_PROTEIN = 100

_MOST_CHARGES_IN_CELL = 100_000
"""Of either sign, in the mean, where places along the membrane are tracked: less than half of what its sums hold."""

_SECONDS_PER_UNKNOWN, _SUBSTEPS = 1.5e-5, 1.0
"""For the estimated run time of the continuum: of one of its own steps for each number that it follows, and how many
of them a time step takes."""

_SECONDS_PER_DRAW, _SECONDS_PER_STEP, _SECONDS_PER_PROTEIN_STEP = 4e-8, 5e-6, 1e-8
"""For the estimated run time of a lattice: one binomial number, what a step costs at least, and one protein in it."""

_FEWEST_SENSED = 5.0
"""Ions within reach of a pump below which it is said to act on their fluctuations."""

_JUDGED_AFTER = 24.0
"""Charging times that a run takes until its mean can be judged: four to come to rest and twenty to average over."""

_MOST_STEPS = 2**32 - 1
"""Random numbers are drawn by a 32-bit number of the step."""


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
        for concentrations in concentrations(scenario, composition)
    ]
    grid_spacing = resolve_grid_spacing(scenario, composition, time_step)
    n_cells = sum(
        math.ceil(length / grid_spacing) for length in (geometry.inside_length, geometry.outside_length)
    )
    if is_continuum(scenario):
        n_cells = sum(nodes.size for nodes in continuum_nodes(scenario, composition))
    transverse_cells = resolve_transverse_cells(scenario, composition, time_step)
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
            f"the double layers are smeared to a step length, {longest_step(composition, time_step):.2g} nm; "
            f"for their shape take time steps of {floor_digits(resolving):g} ns or less (potential "
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
    if not is_continuum(scenario):
        warnings += _judge_patch(scenario, composition, elementary_step, noise)
    if simulation.engine == "brownian":
        warnings += _judge_sensing(scenario)
    area_warnings, area_refusals = _judge_open_area(scenario)
    warnings += area_warnings
    refusals += area_refusals
    refusals += _judge_cells(scenario, composition, grid_spacing, transverse_cells)

    ghk = ghk_potential(scenario, 0.0)
    ghk_with_pumps, pump_current = rest_with_pumps(scenario, ghk)
    rest = ghk_with_pumps
    charging_time = None
    if rest is None:
        notes.append("no channel lets anything through: there is no GHK potential")
    elif not math.isfinite(rest):
        warnings.append("the permeant ions can go one way only: there is no resting potential")
    else:
        charging_time = float(theory.charging_time(capacitance, slope_conductance(scenario, rest)))
        free_time = simulation.duration - scenario.protocol.time_held(simulation.duration)
        if 0 < free_time < 3 * charging_time:
            warnings.append(
                f"charging takes about {show_time(charging_time)}, the membrane is free for "
                f"{show_time(free_time)}: rest will not be reached; take more channels or a longer duration"
            )
        elif 0 < free_time < _JUDGED_AFTER * charging_time:
            notes.append(
                f"too short a run to judge its mean against GHK: that takes {_JUDGED_AFTER:g} charging times, "
                f"{show_time(_JUDGED_AFTER * charging_time)}"
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
            notes.append(
                f"{carrier.name} turns {show_factor(carrier.acceleration)} times faster than its turnover says"
            )

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


def _describe_species(
    scenario: Scenario, composition: Composition, time_step: float
) -> tuple[SpeciesAdvice, ...]:
    inside, outside = concentrations(scenario, composition)
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


def _judge_time_step(limits: list[TimeStepLimit], time_step: float) -> list[str]:
    return [
        f"time step {time_step:g} ns: too long for {limit.cause}; safe up to {floor_digits(limit.safe):g} ns"
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
    permeant = mean_permeabilities(scenario, 0.0)
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
        area /= math.prod(resolve_columns(scenario))
        sensed_reach = resolve_voxel_size(scenario) / 2.0
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
        max(channel.largest_permeability.values())
        * scenario.membrane.thickness
        / channel.pore.diffusion_coefficient
        for channel in scenario.channels
    ]
    share = at_most_crowded_place(scenario, areas)
    if scenario.geometry.dimensions == 1:
        text = f"the open pores cover {share:.1%} of the membrane"
        remedy = "take fewer channels, a larger area or a larger pore.diffusion_coefficient"
    else:
        text = f"the open pores cover {share:.1%} of their mouths"
        remedy = "take a larger depth, pore.mouth_width or pore.diffusion_coefficient, or spread the channels"
    if share >= 1:
        return [], [StabilityError(f"{scenario.locate('channels')}: {text}, more than there is; {remedy}")]
    return ([f"{text}: pores no longer act alone"] if share > 0.05 else []), []


def _judge_cells(
    scenario: Scenario, composition: Composition, grid_spacing: float, transverse_cells: tuple[int, ...]
) -> list[StabilityError]:
    """Return a refusal where a cell would hold more ions than its sums have room for."""
    if not (follows_ions(scenario) and transverse_cells):
        return []
    geometry, along = scenario.geometry, math.prod(transverse_cells)
    fullest = max(
        float(counts @ abs(composition.valences)) / (math.ceil(length / grid_spacing) * along)
        for counts, length in (
            (composition.counts_inside, geometry.inside_length),
            (composition.counts_outside, geometry.outside_length),
        )
    )
    if fullest <= _MOST_CHARGES_IN_CELL:
        return []
    return [
        StabilityError(
            f"{scenario.locate('geometry')}: a cell of the grid would hold {fullest:,.0f} charges, "
            f"more than {_MOST_CHARGES_IN_CELL:,}: take a smaller grid_spacing or grid_spacing_y, or a smaller depth"
        )
    ]


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
    if spacing > 1.5 * max(debye_length, longest_step(composition, time_step)):
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
            f"{floor_digits(mouth**2 / (2 * fastest)):g} ns or less (fluxes are right without)"
        )
    for channel in scenario.channels:
        crowd = overlapping_mouths(scenario, channel)
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
            f"{floor_digits(debye_length / 2):g} nm or less)"
        )
    step_length = longest_step(composition, time_step)
    if step_length > spacing:
        notes.append(
            f"in a step ions diffuse {float(f'{step_length:.2g}'):g} nm, farther than voxels of {spacing:.3g} nm: "
            "profiles are smeared over that length, and come to rest in no less than a step"
        )
    return notes


def _lattice_step_seconds(
    scenario: Scenario, composition: Composition, time_step: float, n_voxels: int
) -> float:
    """Return the estimated time of a step: a binomial number for each voxel that ions of each voxel may reach."""
    geometry = scenario.geometry
    spacings = [resolve_voxel_size(scenario)]
    most = [max(geometry.inside_length, geometry.outside_length) / spacings[0]]
    for length, cells in zip(geometry.transverse_lengths, resolve_columns(scenario), strict=True):
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
    by_pumps = pump_currents(scenario, rest)
    for name, leak in net_currents(scenario, rest, rest).items():
        current = leak + by_pumps.get(name, 0.0)
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
    n_followed = composition.n_ions if follows_ions(scenario) else 0
    n_columns = 10 + n_species * (5 + 2 * len(scenario.channels)) + 4 * len(scenario.channels)
    return (
        duration / recording.interval * n_columns * 8
        + duration / recording.profile_interval * (n_species + 1) * n_cells * 4
        + duration / recording.positions_interval * recording.recorded_ions(n_followed) * 12
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
