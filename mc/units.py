"""Quantities with units, as people write them, turned into internal numbers.

The only module that knows the units library, pint, which it imports when the first quantity is read.
"""

import math
import re
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any, NamedTuple

from mc.constants import ZERO_CELSIUS
from mc.errors import McError


class QuantityError(McError, ValueError):
    """A quantity that cannot be read: the message says what was expected and what was found."""


@dataclass(frozen=True)
class Dimension:
    """A kind of quantity: its name in messages, an example, and the internal unit in pint's spelling."""

    phrase: str
    example: str
    internal_unit: str


DIMENSIONS: dict[str, Dimension] = {
    "length": Dimension("a length", "25 nm", "nm"),
    "area": Dimension("an area", "0.02 um^2", "nm^2"),
    "time": Dimension("a time", "20 us", "ns"),
    "rate": Dimension("a rate", "2 /us", "1/ns"),
    "concentration": Dimension("a concentration", "140 mM", "mmol/L"),
    "potential": Dimension("a potential", "-70 mV", "mV"),
    "temperature": Dimension("a temperature", "37 degC", "K"),
    "capacitance": Dimension("a capacitance per area", "1 uF/cm^2", "elementary_charge/mV/nm^2"),
    "conductance": Dimension("a conductance", "20 pS", "elementary_charge/mV/ns"),
    "diffusion_coefficient": Dimension("a diffusion coefficient", "2 um^2/ms", "nm^2/ns"),
    "density": Dimension("a number per area", "10 /um^2", "1/nm^2"),
    "current": Dimension("a current", "10 pA", "elementary_charge/ns"),
    "frequency": Dimension("a frequency", "100 kHz", "1/ns"),
    "permeability": Dimension("a permeability of one channel (volume per time)", "0.037 nm^3/ns", "nm^3/ns"),
}
"""The conversions: a quantity of each dimension is stored as a float in its internal unit."""

_OTHER_DIMENSIONS = {
    "a charge": "C",
    "a capacitance": "F",
    "a resistance": "ohm",
    "an energy": "J",
    "a velocity": "m/s",
    "a volume": "L",
    "an amount of substance": "mol",
    "a mass": "kg",
    "a mass concentration": "g/L",
    "a conductance per area": "S/m^2",
    "an electric field": "V/m",
}
"""Dimensions that no scenario key has, named so that a message can say what was written instead."""

_QUANTITY = re.compile(
    r"\s*(?P<number>[-+]?(?:\d[\d_]*\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*(?P<unit>.*?)\s*", re.DOTALL
)
_NOT_FINITE = re.compile(r"\s*[-+]?(nan|inf|infinity)\b.*", re.IGNORECASE | re.DOTALL)
# One-digit exponents and no numbers besides: a tower of exponents would keep pint's parser busy for ever.
_UNIT = re.compile(r"(?:[A-Za-zµμΩÅ°_ */().]|(?:\^|\*\*)\s*-?[1-9](?![0-9])(?!\s*\)*\s*(?:\^|\*\*)))+")
_SUPERSCRIPTS = str.maketrans({"²": "^2", "³": "^3", "·": "*", "−": "-"})
_BARE_EXPONENT = re.compile(r"(?<=[A-Za-zµμΩÅ])(-?[1-9])(?![0-9])")
"""As in nm3/ns, where nm^3/ns is meant."""

_LONGEST_UNIT = 60

_SMALLEST, _LARGEST = 1e-30, 1e30
"""Internal numbers beyond these are slips of the pen, and would overflow later in products and squares."""


@cache
def _registry() -> Any:
    import pint

    try:
        # Pint's definitions, once parsed, are kept in its folder among the user's caches: ten times faster.
        return pint.UnitRegistry(autoconvert_offset_to_baseunit=True, cache_folder=":auto:")
    except Exception:  # whatever a folder that cannot be written, or a damaged file in it, makes of that
        return pint.UnitRegistry(autoconvert_offset_to_baseunit=True)


@lru_cache(maxsize=1000)
def _parse_unit(unit: str) -> Any:
    """Return pint's unit for `unit`, or None where pint does not understand it."""
    text = _BARE_EXPONENT.sub(r"^\1", unit.translate(_SUPERSCRIPTS).strip())
    text = re.sub(r"^1?\s*/", "", text) if (inverse := re.match(r"1?\s*/", text)) else text
    if len(text) > _LONGEST_UNIT or not _UNIT.fullmatch(text):
        return None
    try:
        return _registry().parse_units(f"1/{text}" if inverse else text)
    except Exception:  # pint raises AssertionError, TypeError, tokenizer errors and more on malformed units
        return None


@cache
def _dimensionality(unit: str) -> Any:
    return _registry().parse_units(unit).dimensionality


