"""What a run needs of the machine, memory and disk, and whether that is there before it starts."""

import math
import os
from dataclasses import dataclass
from pathlib import Path

from mc.constants import IONS_PER_CUBIC_NANOMETRE_PER_MILLIMOLAR
from mc.errors import ResourceError
from mc.scenario.advice import Advice
from mc.scenario.resolution import follows_ions, is_continuum
from mc.scenario.schema import Scenario
from mc.scenario.time_steps import fastest_cycles
from mc.theory import stationary_distribution

BYTES_PER_CROSSING, BYTES_PER_PUMP_MOVE, BYTES_PER_TRANSITION = 26, 34, 22
"""Of a row of each table of events."""

BYTES_OF_PROGRAM = 80e6
"""Compiled kernels and libraries that are loaded as a run starts."""

BYTES_OF_BUFFERS = 100e6
"""Records wait in memory until 32 MiB have gathered, and are held as bytes of the file until they are written."""

CHECKPOINTS = 3
"""Two generations, and the one that is being written."""

_POTENTIALS = (-70.0, 0.0, 40.0)
"""mV; of these the potential with the most events counts."""


@dataclass(frozen=True)
class Storage:
    """Bytes that a run writes, by what they are."""

    series: float
    profiles: float
    maps: float
    positions: float
    events: float
    checkpoints: float

    @property
    def total(self) -> float:
        """All together."""
        return sum(vars(self).values())

    @property
    def remedy(self) -> str:
        """How to write less of what is the most."""
        largest = max(vars(self), key=lambda part: vars(self)[part])
        return {
            "series": "lengthen recording.interval",
            "profiles": "lengthen recording.profile_interval",
            "maps": "lengthen recording.profile_interval",
            "positions": "lengthen recording.positions_interval or raise recording.positions_stride",
            "events": "give recording.events = false",
            "checkpoints": "follow fewer ions",
        }[largest]


def estimate_storage(scenario: Scenario, advice: Advice) -> Storage:
    """Return about what a run of a scenario writes; events by their rates at the start."""
    recording, duration = scenario.recording, scenario.simulation.duration
    n_species, n_channels = len(advice.species), len(scenario.channels)
    n_states = sum(len(one.states) for one in scenario.channels)
    n_columns = (
        *(5 + len(scenario.electrodes), 6 * n_species, n_channels + n_states),
        *(3 * n_channels * n_species, 2 * len(scenario.carriers)),
    )
    n_profiles = duration / recording.profile_interval + 1
    # Concentrations in cells and the potential at their nodes, two more.
    n_profile = (n_species + 1) * advice.n_cells + 2
    n_map = n_profile * math.prod(advice.transverse_cells) if advice.transverse_cells else 0
    n_ions = _room_for_ions(scenario, advice) if follows_ions(scenario) else 0
    # Its position, and with transverse axes its places along them and its name.
    bytes_per_ion = 4 * (1 + len(advice.transverse_cells) + bool(advice.transverse_cells))
    n_counts = n_species * advice.n_cells * max(1, math.prod(advice.transverse_cells))
    return Storage(
        series=(duration / recording.interval + 1) * (sum(n_columns) + 2) * 8,
        profiles=n_profiles * n_profile * 4,
        maps=n_profiles * n_map * 4,
        positions=(duration / recording.positions_interval + 1) * recording.recorded_ions(n_ions) * 12,
        events=_event_bytes(scenario) if recording.events else 0.0,
        checkpoints=CHECKPOINTS * (n_ions * bytes_per_ion + n_counts * 16),
    )


def _room_for_ions(scenario: Scenario, advice: Advice) -> float:
    """Return how many ions there is room for: with open far ends more than at the start, about."""
    if scenario.geometry.boundary == "closed":
        return advice.n_ions
    present = [one.ions_inside + one.ions_outside for one in advice.species]
    # A tenth, eight standard deviations and a few more.
    return sum(1.1 * ions + 8.0 * math.sqrt(ions) + 64 for ions in present)


def estimate_memory(advice: Advice) -> float:
    """Return about how many bytes more a run needs than the process has when it is about to start."""
    return advice.memory_bytes + BYTES_OF_BUFFERS + BYTES_OF_PROGRAM


