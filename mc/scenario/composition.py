"""From concentrations to whole ions: how many of each species fill either side, and what balances them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mc.constants import IONS_PER_CUBIC_NANOMETRE_PER_MILLIMOLAR
from mc.errors import ScenarioError
from mc.scenario.schema import Scenario

MOST_IONS = 2**32 - 1
"""Ions that are followed carry 32-bit numbers."""

MOST_COUNTED = 2**53
"""Of ions that are counted, sums in floating point are exact up to there."""


@dataclass(frozen=True)
class Composition:
    """The ions that fill the box; arrays have one entry for each species, the impermeant anion last if any.

    Diffusion coefficients in nm2/ns, added concentrations in mM. Each side is neutral, ion by ion.
    """

    names: tuple[str, ...]
    valences: NDArray[np.int64]
    diffusion_coefficients: NDArray[np.float64]
    counts_inside: NDArray[np.int64]
    counts_outside: NDArray[np.int64]
    anion_added_inside: int
    anion_added_outside: int
    anion_concentration_inside: float
    anion_concentration_outside: float

    @property
    def n_ions(self) -> int:
        """Number of all ions."""
        return int(self.counts_inside.sum() + self.counts_outside.sum())


def compose(scenario: Scenario) -> Composition:
    """Count the ions of each species on each side and add impermeant anions until each side is neutral.

    Raises ScenarioError for a side with more negative than positive charge, and for more ions than can be numbered or
    counted.
    """
    geometry = scenario.geometry
    anion = scenario.impermeant_anion.name
    names = list(dict.fromkeys([*scenario.inside, *scenario.outside]))
    counts_inside, added_inside = _fill_side(
        scenario, "inside", names, geometry.area * geometry.inside_length
    )
    counts_outside, added_outside = _fill_side(
        scenario, "outside", names, geometry.area * geometry.outside_length
    )
    # Other solutions may need it later.
    if added_inside or added_outside or scenario.protocol.solutions:
        names.append(anion)
        counts_inside.append(added_inside)
        counts_outside.append(added_outside)
    n_ions = sum(counts_inside) + sum(counts_outside)
    most = MOST_IONS if scenario.simulation.engine == "brownian" else MOST_COUNTED
    if n_ions > most:
        raise ScenarioError(
            f"{scenario.locate('geometry', geometry.patch_keys[0])}: {n_ions:.2g} ions fill the box, more than fit "
            f"into memory and can be numbered ({most:.2g}); reduce {', '.join(geometry.patch_keys)}, "
            "inside_length, outside_length or the concentrations"
        )
    species = [scenario.species[name] for name in names]
    return Composition(
        names=tuple(names),
        valences=np.array([one.valence for one in species], dtype=np.int64),
        diffusion_coefficients=np.array([one.diffusion_coefficient for one in species], dtype=np.float64),
        counts_inside=np.array(counts_inside, dtype=np.int64),
        counts_outside=np.array(counts_outside, dtype=np.int64),
        anion_added_inside=added_inside,
        anion_added_outside=added_outside,
        anion_concentration_inside=_to_millimolar(added_inside, geometry.area * geometry.inside_length),
        anion_concentration_outside=_to_millimolar(added_outside, geometry.area * geometry.outside_length),
    )


def solutions_over_time(scenario: Scenario, at_start: Composition) -> list[Composition]:
    """Return what the reservoirs would fill the box with, at the start and after each change of solution.

    Raises ScenarioError where one cannot be made neutral.
    """
    solutions = {"inside": dict(scenario.inside), "outside": dict(scenario.outside)}
    compositions = [at_start]
    for change in sorted(scenario.protocol.solutions, key=lambda change: change.start):
        solutions[change.side].update(change.concentrations)
        compositions.append(compose(scenario.model_copy(update=solutions)))
    return compositions


def _to_millimolar(n_ions: int, volume: float) -> float:
    return n_ions / (volume * IONS_PER_CUBIC_NANOMETRE_PER_MILLIMOLAR)


def _fill_side(scenario: Scenario, side: str, names: list[str], volume: float) -> tuple[list[int], int]:
    """Return the number of ions of each species on one side and the number of impermeant anions to add."""
    concentrations: dict[str, float] = getattr(scenario, side)
    valences = {name: scenario.species[name].valence for name in names}
    counts = {
        name: round(concentrations.get(name, 0.0) * IONS_PER_CUBIC_NANOMETRE_PER_MILLIMOLAR * volume)
        for name in names
    }
    charge = sum(valences[name] * counts[name] for name in names)
    surplus = -sum(valences[name] * concentrations.get(name, 0.0) for name in names)
    strength = sum(abs(valences[name]) * concentrations.get(name, 0.0) for name in names)
    if charge < 0 and surplus <= 1e-9 * strength:
        # Neutral as written: only rounding to whole ions left a few charges too many.
        charge = _undo_rounding(counts, valences, charge)
    if charge < 0:
        raise ScenarioError(
            f"{scenario.locate(side)}: more negative than positive charge, by {surplus:.4g} mM or "
            f"{-charge} e; the program adds only anions: add {surplus:.4g} mM of a monovalent "
            "cation, or take away as much of an anion"
        )
    return [counts[name] for name in names], charge


def _undo_rounding(counts: dict[str, int], valences: dict[str, int], charge: int) -> int:
    """Make a side neutral by taking the surplus from its main monovalent anion or giving it to a cation.

    Changes `counts`; returns the charge that is left, 0 unless there is no monovalent ion.
    """
    anions = [name for name in counts if valences[name] == -1 and counts[name] >= -charge]
    cations = [name for name in counts if valences[name] == 1 and counts[name] > 0]
    if anions:
        counts[max(anions, key=lambda name: counts[name])] += charge
        return 0
    if cations:
        counts[max(cations, key=lambda name: counts[name])] -= charge
        return 0
    return charge
