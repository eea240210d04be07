import numpy as np
import pytest
from small_membrane import TABLES

from mc.engines.timeline import Instruments, LowPass, make_timeline
from mc.membrane.protocols import CURRENT, FREE, VOLTAGE, command_at, make_amplifier
from mc.scenario.schema import Scenario


def play(protocol, time_step=0.5):
    """Return what was done, as (step, what), and the amplifier's mode and command after each change of it."""
    scenario = Scenario.model_validate(TABLES | {"protocol": protocol})
    amplifier, done = make_amplifier(), []
    instruments = Instruments(
        amplifier,
        lambda *what: done.append(("block", *what)),
        lambda *what: done.append(("ligand", *what)),
        lambda *what: done.append(("solution", *what)),
    )
    steps, modes = [], []
    for change in make_timeline(scenario, time_step):
        n = len(done)
        change.do(instruments)
        if len(done) == n:
            modes.append(
                (change.step, int(amplifier.mode[0]), command_at(amplifier, change.step * time_step))
            )
        else:
            steps.append(change.step)
    return list(zip(steps, done, strict=True)), modes, amplifier


def test_a_scenario_without_a_protocol_has_an_empty_timeline():
    assert make_timeline(Scenario.model_validate(TABLES), 0.5) == []


def test_commands_follow_each_other_and_what_ends_comes_before_what_begins():
    _, modes, amplifier = play(
        {
            "voltage": [
                {"start": "10 ns", "stop": "20 ns", "potential": "-80 mV"},
                {"start": "20 ns", "stop": "40 ns", "potential": "-80 mV", "end_potential": "0 mV"},
            ],
            "current": [{"start": "60 ns", "current": "1 nA"}],
        }
    )
    expected = [(20, VOLTAGE, -80.0), (40, FREE, 0.0), (40, VOLTAGE, -80.0), (80, FREE, 0.0)]
    assert modes[:-1] == expected
    assert modes[-1][:2] == (120, CURRENT)
    assert modes[-1][2] == pytest.approx(6.2415, rel=1e-4)
    assert amplifier.slope[0] == 0.0


def test_drugs_and_ligands_come_and_go():
    channels = [
        {
            "name": "GABA-A",
            "count": 5,
            "permeability": {"Cl": "0.03 nm^3/ns"},
            "gating": {
                "states": ["shut", "open"],
                "open": ["open"],
                "rates": {
                    "shut->open": {"rate": "1 /ms", "ligand": "GABA", "per_concentration": "1 mM"},
                    "open->shut": "1 /ms",
                },
            },
        }
    ]
    scenario = TABLES | {
        "channels": channels,
        "protocol": {
            "blocks": [{"protein": "GABA-A", "start": "5 ns", "stop": "10 ns", "fraction": 0.5}],
            "ligands": [{"name": "GABA", "start": "2 ns", "concentration": "2 mM"}],
        },
    }
    timeline = make_timeline(Scenario.model_validate(scenario), 0.5)
    done = []
    instruments = Instruments(
        make_amplifier(), lambda *what: done.append(what), lambda *what: done.append(what), lambda *_: None
    )
    for change in timeline:
        change.do(instruments)
    assert [change.step for change in timeline] == [4, 10, 20]
    assert done == [("GABA", 2.0), ("GABA-A", 0.5), ("GABA-A", 0.0)]


def test_a_low_pass_follows_a_step_exponentially_whatever_the_intervals():
    """2 pi 0.01 /ns: after 15 ns exp(-0.9425) of a step is left, in one reading or in three."""
    left = np.exp(-0.3 * np.pi)
    for steps in ([30], [4, 11, 30]):
        trace = LowPass([0.01, None], 0.5)
        assert trace.read(0, np.array([0.0, 0.0])).tolist() == [0.0, 0.0]
        for step in steps:
            shown = trace.read(step, np.array([10.0, 10.0]))
        assert shown == pytest.approx([10.0 * (1.0 - left), 10.0])
