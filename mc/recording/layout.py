"""The result file's one table: every dataset with its shape, type, unit and meaning.

The recorder creates what stands here, the reader reads what stands here, and nothing else is in the file
apart from the attributes of /metadata. A dataset whose first axis is in `GROWING_AXES` is appended to while
the run goes on; all others are written once, from the `RunDescription`.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

FORMAT = "ionmc"
FORMAT_VERSION = 5

COMPLETED = "completed"
"""The stop reason of a run that reached its last step; any other one is the reason of an early end."""

END = "/metadata/end"
"""The group whose attributes say how a run ended; they change while all others stay."""

GROWING_AXES = ("record", "profile", "map", "frame", "crossing", "pump_move", "gating_event")
DIMENSIONLESS = "1"
TEXT = "text"


class Dataset(NamedTuple):
    """One dataset of the file: numpy type (or `TEXT`), unit, named axes, and what it holds."""

    path: str
    dtype: str
    unit: str
    axes: tuple[str, ...]
    meaning: str

    @property
    def grows(self) -> bool:
        """Whether rows are appended during the run."""
        return self.axes[0] in GROWING_AXES


LAYOUT: tuple[Dataset, ...] = (
    Dataset("/metadata/species/name", TEXT, DIMENSIONLESS, ("species",), "as in the scenario"),
    Dataset("/metadata/species/valence", "i1", "e", ("species",), "charge of one ion"),
    Dataset("/metadata/species/diffusion_coefficient", "f8", "nm2/ns", ("species",), "in the baths"),
    Dataset("/metadata/channels/name", TEXT, DIMENSIONLESS, ("channel_type",), "as in the scenario"),
    Dataset("/metadata/channels/count", "u4", DIMENSIONLESS, ("channel_type",), "channels of the type"),
    Dataset("/metadata/channels/first_channel", "u4", DIMENSIONLESS, ("channel_type",), "index of its first"),
    Dataset("/metadata/channels/states", TEXT, DIMENSIONLESS, ("channel_type",), "JSON list of its states"),
    Dataset(
        "/metadata/channels/permeability", "f8", "nm3/ns", ("channel_type", "species"), "one open channel"
    ),
    Dataset("/metadata/channel_y", "f8", "nm", ("channel",), "place of each channel along the membrane"),
    Dataset("/metadata/pump_y", "f8", "nm", ("pump",), "place of each pump along the membrane"),
    Dataset("/metadata/pumps/name", TEXT, DIMENSIONLESS, ("pump_type",), "as in the scenario"),
    Dataset("/metadata/pumps/count", "u4", DIMENSIONLESS, ("pump_type",), "pumps of the type"),
    Dataset("/metadata/pumps/acceleration", "f8", DIMENSIONLESS, ("pump_type",), "faster than in life by"),
    Dataset(
        "/metadata/pumps/outward", "i4", DIMENSIONLESS, ("pump_type", "species"), "ions out per forward cycle"
    ),
    Dataset(
        "/metadata/pumps/inward", "i4", DIMENSIONLESS, ("pump_type", "species"), "ions in per forward cycle"
    ),
    Dataset("/series/step", "i8", DIMENSIONLESS, ("record",), "steps done"),
    Dataset("/series/time", "f8", "ns", ("record",), "step * time_step"),
    Dataset(
        "/series/values", "f8", "see attribute units", ("record", "column"), "attribute columns names them"
    ),
    Dataset("/profiles/time", "f8", "ns", ("profile",), "end of the averaging window"),
    Dataset("/profiles/position", "f8", "nm", ("cell",), "centre of a bath cell; the slab has none"),
    Dataset("/profiles/cell_width", "f8", "nm", ("cell",), "length of a bath cell"),
    Dataset("/profiles/node_position", "f8", "nm", ("node",), "where the potential is known"),
    Dataset("/profiles/concentration", "f4", "mM", ("profile", "species", "cell"), "mean over the window"),
    Dataset("/profiles/potential", "f4", "mV", ("profile", "node"), "mean over the window; 0 outside"),
    Dataset("/maps/time", "f8", "ns", ("map",), "end of the averaging window"),
    Dataset("/maps/y", "f8", "nm", ("cell_y",), "centre of a cell along the membrane; none in one dimension"),
    Dataset("/maps/concentration", "f4", "mM", ("map", "species", "cell", "cell_y"), "mean over the window"),
    Dataset(
        "/maps/potential",
        "f4",
        "mV",
        ("map", "node", "cell_y"),
        "mean over the window; at the cells' near ends",
    ),
    Dataset("/events/crossings/step", "i8", DIMENSIONLESS, ("crossing",), "step of the arrival"),
    Dataset("/events/crossings/time", "f8", "ns", ("crossing",), "end of that step"),
    Dataset("/events/crossings/ion", "u4", DIMENSIONLESS, ("crossing",), "ion id"),
    Dataset("/events/crossings/species", "u1", DIMENSIONLESS, ("crossing",), "index of the species"),
    Dataset("/events/crossings/channel", "u4", DIMENSIONLESS, ("crossing",), "index of the channel"),
    Dataset("/events/crossings/direction", "i1", DIMENSIONLESS, ("crossing",), "+1 outward, -1 inward"),
    Dataset("/events/pumps/step", "i8", DIMENSIONLESS, ("pump_move",), "step of the cycle"),
    Dataset("/events/pumps/time", "f8", "ns", ("pump_move",), "end of that step"),
    Dataset("/events/pumps/pump", "u4", DIMENSIONLESS, ("pump_move",), "index of the pump"),
    Dataset("/events/pumps/cycle", "u8", DIMENSIONLESS, ("pump_move",), "number of the cycle"),
    Dataset("/events/pumps/ion", "u4", DIMENSIONLESS, ("pump_move",), "ion id; one row for each ion moved"),
    Dataset("/events/pumps/species", "u1", DIMENSIONLESS, ("pump_move",), "index of the species"),
    Dataset("/events/pumps/direction", "i1", DIMENSIONLESS, ("pump_move",), "+1 outward, -1 inward"),
    Dataset("/events/gating/step", "i8", DIMENSIONLESS, ("gating_event",), "step of the transition"),
    Dataset("/events/gating/time", "f8", "ns", ("gating_event",), "of the transition"),
    Dataset("/events/gating/channel", "u4", DIMENSIONLESS, ("gating_event",), "index of the channel"),
    Dataset("/events/gating/from_state", "u1", DIMENSIONLESS, ("gating_event",), "index among its states"),
    Dataset("/events/gating/to_state", "u1", DIMENSIONLESS, ("gating_event",), "index among its states"),
    Dataset("/particles/trajectory/position/step", "i8", DIMENSIONLESS, ("frame",), "steps done"),
    Dataset("/particles/trajectory/position/time", "f8", "ns", ("frame",), "step * time_step"),
    Dataset("/particles/trajectory/position/value", "f4", "nm", ("frame", "ion", "axis"), "(x, y, 0)"),
    Dataset("/particles/trajectory/id", "u4", DIMENSIONLESS, ("ion",), "ion id"),
    Dataset("/particles/trajectory/species", "u1", DIMENSIONLESS, ("ion",), "index of the species"),
    Dataset("/particles/trajectory/charge", "f4", "e", ("ion",), "valence"),
)

GROWING = tuple(dataset.path for dataset in LAYOUT if dataset.grows)
"""Datasets that rows are appended to."""

UNKNOWN_CHECKSUM = -1
"""Of rows that a run is still adding to."""


def checksum(rows: np.ndarray, before: int = 0) -> int:
    """Return the CRC-32 of rows that follow others, whose own is `before`."""
    return zlib.crc32(np.ascontiguousarray(rows).data.cast("B"), before) if rows.size else before


EVENT_TABLES: dict[str, tuple[str, ...]] = {
    name: tuple(
        dataset.path.rsplit("/", 1)[1] for dataset in LAYOUT if dataset.path.startswith(f"/events/{name}/")
    )
    for name in ("crossings", "pumps", "gating")
}
"""Column names of each table of events."""


@dataclass(frozen=True)
class SpeciesDescription:
    """One species: `valence` in e, `diffusion_coefficient` in nm2/ns."""

    name: str
    valence: int
    diffusion_coefficient: float


@dataclass(frozen=True)
class ChannelDescription:
    """One type of channel: its states (("open",) if it has no gate) and the permeability of one open channel
    to each species (nm3/ns; what is not named does not pass)."""

    name: str
    count: int
    states: tuple[str, ...]
    permeability: Mapping[str, float]


@dataclass(frozen=True)
class PumpDescription:
    """One type of pump or transporter: ions of each species moved outward and inward in one forward cycle."""

    name: str
    count: int
    acceleration: float
    outward: Mapping[str, int]
    inward: Mapping[str, int]


@dataclass(frozen=True, eq=False)
class RunDescription:
    """Everything about a run that is known before its first step.

    Lengths in nm, area in nm2, capacitance in e/(mV nm2), temperature in K, time_step in ns. `clamped_potential` is
    that of a slab whose potential is held, in mV, not a number without. `recorded_ions` are the ids of the ions whose
    positions are kept, `recorded_species` the species index of each.
    `cell_position` and `cell_width` (cells,) describe the bath cells in order of x, without the slab;
    `node_position` (nodes,) the points where the potential is known. The cytoplasm is at x < 0, the slab at
    0..thickness. `cell_y` (cells,) are the centres of the cells along the membrane, `channel_y` and `pump_y` the
    places of each channel and pump there; in one dimension there are no such cells, and all places are 0.
    `branched_from` tells of a branch, as JSON, where it comes from and what was changed. `device` is where ions were
    moved.
    """

    title: str
    scenario_json: str
    scenario_text: str
    scenario_path: str
    overrides: Sequence[str]
    command_line: str
    seed: int
    engine: str
    time_step: float
    n_steps: int
    clamped_potential: float
    temperature: float
    area: float
    inside_length: float
    outside_length: float
    thickness: float
    capacitance: float
    species: tuple[SpeciesDescription, ...]
    channels: tuple[ChannelDescription, ...]
    pumps: tuple[PumpDescription, ...]
    electrodes: tuple[str, ...]
    n_ions: int
    recorded_ions: np.ndarray
    recorded_species: np.ndarray
    cell_position: np.ndarray
    cell_width: np.ndarray
    node_position: np.ndarray
    cell_y: np.ndarray
    channel_y: np.ndarray
    pump_y: np.ndarray
    branched_from: str = ""
    device: str = "cpu"


class Column(NamedTuple):
    """One column of /series/values."""

    name: str
    unit: str


def series_columns(description: RunDescription) -> list[Column]:
    """Return the columns of /series/values in order.

    Blocks as in `series_blocks`; within a block by species, by channel type, by channel type and then state,
    or by channel type and then species.
    """
    return [column for block in _series_blocks(description).values() for column in block]


def series_blocks(description: RunDescription) -> dict[str, slice]:
    """Return where each block of columns lies, so that a row is filled block by block.

    Keys: membrane_potential, charge_separation_potential, ions_inside, ions_outside, ions_in_pores,
    bulk_concentration_inside, bulk_concentration_outside, open_channels, permeability, state, crossings_outward,
    crossings_inward, displaced_charge, pump_cycles, pump_cycles_backward, command_potential, injected_charge,
    electrode, ledger_charge.
    """
    blocks = {}
    start = 0
    for name, columns in _series_blocks(description).items():
        blocks[name] = slice(start, start + len(columns))
        start += len(columns)
    return blocks


def column_names(
    species: Sequence[str],
    states_of_channels: Mapping[str, Sequence[str]],
    pumps: Sequence[str],
    electrodes: Sequence[str],
) -> list[str]:
    """Return the names of the columns of /series/values of a run with these members, in order."""
    blocks = _blocks_of(species, states_of_channels, pumps, electrodes)
    return [column.name for columns in blocks.values() for column in columns]


def _series_blocks(description: RunDescription) -> dict[str, list[Column]]:
    return _blocks_of(
        [one.name for one in description.species],
        {one.name: one.states for one in description.channels},
        [one.name for one in description.pumps],
        description.electrodes,
    )


def _blocks_of(
    species: Sequence[str],
    states_of_channels: Mapping[str, Sequence[str]],
    pumps: Sequence[str],
    electrodes: Sequence[str],
) -> dict[str, list[Column]]:
    channels = list(states_of_channels)
    states = [f"{name}.{state}" for name, members in states_of_channels.items() for state in members]
    passages = [f"{channel}.{ion}" for channel in channels for ion in species]

    def block(name: str, unit: str, members: Sequence[str]) -> list[Column]:
        return [Column(f"{name}.{member}", unit) for member in members]

    return {
        "membrane_potential": [Column("membrane_potential", "mV")],
        "charge_separation_potential": [Column("charge_separation_potential", "mV")],
        "ions_inside": block("ions_inside", DIMENSIONLESS, species),
        "ions_outside": block("ions_outside", DIMENSIONLESS, species),
        "ions_in_pores": block("ions_in_pores", DIMENSIONLESS, species),
        "bulk_concentration_inside": block("bulk_concentration_inside", "mM", species),
        "bulk_concentration_outside": block("bulk_concentration_outside", "mM", species),
        "open_channels": block("open_channels", DIMENSIONLESS, channels),
        "permeability": block("permeability", "nm3/ns", species),
        "state": block("state", DIMENSIONLESS, states),
        "crossings_outward": block("crossings_outward", DIMENSIONLESS, passages),
        "crossings_inward": block("crossings_inward", DIMENSIONLESS, passages),
        "displaced_charge": block("displaced_charge", "e", passages),
        "pump_cycles": block("pump_cycles", DIMENSIONLESS, pumps),
        "pump_cycles_backward": block("pump_cycles_backward", DIMENSIONLESS, pumps),
        "command_potential": [Column("command_potential", "mV")],
        "injected_charge": [Column("injected_charge", "e")],
        "electrode": block("electrode", "mV", electrodes),
        "ledger_charge": [Column("ledger_charge", "e")],
    }


def axis_sizes(description: RunDescription) -> dict[str, int]:
    """Return the length of every axis that does not grow."""
    return {
        "species": len(description.species),
        "channel_type": len(description.channels),
        "pump_type": len(description.pumps),
        "column": len(series_columns(description)),
        "cell": len(description.cell_position),
        "node": len(description.node_position),
        "cell_y": len(description.cell_y),
        "channel": len(description.channel_y),
        "pump": len(description.pump_y),
        "ion": len(description.recorded_ions),
        "axis": 3,
    }


def constant_values(description: RunDescription) -> dict[str, np.ndarray | list[str]]:
    """Return what stands in each dataset that does not grow, by path."""
    species, channels, pumps = description.species, description.channels, description.pumps
    names = [one.name for one in species]
    counts = np.array([one.count for one in channels], dtype=np.int64)
    valence = np.array([one.valence for one in species])

    def by_species(rows: list[Mapping[str, float]]) -> np.ndarray:
        return np.array([[row.get(name, 0) for name in names] for row in rows]).reshape(len(rows), len(names))

    return {
        "/metadata/species/name": names,
        "/metadata/species/valence": valence,
        "/metadata/species/diffusion_coefficient": np.array([one.diffusion_coefficient for one in species]),
        "/metadata/channels/name": [one.name for one in channels],
        "/metadata/channels/count": counts,
        "/metadata/channels/first_channel": np.cumsum(counts) - counts,
        "/metadata/channels/states": [json.dumps(one.states) for one in channels],
        "/metadata/channels/permeability": by_species([one.permeability for one in channels]),
        "/metadata/pumps/name": [one.name for one in pumps],
        "/metadata/pumps/count": np.array([one.count for one in pumps]),
        "/metadata/pumps/acceleration": np.array([one.acceleration for one in pumps]),
        "/metadata/pumps/outward": by_species([one.outward for one in pumps]),
        "/metadata/pumps/inward": by_species([one.inward for one in pumps]),
        "/metadata/channel_y": description.channel_y,
        "/metadata/pump_y": description.pump_y,
        "/maps/y": description.cell_y,
        "/profiles/position": description.cell_position,
        "/profiles/cell_width": description.cell_width,
        "/profiles/node_position": description.node_position,
        "/particles/trajectory/id": description.recorded_ions,
        "/particles/trajectory/species": description.recorded_species,
        "/particles/trajectory/charge": valence[np.asarray(description.recorded_species, dtype=np.int64)],
    }
