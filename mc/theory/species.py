"""Quantities by species: how dicts and arrays become the same thing for every closed form.

A quantity is a float, an array, or a dict of floats or arrays by species name.
"""

from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np

from mc import constants

Quantity: TypeAlias = Any
"""A float, an array, or a dict of floats or arrays by species name."""


def species_names(*quantities: Quantity) -> list[str]:
    """Return the species named by those of `quantities` that are dicts, in order of appearance."""
    mappings = [quantity for quantity in quantities if isinstance(quantity, Mapping)]
    return list(dict.fromkeys(name for mapping in mappings for name in mapping))


def value_of(quantity: Quantity, name: str, quantity_name: str, absent: float | None = None) -> Any:
    """Return what `quantity` holds for the species `name`; without a dict it is the same for all species.

    A species missing from the dict has the value `absent`, or raises ValueError where that is None.
    """
    if not isinstance(quantity, Mapping):
        return quantity
    if name in quantity:
        return quantity[name]
    if absent is None:
        raise ValueError(f"no {quantity_name} given for {name}")
    return absent


def stack_species(
    names: list[str], quantity: Quantity, quantity_name: str, absent: float | None = None
) -> np.ndarray:
    """Return `quantity` as an array with the species `names` along the first axis.

    Without names the quantity is an array already and its first axis is taken to be the species.
    """
    if not names:
        return np.atleast_1d(np.asarray(quantity, dtype=float))
    if not isinstance(quantity, Mapping) and np.ndim(quantity) > 0:
        raise ValueError(f"{quantity_name} must be a dict by species, as the other quantities are")
    values = [np.asarray(value_of(quantity, name, quantity_name, absent), dtype=float) for name in names]
    return np.stack(np.broadcast_arrays(*values))


def align_species(*arrays: np.ndarray, behind: tuple[Any, ...] = ()) -> list[np.ndarray]:
    """Return `arrays` with further axes inserted after the first, so that all broadcast behind the species.

    Shapes (S,) and (S, T) become (S, 1) and (S, T). `behind` are quantities without the axis of the species
    that the arrays will meet too.
    """
    n_axes = max(*(array.ndim for array in arrays), *(1 + np.ndim(quantity) for quantity in behind))
    return [
        array.reshape(array.shape[:1] + (1,) * (n_axes - array.ndim) + array.shape[1:]) for array in arrays
    ]


def number_density(concentration: Quantity) -> Any:
    """Return the ions per nm3 at `concentration` in mM."""
    return np.asarray(concentration, dtype=float) * constants.IONS_PER_CUBIC_NANOMETRE_PER_MILLIMOLAR


def thermal_potential(temperature: Quantity) -> Any:
    """Return kT/e in mV at `temperature` in K (float or array); ValueError unless it is above zero."""
    temperature = np.asarray(temperature, dtype=float)
    require(temperature > 0.0, temperature, "temperature must be above 0 K")
    return constants.BOLTZMANN_POTENTIAL_PER_KELVIN * temperature


def require(is_allowed: Any, values: Any, rule: str) -> None:
    """Raise ValueError with `rule` and the first of `values` that breaks it; not-a-number passes through."""
    values = np.asarray(values, dtype=float)
    is_wrong = ~(np.asarray(is_allowed) | np.isnan(values))
    if np.any(is_wrong):
        raise ValueError(f"{rule}, found {values[is_wrong].flat[0]:g}")
