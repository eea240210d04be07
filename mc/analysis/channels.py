"""Channels: how many are open, and what they let through together."""

from __future__ import annotations

import numpy as np

from mc.recording.recording import Recording


def open_channels(recording: Recording) -> dict[str, np.ndarray]:
    """Return the number of open channels of each type at each record, (records,)."""
    return {channel.name: recording[f"open_channels.{channel.name}"] for channel in recording.channels}


def total_permeability(recording: Recording) -> np.ndarray:
    """Return the permeability of the whole membrane to each species at each record in nm3/ns, (species, records)."""
    return np.stack([recording[f"permeability.{name}"] for name in recording.species_names])


def permeant_species(recording: Recording) -> list[str]:
    """Return the species that at least one channel type lets through, in the order of the species."""
    passing = {name for channel in recording.channels for name in channel.permeability}
    return [name for name in recording.species_names if name in passing]
