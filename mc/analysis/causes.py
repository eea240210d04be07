"""Why engines may differ: what each leaves out, with the numbers of the scenario."""

from __future__ import annotations

import math
from itertools import combinations
from typing import NamedTuple

from mc import theory
from mc.analysis.levels import Comparison, Difference
from mc.constants import IONS_PER_CUBIC_NANOMETRE_PER_MILLIMOLAR, thermal_potential
from mc.recording.recording import Recording
from mc.scenario.advice import advise
from mc.scenario.composition import compose
from mc.scenario.resolution import find_debye_lengths, longest_step, resolve_grid_spacing
from mc.scenario.schema import Scenario
from mc.scenario.time_steps import entry_velocities

FEW_IONS = 300
"""Ions of a species on a side below which counting them is no longer like a concentration."""

FEW_CHANNELS = 300
"""Of a type, below which their opening and closing is felt one by one."""

SMALL_SHARE = 0.002
"""A relative change that is not worth telling."""


class Cause(NamedTuple):
    """A reason for a difference."""

    text: str
    concerns: tuple[str, ...]
    """Beginnings of the names of quantities that it changes; all where empty."""


class Verdict(NamedTuple):
    """What two engines make of one another."""

    first: str
    second: str
    agreeing: tuple[Difference, ...]
    differing: tuple[tuple[Difference, tuple[str, ...]], ...]
    """With the likely reasons of each, none where none is known."""


def judge(comparison: Comparison) -> list[Verdict]:
    """Return for each pair of engines where they agree, and where a difference is real and why."""
    verdicts = []
    for one, other in combinations(comparison.levels, 2):
        causes = find_causes(one.recordings[0], other.recordings[0])
        pair = [
            difference
            for difference in comparison.differences
            if (difference.first, difference.second) == (one.engine, other.engine)
        ]
        verdicts.append(
            Verdict(
                one.engine,
                other.engine,
                tuple(difference for difference in pair if not difference.is_real),
                tuple(
                    (difference, tuple(explain(difference, causes)))
                    for difference in pair
                    if difference.is_real
                ),
            )
        )
    return verdicts


def find_causes(first: Recording, second: Recording) -> list[Cause]:
    """Return what tells two runs of different engines apart, as far as it is known."""
    causes = []
    for one in (first, second):
        causes += _causes_of(one)
    if not (first.has_noise and second.has_noise):
        causes += _few_ions(first.scenario)
        causes += _noise(first.scenario)
    return list(dict.fromkeys(causes))


def explain(difference: Difference, causes: list[Cause]) -> list[str]:
    """Return the likely reasons of a difference in one quantity."""
    name = difference.quantity.name
    return [cause.text for cause in causes if not cause.concerns or any(map(name.startswith, cause.concerns))]


def _few_ions(scenario: Scenario) -> list[Cause]:
    """Return the species of which there are few on a side: whole ions, and their fluctuations under a logarithm."""
    composition, geometry = compose(scenario), scenario.geometry
    used = {name for channel in scenario.channels for name in channel.permeability}
    used |= {name for carrier in scenario.carriers for name in (*carrier.outward, *carrier.inward)}
    thermal = thermal_potential(scenario.simulation.temperature)
    causes = []
    for side, counts, length in (
        ("inside", composition.counts_inside, geometry.inside_length),
        ("outside", composition.counts_outside, geometry.outside_length),
    ):
        solution = getattr(scenario, side)
        for name, count in zip(composition.names, counts, strict=True):
            written = (
                solution.get(name, 0.0) * IONS_PER_CUBIC_NANOMETRE_PER_MILLIMOLAR * geometry.area * length
            )
            if name not in used or not written > 0.0 or count >= FEW_IONS:
                continue
            text = f"few ions: {count} of {name} {side} for the {written:.3g} that the concentration means"
            if count > 0:
                valence = abs(scenario.species[name].valence)
                shift = thermal / valence * (abs(math.log(count / written)) + 0.5 / count)
                text += f"; rounding and fluctuations move its Nernst potential by about {shift:.2g} mV"
            else:
                text += ": there are none to cross or to be pumped"
            causes.append(Cause(text, ()))
    return causes


def _noise(scenario: Scenario) -> list[Cause]:
    """Return what the fluctuating potential does to rates that depend on it."""
    capacitance = scenario.membrane.capacitance * scenario.geometry.area
    noise = float(theory.capacitance_noise(capacitance, scenario.simulation.temperature))
    scales = [
        abs(law.scale)
        for channel in scenario.channels
        if channel.gating is not None
        for _source, _target, _number, law in channel.gating.scheme.transitions
        if law.scale is not None and not law.is_constant
    ]
    causes = []
    if scales and (noise / min(scales)) ** 2 / 2.0 > SMALL_SHARE:
        causes.append(
            Cause(
                f"noise of the potential, {noise:.2g} mV (kT/C), where gates change over {min(scales):.3g} mV: "
                f"the mean of a rate is up to {(noise / min(scales)) ** 2 / 2.0:.1%} above the rate of the mean",
                (),
            )
        )
    gated = [channel for channel in scenario.channels if channel.gating is not None]
    fewest = min(gated, key=lambda channel: channel.count, default=None)
    if fewest is not None and fewest.count < FEW_CHANNELS:
        causes.append(
            Cause(
                f"correlation: the {fewest.count} channels of {fewest.name} open one by one, and the potential "
                "follows them; the continuum has the mean of each alone",
                (),
            )
        )
    return causes


def _causes_of(run: Recording) -> list[Cause]:
    """Return what one engine leaves out."""
    scenario, time_step = run.scenario, run.time_step
    composition = compose(scenario)
    debye_length = min(find_debye_lengths(scenario, composition))
    step_length = longest_step(composition, time_step)
    causes = []
    drop = ("charge_separation_potential",)
    if run.engine == "brownian":
        if step_length > debye_length / 2.0:
            causes.append(
                Cause(
                    f"double layer: steps of {step_length:.2g} nm smear its {debye_length:.2g} nm in the brownian "
                    "engine, and the drop across the slab takes up the difference",
                    drop,
                )
            )
        for name, velocity in entry_velocities(scenario).items():
            share = velocity * math.sqrt(time_step / scenario.species[name].diffusion_coefficient) / 2.0
            if share > SMALL_SHARE:
                causes.append(
                    Cause(
                        f"time step: the brownian engine lets no ion enter twice in a step, which costs up to "
                        f"{share:.1%} of the one-way fluxes of {name}",
                        (f"crossings_outward.{name}", f"crossings_inward.{name}"),
                    )
                )
        return causes
    spacing = resolve_grid_spacing(scenario, composition, time_step)
    if spacing > debye_length / 2.0:
        causes.append(
            Cause(
                f"double layer: cells of {spacing:.2g} nm in the {run.engine} engine do not resolve its "
                f"{debye_length:.2g} nm; the slab has the whole potential",
                (*drop, "crossings", "open_fraction"),
            )
        )
    if run.engine == "lattice" and step_length > spacing:
        causes.append(
            Cause(
                f"time step: on the lattice ions diffuse {step_length:.2g} nm in a step, over voxels of "
                f"{spacing:.2g} nm",
                ("concentration", "crossings"),
            )
        )
    causes += [
        Cause(f"correlation: {warning}", ("pump_cycles", "membrane_potential", "concentration"))
        for warning in advise(scenario).warnings
        if " senses " in warning
    ]
    return causes
