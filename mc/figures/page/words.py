"""A scenario in sentences."""

from __future__ import annotations

from collections.abc import Mapping
from textwrap import dedent

from mc.analysis.phases import find_phases, has_protocol
from mc.constants import PICOAMPERES_PER_CHARGE_PER_NANOSECOND, ZERO_CELSIUS
from mc.figures import style
from mc.formatting import show_factor, show_time
from mc.recording.layout import PumpDescription
from mc.recording.recording import Recording
from mc.scenario.channels import Channel

_MICROFARADS_PER_SQUARE_CENTIMETRE = 1e2 * PICOAMPERES_PER_CHARGE_PER_NANOSECOND
"""Of 1 e/(mV nm2): 1.602e-19 C / 1e-3 V / 1e-14 cm2."""

_ENGINES = {
    "brownian": "each one followed as it walks",
    "lattice": "counted in voxels, every single one",
    "continuum": "as concentrations, without noise",
}

_CARDINALS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


def author_words(scenario_text: str) -> list[tuple[str, bool]]:
    """Return the comment at the head of a scenario file, what its author says of it.

    Paragraphs, each with whether it stands as it was written: lines that are set in are commands or tables.
    """
    blocks: list[tuple[list[str], bool]] = []
    is_new = True
    for line in scenario_text.splitlines():
        if not line.startswith("#"):
            break
        text = line.removeprefix("#").removeprefix(" ").rstrip()
        is_verbatim = text.startswith("  ")
        if text and (is_new or blocks[-1][1] != is_verbatim):
            blocks.append(([], is_verbatim))
        if text:
            blocks[-1][0].append(text)
        is_new = not text
    return [
        (dedent("\n".join(lines)) if is_verbatim else " ".join(lines), is_verbatim)
        for lines, is_verbatim in blocks
    ]


def setting(recording: Recording) -> list[str]:
    """Return what is simulated: patch, solutions, time, method; one sentence or two each."""
    scenario = recording.scenario
    geometry, simulation = scenario.geometry, scenario.simulation
    capacitance = scenario.membrane.capacitance * _MICROFARADS_PER_SQUARE_CENTIMETRE
    if geometry.dimensions == 1:
        patch = f"A patch of {show_area(geometry.area)} of membrane"
    else:
        patch = f"A line of membrane, {geometry.width:g} nm long and {geometry.depth:g} nm deep"
    ends = (
        "The far ends are held at these concentrations."
        if geometry.boundary == "bath"
        else "The far ends are closed."
    )
    anion = scenario.impermeant_anion.name
    added = (
        f"Impermeant anions ({anion}⁻) make each side neutral. " if anion in recording.species_names else ""
    )
    return [
        f"{patch}, {scenario.membrane.thickness:g} nm thick with {capacitance:.3g} µF/cm², lies between "
        f"{show_length(geometry.inside_length)} of cytoplasm and {show_length(geometry.outside_length)} of fluid "
        f"outside, at {simulation.temperature - ZERO_CELSIUS:.3g} °C.",
        f"Inside are {_mixture(recording, scenario.inside)}; outside {_mixture(recording, scenario.outside)}. "
        f"{added}{ends}",
        f"{show_time(float(recording.time[-1]))} in steps of {show_time(recording.time_step)}, with "
        f"{many(recording.n_ions)} ions, {_ENGINES.get(recording.engine, recording.engine)}.",
    ]


def proteins(recording: Recording) -> list[tuple[str, str]]:
    """Return name and description of each type of channel, pump and transporter."""
    channels = [(one.name, _describe_channel(recording, one)) for one in recording.scenario.channels]
    return channels + [(one.name, _describe_pump(recording, one)) for one in recording.pumps]


def phases(recording: Recording) -> list[str]:
    """Return what a protocol does, one line for each stretch of time; empty for a run without one."""
    if not has_protocol(recording):
        return []
    return [
        f"{show_time(phase.start)} to {show_time(phase.stop)}: {phase.label}"
        for phase in find_phases(recording)
    ]


def show_area(area: float) -> str:
    """Return an area given in nm2 in µm², or in nm² if it is small."""
    return f"{area / 1e6:.3g} µm²" if area >= 1000 else f"{area:.3g} nm²"


def show_length(length: float) -> str:
    """Return a length given in nm in a unit that suits it."""
    return f"{length / 1000:.3g} µm" if length >= 1000 else f"{length:.3g} nm"


def ion_labels(recording: Recording) -> dict[str, str]:
    """Return Ca²⁺ for Ca, and so on."""
    return {one.name: style.unicode_ion(one.name, one.valence) for one in recording.species}


def show_concentration(concentration: float) -> str:
    """Return a concentration given in mM in a unit that suits it."""
    if concentration <= 0:
        return "none"
    for unit, size in (("mM", 0.1), ("µM", 1e-4)):
        if concentration >= size:
            return f"{concentration / {'mM': 1.0, 'µM': 1e-3}[unit]:.3g} {unit}"
    return f"{concentration * 1e6:.3g} nM"


def _mixture(recording: Recording, solution: Mapping[str, float]) -> str:
    labels = ion_labels(recording)
    parts = [
        f"{show_concentration(amount)} {labels.get(name, name)}"
        for name, amount in solution.items()
        if amount > 0
    ]
    return _listed(parts) if parts else "no ions"


def _describe_channel(recording: Recording, channel: Channel) -> str:
    labels = ion_labels(recording)
    passing = sorted(channel.permeability.items(), key=lambda item: -item[1])
    through = _listed([labels.get(name, name) for name, _ in passing if _ > 0]) or "nothing"
    if channel.gating is None or len(channel.gating.scheme.states) == 1:
        gate = "always open"
    else:
        gate = f"gating between {_number(len(channel.gating.scheme.states))} states"
    source = f" ({channel.source})" if channel.source else ""
    return f"{many(channel.count)} {_plural('channel', channel.count)} for {through}, {gate}{source}"


def _describe_pump(recording: Recording, pump: PumpDescription) -> str:
    labels = ion_labels(recording)
    moves = [
        _listed([f"{n} {labels.get(name, name)}" for name, n in side.items()]) + f" {way}"
        for side, way in ((pump.outward, "out"), (pump.inward, "in"))
        if side
    ]
    faster = (
        f", turning {show_factor(pump.acceleration)} times faster than in life"
        if pump.acceleration != 1
        else ""
    )
    return f"{many(pump.count)} in the patch, {' and '.join(moves)} per cycle{faster}"


def _listed(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else ", ".join(parts[:-1]) + f" and {parts[-1]}" if parts else ""


def many(count: int) -> str:
    """Return a number of ions or proteins, in words where it is large."""
    for word, size in (("billion", 1e9), ("million", 1e6)):
        if count >= 10 * size:
            return f"{count / size:,.3g} {word}"
    return f"{count:,}"


def _number(count: int) -> str:
    return _CARDINALS[count] if count < len(_CARDINALS) else str(count)


def _plural(noun: str, count: int) -> str:
    return noun if count == 1 else f"{noun}s"
