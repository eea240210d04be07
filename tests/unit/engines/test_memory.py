"""An engine that takes up what another remembered goes on with the same bits."""

import numpy as np
import pytest
from small_membrane import TABLES

from mc.engines.brownian.engine import BrownianEngine
from mc.engines.lattice.engine import LatticeEngine
from mc.errors import RecordingError
from mc.scenario.schema import Scenario

PLANE = {
    "dimensions": 2,
    "width": "64 nm",
    "depth": "32 nm",
    "inside_length": "8 nm",
    "outside_length": "12 nm",
    "boundary": "bath",
}
PROTOCOL = {
    "voltage": [{"start": "10 ns", "stop": "40 ns", "potential": "-50 mV"}],
    "current": [{"start": "45 ns", "current": "0.3 nA"}],
    "blocks": [{"protein": "Cl leak", "start": "20 ns", "fraction": 0.5}],
    "solutions": [{"start": "15 ns", "concentrations": {"K": "60 mM", "Na": "90 mM"}}],
}
TRANSPORTER = {
    "name": "KCC2",
    "count": 10,
    "turnover": "50 /us",
    "outward": {"K": 1, "Cl": 1},
    "half_saturation": {"K": "50 mM", "Cl": "50 mM"},
}


def make(engine, geometry, seed=1):
    if engine is LatticeEngine:
        # Voxels of some nanometres, far more than an ion goes in a step.
        geometry = geometry | {"inside_length": "80 nm", "outside_length": "120 nm"}
    tables = TABLES | {"geometry": geometry, "protocol": PROTOCOL, "transporters": [TRANSPORTER]}
    tables["channels"][1]["count"] = 30
    return engine(Scenario.model_validate(tables), seed, 0.5, 1)


def observed(engine):
    now = engine.observe()
    return [getattr(now, name) for name in now.__dataclass_fields__ if name not in ("maps", "states")]


@pytest.mark.parametrize("engine", [BrownianEngine, LatticeEngine])
@pytest.mark.parametrize("geometry", [TABLES["geometry"] | {"boundary": "bath"}, PLANE], ids=["1D", "2D"])
@pytest.mark.parametrize("stop", [37, 80])
def test_a_run_that_is_taken_up_goes_on_with_the_same_bits(engine, geometry, stop):
    straight = make(engine, geometry)
    while straight.step < stop:
        straight.advance(stop - straight.step)
    straight.drain_events()
    saved = {name: array.copy() for name, array in straight.memory().items()}
    resumed = make(engine, geometry)
    resumed.take_up(saved)
    assert resumed.step == stop
    for one, other in zip(observed(straight), observed(resumed), strict=True):
        np.testing.assert_array_equal(one, other)
    for _ in range(3):
        for each in (straight, resumed):
            target = each.step + 30
            while each.step < target:
                each.advance(target - each.step)
        for one, other in zip(observed(straight), observed(resumed), strict=True):
            np.testing.assert_array_equal(one, other)
        for kind, columns in straight.drain_events().items():
            other = resumed.drain_events()[kind] if kind == "crossings" else None
            if other is not None:
                for name, column in columns.items():
                    np.testing.assert_array_equal(column, other[name])


def test_what_does_not_fit_is_refused_and_changes_nothing():
    small = make(BrownianEngine, TABLES["geometry"] | {"boundary": "bath"})
    large = make(BrownianEngine, TABLES["geometry"] | {"boundary": "bath", "area": "0.004 um^2"})
    before = small.state.ions.positions.copy()
    with pytest.raises(RecordingError, match=r"ions\.positions has the shape"):
        small.take_up(large.memory())
    np.testing.assert_array_equal(small.state.ions.positions, before)