def _event_bytes(scenario: Scenario) -> float:
    """Return the expected bytes of events: transitions of gates; crossings and moves by pumps of single ions."""
    ligands, temperature = scenario.ligands_at_start, scenario.simulation.temperature
    if is_continuum(scenario):
        return 0.0
    per_nanosecond = 0.0
    for channel in scenario.channels:
        if channel.gating is not None:
            matrices = [
                channel.gating.rate_matrix(potential, temperature, ligands) for potential in _POTENTIALS
            ]
            transitions = max(float(stationary_distribution(rates) @ rates.sum(axis=1)) for rates in matrices)
            per_nanosecond += channel.count * transitions * BYTES_PER_TRANSITION
        if not follows_ions(scenario):
            continue
        crossings = max(
            sum(
                permeability * (scenario.inside.get(name, 0.0) + scenario.outside.get(name, 0.0))
                for name, permeability in channel.mean_permeability(potential, ligands).items()
            )
            for potential in _POTENTIALS
        )
        per_nanosecond += (
            channel.count * crossings * IONS_PER_CUBIC_NANOMETRE_PER_MILLIMOLAR * BYTES_PER_CROSSING
        )
    for carrier in scenario.carriers if follows_ions(scenario) else ():
        moved = sum(carrier.outward.values()) + sum(carrier.inward.values())
        per_nanosecond += carrier.count * fastest_cycles(scenario, carrier) * moved * BYTES_PER_PUMP_MOVE
    return per_nanosecond * scenario.simulation.duration


def refuse_what_does_not_fit(scenario: Scenario, advice: Advice, folder: Path) -> None:
    """Raise ResourceError, with what is needed and what there is, if memory or the folder's disk is too small."""
    lines = []
    memory, available = estimate_memory(advice), free_memory()
    if available is not None and memory > available:
        keys = ", ".join(scenario.geometry.patch_keys)
        lines.append(
            f"about {_gigabytes(memory)} of memory are needed, {_gigabytes(available)} are free: reduce {keys}, "
            "inside_length or outside_length, or end other programs"
        )
    storage, free = estimate_storage(scenario, advice), free_disk(folder)
    if free is not None and storage.total > free:
        parts = ", ".join(
            f"{name} {_gigabytes(size)}"
            for name, size in sorted(vars(storage).items(), key=lambda part: -part[1])
            if size > 0.1 * storage.total
        )
        lines.append(
            f"about {_gigabytes(storage.total)} are needed in {folder} ({parts}), {_gigabytes(free)} are free: "
            f"{storage.remedy}, free some space, or give another --output folder"
        )
    if lines:
        raise ResourceError("\n".join(f"{line} (--ignore-limits tries it all the same)" for line in lines))


def free_disk(folder: Path) -> float | None:
    """Return the bytes that can be written into a folder, which need not exist; None where that is not known."""
    for place in (folder.absolute(), *folder.absolute().parents):
        try:
            found = os.statvfs(place)
        except (OSError, AttributeError):
            continue
        return float(found.f_bavail * found.f_frsize)
    return None


def free_memory() -> float | None:
    """Return the bytes of memory that this process can still get, None where the system does not tell.

    What the machine has available, or what a control group leaves if that is less. Cached files do not count as used.
    """
    found = [_available_memory(Path("/proc/meminfo")), *_left_by_control_groups(Path("/sys/fs/cgroup"))]
    return min((number for number in found if number is not None), default=None)


def _available_memory(meminfo: Path) -> float | None:
    try:
        lines = dict(line.split(":", 1) for line in meminfo.read_text().splitlines() if ":" in line)
        return float(lines["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError, ValueError, IndexError):
        return None


def _left_by_control_groups(root: Path) -> list[float]:
    """Return what the limits of this process's control group leave, of version 2 and of version 1."""
    found = []
    for folder, limit_name, usage_name, cached in (
        (root, "memory.max", "memory.current", "inactive_file"),
        (root / "memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
    ):
        try:
            limit, used = ((folder / name).read_text().strip() for name in (limit_name, usage_name))
            statistics = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
            if limit.isdecimal():
                found.append(float(limit) - float(used) + float(statistics.get(cached, 0)))
        except (OSError, ValueError):
            continue
    return found


def _gigabytes(size: float) -> str:
    return f"{size / 1e9:.3g} GB" if size >= 1e9 else f"{size / 1e6:.3g} MB"
