"""A spike in the continuum against Hodgkin and Huxley's mean equations with GHK currents, integrated on their own."""

from pathlib import Path

import numpy as np
import pytest
from test_action_potential import solve_mean_equations, spike_of

from mc.scenario.reading import read_scenario
from mc.simulation import simulate

SHIPPED = Path(__file__).parents[2] / "scenarios" / "action_potential.toml"


def test_the_spike_is_that_of_the_mean_equations(tmp_path):
    """Its time to 0.02 ms, its peak and its lowest point to 0.3 mV: what baths of finite length and records leave."""
    scenario = read_scenario(SHIPPED, {"simulation.engine": "continuum", "geometry.grid_spacing": "50 nm"})
    recording = simulate(scenario, tmp_path, seed=1)
    spike = spike_of(recording.time, recording["membrane_potential"])
    expected = spike_of(*solve_mean_equations(scenario))
    assert np.all(np.abs(spike - expected) < [0.02, 0.3, 0.3]), (spike, expected)
    wrong = spike_of(*solve_mean_equations(scenario, sodium_activation=2))
    assert np.any(np.abs(spike - wrong) > 5.0 * np.array([0.02, 0.3, 0.3]))
    assert expected[1] == pytest.approx(32.0, abs=2.0)
