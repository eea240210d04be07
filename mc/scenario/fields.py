"""What the fields of a scenario are made of: faults, quantities with their units, names; the base of all models.

A scenario file gives quantities as strings with units; here they have become floats in nm, ns, e, mV, mM, K.
"""

import difflib
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
)

from mc.constants import ZERO_CELSIUS
from mc.units import parse_quantity


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong, at a key path."""

    path: tuple[str | int, ...]
    message: str


class FaultList(ValueError):
    """Several faults found by one validator; paths count from the validated value, or from the root."""

    def __init__(self, faults: Iterable[Fault]):
        self.faults = tuple(faults)
        super().__init__("; ".join(fault.message for fault in self.faults))


def raise_faults(faults: list[Fault]) -> None:
    if faults:
        raise FaultList(faults)


def nearest_key_hint(key: str, valid: Iterable[str]) -> str:
    """Return '; did you mean "..."?' with the valid key nearest to `key`, or an empty string."""
    by_folded = {name.casefold(): name for name in valid}
    matches = difflib.get_close_matches(key.casefold(), by_folded, n=1, cutoff=0.6)
    return f'; did you mean "{by_folded[matches[0]]}"?' if matches else ""


# --- types of values ---


def is_internal(info: ValidationInfo) -> bool:
    """Return whether the scenario is in internal units, as `Scenario.to_json` writes it."""
    return bool(info.context and info.context.get("internal_units"))


def read_quantity(
    value: object,
    info: ValidationInfo,
    dimension: str,
    check: Callable[[float, object], float],
    example: str | None = None,
) -> float:
    """Return a quantity in internal units; bare numbers pass only in a scenario in internal units."""
    if is_internal(info) and isinstance(value, (int, float)):
        return check(float(value), value)
    return check(parse_quantity(value, dimension, example), value)


def quantity_reader(
    dimension: str, check: Callable[[float, object], float], example: str | None = None
) -> BeforeValidator:
    def read(value: object, info: ValidationInfo) -> float:
        return read_quantity(value, info, dimension, check, example)

    return BeforeValidator(read)


def positive(number: float, found: object) -> float:
    if not number > 0:
        raise ValueError(f"must be positive, found {found}")
    return number


def not_negative(number: float, found: object) -> float:
    if not number >= 0:
        raise ValueError(f"must not be negative, found {found}")
    return number


def any_number(number: float, found: object) -> float:
    return number


def _not_zero(number: float, found: object) -> float:
    if number == 0:
        raise ValueError(f"must not be zero, found {found}")
    return number


def _liquid_water(number: float, found: object) -> float:
    if not ZERO_CELSIUS <= number <= ZERO_CELSIUS + 100:
        raise ValueError(f"must lie between 0 and 100 degC, where water is liquid, found {found}")
    return number


def printable(text: str) -> str:
    if not text.isprintable():
        raise ValueError("must be one line without control characters")
    return text


def _not_blank(name: str) -> str:
    if name != name.strip() or not name.isprintable():
        raise ValueError("a name must neither begin nor end with a space nor hold control characters")
    return name


def _species_name(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_+-]{0,19}", name):
        raise ValueError(
            f'"{name}" cannot name a species: a letter, then at most 19 letters, digits, "_", "+" or "-"'
        )
    return name


def _read_placement(value: object, info: ValidationInfo) -> object:
    """Return "random", "even", or positions in nm, each with its own fault."""
    if value is None or value in ("random", "even"):
        return value
    if not isinstance(value, (list, tuple)):
        found = "a table" if isinstance(value, dict) else f'"{value}"' if isinstance(value, str) else value
        raise ValueError(
            f'expected "random", "even" or an array of positions such as ["10 nm", "52 nm"], found {found}'
        )
    positions, faults = [], []
    for i, position in enumerate(value):
        try:
            positions.append(read_quantity(position, info, "length", not_negative))
        except ValueError as error:
            faults.append(Fault((i,), str(error)))
    raise_faults(faults)
    return positions


Length = Annotated[float, quantity_reader("length", positive)]
Position = Annotated[float, quantity_reader("length", not_negative)]
PlacementRule = Annotated[
    Literal["random", "even"] | tuple[float, ...] | None, BeforeValidator(_read_placement)
]
Area = Annotated[float, quantity_reader("area", positive)]
Time = Annotated[float, quantity_reader("time", positive)]
RecordInterval = Annotated[float, quantity_reader("time", positive, "20 ns")]
Rate = Annotated[float, quantity_reader("rate", not_negative)]
Turnover = Annotated[float, quantity_reader("rate", not_negative, "100 /s")]
Potential = Annotated[float, quantity_reader("potential", any_number)]
PotentialScale = Annotated[float, quantity_reader("potential", _not_zero, "10 mV")]
Concentration = Annotated[float, quantity_reader("concentration", not_negative)]
PositiveConcentration = Annotated[float, quantity_reader("concentration", positive)]
Temperature = Annotated[float, quantity_reader("temperature", _liquid_water)]
CapacitancePerArea = Annotated[float, quantity_reader("capacitance", positive)]
Conductance = Annotated[float, quantity_reader("conductance", positive)]
Density = Annotated[float, quantity_reader("density", positive)]
Current = Annotated[float, quantity_reader("current", any_number)]
Frequency = Annotated[float, quantity_reader("frequency", positive)]
Moment = Annotated[float, quantity_reader("time", not_negative)]
DiffusionCoefficient = Annotated[float, quantity_reader("diffusion_coefficient", positive)]
Permeability = Annotated[float, quantity_reader("permeability", not_negative)]
SpeciesName = Annotated[str, AfterValidator(_species_name)]
Name = Annotated[str, Field(strict=True, min_length=1, max_length=60), AfterValidator(_not_blank)]
PlainNumber = Annotated[float, Field(strict=True, allow_inf_nan=False, ge=0)]
MOST_PROTEINS = 10**9
"""Of one type."""

Count = Annotated[int, Field(strict=True, ge=1, le=MOST_PROTEINS)]
Fraction = Annotated[float, Field(strict=True, allow_inf_nan=False, ge=0, le=1)]
Stoichiometry = dict[SpeciesName, Annotated[int, Field(strict=True, ge=1, le=10)]]


NOT_GIVEN: Any = None
"""Default of fields that are filled in when what they follow from is known; then they are floats."""


class Model(BaseModel):
    """Base of all models: unchangeable, and refusing keys it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")
