"""Where along the membrane each channel, pump and transporter stands."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mc.scenario.proteins import Protein
from mc.scenario.schema import Scenario
from mc.streams import PLACEMENT_OF_CHANNELS, PLACEMENT_OF_PUMPS, stream_key, uniforms


@dataclass(frozen=True)
class Placement:
    """Position y in nm, from 0 to below the width, of every channel and every pump, in the order of their types.

    Transporters come after the pumps.
    """

    channels: NDArray[np.float64]
    pumps: NDArray[np.float64]


def place(scenario: Scenario, seed: int) -> Placement:
    """Return where the proteins of a scenario stand; in one dimension, where y is not tracked, all are at 0.

    The same seed gives the same places.
    """
    width = scenario.geometry.width
    return Placement(
        channels=_place_all(scenario.channels, width, stream_key(seed, PLACEMENT_OF_CHANNELS)),
        pumps=_place_all(scenario.carriers, width, stream_key(seed, PLACEMENT_OF_PUMPS)),
    )


def _place_all(
    proteins: Sequence[Protein], width: float | None, key: NDArray[np.uint32]
) -> NDArray[np.float64]:
    ends = np.cumsum([protein.count for protein in proteins], dtype=np.int64)
    n = int(ends[-1]) if proteins else 0
    if width is None:
        return np.zeros(n)
    # One number for each protein, used or not: how one type is placed does not move the others.
    draws = uniforms(key, n, 0)
    positions = np.empty(n)
    for protein, end in zip(proteins, ends, strict=True):
        own = slice(end - protein.count, end)
        positions[own] = _place_type(protein, width, draws[own])
    return positions


def _place_type(protein: Protein, width: float, draws: NDArray[np.float64]) -> NDArray[np.float64]:
    if isinstance(protein.placement, tuple):
        return np.array(protein.placement)
    is_even = protein.placement == "even"
    fractions = (np.arange(protein.count) + 0.5) / protein.count if is_even else draws
    if protein.cluster is None:
        return fractions * width
    positions = (protein.cluster.centre + (2.0 * fractions - 1.0) * protein.cluster.radius) % width
    # A position just below 0 is rounded to the width itself, which is 0 again.
    return np.where(positions < width, positions, 0.0)