def _name_dimension(unit: Any) -> str:
    """Return a phrase such as "a potential" for a pint unit."""
    if unit.dimensionless:
        return "a plain number"
    known = {dimension.phrase: dimension.internal_unit for dimension in DIMENSIONS.values()}
    for phrase, example in (known | _OTHER_DIMENSIONS).items():
        if unit.dimensionality == _dimensionality(example):
            return phrase
    return f"dimensions {unit.dimensionality}"


def parse_quantity(text: object, dimension: str, example: str | None = None) -> float:
    """Return the quantity `text`, for example "140 mM", as a float in the internal unit of `dimension`.

    `dimension` is a key of DIMENSIONS; `example` stands in messages instead of the dimension's own. Raises
    QuantityError for a bare number, an unknown unit, another dimension, or a number that is not finite.
    """
    wanted = DIMENSIONS[dimension]
    example = example or wanted.example
    expected = f'expected {wanted.phrase} such as "{example}"'
    if isinstance(text, float) and not math.isfinite(text):
        raise QuantityError(f"{expected}, found {text}, which is not a finite number")
    if isinstance(text, (int, float)) and not isinstance(text, bool):
        raise QuantityError(
            f"{expected}, found the bare number {text}; write its unit too: {_with_unit(text, example)}"
        )
    if not isinstance(text, str):
        raise QuantityError(f"{expected}, found {_describe(text)}")
    if _NOT_FINITE.fullmatch(text):
        raise QuantityError(f'{expected}, found "{text}", which is not a finite number')
    match = _QUANTITY.fullmatch(text)
    if match is None:
        raise QuantityError(f'{expected}, found "{text}", which does not begin with a number')
    number = float(match["number"].replace("_", ""))
    if not match["unit"]:
        raise QuantityError(
            f'{expected}, found "{text}" without a unit; write {_with_unit(text.strip(), example)}'
        )
    unit = _parse_unit(match["unit"])
    if unit is None:
        raise QuantityError(f'{expected}, found "{text}": "{match["unit"]}" is not a unit')
    if unit.dimensionality != _dimensionality(wanted.internal_unit):
        is_celsius = dimension == "temperature" and match["unit"] == "C"
        remedy = f"; write {_with_unit(match['number'], example)}" if is_celsius else ""
        raise QuantityError(f'{expected}, found "{text}" ({_name_dimension(unit)}){remedy}')
    value = float(_registry().Quantity(number, unit).to(wanted.internal_unit).magnitude)
    if not math.isfinite(value):
        raise QuantityError(f'{expected}, found "{text}", which is not a finite number')
    if value != 0 and not _SMALLEST < abs(value) < _LARGEST:
        raise QuantityError(f'{expected}, found "{text}", which is beyond all measure')
    # Nobody writes more than 15 digits: without this, 1 um^2 would be 999999.9999999999 nm2.
    return float(f"{value:.15g}")


class SplitQuantity(NamedTuple):
    """A quantity as it was written: "3 mM" is 3.0 and "mM", 10 is 10.0 and ""."""

    number: float
    unit: str


def split_quantity(text: str) -> SplitQuantity | None:
    """Return the number and the unit of a text; None where it does not begin with a number."""
    match = _QUANTITY.fullmatch(text)
    if match is None or _NOT_FINITE.fullmatch(text):
        return None
    return SplitQuantity(float(match["number"].replace("_", "")), match["unit"])


def format_quantity(number: float, unit: str) -> str:
    """Return a number and its unit as a scenario says it, to six digits."""
    return f"{number:.6g} {unit}".strip()


def express(text: str, unit: str) -> float | None:
    """Return how many of `unit` the quantity `text` is; None where it is no quantity of this kind."""
    split = split_quantity(text)
    if split is None:
        return None
    if split.unit == unit:
        return split.number
    own, wanted = _parse_unit(split.unit) if split.unit else None, _parse_unit(unit) if unit else None
    if own is None or wanted is None or own.dimensionality != wanted.dimensionality:
        return None
    return float(_registry().Quantity(split.number, own).to(wanted).magnitude)


def _with_unit(number: float | str, example: str) -> str:
    """Return what may have been meant by a number without a unit: the unit of the example, quoted."""
    unit = example.split(maxsplit=1)[1]
    if unit == "degC":
        value = float(str(number).replace("_", ""))
        if 150 < value < 1000:
            return f'"{number} K" or "{value - ZERO_CELSIUS:.0f} degC"'
        return f'"{number} degC" or "{value + ZERO_CELSIUS:g} K"'
    return f'"{number} {unit}"'


def _describe(value: object) -> str:
    """Name a TOML value of a type that is no quantity."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return "an array"
    if isinstance(value, dict):
        return "a table"
    return f"{value!r}"
