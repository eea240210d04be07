import pytest

from mc.membrane import protocols
from mc.membrane.protocols import CURRENT, FREE, VOLTAGE, make_amplifier, switch


def to_move(amplifier, now, charge=0.0, capacitance=2.0):
    return protocols.charge_to_move.py_func(amplifier, now, charge, capacitance)


def test_an_amplifier_that_is_off_moves_nothing():
    assert to_move(make_amplifier(), 5.0, charge=100.0) == 0


def test_a_voltage_clamp_asks_for_the_charge_that_is_lacking_to_the_nearest_whole_one():
    """-10 mV on 2 e/mV are -20 e."""
    amplifier = make_amplifier()
    switch(amplifier, VOLTAGE, 0.0, -10.0)
    assert to_move(amplifier, 3.0, charge=0.0) == -20
    assert to_move(amplifier, 3.0, charge=-20.4) == 0
    assert to_move(amplifier, 3.0, charge=-20.6) == 1
    assert to_move(amplifier, 3.0, charge=-18.0) == -2


def test_a_ramp_rises_in_a_straight_line():
    amplifier = make_amplifier()
    switch(amplifier, VOLTAGE, 100.0, -80.0, 0.5)
    assert protocols.command_at.py_func(amplifier, 100.0) == -80.0
    assert protocols.command_at.py_func(amplifier, 180.0) == pytest.approx(-40.0)


def test_a_current_clamp_gives_its_integral_in_whole_charges():
    amplifier = make_amplifier()
    switch(amplifier, CURRENT, 0.0, 0.3)
    moved = []
    for now in range(1, 11):
        moved.append(to_move(amplifier, float(now)))
        amplifier.given[0] += int(moved[-1])
    assert sum(moved) == 3
    assert set(moved) == {0, 1}


def test_what_a_current_was_due_outlasts_a_pause_and_a_ramp_adds_its_triangle():
    amplifier = make_amplifier()
    switch(amplifier, CURRENT, 0.0, 0.0, 0.1)
    switch(amplifier, FREE, 10.0)
    assert amplifier.due[0] == pytest.approx(5.0)
    assert to_move(amplifier, 12.0) == 0
    switch(amplifier, CURRENT, 20.0, -1.0)
    assert to_move(amplifier, 23.0) == 2
