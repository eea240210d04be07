"""A small engine with everything in it: several ions, gated channels, pumps."""

import pytest
from small_membrane import TABLES

from mc.engines.brownian.engine import BrownianEngine
from mc.scenario.schema import Scenario


@pytest.fixture
def scenario():
    return Scenario.model_validate(TABLES)


@pytest.fixture
def make_engine(scenario):
    """Return a function that makes an engine of the small scenario, on one thread."""

    def make(seed=1, clamped_potential=None, time_step=0.5):
        return BrownianEngine(scenario, seed, time_step, 1, clamped_potential)

    return make
