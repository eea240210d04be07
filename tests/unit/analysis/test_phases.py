"""Phases of a protocol, from a recording whose series are made up."""

import numpy as np
import pytest
from synthetic_run import describe_synthetic_run

from mc.analysis.phases import find_phases
from mc.recording.layout import series_blocks
from mc.recording.recorder import Recorder
from mc.recording.recording import Recording
from mc.scenario.schema import Scenario
from mc.theory import nernst_potential

PROTOCOL = {
    "voltage": [
        {"stop": "100 ns", "potential": "-80 mV"},
        {"start": "100 ns", "stop": "200 ns", "potential": "-80 mV", "end_potential": "20 mV"},
    ],
    "current": [{"start": "300 ns", "current": "160.2176634 pA"}],
    "blocks": [{"protein": "K leak", "start": "300 ns", "fraction": 0.5}],
    "solutions": [{"start": "200 ns", "concentrations": {"K": "20 mM"}}],
}


def make_scenario(protocol):
    return Scenario.model_validate(
        {
            "simulation": {"duration": "400 ns"},
            "geometry": {
                "area": "0.01 um^2",
                "inside_length": "10 nm",
                "outside_length": "10 nm",
                "boundary": "bath",
            },
            "membrane": {"thickness": "4 nm", "capacitance": "1 uF/cm^2"},
            "inside": {"K": "100 mM"},
            "outside": {"K": "5 mM", "Na": "100 mM"},
            "channels": [{"name": "K leak", "count": 10, "permeability": {"K": "0.03 nm^3/ns"}}],
            "protocol": protocol,
        }
    )


def write_run(folder, protocol):
    """Write records every 4 ns: the potential is the number of the phase, 2 e/ns leave and 1 e/ns is injected."""
    scenario = make_scenario(protocol)
    description = describe_synthetic_run(scenario_json=scenario.to_json())
    blocks = series_blocks(description)
    with Recorder(folder / "run.h5", description) as recorder:
        for i in range(101):
            row = np.zeros(len(recorder.columns))
            now = 4.0 * i
            row[blocks["membrane_potential"]] = np.ceil(now / 100.0)
            row[blocks["displaced_charge"].start] = 2.0 * now
            row[blocks["injected_charge"]] = now
            # The pumps stop when the second half of the run begins.
            row[blocks["pump_cycles"]] = min(now, 200.0)
            row[blocks["permeability"].start] = 0.3
            row[blocks["bulk_concentration_inside"].start] = 100.0
            row[blocks["bulk_concentration_outside"].start] = 5.0
            recorder.record_series(i, now, row)
    return Recording(folder)


def test_every_change_of_a_protocol_begins_a_phase(tmp_path):
    phases = find_phases(write_run(tmp_path, PROTOCOL))
    assert [(phase.start, phase.stop) for phase in phases] == [(0, 100), (100, 200), (200, 300), (300, 400)]
    assert [phase.label for phase in phases] == [
        "clamp -80 mV",
        "clamp -80 to 20 mV",
        "outside K 20 mM",
        "inject 160 pA; outside K 20 mM; 50% of K leak blocked",
    ]
    assert [phase.membrane_potential.mean for phase in phases] == [1, 2, 3, 4]
    for phase in phases:
        assert phase.channel_current == pytest.approx(2 * 160.2176634)
        assert phase.injected_current == pytest.approx(160.2176634)
        assert phase.ghk_potential == pytest.approx(nernst_potential(1, 100.0, 5.0, 310.15))
    # One charge a nanosecond outward.
    assert [phase.pump_current for phase in phases] == pytest.approx([1.0, 1.0, 0.0, 0.0])
    assert all(phase.ghk_potential_with_pumps < phase.ghk_potential - 5.0 for phase in phases[:2])
    assert all(phase.ghk_potential_with_pumps == phase.ghk_potential for phase in phases[2:])


def test_a_run_without_a_protocol_is_one_free_phase(tmp_path):
    [phase] = find_phases(write_run(tmp_path, {}))
    assert (phase.start, phase.stop, phase.label) == (0.0, 400.0, "free")
