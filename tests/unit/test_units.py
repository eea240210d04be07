import subprocess
import sys

import pytest

from mc.errors import McError
from mc.units import (
    DIMENSIONS,
    QuantityError,
    express,
    format_quantity,
    parse_quantity,
    split_quantity,
)


@pytest.mark.parametrize(
    ("text", "dimension", "expected"),
    [
        ("140 mM", "concentration", 140.0),
        ("100 nM", "concentration", 1e-4),
        ("1.8 mol/m^3", "concentration", 1.8),
        ("20 us", "time", 20_000.0),
        ("20 µs", "time", 20_000.0),
        ("2 /us", "rate", 2e-3),
        ("2/us", "rate", 2e-3),
        ("100 1/s", "rate", 1e-7),
        ("5 kHz", "rate", 5e-6),
        ("0.02 um^2", "area", 20_000.0),
        ("0.02 µm²", "area", 20_000.0),
        ("37 degC", "temperature", 310.15),
        ("-5 °C", "temperature", 268.15),
        ("298.15 K", "temperature", 298.15),
        ("1 uF/cm^2", "capacitance", 6.241509074e-5),
        ("20 pS", "conductance", 1.2483018149e-4),
        ("0.71 um^2/ms", "diffusion_coefficient", 0.71),
        ("1e-5 cm^2/s", "diffusion_coefficient", 1.0),
        ("0.037 nm^3/ns", "permeability", 0.037),
        ("0.037 nm3/ns", "permeability", 0.037),
        ("0.71 um2/ms", "diffusion_coefficient", 0.71),
        ("1 uF/cm2", "capacitance", 6.241509074e-5),
        ("1e-14 cm2", "area", 1.0),
        ("100 s-1", "rate", 1e-7),
        ("1e-13 cm^3/s", "permeability", 0.1),
        ("-70mV", "potential", -70.0),
        ("+1_000 mV", "potential", 1000.0),
    ],
)
def test_quantities_become_internal_numbers(text, dimension, expected):
    assert parse_quantity(text, dimension) == pytest.approx(expected, rel=1e-9)


def test_conversion_leaves_no_rounding_noise():
    assert parse_quantity("1 um^2", "area") == 1e6
    assert parse_quantity("0.5 ns", "time") == 0.5
    assert parse_quantity("0.1 uM", "concentration") == 1e-4


@pytest.mark.parametrize("dimension", DIMENSIONS)
def test_every_example_in_a_message_is_itself_accepted(dimension):
    assert parse_quantity(DIMENSIONS[dimension].example, dimension) != 0


def test_wrong_dimension_says_what_was_expected_and_found():
    with pytest.raises(QuantityError) as error:
        parse_quantity("5 mV", "concentration")
    assert str(error.value) == 'expected a concentration such as "140 mM", found "5 mV" (a potential)'


@pytest.mark.parametrize(
    ("text", "dimension", "fragment"),
    [
        (140, "concentration", 'write its unit too: "140 mM"'),
        (0.5, "time", 'write its unit too: "0.5 us"'),
        ("140", "concentration", 'write "140 mM"'),
        (10**400, "length", "bare number"),
        (10**400, "temperature", "bare number"),
        (310, "temperature", 'write its unit too: "310 K" or "37 degC"'),
        ("310", "temperature", 'write "310 K" or "37 degC"'),
        (37, "temperature", 'write its unit too: "37 degC" or "310.15 K"'),
        ("37 C", "temperature", '(a charge); write "37 degC" or "310.15 K"'),
        ("5 mV/", "potential", '"mV/" is not a unit'),
        ("5 (", "time", '"(" is not a unit'),
        ("5 bananas", "time", '"bananas" is not a unit'),
        ("1,5 nm", "length", "is not a unit"),
        ("5 nm^9^9^9^9", "length", "is not a unit"),
        ("5 nm9^9^9^9", "length", "is not a unit"),
        ("5 nm99", "length", "is not a unit"),
        ("5 " + "m*" * 100 + "m", "length", "is not a unit"),
        ("1 cm/s", "permeability", "(a velocity)"),
        ("5 rad", "length", "(a plain number)"),
        ("twenty us", "time", "does not begin with a number"),
        ("", "time", "does not begin with a number"),
        ("nan mM", "concentration", "not a finite number"),
        ("-inf mM", "concentration", "not a finite number"),
        (float("nan"), "concentration", "not a finite number"),
        (float("inf"), "time", "not a finite number"),
        ("1e400 nm", "length", "not a finite number"),
        ("1e300 nm", "length", "beyond all measure"),
        ("1e-300 nm", "length", "beyond all measure"),
        (True, "time", "found true"),
        ([5], "time", "found an array"),
        ({}, "time", "found a table"),
    ],
)
def test_what_is_no_quantity_is_refused_with_a_reason(text, dimension, fragment):
    with pytest.raises(McError) as error:
        parse_quantity(text, dimension)
    assert fragment in str(error.value)
    assert str(error.value).startswith("expected a")


def test_an_example_of_the_caller_gives_the_unit_of_the_hint():
    with pytest.raises(QuantityError) as error:
        parse_quantity(100, "rate", "100 /s")
    assert str(error.value) == (
        'expected a rate such as "100 /s", found the bare number 100; write its unit too: "100 /s"'
    )


def test_importing_the_module_does_not_import_the_units_library():
    code = "import mc.units, sys; sys.exit('pint' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_quantity_is_split_as_it_was_written_and_expressed_in_another_unit():
    assert split_quantity("-1_000.5 um^2") == (-1000.5, "um^2")
    assert split_quantity("10") == (10.0, "")
    assert split_quantity("nan mM") is split_quantity("random") is None
    assert express("500 uM", "mM") == pytest.approx(0.5)
    assert express("3 mM", "mM") == 3.0
    assert express("3 mM", "mV") is express("3", "mM") is express("many", "") is None
    assert format_quantity(2.66741934, "mM") == "2.66742 mM"
    assert format_quantity(4.0, "") == "4"
